/*
 * vrngctl status and names: tables of the status.  Each list below has the
 * columns of a table.  Used by main.c and, for the tables, by top.c.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ctl/format.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "ctl/term.h"
#include "ctl/why.h"

#define WHY_MIN	      24 /* columns, while other ones can be left out */
#define INDENT	      2
#define CLIENTS_SHOWN 10  /* per service, without --clients */
#define TEXT_SIZE     256 /* with the NUL; longer text is truncated */
/* One in this number of good blocks fails the tests of FIPS 140-2. */
#define FIPS_USUAL 1300

#define NITEMS(array) (sizeof(array) / sizeof((array)[0]))

static const struct column source_columns[] = {
	{ "  SOURCE", "name", COLUMN_SOURCE, 0 },
	{ "KIND", "kind", COLUMN_TEXT, 3 },
	{ "STATE", "state", COLUMN_TEXT, 0 },
	{ "SINCE", "since_ns", COLUMN_TIME, 1 },
	{ "NOW/S", "bytes_per_second", COLUMN_BYTES, 0 },
	{ "BYTES", "bytes", COLUMN_BYTES, 4 },
	{ "FAILS", "failures", COLUMN_COUNT, 2 },
	{ "WHAT", "what", COLUMN_TEXT, 0 },
};

static const struct column class_columns[] = {
	{ "CLASS", "name", COLUMN_TREE, 0 },
	{ "MODE", "delivery", COLUMN_TEXT, 3 },
	{ "RATE", "rate", COLUMN_RATE, 2 },
	{ "CEIL", "ceil", COLUMN_RATE, 0 },
	{ "BURST", "burst", COLUMN_BYTES, 4 },
	{ "WEIGHT", "weight", COLUMN_COUNT, 6 },
	{ "PRIO", "priority", COLUMN_COUNT, 7 },
	{ "NOW/S", "bytes_per_second", COLUMN_BYTES, 0 },
	{ "BYTES", "bytes", COLUMN_BYTES, 0 },
	{ "GUESTS", "guests", COLUMN_COUNT, 5 },
};

static const struct column guest_columns[] = {
	{ "GUEST", "name", COLUMN_TEXT, 0 },
	{ "CLASS", "class", COLUMN_TEXT, 1 },
	{ "STATE", "state", COLUMN_TEXT, 0 },
	{ "RATE", "rate", COLUMN_RATE, 3 }, { "CEIL", "ceil", COLUMN_RATE, 2 },
	{ "NOW/S", "bytes_per_second", COLUMN_BYTES, 0 },
	{ "BYTES", "bytes", COLUMN_BYTES, 0 },
	{ "REQS", "requests", COLUMN_COUNT, 4 },
	{ "WAIT", "wait_ns", COLUMN_TIME, 0 },
	{ "CUT", "short_answers", COLUMN_COUNT, 6 },
	{ "BAD", "malformed", COLUMN_COUNT, 5 },
	{ "HITS", "polling", COLUMN_HITS, 7 }, /* where guests poll */
};

/* In live mode, and the reason why they wait. */
static const struct column live_guest_columns[] = {
	{ "GUEST", "name", COLUMN_TEXT, 0 },
	{ "CLASS", "class", COLUMN_TEXT, 1 },
	{ "STATE", "state", COLUMN_TEXT, 0 },
	{ "CEIL", "ceil", COLUMN_RATE, 5 },
	{ "NOW/S", "bytes_per_second", COLUMN_BYTES, 0 },
	{ "LAST 12 S", "history", COLUMN_HISTORY, 3 },
	{ "BYTES", "bytes", COLUMN_BYTES, 0 },
	{ "REQS", "requests", COLUMN_COUNT, 4 },
	{ "WAIT", "wait_ns", COLUMN_TIME, 0 },
	{ "WHY", "why", COLUMN_TEXT, 2 },
};

static const struct column live_service_columns[] = {
	{ "SERVICE", "name", COLUMN_TEXT, 0 },
	{ "KIND", "kind", COLUMN_TEXT, 1 },
	{ "CLASS", "class", COLUMN_TEXT, 2 },
	{ "STATE", "state", COLUMN_TEXT, 0 },
	{ "NOW/S", "bytes_per_second", COLUMN_BYTES, 0 },
	{ "LAST 12 S", "history", COLUMN_HISTORY, 4 },
	{ "BYTES", "bytes", COLUMN_BYTES, 0 },
	{ "REQS", "requests", COLUMN_COUNT, 5 },
	{ "WAIT", "wait_ns", COLUMN_TIME, 0 },
	{ "WHY", "why", COLUMN_TEXT, 3 },
};

