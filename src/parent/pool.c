#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "pool.h"
#include "source_file.h"

#define STOP_TIME    (500 * NS_PER_MS)
#define CAPACITY_MAX (UINT64_C(1) << 40) /* bytes */

static int entropy_frame(struct process *, struct frame *);
static void entropy_writable(struct process *);
static void entropy_ended(struct process *, bool);

static const struct process_ops entropy_ops = {
	.role = ROLE_ENTROPY,
	.program = "vrngd-entropy",
	.frame = entropy_frame,
	.writable = entropy_writable,
	.ended = entropy_ended,
};

static void
timer_set(sd_event_source *timer, uint64_t at)
{
	if (at == ALLOC_NEVER) {
		sd_event_source_set_enabled(timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(timer, (at + 999) / 1000);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* Tells the entropy process of grants, as far as its channel has room. */
static void
send_grants(struct pool *pool)
{
	struct member *m;
	struct frame f;

	while ((m = TAILQ_FIRST(&pool->unsent)) != NULL) {
		frame_init(&f, PROTO_GRANT, m->consumer, pool->generation);
		f.u.grant.total = m->leaf.granted;
		if (!process_try_send(&pool->entropy, &f))
			return;
		TAILQ_REMOVE(&pool->unsent, m, unsent_entry);
		m->unsent = false;
	}
}

static void
drop_unsent(struct pool *pool, struct member *m)
{
	if (m->unsent)
		TAILQ_REMOVE(&pool->unsent, m, unsent_entry);
	m->unsent = false;
}

/* Makes every grant that can be made now; called whenever something changed. */
static void
pool_run(struct pool *pool)
{
	struct alloc_node *leaf;
	struct member *m;
	uint64_t now = clock_now(), bytes;

	while ((leaf = alloc_next(&pool->alloc, now, &bytes)) != NULL) {
		m = (struct member *)(void *)((char *)leaf -
		    offsetof(struct member, leaf));
		pool->granted += bytes;
		if (!m->unsent)
			TAILQ_INSERT_TAIL(&pool->unsent, m, unsent_entry);
		m->unsent = true;
	}
	if (process_running(&pool->entropy))
		send_grants(pool);
	timer_set(pool->timer, alloc_deadline(&pool->alloc));
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	pool_run(arg);
	return 0;
}

static void
open_source(struct pool *pool)
{
	struct frame f;
	const char *why;
	int fd;

	if ((fd = source_file_open(pool->source, &why)) == -1) {
		if (!pool->source_lost)
			log_warning("source %s: lost: %s; trying to open it "
				    "again",
			    pool->source, why);
		pool->source_lost = true;
		timer_set(pool->source_timer,
		    clock_now() +
			backoff_failed(&pool->source_backoff, clock_now(), 0));
		return;
	}
	frame_init(&f, PROTO_SOURCE, 0, pool->generation);
	f.fds[0] = fd;
	process_send(&pool->entropy, &f);
}

static int
source_timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pool *pool = arg;

	(void)source;
	(void)usec;
	if (process_running(&pool->entropy))
		open_source(pool);
	return 0;
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
	if (process_running(&pool->entropy))
		process_send(&pool->entropy, &f);
	else
		close(fds[0]);
	return fds[1];
}

static int
start_entropy(struct pool *pool)
{
	uint64_t now = clock_now();
	struct member *m;
	int fd;

	pool->generation++;
	pool->stock = pool->granted = 0;
	alloc_stock(&pool->alloc, 0, 0);
	TAILQ_FOREACH(m, &pool->members, entry) {
		drop_unsent(pool, m);
		alloc_restart(&pool->alloc, &m->leaf, now, m->leaf.outstanding);
	}
	if (process_start(&pool->entropy, pool->env, &entropy_ops, NULL,
		pool) == -1)
		return -1;
	open_source(pool);
	TAILQ_FOREACH(m, &pool->members, entry)
		if ((fd = connect_member(pool, m)) != -1)
			pool->ops->rewire(m, fd);
	return 0;
}

static int
entropy_timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pool *pool = arg;
	uint64_t now = clock_now();

	(void)source;
	(void)usec;
	if (start_entropy(pool) == -1)
		timer_set(pool->entropy_timer,
		    now + backoff_failed(&pool->entropy_backoff, now, 0));
	return 0;
}

static void
entropy_ended(struct process *p, bool clean)
{
	struct pool *pool = p->arg;
	uint64_t now = clock_now();

	(void)clean;
	alloc_stock(&pool->alloc, 0, 0);
	if (!pool->ready) {
		pool->ops->failed(pool, pool->arg);
		return;
	}
	log_warning("the entropy process has ended: starting another");
	timer_set(pool->source_timer, ALLOC_NEVER);
	timer_set(pool->entropy_timer,
	    now + backoff_failed(&pool->entropy_backoff, now, 1));
}

static void
entropy_writable(struct process *p)
{
	send_grants(p->arg);
}

static int
stock_frame(struct pool *pool, const struct proto_stock *stock)
{
	if (stock->total < pool->stock || stock->total < pool->granted ||
	    stock->capacity == 0 || stock->capacity > CAPACITY_MAX)
		return -1;
	if (pool->source_lost && stock->total > pool->stock) {
		log_info("source %s: yields again", pool->source);
		pool->source_lost = false;
		pool->source_backoff.failures = 0;
	}
	pool->stock = stock->total;
	alloc_stock(&pool->alloc, stock->total - pool->granted,
	    stock->capacity);
	pool_run(pool);
	return 0;
}

static void
lost_frame(struct pool *pool, const struct proto_lost *lost)
{
	uint64_t now = clock_now();

	if (!pool->source_lost)
		log_warning("source %s: lost: %s; opening it again",
		    pool->source,
		    lost->error == 0 ? "end of file" : strerror(lost->error));
	pool->source_lost = true;
	timer_set(pool->source_timer,
	    now + backoff_failed(&pool->source_backoff, now, 0));
}

static int
entropy_frame(struct process *p, struct frame *f)
{
	struct pool *pool = p->arg;

	switch (f->hdr.type) {
	case PROTO_READY:
		pool->ready = true;
		pool->ops->ready(pool, pool->arg);
		return 0;
	case PROTO_STOCK:
		return stock_frame(pool, &f->u.stock);
	case PROTO_SOURCE_LOST:
		lost_frame(pool, &f->u.lost);
		return 0;
	}
	return -1;
}

static int
add_timer(struct pool *pool, sd_event_source **timer,
    sd_event_time_handler_t handler)
{
	int r;

	r = sd_event_add_time(pool->env->event, timer, CLOCK_MONOTONIC, 0, 1,
	    handler, pool);
	if (r < 0) {
		log_error("cannot make a timer: %s", strerror(-r));
		return -1;
	}
	return sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
}

void
pool_init(struct pool *pool, struct process_env *env, const char *source,
    const struct alloc_share *share, const struct pool_ops *ops, void *arg)
{
	*pool = (struct pool){
		.env = env,
		.ops = ops,
		.arg = arg,
		.source = source,
	};
	TAILQ_INIT(&pool->members);
	TAILQ_INIT(&pool->unsent);
	alloc_init(&pool->alloc, share, clock_now());
}

int
pool_start(struct pool *pool)
{
	const char *why;
	int fd;

	if ((fd = source_file_open(pool->source, &why)) == -1) {
		log_error("source '%s': %s", pool->source, why);
		return -1;
	}
	close(fd);
	if (add_timer(pool, &pool->timer, timer_event) < 0 ||
	    add_timer(pool, &pool->source_timer, source_timer_event) < 0 ||
	    add_timer(pool, &pool->entropy_timer, entropy_timer_event) < 0)
		return -1;
	return start_entropy(pool);
}

void
pool_stop(struct pool *pool)
{
	process_stop(&pool->entropy, STOP_TIME);
	pool->timer = sd_event_source_disable_unref(pool->timer);
	pool->source_timer = sd_event_source_disable_unref(pool->source_timer);
	pool->entropy_timer =
	    sd_event_source_disable_unref(pool->entropy_timer);
}

void
pool_member_init(struct pool *pool, struct member *m)
{
	const struct alloc_share share = {
		.rate.period = 1,
		.ceil.period = 1,
		.weight = 1,
	};

	*m = (struct member){ .consumer = 0 };
	alloc_add(&pool->alloc, &m->leaf, &pool->alloc.root, &share,
	    clock_now());
}

int
pool_join(struct pool *pool, struct member *m, uint32_t consumer)
{
	m->consumer = consumer;
	TAILQ_INSERT_TAIL(&pool->members, m, entry);
	return connect_member(pool, m);
}

void
pool_leave(struct pool *pool, struct member *m)
{
	struct frame f;

	drop_unsent(pool, m);
	alloc_restart(&pool->alloc, &m->leaf, clock_now(), 0);
	TAILQ_REMOVE(&pool->members, m, entry);
	if (process_running(&pool->entropy)) {
		frame_init(&f, PROTO_CONSUMER_GONE, m->consumer,
		    pool->generation);
		process_send(&pool->entropy, &f);
	}
	m->consumer = 0;
	pool_run(pool);
}

int
pool_want(struct pool *pool, struct member *m, const struct frame *f)
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
	alloc_want(&pool->alloc, &m->leaf, clock_now(), want->need, want->room,
	    m->leaf.granted - want->received + want->held);
	pool_run(pool);
	return 0;
}
