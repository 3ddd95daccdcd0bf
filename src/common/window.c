/*
 * A worker's granted bytes and its demand.  Used by the vhost and EGD workers.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/min.h"
#include "common/window.h"

#define REFILL_MIN 4096 /* bytes */

void
window_init(struct window *w)
{
	memset(w, 0, offsetof(struct window, bytes));
	w->bytes_fd = -1;
}

void
window_limit(struct window *w, const struct proto_limits *limits)
{
	w->ready = min32(limits->window, WINDOW_SIZE - BYTES_PACKET_MAX);
	w->request_min = limits->request_min > 0 ? limits->request_min : 1;
	w->request_max = min32(limits->request_max, REQUEST_MAX);
}

void
window_rewire(struct window *w, uint32_t generation, int fd)
{
	if (w->bytes_fd != -1)
		close(w->bytes_fd);
	w->bytes_fd = fd;
	w->generation = generation;
	w->received = 0;
	w->reported = (struct proto_want){ 0 };
}

/*
 * Moves the bytes to the start of the window.  The copy that moves leaves no
 * second one behind.
 */
static void
compact(struct window *w)
{
	memmove(w->bytes, w->bytes + w->start, w->held);
	explicit_bzero(w->bytes + w->held, w->start);
	w->start = 0;
}

void
window_receive(struct window *w)
{
	ssize_t n;

	while (w->bytes_fd != -1 && WINDOW_SIZE - w->held >= BYTES_PACKET_MAX) {
		if (WINDOW_SIZE - w->held - w->start < BYTES_PACKET_MAX)
			compact(w);
		n = recv(w->bytes_fd, w->bytes + w->start + w->held,
		    BYTES_PACKET_MAX, MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close(w->bytes_fd);
			w->bytes_fd = -1;
			return;
		}
		w->held += (uint32_t)n;
		w->received += (uint64_t)n;
		w->fresh = true;
	}
}

void
window_drop(struct window *w, uint32_t n)
{
	explicit_bzero(w->bytes + w->start, n);
	w->held -= n;
	w->start = w->held == 0 ? 0 : w->start + n;
}

/*
 * The bytes used of a full window after which more are wanted: early, since the
 * refill takes time, but not for each request to a small window.
 */
static uint32_t
refill_size(const struct window *w)
{
	if (w->ready == 0)
		return 1;
	return w->ready > 4 * REFILL_MIN ? w->ready / 4
					 : min32(w->ready / 2, REFILL_MIN);
}

/*
 * Whether `want` must be reported to the parent: more is needed, less is
 * needed, or enough has been used to fill the window again.
 */
static bool
is_changed(const struct window *w, const struct proto_want *want)
{
	uint64_t thought, used;

	if (want->need > w->reported.need && want->need > want->received)
		return true;
	if (want->need < w->reported.need && w->reported.need > want->received)
		return true;
	if (want->room > want->received && w->reported.room == 0)
		return true;
	/*
	 * The bytes that the parent assumes are held, and those used of them.
	 */
	thought = want->received - w->reported.received + w->reported.held;
	used = thought - want->held;
	return used >= refill_size(w);
}

bool
window_want(struct window *w, uint64_t need, bool any_request)
{
	struct frame f;
	struct proto_want *want = &f.u.want;

	if (!any_request && w->held > w->ready)
		window_drop(w, w->held - w->ready);
	frame_init(&f, PROTO_WANT, w->consumer, w->generation);
	want->received = w->received;
	want->held = min32(w->held, NEED_MAX);
	want->need = w->received + need;
	want->room = want->need + w->ready;
	if (need == 0)
		want->room -= min32(w->held, w->ready);
	if (!w->pending && !is_changed(w, want))
		return false;
	w->pending = !channel_up(&f);
	if (!w->pending)
		w->reported = *want;
	return !w->pending;
}
