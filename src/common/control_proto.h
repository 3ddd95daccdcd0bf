/*
 * The control protocol: what vrngctl says to vrngd, and what it hears.
 *
 * The control socket is a unix socket of type SOCK_SEQPACKET.  A client sends
 * a request, one frame of exactly sizeof(struct control_request), and is
 * answered with frames of exactly sizeof(struct control_reply), the last of
 * which is a CONTROL_RESULT; then it may send another.  Nothing in a frame is
 * a pointer, every string is terminated, unused bytes are 0.
 *
 * The version is the first field of either frame and stays there: whoever
 * reads another one looks no further.
 */
#ifndef VRNGD_CONTROL_PROTO_H
#define VRNGD_CONTROL_PROTO_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/proto.h"

#define CONTROL_VERSION 5
#define CONTROL_PATH	"/run/vrngd/control"
#define STATUS_NAME	"status" /* of the monitoring socket, beside that */

/* With the terminating NUL. */
#define CONTROL_SOCKET_SIZE  108 /* as in struct sockaddr_un */
#define CONTROL_PATH_SIZE    256
#define CONTROL_TEXT_SIZE    512
#define CONTROL_FAILURE_SIZE 128

/* What a client may do; a bit each. */
enum control_right {
	CONTROL_MONITOR = 1 << 0, /* ask for the status */
	CONTROL_CHANGE = 1 << 1,  /* all else */
};

enum control_command {
	CONTROL_STATUS = 1,
	CONTROL_RELOAD,
	CONTROL_GUEST_ADD,    /* name, socket; class, pool or "" */
	CONTROL_GUEST_REMOVE, /* name */
	CONTROL_LOG_LEVEL,    /* log_level */
	/* name, a source's; pool, or "" if no other pool has one of it. */
	CONTROL_SOURCE_RETEST,
	/* name; class, pool or ""; with it comes a listening unix socket. */
	CONTROL_GUEST_ADOPT,
};

struct control_request {
	uint32_t version;   /* CONTROL_VERSION */
	uint32_t command;   /* enum control_command */
	uint32_t log_level; /* enum log_level */
	uint32_t unused;    /* 0 */
	char name[GUEST_NAME_SIZE];
	char class[GUEST_NAME_SIZE];
	char pool[GUEST_NAME_SIZE];
	char socket[CONTROL_SOCKET_SIZE]; /* absolute path */
};

/*
 * The answer to CONTROL_STATUS is, for each pool, its POOL, its SOURCEs, its
 * CLASSes (each before those within it), its GUESTs and its OUTLETs, each
 * followed by its CLIENTs; then the RESULT.
 */
enum control_kind {
	CONTROL_POOL = 1,
	CONTROL_SOURCE,
	CONTROL_CLASS,
	CONTROL_GUEST,
	CONTROL_OUTLET,
	CONTROL_CLIENT,
	CONTROL_TEXT,	/* a line for the administrator */
	CONTROL_RESULT, /* the end of the answer */
};

/* Bytes in a period. */
struct control_rate {
	uint64_t bytes;	 /* 0: none */
	uint64_t period; /* ns */
};

/* A class's or a guest's part, as it was configured. */
struct control_share {
	struct control_rate rate; /* guaranteed */
	struct control_rate ceil; /* hard cap; bytes 0: no limit */
	uint64_t burst;		  /* bytes; 0: no limit */
	uint32_t weight;
	uint32_t priority;
};

struct control_pool {
	char name[GUEST_NAME_SIZE];
	struct control_rate limit; /* bytes 0: none */
	uint64_t burst;		   /* bytes; 0: no limit */
	uint64_t stock;		   /* bytes ready */
	uint64_t capacity;	   /* bytes ready at most */
	uint64_t bytes;		   /* granted, in all */
	uint64_t now;		   /* bytes/s, smoothed */
	uint32_t guests;
	uint32_t combine;     /* enum proto_combine */
	uint32_t min_sources; /* with COMBINE_XOR, healthy ones to serve from */
	uint32_t serving;     /* sources that bytes are given out of */
	uint32_t nsources;
	uint32_t unused; /* 0 */
};

struct control_source {
	char pool[GUEST_NAME_SIZE];
	char name[GUEST_NAME_SIZE];
	char what[CONTROL_PATH_SIZE]; /* a path, an address...; cut if longer */
	uint32_t kind;		      /* enum proto_source_kind */
	uint32_t noise;		      /* enum proto_noise */
	uint32_t status;	      /* enum proto_source_status */
	uint32_t serving;	      /* 1: bytes of it are given out */
	uint64_t since;		      /* ns, that it has been in that state */
	uint64_t bytes;		      /* read, in all */
	uint64_t now;		      /* bytes/s, smoothed */
	uint64_t failures;	      /* times lost or failed */
	uint64_t failed_for;	      /* ns since the last one; 0: none yet */
	/* What that was, in words; "": none. */
	char failure[CONTROL_FAILURE_SIZE];
	struct proto_health health; /* test counters */
};

struct control_class {
	char pool[GUEST_NAME_SIZE];
	char name[GUEST_NAME_SIZE];
	char parent[GUEST_NAME_SIZE]; /* a class; "": the pool */
	struct control_share share;
	uint64_t bytes; /* granted to its guests, in all */
	uint64_t now;	/* bytes/s, smoothed */
	uint32_t depth; /* 0: right within the pool */
	uint32_t guests;
	uint32_t delivery; /* enum proto_delivery_mode */
	uint32_t unused;   /* 0 */
};

