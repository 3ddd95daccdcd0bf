#include <bsd/string.h>
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "format.h"
#include "term.h"
#include "top.h"

#define PERIOD	 NS_PER_SEC
#define NAME_MIN 12 /* columns */
#define NAME_MAX 28
#define BAR_MIN	 8
#define BAR_MAX	 60
#define NUMBERS	 30 /* columns of a line that are neither name nor bar */

/* One picture in the making. */
struct top {
	const struct snapshot *snap;
	const struct control_pool *pool; /* that is being printed */
	FILE *f;
	size_t columns;
	bool screen;
	int name; /* width, columns */
	int bar;
	uint64_t most; /* bytes/s that anybody gets, at least 1 */
};

struct row {
	const char *name;
	int depth;
	uint64_t now;  /* bytes/s */
	uint64_t rate; /* guaranteed bytes/s; 0: none */
	uint64_t ceil; /* bytes/s; 0: none */
	const char *note;
};

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
print_bar(const struct top *top, const struct row *row)
{
	uint64_t full = row->ceil;
	int end, mark;

	if (full == 0)
		full = format_per_second(&top->pool->limit);
	if (full == 0)
		full = top->most;
	end = bar_end(row->now, full, top->bar);
	if (end == 0 && row->now > 0)
		end = 1;
	mark = row->rate == 0 || row->rate >= full
	    ? -1
	    : bar_end(row->rate, full, top->bar);
	fputc('[', top->f);
	for (int i = 0; i < top->bar; i++)
		fputc(i == mark ? '|' : i < end ? '#' : ' ', top->f);
	fputc(']', top->f);
}

static void
print_row(const struct top *top, const struct row *row)
{
	char name[GUEST_NAME_SIZE], now[FORMAT_SIZE], ceil[FORMAT_SIZE];
	int indent = row->depth * 2, width;

	if (indent > top->name / 2)
		indent = top->name / 2;
	width = top->name - indent;
	format_text(name, sizeof(name), row->name);
	if (strlen(name) > (size_t)width)
		name[width - 1] = '~';
	fprintf(top->f, "%*s%-*.*s ", indent, "", width, width, name);
	print_bar(top, row);
	fprintf(top->f, " %5s/s of %5s%s%s\n", format_bytes(now, row->now),
	    row->ceil == 0 ? "any" : format_bytes(ceil, row->ceil),
	    row->note[0] == '\0' ? "" : " ", row->note);
}

