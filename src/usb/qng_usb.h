/*
 * A QNG generator on USB, in the process that reads it.
 */
#ifndef VRNGD_QNG_USB_H
#define VRNGD_QNG_USB_H

#include "usb/qng.h"

struct ftdi_context;

/* A generator; zeroed before qng_usb_prepare(). */
struct qng_usb {
	struct ftdi_context *ftdi;
	struct qng qng;
	int fd;	       /* of the device's node */
	bool speaking; /* the chip is ready for commands */
};

/*
 * Makes the system calls that the filter forbids later.  Ends the process on
 * failure.
 */
void qng_usb_prepare(struct qng_usb *);

/*
 * Starts the generator whose node is open as `fd`, which the caller owns.
 * Returns 0 or an errno, see qng_start().
 */
int qng_usb_open(struct qng_usb *, int fd);

/*
 * Reads as qng_read() does.  ENODEV: the device is unplugged.
 */
ssize_t qng_usb_read(struct qng_usb *, uint8_t *buf, size_t size);

/* Reverts qng_usb_open(), also after its failure, except the fd. */
void qng_usb_close(struct qng_usb *);

#endif
