/*
 * Consumers: their demand, the grants that the allocator makes to them, and
 * their byte channels.  Used by guests and services, one for each worker, and
 * by pool.c.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/pool/consumer.h"
#include "parent/pool/pool_state.h"

#define WATCH_INTERVAL NS_PER_SEC /* between looks at the entropy process */

static int
compare(const struct consumer *a, const struct consumer *b)
{
	return a->flow->number < b->flow->number
	    ? -1
	    : a->flow->number > b->flow->number;
}

RB_PROTOTYPE(consumers, consumer, flow->pool_entry, compare)
RB_GENERATE(consumers, consumer, flow->pool_entry, compare)

static struct consumer *
consumer_of(struct alloc_node *leaf)
{
	return (struct consumer *)(void *)((char *)leaf -
	    offsetof(struct consumer, leaf));
}

/* The time for which its kind of bytes has not been available (ns). */
static uint64_t
dry(const struct pool *pool, const struct consumer *c, uint64_t now)
{
	if (c->leaf.generated)
		return 0;
	return pool->dry_total +
	    (pool->dry_since == 0 ? 0 : now - pool->dry_since);
}

/* Measures how long its requests wait because of limits. */
static void
watch(struct pool *pool, struct consumer *c, uint64_t now)
{
	struct throttle *t = &c->flow->throttle;
	const struct alloc_node *limit = alloc_limit(&c->leaf);
	bool report = false;

	if (!t->waiting && limit != NULL)
		throttle_begin(t, now, dry(pool, c, now));
	else if (t->waiting && c->leaf.waiting > 0)
		report = throttle_go_on(t, now, dry(pool, c, now));
	else if (t->waiting)
		report = throttle_end(t, now, dry(pool, c, now));
	if (limit != NULL)
		c->flow->limit = limit;
	if (report)
		pool->ops->throttled(pool, c, pool->arg);
}

uint64_t
consumer_throttled_ns(const struct pool *pool, const struct consumer *c)
{
	struct throttle t;
	uint64_t now;

	if (c->flow == NULL)
		return 0;
	t = c->flow->throttle;
	if (t.waiting) {
		now = clock_now();
		throttle_end(&t, now, dry(pool, c, now));
	}
	return t.total;
}

/* Updates the time since which requests wait for stock. */
static void
watch_stock(struct pool *pool, uint64_t now)
{
	const struct alloc_node *root = &pool->alloc.root.node;
	bool is_dry =
	    pool->alloc.stock < GRANT_MIN && root->waiting > root->generating;

	if (is_dry == (pool->dry_since != 0))
		return;
	if (!is_dry)
		pool->dry_total += now - pool->dry_since;
	pool->dry_since = is_dry ? now : 0;
}

void
pool_update_stock(struct pool *pool)
{
	uint64_t available = 0;

	if (process_running(&pool->entropy) && pool->stock > pool->granted)
		available = pool->stock - pool->granted;
	alloc_stock(&pool->alloc, available, pool->capacity);
}

/* Granted bytes not yet reported to the entropy process. */
static uint64_t
pending(const struct consumer *c)
{
	if (c->flow == NULL)
		return 0;
	return c->leaf.granted + c->flow->voided - c->flow->announced;
}

static void
grant(struct pool *pool, struct consumer *c, uint64_t bytes)
{
	c->given += bytes;
	if (!c->leaf.generated)
		pool->granted += bytes;
	if (!c->flow->unsent)
		TAILQ_INSERT_TAIL(&pool->unsent, c, flow->unsent_entry);
	c->flow->unsent = true;
}

void
consumer_send_grants(struct pool *pool)
{
	struct consumer *c;
	struct frame f;

	if (!process_running(&pool->entropy))
		return;
	while ((c = TAILQ_FIRST(&pool->unsent)) != NULL) {
		frame_init(&f, PROTO_GRANT, c->flow->number, pool->generation);
		f.u.grant.total = c->leaf.granted + c->flow->voided;
		if (!process_try_send(&pool->entropy, &f))
			return;
		c->flow->announced = f.u.grant.total;
		TAILQ_REMOVE(&pool->unsent, c, flow->unsent_entry);
		c->flow->unsent = false;
		process_expect(&pool->entropy);
		if (c->ops->granted != NULL)
			c->ops->granted(c);
	}
}

/*
 * Sets the timer of the allocator.  Waiting requests are work for the entropy
 * process even if none can be granted, so it is watched meanwhile.
 */
