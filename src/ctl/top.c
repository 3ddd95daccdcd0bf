#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/term.h"
#include "ctl/top.h"

#define PERIOD NS_PER_SEC

/* The picture of now, or why there is none, as text that is allocated. */
static char *
picture(const char *path)
{
	struct failure why = { 0 };
	struct json_object *status;
	size_t columns, lines, size = 0;
	char *text = NULL;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		return NULL;
	term_size(&columns, &lines);
	if ((status = snapshot_take(path, &why)) != NULL) {
		top_print(status, f, columns, true);
		json_object_put(status);
	} else {
		fprintf(f, "%s\n", why.text);
		free(why.text);
	}
	if (fclose(f) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}

/* Scrolls and waits until it is time for the next picture.  False: quit. */
static bool
stay(struct term *t, const char *text, size_t *from)
{
	uint64_t deadline = clock_now() + PERIOD, now;
	size_t columns, lines;

	while ((now = clock_now()) < deadline) {
		term_show(text, from);
		term_size(&columns, &lines);
		switch (term_wait(t, deadline - now + NS_PER_MS)) {
		case TERM_QUIT:
			return false;
		case TERM_RESIZE:
			return true;
		case TERM_UP:
			*from -= *from > 0;
			break;
		case TERM_DOWN:
			++*from;
			break;
		case TERM_PAGE_UP:
			*from -= *from < lines ? *from : lines - 1;
			break;
		case TERM_PAGE_DOWN:
			*from += lines - 1;
			break;
		case TERM_TIME:
			break;
		}
	}
	return true;
}

static int
run_screen(const char *path, struct failure *why)
{
	struct term t;
	size_t from = 0;
	bool more = true;
	char *text;

	if (term_open(&t, why) == -1)
		return -1;
	while (more && (text = picture(path)) != NULL) {
		more = stay(&t, text, &from);
		free(text);
	}
	term_close(&t);
	return more ? fail(why, EXIT_REFUSED, "no memory") : 0;
}

int
top_run(const char *path, bool once, struct failure *why)
{
	struct json_object *status;
	size_t columns, lines;

	term_size(&columns, &lines);
	for (;;) {
		if ((status = snapshot_take(path, why)) == NULL)
			return -1;
		if (!once && term_usable()) {
			json_object_put(status);
			return run_screen(path, why);
		}
		top_print(status, stdout, columns, false);
		json_object_put(status);
		if (once || fflush(stdout) == EOF)
			return 0;
		sleep(1);
		putchar('\n');
	}
}
