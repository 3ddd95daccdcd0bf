/*
 * Starts, stops, serves and polls the ring, and its eventfds.  Used by
 * requests.c, which changes it, and by worker.c, which runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/min.h"
#include "vhost/device/inflight_packed.h"
#include "vhost/worker.h"

#define LOOKS	  32 /* of the ring at a time: about 0.7 us */
#define RUNS_MAX  16 /* runs without sleep, until other events are handled */
#define KICKS_MAX UINT32_MAX /* of an eventfd, which can have any value */

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
 * Adds one to an eventfd of the frontend, which may be any descriptor.  If it
 * lacks O_NONBLOCK, the write could block: so poll(2) first; if it is not
 * writable, a notification is already pending.
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

	/*
	 * The frontend has it open too, so epoll(7) would watch it after a
	 * close.
	 */
	if (w->kick_fd != -1) {
		loop_try(&w->loop, EPOLL_CTL_DEL, w->kick_fd, 0, EVENT_KICK);
		close(w->kick_fd);
	}
	w->kick_fd = fd;
	w->kick_id = id;
	w->kicks = 0;
	/* Edge-triggered: it need not be read. */
	if (fd == -1 ||
	    loop_try(&w->loop, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET,
		EVENT_KICK) == 0)
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
	/* Repeats a call that may have gone to the previous eventfd. */
	if (w->running)
		notify(&w->call);
}

void
ring_set_err(struct worker *w, int fd, uint32_t id)
{
	notifier_init(&w->err, fd, id);
}

/* Enables kicks of the driver, unless the ring is polled. */
static void
set_watched(struct worker *w)
{
	if (w->polling.looking == w->queue.watched)
		return;
	queue_watch(&w->queue, w->polling.looking);
	/* Requests from before the change came without a kick. */
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

/* Why the ring is outside of the memory. */
static enum fault
unreachable(const struct worker *w)
{
	if ((w->features & FEATURE(VIRTIO_F_ACCESS_PLATFORM)) != 0)
		return FAULT_IOMMU;
	return w->memory.nregions == 0 ? FAULT_MEMORY : FAULT_RING;
}

static void
ring_start(struct worker *w)
{
	const char *why;

	w->broken = false;
	if (queue_map(&w->queue, &why) == -1) {
		if (why == queue_unreachable)
			worker_fault(w, unreachable(w));
		else
			log_warning("cannot serve the ring: %s", why);
		notify(&w->err);
		return;
	}
	worker_show_fault(w, FAULT_NONE);
	w->queue.event_idx = (w->features & FEATURE(VIRTIO_F_EVENT_IDX)) != 0;
	if (w->inflight.packed != NULL)
		inflight_packed_start(&w->inflight, &w->queue);
	else if (w->inflight.region != NULL)
		w->queue.next = (uint16_t)(w->queue.used +
		    inflight_start(&w->inflight, w->queue.used));
	w->running = w->more = true;
	/* The worker before may have died before it did this. */
	queue_dirty(&w->queue);
	log_debug("serving the ring: %u entries, from index %u", w->queue.num,
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

/* Whether the next request can be served at once. */
static bool
can_serve(const struct worker *w)
{
	return !w->broken && !w->rng.held_back && w->rng.npending == 0 &&
	    w->rng.window.held > 0;
}

/* Completes available requests.  Returns whether the driver was called. */
static bool
run_once(struct worker *w)
{
	enum rng_state state;
	bool call, kicked;
	uint64_t before;

	before = w->rng.counters->bytes;
	kicked = w->rng.npending == 0;
	/*
	 * If this process lost the CPU to those that it asked for bytes, they
	 * are there: no second request has to wait for that.  They were granted
	 * to the window, not to a request.
	 */
	if (w->wanted && kicked) {
		window_receive(&w->rng.window);
		w->rng.window.fresh = false;
	}
	state = rng_run(&w->rng, &call);
	if (w->page->fault != FAULT_NONE && w->rng.counters->bytes != before)
		worker_show_fault(w, FAULT_NONE);
	w->more = state == RNG_MORE;
	if (state == RNG_BROKEN && !w->broken) {
		log_warning("invalid avail index");
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
	w->wanted = rng_want(&w->rng);
	return call;
}

/* Yields to the other hardware thread of the CPU. */
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

/* Whether one of a few checks of the ring finds a request. */
static bool
see(const struct worker *w)
{
	for (int i = 0; i < LOOKS; i++) {
		if (queue_peek(&w->queue) != QUEUE_EMPTY)
			return true;
		relax();
	}
	return false;
}

/*
 * Checks the ring again before sleeping: the next request of a driver that
 * polls too arrives before a wake-up could happen.
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
		    !see(w))
			break;
	}
	return called;
}

/*
 * Reads an eventfd, if that cannot block: the number of writes since it was
 * read last; 0: unknown.
 */
static uint64_t
count_kicks(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	uint64_t n;

	if (flags == -1 || (flags & O_NONBLOCK) == 0 ||
	    read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return 0;
	return n;
}

/* Kicks for requests that never appear: see ring_kick(). */
static void
check_blank(struct worker *w)
{
	if (!w->running || w->kick_fd == -1 || !queue_is_blank(&w->queue))
		return;
	/* The first one is of the frontend, which sets a new eventfd. */
	w->kicks += min64(count_kicks(w->kick_fd), KICKS_MAX);
	/* A kick that was read here causes no event. */
	if (!queue_is_blank(&w->queue))
		ring_run(w);
	else if (w->kicks > 1)
		worker_fault(w, FAULT_MEMORY);
}

void
ring_kick(struct worker *w)
{
	ring_run(w);
	check_blank(w);
}

void
ring_look(struct worker *w)
{
	uint64_t now = clock_now(), end = now + POLLING_LOOK_MIN;
	bool called = false;

	while (w->polling.looking && !called && now < end) {
		if (see(w))
			called = ring_run(w);
		else
			polling_idle(&w->polling, now);
		now = clock_now();
		if (w->memory.lost)
			return;
	}
	if (w->polling.looking)
		polling_cede(&w->polling, now);
	if (!w->polling.looking)
		set_watched(w);
}
