/*
 * The way of the bytes from the process that reads a USB device to the entropy
 * process.
 */
#ifndef VRNGD_USB_SERVE_H
#define VRNGD_USB_SERVE_H

#include <stddef.h>

#include "common/proto.h"

struct serve {
	int out_fd;	/* to the entropy process */
	int device_fd;	/* hangs up when the device is unplugged */
	int channel_fd; /* hangs up when the parent wants no more bytes */
	struct proto_usb_packet *packet;
};

/*
 * Sends the packet with `size` bytes, 0 or more, and wipes them; waits for room.
 * Returns 0; EPIPE if nothing reads them any more; ENODEV if the device is
 * unplugged meanwhile; or another errno.
 */
int serve_send(const struct serve *, size_t size);

#endif
