/*
 * Opens, finds and closes the places at which the daemon listens.  Used by
 * endpoints, and by the state at a reload and for adopted sockets.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/endpoint/listeners.h"
#include "parent/endpoint/service_socket.h"
#include "parent/host/deferred_close.h"

/* Connections that are accepted before other events are handled. */
#define AT_ONCE 4

static int
compare(const struct place *a, const struct place *b)
{
	return strcmp(a->key, b->key);
}

RB_GENERATE(places, place, entry, compare)

void
listeners_init(struct listeners *ls, sd_event *event, struct store *store,
    void (*incoming)(struct endpoint *))
{
	*ls = (struct listeners){
		.event = event,
		.store = store,
		.incoming = incoming,
	};
	RB_INIT(&ls->places);
}

struct place *
listeners_find(struct listeners *ls, const char *key)
{
	struct place wanted = { .key = (char *)(uintptr_t)key };

	return RB_FIND(places, &ls->places, &wanted);
}

static struct place *
new_place(const char *key)
{
	struct place *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->key = strdup(key)) == NULL)
		log_fatal("out of memory for a listener");
	p->listener.fd = -1;
	return p;
}

static void
free_place(struct place *p)
{
	if (p->where != p->key)
		free(p->where);
	free(p->stored);
	free(p->key);
	free(p);
}

/* Each is fetched alone: the one before may have closed its listener. */
static int
listen_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	const struct listeners *ls = arg;
	const struct place *p;
	struct epoll_event ev;

	(void)source, (void)revents;
	for (int i = 0; i < AT_ONCE && epoll_wait(fd, &ev, 1, 0) == 1; i++) {
		p = ev.data.ptr;
		ls->incoming(p->owner);
	}
	return 0;
}

static void
open_epoll(struct listeners *ls)
{
	int r;

	ls->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = ls->epoll == -1 ? -errno
			    : sd_event_add_io(ls->event, &ls->io, ls->epoll,
				  EPOLLIN, listen_event, ls);
	if (r < 0)
		log_fatal("cannot watch listeners: %s", strerror(-r));
}

int
listeners_watch(struct place *p, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	p->suspended = true;
	if (epoll_ctl(p->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
		p->listener.fd, &ev) == -1)
		return -1;
	p->suspended = !on;
	return 0;
}

static struct place *
add(struct listeners *ls, struct place *p)
{
	if (ls->io == NULL)
		open_epoll(ls);
	p->epoll = ls->epoll;
	if (RB_INSERT(places, &ls->places, p) != NULL)
		log_fatal("two listeners at %s", p->key);
	return p;
}

struct place *
listeners_open(struct listeners *ls, const char *path,
    const struct listener_rights *rights)
{
	struct place *p = new_place(path);

	p->where = p->key;
	p->rights = *rights;
	if (listener_open(&p->listener, p->key, SOCK_STREAM, rights) == 0)
		return add(ls, p);
	free_place(p);
	return NULL;
}

struct place *
listeners_open_service(struct listeners *ls, const struct config_service *cs)
{
	char key[CONFIG_WHERE_SIZE];
	struct place *p;

	if (cs->socket.transport == CONFIG_UNIX)
		return listeners_open(ls, cs->socket.where, &cs->rights);
	p = new_place(config_socket_text(&cs->socket, key, sizeof(key)));
	if ((p->listener.fd = service_socket_listen(cs)) != -1)
		return add(ls, p);
	free_place(p);
	return NULL;
}

struct place *
listeners_offer(struct listeners *ls, const char *key, int fd,
    enum place_origin origin)
{
	struct place *p = new_place(key);

	p->where = listener_path(fd);
	p->listener.fd = fd;
	p->origin = origin;
	listener_note_file(&p->listener, p->where);
	return add(ls, p);
}

void
listeners_look_end(struct listeners *ls)
{
	struct place_directory *d = &ls->directory;

	if (d->path == NULL)
		return;
	if (d->fd != -1)
		close(d->fd);
	free(d->path);
	d->path = NULL;
}

