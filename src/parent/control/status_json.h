/*
 * The status of the daemon as a JSON object, written in pieces, so that the
 * event loop can handle other events in between.
 */
#ifndef VRNGD_STATUS_JSON_H
#define VRNGD_STATUS_JSON_H

#include "parent/control/json.h"
#include "parent/state/reload.h"

/* The version of the format; added fields do not change it. */
#define STATUS_SCHEMA 1

/* The next piece. */
enum status_part {
	STATUS_POOL, /* the head of a pool; without one, the end */
	STATUS_GUESTS,
	STATUS_CLASSES,	      /* after the guests in them were counted */
	STATUS_GUEST_SOCKETS, /* EGD sockets of guests, as services */
	STATUS_SERVICES,
	STATUS_END,
};

struct status_json {
	struct daemon *daemon;
	struct json json;
	enum status_part part;
	uint64_t now;		  /* ns, current time */
	struct daemon_pool *pool; /* the current pool */
	struct daemon_class *class;
	bool sockets;	      /* some of its guests have EGD sockets */
	struct service *next; /* of guests, see daemon->cursor */
	uint64_t applied;     /* as in the daemon at the start */
};

/* Prepares to write the status of a daemon, which must outlive it. */
void status_json_init(struct status_json *, struct daemon *);

/* Starts a status in an empty file, in place of any that was not finished. */
void status_json_start(struct status_json *, int fd);

/*
 * Continues until `deadline` (ns), with at least one piece.  Returns whether
 * the status is complete; json.error is set after an error.  With any changes
 * in between, each guest is in it at most once, and each guest that existed all
 * the time is in it.
 */
bool status_json_write(struct status_json *, uint64_t deadline);

#endif
