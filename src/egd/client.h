/*
 * A client of the outlet, from its connection to its end, whatever it speaks.
 */
#ifndef VRNGD_CLIENT_H
#define VRNGD_CLIENT_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "egd/egd.h"
#include "egd/peer.h"
#include "common/counters.h"
#include "egd/turns.h"

#define CLIENT_IN_SIZE 32 /* bytes: as many commands at once, or fewer */

struct worker;

/* What happens next, and who has to do it. */
enum client_state {
	CLIENT_NONE,	   /* a free place */
	CLIENT_SPEAKING,   /* the client: its next command */
	CLIENT_LISTENING,  /* the client: takes an answer from `out` */
	CLIENT_FULL,	   /* the client: takes bytes from its socket */
	CLIENT_TAKING,	   /* we: bytes, to be sent as they come */
	CLIENT_COLLECTING, /* we: bytes, for an answer to EGD_NOW */
	CLIENT_ASKING,	   /* we: the answer to EGD_AVAILABLE */
};

struct client {
	enum client_state state;
	int fd;		  /* its connection; -1: none of its own */
	uint32_t serial;  /* tells it from the others in the same place */
	uint32_t watched; /* events of epoll(7) */
	bool deaf;	  /* what it sends has ended; it is not read */
	struct turn turn;
	uint32_t missing;	   /* bytes, while the socket is full */
	uint64_t unheard;	   /* bytes sent since its last datagram */
	TAILQ_ENTRY(client) quiet; /* while it has to do something */
	uint64_t quiet_since;	   /* ns */
	TAILQ_ENTRY(client) asking;
	bool asked;	   /* is among now->asked */
	uint64_t deadline; /* ns, for the answer, while asking */
	struct egd egd;
	uint8_t in[CLIENT_IN_SIZE]; /* what it said, */
	uint8_t in_start;	    /* heard up to here, */
	uint8_t in_end;		    /* read up to here */
	bool eager;	    /* there was as much of it as could be read */
	uint8_t wanted;	    /* bytes, by EGD_NOW */
	uint8_t collected;  /* bytes for that, in answer[1..] */
	bool is_brief;	    /* what is being sent is `brief`, */
	uint16_t out_start; /* sent up to here, */
	uint16_t out_end;   /* of so many bytes */
	uint8_t answer[EGD_ANSWER_MAX]; /* to EGD_NOW */
	uint8_t brief[EGD_BRIEF_MAX];	/* to anything else */
	struct counters_client *shown;	/* its place in the page */
	struct peer peer;
};

TAILQ_HEAD(client_list, client);

/* The clients' places.  Those that were never used cost no memory. */
struct clients {
	uint32_t n;		  /* clients, */
	uint32_t used;		  /* in these places, some of them free: */
	uint32_t full;		  /* CLIENT_FULL */
	struct client_list free;  /* by their `quiet` */
	struct client_list quiet; /* first who has been for longest */
	struct client place[CLIENTS_MAX];
};

/* No clients. */
void client_init(struct clients *);

/*
 * Takes a client, whose connection is `fd` if it has one of its own, in state
 * CLIENT_SPEAKING; logs it.  Returns NULL if it cannot be watched: it is
 * closed.  There must be fewer than CLIENTS_MAX.
 */
struct client *client_open(struct worker *, int fd, const struct peer *);

/* Ends it, and says why: NULL if there is nothing to be said. */
void client_close(struct worker *, struct client *, const char *why);

/* The client in this place, if it is the one of that serial number, or NULL. */
struct client *client_find(struct clients *, uint32_t place, uint32_t serial);

/*
 * Waits for the events that its state needs.  Those that are not needed any
 * more stay until they come: then client_unwatch() ends them.
 */
void client_watch(struct worker *, struct client *);
void client_unwatch(struct worker *, struct client *);

/*
 * It is in this state from now on: who has to do something is closed when that
 * has not happened for the idle time-out.
 */
void client_enter(struct worker *, struct client *, enum client_state);

/* A client without a connection of its own has just done something. */
void client_touch(struct worker *, struct client *);

/*
 * It waits for so many bytes of the window, in that state; and, when its socket
 * was full, for what was still missing then.
 */
void client_wait(struct worker *, struct client *, enum client_state,
    uint32_t missing);
void client_resume(struct worker *, struct client *);

/* Its socket is full: others have their turns, until client_resume(). */
void client_fill(struct worker *, struct client *);

/* It was handed the first `n` bytes of the window, which are wiped there. */
void client_handed(struct worker *, struct client *, uint32_t n);

/* Something that it asked for was done. */
void client_answered(struct worker *, struct client *);

/*
 * Sends the first `n` bytes of the window to a client whose turn it is.
 * Returns whether they all went; if not, its socket is full or it is closed.
 */
bool client_send(struct worker *, struct client *, uint32_t n);

/* Closes a client whose connection failed with that errno. */
void client_lost(struct worker *, struct client *, int error);

/* When the first who has to do something is closed (ns); 0: nobody. */
uint64_t client_deadline(const struct worker *);

/* Closes those who have been quiet for too long. */
void client_expire(struct worker *);

/* Whose turn this is. */
struct client *client_of_turn(struct turn *);

#endif
