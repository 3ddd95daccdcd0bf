/*
 * Channels: frames of proto.h over SOCK_SEQPACKET socketpairs, each checked
 * against the table there before anybody looks inside.
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
		struct proto_status status;
		struct proto_now now;
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
 * Makes the two ends of a channel, or of a byte channel, whose first end only
 * writes and whose second end only reads.  All ends are close-on-exec, those
 * of a channel block on request only.  From Linux 6.16 on the second end of a
 * channel cannot send descriptors, of which the first would close the last copy
 * and could have to wait for that.  Returns 0, or -1 with errno.
 */
int channel_pair(int fds[2]);
int channel_bytes_pair(int fds[2]);

/*
 * Sends a frame, with the fds that its type carries; they stay the caller's.
 * Never blocks.  Returns 0, or -1 with errno: EAGAIN if the channel is full,
 * EPIPE or ECONNRESET if the other side is gone.
 */
int channel_send(int fd, const struct frame *);

/*
 * Reads one frame that `from` sent to `to`, without blocking.  On
 * CHANNEL_BROKEN its fds are closed and the header tells what was claimed.
 */
enum channel_result channel_recv(int fd, struct frame *, enum proto_role from,
    enum proto_role to);

/* Ends a child whose parent is gone, quietly. */
_Noreturn void channel_lost(void);

/*
 * Ends a child that can read no more frames, `result` being CHANNEL_CLOSED or
 * CHANNEL_BROKEN, and `f` what channel_recv() left.
 */
_Noreturn void channel_end(enum channel_result result, const struct frame *f);

#endif