static const struct column service_columns[] = {
	{ "SERVICE", "name", COLUMN_TEXT, 0 },
	{ "KIND", "kind", COLUMN_TEXT, 1 },
	{ "CLASS", "class", COLUMN_TEXT, 2 },
	{ "STATE", "state", COLUMN_TEXT, 0 },
	{ "RATE", "rate", COLUMN_RATE, 3 }, { "CEIL", "ceil", COLUMN_RATE, 4 },
	{ "NOW/S", "bytes_per_second", COLUMN_BYTES, 0 },
	{ "BYTES", "bytes", COLUMN_BYTES, 0 },
	{ "REQS", "requests", COLUMN_COUNT, 5 },
	{ "WAIT", "wait_ns", COLUMN_TIME, 0 },
	{ "CUT", "short_answers", COLUMN_COUNT, 7 },
	{ "BAD", "malformed", COLUMN_COUNT, 6 },
	{ "HITS", "polling", COLUMN_HITS, 8 }, /* where services poll */
};

_Static_assert(NITEMS(service_columns) <= TABLE_COLUMNS, "fits");

static const struct column client_columns[] = {
	{ "SERVICE", "service", COLUMN_TEXT, 0 },
	{ "KIND", "kind", COLUMN_TEXT, 3 },
	{ "STATE", "waiting", COLUMN_WAITING, 0 },
	{ "FOR", "connected_ns", COLUMN_TIME, 1 },
	{ "BYTES", "bytes", COLUMN_BYTES, 0 },
	{ "REQS", "requests", COLUMN_COUNT, 2 },
	{ "CLIENT", "peer", COLUMN_TEXT, 0 },
};

/* In live mode, a mark highlights the line about degraded sources. */
static void
print_head(struct json_object *pool, FILE *f, bool live)
{
	static const char *const notes[] = {
		[SUPPLY_FULL] = "",
		[SUPPLY_FALLBACK] = " (fallback)",
		[SUPPLY_NONE] = ": guests wait",
	};
	struct json_object *limit = snapshot_object(pool, "limit");
	const char *combine = snapshot_text(pool, "combine");
	size_t guests = snapshot_length(pool, "guests");
	bool first = strcmp(combine, "first") == 0;
	enum supply supply = snapshot_supply(pool);
	char a[FORMAT_SIZE], b[FORMAT_SIZE], text[TEXT_SIZE];

	fprintf(f, "pool %s: ",
	    format_text(text, sizeof(text), snapshot_text(pool, "name")));
	if (limit == NULL)
		fputs("no limit", f);
	else
		fprintf(f, "limit %s%s, burst %s", format_rate(a, limit),
		    format_per_second(limit) > 0 ? "/s" : "",
		    format_bytes(b, snapshot_number(pool, "burst")));
	fprintf(f, "\n  granted now %s/s, total %s\n",
	    format_bytes(a, snapshot_number(pool, "bytes_per_second")),
	    format_bytes(b, snapshot_number(pool, "bytes")));
	fprintf(f, "  stock %s of %s, %zu guest%s\n",
	    format_bytes(a, snapshot_number(pool, "stock")),
	    format_bytes(b, snapshot_number(pool, "stock_capacity")), guests,
	    guests == 1 ? "" : "s");
	fprintf(f, "%c combine %s", live && supply != SUPPLY_FULL ? '!' : ' ',
	    format_text(text, sizeof(text), combine));
	if (!first)
		fprintf(f, ", min-sources %" PRIu64,
		    snapshot_number(pool, "min_sources"));
	fprintf(f, ", %" PRIu64 " of %" PRIu64 " serving%s\n",
	    snapshot_number(pool, "sources_serving"),
	    snapshot_number(pool, "sources_total"),
	    first || supply == SUPPLY_NONE ? notes[supply] : "");
}

/* The name of a test in SP 800-90B. */
static const char *
test_name(const char *key)
{
	static const char *const names[][2] = {
		{ "repetition", "repetition count" },
		{ "proportion", "adaptive proportion" },
		{ "device", "device's own" },
	};

	for (size_t i = 0; i < NITEMS(names); i++)
		if (strcmp(names[i][0], key) == 0)
			return names[i][1];
	return key;
}

static void
write_failure(struct json_object *failure, FILE *f)
{
	uint64_t ns = snapshot_number(failure, "ago_ns");
	char ago[FORMAT_SIZE], text[TEXT_SIZE];

	if (failure == NULL)
		return;
	fputs("last failure", f);
	if (ns != 0)
		fprintf(f, " %s ago", format_time(ago, ns));
	format_text(text, sizeof(text), snapshot_text(failure, "reason"));
	fprintf(f, "%s%s\n", text[0] == '\0' ? "" : ": ", text);
}

