/*
 * A consumer: its byte channel, its demand and its grants.  Used by guests and
 * services, one for each worker.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/pool/pool.h"

static uint64_t
min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
tap_need(const struct tap *t)
{
	return t->blocked || t->want.need < t->granted
	    ? 0
	    : t->want.need - t->granted;
}

uint64_t
tap_room(const struct tap *t)
{
	return t->blocked || t->want.room < t->granted
	    ? 0
	    : t->want.room - t->granted;
}

uint64_t
tap_untold(const struct tap *t)
{
	return t->granted + t->voided - t->told;
}

void
tap_grant(struct pool *pool, struct tap *t, uint64_t bytes)
{
	t->granted += bytes;
	t->given += bytes;
	t->outstanding += bytes;
	if (!t->member->leaf.share.generated)
		pool->granted += bytes;
	if (!t->unsent)
		TAILQ_INSERT_TAIL(&pool->unsent, t, unsent_entry);
	t->unsent = true;
}

void
tap_send_grants(struct pool *pool)
{
	struct tap *t;
	struct frame f;

	if (!process_running(&pool->entropy))
		return;
	while ((t = TAILQ_FIRST(&pool->unsent)) != NULL) {
		frame_init(&f, PROTO_GRANT, t->consumer, pool->generation);
		f.u.grant.total = t->granted + t->voided;
		if (!process_try_send(&pool->entropy, &f))
			return;
		t->told = f.u.grant.total;
		TAILQ_REMOVE(&pool->unsent, t, unsent_entry);
		t->unsent = false;
		process_expect(&pool->entropy);
		if (t->ops->granted != NULL)
			t->ops->granted(t);
	}
}

/*
 * A tap's grants come to an end: those that the entropy process has not heard
 * of were not made, of the others it knows.
 */
static void
end_grants(struct pool *pool, struct tap *t)
{
	if (t->unsent)
		TAILQ_REMOVE(&pool->unsent, t, unsent_entry);
	if (!t->member->leaf.share.generated)
		pool->granted -= tap_untold(t);
	t->given -= tap_untold(t);
	t->unsent = t->blocked = false;
	t->granted = t->told = t->voided = 0;
	t->want = (struct proto_want){ 0 };
	pool_update_stock(pool);
}

void
tap_deliver(struct pool *pool, const struct tap *t)
{
	struct frame f;

	/* Of one that has ended, another is told when it knows the tap. */
	if (!t->connected || !process_running(&pool->entropy))
		return;
	frame_init(&f, PROTO_DELIVERY, t->consumer, pool->generation);
	f.u.delivery = t->member->delivery;
	process_send(&pool->entropy, &f);
}

/*
 * Makes a byte channel for a tap's worker and gives the writing end to the
 * entropy process, if there is one.  Returns the reading end, or -1.
 */
static int
connect_tap(struct pool *pool, struct tap *t)
{
	struct frame f;
	int fds[2];

	if (channel_pair(fds) == -1) {
		log_error("cannot make a byte channel: %s", strerror(errno));
		return -1;
	}
	frame_init(&f, PROTO_CONSUMER, t->consumer, pool->generation);
	f.fds[0] = fds[0];
	t->connected = process_running(&pool->entropy);
	if (t->connected) {
		process_send(&pool->entropy, &f);
		if (t->member->delivery.mode != DELIVERY_RAW)
			tap_deliver(pool, t);
	} else
		close(fds[0]);
	return fds[1];
}

/* What was granted is outstanding still, as far as anybody knows. */
void
tap_end_all(struct pool *pool)
{
	uint64_t now = clock_now();
	struct alloc_node *leaf;
	struct tap *t;

	TAILQ_FOREACH(t, &pool->taps, pool_entry) {
		end_grants(pool, t);
		t->connected = false;
		leaf = &t->member->leaf;
		alloc_restart(&pool->alloc, leaf, now, leaf->outstanding);
	}
}

void
tap_connect_all(struct pool *pool)
{
	struct tap *t;

	TAILQ_FOREACH(t, &pool->taps, pool_entry)
		t->ops->rewire(t, connect_tap(pool, t));
}

int
tap_void(struct pool *pool, const struct frame *f)
{
	const struct proto_void *v = &f->u.voided;
	uint64_t bytes;
	struct tap *t;

	TAILQ_FOREACH(t, &pool->taps, pool_entry)
		if (t->consumer == f->hdr.consumer)
			break;
	if (t == NULL)
		return 0;
	if (v->total < t->voided || v->total > t->told || v->blocked > 1)
		return -1;
	bytes = v->total - t->voided;
	alloc_void(&pool->alloc, &t->member->leaf, clock_now(), bytes);
	t->granted -= bytes;
	t->given -= bytes;
	t->outstanding -= min(t->outstanding, bytes);
	t->voided = v->total;
	t->blocked = v->blocked == 1;
	member_want(pool, t->member);
	return 0;
}

void
tap_init(struct tap *t, struct member *m, const struct tap_ops *ops, void *arg)
{
	*t = (struct tap){ .member = m, .ops = ops, .arg = arg };
}

int
tap_join(struct pool *pool, struct tap *t, uint32_t consumer)
{
	int fd;

	t->consumer = consumer;
	if ((fd = connect_tap(pool, t)) == -1) {
		t->consumer = 0;
		return -1;
	}
	TAILQ_INSERT_TAIL(&t->member->taps, t, entry);
	TAILQ_INSERT_TAIL(&pool->taps, t, pool_entry);
	pool_active(pool);
	return fd;
}

void
tap_leave(struct pool *pool, struct tap *t)
{
	struct frame f;

	if (t->consumer == 0)
		return;
	end_grants(pool, t);
	t->outstanding = 0;
	TAILQ_REMOVE(&t->member->taps, t, entry);
	TAILQ_REMOVE(&pool->taps, t, pool_entry);
	if (process_running(&pool->entropy) && t->connected &&
	    !process_unsend(&pool->entropy, PROTO_CONSUMER, t->consumer)) {
		frame_init(&f, PROTO_CONSUMER_GONE, t->consumer,
		    pool->generation);
		process_send(&pool->entropy, &f);
	} else if (t->connected)
		while (
		    process_unsend(&pool->entropy, PROTO_DELIVERY, t->consumer))
			continue;
	t->consumer = 0;
	t->connected = false;
	member_want(pool, t->member);
}

int
tap_want(struct pool *pool, struct tap *t, const struct frame *f)
{
	const struct proto_want *want = &f->u.want;

	/* A demand from before the entropy process was replaced. */
	if (f->hdr.generation != pool->generation)
		return f->hdr.generation < pool->generation ? 0 : -1;
	if (want->received > t->granted || want->need > want->room ||
	    want->room - want->received > NEED_MAX + ALLOC_WINDOW_MAX ||
	    want->room < want->received ||
	    want->held > NEED_MAX + ALLOC_WINDOW_MAX)
		return -1;
	t->want = *want;
	t->outstanding =
	    min(t->outstanding, t->granted - want->received + want->held);
	member_want(pool, t->member);
	return 0;
}
