#include <bsd/string.h>
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/format.h"
#include "ctl/status.h"
#include "ctl/term.h"
#include "ctl/top.h"

#define NAME_MIN 12 /* columns */
#define NAME_MAX 28
#define BAR_MIN	 8
#define BAR_MAX	 60
#define NUMBERS	 31 /* columns of a line that are neither name nor bar */

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

#define ROW_NAME_SIZE (GUEST_NAME_SIZE + 8) /* "stream NAME" */

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
	char name[ROW_NAME_SIZE], now[FORMAT_SIZE], ceil[FORMAT_SIZE];
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
			.note = status_guest_state(top->snap, g),
		};

		if (strcmp(g->pool, top->pool->name) == 0 &&
		    strcmp(g->class, class) == 0)
			print_row(top, &row);
	}
}

/* A guest's EGD socket has no row: what it draws is in the guest's. */
static void
print_services(const struct top *top, const char *class, int depth)
{
	char name[ROW_NAME_SIZE];

	for (size_t i = 0; i < top->snap->nservices; i++) {
		const struct control_outlet *o = &top->snap->services[i].outlet;
		const struct row row = {
			.name = name,
			.depth = depth,
			.now = o->now,
			.rate = format_per_second(&o->share.rate),
			.ceil = format_per_second(&o->share.ceil),
			.note = format_outlet_state(o->state),
		};

		if (o->kind == CONTROL_OUTLET_GUEST ||
		    strcmp(o->pool, top->pool->name) != 0 ||
		    strcmp(o->class, class) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s",
		    format_outlet_kind(o->kind), o->name);
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
	print_services(top, "", 1);
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
		print_services(top, c->name, depth + 1);
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
	for (size_t i = 0; i < snap->nservices; i++) {
		len = strlen(snap->services[i].outlet.name) +
		    strlen(format_outlet_kind(snap->services[i].outlet.kind)) +
		    5;
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

/* How many there are, and are connected. */
static void
print_head(const struct snapshot *snap, FILE *f)
{
	char clock[16] = "";
	time_t now = time(NULL);
	struct tm tm;
	size_t up = 0, services = 0, clients = 0;

	for (size_t i = 0; i < snap->nguests; i++)
		up += snap->guests[i].connected_for != 0 ||
		    snap->guests[i].egd_clients != 0;
	for (size_t i = 0; i < snap->nservices; i++)
		if (snap->services[i].outlet.kind != CONTROL_OUTLET_GUEST) {
			services++;
			clients += snap->services[i].outlet.clients;
		}
	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(f, "vrngd at %s: %zu of %zu guests connected", clock, up,
	    snap->nguests);
	if (services != 0)
		fprintf(f, ", %zu client%s of %zu service%s", clients,
		    clients == 1 ? "" : "s", services,
		    services == 1 ? "" : "s");
	fputc('\n', f);
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

	for (size_t i = 0; i < snap->npools; i++)
		if (snap->pools[i].now > top.most)
			top.most = snap->pools[i].now;
	print_head(snap, f);
	set_widths(&top, columns);
	for (size_t i = 0; i < snap->npools; i++)
		print_pool(&top, &snap->pools[i]);
}
