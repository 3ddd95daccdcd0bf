/*
 * vrngctl top: the tables of vrngctl status, live.  Used by main.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/snapshot.h"
#include "ctl/status.h"
#include "ctl/term.h"
#include "ctl/top.h"

#define PERIOD NS_PER_SEC

static bool
is_connected(const char *state)
{
	return strcmp(state, "connected") == 0 || strcmp(state, "waiting") == 0;
}

/* Counts guests, services and clients, and those connected. */
static void
print_head(struct json_object *status, FILE *f)
{
	size_t guests = 0, up = 0, services = 0;
	struct json_object *pool, *o;
	uint64_t clients = 0;
	char clock[16] = "";
	time_t now = time(NULL);
	struct tm tm;

	SNAPSHOT_FOREACH(pool, status, "pools") {
		guests += snapshot_length(pool, "guests");
		SNAPSHOT_FOREACH(o, pool, "guests")
			up += is_connected(snapshot_text(o, "state"));
		SNAPSHOT_FOREACH(o, pool, "services") {
			if (snapshot_is_guests(o))
				continue;
			services++;
			clients += snapshot_number(o, "clients_connected");
		}
	}
	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(f, "vrngd at %s: %zu of %zu guests connected", clock, up,
	    guests);
	if (services != 0)
		fprintf(f, ", %" PRIu64 " client%s of %zu service%s", clients,
		    clients == 1 ? "" : "s", services,
		    services == 1 ? "" : "s");
	fputc('\n', f);
}

/* Prints the tables of a status, and frees it. */
static void
print_picture(struct json_object *status, FILE *f)
{
	size_t columns, lines;

	term_size(&columns, &lines);
	print_head(status, f);
	status_print(status, f, columns);
	json_object_put(status);
}

/* The current tables, or the error, as text that the caller frees. */
static char *
picture(const char *path)
{
	struct failure why = { 0 };
	struct json_object *status;
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		return NULL;
	if ((status = snapshot_take(path, &why)) != NULL)
		print_picture(status, f);
	else
		fprintf(f, "%s\n", why.text);
	free(why.text);
	if (fclose(f) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}

/*
 * The first line after a key.  The arrow and page keys send sequences, of which
 * only the letter or digit counts.
 */
static size_t
scroll(size_t from, int key)
{
	size_t columns, lines;

	term_size(&columns, &lines);
	switch (key) {
	case 'j':
	case 'B':
		return from + 1;
	case 'k':
	case 'A':
		return from - (from > 0);
	case ' ':
	case '6':
		return from + lines - 1;
	case 'b':
	case '5':
		return from < lines ? 0 : from - lines + 1;
	}
	return from;
}

static int
run_screen(const char *path, struct failure *why)
{
	uint64_t next, now;
	size_t from = 0;
	struct term t;
	char *text;
	int key = 0;

	if (term_open(&t, why) == -1)
		return -1;
	while (key != 'q' && (text = picture(path)) != NULL) {
		next = clock_now() + PERIOD;
		do {
			term_show(text, &from);
			now = clock_now();
			key = term_wait(&t,
			    now < next ? next - now + NS_PER_MS : 0);
			from = scroll(from, key);
		} while (key != 'q' && key != TERM_REDRAW && now < next);
		free(text);
	}
	term_close(&t);
	return key == 'q' ? 0 : fail(why, EXIT_REFUSED, "out of memory");
}

int
top_run(const struct args *args, struct failure *why)
{
	bool once = (args->given & OPT_ONCE) != 0;
	struct json_object *status;

	while ((status = snapshot_take(args->status, why)) != NULL) {
		if (!once && term_usable()) {
			json_object_put(status);
			return run_screen(args->status, why);
		}
		print_picture(status, stdout);
		if (once || fflush(stdout) == EOF)
			return 0;
		sleep(1);
		putchar('\n');
	}
	return -1;
}
