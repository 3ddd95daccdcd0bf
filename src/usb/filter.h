/*
 * The system calls of a process that reads a USB device.
 */
#ifndef VRNGD_USB_FILTER_H
#define VRNGD_USB_FILTER_H

#include "common/sandbox.h"

/*
 * The system calls that the process may make after its start.  Returns the
 * number of rules.
 */
size_t usb_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX]);

#endif
