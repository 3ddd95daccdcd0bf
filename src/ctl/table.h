/*
 * Tables of JSON objects: a row for each object, a column for each listed key.
 */
#ifndef VRNGCTL_TABLE_H
#define VRNGCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl/snapshot.h"

#define TABLE_COLUMNS 13

/* The format of a column. */
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
	COLUMN_HISTORY, /* of an array of numbers, a sparkline; see below */
};

/*
 * A cell of a sparkline has a byte for each value, 1 to this, relative to the
 * highest one, or a space for 0.  term_show() draws it.  Where no object has a
 * history, there is no column.
 */
#define HISTORY_LEVELS 8

/*
 * A column: the heading, the key of its values, and their format.  Of those
 * with a number for `spare`, the one with the highest is left out first where
 * there is no room for all columns.
 */
struct column {
	const char *heading;
	const char *key;
	enum column_format format;
	unsigned int spare;
};

struct table {
	const char *key; /* of the array of objects */
	const struct column *columns;
	size_t ncolumns;
	int indent;  /* spaces before each row */
	size_t left; /* columns that are aligned to the left */
	bool tail;   /* so is the last column, which is truncated first, */
	/* Writes notes below the row of an object; NULL: none. */
	void (*notes)(struct json_object *, FILE *);
	/* The last column stays that wide while others can be left out. */
	size_t tail_min;
};

/*
 * Prints an empty line and the table of an object's array, unless that is
 * empty.  Lines have at most `limit` columns (0: no limit): the last column (if
 * `tail`) is truncated with a tilde, then columns are left out, then the first
 * one is truncated; notes are wrapped.
 */
void table_print(const struct table *, struct json_object *, FILE *,
    size_t limit);

#endif