static void
write_alarms(struct json_object *health, FILE *f)
{
	struct json_object *alarms = snapshot_object(health, "alarms");
	char n[FORMAT_SIZE], name[TEXT_SIZE];
	bool any = false;

	if (alarms == NULL)
		return;
	json_object_object_foreach(alarms, key, value)
	{
		if (json_object_get_uint64(value) == 0)
			continue;
		fprintf(f, "%s %s %s", any ? "," : "alarms:",
		    format_text(name, sizeof(name), test_name(key)),
		    format_count(n, json_object_get_uint64(value)));
		any = true;
	}
	if (any)
		fprintf(f, "; start-up tests passed: %s\n",
		    format_count(n,
			snapshot_number(health, "startups_passed")));
}

static void
write_fips(struct json_object *health, FILE *f)
{
	uint64_t blocks = snapshot_number(health, "fips_blocks");
	char a[FORMAT_SIZE], b[FORMAT_SIZE], usual[FORMAT_SIZE];

	if (blocks == 0)
		return;
	fprintf(f,
	    "FIPS 140-2: %s/%s blocks failed (expected about %s: 1 in %d)\n",
	    format_count(a, snapshot_number(health, "fips_failed")),
	    format_count(b, blocks), format_count(usual, blocks / FIPS_USUAL),
	    FIPS_USUAL);
}

/* A note if the configuration does not say how bytes are kept secret. */
static void
write_confidential(struct json_object *o, FILE *f)
{
	if (strcmp(snapshot_text(o, "confidential"), "unset") == 0)
		fputs("! bytes may cross the network in clear: set "
		      "confidential\n",
		    f);
}

/* The notes below the row of a source. */
static void
write_source(struct json_object *source, FILE *f)
{
	struct json_object *health = snapshot_object(source, "health");

	write_confidential(source, f);
	write_failure(snapshot_object(source, "last_failure"), f);
	write_alarms(health, f);
	write_fips(health, f);
}

/* A note if new connections do not reach a socket. */
static void
write_file(struct json_object *o, FILE *f)
{
	const char *file = snapshot_text(o, "socket_file");

	if (strcmp(file, "missing") != 0 && strcmp(file, "replaced") != 0)
		return;
	fprintf(f, "! socket file is %s: %s\n", file,
	    snapshot_bool(o, "socket_unit") ? "restart its socket unit"
					    : "reload the configuration");
}

/* Why a guest waits; that it is not connected is its state. */
static void
write_guest(struct json_object *guest, FILE *f)
{
	char text[TEXT_SIZE];

	if (strcmp(snapshot_text(guest, "cause"), "not-connected") != 0)
		fprintf(f, "%s\n",
		    format_text(text, sizeof(text),
			snapshot_text(guest, "why")));
	if (strcmp(snapshot_text(guest, "cause"), "socket-file") != 0)
		write_file(guest, f);
}

/* The address of a service, and the numbers of its clients. */
static void
write_service(struct json_object *service, FILE *f)
{
	char n[FORMAT_SIZE], most[FORMAT_SIZE], where[TEXT_SIZE];
	uint64_t away = snapshot_number(service, "turned_away");
	bool connects = snapshot_bool(service, "connects");

	format_text(where, sizeof(where), snapshot_text(service, "where"));
	fprintf(f, "%s %s: ", connects ? "connects to" : "at",
	    where[0] == '\0' ? "-" : where);
	if (!connects)
		fprintf(f, "%s of %s clients, ",
		    format_count(n,
			snapshot_number(service, "clients_connected")),
		    format_count(most,
			snapshot_number(service, "max_clients")));
	fprintf(f, "%s %s",
	    format_count(n, snapshot_number(service, "connections")),
	    connects ? "connections" : "accepted");
	if (away != 0)
		fprintf(f, ", %s rejected", format_count(n, away));
	fputc('\n', f);
	write_confidential(service, f);
	write_file(service, f);
}

/* A note about the clients of a service that are not listed. */
static void
write_client(struct json_object *client, FILE *f)
{
	uint64_t more = snapshot_number(client, "more");
	char n[FORMAT_SIZE], name[TEXT_SIZE];

	if (more > 0)
		fprintf(f, "%s more of %s: vrngctl status --clients lists all",
		    format_count(n, more),
		    format_text(name, sizeof(name),
			snapshot_text(client, "service")));
}

