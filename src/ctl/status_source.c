#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/status_source.h"
#include "ctl/table.h"

/* Of blocks of good data, one in so many fails the tests of FIPS 140-2. */
#define FIPS_USUAL 1300

void
status_print_combine(const struct snapshot *snap,
    const struct control_pool *pool, FILE *f)
{
	enum supply supply = snapshot_supply(snap, pool);
	const char *note = "";

	if (supply == SUPPLY_NONE)
		note = ": guests will wait";
	else if (supply == SUPPLY_FALLBACK && pool->combine == COMBINE_FIRST)
		note = ": a fallback";
	fprintf(f, "  combine %s", format_combine(pool->combine));
	if (pool->combine == COMBINE_XOR)
		fprintf(f, ", min-sources %u", pool->min_sources);
	fprintf(f, ", %u of %u serving%s\n", pool->serving, pool->nsources,
	    note);
}

static void
write_failure(const struct control_source *s, FILE *f)
{
	char ago[FORMAT_SIZE], text[CONTROL_FAILURE_SIZE];

	if (s->failed_for == 0 && s->failure[0] == '\0')
		return;
	fputs("last failure", f);
	if (s->failed_for != 0)
		fprintf(f, " %s ago", format_time(ago, s->failed_for));
	if (s->failure[0] != '\0')
		fprintf(f, ": %s", format_text(text, sizeof(text), s->failure));
	fputc('\n', f);
}

static void
write_alarms(const struct proto_health *h, FILE *f)
{
	char n[FORMAT_SIZE];
	bool any = false;

	for (uint32_t test = TEST_NONE + 1; test < TESTS; test++) {
		if (h->alarms[test] == 0)
			continue;
		fprintf(f, "%s %s %s", any ? "," : "alarms:", format_test(test),
		    format_count(n, h->alarms[test]));
		any = true;
	}
	if (any)
		fprintf(f, "; start-up tests passed: %s\n",
		    format_count(n, h->alarms[TEST_NONE]));
}

static void
write_fips(const struct proto_health *h, FILE *f)
{
	char failed[FORMAT_SIZE], blocks[FORMAT_SIZE], usual[FORMAT_SIZE];

	if (h->fips_blocks == 0)
		return;
	fprintf(f,
	    "FIPS 140-2: %s/%s blocks failed (expected about %s: 1 in %d)\n",
	    format_count(failed, h->fips_failed),
	    format_count(blocks, h->fips_blocks),
	    format_count(usual, h->fips_blocks / FIPS_USUAL), FIPS_USUAL);
}

/* What there is to say of a source beyond its row. */
static void
print_notes(const struct control_source *s, FILE *f, size_t columns)
{
	char *notes = NULL, *line, *rest;
	size_t size = 0;
	FILE *stream;

	if ((stream = open_memstream(&notes, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	write_failure(s, stream);
	write_alarms(&s->health, stream);
	write_fips(&s->health, stream);
	if (fclose(stream) == EOF)
		err(EXIT_REFUSED, NULL);
	rest = notes;
	while ((line = strsep(&rest, "\n")) != NULL)
		table_print_note(f, line, columns);
	free(notes);
}

static void
source_row(struct table *t, const struct control_source *s)
{
	char text[FORMAT_SIZE], name[GUEST_NAME_SIZE], what[CONTROL_PATH_SIZE];

	table_cell(t, "%c %s", s->serving != 0 ? '*' : ' ',
	    format_text(name, sizeof(name), s->name));
	table_cell(t, "%s", format_source_kind(s->kind));
	table_cell(t, "%s", format_source_state(s->status));
	table_cell(t, "%s", format_time(text, s->since));
	table_cell(t, "%s", format_bytes(text, s->now));
	table_cell(t, "%s", format_bytes(text, s->bytes));
	table_cell(t, "%s", format_count(text, s->failures));
	table_cell(t, "%s",
	    s->what[0] == '\0' ? "-"
			       : format_text(what, sizeof(what), s->what));
}

void
status_print_sources(const struct snapshot *snap, const char *pool, FILE *f,
    size_t columns)
{
	static const char *const headings[] = { "  SOURCE", "KIND", "STATE",
		"SINCE", "NOW/S", "BYTES", "FAILS", "WHAT", NULL };
	struct table t;
	size_t row = 0;

	table_init(&t, headings);
	t.tail = true;
	for (size_t i = 0; i < snap->nsources; i++)
		if (strcmp(snap->sources[i].pool, pool) == 0)
			source_row(&t, &snap->sources[i]);
	if (t.nrows > 1) {
		table_fit(&t, 0, 3, columns);
		fputc('\n', f);
		table_print_row(&t, f, row++);
		for (size_t i = 0; i < snap->nsources; i++)
			if (strcmp(snap->sources[i].pool, pool) == 0) {
				table_print_row(&t, f, row++);
				print_notes(&snap->sources[i], f, columns);
			}
	}
	table_free(&t);
}
