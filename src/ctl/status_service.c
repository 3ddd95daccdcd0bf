#include <string.h>

#include "ctl/format.h"
#include "ctl/status_service.h"
#include "ctl/table.h"

#define INDENT	      2
#define CLIENTS_SHOWN 10 /* of each service, unless all are */
#define NOTE_SIZE     (CONTROL_PATH_SIZE + 4 * FORMAT_SIZE)

static const char *
or_dash(const char *text)
{
	return text[0] == '\0' ? "-" : text;
}

static void
service_row(struct table *t, const struct control_outlet *o)
{
	char text[FORMAT_SIZE], name[GUEST_NAME_SIZE];

	table_cell(t, "%s", format_text(name, sizeof(name), o->name));
	table_cell(t, "%s", format_outlet_kind(o->kind));
	table_cell(t, "%s", or_dash(format_text(name, sizeof(name), o->class)));
	table_cell(t, "%s", format_outlet_state(o->state));
	table_cell(t, "%s", format_rate(text, &o->share.rate));
	table_cell(t, "%s", format_rate(text, &o->share.ceil));
	table_cell(t, "%s", format_bytes(text, o->now));
	table_cell(t, "%s", format_bytes(text, o->bytes));
	table_cell(t, "%s", format_count(text, o->requests));
	table_cell(t, "%s", format_time(text, o->wait_ns));
	table_cell(t, "%s", format_count(text, o->cut));
	table_cell(t, "%s", format_count(text, o->refused));
}

/* Where a service is, and who has come. */
static void
print_note(const struct control_outlet *o, FILE *f, size_t columns)
{
	char where[CONTROL_PATH_SIZE], now[FORMAT_SIZE], most[FORMAT_SIZE];
	char all[FORMAT_SIZE], away[FORMAT_SIZE], note[NOTE_SIZE];
	int n;

	format_text(where, sizeof(where), o->where);
	format_count(now, o->clients);
	format_count(most, o->max_clients);
	format_count(all, o->connections);
	if (o->connects != 0)
		n = snprintf(note, sizeof(note), "connects to %s: %s so far",
		    or_dash(where), all);
	else
		n = snprintf(note, sizeof(note),
		    "at %s: %s of %s clients, %s so far", or_dash(where), now,
		    most, all);
	if (o->turned_away != 0 && n > 0)
		snprintf(note + n, sizeof(note) - (size_t)n, ", %s turned away",
		    format_count(away, o->turned_away));
	table_print_note(f, note, columns);
}

void
status_print_services(const struct snapshot *snap, const char *pool, FILE *f,
    size_t columns)
{
	static const char *const headings[] = { "SERVICE", "KIND", "CLASS",
		"STATE", "RATE", "CEIL", "NOW/S", "BYTES", "REQS", "WAIT",
		"CUT", "BAD", NULL };
	struct table t;
	size_t row = 0;

	table_init(&t, headings);
	for (size_t i = 0; i < snap->nservices; i++)
		if (strcmp(snap->services[i].outlet.pool, pool) == 0)
			service_row(&t, &snap->services[i].outlet);
	if (t.nrows > 1) {
		table_fit(&t, INDENT, 4, columns);
		fputc('\n', f);
		table_print_row(&t, f, row++);
		for (size_t i = 0; i < snap->nservices; i++) {
			const struct control_outlet *o =
			    &snap->services[i].outlet;

			if (strcmp(o->pool, pool) != 0)
				continue;
			table_print_row(&t, f, row++);
			print_note(o, f, columns);
		}
	}
	table_free(&t);
}

static void
client_row(struct table *t, const struct control_outlet *o,
    const struct control_outlet_client *c)
{
	char text[FORMAT_SIZE], name[GUEST_NAME_SIZE], peer[CLIENT_TEXT_SIZE];

	table_cell(t, "%s", format_text(name, sizeof(name), o->name));
	table_cell(t, "%s", format_outlet_kind(o->kind));
	table_cell(t, "%s", c->waiting != 0 ? "waiting" : "connected");
	table_cell(t, "%s", format_time(text, c->connected_for));
	table_cell(t, "%s", format_bytes(text, c->bytes));
	table_cell(t, "%s", format_count(text, c->requests));
	table_cell(t, "%s",
	    c->peer[0] == '\0' ? "-"
			       : format_text(peer, sizeof(peer), c->peer));
}

/* How many clients of a service are shown, if it is one of the pool. */
static size_t
count_shown(const struct snapshot_service *service, const char *pool, bool all)
{
	if (strcmp(service->outlet.pool, pool) != 0)
		return 0;
	return all || service->nclients < CLIENTS_SHOWN ? service->nclients
							: CLIENTS_SHOWN;
}

static void
print_more(const struct snapshot_service *service, size_t shown, FILE *f,
    size_t columns)
{
	char name[GUEST_NAME_SIZE], more[FORMAT_SIZE], note[NOTE_SIZE];

	snprintf(note, sizeof(note),
	    "%s more of %s: vrngctl status --clients shows all",
	    format_count(more, service->nclients - shown),
	    format_text(name, sizeof(name), service->outlet.name));
	table_print_note(f, note, columns);
}

void
status_print_clients(const struct snapshot *snap, const char *pool, FILE *f,
    size_t columns, bool all)
{
	static const char *const headings[] = { "SERVICE", "KIND", "STATE",
		"FOR", "BYTES", "REQS", "CLIENT", NULL };
	const struct snapshot_service *s = snap->services;
	struct table t;
	size_t row = 0, shown;

	table_init(&t, headings);
	t.tail = true;
	for (size_t i = 0; i < snap->nservices; i++)
		for (size_t k = 0; k < count_shown(&s[i], pool, all); k++)
			client_row(&t, &s[i].outlet,
			    &snap->clients[s[i].first + k]);
	if (t.nrows > 1) {
		table_fit(&t, INDENT, 3, columns);
		fputc('\n', f);
		table_print_row(&t, f, row++);
		for (size_t i = 0; i < snap->nservices; i++) {
			shown = count_shown(&s[i], pool, all);
			for (size_t k = 0; k < shown; k++)
				table_print_row(&t, f, row++);
			if (shown > 0 && shown < s[i].nclients)
				print_more(&s[i], shown, f, columns);
		}
	}
	table_free(&t);
}
