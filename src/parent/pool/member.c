/*
 * The members of a pool: the leaves of its tree, with their limits and
 * statistics.  Used by guests and services, which are members, and by pool.c.
 */
#include <stddef.h>
#include <string.h>

#include "common/log.h"
#include "parent/pool/pool.h"

#define WATCH_INTERVAL NS_PER_SEC /* between looks at the entropy process */

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

/* For how long its kind of bytes has not been there, as of `now`. */
static uint64_t
dry(const struct pool *pool, const struct member *m, uint64_t now)
{
	if (m->leaf.share.generated)
		return 0;
	return pool->dry_total +
	    (pool->dry_since == 0 ? 0 : now - pool->dry_since);
}

/* Keeps account of how long its requests wait because of its limits. */
static void
watch(struct pool *pool, struct member *m, uint64_t now)
{
	struct throttle *t = &m->throttle;
	const struct alloc_node *limit = alloc_limit(&m->leaf);
	bool tell = false;

	if (!t->waiting && limit != NULL)
		throttle_begin(t, now, dry(pool, m, now));
	else if (t->waiting && m->leaf.waiting > 0)
		tell = throttle_go_on(t, now, dry(pool, m, now));
	else if (t->waiting)
		tell = throttle_end(t, now, dry(pool, m, now));
	if (limit != NULL)
		m->limit = limit;
	if (tell)
		pool->ops->throttled(pool, m, pool->arg);
}

/* Notes since when requests have waited for stock. */
static void
watch_stock(struct pool *pool, uint64_t now)
{
	const struct alloc_node *root = &pool->alloc.root;
	bool is_dry =
	    pool->alloc.stock < GRANT_MIN && root->waiting > root->generating;

	if (is_dry == (pool->dry_since != 0))
		return;
	if (!is_dry)
		pool->dry_total += now - pool->dry_since;
	pool->dry_since = is_dry ? now : 0;
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

/*
 * Has the allocator run when it wants to.  Requests that wait are work for the
 * entropy process even if none can be granted: it is watched as long as they do.
 */
static void
wake(struct pool *pool, uint64_t now)
{
	uint64_t at = alloc_deadline(&pool->alloc);

	if (pool->alloc.root.waiting > 0) {
		process_expect(&pool->entropy);
		if (at > now + WATCH_INTERVAL)
			at = now + WATCH_INTERVAL;
	}
	pool_wake_at(pool, at);
}

void
member_grant(struct pool *pool)
{
	struct alloc_node *leaf;
	uint64_t now = clock_now(), bytes;

	/* Nobody is there who could give anything: it would be spent. */
	if (!process_running(&pool->entropy)) {
		watch_stock(pool, now);
		return;
	}
	while ((leaf = alloc_next(&pool->alloc, now, &bytes)) != NULL) {
		struct member *m = member_of(leaf);

		pool_active(pool);
		give(pool, m, bytes);
		if (m->throttle.waiting || leaf->waiting > 0)
			watch(pool, m, now);
	}
	watch_stock(pool, now);
	while ((leaf = alloc_hoarder(&pool->alloc)) != NULL)
		ask(member_of(leaf));
	tap_send_grants(pool);
	wake(pool, now);
}

void
member_want(struct pool *pool, struct member *m)
{
	uint64_t need = m->leaf.granted, room = need, outstanding = 0;
	uint64_t now = clock_now();
	const struct tap *t;

	TAILQ_FOREACH(t, &m->taps, entry) {
		need += tap_need(t);
		room += tap_room(t);
		outstanding += t->outstanding;
	}
	alloc_want(&pool->alloc, &m->leaf, now, need, room, outstanding);
	member_grant(pool);
	if (m->leaf.waiting > 0 || m->throttle.waiting) {
		pool_active(pool);
		watch(pool, m, now);
	}
}

void
member_init(struct pool *pool, struct member *m, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	*m = (struct member){ .delivery = *delivery, .limit = &m->leaf };
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
	m->throttle.waiting = false;
	m->limit = &m->leaf;
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
