/*
 * Prints tables of the objects of the status.  Used by status.c.
 */
#include <bsd/string.h>
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/table.h"

#define CELL_SIZE   80 /* with the NUL; longer text is truncated */
#define CUT_MIN	    8  /* minimum width of a truncated column */
#define NOTE_INDENT 4
#define NOTE_MIN    20 /* columns of a note, however narrow the terminal */

/* The percentage of polls that were hits. */
static void
format_hits(char text[FORMAT_SIZE], struct json_object *o)
{
	uint64_t polls = snapshot_number(o, "polls");

	if (polls == 0)
		strlcpy(text, "-", FORMAT_SIZE);
	else
		snprintf(text, FORMAT_SIZE, "%.0f%%",
		    (double)snapshot_number(o, "hits") * 100 / (double)polls);
}

/* A text value after `indent` spaces or the mark of a source. */
static void
format_name(char cell[CELL_SIZE], struct json_object *o, const char *key,
    const char *mark, uint64_t indent)
{
	char text[CELL_SIZE];

	format_text(text, sizeof(text), snapshot_text(o, key));
	if (snprintf(cell, CELL_SIZE, "%*s%s%s", (int)indent, "", mark,
		text[0] == '\0' ? "-" : text) >= CELL_SIZE ||
	    strlen(snapshot_text(o, key)) >= CELL_SIZE)
		cell[CELL_SIZE - 2] = '~';
}

static void
format_history(char cell[CELL_SIZE], struct json_object *rates)
{
	static const char levels[] = { ' ', 1, 2, 3, 4, 5, 6, 7,
		HISTORY_LEVELS };
	size_t n = rates == NULL ? 0 : json_object_array_length(rates), level;
	uint64_t rate, most = 1;

	n = n < CELL_SIZE ? n : CELL_SIZE - 1;
	for (size_t i = 0; i < n; i++) {
		rate =
		    json_object_get_uint64(json_object_array_get_idx(rates, i));
		most = rate > most ? rate : most;
	}
	for (size_t i = 0; i < n; i++) {
		rate =
		    json_object_get_uint64(json_object_array_get_idx(rates, i));
		level = (size_t)((HISTORY_LEVELS - 1) * (double)rate /
		    (double)most);
		cell[i] = levels[rate == 0 ? 0 : 1 + level];
	}
	cell[n] = '\0';
}

/* The value of an object in a column; without one, the heading. */
static void
format_cell(char cell[CELL_SIZE], const struct column *c, struct json_object *o)
{
	uint64_t n = snapshot_number(o, c->key);

	if (o == NULL) {
		strlcpy(cell, c->heading, CELL_SIZE);
		return;
	}
	switch (c->format) {
	case COLUMN_TEXT:
		format_name(cell, o, c->key, "", 0);
		break;
	case COLUMN_SOURCE:
		format_name(cell, o, c->key,
		    snapshot_bool(o, "serving") ? "* " : "  ", 0);
		break;
	case COLUMN_TREE:
		format_name(cell, o, c->key, "",
		    snapshot_number(o, "depth") % 16 * 2);
		break;
	case COLUMN_BYTES:
		format_bytes(cell, n);
		if (!json_object_object_get_ex(o, c->key, &o) || o == NULL)
			strlcpy(cell, "-", CELL_SIZE);
		break;
	case COLUMN_COUNT:
		format_count(cell, n);
		break;
	case COLUMN_TIME:
		format_time(cell, n);
		break;
	case COLUMN_RATE:
		format_rate(cell, snapshot_object(o, c->key));
		break;
	case COLUMN_WAITING:
		strlcpy(cell,
		    snapshot_bool(o, c->key) ? "waiting" : "connected",
		    CELL_SIZE);
		break;
	case COLUMN_HITS:
		format_hits(cell, snapshot_object(o, c->key));
		break;
	case COLUMN_HISTORY:
		format_history(cell, json_object_object_get(o, c->key));
		break;
	}
}

/* Widens the columns for the cells of a row. */
static void
widen(const struct table *t, size_t width[TABLE_COLUMNS], struct json_object *o)
{
	char cell[CELL_SIZE];

	for (size_t i = 0; i < t->ncolumns; i++) {
		format_cell(cell, &t->columns[i], o);
		if (strlen(cell) > width[i])
			width[i] = strlen(cell);
	}
}

/* Narrows a column by up to `excess`.  Returns the rest of the excess. */
static size_t
cut(size_t *width, size_t excess, size_t min)
{
	size_t most = *width > min ? *width - min : 0;
	size_t n = excess < most ? excess : most;

	*width -= n;
	return excess - n;
}

