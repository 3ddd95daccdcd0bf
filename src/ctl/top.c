/*
 * vrngctl top: who gets how much, live.  Used by main.c.
 */
#include <bsd/string.h>
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/snapshot.h"
#include "ctl/term.h"
#include "ctl/top.h"

#define PERIOD	 NS_PER_SEC
#define NAME_MIN 12 /* columns */
#define NAME_MAX 28
#define BAR_MIN	 8
#define BAR_MAX	 60
#define NUMBERS	 31 /* columns of a line that are neither name nor bar */

/* One picture in the making. */
struct top {
	struct json_object *pool; /* that is being printed */
	FILE *f;
	size_t columns;
	bool screen;
	int name; /* width, columns */
	int bar;
	uint64_t most; /* bytes/s that anybody gets, at least 1 */
};

#define NAME_SIZE    256	     /* with the NUL; longer names are cut */
#define SERVICE_SIZE (NAME_SIZE * 2) /* "stream NAME" */

/* Where on a bar of `width` columns `n` of `full` ends. */
static int
bar_end(uint64_t n, uint64_t full, int width)
{
	if (n >= full)
		return width;
	return (int)((double)n / (double)full * width + 0.5);
}

/*
 * A bar as long as what is got, with a mark where the guarantee ends.  It is
 * full at the ceiling; without one, at the pool's limit, or at what the one
 * with the most gets.
 */
static void
print_bar(const struct top *top, uint64_t now, uint64_t rate, uint64_t full)
{
	int end, mark;

	if (full == 0)
		full = format_per_second(snapshot_object(top->pool, "limit"));
	if (full == 0)
		full = top->most;
	end = bar_end(now, full, top->bar);
	if (end == 0 && now > 0)
		end = 1;
	mark = rate == 0 || rate >= full ? -1 : bar_end(rate, full, top->bar);
	fputc('[', top->f);
	for (int i = 0; i < top->bar; i++)
		fputc(i == mark ? '|' : i < end ? '#' : ' ', top->f);
	fputc(']', top->f);
}

/*
 * A line about an object, whose ceiling is the value of the key `limit`; `note`
 * is what stands behind it.
 */
static void
print_row(const struct top *top, struct json_object *o, const char *name,
    uint64_t depth, const char *limit, const char *note)
{
	uint64_t now = snapshot_number(o, "bytes_per_second");
	uint64_t ceil = format_per_second(snapshot_object(o, limit));
	char text[SERVICE_SIZE], got[FORMAT_SIZE], most[FORMAT_SIZE];
	int indent = (int)(depth % 16) * 2, width;

	if (indent > top->name / 2)
		indent = top->name / 2;
	width = top->name - indent;
	format_text(text, sizeof(text), name);
	if (strlen(text) > (size_t)width)
		text[width - 1] = '~';
	fprintf(top->f, "%*s%-*.*s ", indent, "", width, width, text);
	print_bar(top, now, format_per_second(snapshot_object(o, "rate")),
	    ceil);
	format_text(text, sizeof(text), note);
	fprintf(top->f, " %5s/s of %5s%s%s\n", format_bytes(got, now),
	    ceil == 0 ? "any" : format_bytes(most, ceil),
	    text[0] == '\0' ? "" : " ", text);
}

static void
write_sources(const struct top *top, FILE *f)
{
	char name[NAME_SIZE], state[NAME_SIZE];
	struct json_object *s;

	switch (snapshot_supply(top->pool)) {
	case SUPPLY_FULL:
		fputs("  sources:", f);
		break;
	case SUPPLY_FALLBACK:
		if (strcmp(snapshot_text(top->pool, "combine"), "first") == 0)
			fputs("! on a fallback:", f);
		else
			fprintf(f, "! on %" PRIu64 " of %" PRIu64 ":",
			    snapshot_number(top->pool, "sources_serving"),
			    snapshot_number(top->pool, "sources_total"));
		break;
	case SUPPLY_NONE:
		fputs("! no source serves:", f);
		break;
	}
	SNAPSHOT_FOREACH(s, top->pool, "sources")
		fprintf(f, "%s %s%s %s", s_i == 0 ? "" : ",",
		    snapshot_bool(s, "serving") ? "*" : "",
		    format_text(name, sizeof(name), snapshot_text(s, "name")),
		    format_text(state, sizeof(state),
			snapshot_text(s, "state")));
}

