/*
 * Writes JSON (RFC 8259) without white space to a file, by a buffer.
 */
#ifndef VRNGD_JSON_H
#define VRNGD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_BUFFER 32768 /* bytes */

struct json {
	int fd;
	bool first;    /* within the innermost open bracket */
	int error;     /* errno of the first write that failed; 0: none */
	uint64_t size; /* bytes written to the file */
	size_t used;   /* bytes in the buffer */
	char buffer[JSON_BUFFER];
};

/* Starts an empty text.  The descriptor stays the caller's. */
void json_init(struct json *, int fd);

/*
 * All take the key within an object, which is written as it is, or NULL within
 * an array.  What is opened must be closed, with the same bracket.
 */
void json_open(struct json *, const char *key, char bracket);
void json_close(struct json *, char bracket);
void json_put_number(struct json *, const char *key, uint64_t);
void json_put_bool(struct json *, const char *key, bool);
void json_put_null(struct json *, const char *key);

/* Text of any bytes: what is not UTF-8 becomes U+FFFD. */
void json_put_string(struct json *, const char *key, const char *);

/* The same; "" and NULL become null. */
void json_put_name(struct json *, const char *key, const char *);

/* Writes the buffer to the file. */
void json_flush(struct json *);

#endif
