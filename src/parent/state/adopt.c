/*
 * Guests whose listeners come from systemd, from the store or from vrngctl.
 * Used by main.c and by the control socket.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <bsd/string.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/host/deferred_close.h"
#include "parent/host/event.h"
#include "parent/state/adopt.h"

#define ORPHAN_TIME \
	(60 * NS_PER_SEC) /* time for the guest of a session to appear */
#define RUN "/run/"

static bool
same_socket(int a, int b)
{
	uint64_t x, y;
	socklen_t xlen = sizeof(x), ylen = sizeof(y);

	return getsockopt(a, SOL_SOCKET, SO_COOKIE, &x, &xlen) == 0 &&
	    getsockopt(b, SOL_SOCKET, SO_COOKIE, &y, &ylen) == 0 && x == y;
}

/* The registry's key of a guest's adopted listener. */
static const char *
key_of(const char *name, char key[FDNAME_SIZE])
{
	snprintf(key, FDNAME_SIZE, FDNAME_GUEST "%s", name);
	return key;
}

/* A name in the store, with the guest's pool and class. */
static const char *
store_name(char name[FDNAME_SIZE], const char *prefix, const struct adoption *a)
{
	if (a->pool[0] == '\0' && a->class[0] == '\0')
		snprintf(name, FDNAME_SIZE, "%s%s", prefix, a->name);
	else
		snprintf(name, FDNAME_SIZE, "%s%s+%s+%s", prefix, a->name,
		    a->pool, a->class);
	return name;
}

/* The reason to reject the listener for a guest, or NULL. */
static const char *
refusal(const struct guest *g)
{
	if (g == NULL || g->vhost.endpoint.place == NULL || guest_adopted(g))
		return NULL;
	return "guest has a socket: set socket = systemd in its configuration";
}

/* Whether the guest is served on this socket already. */
static bool
listens_there(const struct guest *g, int fd)
{
	return g != NULL && g->vhost.endpoint.place != NULL &&
	    same_socket(g->vhost.endpoint.place->listener.fd, fd);
}

/* Closes a listener that was not adopted. */
static void
refuse(struct daemon *d, const struct adoption *a)
{
	if (a->from == ADOPT_STORED)
		deferred_close(d->env->event, a->fd);
	else
		deferred_close_unstored(d->env->event, a->fd);
}

/* Sets the adopted listener of a guest, and closes the one before. */
static int
set_listener(struct daemon *d, struct guest *g, int fd)
{
	struct endpoint *e = &g->vhost.endpoint;
	struct place *old = e->place, *p;
	char key[FDNAME_SIZE];

	if (old != NULL && same_socket(old->listener.fd, fd)) {
		deferred_close_unstored(d->env->event, fd);
		return 0;
	}
	if (old != NULL) {
		endpoint_unlisten(e);
		listeners_close(&d->listeners, old);
	}
	p = listeners_offer(&d->listeners, key_of(g->name, key), fd,
	    PLACE_ADOPTED);
	if (endpoint_listen(e, p) == 0)
		return 0;
	listeners_close(&d->listeners, p);
	return -1;
}

/* A guest at that place of the tree: an existing one, or a new one (*fresh). */
static struct guest *
place_guest(struct daemon *d, struct guest *g, const char *name,
    const struct daemon_place *place, bool *fresh)
{
	if (g != NULL && guest_pool(g) != place->pool) {
		event_log(EVENT_GUEST_MOVED, &g->subject, NULL,
		    "moved to another pool: connection closed");
		daemon_guest_free(d, g, clock_now() + REMOVAL_TIME);
		listeners_close_unused(&d->listeners);
		g = NULL;
	}
	*fresh = g == NULL;
	if (g == NULL) {
		g = daemon_guest_new(d, name, place->pool, place->parent,
		    &place->share, place->terms);
		g->added = true;
		g->subject.class = place->class;
	} else {
		guest_change(g, place->parent, &place->share, place->terms);
		g->subject.class = place->class;
	}
	return g;
}

