/*
 * A pool: its entropy process, the reports of that, and the times of grants.
 * Used by the state, which creates pools.
 */
#include <bsd/string.h>
#include <errno.h>
#include <string.h>

#include "parent/host/event.h"
#include "parent/pool/pool.h"

#define CAPACITY_MAX (UINT64_C(1) << 40) /* bytes */
#define START_TIME   (3 * NS_PER_SEC)	 /* until guests are said to wait */
#define REPLACE_TIME NS_PER_SEC		 /* for a clean end */

static int entropy_frame(struct process *, struct frame *);
static void entropy_writable(struct process *);
static void entropy_ended(struct process *, int);

static const struct process_ops entropy_ops = {
	.role = ROLE_ENTROPY,
	.program = "vrngd-entropy",
	.out_max = 65536, /* two for each guest, and more */
	.frame = entropy_frame,
	.writable = entropy_writable,
	.ended = entropy_ended,
};

static void
timer_over(void *arg)
{
	struct pool *pool = arg;

	pool->woken = clock_now();
	pool_grant(pool);
}

/* Sends a new entropy process the pool and its sources. */
static void
send_setup(struct pool *pool)
{
	struct pool_source *s;
	struct frame f;

	frame_init(&f, PROTO_POOL, 0, 0);
	f.u.pool = pool->setup.spec;
	process_send(&pool->entropy, &f);
	TAILQ_FOREACH(s, &pool->setup.sources, entry)
		pool_source_send(s, pool->page.map);
	TAILQ_FOREACH(s, &pool->setup.sources, entry)
		pool_source_start(s);
}

static int
start_entropy(struct pool *pool)
{
	pool->generation++;
	consumer_end_all(pool);
	pool->stock = pool->granted = 0;
	pool->capacity = pool->setup.spec.stock;
	pool_update_stock(pool);
	if (page_make(&pool->page, counters_size(ROLE_ENTROPY)) == -1) {
		log_error("cannot create memory for counters: %s",
		    strerror(errno));
		return -1;
	}
	if (process_start(&pool->entropy, pool->env, &entropy_ops,
		&pool->subject, &pool->entropy_limit, pool) == -1) {
		page_close(&pool->page);
		return -1;
	}
	if (page_give(&pool->page, &pool->entropy) == -1)
		process_kill(&pool->entropy);
	send_setup(pool);
	consumer_connect_all(pool);
	return 0;
}

/* Starts the entropy process again, after a pause. */
static void
start_later(struct pool *pool)
{
	uint64_t now = clock_now();

	timer_at(&pool->entropy_timer,
	    now + backoff_failed(&pool->entropy_backoff, now, 0, 1));
}

static void
entropy_timer_over(void *arg)
{
	struct pool *pool = arg;

	if (pool->replaced)
		process_kill(&pool->entropy);
	else if (start_entropy(pool) == -1)
		start_later(pool);
}

static void
set_serving(struct pool *pool, uint32_t serving)
{
	if (serving != 0)
		pool->unserved = 0;
	else if (pool->unserved == 0)
		pool->unserved = clock_now();
	pool->serving = serving;
}

static void
stop_sources(struct pool *pool)
{
	struct pool_source *s;

	TAILQ_FOREACH(s, &pool->setup.sources, entry)
		pool_source_stop(s);
	set_serving(pool, 0);
	timer_after(&pool->starts, START_TIME);
}

static void
log_restarted(void *arg, enum event event, const char *text,
    uint32_t suppressed)
{
	const struct pool *pool = arg;
	char more[FLAP_MORE_SIZE];

	event_log(event, &pool->subject,
	    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", "entropy"),
		LOG_NUMBER("VRNGD_GENERATION", pool->generation),
		LOG_NUMBER("VRNGD_SUPPRESSED", suppressed)),
	    "%s%s", text, flap_more(more, suppressed));
}

static void
entropy_ended(struct process *p, int status)
{
	struct pool *pool = p->arg;

	pool_update_stock(pool);
	stop_sources(pool);
	page_close(&pool->page);
	if (pool->replaced) {
		pool->replaced = false;
		timer_after(&pool->entropy_timer, 0);
		return;
	}
	/* The next one need not fail after one that was killed. */
	if (!pool->ready && status != -1)
		pool->ops->failed(pool, pool->arg);
	else
		flap_say(&pool->restarts, EVENT_ENTROPY_RESTARTED,
		    "entropy process ended: starting another");
	if (deaths_free(&pool->entropy_deaths, clock_now()))
		timer_after(&pool->entropy_timer, 0);
	else
		start_later(pool);
}

static void
entropy_writable(struct process *p)
{
	consumer_send_grants(p->arg);
}

static int
stock_frame(struct pool *pool, const struct proto_stock *stock)
{
	if (stock->capacity == 0 || stock->capacity > CAPACITY_MAX)
		return -1;
	pool->stock = stock->total;
	pool->capacity = stock->capacity;
	pool_update_stock(pool);
	pool_grant(pool);
	return 0;
}

static struct pool_source *
find_source(const struct pool *pool, uint32_t number)
{
	struct pool_source *s;

	TAILQ_FOREACH(s, &pool->setup.sources, entry)
		if (s->config->spec.number == number)
			break;
	return s;
}