enum control_guest_state {
	CONTROL_GUEST_IDLE,	 /* nobody is connected */
	CONTROL_GUEST_CONNECTED, /* and no request waits */
	CONTROL_GUEST_WAITING,	 /* connected, and a request waits */
	CONTROL_GUEST_PAUSED,	 /* its workers died: not listening now */
};

struct control_guest {
	char name[GUEST_NAME_SIZE];
	char pool[GUEST_NAME_SIZE];
	char class[GUEST_NAME_SIZE];	  /* "": the pool itself */
	char socket[CONTROL_SOCKET_SIZE]; /* path; "": none is known */
	char egd[CONTROL_SOCKET_SIZE];	  /* path of its EGD socket; "": none */
	uint32_t state;			  /* enum control_guest_state */
	uint32_t egd_clients;		  /* connected to that */
	struct control_share share;
	uint64_t bytes;		/* handed to it, in all, over EGD too */
	uint64_t now;		/* bytes/s, smoothed */
	uint64_t requests;	/* completed */
	uint64_t cut;		/* completed short */
	uint64_t refused;	/* malformed */
	uint64_t wait_ns;	/* time during which a request waited */
	uint64_t connected_for; /* ns; 0: it is not */
	int32_t pid;		/* its worker's; 0: none */
	uint32_t connections;	/* times connected, this one too */
	uint32_t delivery;	/* enum proto_delivery_mode */
	uint32_t poll_us;	/* as in struct proto_limits */
	uint32_t poll_share;	/* likewise */
	uint32_t unused;	/* 0 */
	uint64_t polls;		/* and in struct counters */
	uint64_t poll_hits;
	uint64_t poll_misses;
	uint64_t poll_ns;
};

enum control_outlet_kind {
	CONTROL_OUTLET_EGD,    /* egd "NAME" */
	CONTROL_OUTLET_STREAM, /* stream "NAME" */
	CONTROL_OUTLET_GUEST,  /* the EGD socket of guest "NAME" */
	CONTROL_OUTLET_KINDS,
};

enum control_outlet_state {
	CONTROL_OUTLET_IDLE,	   /* no client is connected */
	CONTROL_OUTLET_CONNECTED,  /* and no request waits */
	CONTROL_OUTLET_WAITING,	   /* connected, and a request waits */
	CONTROL_OUTLET_CONNECTING, /* nobody is there yet: tried again */
	CONTROL_OUTLET_PAUSED,	   /* its workers died: not listening now */
	CONTROL_OUTLET_STATES,
};

/* A service of EGD or of raw bytes.  Its share may be that of a guest. */
struct control_outlet {
	char name[GUEST_NAME_SIZE];
	char pool[GUEST_NAME_SIZE];
	char class[GUEST_NAME_SIZE];   /* "": the pool itself */
	char where[CONTROL_PATH_SIZE]; /* a path, "127.0.0.1:7000", ... */
	uint32_t kind;		       /* enum control_outlet_kind */
	uint32_t state;		       /* enum control_outlet_state */
	uint32_t transport;	       /* 0: unix, 1: TCP, 2: UDP */
	uint32_t connects;	       /* 1: the other side listens */
	uint32_t local_port;	       /* that datagrams come from; 0: any */
	uint32_t unused;	       /* 0 */
	struct control_share share;
	uint64_t bytes;	      /* handed to its clients, in all */
	uint64_t now;	      /* bytes/s, smoothed; of a guest: of all of it */
	uint64_t requests;    /* answered */
	uint64_t cut;	      /* of these, with less than was asked for */
	uint64_t refused;     /* malformed: their connections were closed */
	uint64_t wait_ns;     /* time during which a request waited */
	uint64_t turned_away; /* connections: not allowed, or too many */
	uint64_t connections; /* in all, those connected too */
	uint32_t clients;     /* connected */
	uint32_t max_clients;
	int32_t pid;	   /* its worker's; 0: none */
	uint32_t delivery; /* enum proto_delivery_mode */
};

/* A client of the outlet before it. */
struct control_outlet_client {
	char peer[CLIENT_TEXT_SIZE]; /* "127.0.0.1:4711", "pid 12, uid 0" */
	uint64_t connected_for;	     /* ns */
	uint64_t bytes;		     /* handed to it */
	uint64_t requests;	     /* answered */
	uint32_t waiting;	     /* 1: for bytes */
	uint32_t unused;	     /* 0 */
};

struct control_text {
	char text[CONTROL_TEXT_SIZE]; /* without a newline */
};

struct control_result {
	int32_t error;	/* errno; 0: done */
	uint32_t right; /* enum control_right that was lacking; 0: none */
};

struct control_reply {
	uint32_t version; /* CONTROL_VERSION */
	uint32_t kind;	  /* enum control_kind */
	union {
		struct control_pool pool;
		struct control_source source;
		struct control_class class;
		struct control_guest guest;
		struct control_outlet outlet;
		struct control_outlet_client client;
		struct control_text text;
		struct control_result result;
	} u;
};

/*
 * The path of a file of that name in the directory of `path`.  Longer ones are
 * cut, and too long for a socket then.
 */
static inline void
control_beside(const char *path, const char *name, char *beside, size_t size)
{
	const char *slash = strrchr(path, '/');
	int len = slash == NULL ? 0 : (int)(slash - path) + 1;

	snprintf(beside, size, "%.*s%s", len, path, name);
}

#endif