/* By how many columns of the terminal a row is too long. */
static size_t
excess_of(const struct table *t, const size_t width[TABLE_COLUMNS],
    size_t limit)
{
	size_t total = (size_t)t->indent;

	for (size_t i = 0; i < t->ncolumns; i++)
		total += width[i] > 0 ? width[i] + (i > 0) : 0;
	return limit == 0 || total <= limit ? 0 : total - limit;
}

/* Leaves out a column: its width becomes 0.  Returns false if none is spare. */
static bool
leave_out(const struct table *t, size_t width[TABLE_COLUMNS])
{
	size_t found = 0;

	for (size_t i = 1; i < t->ncolumns; i++)
		if (width[i] > 0 &&
		    t->columns[i].spare > t->columns[found].spare)
			found = i;
	width[found] = found > 0 ? 0 : width[found];
	return found > 0;
}

static void
narrow(const struct table *t, size_t width[TABLE_COLUMNS], size_t limit)
{
	size_t excess = excess_of(t, width, limit);

	if (t->tail)
		cut(&width[t->ncolumns - 1], excess,
		    t->tail_min > CUT_MIN ? t->tail_min : CUT_MIN);
	while ((excess = excess_of(t, width, limit)) > 0)
		if (!leave_out(t, width))
			break;
	if (t->tail)
		excess = cut(&width[t->ncolumns - 1], excess, CUT_MIN);
	cut(&width[0], excess, CUT_MIN);
}

static void
print_row(const struct table *t, const size_t width[TABLE_COLUMNS],
    struct json_object *o, FILE *f)
{
	const size_t last = t->ncolumns - 1;
	char cell[CELL_SIZE];

	fprintf(f, "%*s", t->indent, "");
	for (size_t i = 0; i <= last; i++) {
		if (width[i] == 0)
			continue;
		format_cell(cell, &t->columns[i], o);
		if (strlen(cell) > width[i])
			strlcpy(&cell[width[i] - 1], "~", 2);
		if (i > 0)
			fputc(' ', f);
		if (i == last && (t->tail || i < t->left))
			fputs(cell, f);
		else
			fprintf(f, "%*s",
			    i < t->left ? -(int)width[i] : (int)width[i], cell);
	}
	fputc('\n', f);
}

/* The length of text that fits a line: whole words, unless one is too long. */
static size_t
line_length(const char *text, size_t room)
{
	size_t n = strlen(text);

	if (n <= room)
		return n;
	for (n = room; n > 0 && text[n] != ' '; n--)
		;
	return n == 0 ? room : n;
}

static void
print_note(const char *text, FILE *f, size_t limit)
{
	size_t indent = NOTE_INDENT, room, n;

	while (*text != '\0') {
		room = limit < indent + NOTE_MIN ? NOTE_MIN : limit - indent;
		n = line_length(text, limit == 0 ? SIZE_MAX : room);
		fprintf(f, "%*s%.*s\n", (int)indent, "", (int)n, text);
		text += n;
		text += strspn(text, " ");
		indent = NOTE_INDENT + 2;
	}
}

static void
print_notes(const struct table *t, struct json_object *o, FILE *f, size_t limit)
{
	char *notes = NULL, *line, *rest;
	size_t size = 0;
	FILE *stream;

	if (t->notes == NULL)
		return;
	if ((stream = open_memstream(&notes, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	t->notes(o, stream);
	if (fclose(stream) == EOF)
		err(EXIT_REFUSED, NULL);
	rest = notes;
	while ((line = strsep(&rest, "\n")) != NULL)
		print_note(line, f, limit);
	free(notes);
}

void
table_print(const struct table *t, struct json_object *parent, FILE *f,
    size_t limit)
{
	size_t width[TABLE_COLUMNS] = { 0 };
	struct json_object *o;

	if (snapshot_length(parent, t->key) == 0)
		return;
	widen(t, width, NULL);
	o = json_object_array_get_idx(json_object_object_get(parent, t->key),
	    0);
	for (size_t i = 0; i < t->ncolumns; i++)
		if (t->columns[i].format == COLUMN_HISTORY &&
		    json_object_object_get(o, t->columns[i].key) == NULL)
			width[i] = 0;
	SNAPSHOT_FOREACH(o, parent, t->key)
		widen(t, width, o);
	narrow(t, width, limit);
	fputc('\n', f);
	print_row(t, width, NULL, f);
	SNAPSHOT_FOREACH(o, parent, t->key) {
		print_row(t, width, o, f);
		print_notes(t, o, f, limit);
	}
}
