#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "pool.h"
#include "source_file.h"

#define CAPACITY_MAX (UINT64_C(1) << 40) /* bytes */

static int entropy_frame(struct process *, struct frame *);
static void entropy_writable(struct process *);
static void entropy_ended(struct process *, bool);

static const struct process_ops entropy_ops = {
	.role = ROLE_ENTROPY,
	.program = "vrngd-entropy",
	.out_max = 65536, /* two for each guest, and more */
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

/* What a member was granted of this generation, void or not. */
static uint64_t
granted(const struct member *m)
{
	return m->leaf.granted + m->voided;
}

static void
update_stock(struct pool *pool)
{
	alloc_stock(&pool->alloc,
	    process_running(&pool->entropy) ? pool->stock - pool->granted : 0,
	    pool->capacity);
}

/* Tells the entropy process of grants, as far as its channel has room. */
static void
send_grants(struct pool *pool)
{
	struct member *m;
	struct frame f;

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
 * heard of were not made, the others it returns to stock.
 */
static void
end_grants(struct pool *pool, struct member *m)
{
	if (m->unsent)
		TAILQ_REMOVE(&pool->unsent, m, unsent_entry);
	pool->granted -= granted(m) - m->told;
	m->unsent = m->blocked = false;
	m->told = m->voided = 0;
	m->want = (struct proto_want){ 0 };
	update_stock(pool);
}

static struct member *
member_of(struct alloc_node *leaf)
{
	return (struct member *)(void *)((char *)leaf -
	    offsetof(struct member, leaf));
}

/* Makes every grant that can be made now; called whenever something changed. */
static void
pool_run(struct pool *pool)
{
	struct alloc_node *leaf;
	struct member *m;
	uint64_t now = clock_now(), bytes;

	while ((leaf = alloc_next(&pool->alloc, now, &bytes)) != NULL) {
		m = member_of(leaf);
		pool->granted += bytes;
		if (!m->unsent)
			TAILQ_INSERT_TAIL(&pool->unsent, m, unsent_entry);
		m->unsent = true;
	}
	while ((leaf = alloc_hoarder(&pool->alloc)) != NULL)
		pool->ops->ask(member_of(leaf));
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
lose_source(struct pool *pool)
{
	if (!pool->source_lost)
		pool->losses++;
	pool->source_lost = true;
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
		lose_source(pool);
		timer_set(pool->source_timer,
		    clock_now() +
			backoff_failed(&pool->source_backoff, clock_now(), 0));
		return;
	}
	frame_init(&f, PROTO_SOURCE_OPEN, 0, pool->generation);
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
	m->connected = process_running(&pool->entropy);
	if (m->connected)
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

	pool->generation++;
	TAILQ_FOREACH(m, &pool->members, entry) {
		end_grants(pool, m);
		m->connected = false;
		alloc_restart(&pool->alloc, &m->leaf, now, m->leaf.outstanding);
	}
	pool->stock = pool->granted = 0;
	update_stock(pool);
	if (process_start(&pool->entropy, pool->env, &entropy_ops, NULL,
		&pool->entropy_limit, pool) == -1)
		return -1;
	open_source(pool);
	TAILQ_FOREACH(m, &pool->members, entry)
		pool->ops->rewire(m, connect_member(pool, m));
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
	update_stock(pool);
	if (!pool->ready)
		pool->ops->failed(pool, pool->arg);
	else
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
	pool->capacity = stock->capacity;
	update_stock(pool);
	pool_run(pool);
	return 0;
}

/* Asks the allocator for what a member wants, and can be sent. */
static void
apply_want(struct pool *pool, struct member *m, uint64_t outstanding)
{
	uint64_t had = m->leaf.granted;

	alloc_want(&pool->alloc, &m->leaf, clock_now(),
	    m->blocked ? had : m->want.need, m->blocked ? had : m->want.room,
	    outstanding);
	pool_run(pool);
}

static int
void_frame(struct pool *pool, const struct frame *f)
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

static void
lost_frame(struct pool *pool, const struct proto_lost *lost)
{
	uint64_t now = clock_now();

	if (!pool->source_lost)
		log_warning("source %s: lost: %s; opening it again",
		    pool->source,
		    lost->error == 0 ? "end of file" : strerror(lost->error));
	lose_source(pool);
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
	case PROTO_VOID:
		return void_frame(pool, f);
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
	log_limit_init(&pool->entropy_limit, clock_now());
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
pool_stop(struct pool *pool, uint64_t deadline)
{
	process_stop(&pool->entropy, deadline);
	pool->timer = sd_event_source_disable_unref(pool->timer);
	pool->source_timer = sd_event_source_disable_unref(pool->source_timer);
	pool->entropy_timer =
	    sd_event_source_disable_unref(pool->entropy_timer);
}

void
pool_set_source(struct pool *pool, const char *source)
{
	pool->source = source;
	process_hang_up(&pool->entropy);
}

void
pool_member_init(struct pool *pool, struct member *m, struct alloc_node *parent,
    const struct alloc_share *share)
{
	*m = (struct member){ .consumer = 0 };
	alloc_add(&pool->alloc, &m->leaf, parent, share, clock_now());
}

void
pool_member_change(struct pool *pool, struct member *m,
    struct alloc_node *parent, const struct alloc_share *share)
{
	alloc_change(&pool->alloc, &m->leaf, parent, share, clock_now());
	pool_run(pool);
}

void
pool_member_remove(struct pool *pool, struct member *m)
{
	if (m->consumer != 0)
		pool_leave(pool, m);
	alloc_remove(&pool->alloc, &m->leaf, clock_now());
}

int
pool_join(struct pool *pool, struct member *m, uint32_t consumer)
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
pool_leave(struct pool *pool, struct member *m)
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
	}
	m->consumer = 0;
	m->connected = false;
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
	m->want = *want;
	apply_want(pool, m, m->leaf.granted - want->received + want->held);
	return 0;
}
