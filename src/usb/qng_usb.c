/*
 * QNG generators on USB, with FTDI chips.  The parent opens the node of the
 * device.  libusb receives that descriptor and does not enumerate devices, so
 * that it needs no threads and files.  libftdi1 controls the chip.  Used by
 * main.c.
 */
#include <errno.h>
#include <ftdi.h>
#include <libusb.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "usb/qng_usb.h"

#define INTERFACE     0
#define ENDPOINT_IN   0x81
#define PACKET_HEADER 2	   /* bytes of each packet: state of the chip */
#define BAUD	      9600 /* arbitrary, but required */
#define LATENCY	      2	   /* ms, until the chip sends its bytes */
#define RECEIVE_LIMIT 50   /* ms */
#define SEND_LIMIT    100  /* ms */
#define GONE_LIMIT    1000 /* ms, until the kernel reports an unplugged device */

/* The type of a chip for libftdi1, by its release number. */
static const struct {
	uint16_t release;
	enum ftdi_chip_type type;
} chips[] = {
	{ 0x0200, TYPE_AM },
	{ 0x0400, TYPE_BM },
	{ 0x0500, TYPE_2232C },
	{ 0x0600, TYPE_R },
	{ 0x0700, TYPE_2232H },
	{ 0x0800, TYPE_4232H },
	{ 0x0900, TYPE_232H },
	{ 0x1000, TYPE_230X },
};

/* The errno of an error of libusb; EIO for errors of libftdi1. */
static int
usb_errno(int result)
{
	switch (result) {
	case LIBUSB_ERROR_ACCESS:
		return EACCES;
	case LIBUSB_ERROR_NO_DEVICE:
		return ENODEV;
	case LIBUSB_ERROR_BUSY:
		return EBUSY;
	case LIBUSB_ERROR_TIMEOUT:
		return ETIMEDOUT;
	case LIBUSB_ERROR_NO_MEM:
		return ENOMEM;
	default:
		return EIO;
	}
}

static int
port_send(void *arg, uint8_t command)
{
	struct qng_usb *usb = arg;
	int n;

	n = ftdi_write_data(usb->ftdi, &command, sizeof(command));
	if (n < 0)
		return usb_errno(n);
	return n == sizeof(command) ? 0 : ETIMEDOUT;
}

/* Wipes the bytes that libftdi1 has returned from its buffer. */
static void
wipe(struct ftdi_context *ftdi)
{
	explicit_bzero(ftdi->readbuffer,
	    ftdi->readbuffer_remaining > 0 ? ftdi->readbuffer_offset
					   : ftdi->readbuffer_chunksize);
}

/*
 * Reads one byte with a transfer, and then the other bytes of this transfer:
 * ftdi_read_data() would wait for `size` bytes, and lose them all on a timeout.
 */
static ssize_t
port_receive(void *arg, uint8_t *buf, size_t size)
{
	struct ftdi_context *ftdi = ((struct qng_usb *)arg)->ftdi;
	size_t rest;
	int n;

	n = ftdi_read_data(ftdi, buf, 1);
	if (n == LIBUSB_ERROR_TIMEOUT)
		n = 0;
	rest = ftdi->readbuffer_remaining;
	if (rest > size - 1)
		rest = size - 1;
	if (n == 1 && rest > 0)
		n += ftdi_read_data(ftdi, buf + 1, (int)rest);
	wipe(ftdi);
	if (n < 0) {
		errno = usb_errno(n);
		return -1;
	}
	return n;
}

static int
port_purge(void *arg)
{
	struct qng_usb *usb = arg;

	return ftdi_tciflush(usb->ftdi) == 0 ? 0 : EIO;
}

static uint64_t
port_now(void *arg)
{
	(void)arg;
	return clock_now();
}

static void
port_pause(void *arg, uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / NS_PER_SEC),
		.tv_nsec = (long)(ns % NS_PER_SEC),
	};

	(void)arg;
	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		continue;
}

static const struct qng_port port = {
	.send = port_send,
	.receive = port_receive,
	.purge = port_purge,
	.now = port_now,
	.pause = port_pause,
};

/* Detaches the device of `fd` from the kernel's driver, if attached. */
static int
claim(struct ftdi_context *ftdi, int fd)
{
	libusb_device_handle *handle;
	int result;

	result = libusb_wrap_sys_device(ftdi->usb_ctx, fd, &handle);
	if (result < 0)
		return usb_errno(result);
	ftdi_set_usbdev(ftdi, handle);
	result = libusb_detach_kernel_driver(handle, INTERFACE);
	if (result < 0 && result != LIBUSB_ERROR_NOT_FOUND)
		return usb_errno(result);
	result = libusb_claim_interface(handle, INTERFACE);
	return result < 0 ? usb_errno(result) : 0;
}

/* Sets the fields of libftdi1 that ftdi_usb_open_dev() would set. */
static int
describe(struct ftdi_context *ftdi)
{
	libusb_device *usb = libusb_get_device(ftdi->usb_dev);
	struct libusb_device_descriptor desc;
	int size;

	if (libusb_get_device_descriptor(usb, &desc) < 0)
		return EIO;
	for (size_t i = 0; i < sizeof(chips) / sizeof(*chips); i++)
		if (chips[i].release == desc.bcdDevice)
			ftdi->type = chips[i].type;
	size = libusb_get_max_packet_size(usb, ENDPOINT_IN);
	if (size <= PACKET_HEADER || size > QNG_READ_MAX)
		return EPROTO;
	ftdi->max_packet_size = (unsigned int)size;
	return 0;
}

static int
set_up_chip(struct ftdi_context *ftdi)
{
	ftdi->usb_read_timeout = RECEIVE_LIMIT;
	ftdi->usb_write_timeout = SEND_LIMIT;
	if (ftdi_usb_reset(ftdi) != 0 || ftdi_set_baudrate(ftdi, BAUD) != 0 ||
	    ftdi_set_latency_timer(ftdi, LATENCY) != 0)
		return EIO;
	return 0;
}

/* An unplugged device first fails, and disappears a moment later. */
static int
or_gone(int fd, int error)
{
	struct pollfd pfd = { .fd = fd };

	if (error == EIO && poll(&pfd, 1, GONE_LIMIT) == 1)
		return ENODEV;
	return error;
}

void
qng_usb_prepare(struct qng_usb *usb)
{
	/* For all contexts of this process: no device is enumerated. */
	libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	usb->ftdi = ftdi_new();
	if (usb->ftdi == NULL ||
	    ftdi_read_data_set_chunksize(usb->ftdi, QNG_READ_MAX) != 0)
		log_fatal("cannot initialize libusb");
}

int
qng_usb_open(struct qng_usb *usb, int fd)
{
	int error;

	usb->fd = fd;
	if ((error = claim(usb->ftdi, fd)) != 0 ||
	    (error = describe(usb->ftdi)) != 0 ||
	    (error = set_up_chip(usb->ftdi)) != 0)
		return or_gone(fd, error);
	usb->speaking = true;
	error = qng_start(&usb->qng, &port, usb);
	return or_gone(fd, error);
}

ssize_t
qng_usb_read(struct qng_usb *usb, uint8_t *buf, size_t size)
{
	ssize_t n;

	n = qng_read(&usb->qng, buf, size);
	if (n == -1 && !usb->qng.unwell)
		errno = or_gone(usb->fd, errno);
	return n;
}

void
qng_usb_close(struct qng_usb *usb)
{
	if (usb->speaking)
		qng_stop(&usb->qng);
	usb->speaking = false;
	/* Releases the interface too. */
	ftdi_usb_close(usb->ftdi);
}
