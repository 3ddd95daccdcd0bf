#include <inttypes.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/status.h"
#include "ctl/status_service.h"
#include "ctl/status_source.h"
#include "ctl/table.h"

#define WIDE   80 /* columns, that all figures fit in */
#define INDENT 2

static const char *
or_dash(const char *text)
{
	return text[0] == '\0' ? "-" : text;
}

static void
print_pool(const struct control_pool *pool, FILE *f)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], name[GUEST_NAME_SIZE];

	fprintf(f, "pool %s: ", format_text(name, sizeof(name), pool->name));
	if (pool->limit.bytes == 0)
		fputs("no limit", f);
	else
		fprintf(f, "limit %s%s, burst %s", format_rate(a, &pool->limit),
		    format_per_second(&pool->limit) > 0 ? "/s" : "",
		    format_bytes(b, pool->burst));
	fprintf(f, "\n%*snow %s/s, in all %s\n", INDENT, "",
	    format_bytes(a, pool->now), format_bytes(b, pool->bytes));
	fprintf(f, "%*sstock %s of %s, %u guest%s\n", INDENT, "",
	    format_bytes(a, pool->stock), format_bytes(b, pool->capacity),
	    pool->guests, pool->guests == 1 ? "" : "s");
}

static void
share_cells(struct table *t, const struct control_share *share)
{
	char text[FORMAT_SIZE];

	table_cell(t, "%s", format_rate(text, &share->rate));
	table_cell(t, "%s", format_rate(text, &share->ceil));
}

static void
print_classes(const struct snapshot *snap, const char *pool, FILE *f,
    size_t columns)
{
	static const char *const headings[] = { "CLASS", "MODE", "RATE", "CEIL",
		"BURST", "WEIGHT", "PRIO", "NOW/S", "BYTES", "GUESTS", NULL };
	char text[FORMAT_SIZE], name[GUEST_NAME_SIZE];
	struct table t;

	table_init(&t, headings);
	for (size_t i = 0; i < snap->nclasses; i++) {
		const struct control_class *c = &snap->classes[i];
		const struct control_share *share = &c->share;

		if (strcmp(c->pool, pool) != 0)
			continue;
		table_cell(&t, "%*s%s", (int)(c->depth % 16) * INDENT, "",
		    format_text(name, sizeof(name), c->name));
		table_cell(&t, "%s", format_delivery(c->delivery));
		share_cells(&t, share);
		table_cell(&t, "%s",
		    share->burst == 0 ? "-" : format_bytes(text, share->burst));
		table_cell(&t, "%u", share->weight);
		table_cell(&t, "%u", share->priority);
		table_cell(&t, "%s", format_bytes(text, c->now));
		table_cell(&t, "%s", format_bytes(text, c->bytes));
		table_cell(&t, "%u", c->guests);
	}
	if (t.nrows > 1)
		fputc('\n', f);
	else
		t.nrows = 0;
	table_print(&t, f, INDENT, 2, columns);
}

const char *
status_guest_state(const struct snapshot *snap, const struct control_guest *g)
{
	const struct control_outlet *o = snapshot_guest_egd(snap, g);

	if (g->socket[0] != '\0' || g->egd[0] == '\0')
		return format_guest_state(g->state);
	if (o != NULL)
		return format_outlet_state(o->state);
	return format_outlet_state(g->egd_clients > 0 ? CONTROL_OUTLET_CONNECTED
						      : CONTROL_OUTLET_IDLE);
}

/* Whether the worker of any of the pool's guests looks at its ring. */
static bool
is_polling(const struct snapshot *snap, const char *pool)
{
	for (size_t i = 0; i < snap->nguests; i++)
		if (strcmp(snap->guests[i].pool, pool) == 0 &&
		    snap->guests[i].poll_us > 0)
			return true;
	return false;
}

/* How many in a hundred looks saw a request. */
static void
hits_cell(struct table *t, const struct control_guest *g)
{
	if (g->polls == 0)
		table_cell(t, "-");
	else
		table_cell(t, "%.0f%%",
		    (double)g->poll_hits * 100 / (double)g->polls);
}

static void
guest_row(struct table *t, const struct snapshot *snap,
    const struct control_guest *g, bool polling)
{
	char text[FORMAT_SIZE], name[GUEST_NAME_SIZE];

	table_cell(t, "%s", format_text(name, sizeof(name), g->name));
	table_cell(t, "%s", or_dash(format_text(name, sizeof(name), g->class)));
	table_cell(t, "%s", status_guest_state(snap, g));
	share_cells(t, &g->share);
	table_cell(t, "%s", format_bytes(text, g->now));
	table_cell(t, "%s", format_bytes(text, g->bytes));
	table_cell(t, "%s", format_count(text, g->requests));
	table_cell(t, "%s", format_time(text, g->wait_ns));
	table_cell(t, "%s", format_count(text, g->cut));
	table_cell(t, "%s", format_count(text, g->refused));
	if (polling)
		hits_cell(t, g);
}

static void
print_guests(const struct snapshot *snap, const char *pool, FILE *f,
    size_t columns)
{
	bool wide = columns == 0 || columns >= WIDE;
	bool polling = wide && is_polling(snap, pool);
	const char *const headings[] = { "GUEST", "CLASS", "STATE", "RATE",
		"CEIL", "NOW/S", "BYTES", "REQS", "WAIT", "CUT", "BAD",
		polling ? "HITS" : NULL, NULL };
	struct table t;

	table_init(&t, headings);
	for (size_t i = 0; i < snap->nguests; i++)
		if (strcmp(snap->guests[i].pool, pool) == 0)
			guest_row(&t, snap, &snap->guests[i], polling);
	if (t.nrows > 1)
		fputc('\n', f);
	else
		t.nrows = 0;
	table_print(&t, f, INDENT, 3, columns);
}

void
status_print(const struct snapshot *snap, FILE *f, size_t columns,
    bool all_clients)
{
	for (size_t i = 0; i < snap->npools; i++) {
		const char *pool = snap->pools[i].name;

		if (i > 0)
			fputc('\n', f);
		print_pool(&snap->pools[i], f);
		status_print_combine(snap, &snap->pools[i], f);
		status_print_sources(snap, pool, f, columns);
		print_classes(snap, pool, f, columns);
		print_guests(snap, pool, f, columns);
		status_print_services(snap, pool, f, columns);
		status_print_clients(snap, pool, f, columns, all_clients);
	}
}

void
status_print_guests(const struct snapshot *snap, FILE *f)
{
	for (size_t i = 0; i < snap->nguests; i++)
		fprintf(f, "%s\n", snap->guests[i].name);
}

void
status_print_classes(const struct snapshot *snap, FILE *f)
{
	for (size_t i = 0; i < snap->nclasses; i++)
		fprintf(f, "%s\n", snap->classes[i].name);
}

void
status_print_pools(const struct snapshot *snap, FILE *f)
{
	for (size_t i = 0; i < snap->npools; i++)
		fprintf(f, "%s\n", snap->pools[i].name);
}

void
status_print_source_names(const struct snapshot *snap, FILE *f)
{
	for (size_t i = 0; i < snap->nsources; i++)
		fprintf(f, "%s\n", snap->sources[i].name);
}

void
status_print_service_names(const struct snapshot *snap, FILE *f)
{
	for (size_t i = 0; i < snap->nservices; i++)
		if (snap->services[i].outlet.kind != CONTROL_OUTLET_GUEST)
			fprintf(f, "%s\n", snap->services[i].outlet.name);
}
