/*
 * A table of text with aligned columns.
 */
#ifndef VRNGCTL_TABLE_H
#define VRNGCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl/snapshot.h"

#define TABLE_COLUMNS 12
#define TABLE_CELL    80 /* with the terminating NUL */

struct table {
	const struct column *columns;
	size_t ncolumns;
	char (*cells)[TABLE_COLUMNS][TABLE_CELL]; /* of each row, allocated */
	size_t nrows;
	size_t width[TABLE_COLUMNS];
	bool tail; /* the last column is text: to the left, and cut first */
	int indent;
	size_t left;
};

/* How a value is shown. */
enum column_format {
	COLUMN_TEXT,	/* text, "-" for none */
	COLUMN_BYTES,	/* format_bytes(), "-" for null */
	COLUMN_COUNT,	/* format_count() */
	COLUMN_TIME,	/* format_time() */
	COLUMN_RATE,	/* format_rate() */
	COLUMN_TREE,	/* text, indented by the value of "depth" */
	COLUMN_SOURCE,	/* text, with an asterisk if "serving" */
	COLUMN_WAITING, /* "waiting" or "connected" */
	COLUMN_HITS,	/* of an object with "hits" and "polls", in percent */
};

/* A column: the heading, and which value of a JSON object stands below it. */
struct column {
	const char *heading;
	const char *key;
	enum column_format format;
};

/* A table with a row of headings; the columns must outlive it. */
void table_init(struct table *, const struct column *, size_t ncolumns);

/*
 * Adds a row about an object.  The first `nouter` columns are about the one
 * that it is in.  Longer text is cut, and ends with a tilde then.
 */
void table_row(struct table *, struct json_object *, struct json_object *outer,
    size_t nouter);

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
