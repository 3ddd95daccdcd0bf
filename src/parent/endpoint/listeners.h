/*
 * The registry of listeners: each place at which the daemon listens, by its
 * key, whether the daemon made the socket, systemd passed it, the store kept it
 * or vrngctl handed it over.  An endpoint listens at a place; a reload gives
 * places to other endpoints and closes those that are left over at its end.
 */
#ifndef VRNGD_LISTENERS_H
#define VRNGD_LISTENERS_H

#include <bsd/sys/tree.h>

#include <stdbool.h>

#include "parent/config/config.h"
#include "parent/host/listener.h"
#include "parent/host/passed.h"
#include "parent/host/store.h"

struct endpoint;

enum place_origin {
	PLACE_MADE,    /* by the daemon */
	PLACE_ADOPTED, /* of a guest: from a unit, the store or vrngctl */
	PLACE_UNIT,    /* of a service: from a unit, for whenever it is used */
};

struct place {
	RB_ENTRY(place) entry;
	char *key;    /* path, "127.0.0.1:7000", "guest-vm1" of systemd's */
	char *where;  /* the path of a unix socket; NULL: it has none */
	char *stored; /* its name in the store; NULL: it is not there */
	struct listener listener;
	enum place_origin origin;
	struct endpoint *owner; /* that listens there; NULL: none */
	bool planned;		/* made by a reload that may fail yet */
};

RB_HEAD(places, place);

struct listeners {
	struct places places;
	sd_event *event;
	struct store *store;
};

RB_PROTOTYPE(places, place, entry, )

/* No place yet.  What is passed must outlive it. */
void listeners_init(struct listeners *, sd_event *, struct store *);

/* The place of that key, or NULL. */
struct place *listeners_find(struct listeners *, const char *key);

/*
 * Makes a unix socket at a path, with those rights, or a service's socket,
 * which must have no place yet.  Returns NULL after logging why not.
 */
struct place *listeners_open(struct listeners *, const char *path,
    const struct listener_rights *);
struct place *listeners_open_service(struct listeners *,
    const struct config_service *);

/*
 * A place for a listening socket (fd) that the daemon did not make, which is
 * the place's from now on.  There must be none of that key.
 */
struct place *listeners_offer(struct listeners *, const char *key, int fd,
    enum place_origin);

/*
 * Has the store keep an adopted listener by that name, instead of any name from
 * before; with `there`, it does so already.
 */
void listeners_store(struct listeners *, struct place *, const char *name,
    bool there);

/* Closes a place without owner: its socket, file and copy in the store. */
void listeners_close(struct listeners *, struct place *);

/*
 * For a reload: closes places without an owner, but not those that it
 * has planned; and at its end those too, or, if it fails, these alone.  Sockets
 * of services' units stay for another reload.
 */
void listeners_close_unused(struct listeners *);
void listeners_commit(struct listeners *);
void listeners_roll_back(struct listeners *);

/* Closes all, at the end of the daemon, but leaves the store as it is. */
void listeners_free(struct listeners *);

#endif
