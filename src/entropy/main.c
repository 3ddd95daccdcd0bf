/*
 * The entropy process of a pool: reads the sources that the parent opened,
 * holds the stock, delivers what the parent grants.  Started by the parent for
 * each pool.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/child.h"
#include "common/clock.h"
#include "entropy/delivery.h"
#include "entropy/drbg/drbg.h"
#include "entropy/filter.h"
#include "entropy/kind/kind.h"
#include "common/log.h"
#include "entropy/source.h"
#include "entropy/supply.h"

#define EVENTS_MAX 32

/* Keys of epoll events; a smaller one is a consumer's number. */
#define EVENT_CHANNEL (UINT64_C(1) << 32)
#define EVENT_UP      (EVENT_CHANNEL + 1)
#define EVENT_SOURCES (EVENT_CHANNEL + 2)

struct entropy {
	struct proto_pool pool;
	struct source sources[SOURCES_MAX];
	struct proto_source_state told[SOURCES_MAX]; /* as the parent knows */
	struct supply supply;
	struct delivery delivery;
	int epoll_fd;
	int event_fd; /* of the sources */
	struct child_watch watch;
	uint64_t told_total; /* of stock, as the parent knows */
	bool untold;	     /* the channel was full */
};

static void
watch(int epoll_fd, int op, int fd, uint32_t events, uint64_t key)
{
	struct epoll_event ev = { .events = events, .data.u64 = key };

	if (epoll_ctl(epoll_fd, op, fd, &ev) == -1)
		log_fatal("epoll_ctl: %s", strerror(errno));
}

/* Sends a frame to the parent.  Returns whether there was room for it. */
static bool
tell(const struct frame *f)
{
	if (channel_tell(CHANNEL_UP_FD, f) == 0)
		return true;
	if (errno != EAGAIN)
		channel_lost();
	return false;
}

/* Whether the parent has to know of a change. */
static bool
is_news(const struct proto_source_state *a, const struct proto_source_state *b)
{
	return a->status != b->status || a->closed != b->closed ||
	    a->serving != b->serving || a->opened != b->opened;
}

static bool
tell_sources(struct entropy *e)
{
	struct proto_source_state *state;
	struct frame f;

	for (uint32_t i = 0; i < e->pool.nsources; i++) {
		state = &e->supply.states[i];
		state->serving = e->supply.serving;
		if (!is_news(state, &e->told[i]))
			continue;
		frame_init(&f, PROTO_SOURCE_STATE, 0, 0);
		f.u.source_state = *state;
		if (!tell(&f))
			return false;
		e->told[i] = *state;
	}
	return true;
}

static bool
tell_stock(struct entropy *e)
{
	struct frame f;
	uint64_t total = delivery_total(&e->delivery);

	if (total == e->told_total)
		return true;
	frame_init(&f, PROTO_STOCK, 0, 0);
	f.u.stock.total = total;
	f.u.stock.capacity = e->pool.stock;
	if (!tell(&f))
		return false;
	e->told_total = total;
	return true;
}

static bool
tell_voided(struct entropy *e)
{
	struct frame f;
	uint32_t number;

	frame_init(&f, PROTO_VOID, 0, 0);
	while ((number = delivery_news(&e->delivery, &f.u.voided)) != 0) {
		f.hdr.consumer = number;
		if (!tell(&f))
			return false;
		delivery_told(&e->delivery, number);
	}
	return true;
}

/* Tells the parent what is new, now or when its channel has room again. */
static void
tell_news(struct entropy *e)
{
	bool untold;

	untold = !child_answer(&e->watch) || !tell_voided(e) ||
	    !tell_stock(e) || !tell_sources(e);
	if (untold != e->untold)
		watch(e->epoll_fd, EPOLL_CTL_MOD, CHANNEL_UP_FD,
		    untold ? EPOLLOUT : 0, EVENT_UP);
	e->untold = untold;
}

