/*
 * Stores descriptors in systemd's file descriptor store and removes them.  Used
 * by guests, and by the state at a restart.
 */
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "parent/host/event.h"
#include "parent/host/sdnotify.h"
#include "parent/host/store.h"

#define STORE_MAX 1000000 /* descriptors; maximum of $FDSTORE */

struct store_entry {
	TAILQ_ENTRY(store_entry) entry;
	char name[FDNAME_SIZE];
};

static struct store_entry *
find(const struct store *s, const char *name)
{
	struct store_entry *e;

	TAILQ_FOREACH(e, &s->entries, entry)
		if (strcmp(e->name, name) == 0)
			break;
	return e;
}

static void
note(struct store *s, const char *name)
{
	struct store_entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		log_fatal("out of memory for a name");
	strlcpy(e->name, name, sizeof(e->name));
	TAILQ_INSERT_TAIL(&s->entries, e, entry);
	s->n++;
	s->bytes += strlen(name) + 1;
}

static void
forget(struct store *s, struct store_entry *e)
{
	TAILQ_REMOVE(&s->entries, e, entry);
	s->n--;
	s->bytes -= strlen(e->name) + 1;
	free(e);
}

void
store_init(struct store *s, const struct listen_fds *passed)
{
	const char *max = getenv("FDSTORE");
	const struct listen_fd *p;

	*s = (struct store){ 0 };
	TAILQ_INIT(&s->entries);
	log_limit_init(&s->log_limit, clock_now());
	if (max != NULL && sdnotify_available())
		s->max = (size_t)strtonum(max, 0, STORE_MAX, NULL);
	TAILQ_FOREACH(p, &passed->fds, entry)
		if (listen_fds_is_stored(p->name))
			note(s, p->name);
}

static void
say_full(struct store *s, const char *name)
{
	uint32_t suppressed;

	if (!log_limit_pass(&s->log_limit, clock_now(), &suppressed))
		return;
	if (s->n >= s->max)
		event_log(EVENT_NOT_KEPT, NULL, NULL,
		    "file descriptor store is full, raise "
		    "FileDescriptorStoreMax= and FDSTORE of the service: %s, "
		    "%zu descriptors",
		    name, s->max);
	else
		event_log(EVENT_NOT_KEPT, NULL, NULL,
		    "file descriptor store is full, use shorter names: %s, "
		    "%zu bytes of names",
		    name, s->bytes);
}

bool
store_put(struct store *s, const char *name, int fd)
{
	if (s->max == 0)
		return false;
	store_remove(s, name);
	if (s->n >= s->max || s->bytes + strlen(name) + 1 > STORE_NAMES_MAX) {
		say_full(s, name);
		return false;
	}
	if (sdnotify_store(name, fd) == -1) {
		event_log(EVENT_NOT_KEPT, NULL, NULL,
		    "cannot store %s in the file descriptor store: %s", name,
		    strerror(errno));
		return false;
	}
	note(s, name);
	return true;
}

void
store_remove(struct store *s, const char *name)
{
	struct store_entry *e = find(s, name);

	if (e == NULL)
		return;
	sdnotify_unstore(name);
	forget(s, e);
}

void
store_close(struct store *s)
{
	struct store_entry *e;

	while ((e = TAILQ_FIRST(&s->entries)) != NULL) {
		TAILQ_REMOVE(&s->entries, e, entry);
		free(e);
	}
	s->n = s->bytes = 0;
}
