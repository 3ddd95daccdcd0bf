/*
 * The registry of listeners: each place at which the daemon listens, by its
 * key, with a socket from the daemon, systemd, the file descriptor store or
 * vrngctl.  An endpoint listens at a place; a reload moves places to other
 * endpoints, and closes unused ones at its end.
 */
#ifndef VRNGD_LISTENERS_H
#define VRNGD_LISTENERS_H

#include <bsd/sys/tree.h>

#include <stdbool.h>

#include "parent/config/config.h"
#include "parent/host/listener.h"
#include "parent/host/listen_fds.h"
#include "parent/host/store.h"

struct endpoint;

enum place_origin {
	PLACE_MADE,    /* by the daemon */
	PLACE_ADOPTED, /* of a guest: from a unit, the store or vrngctl */
	PLACE_UNIT,    /* of a service: from a unit, used or not */
	PLACE_ADDED,   /* from the store, until its guest is added */
};

struct place {
	RB_ENTRY(place) entry;
	char *key;    /* path, "127.0.0.1:7000", or systemd's "guest-vm1" */
	char *where;  /* the path of a unix socket; NULL: none */
	char *stored; /* its name in the store; NULL: not stored */
	struct listener listener;
	struct listener_rights rights; /* of a unix socket of the daemon */
	enum listener_file file;       /* as listeners_look() found it */
	/* When its directory had changed at that look; 0: look again. */
	struct statx_timestamp looked;
	enum place_origin origin;
	int epoll;		/* that of the registry */
	bool suspended;		/* its owner does not listen now */
	struct endpoint *owner; /* the endpoint that listens; NULL: none */
	bool planned;		/* created by a reload that can still fail */
};

RB_HEAD(places, place);

/* The directory of a socket file, as looked at last. */
struct place_directory {
	char *path; /* NULL: none was */
	int fd;	    /* O_PATH; -1: it cannot be looked at, with */
	int error;  /* that errno */
	uint64_t mount;
	struct statx_timestamp changed;
	bool settled; /* what comes after the look changes the time */
};

struct listeners {
	struct places places;
	/*
	 * Watches all listeners: one source of sd-event, as one for each would
	 * need much memory.
	 */
	sd_event_source *io; /* NULL: there were none yet */
	int epoll;
	struct place_directory directory;
	sd_event *event;
	struct store *store;
	void (*incoming)(struct endpoint *); /* a listener is readable */
};

RB_PROTOTYPE(places, place, entry, )

/* Initializes an empty registry.  The arguments must outlive it. */
void listeners_init(struct listeners *, sd_event *, struct store *,
    void (*incoming)(struct endpoint *));

/* The place with that key, or NULL. */
struct place *listeners_find(struct listeners *, const char *key);

/*
 * Creates a unix socket at a path with those rights, or the socket of a
 * service; the place must not exist yet.  Returns NULL after logging the error.
 */
struct place *listeners_open(struct listeners *, const char *path,
    const struct listener_rights *);
struct place *listeners_open_service(struct listeners *,
    const struct config_service *);

/*
 * Adds a place for an adopted listening socket (fd), which it owns from now on.
 * The key must not exist yet.
 */
struct place *listeners_offer(struct listeners *, const char *key, int fd,
    enum place_origin);

/*
 * Adds a place, of PLACE_ADDED, for a socket that an earlier vrngd created and
 * stored under that name.  Returns NULL, after closing it and removing it from
 * the store, if it is not such a socket.
 */
struct place *listeners_restore(struct listeners *, const char *name, int fd);

/*
 * Begins or ends to wait for connections, for which the registry's incoming() is
 * called with the owner.  Returns 0, or -1 with errno.
 */
int listeners_watch(struct place *, bool on);

/*
 * Stores a listener under that name, in place of its former name; with `there`,
 * it is already stored.  Or removes it from the store.
 */
void listeners_store(struct listeners *, struct place *, const char *name,
    bool there);
void listeners_unstore(struct listeners *, struct place *);

/*
 * Updates place->file, without waiting for a file system: looks at a file only
 * if its directory changed, and once at each directory, until
 * listeners_look_end().  The place may be NULL.
 */
void listeners_look(struct listeners *, struct place *);
void listeners_look_end(struct listeners *);

/*
 * Listens again at the path of a socket of the daemon whose file is missing or
 * was replaced, unless to look at it may wait.  Returns 1; 0, if that is not so;
 * or -1 after logging the error.
 */
int listeners_bind_again(struct listeners *, struct place *);

/*
 * Sets owner and mode of a socket that the daemon created; where that may wait,
 * only if they have changed.
 */
void listeners_protect(struct place *, const struct listener_rights *);

/* Closes a place without owner, with its socket, file and stored copy. */
void listeners_close(struct listeners *, struct place *);

/*
 * For a reload: closes places without an owner, but not those that it
 * has planned; and at its end those too, or, if it fails, these alone.  Sockets
 * of services' units stay for another reload, those of PLACE_ADDED for their
 * guests.
 */
void listeners_close_unused(struct listeners *);
void listeners_commit(struct listeners *);
void listeners_roll_back(struct listeners *);

/*
 * Closes all places at the end of the daemon, without changing the store; the
 * files of stored sockets stay.
 */
void listeners_free(struct listeners *);

#endif