/* The tables of a pool, in the order of their output. */
#define GUESTS	 2
#define SERVICES 3
static const struct table tables[] = {
	{ "sources", source_columns, NITEMS(source_columns), 0, 3, true,
	    write_source, 0 },
	{ "classes", class_columns, NITEMS(class_columns), INDENT, 2, false,
	    NULL, 0 },
	[GUESTS] = { "guests", guest_columns, NITEMS(guest_columns), INDENT, 3,
	    false, write_guest, 0 },
	[SERVICES] = { "services", service_columns, NITEMS(service_columns),
	    INDENT, 4, false, write_service, 0 },
	{ "clients", client_columns, NITEMS(client_columns), INDENT, 3, true,
	    write_client, 0 },
};

/* Whether the worker of any of the pool's guests, or services, polls. */
static bool
is_polling(struct json_object *pool, const char *list)
{
	struct json_object *o;

	SNAPSHOT_FOREACH(o, pool, list)
		if (snapshot_number(snapshot_object(o, "polling"), "us") > 0)
			return true;
	return false;
}

/* Adds to a pool a list of the clients of its services, as far as listed. */
static void
gather_clients(struct json_object *pool, bool all)
{
	struct json_object *list, *service, *client;
	size_t more;

	if (!json_object_is_type(pool, json_type_object))
		return;
	list = json_object_new_array();
	SNAPSHOT_FOREACH(service, pool, "services")
		SNAPSHOT_FOREACH(client, service, "clients") {
			more = snapshot_length(service, "clients") - client_i;
			if (!json_object_is_type(client, json_type_object) ||
			    (client_i >= CLIENTS_SHOWN && !all))
				continue;
			json_object_object_add(client, "service",
			    json_object_new_string(
				snapshot_text(service, "name")));
			json_object_object_add(client, "kind",
			    json_object_new_string(
				snapshot_text(service, "kind")));
			if (client_i == CLIENTS_SHOWN - 1 && !all)
				json_object_object_add(client, "more",
				    json_object_new_uint64(more - 1));
			json_object_array_add(list, json_object_get(client));
		}
	json_object_object_add(pool, "clients", list);
}

static int
by_rate(const void *a, const void *b)
{
	const uint64_t rates[] = {
		snapshot_number(*(struct json_object *const *)a,
		    "bytes_per_second"),
		snapshot_number(*(struct json_object *const *)b,
		    "bytes_per_second"),
	};

	return (rates[0] < rates[1]) - (rates[0] > rates[1]);
}

static bool
is_waiting(struct json_object *o)
{
	return strcmp(snapshot_text(o, "state"), "waiting") == 0;
}

static int
by_waiting(const void *a, const void *b)
{
	bool x = is_waiting(*(struct json_object *const *)a);
	bool y = is_waiting(*(struct json_object *const *)b);

	return x != y ? y - x : by_rate(a, b);
}

/* Whether an object is shown: its name or class contains the filter. */
static bool
passes(struct json_object *o, const char *filter)
{
	return strcasestr(snapshot_text(o, "name"), filter) != NULL ||
	    strcasestr(snapshot_text(o, "class"), filter) != NULL;
}

/* Sorts a list, and leaves out what does not pass the filter. */
static void
arrange(struct json_object *pool, const char *key,
    const struct status_view *view)
{
	struct json_object *list, *o;

	if (!json_object_is_type(pool, json_type_object))
		return;
	list = json_object_new_array();
	SNAPSHOT_FOREACH(o, pool, key)
		if (passes(o, view->filter))
			json_object_array_add(list, json_object_get(o));
	json_object_array_sort(list, view->by_rate ? by_rate : by_waiting);
	json_object_object_add(pool, key, list);
}

/* A table of a pool, by its number. */
static void
print_table(size_t number, struct json_object *pool, FILE *f, size_t limit)
{
	struct table t = tables[number];

	/* The last column. */
	if ((number == GUESTS || number == SERVICES) &&
	    !is_polling(pool, t.key))
		t.ncolumns--;
	table_print(&t, pool, f, limit);
}

static void
print_tables(struct json_object *pool, FILE *f, size_t limit)
{
	for (size_t i = 0; i < NITEMS(tables); i++)
		print_table(i, pool, f, limit);
}

