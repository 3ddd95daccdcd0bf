#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "pool.h"

/* What a member was granted of this generation, void or not. */
static uint64_t
granted(const struct member *m)
{
	return m->leaf.granted + m->voided;
}

/* What the entropy process has not heard of that. */
static uint64_t
untold(const struct member *m)
{
	return granted(m) - m->told;
}

void
member_send_grants(struct pool *pool)
{
	struct member *m;
	struct frame f;

	if (!process_running(&pool->entropy))
		return;
	while ((m = TAILQ_FIRST(&pool->unsent)) != NULL) {
		frame_init(&f, PROTO_GRANT, m->consumer, pool->generation);
		f.u.grant.total = granted(m);
		if (!process_try_send(&pool->entropy, &f))
			return;
		m->told = granted(m);
		TAILQ_REMOVE(&pool->unsent, m, unsent_entry);
		m->unsent = false;
	}
}

/*
 * A member's grants come to an end: those that the entropy process has not
 * heard of were not made, of the others it knows.
 */
static void
end_grants(struct pool *pool, struct member *m)
{
	if (m->unsent)
		TAILQ_REMOVE(&pool->unsent, m, unsent_entry);
	if (!m->leaf.share.generated)
		pool->granted -= untold(m);
	m->unsent = m->blocked = false;
	m->told = m->voided = 0;
	m->want = (struct proto_want){ 0 };
	pool_update_stock(pool);
}

static struct member *
member_of(struct alloc_node *leaf)
{
	return (struct member *)(void *)((char *)leaf -
	    offsetof(struct member, leaf));
}

void
member_grant(struct pool *pool)
{
	struct alloc_node *leaf;
	struct member *m;
	uint64_t now = clock_now(), bytes;

	/* Nobody is there who could give anything: it would be spent. */
	if (!process_running(&pool->entropy))
		return;
	while ((leaf = alloc_next(&pool->alloc, now, &bytes)) != NULL) {
		m = member_of(leaf);
		if (!leaf->share.generated)
			pool->granted += bytes;
		if (!m->unsent)
			TAILQ_INSERT_TAIL(&pool->unsent, m, unsent_entry);
		m->unsent = true;
	}
	while ((leaf = alloc_hoarder(&pool->alloc)) != NULL)
		pool->ops->ask(member_of(leaf));
	member_send_grants(pool);
	pool_wake_at(pool, alloc_deadline(&pool->alloc));
}

/* Tells the entropy process how a member's grants are met. */
static void
send_delivery(struct pool *pool, const struct member *m)
{
	struct frame f;

	frame_init(&f, PROTO_DELIVERY, m->consumer, pool->generation);
	f.u.delivery = m->delivery;
	process_send(&pool->entropy, &f);
}

/*
 * Makes a byte channel for a member's worker and gives the writing end to the
 * entropy process, if there is one.  Returns the reading end, or -1.
 */
static int
connect_member(struct pool *pool, struct member *m)
{
	struct frame f;
	int fds[2];

	if (channel_bytes_pair(fds) == -1) {
		log_error("cannot make a byte channel: %s", strerror(errno));
		return -1;
	}
	frame_init(&f, PROTO_CONSUMER, m->consumer, pool->generation);
	f.fds[0] = fds[0];
	m->connected = process_running(&pool->entropy);
	if (m->connected) {
		process_send(&pool->entropy, &f);
		if (m->delivery.mode != DELIVERY_RAW)
			send_delivery(pool, m);
	} else
		close(fds[0]);
	return fds[1];
}

void
member_end_all(struct pool *pool)
{
	uint64_t now = clock_now();
	struct member *m;

	TAILQ_FOREACH(m, &pool->members, entry) {
		end_grants(pool, m);
		m->connected = false;
		alloc_restart(&pool->alloc, &m->leaf, now, m->leaf.outstanding);
	}
}

