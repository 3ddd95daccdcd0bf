/*
 * The clients of the monitoring socket: their calls, the question to the
 * parent that answers all who wait, and the answers that they are sent.  What a
 * client does harms itself alone: input, time and memory of each are bounded,
 * and so is the number of clients of each user.
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

#define CLIENTS_LIMIT	  64 /* connected at once, */
#define CLIENTS_A_USER	  16 /* and those of one user, but for root */
#define SNAPSHOTS_MAX	  8  /* that clients have not read yet */
#define SNAPSHOT_SIZE_MAX (UINT64_C(1) << 30) /* bytes */
/* ns; a client that takes longer for a call, or to read an answer, goes. */
#define CLIENT_CALL_TIME  (5 * NS_PER_SEC)
#define CLIENT_REPLY_TIME (10 * NS_PER_SEC)

/* A status as the parent wrote it, which all who wait for it are sent. */
struct snapshot {
	const char *text; /* JSON, mapped; not terminated */
	size_t size;
	unsigned int users;
};

enum client_state {
	CLIENT_READING, /* its next call, if it makes one */
	CLIENT_QUEUED,	/* for the next question to the parent */
	CLIENT_ASKED,	/* the parent is being asked for it */
	CLIENT_WRITING, /* it is being sent an answer */
};

struct client {
	TAILQ_ENTRY(client) entry;
	int fd;
	pid_t pid;
	uid_t uid;
	enum client_state state;
	bool oneway;
	uint64_t deadline; /* ns; 0: none */
	char in[CALL_SIZE_MAX];
	size_t nin;
	char *reply;		   /* being sent, allocated; or */
	struct snapshot *snapshot; /* this, in a frame of text; or neither */
	uint64_t answer;	   /* the number of the snapshot */
	size_t sent;		   /* bytes of that, with its NUL */
};

TAILQ_HEAD(clients, client);

struct server {
	int epoll_fd;
	void (*busy)(void);	/* is called before what may wait */
	struct clients clients; /* the one that was idle longest comes first */
	size_t nclients;
	bool asked; /* the parent, and it has not answered */
	struct log_limit log_limit;
	uint64_t answers; /* that the parent has given */
};

void server_init(struct server *, int epoll_fd, void (*busy)(void));

/*
 * A client for a connection, which is its own from now on: watched by epoll(7)
 * with the client as data.  Makes room for it, or closes it.
 */
void client_add(struct server *, int fd);

/* Something has happened to its connection, as epoll_wait(2) says. */
void client_event(struct server *, struct client *, uint32_t events);

/*
 * Whether the parent is to be asked: then all clients that are queued wait for
 * its answer.
 */
bool client_ask(struct server *);

/*
 * The parent's answer for those that wait for it: a status of that size in a
 * memory file, which is closed.  Returns 0, or -1 with errno if it cannot be
 * mapped.
 */
int client_answer(struct server *, int fd, uint64_t size);

/* Drops those whose time is over.  Returns the next deadline (ns), or 0. */
uint64_t client_expire(struct server *, uint64_t now);

#endif
