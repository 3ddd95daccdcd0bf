/*
 * The protocol between vrngd's processes: every message that crosses from one
 * of them to another, on one page.
 *
 *	worker --WANT--> parent --GRANT--> entropy --bytes--> worker
 *	                 parent <--STOCK-- entropy
 *
 * A worker serves a guest's vhost-user connection (ROLE_VHOST) or the clients
 * of a service of EGD or of raw bytes (ROLE_EGD).  The status
 * process (ROLE_STATUS) serves those who monitor the daemon.  A source on USB is
 * read by a process of its own (ROLE_USB), which sends its bytes to the entropy
 * process.
 *
 * A channel joins the parent and one child.  The way down is a SOCK_SEQPACKET
 * socket, CHANNEL_FD in the child; the way up is a pipe of packets,
 * CHANNEL_UP_FD there.  A packet is one frame: a frame_header and the payload
 * that PROTO_FRAMES names, of exactly that size, with exactly that many file
 * descriptors: none on the way up.  Each frame is checked against that table;
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

#define PROTO_VERSION	  1
#define CHANNEL_FD	  3 /* of a child: frames from the parent */
#define CHANNEL_UP_FD	  4 /* of a child: frames to the parent */
#define EXIT_SESSION_LOST 3 /* of a worker: its session cannot be resumed */
#define FRAME_FDS_MAX	  2

#define GUEST_NAME_SIZE	  64	 /* with the terminating NUL */
#define LOG_TEXT_SIZE	  256	 /* with the terminating NUL */
#define BYTES_PACKET_MAX  65536	 /* bytes */
#define REQUEST_MAX	  65536	 /* bytes served to one guest request */
#define GRANT_MIN	  64	 /* bytes; less only if no more fit */
#define SHORT_MIN	  256	 /* bytes of a request that a limit shortens */
#define NEED_MAX	  262144 /* bytes of demand at once */
#define INFLIGHT_SIZE_MAX (1 << 21) /* bytes, for 32768 descriptors */
#define SOURCES_MAX	  16	    /* of a pool */
#define SOURCE_INIT_SIZE  64	    /* bytes */
#define STOCK_SIZE_MIN	  4096	    /* bytes, for each source */
#define STOCK_SIZE_MAX	  (1 << 24)
#define CLIENTS_MAX	  4096 /* of a service */
#define ALLOWED_MAX	  64   /* networks of a service */
#define CLIENT_TEXT_SIZE  64   /* with the terminating NUL */
#define ALPHA_MIN	  20   /* of tests: 2^-20; see proto_source */
#define ALPHA_MAX	  60   /* beyond it a failure is not a false alarm */
#define POLL_US_MAX	  1000 /* maximum time of a poll */

/* The processes on a channel; a bit each, so that a rule can name several. */
enum proto_role {
	ROLE_PARENT = 1 << 0,
	ROLE_ENTROPY = 1 << 1,
	ROLE_VHOST = 1 << 2,
	ROLE_EGD = 1 << 3,
	ROLE_STATUS = 1 << 4,
	ROLE_USB = 1 << 5,
	ROLE_WORKER = ROLE_VHOST | ROLE_EGD,
	ROLE_COUNTING =
	    ROLE_ENTROPY | ROLE_WORKER, /* have a page: counters.h */
	ROLE_CHILD = ROLE_ENTROPY | ROLE_WORKER | ROLE_STATUS | ROLE_USB,
};

