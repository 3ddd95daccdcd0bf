/*
 * Channels: frames of proto.h, each checked against the table there before
 * anybody looks inside.  Down, to a child, they go over a SOCK_SEQPACKET
 * socket; up, to the parent, over a pipe of packets, which can carry no
 * descriptors: so there are none of a child's that the parent would have to
 * close, and might have to wait for.
 */
#ifndef VRNGD_CHANNEL_H
#define VRNGD_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/proto.h"

/* A frame with its file descriptors.  A received fd belongs to the receiver. */
struct frame {
	struct frame_header hdr;
	union {
		struct proto_empty empty;
		struct proto_hello hello;
		struct proto_log log;
		struct proto_pool pool;
		struct proto_source source;
		struct proto_number number;
		struct proto_source_state source_state;
		struct proto_delivery delivery;
		struct proto_stock stock;
		struct proto_grant grant;
		struct proto_void voided;
		struct proto_limits limits;
		struct proto_want want;
		struct proto_serve serve;
		struct proto_network network;
		struct proto_socket socket;
		struct proto_client client;
		struct proto_status status;
		struct proto_inflight inflight;
	} u;
	int fds[FRAME_FDS_MAX];
};

/* What came of reading a channel. */
enum channel_result {
	CHANNEL_FRAME,	/* a frame, checked */
	CHANNEL_AGAIN,	/* nothing there now */
	CHANNEL_CLOSED, /* the other side is gone */
	CHANNEL_BROKEN, /* the frame breaks the protocol */
};

/*
 * Prepares a frame of a type: header set, payload zeroed, no fds.
 */
void frame_init(struct frame *, enum proto_type, uint32_t consumer,
    uint32_t generation);

/*
 * Whether a frame of `size` bytes with `nfds` descriptors is one that `from`
 * may send to `to`.  Looks at the header only; pure.
 */
bool frame_valid(const struct frame_header *, size_t size, size_t nfds,
    enum proto_role from, enum proto_role to);

/* A frame type's name, for messages; never NULL. */
const char *frame_name(uint32_t type);

/*
 * Makes the way down of a channel, or a byte channel: the first end only
 * sends, the second only receives.  Both are close-on-exec.  Returns 0, or -1
 * with errno.
 */
int channel_pair(int fds[2]);

/*
 * Makes the way up of a channel: the first end only reads, the second only
 * writes.  Neither blocks, both are close-on-exec.  Of a user with very many
 * pipes it may hold no more than two frames (pipe(7), pipe-user-pages-soft).
 * Returns 0, or -1 with errno.
 */
int channel_up_pair(int fds[2]);

/*
 * Sends a frame down, with the fds that its type carries; they stay the
 * caller's.  Never blocks.  Returns 0, or -1 with errno: EAGAIN if the channel
 * is full, EPIPE or ECONNRESET if the other side is gone.
 */
int channel_send(int fd, const struct frame *);

/* Sends a frame up; likewise. */
int channel_tell(int fd, const struct frame *);

/*
 * Reads one frame that `from` sent down to `to`, without blocking.  On
 * CHANNEL_BROKEN its fds are closed and the header tells what was claimed.
 */
enum channel_result channel_recv(int fd, struct frame *, enum proto_role from,
    enum proto_role to);

/* Reads one frame that the child `from` sent up; likewise. */
enum channel_result channel_hear(int fd, struct frame *, enum proto_role from);

/* Ends a child whose parent is gone, quietly. */
_Noreturn void channel_lost(void);

/*
 * Ends a child that can read no more frames, `result` being CHANNEL_CLOSED or
 * CHANNEL_BROKEN, and `f` what channel_recv() left.
 */
_Noreturn void channel_end(enum channel_result result, const struct frame *f);

#endif
