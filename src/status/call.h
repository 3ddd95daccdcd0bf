/*
 * Calls of the Varlink protocol: JSON objects, each ended by a NUL byte.
 *
 *	{"method":"io.vrngd.Status.Get"}
 *	{"parameters":{"status":{...}}}
 *
 * Pure, but for memory.
 */
#ifndef VRNGD_CALL_H
#define VRNGD_CALL_H

#include <stdbool.h>
#include <stddef.h>

#define CALL_SIZE_MAX  4096 /* bytes, with the NUL */
#define CALL_DEPTH_MAX 8    /* of arrays and objects in each other */

/* Around a status, in the reply to CALL_STATUS. */
#define CALL_REPLY_BEGIN "{\"parameters\":{\"status\":"
#define CALL_REPLY_END	 "}}" /* and the NUL */

enum call_kind {
	CALL_BAD,    /* not a call: the connection ends */
	CALL_STATUS, /* the status is wanted */
	CALL_REPLY,  /* `reply` is the answer */
};

struct call {
	enum call_kind kind;
	bool oneway; /* no answer is wanted */
	char *reply; /* allocated, of CALL_REPLY; NULL: no memory */
};

/* Lets the JSON library do what it does once, before system calls are few. */
void call_init(void);

/* Reads a call of `len` bytes, without its NUL. */
struct call call_parse(const char *text, size_t len);

#endif
