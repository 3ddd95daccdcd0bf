/*
 * Starts, stops, serves and polls the ring, and its eventfds.  Used by
 * requests.c, which changes it, and by main.c, which runs it.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "vhost/worker.h"

#define LOOK_TIME  10000 /* ns, until messages and bytes have their turn */
#define LOOKS	   16	 /* at the ring, for one at the clock */
#define LAST_LOOKS 32	 /* before going to sleep */
#define RUNS_MAX   16	 /* without sleep, until others have their turn */

static void
notifier_init(struct notifier *n, int fd, uint32_t id)
{
	int flags = fd == -1 ? 0 : fcntl(fd, F_GETFL);

	if (n->fd != -1)
		close(n->fd);
	n->fd = fd;
	n->id = id;
	n->blocking = flags == -1 || (flags & O_NONBLOCK) == 0;
}

/*
 * Adds one to an eventfd of the frontend's, which may be anything.  One that
 * is not set to O_NONBLOCK could hold us up, so it is asked first whether it
 * takes more; if it does not, the notification is there already.
 */
static void
notify(const struct notifier *n)
{
	struct pollfd pfd = { .fd = n->fd, .events = POLLOUT };
	uint64_t one = 1;

	if (n->fd == -1)
		return;
	if (n->blocking &&
	    (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0))
		return;
	if (write(n->fd, &one, sizeof(one)) == -1 && errno != EAGAIN)
		log_debug("cannot notify: %s", strerror(errno));
}

int
ring_set_kick(struct worker *w, int fd, uint32_t id)
{
	int error;

	/* The frontend has it open too, so closing alone leaves it watched. */
	if (w->kick_fd != -1) {
		worker_watch(w, EPOLL_CTL_DEL, w->kick_fd, 0, EVENT_KICK);
		close(w->kick_fd);
	}
	w->kick_fd = fd;
	w->kick_id = id;
	/* Edge-triggered, it need never be read. */
	if (fd == -1 ||
	    worker_watch(w, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, EVENT_KICK) ==
		0)
		return 0;
	error = errno;
	close(fd);
	w->kick_fd = -1;
	errno = error;
	return -1;
}

void
ring_set_call(struct worker *w, int fd, uint32_t id)
{
	notifier_init(&w->call, fd, id);
	/* A call that went to the one before is not lost. */
	if (w->running)
		notify(&w->call);
}

void
ring_set_err(struct worker *w, int fd, uint32_t id)
{
	notifier_init(&w->err, fd, id);
}

/* Has the driver kick, or not, as the ring is looked at or not. */
static void
set_watched(struct worker *w)
{
	if (w->polling.looking == w->queue.watched)
		return;
	queue_watch(&w->queue, w->polling.looking);
	/* What came before it knew of that was not kicked for. */
	if (!w->polling.looking && queue_peek(&w->queue) != QUEUE_EMPTY)
		w->more = true;
}

static void
look_away(struct worker *w)
{
	if (w->polling.looking)
		polling_stop(&w->polling, clock_now());
	set_watched(w);
}

void
ring_stop(struct worker *w)
{
	if (!w->running)
		return;
	look_away(w);
	rng_rewind(&w->rng);
	rng_want(&w->rng);
	queue_unmap(&w->queue);
	w->running = w->more = false;
}

static void
ring_start(struct worker *w)
{
	const char *why;

	w->broken = false;
	if (queue_map(&w->queue, &why) == -1) {
		log_warning("the ring cannot be served: %s", why);
		notify(&w->err);
		return;
	}
	w->queue.event_idx = (w->features & FEATURE(VIRTIO_F_EVENT_IDX)) != 0;
	if (w->inflight.region != NULL)
		w->queue.next = (uint16_t)(w->queue.used +
		    inflight_start(&w->inflight, w->queue.used));
	w->running = w->more = true;
	/* A worker before may not have come to it. */
	queue_dirty(&w->queue);
	log_debug("the ring is served: %u entries, from index %u", w->queue.num,
	    w->queue.next);
	notify(&w->call);
}

void
ring_update(struct worker *w)
{
	ring_stop(w);
	if (w->kick_set && w->enabled && w->queue.num != 0 && w->queue.addr_set)
		ring_start(w);
}

/* Whether a request could be served as soon as it comes. */
static bool
can_serve(const struct worker *w)
{
	return !w->broken && !w->rng.held_back && w->rng.npending == 0 &&
	    w->rng.window.held > 0;
}

/* Completes what can be.  Returns whether the driver was called. */
static bool
run_once(struct worker *w)
{
	enum rng_state state;
	bool call, kicked;
	uint64_t before;

	before = w->rng.counters->bytes;
	kicked = w->rng.npending == 0;
	state = rng_run(&w->rng, &call);
	w->more = state == RNG_MORE;
	if (state == RNG_BROKEN && !w->broken) {
		log_warning("the avail index makes no sense");
		notify(&w->err);
	}
	w->broken = state == RNG_BROKEN;
	if (call)
		notify(&w->call);
	if (w->polling.max != 0 && w->rng.counters->bytes != before)
		polling_served(&w->polling, clock_now(), kicked);
	if (!can_serve(w))
		look_away(w);
	else
		set_watched(w);
	rng_want(&w->rng);
	return call;
}

/* Leaves the CPU to its other thread for a moment. */
static void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" : : : "memory");
#else
	__asm__ volatile("" : : : "memory");
#endif
}

/* Whether a few looks at the ring see anything. */
static bool
see(const struct worker *w, int looks)
{
	while (looks-- > 0) {
		if (queue_peek(&w->queue) != QUEUE_EMPTY)
			return true;
		relax();
	}
	return false;
}

/*
 * Before going to sleep it looks once more: the next request of a driver which
 * polls, too, is there before we could be woken for it.
 */
bool
ring_run(struct worker *w)
{
	uint64_t before;
	bool called = false;

	for (int i = 0; w->running && i < RUNS_MAX; i++) {
		before = w->rng.counters->bytes;
		called |= run_once(w);
		if (w->rng.counters->bytes == before || w->more ||
		    w->polling.looking || !can_serve(w) || w->memory.lost ||
		    !see(w, LAST_LOOKS))
			break;
	}
	return called;
}

/*
 * Whoever was called may be waiting for this very CPU, and a look is worth no
 * more than what others would do with it.
 */
static void
cede(struct worker *w, uint64_t now)
{
	uint64_t later;

	sched_yield();
	later = clock_now();
	polling_ceded(&w->polling, later, later - now);
}

void
ring_look(struct worker *w)
{
	uint64_t now = clock_now(), end = now + LOOK_TIME;
	bool called = false;

	while (w->polling.looking && !called && now < end) {
		if (see(w, LOOKS))
			called = ring_run(w);
		else
			polling_idle(&w->polling, now);
		now = clock_now();
		if (w->memory.lost)
			return;
	}
	if (w->polling.looking)
		cede(w, now);
	if (!w->polling.looking)
		set_watched(w);
}