int
adopt_guest(struct daemon *d, const struct adoption *a, const char **why)
{
	struct guest *g = daemon_find_guest(d, a->name);
	bool placed = g == NULL || g->added, fresh = false;
	struct daemon_place place;
	char name[FDNAME_SIZE];
	struct listener l;
	int error;

	if (listener_adopt(&l, a->fd, why) == -1 ||
	    (*why = refusal(g)) != NULL ||
	    (placed &&
		daemon_find_place(d, a->pool, a->class, &place, why) == -1)) {
		error = listens_there(g, a->fd) ? EBUSY : EINVAL;
		refuse(d, a);
		return error;
	}
	if (placed)
		g = place_guest(d, g, a->name, &place, &fresh);
	if (set_listener(d, g, l.fd) == -1) {
		*why = "cannot listen";
		return EIO;
	}
	if (a->from != ADOPT_UNIT)
		listeners_store(&d->listeners, g->vhost.endpoint.place,
		    store_name(name, FDNAME_LISTENER, a),
		    a->from == ADOPT_STORED);
	if (fresh)
		tally_guest(&d->added, g);
	return 0;
}

/* Whether the guest's unit was stopped while vrngd was not running. */
static bool
is_stale(int fd)
{
	char *path = listener_path(fd);
	struct stat st;
	bool stale;

	/* Other directories might not be visible. */
	stale = path != NULL && strncmp(path, RUN, strlen(RUN)) == 0 &&
	    lstat(path, &st) == -1 && errno == ENOENT;
	free(path);
	return stale;
}

/* Splits a name in the store: NAME or NAME+POOL+CLASS. */
static int
take_apart(char *text, struct adoption *a)
{
	const char *parts[3] = { "", "", "" };
	size_t n = 0;
	char *part;

	while ((part = strsep(&text, "+")) != NULL) {
		if (n == 3 || strlen(part) >= GUEST_NAME_SIZE)
			return -1;
		parts[n++] = part;
	}
	a->name = parts[0];
	a->pool = parts[1];
	a->class = parts[2];
	return n != 2 && a->name[0] != '\0' ? 0 : -1;
}

/* Adopts a stored listener, or closes it and removes it from the store. */
static void
adopt_stored(struct daemon *d, const char *name, int fd)
{
	char text[FDNAME_SIZE], stored[FDNAME_SIZE];
	struct adoption a = { .fd = fd, .from = ADOPT_STORED };
	const char *why = "invalid name in the store";
	int error = EINVAL;

	strlcpy(text, name, sizeof(text));
	if (is_stale(fd)) {
		why = "socket was removed";
		deferred_close(d->env->event, fd);
	} else if (take_apart(text, &a) == -1)
		deferred_close(d->env->event, fd);
	else
		error = adopt_guest(d, &a, &why);
	if (error == 0)
		return;
	event_log(EVENT_NOT_RESUMED, NULL,
	    LOG_FIELDS(LOG_TEXT("VRNGD_GUEST", name),
		LOG_TEXT("VRNGD_REASON", why)),
	    "guest %s: stored socket rejected: %s", name, why);
	strlcpy(stored, FDNAME_LISTENER, sizeof(stored));
	strlcat(stored, name, sizeof(stored));
	store_remove(&d->store, stored);
}

static void
adopt_unit(struct daemon *d, const char *name, int fd)
{
	const struct adoption a = {
		.name = name,
		.pool = "",
		.class = "",
		.fd = fd,
		.from = ADOPT_UNIT,
	};
	const char *why;

	if (adopt_guest(d, &a, &why) != 0)
		log_error("cannot adopt the socket of guest %s from systemd: "
			  "%s",
		    name, why);
}

static const struct {
	const char *prefix;
	const char *word;
	enum config_service_kind kind;
} service_kinds[] = {
	{ FDNAME_EGD, "egd", CONFIG_SERVICE_EGD },
	{ FDNAME_STREAM, "stream", CONFIG_SERVICE_STREAM },
};
#define SERVICE_KINDS (sizeof(service_kinds) / sizeof(service_kinds[0]))