/* Isolation layers that depend on the host or user. */
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
	X(COUNTERS,	ROLE_PARENT,	ROLE_COUNTING,	proto_empty,	1) \
	X(PING,		ROLE_PARENT,	ROLE_CHILD,	proto_empty,	0) \
	X(PONG,		ROLE_CHILD,	ROLE_PARENT,	proto_empty,	0) \
	X(BUSY,		ROLE_CHILD,	ROLE_PARENT,	proto_empty,	0) \
	X(POOL,		ROLE_PARENT,	ROLE_ENTROPY,	proto_pool,	0) \
	X(SOURCE,	ROLE_PARENT,	ROLE_ENTROPY,	proto_source,	0) \
	X(SOURCE_OPEN,	ROLE_PARENT,	ROLE_ENTROPY,	proto_number,	1) \
	X(SOURCE_START,	ROLE_PARENT,	ROLE_ENTROPY,	proto_number,	0) \
	X(SOURCE_STATE,	ROLE_ENTROPY,	ROLE_PARENT,	proto_source_state, 0) \
	X(USB,		ROLE_PARENT,	ROLE_USB,	proto_empty,	2) \
	X(CONSUMER,	ROLE_PARENT,	ROLE_ENTROPY,	proto_empty,	1) \
	X(DELIVERY,	ROLE_PARENT,	ROLE_ENTROPY,	proto_delivery,	0) \
	X(CONSUMER_GONE, ROLE_PARENT,	ROLE_ENTROPY,	proto_empty,	0) \
	X(STOCK,	ROLE_ENTROPY,	ROLE_PARENT,	proto_stock,	0) \
	X(GRANT,	ROLE_PARENT,	ROLE_ENTROPY,	proto_grant,	0) \
	X(VOID,		ROLE_ENTROPY,	ROLE_PARENT,	proto_void,	0) \
	X(START,	ROLE_PARENT,	ROLE_VHOST,	proto_limits,	2) \
	X(SERVE,	ROLE_PARENT,	ROLE_EGD,	proto_serve,	0) \
	X(ALLOW,	ROLE_PARENT,	ROLE_EGD,	proto_network,	0) \
	X(WRITES,	ROLE_PARENT,	ROLE_EGD,	proto_empty,	1) \
	X(SOCKET,	ROLE_PARENT,	ROLE_EGD | ROLE_STATUS, proto_socket, 1) \
	X(CLIENTS,	ROLE_PARENT,	ROLE_EGD,	proto_empty,	2) \
	X(CLIENT,	ROLE_PARENT,	ROLE_EGD,	proto_client,	1) \
	X(CLIENT_GONE,	ROLE_EGD,	ROLE_PARENT,	proto_client,	0) \
	X(STATUS_ASK,	ROLE_STATUS,	ROLE_PARENT,	proto_empty,	0) \
	X(STATUS,	ROLE_PARENT,	ROLE_STATUS,	proto_status,	1) \
	X(LIMITS,	ROLE_PARENT,	ROLE_WORKER,	proto_limits,	0) \
	X(BYTES,	ROLE_PARENT,	ROLE_WORKER,	proto_empty,	1) \
	X(WANT,		ROLE_WORKER,	ROLE_PARENT,	proto_want,	0) \
	X(WANT_ASK,	ROLE_PARENT,	ROLE_WORKER,	proto_empty,	0) \
	X(INFLIGHT_ASK,	ROLE_VHOST,	ROLE_PARENT,	proto_inflight,	0) \
	X(INFLIGHT,	ROLE_PARENT,	ROLE_VHOST,	proto_empty,	1) \
	X(EVENTS_ASK,	ROLE_STATUS,	ROLE_PARENT,	proto_events_ask, 0) \
	X(EVENTS,	ROLE_PARENT,	ROLE_STATUS,	proto_events,	1)
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
	uint32_t consumer;   /* its consumer; 0: none */
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

/* A log line of a child, which the parent logs with the child's name. */
struct proto_log {
	uint32_t level; /* enum log_level */
	char text[LOG_TEXT_SIZE];
};

/*
 * COUNTERS: memory (fd) in which the child counts, read by the parent
 * (counters.h).  Follows HELLO.
 */

/*
 * PING: the child answers with PONG when it has handled all earlier frames;
 * only one PING is pending at a time.  BUSY: the child starts an operation that
 * may block, so the parent sends PINGs until one is answered.  A child sends no
 * second BUSY before its next PONG.
 */

/* How a pool uses its sources. */
enum proto_combine {
	COMBINE_FIRST, /* the first healthy one, in their order */
	COMBINE_XOR,   /* all of them, byte by byte */
};

