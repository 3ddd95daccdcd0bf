/*
 * The control socket: vrngctl's requests, checked frame by frame, handed to
 * the daemon's handler, and answered at once, or not at all if the client does
 * not take the answer.
 *
 * Root and the daemon's own user may do everything, others nothing, by the
 * credentials with which they have connected.
 */
#ifndef VRNGD_CONTROL_H
#define VRNGD_CONTROL_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/control_proto.h"
#include "common/log.h"
#include "parent/host/listener.h"
#include "parent/host/timer.h"

#define CONTROL_CLIENTS_MAX 32

/* The answer to a request, while it is made. */
struct control_answer {
	size_t len; /* bytes of text */
	bool cut;   /* there is more text than fits */
	struct control_reply reply;
};

/*
 * Does what a request says, which control_check() has found in order; `arg` is
 * that of control_open().  With CONTROL_GUEST_ADOPT came a listening unix stream
 * socket, `*fd` (-1: it did not), which is the handler's if it sets that to -1.  Returns 0, or an errno after saying
 * the reason with control_say().
 */
typedef int control_handler(struct control_answer *,
    const struct control_request *, int *fd, void *arg);

TAILQ_HEAD(control_clients, control_client);

struct control {
	sd_event *event;
	control_handler *handler;
	void *arg;
	char path[CONTROL_SOCKET_SIZE];
	struct listener listener;
	sd_event_source *io;
	struct timer pause;		/* until it accepts again */
	struct control_clients clients; /* the longest idle one first */
	size_t nclients;
	struct log_limit log_limit;
	struct control_answer answer;
};

/*
 * Makes the socket, which belongs to `owner` (-1: us) and is closed to all
 * others, and listens.  A stale socket file is replaced; one that
 * somebody listens at, or another file, is an error.  Giving the socket away
 * takes CAP_CHOWN and CAP_FOWNER, so call it before they are dropped.  The path
 * is copied.  Returns 0, or -1 after logging why.
 */
int control_open(struct control *ctl, sd_event *event, const char *path,
    uid_t owner, control_handler *handler, void *arg);

/* Drops all clients and removes the socket. */
void control_close(struct control *);

/* Adds a line, without newline, to an answer. */
void control_say(struct control_answer *, const char *fmt, ...)
    LOG_FORMAT(2, 3);

#endif
