#include <bsd/string.h>
#include <err.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/connect.h"
#include "ctl/table.h"

#define CUT_MIN	    8 /* characters left of a column that is cut */
#define NOTE_INDENT 4
#define NOTE_MIN    20 /* columns of a note, however narrow the terminal */

void
table_init(struct table *t, const char *const *headings)
{
	*t = (struct table){ 0 };
	while (headings[t->ncolumns] != NULL)
		t->ncolumns++;
	for (size_t i = 0; i < t->ncolumns; i++)
		table_cell(t, "%s", headings[i]);
}

void
table_cell(struct table *t, const char *fmt, ...)
{
	char *cell;
	va_list ap;
	size_t len;

	if (t->column == 0 && (t->nrows & (t->nrows - 1)) == 0) {
		t->cells = reallocarray(t->cells,
		    t->nrows == 0 ? 1 : t->nrows * 2, sizeof(*t->cells));
		if (t->cells == NULL)
			err(EXIT_REFUSED, NULL);
	}
	cell = t->cells[t->nrows][t->column];
	va_start(ap, fmt);
	if (vsnprintf(cell, TABLE_CELL, fmt, ap) >= TABLE_CELL)
		cell[TABLE_CELL - 2] = '~';
	va_end(ap);
	len = strlen(cell);
	if (len > t->width[t->column])
		t->width[t->column] = len;
	if (++t->column == t->ncolumns) {
		t->column = 0;
		t->nrows++;
	}
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
table_fit(struct table *t, int indent, size_t left, size_t limit)
{
	size_t total = (size_t)indent, excess;

	t->indent = indent;
	t->left = left;
	for (size_t i = 0; i < t->ncolumns; i++)
		total += t->width[i] + (i > 0);
	if (limit == 0 || total <= limit)
		return;
	excess = total - limit;
	if (t->tail)
		excess = cut(&t->width[t->ncolumns - 1], excess);
	cut(&t->width[0], excess);
}

void
table_print_row(const struct table *t, FILE *f, size_t row)
{
	const size_t last = t->ncolumns - 1;
	char cell[TABLE_CELL];
	int width;

	fprintf(f, "%*s", t->indent, "");
	for (size_t i = 0; i <= last; i++) {
		width = (int)t->width[i];
		strlcpy(cell, t->cells[row][i], sizeof(cell));
		if (strlen(cell) > (size_t)width)
			strlcpy(&cell[width - 1], "~", 2);
		if (i == last && (t->tail || i < t->left))
			fputs(cell, f);
		else
			fprintf(f, "%*s", i < t->left ? -width : width, cell);
		fputc(i == last ? '\n' : ' ', f);
	}
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
table_print_note(FILE *f, const char *text, size_t columns)
{
	size_t indent = NOTE_INDENT, room, n;

	while (*text != '\0') {
		room =
		    columns < indent + NOTE_MIN ? NOTE_MIN : columns - indent;
		n = line_length(text, columns == 0 ? SIZE_MAX : room);
		fprintf(f, "%*s%.*s\n", (int)indent, "", (int)n, text);
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

void
table_print(struct table *t, FILE *f, int indent, size_t left, size_t limit)
{
	table_fit(t, indent, left, limit);
	for (size_t row = 0; row < t->nrows; row++)
		table_print_row(t, f, row);
	table_free(t);
}
