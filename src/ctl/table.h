/*
 * A table of text with aligned columns.
 */
#ifndef VRNGCTL_TABLE_H
#define VRNGCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS 12
#define TABLE_CELL    80 /* with the terminating NUL */

struct table {
	size_t ncolumns;
	char (*cells)[TABLE_COLUMNS][TABLE_CELL]; /* of each row, allocated */
	size_t nrows;
	size_t column; /* of the next cell */
	size_t width[TABLE_COLUMNS];
	bool tail; /* the last column is text: to the left, and cut first */
	int indent;
	size_t left;
};

/* A table with a row of headings, which end with NULL. */
void table_init(struct table *, const char *const *headings);

/*
 * Adds a cell; rows follow from that.  Longer text is cut, and ends with a
 * tilde then.
 */
void table_cell(struct table *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Prints it, each row after `indent` spaces, and frees it.  The first `left`
 * columns are aligned to the left, the others to the right.  If lines would
 * be longer than `limit` (0: no limit), the first column is cut, and a tail
 * before that.
 */
void table_print(struct table *, FILE *, int indent, size_t left, size_t limit);

/*
 * The parts of table_print(), for one that has more to say between two rows:
 * table_fit() comes before the first row.
 */
void table_fit(struct table *, int indent, size_t left, size_t limit);
void table_print_row(const struct table *, FILE *, size_t row);
void table_free(struct table *);

/*
 * A line of text below a row, as several lines where one would be longer than
 * `limit` (0: no limit).
 */
void table_print_note(FILE *, const char *text, size_t limit);

#endif
