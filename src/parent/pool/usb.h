/*
 * USB devices: found in sysfs, and opened, without I/O.  The serial number in
 * sysfs is untrusted text.
 */
#ifndef VRNGD_USB_H
#define VRNGD_USB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether the program that reads USB devices is in the directory `libexec`;
 * false, with the reason in `why`, if it cannot be executed.
 */
bool usb_installed(const char *libexec, char *why, size_t size);

struct usb_device {
	unsigned int bus;    /* from 1 */
	unsigned int number; /* on its bus, from 1 */
};

/*
 * Finds and opens a random number generator for reading and writing.  Ids of 0
 * match any QNG generator, an empty serial number matches any; of several the
 * first by bus and number is opened.  Returns the descriptor, or -1 with the
 * reason in `*why`.
 */
int usb_open(uint16_t vendor, uint16_t product, const char *serial,
    const char **why);

/* Its two steps, with the directories of sysfs and of the nodes. */
bool usb_find(const char *sysfs, uint16_t vendor, uint16_t product,
    const char *serial, struct usb_device *, const char **why);
int usb_open_node(const char *nodes, const struct usb_device *,
    const char **why);

#endif