static void
sources_event(struct entropy *e)
{
	uint64_t count;

	if (read(e->event_fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		log_fatal("eventfd: %s", strerror(errno));
}

/* Lets a source be read.  Returns -1 if that makes no sense. */
static int
open_source(struct entropy *e, uint32_t number, int fd)
{
	if (number >= e->pool.nsources ||
	    e->sources[number].kind->has_fd != (fd != -1))
		return -1;
	return source_open(&e->sources[number], fd);
}

static int
dispatch(struct entropy *e, struct frame *f)
{
	switch (f->hdr.type) {
	case PROTO_SOURCE_OPEN:
		return open_source(e, f->u.number.number, f->fds[0]);
	case PROTO_SOURCE_START:
		return open_source(e, f->u.number.number, -1);
	case PROTO_CONSUMER:
		return delivery_add(&e->delivery, f->hdr.consumer, f->fds[0]);
	case PROTO_CONSUMER_GONE:
		return delivery_drop(&e->delivery, f->hdr.consumer);
	case PROTO_DELIVERY:
		return delivery_mode(&e->delivery, f->hdr.consumer,
		    &f->u.delivery);
	case PROTO_GRANT:
		return delivery_grant(&e->delivery, f->hdr.consumer,
		    f->u.grant.total);
	}
	return -1;
}

static void
channel_event(struct entropy *e)
{
	struct frame f;
	enum channel_result result;

	while (
	    (result = child_recv(&e->watch, &f, ROLE_ENTROPY)) == CHANNEL_FRAME)
		if (dispatch(e, &f) == -1)
			log_fatal("%s for consumer %u makes no sense",
			    frame_name(f.hdr.type), f.hdr.consumer);
	if (result != CHANNEL_AGAIN)
		channel_end(result, &f);
}

/* Milliseconds until a source will have stalled, for epoll_wait(). */
static int
time_left(struct entropy *e)
{
	uint64_t now = clock_now(), at = supply_deadline(&e->supply, now);

	if (at == UINT64_MAX)
		return -1;
	return at <= now ? 0 : (int)((at - now) / NS_PER_MS) + 1;
}

static void
run(struct entropy *e)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	for (;;) {
		n = epoll_wait(e->epoll_fd, events, EVENTS_MAX, time_left(e));
		if (n == -1 && errno != EINTR)
			log_fatal("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == EVENT_CHANNEL)
				channel_event(e);
			else if (events[i].data.u64 == EVENT_SOURCES)
				sources_event(e);
			else if (events[i].data.u64 != EVENT_UP)
				delivery_resume(&e->delivery,
				    (uint32_t)events[i].data.u64);
			else if ((events[i].events & EPOLLERR) != 0)
				channel_lost();
		}
		supply_update(&e->supply, clock_now());
		delivery_seed(&e->delivery);
		tell_news(e);
	}
}

/* Learns of the pool and makes its sources. */
static void
set_up(struct entropy *e)
{
	const struct source_kind *kind;
	struct counters_source *counters = child_counters(ROLE_ENTROPY);
	struct frame f;

	child_await(&f, ROLE_ENTROPY, PROTO_POOL);
	e->pool = f.u.pool;
	if (e->pool.nsources < 1 || e->pool.nsources > SOURCES_MAX ||
	    e->pool.stock < STOCK_SIZE_MIN || e->pool.stock > STOCK_SIZE_MAX)
		log_fatal("a pool of %u sources and %u bytes makes no sense",
		    e->pool.nsources, e->pool.stock);
	for (uint32_t i = 0; i < e->pool.nsources; i++) {
		child_await(&f, ROLE_ENTROPY, PROTO_SOURCE);
		kind = kind_find(f.u.source.kind);
		if (f.u.source.number != i || kind == NULL)
			log_fatal("source %u of kind %u makes no sense",
			    f.u.source.number, f.u.source.kind);
		source_start(&e->sources[i], &f.u.source, kind, &counters[i],
		    e->pool.stock, e->event_fd);
		e->told[i].closed = 1;
	}
	supply_init(&e->supply, &e->pool, e->sources);
	delivery_init(&e->delivery, &e->supply, e->epoll_fd);
}

static void
ready(const struct entropy *e)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	uint32_t kinds = 0;
	size_t n;

	for (uint32_t i = 0; i < e->pool.nsources; i++)
		kinds |= 1U << e->sources[i].dev.spec.kind;
	n = entropy_filter(rules, kinds);
	child_ready(rules, n, 0);
}

int
main(void)
{
	static struct entropy e;

	child_start(ROLE_ENTROPY);
#ifdef M_ARENA_MAX /* glibc's: no memory of their own for readers */
	mallopt(M_ARENA_MAX, 1);
#endif
	e.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	e.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e.epoll_fd == -1 || e.event_fd == -1)
		log_fatal("cannot make an event loop: %s", strerror(errno));
	set_up(&e);
	/* After the stock, which is to be locked in memory first. */
	drbg_start();
	watch(e.epoll_fd, EPOLL_CTL_ADD, CHANNEL_FD, EPOLLIN, EVENT_CHANNEL);
	watch(e.epoll_fd, EPOLL_CTL_ADD, CHANNEL_UP_FD, 0, EVENT_UP);
	watch(e.epoll_fd, EPOLL_CTL_ADD, e.event_fd, EPOLLIN, EVENT_SOURCES);
	ready(&e);
	run(&e);
}
