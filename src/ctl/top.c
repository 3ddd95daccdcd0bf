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

#define PERIOD	  NS_PER_SEC
#define HISTORY	  12 /* samples; see the heading in status.c */
#define BACKSPACE 8
#define ESCAPE	  27
#define DELETE	  127

/* What the user has chosen. */
struct top {
	struct status_view view;
	bool typing; /* the filter */
	bool help;
	size_t from; /* the first line */
	/* By name or address, arrays of rates; the last one is the newest. */
	struct json_object *guests, *services;
	uint64_t sampled; /* ns */
};

static const char help_text[] =
    "vrngctl top: keys\n"
    "\n"
    "  q            quit\n"
    "  ?            this help, and back\n"
    "  /            show guests and services whose name or class contains a\n"
    "               text: type it, then Enter; Escape, or no text, shows all\n"
    "  s            sort by rate, or the waiting first\n"
    "  j, down      one line down\n"
    "  k, up        one line up\n"
    "  space, b     one page down, up\n";

static bool
is_connected(const char *state)
{
	return strcmp(state, "connected") == 0 || strcmp(state, "waiting") == 0;
}

/* The choices that differ from the default. */
static void
print_view(const struct top *t, FILE *f)
{
	if (t->view.by_rate)
		fputs(", by rate", f);
	if (t->typing || t->view.filter[0] != '\0')
		fprintf(f, ", filter: %s%s", t->view.filter,
		    t->typing ? "_" : "");
}

/* Counts guests, services and clients, and those connected. */
static void
print_head(struct json_object *status, const struct top *t, FILE *f)
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
	fprintf(f, "vrngd at %s", clock);
	print_view(t, f);
	fprintf(f, ": %zu of %zu guests connected", up, guests);
	if (services != 0)
		fprintf(f, ", %" PRIu64 " client%s of %zu service%s", clients,
		    clients == 1 ? "" : "s", services,
		    services == 1 ? "" : "s");
	fputc('\n', f);
}

/* Adds a history to each object of a list, with a new sample or without. */
static void
add_history(struct json_object *status, const char *list, const char *key,
    struct json_object **history, bool sample)
{
	struct json_object *now = json_object_new_object(), *pool, *o, *rates;
	const char *name;

	SNAPSHOT_FOREACH(pool, status, "pools")
		SNAPSHOT_FOREACH(o, pool, list) {
			name = snapshot_text(o, key);
			rates = json_object_get(
			    json_object_object_get(*history, name));
			if (rates == NULL)
				rates = json_object_new_array();
			if (sample)
				json_object_array_add(rates,
				    json_object_new_uint64(snapshot_number(o,
					"bytes_per_second")));
			if (json_object_array_length(rates) > HISTORY)
				json_object_array_del_idx(rates, 0, 1);
			json_object_object_add(now, name, rates);
			json_object_object_add(o, "history",
			    json_object_get(rates));
		}
	json_object_put(*history);
	*history = now;
}

static void
remember(struct json_object *status, struct top *t)
{
	uint64_t now = clock_now();
	bool sample = t->sampled == 0 || now - t->sampled >= PERIOD;

	add_history(status, "guests", "name", &t->guests, sample);
	add_history(status, "services", "where", &t->services, sample);
	if (sample)
		t->sampled = now;
}

/* Prints the tables of a status, and frees it. */
static void
print_picture(struct json_object *status, const struct top *t, FILE *f)
{
	size_t columns, lines;

	term_size(&columns, &lines);
	print_head(status, t, f);
	status_print(status, f, columns, &t->view);
	json_object_put(status);
}

/* The current tables, or the error, as text that the caller frees. */
static char *
picture(const char *path, struct top *t)
{
	struct failure why = { 0 };
	struct json_object *status;
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		return NULL;
	if (t->help)
		fputs(help_text, f);
	else if ((status = snapshot_take(path, &why)) != NULL) {
		remember(status, t);
		print_picture(status, t, f);
	} else
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

/* A key while the filter is typed. */
static void
type(struct top *t, int key)
{
	char *filter = t->view.filter;
	size_t n = strlen(filter);

	if (key == ESCAPE)
		filter[0] = '\0';
	if (key == ESCAPE || key == '\n' || key == '\r')
		t->typing = false;
	else if ((key == BACKSPACE || key == DELETE) && n > 0)
		filter[n - 1] = '\0';
	else if (key > ' ' && key < DELETE && n + 1 < sizeof(t->view.filter)) {
		filter[n] = (char)key;
		filter[n + 1] = '\0';
	}
}

/* Acts on a key.  Returns whether the picture is another one now. */
static bool
press(struct top *t, int key)
{
	if (key < 0)
		return key == TERM_REDRAW;
	if (t->typing) {
		type(t, key);
		return true;
	}
	switch (key) {
	case '?':
		t->help = !t->help;
		return true;
	case '/':
		t->help = false;
		t->view.filter[0] = '\0';
		t->typing = true;
		return true;
	case 's':
		t->view.by_rate = !t->view.by_rate;
		return true;
	}
	t->from = scroll(t->from, key);
	return false;
}

static int
run_screen(const char *path, struct failure *why)
{
	struct top top = { 0 };
	uint64_t next, now;
	struct term t;
	char *text;
	int key;
	bool changed, end = false;

	if (term_open(&t, why) == -1)
		return -1;
	while (!end && (text = picture(path, &top)) != NULL) {
		next = clock_now() + PERIOD;
		do {
			term_show(text, &top.from);
			now = clock_now();
			key = term_wait(&t,
			    now < next ? next - now + NS_PER_MS : 0);
			end = key == TERM_END || (key == 'q' && !top.typing);
			changed = press(&top, key);
		} while (!end && !changed && now < next);
		free(text);
	}
	term_close(&t);
	json_object_put(top.guests);
	json_object_put(top.services);
	return end ? 0 : fail(why, EXIT_REFUSED, "out of memory");
}

int
top_run(const struct args *args, struct failure *why)
{
	bool once = (args->given & OPT_ONCE) != 0;
	const struct top all = { 0 };
	struct json_object *status;

	while ((status = snapshot_take(args->status, why)) != NULL) {
		if (!once && term_usable()) {
			json_object_put(status);
			return run_screen(args->status, why);
		}
		print_picture(status, &all, stdout);
		if (once || fflush(stdout) == EOF)
			return 0;
		sleep(1);
		putchar('\n');
	}
	return -1;
}
