/*
 * Writes JSON (RFC 8259), indented.
 */
#ifndef VRNGCTL_JSON_H
#define VRNGCTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *f;
	int depth;
	bool first; /* within what is open */
};

/*
 * All take the key within an object, or NULL within an array.  What is opened
 * must be closed, with the same bracket.
 */
void json_open(struct json *, const char *key, char bracket);
void json_close(struct json *, char bracket);
void json_number(struct json *, const char *key, uint64_t);
void json_bool(struct json *, const char *key, bool);
void json_null(struct json *, const char *key);

/* Text of any bytes: what is not UTF-8 becomes U+FFFD. */
void json_string(struct json *, const char *key, const char *);

#endif
