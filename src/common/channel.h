/*
 * Channels: frames of proto.h, each checked against the table there before its
 * payload is read.  Down, to a child, they go over a SOCK_SEQPACKET socket; up,
 * to the parent, over a pipe of packets.  A pipe carries no descriptors, so
 * that a child cannot pass one whose close would block the parent.
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
		struct proto_events_ask events_ask;
		struct proto_events events;
	} u;
	int fds[FRAME_FDS_MAX];
};

/* The result of reading a channel. */
enum channel_result {
	CHANNEL_FRAME,	/* a frame, checked */
	CHANNEL_AGAIN,	/* no frame available */
	CHANNEL_CLOSED, /* the peer has closed it */
	CHANNEL_BROKEN, /* the frame violates the protocol */
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
/*@
 @ requires size >= sizeof(*hdr) ==> \valid_read(hdr);
 @ assigns \nothing;
 @ ensures \result ==> hdr->type < PROTO_TYPES;
 @ ensures \result ==> size == hdr->length && size >= sizeof(*hdr);
 @*/
bool frame_valid(const struct frame_header *hdr, size_t size, size_t nfds,
    enum proto_role from, enum proto_role to);

/* The name of a frame type for messages; never NULL. */
const char *frame_name(uint32_t type);

/*
 * Creates the down side of a channel, or a byte channel: the first end only
 * sends, the second only receives.  Both are close-on-exec.  Returns 0, or -1
 * with errno.
 */
int channel_pair(int fds[2]);

/*
 * Creates the up side of a channel: the first end only reads, the second only
 * writes.  Both are non-blocking and close-on-exec.  If a user has many pipes,
 * it may hold only two frames (pipe(7), pipe-user-pages-soft).  Returns 0, or
 * -1 with errno.
 */
int channel_up_pair(int fds[2]);

/*
 * Sends a frame down, with the fds of its type, which the caller still owns.
 * Does not block.  Returns 0, or -1 with errno: EAGAIN if the channel is full,
 * EPIPE or ECONNRESET if the peer has closed it.
 */
int channel_send(int fd, const struct frame *);

/* Sends a frame up, likewise. */
int channel_tell(int fd, const struct frame *);

/*
 * Sends a frame from a child to its parent.  Returns whether there was room for
 * it.  Ends the process if the parent has exited.
 */
bool channel_up(const struct frame *);

/*
 * Reads one frame that `from` sent down to `to`, without blocking.  On
 * CHANNEL_BROKEN its fds are closed, and its header is unchecked.
 */
enum channel_result channel_recv(int fd, struct frame *, enum proto_role from,
    enum proto_role to);

/* Reads one frame that the child `from` sent up, likewise. */
enum channel_result channel_hear(int fd, struct frame *, enum proto_role from);

/* Ends a child whose parent has exited, without a message. */
_Noreturn void channel_lost(void);

/*
 * Ends a child after channel_recv() has returned CHANNEL_CLOSED or
 * CHANNEL_BROKEN with the frame `f`.
 */
_Noreturn void channel_end(enum channel_result result, const struct frame *f);

#endif
