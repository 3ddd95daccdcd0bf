/*
 * The process that reads a source on USB.  It is started each time that the
 * source is opened, and ends when the device or the entropy process closes it.
 */
#ifndef VRNGD_USB_READER_H
#define VRNGD_USB_READER_H

#include "common/log.h"
#include "parent/host/process.h"
#include "parent/pool/source_open.h"

struct usb_reader {
	struct process process;
	struct log_limit limit; /* of its log lines */
};

/*
 * Starts the process for the device open as `fd`, which it owns; ends an earlier
 * one.  `about` must outlive the reader.  Returns the descriptor of the source
 * for the entropy process, or -1 with the reason.
 */
int usb_reader_start(struct usb_reader *, struct process_env *,
    const struct log_subject *about, int fd, char why[SOURCE_WHY_SIZE]);

/* Kills it, if it runs. */
void usb_reader_stop(struct usb_reader *);

#endif
