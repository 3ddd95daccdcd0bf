/*
 * Saves and loads the state of the device over a descriptor of the frontend.
 * Used by requests.c for the two requests, and by worker.c when they have been
 * answered.
 *
 * A transfer ends with its process: the descriptor is nowhere else, so the
 * frontend sees it closed, and the next worker has no transfer to check.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "vhost/worker.h"

static void
close_fd(struct worker *w)
{
	struct transfer *t = &w->transfer;

	if (t->fd == -1)
		return;
	/* The frontend may have it open too (ring_set_kick()). */
	if (t->state == TRANSFER_LOADING)
		loop_try(&w->loop, EPOLL_CTL_DEL, t->fd, 0, EVENT_TRANSFER);
	close(t->fd);
	t->fd = -1;
}

static void
finish(struct worker *w, enum transfer_state state, const char *why)
{
	close_fd(w);
	w->transfer.state = state;
	w->transfer.why = why;
}

void
transfer_end(struct worker *w)
{
	finish(w, TRANSFER_NONE, NULL);
}

/* Whether a transfer over a descriptor is possible. */
static const char *
refuse(const struct worker *w, const struct vhost_user_transfer *how,
    const struct stat *st)
{
	if (how->direction > VHOST_USER_TRANSFER_LOAD)
		return "unknown direction";
	if (how->phase != VHOST_USER_TRANSFER_STOPPED)
		return "unknown phase";
	if (w->running)
		return "the ring is not stopped";
	if (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode))
		return NULL;
	/* Workers cannot write to files (sandbox.c). */
	if (S_ISREG(st->st_mode) && how->direction == VHOST_USER_TRANSFER_LOAD)
		return NULL;
	return "device state needs a pipe or a socket";
}

const char *
transfer_start(struct worker *w, const struct vhost_user_transfer *how, int fd)
{
	struct transfer *t = &w->transfer;
	struct stat st;
	const char *why;

	transfer_end(w);
	t->fd = fd;
	why = fstat(fd, &st) == -1 ? strerror(errno) : refuse(w, how, &st);
	if (why == NULL) {
		t->socket = S_ISSOCK(st.st_mode);
		t->n = 0;
		t->state = how->direction == VHOST_USER_TRANSFER_SAVE
		    ? TRANSFER_SAVING
		    : TRANSFER_LOADING;
	}
	/* A file is always readable, and read when the frontend checks it. */
	if (why == NULL && t->state == TRANSFER_LOADING &&
	    !S_ISREG(st.st_mode) &&
	    loop_try(&w->loop, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET,
		EVENT_TRANSFER) == -1)
		why = strerror(errno);
	if (why != NULL)
		transfer_end(w);
	return why;
}

/*
 * Whether a pipe or file that may lack O_NONBLOCK can be read or written.
 * Between this and the operation only another process that has the frontend's
 * end can make it block, and then only the worker of that guest.
 */
static bool
is_ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	if (poll(&pfd, 1, 0) == 1)
		return true;
	errno = EAGAIN;
	return false;
}

/*
 * Writes it all, or fails: a pipe has room for at least 4096 bytes, unless the
 * frontend has filled it.
 */
void
transfer_save(struct worker *w)
{
	struct transfer *t = &w->transfer;
	const struct device_state state = { .status = w->status };
	uint8_t bytes[DEVICE_STATE_MAX];
	struct iovec iov = { .iov_base = bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = -1;

	if (t->state != TRANSFER_SAVING)
		return;
	iov.iov_len = device_state_write(&state, bytes);
	if (t->socket)
		n = sendmsg(t->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (is_ready(t->fd, POLLOUT))
		n = write(t->fd, bytes, iov.iov_len);
	if (n == -1)
		finish(w, TRANSFER_FAILED, strerror(errno));
	else if (n != (ssize_t)iov.iov_len)
		finish(w, TRANSFER_FAILED, "no room for the device state");
	else
		finish(w, TRANSFER_SAVED, NULL);
}

void
transfer_load(struct worker *w)
{
	struct transfer *t = &w->transfer;
	size_t room;
	ssize_t n;

	while (t->state == TRANSFER_LOADING) {
		room = sizeof(t->bytes) - t->n;
		n = -1;
		if (t->socket)
			n = recv(t->fd, t->bytes + t->n, room, MSG_DONTWAIT);
		else if (is_ready(t->fd, POLLIN))
			n = read(t->fd, t->bytes + t->n, room);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n == -1)
			finish(w, TRANSFER_FAILED, strerror(errno));
		else if (n == 0)
			finish(w, TRANSFER_LOADED, NULL);
		else
			t->n += (size_t)n;
		/* More would be of no use: the frontend must not wait. */
		if (t->n > DEVICE_STATE_MAX)
			finish(w, TRANSFER_LOADED, NULL);
	}
}

/* What the guest reads from now on is granted after the load. */
static const char *
apply(struct worker *w)
{
	struct device_state state;
	const char *why;

	if (w->running)
		return "the ring is not stopped";
	why = device_state_read(&state, w->transfer.bytes, w->transfer.n);
	if (why != NULL)
		return why;
	w->status = state.status;
	window_receive(&w->rng.window);
	window_drop(&w->rng.window, w->rng.window.held);
	rng_want(&w->rng);
	return NULL;
}

const char *
transfer_check(struct worker *w)
{
	struct transfer *t = &w->transfer;
	const char *why = NULL;

	transfer_load(w);
	switch (t->state) {
	case TRANSFER_NONE:
	case TRANSFER_SAVING:
		why = "no transfer, or it was lost";
		break;
	case TRANSFER_LOADING:
		why = "device state is not at its end";
		break;
	case TRANSFER_FAILED:
		why = t->why;
		break;
	case TRANSFER_LOADED:
		why = apply(w);
		break;
	case TRANSFER_SAVED:
		break;
	}
	transfer_end(w);
	return why;
}
