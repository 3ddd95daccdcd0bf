/*
 * The control socket: checks the requests of vrngctl, passes them to the
 * daemon's handler, and answers at once, or not at all if the client does not
 * read.
 *
 * Root and the user of the daemon may do everything, others nothing, by their
 * credentials at the time of the connection.
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

/* The answer to a request, while it is written. */
struct control_answer {
	size_t len; /* bytes of text */
	bool cut;   /* the text was truncated */
	struct control_reply reply;
};

/*
 * Carries out a request that control_check() has accepted; `arg` is that of
 * control_open().  For CONTROL_GUEST_ADOPT, `*fd` is the listening unix stream
 * socket of the request (-1: none); the handler takes it by setting it to -1.
 * Returns 0, or an errno after giving the reason with control_say().
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
	struct listener_rights rights;
	sd_event_source *io;
	struct timer pause; /* until it accepts again */
	struct control_clients
	    clients; /* the one with the longest idle time first */
	size_t nclients;
	struct log_limit log_limit;   /* of rejected requests */
	struct log_limit guest_limit; /* of changes of guests */
	struct control_answer answer;
};

/*
 * Creates the socket for `owner` (-1: this user) alone, and listens.  Replaces
 * a stale socket file; a socket in use, or another file, is an error.  To
 * change the owner it needs CAP_CHOWN and CAP_FOWNER, so call it before they
 * are dropped.  Copies the path.  Returns 0, or -1 after logging the error.
 */
int control_open(struct control *ctl, sd_event *event, const char *path,
    uid_t owner, control_handler *handler, void *arg);

/*
 * Listens again at its path if the socket file is missing or was replaced; its
 * clients stay.  Returns 0, or -1 after logging the error.
 */
int control_bind_again(struct control *);

/* Closes all clients and removes the socket. */
void control_close(struct control *);

/* Adds a line, without newline, to an answer. */
void control_say(struct control_answer *, const char *fmt, ...)
    LOG_FORMAT(2, 3);

#endif