static void
write_sources(const struct top *top, FILE *f)
{
	const struct control_pool *pool = top->pool;
	char name[GUEST_NAME_SIZE];
	const char *comma = "";

	switch (snapshot_supply(top->snap, pool)) {
	case SUPPLY_FULL:
		fputs("  sources:", f);
		break;
	case SUPPLY_FALLBACK:
		if (pool->combine == COMBINE_FIRST)
			fputs("! on a fallback:", f);
		else
			fprintf(f, "! on %u of %u:", pool->serving,
			    pool->nsources);
		break;
	case SUPPLY_NONE:
		fputs("! no source serves:", f);
		break;
	}
	for (size_t i = 0; i < top->snap->nsources; i++) {
		const struct control_source *s = &top->snap->sources[i];

		if (strcmp(s->pool, pool->name) != 0)
			continue;
		fprintf(f, "%s %s%s %s", comma, s->serving != 0 ? "*" : "",
		    format_text(name, sizeof(name), s->name),
		    format_source_state(s->status));
		comma = ",";
	}
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

static void
print_guests(const struct top *top, const char *class, int depth)
{
	for (size_t i = 0; i < top->snap->nguests; i++) {
		const struct control_guest *g = &top->snap->guests[i];
		const struct row row = {
			.name = g->name,
			.depth = depth,
			.now = g->now,
			.rate = format_per_second(&g->share.rate),
			.ceil = format_per_second(&g->share.ceil),
			.note = format_guest_state(g->state),
		};

		if (strcmp(g->pool, top->pool->name) == 0 &&
		    strcmp(g->class, class) == 0)
			print_row(top, &row);
	}
}

static void
print_pool(struct top *top, const struct control_pool *pool)
{
	char note[FORMAT_SIZE * 2], stock[FORMAT_SIZE];
	const struct row row = {
		.name = pool->name,
		.now = pool->now,
		.ceil = format_per_second(&pool->limit),
		.note = note,
	};

	snprintf(note, sizeof(note), "%s left",
	    format_bytes(stock, pool->stock));
	top->pool = pool;
	print_row(top, &row);
	print_sources(top);
	print_guests(top, "", 1);
	for (size_t i = 0; i < top->snap->nclasses; i++) {
		const struct control_class *c = &top->snap->classes[i];
		const int depth = 1 + (int)(c->depth % 16);
		const struct row class = {
			.name = c->name,
			.depth = depth,
			.now = c->now,
			.rate = format_per_second(&c->share.rate),
			.ceil = format_per_second(&c->share.ceil),
			.note = "",
		};

		if (strcmp(c->pool, pool->name) != 0)
			continue;
		print_row(top, &class);
		print_guests(top, c->name, depth + 1);
	}
}

/* The width of names: as wide as they are, within bounds. */
static int
name_width(const struct snapshot *snap)
{
	size_t width = NAME_MIN, len;

	for (size_t i = 0; i < snap->nguests; i++) {
		len = strlen(snap->guests[i].name) + 4;
		if (len > width)
			width = len;
	}
	for (size_t i = 0; i < snap->nclasses; i++) {
		len = strlen(snap->classes[i].name) +
		    (1 + snap->classes[i].depth) * 2;
		if (len > width)
			width = len;
	}
	return width > NAME_MAX ? NAME_MAX : (int)width;
}

static void
set_widths(struct top *top, size_t columns)
{
	int bar;

	top->name = name_width(top->snap);
	bar =
	    columns > INT16_MAX ? BAR_MAX : (int)columns - top->name - NUMBERS;
	top->bar = bar < BAR_MIN ? BAR_MIN : bar > BAR_MAX ? BAR_MAX : bar;
}

void
top_print(const struct snapshot *snap, FILE *f, size_t columns, bool screen)
{
	struct top top = {
		.snap = snap,
		.f = f,
		.columns = columns,
		.screen = screen,
		.most = 1,
	};
	char clock[16] = "";
	time_t now = time(NULL);
	struct tm tm;
	size_t up = 0;

	for (size_t i = 0; i < snap->nguests; i++)
		up += snap->guests[i].connected_for != 0;
	for (size_t i = 0; i < snap->npools; i++)
		if (snap->pools[i].now > top.most)
			top.most = snap->pools[i].now;
	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(f, "vrngd at %s: %zu of %zu guests connected\n", clock, up,
	    snap->nguests);
	set_widths(&top, columns);
	for (size_t i = 0; i < snap->npools; i++)
		print_pool(&top, &snap->pools[i]);
}

/* The picture of now, or why there is none, as text that is allocated. */
static char *
picture(const char *path)
{
	struct failure why = { 0 };
	struct snapshot snap;
	size_t columns, lines, size = 0;
	char *text = NULL;
	FILE *f;

	if ((f = open_memstream(&text, &size)) == NULL)
		return NULL;
	term_size(&columns, &lines);
	if (snapshot_take(&snap, path, &why) == 0) {
		top_print(&snap, f, columns, true);
		snapshot_free(&snap);
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
	struct snapshot snap;
	size_t columns, lines;

	term_size(&columns, &lines);
	for (;;) {
		if (snapshot_take(&snap, path, why) == -1)
			return -1;
		if (!once && term_usable()) {
			snapshot_free(&snap);
			return run_screen(path, why);
		}
		top_print(&snap, stdout, columns, false);
		snapshot_free(&snap);
		if (once || fflush(stdout) == EOF)
			return 0;
		sleep(1);
		putchar('\n');
	}
}
