/*
 * Reads a QNG generator on USB, and sends its bytes to the entropy process of
 * its pool, until one of them ends.  Started by the parent each time that it
 * opens such a source.
 */
#include <errno.h>

#include "common/child.h"
#include "common/locked.h"
#include "common/loop.h"
#include "usb/filter.h"
#include "usb/qng_usb.h"
#include "usb/serve.h"

/* Reads and sends until that fails.  Returns the errno. */
static int
read_on(struct qng_usb *usb, const struct serve *s)
{
	ssize_t n;
	int error;

	do {
		n = qng_usb_read(usb, s->packet->bytes, USB_BYTES_MAX);
		if (n == -1)
			return errno;
		error = serve_send(s, (size_t)n);
	} while (error == 0);
	return error;
}

int
main(void)
{
	static struct loop loop;
	static struct qng_usb usb;
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	struct serve s = { .channel_fd = CHANNEL_FD };
	struct frame f;
	int error;

	child_start(ROLE_USB);
	loop_init(&loop, ROLE_USB);
	loop_await(&loop, &f, PROTO_USB);
	s.device_fd = f.fds[0];
	s.out_fd = f.fds[1];
	s.packet = locked_map(sizeof(*s.packet));
	qng_usb_prepare(&usb);
	child_ready(rules, usb_filter(rules), 0);
	error = qng_usb_open(&usb, s.device_fd);
	if (error == 0)
		error = read_on(&usb, &s);
	/* First, since the parent may open it again as soon as it is lost. */
	qng_usb_close(&usb);
	s.packet->error = error;
	s.packet->unwell = usb.qng.unwell;
	serve_send(&s, 0);
	return 0;
}