void
adopt_places(struct daemon *d)
{
	char name[FDNAME_SIZE], key[FDNAME_SIZE];
	int fd;

	while (
	    (fd = listen_fds_take(&d->listen_fds, FDNAME_ADDED, name)) != -1) {
		strlcpy(key, FDNAME_ADDED, sizeof(key));
		strlcat(key, name, sizeof(key));
		listeners_restore(&d->listeners, key, fd);
	}
	for (size_t i = 0; i < SERVICE_KINDS; i++)
		while ((fd = listen_fds_take(&d->listen_fds,
			    service_kinds[i].prefix, name)) != -1) {
			strlcpy(key, service_kinds[i].prefix, sizeof(key));
			strlcat(key, name, sizeof(key));
			listeners_offer(&d->listeners, key, fd, PLACE_UNIT);
		}
}

/* Logs unused sockets of services, which stay open for a reload. */
static void
log_unused(struct daemon *d)
{
	struct place *p;

	RB_FOREACH(p, places, &d->listeners.places)
		for (size_t i = 0; i < SERVICE_KINDS; i++) {
			size_t n = strlen(service_kinds[i].prefix);
			const struct service *s;

			if (p->origin != PLACE_UNIT ||
			    strncmp(p->key, service_kinds[i].prefix, n) != 0)
				continue;
			s = daemon_find_service(d, service_kinds[i].kind,
			    p->key + n);
			if (s == NULL || !s->config.socket.passed)
				log_warning("socket for %s \"%s\", passed by "
					    "systemd, is not in the "
					    "configuration",
				    service_kinds[i].word, p->key + n);
		}
}

/* The owner of a stored session, from its name after the prefix; splits it. */
static struct log_subject
owner_of(const char *prefix, char *name)
{
	struct log_subject owner = { .kind = "guest", .name = name };

	if (strcmp(prefix, FDNAME_CLIENTS) == 0) {
		owner.kind = strsep(&name, "+");
		owner.name = name == NULL ? "" : strsep(&name, "+");
	}
	return owner;
}

/* Ends stored sessions with that prefix, of missing guests or services. */
static void
end_sessions(struct daemon *d, const char *prefix)
{
	char name[FDNAME_SIZE], stored[FDNAME_SIZE];
	struct log_subject owner;
	int fd;

	while ((fd = listen_fds_take(&d->listen_fds, prefix, name)) != -1) {
		strlcpy(stored, prefix, sizeof(stored));
		strlcat(stored, name, sizeof(stored));
		store_remove(&d->store, stored);
		deferred_close(d->env->event, fd);
		owner = owner_of(prefix, name);
		event_log(EVENT_NOT_RESUMED, &owner,
		    LOG_FIELDS(LOG_TEXT("VRNGD_REASON", "not configured")),
		    "cannot restore stored session: not configured");
	}
}

static void
end_orphans(void *arg)
{
	end_sessions(arg, FDNAME_SESSION);
	end_sessions(arg, FDNAME_CLIENTS);
}

/*
 * Adds the guest again that vrngctl had added with this socket.  Takes its stored
 * name apart.  Returns -1 if that is not possible.
 */
static int
add_again(struct daemon *d, struct place *p, char *name, const char **why)
{
	struct adoption a = { .from = ADOPT_STORED };
	struct daemon_place place;
	struct guest *g;
	bool fresh;

	*why = "invalid name in the store";
	if (take_apart(name, &a) == -1)
		return -1;
	*why = "guest exists";
	if (daemon_find_guest(d, a.name) != NULL ||
	    daemon_find_place(d, a.pool, a.class, &place, why) == -1)
		return -1;
	*why = "cannot listen";
	if (listeners_bind_again(&d->listeners, p) == -1)
		return -1;
	g = place_guest(d, NULL, a.name, &place, &fresh);
	if (endpoint_listen(&g->vhost.endpoint, p) == -1) {
		daemon_guest_free(d, g, clock_now());
		return -1;
	}
	tally_guest(&d->added, g);
	return 0;
}

