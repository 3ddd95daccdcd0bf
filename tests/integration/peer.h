/*
 * The other end of a source that is a socket or a terminal: what it sends, and
 * what guests get meanwhile.  vm0 is served by the source, and vm1 by another
 * pool, which is to notice nothing.
 */
#ifndef PEER_H
#define PEER_H

#include <sys/socket.h>

#include "integration/admin.h"

/* The address of a socket. */
struct place {
	struct sockaddr_storage addr;
	socklen_t len;
	int type;
	int fd;		/* of ours at that address, or -1 */
	char text[256]; /* as vrngd.conf(5) has it */
};

/* DIR/name, where nothing is yet. */
void place_unix(struct suite *, struct place *, const char *name);

/*
 * A port that no other process has, since it is bound here, but where a
 * connection is refused; at ::1, or at 127.0.0.1 if that is wanted or there is
 * no ::1.
 */
void place_inet(struct place *, int type, bool old);

/* Begin to take connections; leave the place to others. */
void place_listen(struct place *);
void place_leave(struct place *);

/* Connections, whose fds the caller owns. */
int place_accept(struct place *);
int place_connect(const struct place *);

/*
 * Something that is fed like a FIFO; peer_hang_up() closes it, and what was fed
 * remains known.
 */
void peer_make(struct fifo *, int fd);
void peer_hang_up(struct fifo *);

/*
 * Start a daemon whose pool "default" holds what is said, and connect vm0 and,
 * from a pool of its own, vm1.
 */
void peer_start(struct suite *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One request of vm0 is answered in full; vm1 is served at once as well. */
void peer_receive(struct suite *, uint8_t *buf, uint32_t len);

/* The same, with bytes that all were fed. */
void peer_serves(struct suite *, const struct fifo *);

/* The same until there are bytes that were fed since the first `from` bytes. */
void peer_serves_since(struct suite *, const struct fifo *, size_t from);

/* A request of vm0 waits, while vm1 is served; it is answered. */
void peer_waits(struct suite *);
void peer_answered(struct suite *);

#endif
