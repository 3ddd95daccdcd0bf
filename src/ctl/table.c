#include <err.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "connect.h"
#include "table.h"

#define FIRST_MIN 8 /* characters left of the first column */

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
	vsnprintf(cell, TABLE_CELL, fmt, ap);
	va_end(ap);
	len = strlen(cell);
	if (len > t->width[t->column])
		t->width[t->column] = len;
	if (++t->column == t->ncolumns) {
		t->column = 0;
		t->nrows++;
	}
}

/* Makes the first column narrower, so that lines fit if they can. */
static void
fit(struct table *t, size_t indent, size_t limit)
{
	size_t total = indent, excess;

	for (size_t i = 0; i < t->ncolumns; i++)
		total += t->width[i] + (i > 0);
	if (limit == 0 || total <= limit || t->width[0] <= FIRST_MIN)
		return;
	excess = total - limit;
	t->width[0] =
	    t->width[0] - FIRST_MIN > excess ? t->width[0] - excess : FIRST_MIN;
}

static void
print_cell(FILE *f, const char *cell, size_t width, bool left, bool last)
{
	int w = (int)width;

	if (!left)
		fprintf(f, "%*s", w, cell);
	else if (!last)
		fprintf(f, "%-*.*s", w, w, cell);
	else
		fputs(cell, f);
	fputc(last ? '\n' : ' ', f);
}

void
table_print(struct table *t, FILE *f, int indent, size_t left, size_t limit)
{
	size_t last = t->ncolumns - 1;

	fit(t, (size_t)indent, limit);
	for (size_t row = 0; row < t->nrows; row++) {
		char(*cells)[TABLE_CELL] = t->cells[row];

		if (strlen(cells[0]) > t->width[0])
			cells[0][t->width[0] - 1] = '~';
		fprintf(f, "%*s", indent, "");
		for (size_t i = 0; i < t->ncolumns; i++)
			print_cell(f, cells[i], t->width[i], i < left,
			    i == last);
	}
	free(t->cells);
	*t = (struct table){ 0 };
}
