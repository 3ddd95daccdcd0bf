/*
 * Numbers and text, formatted for output.
 */
#ifndef VRNGCTL_FORMAT_H
#define VRNGCTL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/snapshot.h"

#define FORMAT_SIZE 48 /* for any number, with the NUL */

/*
 * A number of bytes, in at most 5 characters, with K, M, G, T, P or E for
 * powers of 1024: "0", "512", "1.5M", "1023K".  Rounded down.
 */
const char *format_bytes(char text[FORMAT_SIZE], uint64_t bytes);

/*
 * A rate, an object with "bytes" and "period_ns", in bytes per second, as
 * format_bytes() or, below one, as "8/65s"; NULL is "-".
 */
const char *format_rate(char text[FORMAT_SIZE], struct json_object *rate);

/* Bytes per second, rounded down; 0 for NULL. */
uint64_t format_per_second(struct json_object *rate);

/* A count, in at most 6 characters, with k, M, G for powers of 1000. */
const char *format_count(char text[FORMAT_SIZE], uint64_t n);

/* A time: "0", "15ms", "3.2s", "12m", "5h", "3d". */
const char *format_time(char text[FORMAT_SIZE], uint64_t ns);

/*
 * Copies text, with a question mark in place of each character that could
 * control a terminal.  Returns `to`.
 */
const char *format_text(char *to, size_t size, const char *text);

#endif