/* Follows HELLO, and is followed by a SOURCE for each source, in order. */
struct proto_pool {
	uint32_t nsources;    /* 1 to SOURCES_MAX */
	uint32_t combine;     /* enum proto_combine */
	uint32_t min_sources; /* with COMBINE_XOR, healthy ones to serve from */
	uint32_t stock;	      /* bytes read ahead */
};

/* clang-format off */
/*
 * Kinds of sources: the name of the value; the word in configuration and status,
 * which is also that of the file and the struct in src/entropy/kind.
 */
#define SOURCE_KIND_LIST(X) \
	/* getrandom(2) */ \
	X(KERNEL,	kernel) \
	/* read(2): a device, a FIFO or, as a test, a file */ \
	X(DEVICE,	device) \
	/* a terminal device, in raw mode */ \
	X(SERIAL,	serial) \
	/* ComScire's generators, over USB */ \
	X(QNG,		qng) \
	/* the processor's instructions */ \
	X(CPU,		cpu) \
	/* the EGD protocol, as a client */ \
	X(EGD,		egd) \
	/* a socket that sends random bytes, or datagrams */ \
	X(STREAM,	stream)
/* clang-format on */

#define PROTO_ENUM(name, word) SOURCE_##name,
enum proto_source_kind {
	SOURCE_KIND_LIST(PROTO_ENUM) SOURCE_KINDS
};
#undef PROTO_ENUM

enum proto_noise {
	NOISE_CONDITIONED, /* output of a cipher or hash */
	NOISE_RAW,	   /* samples of a physical process */
};

enum proto_instruction {
	INSTRUCTION_ANY,
	INSTRUCTION_RDSEED,
	INSTRUCTION_RDRAND
};

/* A source: how it is read and tested. */
struct proto_source {
	uint32_t number;      /* from 0, in order of preference */
	uint32_t kind;	      /* enum proto_source_kind */
	uint32_t noise;	      /* enum proto_noise */
	uint32_t sample_bits; /* of raw noise: a sample's width, 1, 2, 4 or 8 */
	uint32_t min_entropy; /* and its min-entropy, 1/1000 bit */
	uint32_t alpha;	      /* rate of false alarms of a test: 2^-alpha */
	uint32_t instruction; /* of cpu: enum proto_instruction */
	uint32_t speed;	      /* of serial: baud; 0: unchanged */
	uint32_t datagrams;   /* of stream: 1: each read is a datagram */
	uint32_t init_size;   /* of serial: bytes of `init` */
	uint64_t timeout;     /* ns without a byte until it counts as stalled */
	uint8_t init[SOURCE_INIT_SIZE]; /* sent to it at its start */
	char name[GUEST_NAME_SIZE];
};

/*
 * SOURCE_OPEN opens a source with a descriptor (fd), SOURCE_START a source
 * without one.  Sent after the start, and again after a SOURCE_STATE that
 * reports it closed.
 */
struct proto_number {
	uint32_t number; /* the source's */
	uint32_t unused; /* 0 */
};

/*
 * fds of USB: the node of the device, and the end of a byte channel to the
 * entropy process, which is the descriptor of the source there.  Each of its
 * packets is a header, with the bytes after it; one with an error is the last.
 */
#define USB_BYTES_MAX 8192
struct proto_usb_packet {
	int32_t error;	 /* errno; 0: bytes follow */
	uint32_t unwell; /* 1: the error is a fault that the device reports */
	uint8_t bytes[USB_BYTES_MAX];
};

enum proto_source_status {
	SOURCE_WAITING,	  /* not open yet, or waits to be opened again */
	SOURCE_STARTING,  /* open; its start-up tests are running */
	SOURCE_OK,	  /* healthy */
	SOURCE_STALLED,	  /* open, but delivers nothing */
	SOURCE_LOST,	  /* ended, or cannot be read: see `error` */
	SOURCE_FAILED,	  /* a test failed: see `test` */
	SOURCE_LATCHED,	  /* failed so badly that it stays out */
	SOURCE_EXHAUSTED, /* test data has ended */
	SOURCE_STATUSES,
};

