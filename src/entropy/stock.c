/*
 * The ring of bytes between a reader and the main thread.  Used by source.c,
 * supply.c and delivery.c.
 */
#include <errno.h>
#include <string.h>

#include "common/locked.h"
#include "common/log.h"
#include "entropy/stock.h"

void
stock_init(struct stock *s, size_t capacity)
{
	memset(s, 0, sizeof(*s));
	s->capacity = capacity;
	s->bytes = locked_map(capacity);
	if ((errno = pthread_mutex_init(&s->lock, NULL)) != 0 ||
	    (errno = pthread_cond_init(&s->room, NULL)) != 0)
		log_fatal("cannot create a lock: %s", strerror(errno));
}

/* Needs the lock. */
static bool
has_room(const struct stock *s, size_t want)
{
	return s->capacity - s->held - s->kept >= want;
}

/* Records whether `want` bytes must wait for room; needs the lock. */
static bool
note_full(struct stock *s, size_t want)
{
	s->full = !has_room(s, want);
	if (s->full)
		s->most = s->capacity - s->kept - want;
	return s->full;
}

bool
stock_has_room(struct stock *s, size_t want)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = has_room(s, want);
	pthread_mutex_unlock(&s->lock);
	return room;
}

uint8_t *
stock_reserve(struct stock *s, size_t want, size_t *n)
{
	size_t end;
	bool full;

	pthread_mutex_lock(&s->lock);
	while ((full = note_full(s, want)) && !s->ended)
		pthread_cond_wait(&s->room, &s->lock);
	end = (s->start + s->held + s->kept) % s->capacity;
	pthread_mutex_unlock(&s->lock);
	if (full)
		return NULL;
	*n = s->capacity - end < want ? s->capacity - end : want;
	return s->bytes + end;
}

void
stock_keep(struct stock *s, size_t n)
{
	s->kept += n;
}

void
stock_release(struct stock *s, size_t next)
{
	pthread_mutex_lock(&s->lock);
	s->held += s->kept;
	s->kept = 0;
	note_full(s, next);
	pthread_mutex_unlock(&s->lock);
}

void
stock_forget(struct stock *s)
{
	size_t first, end;

	pthread_mutex_lock(&s->lock);
	end = (s->start + s->held) % s->capacity;
	pthread_mutex_unlock(&s->lock);
	first = s->capacity - end < s->kept ? s->capacity - end : s->kept;
	explicit_bzero(s->bytes + end, first);
	explicit_bzero(s->bytes, s->kept - first);
	s->kept = 0;
}

static void
set_ended(struct stock *s, bool ended)
{
	pthread_mutex_lock(&s->lock);
	s->ended = ended;
	pthread_mutex_unlock(&s->lock);
	if (ended)
		pthread_cond_signal(&s->room);
}

void
stock_end(struct stock *s)
{
	set_ended(s, true);
}

void
stock_begin(struct stock *s)
{
	set_ended(s, false);
}

size_t
stock_held(struct stock *s)
{
	size_t held;

	pthread_mutex_lock(&s->lock);
	held = s->held;
	pthread_mutex_unlock(&s->lock);
	return held;
}

bool
stock_full(struct stock *s)
{
	bool full;

	pthread_mutex_lock(&s->lock);
	full = s->full;
	pthread_mutex_unlock(&s->lock);
	return full;
}

size_t
stock_peek(struct stock *s, size_t n, struct iovec iov[2])
{
	size_t first, held = stock_held(s);

	if (n > held)
		n = held;
	first = s->capacity - s->start < n ? s->capacity - s->start : n;
	iov[0] = (struct iovec){ s->bytes + s->start, first };
	iov[1] = (struct iovec){ s->bytes, n - first };
	return n;
}

void
stock_remove(struct stock *s, size_t n)
{
	struct iovec iov[2];
	bool room;

	stock_peek(s, n, iov);
	explicit_bzero(iov[0].iov_base, iov[0].iov_len);
	explicit_bzero(iov[1].iov_base, iov[1].iov_len);
	pthread_mutex_lock(&s->lock);
	s->start = (s->start + n) % s->capacity;
	s->held -= n;
	room = s->full && s->held <= s->most;
	if (room)
		s->full = false;
	pthread_mutex_unlock(&s->lock);
	/* With the lock, the reader would wake up and wait for that. */
	if (room)
		pthread_cond_signal(&s->room);
}
