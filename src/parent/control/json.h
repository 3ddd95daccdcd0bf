/*
 * Writes JSON (RFC 8259) without white space to a file, with a buffer.
 */
#ifndef VRNGD_JSON_H
#define VRNGD_JSON_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_BUFFER  32768 /* bytes */
#define JSON_KEY_MAX 64	   /* bytes of a key */

/* Of a file that is passed to the status process. */
#define JSON_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

struct json {
	int fd;
	bool first;    /* values in the innermost open bracket */
	int error;     /* errno of the first write that failed; 0: none */
	uint64_t size; /* bytes written to the file */
	size_t used;   /* bytes in the buffer */
	char buffer[JSON_BUFFER];
};

/* Starts an empty text.  The caller still owns the descriptor. */
void json_init(struct json *, int fd);

/*
 * The key is required in an object, and written without escapes; it is NULL in
 * an array.  Each opened bracket must be closed.
 */
void json_open(struct json *, const char *key, char bracket);
void json_close(struct json *, char bracket);
void json_put_number(struct json *, const char *key, uint64_t);
void json_put_bool(struct json *, const char *key, bool);
void json_put_null(struct json *, const char *key);

/* Text of any bytes: bytes that are not UTF-8 become U+FFFD. */
void json_put_string(struct json *, const char *key, const char *);

/* Likewise, with null for "" and NULL. */
void json_put_name(struct json *, const char *key, const char *);

/* Writes the buffer to the file. */
void json_flush(struct json *);

#endif