static void
wake(struct pool *pool, uint64_t now)
{
	uint64_t at = alloc_deadline(&pool->alloc);
	uint64_t earliest = pool->woken + alloc_slack(&pool->alloc);

	if (pool->alloc.root.node.waiting > 0) {
		process_expect(&pool->entropy);
		if (at > now + WATCH_INTERVAL)
			at = now + WATCH_INTERVAL;
	}
	if (at == ALLOC_NEVER)
		timer_stop(&pool->timer);
	else
		timer_at(&pool->timer, at < earliest ? earliest : at);
}

void
pool_grant(struct pool *pool)
{
	struct alloc_node *leaf;
	struct consumer *c;
	uint64_t now = clock_now(), bytes;

	/* Without an entropy process a grant would be lost. */
	if (!process_running(&pool->entropy)) {
		watch_stock(pool, now);
		return;
	}
	while ((leaf = alloc_next(&pool->alloc, now, &bytes)) != NULL) {
		c = consumer_of(leaf);
		pool_active(pool);
		grant(pool, c, bytes);
		if (c->flow->throttle.waiting || leaf->waiting > 0)
			watch(pool, c, now);
	}
	watch_stock(pool, now);
	while ((leaf = alloc_hoarder(&pool->alloc)) != NULL) {
		/* Its demand does not count until it is sent again. */
		c = consumer_of(leaf);
		c->flow->want.need = c->flow->want.room = 0;
		c->ops->ask(c);
	}
	consumer_send_grants(pool);
	wake(pool, now);
}

/*
 * Passes the demand to the allocator, with the granted bytes not yet received.
 */
static void
demand(struct pool *pool, struct consumer *c, uint64_t outstanding)
{
	uint64_t now = clock_now();

	alloc_want(&pool->alloc, &c->leaf, now,
	    c->flow->blocked ? 0 : c->flow->want.need,
	    c->flow->blocked ? 0 : c->flow->want.room, outstanding);
	pool_grant(pool);
	if (c->leaf.waiting > 0 || c->flow->throttle.waiting) {
		pool_active(pool);
		watch(pool, c, now);
	}
}

int
consumer_want(struct pool *pool, struct consumer *c, const struct frame *f)
{
	const struct proto_want *want = &f->u.want;
	uint64_t granted = c->leaf.granted;

	/* A demand from before the entropy process was replaced. */
	if (f->hdr.generation != pool->generation)
		return f->hdr.generation < pool->generation ? 0 : -1;
	if (want->received > granted || want->need > want->room ||
	    want->room - want->received > NEED_MAX + ALLOC_WINDOW_MAX ||
	    want->room < want->received ||
	    want->held > NEED_MAX + ALLOC_WINDOW_MAX)
		return -1;
	c->flow->want = *want;
	demand(pool, c, granted - want->received + want->held);
	return 0;
}

/*
 * Restarts a consumer's totals at 0, with that many bytes outstanding.  Grants
 * not yet reported to the entropy process are void.
 */
static void
restart(struct pool *pool, struct consumer *c, uint64_t outstanding)
{
	if (c->flow->unsent)
		TAILQ_REMOVE(&pool->unsent, c, flow->unsent_entry);
	if (!c->leaf.generated)
		pool->granted -= pending(c);
	c->given -= pending(c);
	c->flow->unsent = c->flow->blocked = false;
	c->flow->announced = c->flow->voided = 0;
	c->flow->want = (struct proto_want){ 0 };
	alloc_restart(&pool->alloc, &c->leaf, clock_now(), outstanding);
	pool_update_stock(pool);
}

static void
send_delivery(struct pool *pool, const struct consumer *c)
{
	struct frame f;

	/*
	 * The next entropy process receives it when the consumer is connected.
	 */
	if (!c->flow->connected || !process_running(&pool->entropy))
		return;
	frame_init(&f, PROTO_DELIVERY, c->flow->number, pool->generation);
	f.u.delivery = c->delivery;
	process_send(&pool->entropy, &f);
}

/*
 * Creates a byte channel for a consumer's worker, and sends the writing end to
 * the entropy process, if it runs.  Returns the reading end, or -1.
 */
static int
connect_consumer(struct pool *pool, struct consumer *c)
{
	struct frame f;
	int fds[2];

	if (channel_pair(fds) == -1) {
		log_error("cannot create a byte channel: %s", strerror(errno));
		return -1;
	}
	frame_init(&f, PROTO_CONSUMER, c->flow->number, pool->generation);
	f.fds[0] = fds[0];
	c->flow->connected = process_running(&pool->entropy);
	if (c->flow->connected) {
		process_send(&pool->entropy, &f);
		if (c->delivery.mode != DELIVERY_RAW)
			send_delivery(pool, c);
	} else
		close(fds[0]);
	return fds[1];
}