enum proto_test {
	TEST_NONE,
	TEST_REPETITION, /* SP 800-90B 4.4.1 */
	TEST_PROPORTION, /* SP 800-90B 4.4.2 */
	TEST_LAG,	 /* a repeated sequence */
	TEST_STUCK,	 /* a repeated word of a conditioned source */
	TEST_DEVICE,	 /* the device reports a fault */
	TEST_COMBINED,	 /* the combined bytes were not random */
	TEST_STATISTICS, /* FIPS 140-2, of a conditioned source, block by block */
	TESTS,
};

/* The results of a source's tests since the start of its process. */
struct proto_health {
	uint64_t bytes;		/* tested */
	uint64_t alarms[TESTS]; /* by test; [TEST_NONE]: start-ups passed */
	uint64_t fips_blocks;	/* blocks of 20,000 bits tested by FIPS 140-2 */
	uint64_t fips_failed; /* failed blocks, about one in 1,300: advisory */
};

/* A change of a source's state. */
struct proto_source_state {
	uint32_t number;
	uint32_t status;  /* enum proto_source_status */
	uint32_t closed;  /* 1: closed; open it again, unless latched */
	uint32_t serving; /* sources that serve, bits 1 << number */
	int32_t error;	  /* errno; 0: end of file */
	uint32_t test;	  /* enum proto_test that failed last */
	uint32_t opened;  /* number of SOURCE_OPEN or _START before */
	uint32_t unused;  /* 0 */
};

/* fd of CONSUMER: the end of the byte channel that the entropy process writes
 * to.  CONSUMER_GONE voids granted bytes that were not sent yet. */

enum proto_delivery_mode {
	DELIVERY_RAW,  /* bytes of the sources */
	DELIVERY_DRBG, /* output of a CTR_DRBG seeded from them */
};

/* The delivery of a consumer's later grants.  Default: DELIVERY_RAW. */
struct proto_delivery {
	uint32_t mode;			/* enum proto_delivery_mode */
	uint32_t prediction_resistance; /* 1: reseed before each output */
	uint64_t reseed_bytes;		/* of output, until a reseed */
	uint64_t reseed_interval;	/* ns, likewise */
};

/*
 * The tested bytes in stock plus all bytes ever granted from it: the parent
 * subtracts its grants to find how much it can grant.  It decreases when stock
 * was discarded or has seeded a DRBG.  Grants to a consumer with DELIVERY_DRBG
 * do not count.
 */
struct proto_stock {
	uint64_t total;	   /* bytes */
	uint64_t capacity; /* bytes held at most */
};

/* Bytes granted to a consumer, as a running total. */
struct proto_grant {
	uint64_t total; /* bytes */
};

/*
 * Granted bytes of a consumer that could not be sent, as a running total:
 * without room in its byte channel, stock, or a seed.  While it is blocked, all
 * its grants become void.
 */
struct proto_void {
	uint64_t total;	  /* bytes */
	uint32_t blocked; /* 1: no room or no seed; 0: no longer */
	uint32_t unused;  /* 0 */
};

/*
 * fds of START: the deposit of the guest's session (deposit.h), and the read
 * end of the byte channel.  LIMITS changes the limits.
 */
struct proto_limits {
	uint32_t window;      /* bytes to hold ready; 0: none */
	uint32_t request_min; /* bytes complete a longer one, after a wait;
			       * 1: without the wait */
	uint32_t request_max; /* bytes; a longer request is shortened */
	uint32_t poll_us;     /* to look for the next request, at most
			       * POLL_US_MAX; 0: none, as of streams */
	uint32_t poll_share;  /* percent of a CPU for polling */
	uint32_t unused;      /* 0 */
};

enum proto_protocol {
	SERVE_EGD,	/* commands and answers */
	SERVE_STREAM,	/* bytes, as fast as the peer reads */
	SERVE_DATAGRAM, /* bytes, to the sender of the last datagram */
};

