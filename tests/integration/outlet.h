/*
 * An egd worker by itself: the tests play the parent, which grants what they
 * say, and its clients.  The program is vrngd-egd in $VRNGD_LIBEXEC.
 */
#ifndef OUTLET_H
#define OUTLET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/types.h>

#include <stdbool.h>

#include "common/channel.h"
#include "common/counters.h"
#include "egd/saved.h"

#define OUTLET_TIMEOUT 5000 /* ms, for what must happen */
#define OUTLET_BRIEF   100  /* ms, for what must not */

/* What the parent grants by itself. */
enum outlet_grants {
	GRANT_NOTHING,
	GRANT_NEED, /* bytes of waiting requests */
	GRANT_ROOM, /* also bytes to hold ready */
};

struct outlet {
	pid_t pid; /* 0: has ended */
	int status;
	int channel;   /* frames to it */
	int up;	       /* frames from it */
	int bytes;     /* where the entropy process would write; -1: none */
	int fd;	       /* the socket given, as far as the tests need it */
	bool connects; /* its clients were connected to */
	bool accepts;  /* by it, as the parent does; or the worker does */
	int port;
	int kept[CLIENTS_MAX]; /* clients' connections by place; -1: none */
	uint32_t places;       /* the first ones of these are used */
	unsigned int gone;     /* connections that it has closed */
	int saved_fd;	       /* the clients' state */
	struct saved *saved;
	bool revives;	      /* another worker follows one that was killed, */
	unsigned int revived; /* so many times */
	void (*born)(struct outlet *); /* of outlet_traced() */
	struct frame serve, limits;
	struct frame allow[ALLOWED_MAX];
	char path[64]; /* "": none */
	uint32_t generation;
	uint64_t granted; /* running total, and all of it was sent */
	uint64_t given;	  /* bytes of the stream, in all generations */
	enum outlet_grants grants;
	uint64_t limit;		/* of `given`, for these; 0: none */
	struct proto_want want; /* the last one */
	unsigned int wants;
	unsigned int pongs;
	unsigned int busies;
	int page_fd;
	const struct counters_page *page;
	struct outlet_stats {
		struct counters counters;
		uint64_t clients;
	} stats;	       /* the page, as last read, */
	unsigned int nclients; /* and the clients in it */
	struct counters_client clients[CLIENTS_MAX];
	char *log;
};

/* A worker without a configuration. */
struct outlet *outlet_start(void);

/* Ends it, and fails if it had not ended well or would not. */
void outlet_stop(struct outlet *);

/* The frames that describe it: networks end with NULL, "127.0.0.0/8". */
void outlet_serve(struct outlet *, enum proto_protocol, uint32_t max_clients,
    uint64_t idle_timeout, const char *const *allowed);
void outlet_limits(struct outlet *, uint32_t window, uint32_t request_min,
    uint32_t request_max);
void outlet_bytes(struct outlet *); /* of the next generation */
void outlet_socket(struct outlet *, enum proto_socket_kind, int fd);
void outlet_send(struct outlet *, enum proto_type);

/* Gives it the clients that there are; and another, a copy of `fd`. */
void outlet_clients(struct outlet *);
void outlet_client(struct outlet *, int fd);

/*
 * A worker of EGD with a window, which is revived.  Each worker stops before
 * its program begins, and is passed to `born`.
 */
struct outlet *outlet_traced(void (*born)(struct outlet *));

/* Another worker goes on, with all that this one had. */
void outlet_revive(struct outlet *);

/*
 * A worker with a socket, on a unix socket or at 127.0.0.1; holds no window,
 * may have CLIENTS_MAX clients of 127/8 and ::1/128, is granted what it needs.
 */
struct outlet *outlet_unix(enum proto_protocol);
struct outlet *outlet_tcp(enum proto_protocol);

/* It holds a window from now on, and has it filled. */
void outlet_fill(struct outlet *, uint32_t window);

/* Sends bytes of the stream, as if they had been granted. */
void outlet_give(struct outlet *, size_t n);

/* Byte `i` of that stream. */
uint8_t outlet_stream(uint64_t i);

/* Handles frames that come within so many ms. */
void outlet_pump(struct outlet *, int ms);

/* Handles frames until the worker sends none for a moment. */
void outlet_quiet(struct outlet *);

/* Handles frames until `*count` is more than it was. */
void outlet_until(struct outlet *, const unsigned int *count, unsigned int was);

/* Handles frames until the worker sleeps, and reads its counters then. */
const struct outlet_stats *outlet_stats(struct outlet *);

/* Handles frames until the log has a line with that text. */
void outlet_logged(struct outlet *, const char *text);

/* Handles frames until the worker has ended well; returns ms that it took. */
unsigned int outlet_end(struct outlet *, int ms);

/* A connected client, whose fd the caller owns. */
int outlet_connect(struct outlet *);

/* As many clients, of whom the worker knows; closes them. */
void outlet_crowd(struct outlet *, int *fds, size_t n);
void outlet_leave(const int *fds, size_t n);

/* A number of the worker's /proc/PID/status. */
long outlet_number(struct outlet *, const char *key);

/* The client sends bytes. */
void outlet_say(int fd, const char *bytes, size_t len);
#define SAY(fd, text) outlet_say(fd, text, sizeof(text) - 1)

/*
 * Reads exactly so many bytes, handling frames meanwhile; fewer only if
 * `timeout` ms are over or the connection has ended.
 */
size_t outlet_read(struct outlet *, int fd, uint8_t *buf, size_t len,
    int timeout);

/* The client gets exactly that; nothing; the end of the connection. */
void outlet_expect(struct outlet *, int fd, const char *bytes, size_t len);
#define EXPECT(o, fd, text) outlet_expect(o, fd, text, sizeof(text) - 1)
void outlet_silent(struct outlet *, int fd);
void outlet_closed(struct outlet *, int fd);

/* The client gets the `len` bytes of the stream from `from`. */
void outlet_served(struct outlet *, int fd, uint64_t from, size_t len);

/* Milliseconds, of CLOCK_MONOTONIC. */
uint64_t outlet_ms(void);

#endif
