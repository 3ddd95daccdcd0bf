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
#include <unistd.h>

#include "parent/host/aside.h"
#include "parent/host/event.h"
#include "parent/state/service_adopt.h"
#include "parent/state/service_parts.h"
#include "parent/pool/socket.h"

#define REMOVAL_TIME (100 * NS_PER_MS) /* for a child to end by itself */
#define ORPHAN_TIME  (60 * NS_PER_SEC) /* for a session's guest to come */
#define RUN	     "/run/"

static bool
same_socket(int a, int b)
{
	uint64_t x, y;
	socklen_t xlen = sizeof(x), ylen = sizeof(y);

	return getsockopt(a, SOL_SOCKET, SO_COOKIE, &x, &xlen) == 0 &&
	    getsockopt(b, SOL_SOCKET, SO_COOKIE, &y, &ylen) == 0 && x == y;
}

/* The path that a unix socket is bound to, allocated; NULL if it has none. */
static char *
socket_path(int fd)
{
	union socket_address a = { 0 };
	socklen_t len = sizeof(a);
	size_t n;

	if (getsockname(fd, &a.sa, &len) == -1 || len > sizeof(a.sun) ||
	    a.sun.sun_path[0] != '/')
		return NULL;
	n = len - offsetof(struct sockaddr_un, sun_path);
	return service_must(strndup(a.sun.sun_path, n));
}

/* Puts the listener in the store, by a name that says where the guest is. */
static void
store_listener(struct service *s, struct guest *g,
    const struct service_adoption *a)
{
	char name[PASSED_NAME_SIZE];

	if (a->from == ADOPTED_UNIT)
		return;
	if (a->pool[0] == '\0' && a->class[0] == '\0')
		snprintf(name, sizeof(name), PASSED_LISTENER "%s", a->name);
	else
		snprintf(name, sizeof(name), PASSED_LISTENER "%s+%s+%s",
		    a->name, a->pool, a->class);
	if (g->stored != NULL && strcmp(g->stored, name) == 0)
		return;
	/* By two names systemd would keep it under the first. */
	if (g->stored != NULL)
		store_remove(&s->store, g->stored);
	free(g->stored);
	g->stored = NULL;
	if (a->from == ADOPTED_STORED ||
	    store_put(&s->store, name, g->listener.fd))
		g->stored = service_must(strdup(name));
}

/* Listens there from now on. */
static int
set_listener(struct service *s, struct guest *g, const struct listener *l)
{
	service_unpass(s, g);
	g->listener = *l;
	g->passed = true;
	free(g->path);
	g->path = socket_path(l->fd);
	return guest_listen(g);
}

/* Why a guest cannot have that listener; NULL: it can. */
static const char *
refusal(const struct guest *g)
{
	if (g == NULL || g->passed || g->listener.fd == -1)
		return NULL;
	return "it has a socket of its own: where that was configured, write "
	       "socket = systemd";
}

/* Closes what was not adopted. */
static void
refuse(struct service *s, const struct service_adoption *a)
{
	if (a->from == ADOPTED_STORED)
		aside_close(s->env->event, a->fd);
	else
		aside_close_unstored(s->env->event, a->fd);
}

int
service_adopt(struct service *s, const struct service_adoption *a,
    const char **why)
{
	struct guest *g = service_find_guest(s, a->name);
	struct service_place place;
	struct listener l;

	if (listener_adopt(&l, a->fd, why) == -1) {
		refuse(s, a);
		return EINVAL;
	}
	if ((*why = refusal(g)) != NULL ||
	    ((g == NULL || g->added) &&
		service_find_place(s, a->pool, a->class, &place, why) == -1)) {
		refuse(s, a);
		return EINVAL;
	}
	if (g != NULL && g->added && g->pool != place.pool) {
		event_log(EVENT_GUEST_MOVED, &g->subject, NULL,
		    "moved to another pool: its connection ends");
		service_guest_free(s, g, clock_now() + REMOVAL_TIME);
		g = NULL;
	}
	if (g == NULL) {
		g = service_guest_new(s, a->name, place.pool, place.parent,
		    &place.share, place.terms);
		g->added = true;
		g->subject.class = place.class;
		event_log(EVENT_GUEST_ADDED, &g->subject, NULL, "added");
	} else if (g->added) {
		guest_change(g, place.parent, &place.share, place.terms);
		g->subject.class = place.class;
	}
	if (g->passed && same_socket(g->listener.fd, l.fd))
		listener_close(&l, s->env->event);
	else if (set_listener(s, g, &l) == -1) {
		*why = "cannot listen";
		return EIO;
	}
	store_listener(s, g, a);
	return 0;
}