/* Without clients and notes; the reason is a column, truncated first. */
static void
print_live_tables(struct json_object *pool, FILE *f, size_t limit)
{
	struct table t;

	for (size_t i = 0; i < NITEMS(tables); i++) {
		t = tables[i];
		t.notes = NULL;
		if (t.columns == guest_columns) {
			t.columns = live_guest_columns;
			t.ncolumns = NITEMS(live_guest_columns);
			t.tail = true;
			t.tail_min = WHY_MIN;
		} else if (t.columns == service_columns) {
			t.columns = live_service_columns;
			t.ncolumns = NITEMS(live_service_columns);
			t.tail = true;
			t.tail_min = WHY_MIN;
		}
		table_print(&t, pool, f, limit);
	}
}

void
status_print(struct json_object *status, FILE *f, size_t limit,
    const struct status_view *view)
{
	struct json_object *pool;

	SNAPSHOT_FOREACH(pool, status, "pools") {
		arrange(pool, "guests", view);
		arrange(pool, "services", view);
		fputc('\n', f);
		print_head(pool, f, true);
		print_live_tables(pool, f, limit);
	}
}

static void
print_status(struct json_object *status, size_t limit, bool all_clients)
{
	struct json_object *pool;

	SNAPSHOT_FOREACH(pool, status, "pools") {
		gather_clients(pool, all_clients);
		if (pool_i > 0)
			putchar('\n');
		print_head(pool, stdout, false);
		print_tables(pool, stdout, limit);
	}
}

/* Adds an array with those objects of a list that have the name of `o`. */
static void
gather(struct json_object *to, struct json_object *pool, const char *list,
    struct json_object *o)
{
	struct json_object *all = json_object_new_array(), *item;
	bool guest = snapshot_text(o, "kind")[0] == '\0';

	SNAPSHOT_FOREACH(item, pool, list)
		if (item == o ||
		    (guest && snapshot_is_guests(item) &&
			strcmp(snapshot_text(item, "name"),
			    snapshot_text(o, "name")) == 0))
			json_object_array_add(all, json_object_get(item));
	json_object_object_add(to, list, all);
}

/* Prints a guest or service alone: why it waits, and its rows. */
static void
print_one(struct json_object *status, struct json_object *o, size_t limit,
    bool all_clients)
{
	struct json_object *pool, *one;

	why_print(o, stdout);
	SNAPSHOT_FOREACH(pool, status, "pools") {
		one = json_object_new_object();
		gather(one, pool, "guests", o);
		gather(one, pool, "services", o);
		gather_clients(one, all_clients);
		print_tables(one, stdout, limit);
		json_object_put(one);
	}
}

int
status_run(const struct args *args, struct failure *why)
{
	bool all_clients = (args->given & OPT_CLIENTS) != 0;
	bool json = (args->given & OPT_JSON) != 0;
	struct json_object *status, *o;
	size_t columns = 0, lines;

	if (json && args->operand == NULL)
		return snapshot_print(args->status, why);
	if ((o = status = snapshot_take(args->status, why)) == NULL)
		return -1;
	if (args->operand != NULL &&
	    (o = snapshot_find_any(status, args->operand, why)) == NULL) {
		json_object_put(status);
		return -1;
	}
	if (isatty(STDOUT_FILENO))
		term_size(&columns, &lines);
	if (json)
		snapshot_print_json(o);
	else if (o != status)
		print_one(status, o, columns, all_clients);
	else
		print_status(status, columns, all_clients);
	json_object_put(status);
	return 0;
}

/* The guests' table of each pool that has guests. */
int
status_run_guests(const struct args *args, struct failure *why)
{
	struct json_object *status = snapshot_take(args->status, why), *pool;
	size_t columns = 0, lines, n = 0;
	char name[TEXT_SIZE];

	if (status == NULL)
		return -1;
	if (isatty(STDOUT_FILENO))
		term_size(&columns, &lines);
	SNAPSHOT_FOREACH(pool, status, "pools") {
		if (snapshot_length(pool, "guests") == 0)
			continue;
		printf("%spool %s\n", n++ > 0 ? "\n" : "",
		    format_text(name, sizeof(name),
			snapshot_text(pool, "name")));
		print_table(GUESTS, pool, stdout, columns);
	}
	json_object_put(status);
	return 0;
}

static void
print_name(struct json_object *o)
{
	if (!snapshot_is_guests(o))
		printf("%s\n", snapshot_text(o, "name"));
}

int
status_run_names(const struct args *args, struct failure *why)
{
	struct json_object *status = snapshot_take(args->status, why);
	struct json_object *pool, *o;

	if (status == NULL)
		return -1;
	SNAPSHOT_FOREACH(pool, status, "pools") {
		if (strcmp(args->operand, "pools") == 0)
			print_name(pool);
		SNAPSHOT_FOREACH(o, pool, args->operand)
			print_name(o);
	}
	json_object_put(status);
	return 0;
}
