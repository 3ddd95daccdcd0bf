/*
 * Calls of the Varlink protocol: JSON objects, each ended by a NUL byte.
 *
 *	{"method":"io.vrngd.Status.Get","parameters":{"guest":"vm1"}}
 *	{"parameters":{"status":{...}}}
 *
 * The interfaces are in the files *.varlink.  Pure, except for memory.
 */
#ifndef VRNGD_CALL_H
#define VRNGD_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "status/select.h"

#define CALL_SIZE_MAX  4096 /* bytes, with the NUL */
#define CALL_DEPTH_MAX 8    /* nesting of arrays and objects */

/* Around a status, in the reply to CALL_STATUS. */
#define CALL_REPLY_BEGIN "{\"parameters\":{\"status\":"
#define CALL_REPLY_END	 "}}" /* and the NUL */

enum call_kind {
	CALL_BAD,     /* invalid: the connection is closed */
	CALL_STATUS,  /* the reply is the status, or the selected parts of it */
	CALL_MONITOR, /* the replies are events, or the selected ones */
	CALL_REPLY,   /* `reply` is the answer */
};

struct call {
	enum call_kind kind;
	bool oneway;	      /* no reply */
	struct select select; /* for CALL_STATUS and CALL_MONITOR */
	char *reply; /* allocated, for CALL_REPLY; NULL: out of memory */
};

/* Initializes the JSON library, before the system call filter is set. */
void call_init(void);

/* Parses a call of `len` bytes, without its NUL. */
struct call call_parse(const char *text, size_t len);

/*
 * The reply to a call that selects what is not in the status.  Allocated; NULL:
 * out of memory.
 */
char *call_not_found(const struct select *, enum selected);

/* The reply to CALL_MONITOR above the limit, likewise. */
char *call_too_many(void);

#endif