/* Granted bytes stay outstanding: workers may hold them. */
void
consumer_end_all(struct pool *pool)
{
	struct consumer *c;

	RB_FOREACH(c, consumers, &pool->consumers) {
		restart(pool, c, c->leaf.outstanding);
		c->flow->connected = false;
	}
}

void
consumer_connect_all(struct pool *pool)
{
	struct consumer *c;

	RB_FOREACH(c, consumers, &pool->consumers)
		c->ops->rewire(c, connect_consumer(pool, c));
}

int
consumer_void(struct pool *pool, const struct frame *f)
{
	const struct proto_void *v = &f->u.voided;
	struct consumer_flow flow = { .number = f->hdr.consumer };
	struct consumer key = { .flow = &flow }, *c;
	uint64_t bytes;

	if ((c = RB_FIND(consumers, &pool->consumers, &key)) == NULL)
		return 0;
	if (v->total < c->flow->voided || v->total > c->flow->announced ||
	    v->blocked > 1)
		return -1;
	bytes = v->total - c->flow->voided;
	alloc_void(&pool->alloc, &c->leaf, clock_now(), bytes);
	c->given -= bytes;
	c->flow->voided = v->total;
	c->flow->blocked = v->blocked == 1;
	demand(pool, c, c->leaf.outstanding);
	return 0;
}

void
consumer_init(struct pool *pool, struct consumer *c, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery,
    const struct consumer_ops *ops, void *arg)
{
	*c = (struct consumer){
		.delivery = *delivery,
		.ops = ops,
		.arg = arg,
	};
	alloc_add(&pool->alloc, &c->leaf, parent, share, clock_now());
}

void
consumer_activate(struct consumer *c, struct consumer_flow *flow)
{
	*flow = (struct consumer_flow){ .limit = &c->leaf };
	c->flow = flow;
}

/* The measurement of its wait starts again, at its new place. */
static void
forget_limit(struct pool *pool, struct consumer *c)
{
	if (c->flow == NULL)
		return;
	c->flow->throttle.total = consumer_throttled_ns(pool, c);
	c->flow->throttle.waiting = false;
	c->flow->limit = &c->leaf;
}

void
consumer_change(struct pool *pool, struct consumer *c,
    struct alloc_node *parent, const struct alloc_share *share,
    const struct proto_delivery *delivery)
{
	bool other = memcmp(&c->delivery, delivery, sizeof(*delivery)) != 0;
	bool was_generated = c->leaf.generated;

	/* Pending grants will be of the new kind. */
	if (share->generated && !was_generated)
		pool->granted -= pending(c);
	else if (was_generated && !share->generated)
		pool->granted += pending(c);
	forget_limit(pool, c);
	alloc_change(&pool->alloc, &c->leaf, parent, share, clock_now());
	c->delivery = *delivery;
	if (other)
		send_delivery(pool, c);
	pool_update_stock(pool);
	pool_grant(pool);
}

void
consumer_share(struct pool *pool, struct consumer *c, struct alloc_class *class)
{
	forget_limit(pool, c);
	alloc_insert(&pool->alloc, class, &c->leaf, clock_now());
}

void
consumer_unshare(struct pool *pool, struct consumer *c)
{
	forget_limit(pool, c);
	alloc_extract(&pool->alloc, &c->leaf, clock_now());
	pool_grant(pool);
}

void
consumer_remove(struct pool *pool, struct consumer *c)
{
	alloc_remove(&pool->alloc, &c->leaf, clock_now());
}

int
consumer_join(struct pool *pool, struct consumer *c, uint32_t number)
{
	int fd;

	c->flow->number = number;
	if ((fd = connect_consumer(pool, c)) == -1) {
		c->flow->number = 0;
		return -1;
	}
	RB_INSERT(consumers, &pool->consumers, c);
	pool_active(pool);
	return fd;
}

void
consumer_leave(struct pool *pool, struct consumer *c)
{
	struct frame f;

	if (c->flow == NULL || c->flow->number == 0)
		return;
	restart(pool, c, 0);
	RB_REMOVE(consumers, &pool->consumers, c);
	if (process_running(&pool->entropy) && c->flow->connected &&
	    !process_unsend(&pool->entropy, PROTO_CONSUMER, c->flow->number)) {
		frame_init(&f, PROTO_CONSUMER_GONE, c->flow->number,
		    pool->generation);
		process_send(&pool->entropy, &f);
	} else if (c->flow->connected)
		while (process_unsend(&pool->entropy, PROTO_DELIVERY,
		    c->flow->number))
			continue;
	c->flow->number = 0;
	c->flow->connected = false;
	demand(pool, c, 0);
}