/*
 * What a service is.  First of all, before LIMITS, BYTES, and CLIENTS or
 * SOCKET; then, once it is served, again whenever it has changed, but for its
 * protocol.  Either way the networks that are allowed follow, each in an ALLOW.
 */
struct proto_serve {
	uint32_t protocol;     /* enum proto_protocol */
	uint32_t max_clients;  /* 1 to CLIENTS_MAX; more are rejected */
	uint64_t idle_timeout; /* ns; 0: none */
	uint32_t nallowed;     /* ALLOW frames that follow, at most ALLOWED_MAX:
				* addresses in none of them are turned away */
	uint32_t addressed;    /* 1: the first SERVE is before SOCKET_BOUND */
	uint32_t connects;     /* 1: the service connects to its clients, which
				* need not be in the networks */
	uint32_t unused;       /* 0 */
};

/* A network.  IPv4: mapped to IPv6 (RFC 4291, 2.5.5.2), bits from 96 up. */
struct proto_network {
	uint8_t address[16]; /* 0 after the prefix */
	uint32_t bits;	     /* of the prefix, 0 to 128 */
	uint32_t unused;     /* 0 */
};

/*
 * WRITES: the target (fd) of bytes that clients write (EGD 03); without it they
 * are discarded.
 */

enum proto_socket_kind {
	SOCKET_LISTENING, /* clients connect to it */
	SOCKET_CONNECTED, /* its peer is the only client; worker ends with it */
	SOCKET_BOUND,	  /* for datagrams; no peer yet */
};

/* The listener of ROLE_STATUS, or the UDP socket of a service (fd). */
struct proto_socket {
	uint32_t kind;	 /* enum proto_socket_kind */
	uint32_t unused; /* 0 */
};

/*
 * CLIENTS: memory for the clients' state, and a deposit with the connections of
 * the clients that an earlier worker had (fds; deposit.h).  Once, after BYTES,
 * if clients have connections.  CLIENT: a new connection (fd), accepted or
 * made, for a place that is free.  CLIENT_GONE: the worker has closed a
 * connection, or refused it; the parent, which has another descriptor of it,
 * closes that, and the place is free.
 */
struct proto_client {
	uint32_t place;	 /* less than CLIENTS_MAX */
	uint32_t unused; /* 0 */
};

/*
 * STATUS_ASK: requests a status that is started after this query; only one
 * query is pending at a time.  STATUS: a JSON object, in a sealed memory file
 * (fd).
 */
struct proto_status {
	uint64_t size; /* bytes */
};

/*
 * EVENTS_ASK: requests the events after those of the last EVENTS; the first one
 * makes the parent gather events, which it answers at once, and later ones are
 * answered when there are events.
 */
struct proto_events_ask {
	uint32_t on;	 /* 0: no more events, and no answer */
	uint32_t serial; /* of the answer */
};

/*
 * EVENTS: a JSON array of events, in a sealed memory file (fd).  The parent
 * gathers a limited number, and counts the others.
 */
struct proto_events {
	uint64_t size;	 /* bytes */
	uint64_t lost;	 /* events that were not gathered, after these */
	uint32_t serial; /* of the last EVENTS_ASK */
	uint32_t unused; /* 0 */
};

/*
 * BYTES: the byte channel (fd) of a service, or of a worker after the entropy
 * process was replaced.
 */

/* A worker's demand, as running totals of its generation. */
struct proto_want {
	uint64_t received; /* bytes that have arrived */
	uint64_t need;	   /* needed for waiting requests */
	uint64_t room;	   /* including the window; at least need */
	uint64_t held;	   /* bytes now in the window, not a total */
};

/* WANT_ASK: requests a WANT, changed or not. */

/* INFLIGHT_ASK: requests memory for VHOST_USER_GET_INFLIGHT_FD, which the parent
 * creates, seals and returns as the fd of INFLIGHT. */
struct proto_inflight {
	uint64_t size; /* bytes, at most INFLIGHT_SIZE_MAX */
};

#endif
