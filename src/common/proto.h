/*
 * The protocol between vrngd's processes: every message that crosses from one
 * of them to another, on one page.
 *
 *	worker --WANT--> parent --GRANT--> entropy --bytes--> worker
 *	                 parent <--STOCK-- entropy
 *
 * A channel is a SOCK_SEQPACKET socketpair between the parent and one child,
 * on CHANNEL_FD in the child.  A packet is one frame: a frame_header and the
 * payload that PROTO_FRAMES names, of exactly that size, with exactly that
 * many file descriptors.  channel_recv() checks each frame against that table;
 * a frame that breaks it ends the child that sent it, or that received it.
 *
 * The bytes themselves travel on a socketpair of their own, from the entropy
 * process to the worker, with the other direction shut down.  It carries no
 * frames: each packet is random bytes, at most BYTES_PACKET_MAX of them.
 *
 * Demand, stock and grants are running totals of one generation, which is one
 * life of the entropy process, and not increments.  A sender that finds its
 * channel full may therefore skip a frame and send a later one instead, and
 * nothing depends on a frame that reached a process which has died.
 */
#ifndef VRNGD_PROTO_H
#define VRNGD_PROTO_H

#include <stdint.h>

#define PROTO_VERSION 1
#define CHANNEL_FD    3 /* a child's channel to the parent */
#define FRAME_FDS_MAX 2

#define GUEST_NAME_SIZE	  64	    /* with the terminating NUL */
#define LOG_TEXT_SIZE	  256	    /* with the terminating NUL */
#define BYTES_PACKET_MAX  65536	    /* bytes */
#define REQUEST_MAX	  65536	    /* bytes served to one guest request */
#define GRANT_MIN	  64	    /* bytes; fewer only if no more fit */
#define NEED_MAX	  262144    /* bytes asked for at once */
#define INFLIGHT_SIZE_MAX (1 << 20) /* bytes, for 32768 descriptors */

/* Who speaks on a channel; a bit each, so that a rule can name several. */
enum proto_role {
	ROLE_PARENT = 1 << 0,
	ROLE_ENTROPY = 1 << 1,
	ROLE_VHOST = 1 << 2,
	ROLE_CHILD = ROLE_ENTROPY | ROLE_VHOST,
};

/* The layers of isolation that not every host or user has. */
enum proto_layer {
	LAYER_UID = 1 << 0,	 /* a uid and gid of its own */
	LAYER_BOUNDING = 1 << 1, /* an empty capability bounding set */
	LAYER_CHROOT = 1 << 2,	 /* an empty root, by privilege */
	LAYER_USERNS = 1 << 3,	 /* an empty root, in a user namespace */
	LAYER_LANDLOCK = 1 << 4, /* a ruleset that denies everything */
};

/* clang-format off */
/*
 *	type		sender		receiver	payload		fds
 */
#define PROTO_FRAMES(X)							\
	X(HELLO,	ROLE_PARENT,	ROLE_CHILD,	proto_hello,	1) \
	X(READY,	ROLE_CHILD,	ROLE_PARENT,	proto_empty,	0) \
	X(LOG,		ROLE_CHILD,	ROLE_PARENT,	proto_log,	0) \
	X(SOURCE,	ROLE_PARENT,	ROLE_ENTROPY,	proto_empty,	1) \
	X(SOURCE_LOST,	ROLE_ENTROPY,	ROLE_PARENT,	proto_lost,	0) \
	X(CONSUMER,	ROLE_PARENT,	ROLE_ENTROPY,	proto_empty,	1) \
	X(CONSUMER_GONE, ROLE_PARENT,	ROLE_ENTROPY,	proto_empty,	0) \
	X(STOCK,	ROLE_ENTROPY,	ROLE_PARENT,	proto_stock,	0) \
	X(GRANT,	ROLE_PARENT,	ROLE_ENTROPY,	proto_grant,	0) \
	X(VOID,		ROLE_ENTROPY,	ROLE_PARENT,	proto_void,	0) \
	X(START,	ROLE_PARENT,	ROLE_VHOST,	proto_limits,	2) \
	X(LIMITS,	ROLE_PARENT,	ROLE_VHOST,	proto_limits,	0) \
	X(BYTES,	ROLE_PARENT,	ROLE_VHOST,	proto_empty,	1) \
	X(WANT,		ROLE_VHOST,	ROLE_PARENT,	proto_want,	0) \
	X(WANT_ASK,	ROLE_PARENT,	ROLE_VHOST,	proto_empty,	0) \
	X(INFLIGHT_ASK,	ROLE_VHOST,	ROLE_PARENT,	proto_inflight,	0) \
	X(INFLIGHT,	ROLE_PARENT,	ROLE_VHOST,	proto_empty,	1) \
	X(STATS_ASK,	ROLE_PARENT,	ROLE_VHOST,	proto_empty,	0) \
	X(STATS,	ROLE_VHOST,	ROLE_PARENT,	proto_stats,	0)