/* Looks at the directory of a socket file, unless it was the last one. */
static void
look_at_directory(struct listeners *ls, const char *path)
{
	struct place_directory *d = &ls->directory;
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	struct statx sx = { 0 };
	struct timespec now;

	if (d->path != NULL && strncmp(d->path, path, len) == 0 &&
	    d->path[len] == '\0')
		return;
	listeners_look_end(ls);
	if ((d->path = strndup(path, len)) == NULL)
		log_fatal("out of memory for a directory");
	d->fd = listener_directory(len == 0 ? "/" : d->path, &sx);
	d->error = errno;
	d->mount = sx.stx_mnt_id;
	d->changed = sx.stx_mtime;
	clock_gettime(CLOCK_REALTIME, &now);
	/* File systems count in ticks. */
	d->settled = llabs(now.tv_sec - sx.stx_mtime.tv_sec) > 1;
}

static enum listener_file
look_at_file(const struct place_directory *d, const struct place *p)
{
	struct stat st;

	if (fstatat(d->fd, strrchr(p->where, '/') + 1, &st,
		AT_SYMLINK_NOFOLLOW) == -1)
		return LISTENER_FILE_MISSING;
	return st.st_ino == p->listener.ino && st.st_dev == p->listener.dev
	    ? LISTENER_FILE_PRESENT
	    : LISTENER_FILE_REPLACED;
}

void
listeners_look(struct listeners *ls, struct place *p)
{
	const struct place_directory *d = &ls->directory;
	struct statx_timestamp never = { 0 };

	if (p == NULL || p->where == NULL || p->listener.mount == 0)
		return;
	look_at_directory(ls, p->where);
	if (d->fd != -1 && d->mount == p->listener.mount &&
	    d->changed.tv_sec == p->looked.tv_sec &&
	    d->changed.tv_nsec == p->looked.tv_nsec)
		return;
	p->looked = never;
	if (d->fd != -1 && d->mount == p->listener.mount) {
		p->file = look_at_file(d, p);
		p->looked = d->settled ? d->changed : never;
	} else if (d->fd != -1 || d->error == ENOENT || d->error == ENOTDIR ||
	    d->error == EAGAIN)
		p->file = LISTENER_FILE_MISSING;
	else
		p->file = LISTENER_FILE_PRESENT;
}

/* Whether looking at the file may wait for a file system. */
static bool
is_distant(const struct listener *l)
{
	return l->mount == 0 && l->ino != (ino_t)-1;
}

/* Its old socket is closed, and removed from the store. */
static void
replace_socket(struct listeners *ls, struct place *p, int old)
{
	if (p->stored == NULL) {
		deferred_close_unstored(ls->event, old);
		return;
	}
	if (!store_put(ls->store, p->stored, p->listener.fd))
		listeners_unstore(ls, p);
	deferred_close(ls->event, old);
}

int
listeners_bind_again(struct listeners *ls, struct place *p)
{
	bool watched = p->owner != NULL && !p->suspended;
	int old;

	if (p->listener.path == NULL || is_distant(&p->listener) ||
	    listener_file(&p->listener, p->where) == LISTENER_FILE_PRESENT)
		return 0;
	/* Others may have a copy of the old socket, which keeps it watched. */
	if (watched)
		(void)listeners_watch(p, false);
	old = listener_bind_again(&p->listener, SOCK_STREAM, &p->rights);
	if (old != -1)
		replace_socket(ls, p, old);
	if (watched && listeners_watch(p, true) == -1) {
		log_error("socket %s: cannot listen: %s", p->where,
		    strerror(errno));
		return -1;
	}
	return old == -1 ? -1 : 1;
}

static bool
same_rights(const struct listener_rights *a, const struct listener_rights *b)
{
	return a->owner == b->owner && a->group == b->group &&
	    a->mode == b->mode;
}

