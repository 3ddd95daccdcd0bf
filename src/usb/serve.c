/*
 * Sends bytes of a USB device to the entropy process.  Used by main.c.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "usb/serve.h"

/*
 * Waits for room.  What is unplugged or has ended is noticed here only: while
 * there is room, reading and sending report it.  Returns 0 or an errno.
 */
static int
wait_room(const struct serve *s)
{
	struct pollfd pfd[] = {
		{ .fd = s->out_fd, .events = POLLOUT },
		{ .fd = s->device_fd },
		{ .fd = s->channel_fd },
	};

	while (poll(pfd, 3, -1) == -1)
		if (errno != EINTR)
			return errno;
	if ((pfd[0].revents & (POLLHUP | POLLERR)) != 0 || pfd[2].revents != 0)
		return EPIPE;
	return pfd[1].revents != 0 ? ENODEV : 0;
}

int
serve_send(const struct serve *s, size_t size)
{
	size_t length = offsetof(struct proto_usb_packet, bytes) + size;
	int error = 0;

	while (error == 0 &&
	    send(s->out_fd, s->packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		-1) {
		if (errno == EAGAIN)
			error = wait_room(s);
		else if (errno != EINTR)
			error = errno == ECONNRESET ? EPIPE : errno;
	}
	explicit_bzero(s->packet->bytes, size);
	return error;
}
