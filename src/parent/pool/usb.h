/*
 * USB devices: found in sysfs, and opened, without I/O.  The serial number in
 * sysfs is untrusted text.
 */
#ifndef VRNGD_USB_H
#define VRNGD_USB_H

#include <stdbool.h>
#include <stdint.h>

/* Whether vrngd was built with libftdi1, and the reason if it was not. */
#define USB_UNSUPPORTED "vrngd was built without libftdi1"
bool usb_supported(void);

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
