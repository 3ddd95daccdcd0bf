/*
 * The life of the ring: when it is served and when not, and its eventfds.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "worker.h"

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

void
ring_stop(struct worker *w)
{
	if (!w->running)
		return;
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

void
ring_run(struct worker *w)
{
	enum rng_state state;
	bool call;

	if (!w->running)
		return;
	state = rng_run(&w->rng, &call);
	w->more = state == RNG_MORE;
	if (state == RNG_BROKEN && !w->broken) {
		log_warning("the avail index makes no sense");
		notify(&w->err);
	}
	w->broken = state == RNG_BROKEN;
	if (call)
		notify(&w->call);
	rng_want(&w->rng);
}
