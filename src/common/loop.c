/*
 * The event loop of a child (loop.h).  Used by all roles.
 */
#include <sys/mman.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

int
loop_try(struct loop *l, int op, int fd, uint32_t events, uint64_t key)
{
	struct epoll_event ev = { .events = events, .data.u64 = key };

	return epoll_ctl(l->epoll_fd, op, fd, &ev);
}

void
loop_watch(struct loop *l, int op, int fd, uint32_t events, uint64_t key)
{
	if (loop_try(l, op, fd, events, key) == -1)
		log_fatal("epoll_ctl: %s", strerror(errno));
}

void
loop_init(struct loop *l, enum proto_role role)
{
	*l = (struct loop){ .role = role };
	if ((l->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		log_fatal("epoll_create1: %s", strerror(errno));
	loop_watch(l, EPOLL_CTL_ADD, CHANNEL_FD, EPOLLIN, LOOP_CHANNEL);
	loop_watch(l, EPOLL_CTL_ADD, CHANNEL_UP_FD, 0, LOOP_UP);
}

/* Sends a frame without payload.  Returns whether there was room for it. */
static bool
send_empty(enum proto_type type)
{
	struct frame f;

	frame_init(&f, type, 0, 0);
	return channel_up(&f);
}

/* Returns false while the channel has no room for an answer. */
static bool
answer(struct loop *l)
{
	if (!l->owed)
		return true;
	if (!send_empty(PROTO_PONG))
		return false;
	l->owed = l->busy = false;
	return true;
}

void
loop_busy(struct loop *l)
{
	if (!l->busy)
		l->busy = send_empty(PROTO_BUSY);
}

int
loop_wait(struct loop *l, struct epoll_event *events, int max, int ms)
{
	int n = epoll_wait(l->epoll_fd, events, max, ms);

	if (n == -1 && errno != EINTR)
		log_fatal("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 != LOOP_UP)
			continue;
		if ((events[i].events & EPOLLERR) != 0)
			channel_lost();
		answer(l);
	}
	return n == -1 ? 0 : n;
}

int
loop_timeout(uint64_t at, uint64_t now)
{
	uint64_t ms;

	if (at == 0)
		return -1;
	if (at <= now)
		return 0;
	ms = (at - now - 1) / NS_PER_MS + 1;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

bool
loop_recv(struct loop *l, struct frame *f)
{
	enum channel_result result;

	while ((result = channel_recv(CHANNEL_FD, f, ROLE_PARENT, l->role)) ==
		CHANNEL_FRAME &&
	    f->hdr.type == PROTO_PING) {
		l->owed = true;
		answer(l);
	}
	if (result != CHANNEL_FRAME && result != CHANNEL_AGAIN)
		channel_end(result, f);
	return result == CHANNEL_FRAME;
}

void
loop_await(struct loop *l, struct frame *f, enum proto_type type)
{
	struct pollfd pfd = { .fd = CHANNEL_FD, .events = POLLIN };

	while (!loop_recv(l, f))
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
	if (f->hdr.type != type)
		log_fatal("unexpected %s frame, expected %s",
		    frame_name(f->hdr.type), frame_name(type));
}

void *
loop_counters(struct loop *l)
{
	struct frame f;
	void *page;

	loop_await(l, &f, PROTO_COUNTERS);
	page = mmap(NULL, counters_size(l->role), PROT_READ | PROT_WRITE,
	    MAP_SHARED, f.fds[0], 0);
	if (page == MAP_FAILED)
		log_fatal("cannot map the counters: %s", strerror(errno));
	close(f.fds[0]);
	return page;
}

void
loop_flush(struct loop *l, bool pending)
{
	bool full = !answer(l) || pending;

	if (full == l->full)
		return;
	l->full = full;
	loop_watch(l, EPOLL_CTL_MOD, CHANNEL_UP_FD, full ? EPOLLOUT : 0,
	    LOOP_UP);
}