/* The pool's sources and their states, as far as they fit a line. */
static void
print_sources(const struct top *top)
{
	char *line = NULL;
	size_t size = 0;
	FILE *stream;

	if ((stream = open_memstream(&line, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	write_sources(top, stream);
	if (fclose(stream) == EOF)
		err(EXIT_REFUSED, NULL);
	if (size > top->columns && top->columns > 0)
		strlcpy(&line[top->columns - 1], "~", 2);
	if (top->screen && line[0] == '!')
		fputc(TERM_ALERT, top->f);
	fprintf(top->f, "%s\n", line);
	free(line);
}

/* "stream NAME" */
static const char *
service_name(char text[SERVICE_SIZE], struct json_object *service)
{
	snprintf(text, SERVICE_SIZE, "%s %s", snapshot_text(service, "kind"),
	    snapshot_text(service, "name"));
	return text;
}

/*
 * The guests and services right in a class ("": the pool).  A guest's EGD
 * socket has no row: what it draws is in the guest's.
 */
static void
print_leaves(const struct top *top, const char *class, uint64_t depth)
{
	char name[SERVICE_SIZE];
	struct json_object *o;

	SNAPSHOT_FOREACH(o, top->pool, "guests")
		if (strcmp(snapshot_text(o, "class"), class) == 0)
			print_row(top, o, snapshot_text(o, "name"), depth,
			    "ceil", snapshot_text(o, "state"));
	SNAPSHOT_FOREACH(o, top->pool, "services")
		if (!snapshot_is_guests(o) &&
		    strcmp(snapshot_text(o, "class"), class) == 0)
			print_row(top, o, service_name(name, o), depth, "ceil",
			    snapshot_text(o, "state"));
}

static void
print_pool(const struct top *top)
{
	char note[FORMAT_SIZE * 2], stock[FORMAT_SIZE];
	struct json_object *class;
	uint64_t depth;

	snprintf(note, sizeof(note), "%s left",
	    format_bytes(stock, snapshot_number(top->pool, "stock")));
	print_row(top, top->pool, snapshot_text(top->pool, "name"), 0, "limit",
	    note);
	print_sources(top);
	print_leaves(top, "", 1);
	SNAPSHOT_FOREACH(class, top->pool, "classes") {
		depth = snapshot_number(class, "depth") % 14 + 1;
		print_row(top, class, snapshot_text(class, "name"), depth,
		    "ceil", "");
		print_leaves(top, snapshot_text(class, "name"), depth + 1);
	}
}

/* Makes the column of names wide enough for one, within bounds. */
static void
widen(struct top *top, size_t width)
{
	if (width > NAME_MAX)
		width = NAME_MAX;
	if ((int)width > top->name)
		top->name = (int)width;
}

static void
set_name_width(struct top *top, struct json_object *status)
{
	struct json_object *pool, *o;
	char name[SERVICE_SIZE];

	top->name = NAME_MIN;
	SNAPSHOT_FOREACH(pool, status, "pools") {
		SNAPSHOT_FOREACH(o, pool, "guests")
			widen(top, strlen(snapshot_text(o, "name")) + 4);
		SNAPSHOT_FOREACH(o, pool, "services")
			widen(top, strlen(service_name(name, o)) + 4);
		SNAPSHOT_FOREACH(o, pool, "classes")
			widen(top,
			    strlen(snapshot_text(o, "name")) +
				(snapshot_number(o, "depth") % 16 + 1) * 2);
	}
}

static void
set_widths(struct top *top, struct json_object *status, size_t columns)
{
	int bar;

	set_name_width(top, status);
	bar =
	    columns > INT16_MAX ? BAR_MAX : (int)columns - top->name - NUMBERS;
	top->bar = bar < BAR_MIN ? BAR_MIN : bar > BAR_MAX ? BAR_MAX : bar;
}

/* How many there are, and are connected. */
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
			up += snapshot_number(o, "connected_ns") != 0 ||
			    snapshot_number(o, "egd_clients") != 0;
		SNAPSHOT_FOREACH(o, pool, "services")
			if (!snapshot_is_guests(o)) {
				services++;
				clients +=
				    snapshot_number(o, "clients_connected");
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

/*
 * One picture: a line for each pool, class, guest and service, with a bar, and
 * one for each pool's sources.  For a screen, that one begins with TERM_ALERT if
 * they do not supply the pool as they are meant to.
 */
static void
print_picture(struct json_object *status, FILE *f, size_t columns, bool screen)
{
	struct top top = {
		.f = f,
		.columns = columns,
		.screen = screen,
		.most = 1,
	};
	struct json_object *pool;
	uint64_t now;

	SNAPSHOT_FOREACH(pool, status, "pools") {
		now = snapshot_number(pool, "bytes_per_second");
		if (now > top.most)
			top.most = now;
	}
	print_head(status, f);
	set_widths(&top, status, columns);
	SNAPSHOT_FOREACH(pool, status, "pools") {
		top.pool = pool;
		print_pool(&top);
	}
}

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
		print_picture(status, f, columns, true);
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
top_run(const struct args *args, struct failure *why)
{
	bool once = (args->given & OPT_ONCE) != 0;
	struct json_object *status;
	size_t columns, lines;

	term_size(&columns, &lines);
	for (;;) {
		if ((status = snapshot_take(args->status, why)) == NULL)
			return -1;
		if (!once && term_usable()) {
			json_object_put(status);
			return run_screen(args->status, why);
		}
		print_picture(status, stdout, columns, false);
		json_object_put(status);
		if (once || fflush(stdout) == EOF)
			return 0;
		sleep(1);
		putchar('\n');
	}
}
