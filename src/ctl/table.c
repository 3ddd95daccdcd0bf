/*
 * Tables over the objects of the status.  Used by status.c.
 */
#include <bsd/string.h>
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/table.h"

#define CUT_MIN	    8 /* characters left of a column that is cut */
#define NOTE_INDENT 4
#define NOTE_MIN    20 /* columns of a note, however narrow the terminal */

/* A row that is to be filled in. */
static void
add_row(struct table *t)
{
	/* Room doubles: at each power of two it is used up. */
	if ((t->nrows & (t->nrows - 1)) == 0) {
		t->cells = reallocarray(t->cells,
		    t->nrows == 0 ? 1 : t->nrows * 2, sizeof(*t->cells));
		if (t->cells == NULL)
			err(EXIT_REFUSED, NULL);
	}
	memset(t->cells[t->nrows++], 0, sizeof(*t->cells));
}

static void
set_cell(struct table *t, size_t column, const char *prefix, const char *text)
{
	char *cell = t->cells[t->nrows - 1][column];
	size_t len;

	strlcpy(cell, prefix, TABLE_CELL);
	if (strlcat(cell, text, TABLE_CELL) >= TABLE_CELL)
		cell[TABLE_CELL - 2] = '~';
	len = strlen(cell);
	if (len > t->width[column])
		t->width[column] = len;
}

void
table_init(struct table *t, const struct column *columns, size_t ncolumns,
    FILE *f, size_t limit)
{
	*t = (struct table){
		.columns = columns,
		.ncolumns = ncolumns,
		.f = f,
		.limit = limit,
	};
	add_row(t);
	for (size_t i = 0; i < ncolumns; i++)
		set_cell(t, i, "", columns[i].heading);
}

/* How many in a hundred polls were hits. */
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

static void
add_text(struct table *t, size_t column, const char *prefix, const char *value)
{
	char text[TABLE_CELL + 1];

	format_text(text, sizeof(text), value);
	set_cell(t, column, prefix, text[0] == '\0' ? "-" : text);
}

static void
add_cell(struct table *t, size_t i, struct json_object *o)
{
	static const char spaces[] = "                              ";
	const char *key = t->columns[i].key;
	uint64_t n = snapshot_number(o, key);
	char text[FORMAT_SIZE];

	switch (t->columns[i].format) {
	case COLUMN_TEXT:
		add_text(t, i, "", snapshot_text(o, key));
		return;
	case COLUMN_SOURCE:
		add_text(t, i, snapshot_bool(o, "serving") ? "* " : "  ",
		    snapshot_text(o, key));
		return;
	case COLUMN_TREE:
		n = snapshot_number(o, "depth") % 16 * 2;
		add_text(t, i, spaces + sizeof(spaces) - 1 - n,
		    snapshot_text(o, key));
		return;
	case COLUMN_BYTES:
		format_bytes(text, n);
		if (!json_object_object_get_ex(o, key, &o) || o == NULL)
			strlcpy(text, "-", sizeof(text));
		break;
	case COLUMN_COUNT:
		format_count(text, n);
		break;
	case COLUMN_TIME:
		format_time(text, n);
		break;
	case COLUMN_RATE:
		format_rate(text, snapshot_object(o, key));
		break;
	case COLUMN_WAITING:
		strlcpy(text, snapshot_bool(o, key) ? "waiting" : "connected",
		    sizeof(text));
		break;
	case COLUMN_HITS:
		format_hits(text, snapshot_object(o, key));
		break;
	}
	set_cell(t, i, "", text);
}

void
table_row(struct table *t, struct json_object *o, struct json_object *outer,
    size_t nouter)
{
	add_row(t);
	for (size_t i = 0; i < t->ncolumns; i++)
		add_cell(t, i, i < nouter ? outer : o);
}

/* Makes a column up to `excess` narrower.  Returns what is left of that. */
static size_t
cut(size_t *width, size_t excess)
{
	size_t most = *width > CUT_MIN ? *width - CUT_MIN : 0;
	size_t n = excess < most ? excess : most;

	*width -= n;
	return excess - n;
}

void
table_start(struct table *t, int indent, size_t left, bool tail)
{
	size_t total = (size_t)indent, excess;

	t->indent = indent;
	t->left = left;
	t->tail = tail;
	for (size_t i = 0; i < t->ncolumns; i++)
		total += t->width[i] + (i > 0);
	excess = t->limit == 0 || total <= t->limit ? 0 : total - t->limit;
	if (tail)
		excess = cut(&t->width[t->ncolumns - 1], excess);
	cut(&t->width[0], excess);
	fputc('\n', t->f);
	table_print_row(t);
}

void
table_print_row(struct table *t)
{
	const size_t last = t->ncolumns - 1;
	char cell[TABLE_CELL];
	int width;

	fprintf(t->f, "%*s", t->indent, "");
	for (size_t i = 0; i <= last; i++) {
		width = (int)t->width[i];
		strlcpy(cell, t->cells[t->next][i], sizeof(cell));
		if (strlen(cell) > (size_t)width)
			strlcpy(&cell[width - 1], "~", 2);
		if (i == last && (t->tail || i < t->left))
			fputs(cell, t->f);
		else
			fprintf(t->f, "%*s", i < t->left ? -width : width,
			    cell);
		fputc(i == last ? '\n' : ' ', t->f);
	}
	t->next++;
}

/* How much of a text goes on a line: whole words, unless one is too long. */
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

void
table_print_note(const struct table *t, const char *text)
{
	size_t indent = NOTE_INDENT, room, n;

	while (*text != '\0') {
		room =
		    t->limit < indent + NOTE_MIN ? NOTE_MIN : t->limit - indent;
		n = line_length(text, t->limit == 0 ? SIZE_MAX : room);
		fprintf(t->f, "%*s%.*s\n", (int)indent, "", (int)n, text);
		text += n;
		text += strspn(text, " ");
		indent = NOTE_INDENT + 2;
	}
}

void
table_free(struct table *t)
{
	free(t->cells);
	*t = (struct table){ 0 };
}