void
member_connect_all(struct pool *pool)
{
	struct member *m;

	TAILQ_FOREACH(m, &pool->members, entry)
		pool->ops->rewire(m, connect_member(pool, m));
}

/* Asks the allocator for what a member wants, and can be sent. */
static void
apply_want(struct pool *pool, struct member *m, uint64_t outstanding)
{
	uint64_t had = m->leaf.granted;

	alloc_want(&pool->alloc, &m->leaf, clock_now(),
	    m->blocked ? had : m->want.need, m->blocked ? had : m->want.room,
	    outstanding);
	member_grant(pool);
}

int
member_void(struct pool *pool, const struct frame *f)
{
	const struct proto_void *v = &f->u.voided;
	struct member *m;

	TAILQ_FOREACH(m, &pool->members, entry)
		if (m->consumer == f->hdr.consumer)
			break;
	if (m == NULL)
		return 0;
	if (v->total < m->voided || v->total > m->told || v->blocked > 1)
		return -1;
	alloc_void(&pool->alloc, &m->leaf, clock_now(), v->total - m->voided);
	m->voided = v->total;
	m->blocked = v->blocked == 1;
	apply_want(pool, m, m->leaf.outstanding);
	return 0;
}

void
member_init(struct pool *pool, struct member *m, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	*m = (struct member){ .delivery = *delivery };
	alloc_add(&pool->alloc, &m->leaf, parent, share, clock_now());
}

void
member_change(struct pool *pool, struct member *m, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	bool generated = m->leaf.share.generated;

	/* What the entropy process has not heard of will be of the new kind. */
	if (generated && !share->generated)
		pool->granted += untold(m);
	else if (!generated && share->generated)
		pool->granted -= untold(m);
	alloc_change(&pool->alloc, &m->leaf, parent, share, clock_now());
	if (memcmp(&m->delivery, delivery, sizeof(*delivery)) != 0) {
		m->delivery = *delivery;
		if (m->connected)
			send_delivery(pool, m);
	}
	pool_update_stock(pool);
	member_grant(pool);
}

void
member_remove(struct pool *pool, struct member *m)
{
	if (m->consumer != 0)
		member_leave(pool, m);
	alloc_remove(&pool->alloc, &m->leaf, clock_now());
}

int
member_join(struct pool *pool, struct member *m, uint32_t consumer)
{
	int fd;

	m->consumer = consumer;
	if ((fd = connect_member(pool, m)) == -1)
		m->consumer = 0;
	else
		TAILQ_INSERT_TAIL(&pool->members, m, entry);
	return fd;
}

void
member_leave(struct pool *pool, struct member *m)
{
	struct frame f;

	end_grants(pool, m);
	alloc_restart(&pool->alloc, &m->leaf, clock_now(), 0);
	TAILQ_REMOVE(&pool->members, m, entry);
	if (process_running(&pool->entropy) && m->connected &&
	    !process_unsend(&pool->entropy, PROTO_CONSUMER, m->consumer)) {
		frame_init(&f, PROTO_CONSUMER_GONE, m->consumer,
		    pool->generation);
		process_send(&pool->entropy, &f);
	} else if (m->connected)
		while (
		    process_unsend(&pool->entropy, PROTO_DELIVERY, m->consumer))
			continue;
	m->consumer = 0;
	m->connected = false;
	member_grant(pool);
}

int
member_want(struct pool *pool, struct member *m, const struct frame *f)
{
	const struct proto_want *want = &f->u.want;

	/* A demand from before the entropy process was replaced. */
	if (f->hdr.generation != pool->generation)
		return f->hdr.generation < pool->generation ? 0 : -1;
	if (want->received > m->leaf.granted || want->need > want->room ||
	    want->room - want->received > NEED_MAX + ALLOC_WINDOW_MAX ||
	    want->room < want->received ||
	    want->held > NEED_MAX + ALLOC_WINDOW_MAX)
		return -1;
	m->want = *want;
	apply_want(pool, m, m->leaf.granted - want->received + want->held);
	return 0;
}
