/*
 * Starts and ends the process that reads a source on USB.  Used by
 * pool_source.c.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/pool/usb_reader.h"

/* Of bytes that wait for the entropy process: two packets. */
#define SEND_BUFFER (2 * USB_BYTES_MAX)

static int
reader_frame(struct process *p, struct frame *f)
{
	(void)p;
	return f->hdr.type == PROTO_READY ? 0 : -1;
}

/* The entropy process notices it. */
static void
reader_ended(struct process *p, int status)
{
	(void)p;
	(void)status;
}

static const struct process_ops reader_ops = {
	.role = ROLE_USB,
	.program = "vrngd-usb",
	.out_max = 2, /* there is one */
	.frame = reader_frame,
	.ended = reader_ended,
};

int
usb_reader_start(struct usb_reader *r, struct process_env *env,
    const struct log_subject *about, int fd, char why[SOURCE_WHY_SIZE])
{
	const int room = SEND_BUFFER;
	struct frame f;
	int pair[2];

	usb_reader_stop(r);
	if (channel_pair(pair) == -1) {
		snprintf(why, SOURCE_WHY_SIZE, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (r->process.env == NULL)
		log_limit_init(&r->limit, clock_now());
	if (process_start(&r->process, env, &reader_ops, about, &r->limit, r) ==
	    -1) {
		snprintf(why, SOURCE_WHY_SIZE, "cannot start vrngd-usb");
		close(fd);
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	frame_init(&f, PROTO_USB, 0, 0);
	f.fds[0] = fd;
	f.fds[1] = pair[0];
	process_send(&r->process, &f);
	return pair[1];
}

void
usb_reader_stop(struct usb_reader *r)
{
	/* It has no state to save: the next one stops the generator first. */
	if (r->process.env != NULL)
		process_stop(&r->process, 0);
}
