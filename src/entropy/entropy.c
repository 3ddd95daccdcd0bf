/*
 * The entropy process of a pool: its sources, its stock, its consumers, and a
 * round of their events.  Used by main.c.
 */
#include <sys/eventfd.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "entropy/entropy.h"
#include "entropy/kind/kind.h"

#define EVENTS_MAX 32

/* In data.u64 of an event; a smaller one is a consumer's number. */
#define EVENT_SOURCES (UINT64_C(1) << 32)
/* A source has hung up: its number, and the times that it was opened. */
#define EVENT_HANG_UP UINT64_C(0x4000000000000000)
#define HANG_UP_KEY(number, opened) \
	(EVENT_HANG_UP | (uint64_t)(number) << 32 | (opened))

/* Whether a change must be reported to the parent. */
static bool
is_changed(const struct proto_source_state *a,
    const struct proto_source_state *b)
{
	return a->status != b->status || a->closed != b->closed ||
	    a->serving != b->serving || a->opened != b->opened;
}

static bool
report_sources(struct entropy *e)
{
	struct proto_source_state *state;
	struct frame f;

	for (uint32_t i = 0; i < e->pool.nsources; i++) {
		state = &e->supply.states[i];
		state->serving = e->supply.serving;
		if (!is_changed(state, &e->reported[i]))
			continue;
		frame_init(&f, PROTO_SOURCE_STATE, 0, 0);
		f.u.source_state = *state;
		if (!channel_up(&f))
			return false;
		e->reported[i] = *state;
	}
	return true;
}

static bool
report_stock(struct entropy *e)
{
	struct frame f;
	uint64_t total = delivery_total(&e->delivery);

	if (total == e->reported_total)
		return true;
	frame_init(&f, PROTO_STOCK, 0, 0);
	f.u.stock.total = total;
	f.u.stock.capacity = e->pool.stock;
	if (!channel_up(&f))
		return false;
	e->reported_total = total;
	return true;
}

static bool
report_voided(struct entropy *e)
{
	struct frame f;
	uint32_t number;

	frame_init(&f, PROTO_VOID, 0, 0);
	while ((number = delivery_report(&e->delivery, &f.u.voided)) != 0) {
		f.hdr.consumer = number;
		if (!channel_up(&f))
			return false;
		delivery_reported(&e->delivery, number);
	}
	return true;
}

/* Reports changes to the parent.  Returns whether the channel had room. */
static bool
report_changes(struct entropy *e)
{
	return report_voided(e) && report_stock(e) && report_sources(e);
}

static void
sources_event(struct entropy *e)
{
	uint64_t count;

	if (read(e->event_fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		log_fatal("eventfd: %s", strerror(errno));
}

/*
 * Its reader notices a hang-up only when it reads, which it does not while its
 * stock is full.
 */
static void
watch_hang_up(struct entropy *e, const struct source *src, int fd)
{
	uint32_t number = src->dev.spec.number;

	if (src->kind->hang_up == 0 || src->dev.spec.datagrams)
		return;
	/* Ends when the reader closes it.  Some drivers cannot be watched. */
	if (loop_try(&e->loop, EPOLL_CTL_ADD, fd, src->kind->hang_up,
		HANG_UP_KEY(number, src->state.opened + 1)) == -1 &&
	    errno != EPERM)
		log_warning("source %s: cannot watch for a hang-up: %s",
		    src->dev.spec.name, strerror(errno));
}

/* Starts reading a source.  Returns -1 if the frame is invalid. */
static int
open_source(struct entropy *e, uint32_t number, int fd)
{
	if (number >= e->pool.nsources ||
	    e->sources[number].kind->has_fd != (fd != -1))
		return -1;
	if (fd != -1)
		watch_hang_up(e, &e->sources[number], fd);
	return source_open(&e->sources[number], fd);
}

static void
hang_up_event(struct entropy *e, uint64_t key, uint32_t events)
{
	uint32_t number = (uint32_t)((key & ~EVENT_HANG_UP) >> 32);

	if ((events & (EPOLLHUP | EPOLLRDHUP)) != 0)
		source_hang_up(&e->sources[number], (uint32_t)key);
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

	while (loop_recv(&e->loop, &f))
		if (dispatch(e, &f) == -1)
			log_fatal("unexpected %s frame for consumer %u",
			    frame_name(f.hdr.type), f.hdr.consumer);
}

/* Milliseconds until the next source stalls, for loop_wait(). */
static int
time_left(struct entropy *e)
{
	uint64_t now = clock_now(), at = supply_deadline(&e->supply, now);

	return at == UINT64_MAX ? -1 : loop_timeout(at, now);
}

void
entropy_step(struct entropy *e)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t key;
	int n;

	n = loop_wait(&e->loop, events, EVENTS_MAX, time_left(e));
	for (int i = 0; i < n; i++) {
		key = events[i].data.u64;
		if (key == LOOP_CHANNEL)
			channel_event(e);
		else if (key == EVENT_SOURCES)
			sources_event(e);
		else if (key == LOOP_UP)
			continue;
		else if (key >= EVENT_HANG_UP)
			hang_up_event(e, key, events[i].events);
		else
			delivery_resume(&e->delivery, (uint32_t)key);
	}
	supply_update(&e->supply, clock_now());
	delivery_seed(&e->delivery);
	loop_flush(&e->loop, !report_changes(e));
}

void
entropy_init(struct entropy *e)
{
	const struct source_kind *kind;
	struct counters_source *counters;
	struct frame f;

	loop_init(&e->loop, ROLE_ENTROPY);
	if ((e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		log_fatal("eventfd: %s", strerror(errno));
	loop_watch(&e->loop, EPOLL_CTL_ADD, e->event_fd, EPOLLIN,
	    EVENT_SOURCES);
	counters = loop_counters(&e->loop);
	loop_await(&e->loop, &f, PROTO_POOL);
	e->pool = f.u.pool;
	if (e->pool.nsources < 1 || e->pool.nsources > SOURCES_MAX ||
	    e->pool.stock < STOCK_SIZE_MIN || e->pool.stock > STOCK_SIZE_MAX)
		log_fatal("invalid pool: %u sources, %u bytes",
		    e->pool.nsources, e->pool.stock);
	for (uint32_t i = 0; i < e->pool.nsources; i++) {
		loop_await(&e->loop, &f, PROTO_SOURCE);
		kind = kind_find(f.u.source.kind);
		if (f.u.source.number != i || kind == NULL)
			log_fatal("invalid source: %u, kind %u",
			    f.u.source.number, f.u.source.kind);
		source_start(&e->sources[i], &f.u.source, kind, &counters[i],
		    e->pool.stock, e->event_fd);
		e->reported[i].closed = 1;
	}
	supply_init(&e->supply, &e->pool, e->sources);
	delivery_init(&e->delivery, &e->supply, e->loop.epoll_fd);
}
