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

/* A table that is printed row by row. */
struct table {
	const struct column *columns;
	size_t ncolumns;
	char (*cells)[TABLE_COLUMNS][TABLE_CELL]; /* of each row, allocated */
	size_t nrows;
	size_t next; /* to be printed */
	size_t width[TABLE_COLUMNS];
	FILE *f;
	size_t limit; /* columns of a line; 0: no limit */
	int indent;   /* spaces before each row */
	size_t left;  /* columns that are aligned to the left */
	bool tail;    /* the last column is, too, and is cut first */
};

/* A table with a row of headings; the columns must outlive it. */
void table_init(struct table *, const struct column *, size_t ncolumns, FILE *,
    size_t limit);

/*
 * Adds a row about an object.  The first `nouter` columns are about the one
 * that it is in.  Longer text is cut, and ends with a tilde then.
 */
void table_row(struct table *, struct json_object *, struct json_object *outer,
    size_t nouter);

/*
 * Prints an empty line and the headings, when all rows are there.  If lines
 * would be longer than the limit, the first column is cut, and a tail before
 * that.
 */
void table_start(struct table *, int indent, size_t left, bool tail);

/* Prints the next row. */
void table_print_row(struct table *);

/* Prints a line of text, as several lines where one would be too long. */
void table_print_note(const struct table *, const char *text);

void table_free(struct table *);

#endif