void
listeners_protect(struct place *p, const struct listener_rights *rights)
{
	if (p == NULL || p->listener.path == NULL)
		return;
	/* If this reload has created it, then with them. */
	if ((p->planned || is_distant(&p->listener)) &&
	    same_rights(&p->rights, rights))
		return;
	p->rights = *rights;
	/* The error that it cannot listen again was logged. */
	if (listener_file(&p->listener, p->where) == LISTENER_FILE_PRESENT)
		listener_protect(&p->listener, rights);
}

void
listeners_store(struct listeners *ls, struct place *p, const char *name,
    bool there)
{
	if (p->stored != NULL && strcmp(p->stored, name) == 0)
		return;
	/* systemd would ignore a second name. */
	listeners_unstore(ls, p);
	if ((there || store_put(ls->store, name, p->listener.fd)) &&
	    (p->stored = strdup(name)) == NULL)
		log_fatal("out of memory for a listener");
}

void
listeners_unstore(struct listeners *ls, struct place *p)
{
	if (p->stored != NULL)
		store_remove(ls->store, p->stored);
	free(p->stored);
	p->stored = NULL;
}

struct place *
listeners_restore(struct listeners *ls, const char *name, int fd)
{
	char *path = listener_path(fd);
	struct listener l;
	struct place *p;
	const char *why;

	if (path == NULL || listeners_find(ls, path) != NULL ||
	    listener_adopt(&l, fd, &why) == -1) {
		free(path);
		store_remove(ls->store, name);
		deferred_close(ls->event, fd);
		return NULL;
	}
	p = new_place(path);
	free(path);
	p->where = p->key;
	p->rights = LISTENER_RIGHTS_DEFAULT;
	p->origin = PLACE_ADDED;
	p->listener = l;
	p->listener.path = p->key;
	/* Without a file, it counts as missing. */
	p->listener.ino = (ino_t)-1;
	listener_note_file(&p->listener, p->key);
	listeners_store(ls, p, name, true);
	return add(ls, p);
}

void
listeners_close(struct listeners *ls, struct place *p)
{
	RB_REMOVE(places, &ls->places, p);
	service_socket_retire(p->listener.fd);
	if (p->stored != NULL) {
		store_remove(ls->store, p->stored);
		deferred_close(ls->event, listener_release(&p->listener));
	} else
		listener_close(&p->listener, ls->event);
	free_place(p);
}

static void
close_each(struct listeners *ls, bool (*is_over)(const struct place *))
{
	struct place *p, *next;

	for (p = RB_MIN(places, &ls->places); p != NULL; p = next) {
		next = RB_NEXT(places, &ls->places, p);
		if (is_over(p))
			listeners_close(ls, p);
	}
}

static bool
is_unused(const struct place *p)
{
	return p->owner == NULL && !p->planned && p->origin != PLACE_UNIT &&
	    p->origin != PLACE_ADDED;
}

static bool
is_planned(const struct place *p)
{
	return p->planned;
}

void
listeners_close_unused(struct listeners *ls)
{
	close_each(ls, is_unused);
}

void
listeners_commit(struct listeners *ls)
{
	struct place *p;

	RB_FOREACH(p, places, &ls->places)
		p->planned = false;
	close_each(ls, is_unused);
}

void
listeners_roll_back(struct listeners *ls)
{
	close_each(ls, is_planned);
}

void
listeners_free(struct listeners *ls)
{
	struct place *p;

	while ((p = RB_MIN(places, &ls->places)) != NULL) {
		RB_REMOVE(places, &ls->places, p);
		service_socket_retire(p->listener.fd);
		/* Its file is that of the next vrngd. */
		if (p->stored != NULL)
			p->listener.path = NULL;
		/* The exit of this process closes its descriptor. */
		listener_release(&p->listener);
		free_place(p);
	}
	if (ls->io == NULL)
		return;
	ls->io = sd_event_source_disable_unref(ls->io);
	close(ls->epoll);
}