/* clang-format on */

#define PROTO_ENUM(type, from, to, payload, fds) PROTO_##type,
enum proto_type {
	PROTO_NONE,
	PROTO_FRAMES(PROTO_ENUM) PROTO_TYPES,
};
#undef PROTO_ENUM

struct frame_header {
	uint32_t type;	     /* enum proto_type */
	uint32_t length;     /* header and payload, bytes */
	uint32_t consumer;   /* whom it is about; 0: nobody */
	uint32_t generation; /* of the entropy process; 0: none */
};

struct proto_empty {
	uint64_t unused; /* 0 */
};

/*
 * Opens every channel.  fd: the directory that becomes the child's root.
 */
struct proto_hello {
	uint32_t version;   /* PROTO_VERSION */
	uint32_t role;	    /* enum proto_role, one bit */
	uint32_t layers;    /* bits of enum proto_layer */
	uint32_t uid;	    /* with LAYER_UID, and the same gid */
	uint32_t log_level; /* enum log_level */
	uint32_t unused;    /* 0 */
};

/* One line of a child, for the parent to log under that child's name. */
struct proto_log {
	uint32_t level; /* enum log_level */
	char text[LOG_TEXT_SIZE];
};

/*
 * The source that SOURCE gave (fd: opened for reading) yields no more.  The
 * parent opens it again and sends another.
 */
struct proto_lost {
	int32_t error; /* errno; 0: end of file */
};

/* fd of CONSUMER: the end of the byte channel that the entropy process writes
 * to.  CONSUMER_GONE voids what was granted to it and not yet handed out. */

/* Tested bytes that came into stock, as a running total. */
struct proto_stock {
	uint64_t total;	   /* bytes */
	uint64_t capacity; /* bytes held at most */
};

/* What a consumer may be sent, as a running total. */
struct proto_grant {
	uint64_t total; /* bytes */
};

/*
 * What a consumer was granted and its byte channel had no room for, as a
 * running total: it stays in stock.  While it is blocked, that is what becomes
 * of all that it is granted.
 */
struct proto_void {
	uint64_t total;	  /* bytes */
	uint32_t blocked; /* 1: its channel is full; 0: no more */
	uint32_t unused;  /* 0 */
};

/*
 * fds of START: the guest's connection, the byte channel's end to read from.
 * LIMITS has others, to be kept from now on.
 */
struct proto_limits {
	uint32_t window;      /* bytes to hold ready; 0: none */
	uint32_t request_min; /* bytes granted are enough for one */
	uint32_t request_max; /* bytes; a longer request is cut */
	uint32_t unused;      /* 0 */
};

/* BYTES: a new byte channel (fd) after the entropy process was replaced. */

/* A worker's demand, as running totals of its generation. */
struct proto_want {
	uint64_t received; /* bytes that have arrived */
	uint64_t need;	   /* wanted for requests that wait now */
	uint64_t room;	   /* that could be held; at least need */
	uint64_t held;	   /* bytes now in the window: no total */
};

/* WANT_ASK: the demand is to be told, new or not. */

/* INFLIGHT_ASK: memory for VHOST_USER_GET_INFLIGHT_FD, that the parent makes,
 * seals and returns as the fd of INFLIGHT. */
struct proto_inflight {
	uint64_t size; /* bytes, at most INFLIGHT_SIZE_MAX */
};

/* What a worker has done since its start. */
struct proto_stats {
	uint64_t bytes;	   /* handed to the guest */
	uint64_t requests; /* completed */
	uint64_t cut;	   /* completed short */
	uint64_t refused;  /* malformed, completed with nothing */
	uint64_t wait_ns;  /* time during which a request waited */
};

#endif