/* Adds the guests of restored places, unless the configuration uses them. */
static void
adopt_added(struct daemon *d)
{
	char stored[FDNAME_SIZE], name[FDNAME_SIZE];
	struct place *p, *next;
	const char *why;

	for (p = RB_MIN(places, &d->listeners.places); p != NULL; p = next) {
		next = RB_NEXT(places, &d->listeners.places, p);
		if (p->origin != PLACE_ADDED)
			continue;
		p->origin = PLACE_MADE;
		if (p->owner != NULL) {
			listeners_unstore(&d->listeners, p);
			continue;
		}
		strlcpy(stored, p->stored + strlen(FDNAME_ADDED),
		    sizeof(stored));
		strlcpy(name, stored, sizeof(name));
		if (add_again(d, p, name, &why) == 0)
			continue;
		event_log(EVENT_NOT_RESUMED, NULL,
		    LOG_FIELDS(LOG_TEXT("VRNGD_GUEST", stored),
			LOG_TEXT("VRNGD_REASON", why)),
		    "guest %s: stored socket rejected: %s", stored, why);
		listeners_close(&d->listeners, p);
	}
}

/* How many listeners of guests there are to adopt. */
static size_t
count_listeners(struct daemon *d)
{
	const struct listen_fd *f;
	struct place *p;
	size_t n = 0;

	RB_FOREACH(p, places, &d->listeners.places)
		n += p->origin == PLACE_ADDED;

	TAILQ_FOREACH(f, &d->listen_fds.fds, entry)
		n += strncmp(f->name, FDNAME_LISTENER,
			 strlen(FDNAME_LISTENER)) == 0 ||
		    strncmp(f->name, FDNAME_GUEST, strlen(FDNAME_GUEST)) == 0;
	return n;
}

void
adopt_guests(struct daemon *d)
{
	char name[FDNAME_SIZE];
	int fd;

	tally_begin(&d->added, count_listeners(d));
	while (
	    (fd = listen_fds_take(&d->listen_fds, FDNAME_LISTENER, name)) != -1)
		adopt_stored(d, name, fd);
	while ((fd = listen_fds_take(&d->listen_fds, FDNAME_GUEST, name)) != -1)
		adopt_unit(d, name, fd);
	adopt_added(d);
	tally_end(&d->added);
	log_unused(d);
	timer_init(&d->orphans, d->env->event, end_orphans, d);
	if (!TAILQ_EMPTY(&d->listen_fds.fds))
		timer_after(&d->orphans, ORPHAN_TIME);
}

int
adopt_add(struct daemon *d, const char *name, const char *path,
    const char *pool, const char *class, const char **why)
{
	const struct adoption a = {
		.name = name,
		.pool = pool,
		.class = class,
	};
	struct daemon_place place;
	char stored[FDNAME_SIZE];
	struct place *p;
	struct guest *g;
	bool fresh;

	*why = NULL;
	if (daemon_find_guest(d, name) != NULL)
		*why = "guest exists";
	else if (listeners_find(&d->listeners, path) != NULL)
		*why = "socket is used by another guest or service";
	if (*why != NULL ||
	    daemon_find_place(d, pool, class, &place, why) == -1)
		return EINVAL;
	if ((p = listeners_open(&d->listeners, path,
		 &LISTENER_RIGHTS_DEFAULT)) == NULL) {
		*why = "cannot create the socket: see the log";
		return EIO;
	}
	g = place_guest(d, NULL, name, &place, &fresh);
	if (endpoint_listen(&g->vhost.endpoint, p) == 0) {
		listeners_store(&d->listeners, p,
		    store_name(stored, FDNAME_ADDED, &a), false);
		tally_guest(&d->added, g);
		return 0;
	}
	adopt_remove(d, name);
	*why = "cannot listen";
	return EIO;
}

int
adopt_remove(struct daemon *d, const char *name)
{
	struct guest *g = daemon_find_guest(d, name);

	if (g == NULL)
		return -1;
	tally_guest(&d->removed, g);
	daemon_guest_free(d, g, clock_now() + REMOVAL_TIME);
	listeners_close_unused(&d->listeners);
	return 0;
}

void
adopt_release(struct daemon *d, const char *name)
{
	const struct guest *g = daemon_find_guest(d, name);

	if (g != NULL && guest_adopted(g))
		(void)adopt_remove(d, name);
}
