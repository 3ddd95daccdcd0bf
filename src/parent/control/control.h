/*
 * The control socket: vrngctl's requests, checked frame by frame, handed to
 * the ops of the daemon, and answered at once, or not at all if the client does
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
#include "parent/host/listener.h"
#include "common/log.h"

#define CONTROL_CLIENTS_MAX 32

/* The answer to a request, while it is made. */
struct control_answer {
	size_t len; /* bytes of text */
	bool cut;   /* there is more text than fits */
	struct control_reply reply;
};

/* A guest to be added.  The strings last as long as the call. */
struct control_guest_add {
	const char *name;
	const char *socket; /* absolute path; NULL: it comes with a listener */
	int fd;		    /* its listener, which is the op's; -1: none */
	const char *class;  /* "": the pool itself */
	const char *pool;   /* "": the default one */
};

/*
 * What the daemon does at a request; `arg` is that of control_open().  Names
 * are known to consist of letters, digits, `.`, `_` and `-`, not to be empty,
 * and to fit.  Each op returns 0, or an errno after saying the reason with
 * control_say().
 */
struct control_ops {
	/* All or nothing; every mistake is said. */
	int (*reload)(struct control_answer *, void *arg);
	int (*guest_add)(struct control_answer *,
	    const struct control_guest_add *, void *arg);
	/* With a listener, a guest that may be there already. */
	int (*guest_adopt)(struct control_answer *,
	    const struct control_guest_add *, void *arg);
	int (*guest_remove)(struct control_answer *, const char *name,
	    void *arg);
	/*
	 * A source's start-up tests are to begin again, latched or not.  Pool
	 * "": the only one with a source of that name; if there are more, say
	 * which.  vrngctl tells what happens next, so nothing is said if it is
	 * done.
	 */
	int (*source_retest)(struct control_answer *, const char *name,
	    const char *pool, void *arg);
	int (*log_level)(struct control_answer *, enum log_level, void *arg);
};

TAILQ_HEAD(control_clients, control_client);

struct control {
	sd_event *event;
	const struct control_ops *ops;
	void *arg;
	char path[CONTROL_SOCKET_SIZE];
	struct listener listener;
	sd_event_source *io;
	sd_event_source *timer;		/* to accept again */
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
 * is copied, the ops must stay.  Returns 0, or -1 after logging
 * why.
 */
int control_open(struct control *, sd_event *, const char *path, uid_t owner,
    const struct control_ops *, void *arg);

/* Drops all clients and removes the socket. */
void control_close(struct control *);

/* Adds a line, without newline, to an answer. */
void control_say(struct control_answer *, const char *fmt, ...)
    LOG_FORMAT(2, 3);

#endif
