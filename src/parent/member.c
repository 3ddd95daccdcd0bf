#include <stddef.h>
#include <string.h>

#include "log.h"
#include "pool.h"

static struct member *
member_of(struct alloc_node *leaf)
{
	return (struct member *)(void *)((char *)leaf -
	    offsetof(struct member, leaf));
}

/* The first tap that misses something, and how much. */
static struct tap *
first_missing(const struct member *m, uint64_t (*missing)(const struct tap *),
    uint64_t *bytes)
{
	struct tap *t;

	TAILQ_FOREACH(t, &m->taps, entry)
		if ((*bytes = missing(t)) > 0)
			break;
	return t;
}

/* Divides a grant among the taps by turns; requests that wait come first. */
static void
give(struct pool *pool, struct member *m, uint64_t bytes)
{
	struct tap *t;
	uint64_t n;

	while (bytes > 0) {
		if ((t = first_missing(m, tap_need, &n)) == NULL)
			t = first_missing(m, tap_room, &n);
		if (t == NULL)
			log_fatal("bytes were granted that nobody wants");
		if (n > bytes)
			n = bytes;
		bytes -= n;
		TAILQ_REMOVE(&m->taps, t, entry);
		TAILQ_INSERT_TAIL(&m->taps, t, entry);
		tap_grant(pool, t, n);
	}
}

/* What a hoarder wants does not count until it tells again. */
static void
ask(struct member *m)
{
	struct tap *t;

	TAILQ_FOREACH(t, &m->taps, entry) {
		t->want.need = t->want.room = 0;
		t->outstanding = 0;
		t->ops->ask(t);
	}
}

void
member_grant(struct pool *pool)
{
	struct alloc_node *leaf;
	uint64_t now = clock_now(), bytes;

	/* Nobody is there who could give anything: it would be spent. */
	if (!process_running(&pool->entropy))
		return;
	while ((leaf = alloc_next(&pool->alloc, now, &bytes)) != NULL)
		give(pool, member_of(leaf), bytes);
	while ((leaf = alloc_hoarder(&pool->alloc)) != NULL)
		ask(member_of(leaf));
	tap_send_grants(pool);
	pool_wake_at(pool, alloc_deadline(&pool->alloc));
}

void
member_want(struct pool *pool, struct member *m)
{
	uint64_t need = m->leaf.granted, room = need, outstanding = 0;
	const struct tap *t;

	TAILQ_FOREACH(t, &m->taps, entry) {
		need += tap_need(t);
		room += tap_room(t);
		outstanding += t->outstanding;
	}
	alloc_want(&pool->alloc, &m->leaf, clock_now(), need, room,
	    outstanding);
	member_grant(pool);
}

void
member_init(struct pool *pool, struct member *m, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	*m = (struct member){ .delivery = *delivery };
	TAILQ_INIT(&m->taps);
	alloc_add(&pool->alloc, &m->leaf, parent, share, clock_now());
}

/* What the entropy process has not heard of will be of the new kind. */
static void
change_kind(struct pool *pool, const struct member *m, bool generated)
{
	const struct tap *t;

	if (m->leaf.share.generated == generated)
		return;
	TAILQ_FOREACH(t, &m->taps, entry)
		if (generated)
			pool->granted -= tap_untold(t);
		else
			pool->granted += tap_untold(t);
}

void
member_change(struct pool *pool, struct member *m, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	const struct tap *t;
	bool other = memcmp(&m->delivery, delivery, sizeof(*delivery)) != 0;

	change_kind(pool, m, share->generated);
	alloc_change(&pool->alloc, &m->leaf, parent, share, clock_now());
	m->delivery = *delivery;
	if (other)
		TAILQ_FOREACH(t, &m->taps, entry)
			tap_deliver(pool, t);
	pool_update_stock(pool);
	member_grant(pool);
}

void
member_remove(struct pool *pool, struct member *m)
{
	alloc_remove(&pool->alloc, &m->leaf, clock_now());
}