/* Whether the guest's unit has been stopped while no vrngd ran. */
static bool
is_stale(int fd)
{
	char *path = socket_path(fd);
	struct stat st;
	bool stale;

	/* Of what is elsewhere, not all might be in sight. */
	stale = path != NULL && strncmp(path, RUN, strlen(RUN)) == 0 &&
	    lstat(path, &st) == -1 && errno == ENOENT;
	free(path);
	return stale;
}

/* Takes a name in the store apart: NAME or NAME+POOL+CLASS. */
static int
take_apart(char *text, struct service_adoption *a)
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

/* What cannot be adopted is closed, and is not kept for the next vrngd. */
static void
adopt_stored(struct service *s, const char *name, int fd)
{
	char text[PASSED_NAME_SIZE], stored[PASSED_NAME_SIZE];
	struct service_adoption a = { .fd = fd, .from = ADOPTED_STORED };
	const char *why = "its name makes no sense";
	int error = EINVAL;

	strlcpy(text, name, sizeof(text));
	if (is_stale(fd)) {
		why = "its socket has been removed";
		aside_close(s->env->event, fd);
	} else if (take_apart(text, &a) == -1)
		aside_close(s->env->event, fd);
	else
		error = service_adopt(s, &a, &why);
	if (error == 0)
		return;
	event_log(EVENT_NOT_RESUMED, NULL,
	    LOG_FIELDS(LOG_TEXT("VRNGD_GUEST", name),
		LOG_TEXT("VRNGD_REASON", why)),
	    "guest %s is not taken over from the last vrngd: %s", name, why);
	strlcpy(stored, PASSED_LISTENER, sizeof(stored));
	strlcat(stored, name, sizeof(stored));
	store_remove(&s->store, stored);
}

static void
adopt_unit(struct service *s, const char *name, int fd)
{
	const struct service_adoption a = {
		.name = name,
		.pool = "",
		.class = "",
		.fd = fd,
		.from = ADOPTED_UNIT,
	};
	const char *why;

	if (service_adopt(s, &a, &why) != 0)
		log_error("guest %s, whose socket systemd passed: %s", name,
		    why);
}

/* A socket of a service stays, since a reload may make use of it. */
static void
say_unused(struct service *s, const struct passed_fd *p)
{
	static const struct {
		const char *prefix;
		const char *word;
		enum config_outlet_kind kind;
	} kinds[] = {
		{ PASSED_EGD, "egd", CONFIG_OUTLET_EGD },
		{ PASSED_STREAM, "stream", CONFIG_OUTLET_STREAM },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);
		const char *name = p->name + n;
		const struct outlet *o;

		if (strncmp(p->name, kinds[i].prefix, n) != 0)
			continue;
		o = service_find_outlet(s, kinds[i].kind, name);
		if (o == NULL || !o->config.socket.passed)
			log_warning("systemd passed a socket for %s \"%s\", "
				    "which the configuration does not have: "
				    "nobody is served there",
			    kinds[i].word, name);
	}
}

/* Sessions whose guests have not come back. */
static int
end_orphans(sd_event_source *source, uint64_t usec, void *arg)
{
	struct service *s = arg;
	char name[PASSED_NAME_SIZE], stored[PASSED_NAME_SIZE];
	int fd;

	(void)source;
	(void)usec;
	while ((fd = passed_take(&s->passed, PASSED_SESSION, name)) != -1) {
		strlcpy(stored, PASSED_SESSION, sizeof(stored));
		strlcat(stored, name, sizeof(stored));
		store_remove(&s->store, stored);
		aside_close(s->env->event, fd);
		event_log(EVENT_NOT_RESUMED, NULL,
		    LOG_FIELDS(LOG_TEXT("VRNGD_GUEST", name),
			LOG_TEXT("VRNGD_REASON", "it is not served")),
		    "guest %s is not there any more: its connection, of the "
		    "last vrngd, ends",
		    name);
	}
	return 0;
}

static void
wait_for_guests(struct service *s)
{
	const struct passed_fd *p;
	int r = 0;

	TAILQ_FOREACH(p, &s->passed.fds, entry)
		if (strncmp(p->name, PASSED_SESSION, strlen(PASSED_SESSION)) ==
		    0)
			break;
	if (p != NULL)
		r = sd_event_add_time_relative(s->env->event, &s->orphans,
		    CLOCK_MONOTONIC, ORPHAN_TIME / 1000, 0, end_orphans, s);
	if (r < 0)
		log_error("cannot make a timer: %s", strerror(-r));
}

void
service_adopt_passed(struct service *s)
{
	char name[PASSED_NAME_SIZE];
	const struct passed_fd *p;
	int fd;

	while ((fd = passed_take(&s->passed, PASSED_LISTENER, name)) != -1)
		adopt_stored(s, name, fd);
	while ((fd = passed_take(&s->passed, PASSED_GUEST, name)) != -1)
		adopt_unit(s, name, fd);
	TAILQ_FOREACH(p, &s->passed.fds, entry)
		say_unused(s, p);
	wait_for_guests(s);
}
