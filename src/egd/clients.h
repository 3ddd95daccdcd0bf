/*
 * The clients of the service: their places, connections and states.
 */
#ifndef VRNGD_CLIENTS_H
#define VRNGD_CLIENTS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/proto.h"
#include "egd/drr.h"
#include "egd/egd.h"
#include "egd/peer.h"
#include "egd/saved.h"
#include "egd/worker.h"

/* The state of a client. */
enum client_state {
	CLIENT_NONE,	/* a free place */
	CLIENT_READING, /* waits for a command of the client */
	CLIENT_WRITING, /* waits for the client to read `out` */
	CLIENT_BLOCKED, /* waits for the client to read; its socket is full */
	CLIENT_WAITING, /* waits for bytes to send */
};

/* The input of a client. */
enum client_input {
	INPUT_NONE,  /* empty, as far as known */
	INPUT_MORE,  /* possibly more: the buffer was filled */
	INPUT_ENDED, /* ended by the client */
};

struct client {
	enum client_state state;
	enum client_input input;
	int fd;		     /* its connection; -1: the service's socket */
	uint32_t serial;     /* distinguishes clients of one place */
	uint32_t watched;    /* events of epoll(7) */
	uint32_t missing;    /* bytes, while CLIENT_BLOCKED */
	uint64_t unheard;    /* bytes sent since its last datagram */
	uint64_t idle_since; /* ns; 0: not in the list */
	TAILQ_ENTRY(client) entry;
	struct drr_entry turn;
	struct saved_client saved;	 /* state that outlives this process */
	uint8_t (*in)[SAVED_INPUT_SIZE]; /* its input */
	uint16_t out_start;		 /* sent bytes of the answer, */
	uint16_t out_end;		 /* and its length */
	uint8_t out[EGD_ANSWER_MAX];
	struct counters_client *shown; /* its entry in the page */
	struct peer peer;
};

TAILQ_HEAD(client_list, client);

/* The places of clients.  Unused places take no memory. */
struct clients {
	uint32_t n;	  /* clients, */
	uint32_t used;	  /* in these places, some of them free: */
	uint32_t blocked; /* CLIENT_BLOCKED */
	uint32_t serials; /* of clients, so far */
	uint64_t
	    empty_since; /* ns, since without clients; 0: never, or with clients */
	struct drr drr; /* the queue of waiting clients */
	struct client_list
	    idle; /* clients with an idle timeout, longest idle first */
	uint64_t gone[CLIENTS_MAX / 64]; /* a bit: CLIENT_GONE is pending */
	uint32_t ngone;
	struct client place[CLIENTS_MAX];
};

/* Initializes it without clients. */
void clients_init(struct clients *);

/*
 * Adds a client in a free place, with its connection `fd` if any, in state
 * CLIENT_READING.
 */
struct client *clients_put(struct worker *, uint32_t place, int fd,
    const struct peer *);

/* The same for a new client: logs it, and starts saving its state. */
struct client *clients_add(struct worker *, uint32_t place, int fd,
    const struct peer *);

/* Starts serving a client. */
void clients_start(struct worker *, struct client *);

/* The place of a client. */
uint32_t clients_place(const struct worker *, const struct client *);

/* Saves the state of a client. */
void clients_save(struct worker *, const struct client *);

/* Closes a connection of that place without a client. */
void clients_drop(struct worker *, uint32_t place, int fd);

/* Reports closed connections.  Returns false if the channel is full. */
bool clients_report(struct worker *);

/* Closes a client, and logs the reason, which may be NULL. */
void clients_close(struct worker *, struct client *, const char *why);

/* Closes a client whose connection failed with that errno, or ended (0). */
void clients_lost(struct worker *, struct client *, int error);

/* The client in this place with that serial number, or NULL. */
struct client *clients_find(struct clients *, uint32_t place, uint32_t serial);

/*
 * Changes the state.  A client that must act is closed after the idle timeout.
 * Unneeded events are watched until they occur: then clients_unwatch() ends
 * that.
 */
void clients_enter(struct worker *, struct client *, enum client_state);
void clients_unwatch(struct worker *, struct client *);

/* A client without a connection was active just now. */
void clients_touch(struct worker *, struct client *);

/*
 * A client waits for bytes; its socket is full, so it stops waiting; its socket
 * is writable again, and it waits for the rest.
 */
void clients_wait(struct worker *, struct client *, uint32_t missing);
void clients_block(struct worker *, struct client *);
void clients_resume(struct worker *, struct client *);

/* The client that receives bytes next, or NULL. */
struct client *clients_first(struct clients *);

/* Wipes the first `n` bytes of the window, which were sent to a client. */
void clients_gave(struct worker *, struct client *, uint32_t n);

/* The number of bytes of the window for which no client waits. */
uint32_t clients_surplus(const struct worker *);

/* Counts a completed request. */
void clients_answered(struct worker *, struct client *);

/* The time at which the next idle client is closed (ns); 0: none. */
uint64_t clients_deadline(const struct worker *);

/* Closes clients after the idle timeout. */
void clients_expire(struct worker *);

#endif