/* Logs which sources are in use, which can change often. */
static void
log_serving(void *arg, enum event event, const char *text, uint32_t suppressed)
{
	const struct pool *pool = arg;
	const struct proto_pool *spec = &pool->setup.spec;
	const struct log_subject *about = &pool->subject;
	const struct pool_source *s = NULL;
	char more[FLAP_MORE_SIZE];

	if (pool->serving != 0 && spec->combine == COMBINE_FIRST)
		s = find_source(pool, (uint32_t)__builtin_ctz(pool->serving));
	if (s != NULL)
		about = &s->subject;
	event_log(event, about,
	    LOG_FIELDS(
		LOG_NUMBER("VRNGD_SERVING", __builtin_popcount(pool->serving)),
		LOG_NUMBER("VRNGD_SOURCES", spec->nsources),
		LOG_NUMBER("VRNGD_SUPPRESSED", suppressed)),
	    "%s%s", text, flap_more(more, suppressed));
}

/* Guests wait: reported once, until a source serves again. */
static void
report_starved(void *arg)
{
	struct pool *pool = arg;

	if (pool->serving != 0 || pool->starved)
		return;
	pool->starved = true;
	flap_say(&pool->flap, EVENT_POOL_STARVED,
	    "pool %s: too few healthy sources: guests wait", pool->name);
}

/*
 * Reports the sources in use, if they have changed.  At the start a pool may
 * use only the first healthy ones, which is not a degraded pool.
 */
static void
report_serving(struct pool *pool, uint32_t was)
{
	const struct proto_pool *spec = &pool->setup.spec;
	enum event event = EVENT_POOL_SERVING;
	uint32_t serving = pool->serving;
	uint32_t n = (uint32_t)__builtin_popcount(serving);
	const struct pool_source *s;
	bool starved = pool->starved;

	if (serving == was)
		return;
	if (serving == 0) {
		report_starved(pool);
		return;
	}
	timer_stop(&pool->starts);
	pool->starved = false;
	/* One that is alone is always in use. */
	if (spec->nsources == 1 && !starved)
		return;
	if (was != 0 &&
	    (spec->combine == COMBINE_XOR ? n < spec->nsources : serving > was))
		event = EVENT_POOL_DEGRADED;
	if (spec->combine == COMBINE_XOR) {
		flap_say(&pool->flap, event,
		    "pool %s: sources in use: %u of %u", pool->name, n,
		    spec->nsources);
		return;
	}
	s = find_source(pool, (uint32_t)__builtin_ctz(serving));
	flap_say(&pool->flap, event, "pool %s: source %s in use", pool->name,
	    s->text);
}

static int
state_frame(struct pool *pool, const struct proto_source_state *state)
{
	struct pool_source *s = find_source(pool, state->number);
	uint32_t all = (1U << pool->setup.spec.nsources) - 1;
	uint32_t was = pool->serving;

	if (s == NULL || state->status >= SOURCE_STATUSES ||
	    (state->serving & ~all) != 0)
		return -1;
	if (state->status != s->state.status)
		pool_active(pool);
	pool_source_update(s, state);
	set_serving(pool, state->serving);
	report_serving(pool, was);
	return 0;
}

static int
entropy_frame(struct process *p, struct frame *f)
{
	struct pool *pool = p->arg;

	/* Its sources were replaced, and their numbers reused. */
	if (pool->replaced)
		return 0;
	switch (f->hdr.type) {
	case PROTO_READY:
		pool->ready = true;
		pool->ops->ready(pool, pool->arg);
		return 0;
	case PROTO_STOCK:
		return stock_frame(pool, &f->u.stock);
	case PROTO_VOID:
		return consumer_void(pool, f);
	case PROTO_SOURCE_STATE:
		return state_frame(pool, &f->u.source_state);
	}
	return -1;
}

void
pool_init(struct pool *pool, const char *name, struct process_env *env,
    const struct alloc_share *share, const struct pool_ops *ops, void *arg)
{
	*pool = (struct pool){ .env = env, .ops = ops, .arg = arg };
	pool->page.fd = -1;
	pool->created = pool->unserved = clock_now();
	strlcpy(pool->name, name, sizeof(pool->name));
	pool->subject.pool = pool->name;
	TAILQ_INIT(&pool->setup.sources);
	RB_INIT(&pool->consumers);
	TAILQ_INIT(&pool->unsent);
	log_limit_init(&pool->entropy_limit, clock_now());
	timer_init(&pool->timer, env->event, timer_over, pool);
	timer_init(&pool->entropy_timer, env->event, entropy_timer_over, pool);
	timer_init(&pool->starts, env->event, report_starved, pool);
	flap_init(&pool->flap, env->event, log_serving, pool);
	flap_init(&pool->restarts, env->event, log_restarted, pool);
	deaths_init(&pool->entropy_deaths, clock_now());
	alloc_init(&pool->alloc, share, clock_now());
}

int
pool_start(struct pool *pool)
{
	timer_after(&pool->starts, START_TIME);
	return start_entropy(pool);
}

void
pool_stop(struct pool *pool, uint64_t deadline)
{
	process_stop(&pool->entropy, deadline);
	flap_end(&pool->flap);
	flap_end(&pool->restarts);
	timer_free(&pool->timer);
	timer_free(&pool->entropy_timer);
	timer_free(&pool->starts);
	pool_setup_free(&pool->setup);
	page_close(&pool->page);
}

void
pool_set_sources(struct pool *pool, struct pool_setup *setup)
{
	pool_setup_replace(&pool->setup, setup);
	stop_sources(pool);
	pool->stock = 0;
	pool_update_stock(pool);
	pool->replaced = process_running(&pool->entropy);
	process_hang_up(&pool->entropy);
	/* The time to kill it or, if none runs, to start another. */
	timer_after(&pool->entropy_timer, pool->replaced ? REPLACE_TIME : 0);
}
