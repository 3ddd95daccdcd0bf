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

/* What happens next, and who has to do it. */
enum client_state {
	CLIENT_NONE,	/* a free place */
	CLIENT_READING, /* the client: sends its next command */
	CLIENT_WRITING, /* the client: reads the answer in `out` */
	CLIENT_BLOCKED, /* the client: reads bytes; its socket is full */
	CLIENT_WAITING, /* the worker: has bytes, and sends them */
};

/* What is left to read of a client. */
enum client_input {
	INPUT_NONE,  /* nothing, as far as is known */
	INPUT_MORE,  /* something: as much was read as there was room for */
	INPUT_ENDED, /* it has shut its side down */
};

struct client {
	enum client_state state;
	enum client_input input;
	int fd;		     /* its connection; -1: none of its own */
	uint32_t serial;     /* distinguishes clients of one place */
	uint32_t watched;    /* events of epoll(7) */
	uint32_t missing;    /* bytes, while CLIENT_BLOCKED */
	uint64_t unheard;    /* bytes sent since its last datagram */
	uint64_t idle_since; /* ns; 0: is not in the list */
	TAILQ_ENTRY(client) entry;
	struct drr_entry turn;
	struct saved_client saved; /* what outlives this process */
	uint8_t *in;		   /* what it sent, SAVED_INPUT_SIZE at most */
	uint16_t out_start;	   /* sent up to here, */
	uint16_t out_end;	   /* of so many bytes */
	uint8_t out[EGD_ANSWER_MAX];
	struct counters_client *shown; /* its place in the page */
	struct peer peer;
};

TAILQ_HEAD(client_list, client);

/* The clients' places.  Those that were never used cost no memory. */
struct clients {
	uint32_t n;		 /* clients, */
	uint32_t used;		 /* in these places, some of them free: */
	uint32_t blocked;	 /* CLIENT_BLOCKED */
	uint32_t serials;	 /* of clients, so far */
	uint64_t empty_since;	 /* ns; 0: there is a client, or never was */
	struct drr drr;		 /* who is given bytes next */
	struct client_list idle; /* who has to do something, longest first */
	uint64_t gone[CLIENTS_MAX / 64]; /* a bit: CLIENT_GONE is pending */
	uint32_t ngone;
	struct client place[CLIENTS_MAX];
};

/* No clients. */
void clients_init(struct clients *);

/*
 * Puts a client in a free place, whose connection is `fd` if it has one of its
 * own, in state CLIENT_READING.
 */
struct client *clients_put(struct worker *, uint32_t place, int fd,
    const struct peer *);

/* The same, of a new client: logs it, and begins to save its state. */
struct client *clients_add(struct worker *, uint32_t place, int fd,
    const struct peer *);

/* Begins to serve a client. */
void clients_start(struct worker *, struct client *);

/* The place of a client. */
uint32_t clients_place(const struct worker *, const struct client *);

/* Saves the state of a client. */
void clients_save(struct worker *, const struct client *);

/* Closes a connection of that place which is no client's, or no longer. */
void clients_drop(struct worker *, uint32_t place, int fd);

/* Reports closed connections.  Returns false: the channel has no room. */
bool clients_report(struct worker *);

/* Closes a client, and logs why: NULL if there is no reason to log. */
void clients_close(struct worker *, struct client *, const char *why);

/* Closes a client whose connection failed with that errno; 0: has ended. */
void clients_lost(struct worker *, struct client *, int error);

/* The client in this place, if it is the one of that serial number, or NULL. */
struct client *clients_find(struct clients *, uint32_t place, uint32_t serial);

/*
 * Changes the state.  A client that has to do something is closed when it does
 * not within the idle timeout.  Events that are not needed any more are watched
 * until they come: then clients_unwatch() ends that.
 */
void clients_enter(struct worker *, struct client *, enum client_state);
void clients_unwatch(struct worker *, struct client *);

/* A client without a connection of its own has just done something. */
void clients_touch(struct worker *, struct client *);

/*
 * A client waits for so many bytes; its socket is full, so that it does not; it
 * can be written again, and the client waits for the rest.
 */
void clients_wait(struct worker *, struct client *, uint32_t missing);
void clients_block(struct worker *, struct client *);
void clients_resume(struct worker *, struct client *);

/* The client that receives bytes next, or NULL. */
struct client *clients_first(struct clients *);

/* A client has been sent the first `n` bytes of the window: drops them. */
void clients_gave(struct worker *, struct client *, uint32_t n);

/* Bytes of the window that no client waits for. */
uint32_t clients_surplus(const struct worker *);

/* Counts a request that was answered. */
void clients_answered(struct worker *, struct client *);

/* When the first idle client is closed (ns); 0: none is. */
uint64_t clients_deadline(const struct worker *);

/* Closes the clients that have been idle for too long. */
void clients_expire(struct worker *);

#endif
