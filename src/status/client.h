/*
 * The clients of the monitoring socket: their calls, the query to the parent
 * for all waiting clients, and the answers.  A client can harm only itself: the
 * input, time and memory of each client are limited, and so is the number of
 * clients of each user.
 */
#ifndef VRNGD_CLIENT_H
#define VRNGD_CLIENT_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/log.h"
#include "status/call.h"
#include "status/event_queue.h"

#define CLIENTS_LIMIT	  128 /* connected */
#define CLIENTS_A_USER	  16  /* of one user, except root */
#define MONITORS_LIMIT	  64  /* of these, clients that monitor */
#define MONITORS_A_USER	  8
#define SNAPSHOTS_MAX	  8		      /* statuses in memory */
#define SNAPSHOT_SIZE_MAX (UINT64_C(1) << 30) /* bytes */
/* ns; a client that takes longer for a call or to read an answer is closed. */
#define CLIENT_CALL_TIME  (5 * NS_PER_SEC)
#define CLIENT_REPLY_TIME (10 * NS_PER_SEC)
#define MONITOR_TIME	  (60 * NS_PER_SEC) /* without reading events */

/* A status from the parent, for all clients that wait for it. */
struct snapshot {
	const char *text; /* JSON, mapped; not terminated */
	size_t size;
	unsigned int users;
};

enum client_state {
	CLIENT_READING,	   /* for its next call */
	CLIENT_QUEUED,	   /* for the next query to the parent */
	CLIENT_ASKED,	   /* for the answer of the parent */
	CLIENT_WRITING,	   /* for an answer to be sent */
	CLIENT_MONITORING, /* for events, until it disconnects */
};

struct client {
	TAILQ_ENTRY(client) entry;
	int fd;
	pid_t pid;
	uid_t uid;
	enum client_state state;
	uint32_t watched; /* events of epoll(7) */
	bool oneway;
	uint64_t deadline; /* ns; 0: none */
	char in[CALL_SIZE_MAX];
	size_t nin;
	struct select select;	   /* of its call */
	char *reply;		   /* being sent, allocated; or */
	struct snapshot *snapshot; /* this, in a frame of text; or none */
	struct parts parts;	   /* of the snapshot; none: not selected yet */
	uint64_t answer;	   /* the number of the snapshot */
	struct event_queue events; /* of a client that monitors */
	size_t sent;		   /* bytes of that, with its NUL */
};

TAILQ_HEAD(clients, client);

struct server {
	int epoll_fd;
	void (*busy)(void);	/* called before an operation that may block */
	struct clients clients; /* in order of idle time, the longest first */
	size_t nclients;
	bool asked; /* a query is at the parent */
	struct log_limit log_limit;
	uint64_t answers; /* received from the parent */
	size_t nmonitors;
	bool events; /* the parent gathers events */
};

void server_init(struct server *, int epoll_fd, void (*busy)(void));

/*
 * Adds a client for a connection, which it owns from now on and which epoll(7)
 * watches with the client as data.  Makes room for it, or closes it.
 */
void client_add(struct server *, int fd);

/* Handles events of its connection from epoll_wait(2). */
void client_event(struct server *, struct client *, uint32_t events);

/*
 * Whether the parent must be queried: then all queued clients wait for its
 * answer.
 */
bool client_ask(struct server *);

/*
 * Answers the waiting clients with a status of that size in a memory file,
 * which is closed.  Returns 0, or -1 with errno if it cannot be mapped.
 */
int client_answer(struct server *, int fd, uint64_t size);

/*
 * Sends the events of a JSON array of `size` bytes in a memory file, which is
 * closed, to the clients that monitor; the parent lost others.  Returns 0, or
 * -1 with errno if it cannot be mapped.
 */
int client_events(struct server *, int fd, uint64_t size, uint64_t lost);

/* Closes clients after their timeout.  Returns the next deadline (ns), or 0. */
uint64_t client_expire(struct server *, uint64_t now);

#endif
