/*
 * Finds and opens USB devices.  Used by source_open.c and usb_reader.c.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bsd/stdlib.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/pool/usb.h"

#define SYSFS_DEVICES "/sys/bus/usb/devices"
#define USB_NODES     "/dev/bus/usb"

#define TEXT_SIZE	64  /* of a file in sysfs, with the terminating NUL */
#define DEVICE_MAJOR	189 /* of all nodes of USB devices */
#define DEVICES_PER_BUS 128
#define BUS_MAX		(1 << 13) /* there are 2^20 minor numbers */

/* ComScire's generators have FTDI's ids and serial numbers of their own. */
static const struct {
	uint16_t vendor, product;
} known[] = {
	{ 0x0403, 0x6001 }, /* R2000KU and kin */
	{ 0x0403, 0x6014 }, /* R32MU and kin */
};
#define KNOWN_SERIAL "QWR"

/*
 * Reads a file with one printable word, without its newline, into `text`
 * (TEXT_SIZE).  Returns whether it has one.
 */
static bool
read_word(int dir, const char *name, char *text)
{
	ssize_t n;
	int fd;

	if ((fd = openat(dir, name, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, text, TEXT_SIZE);
	close(fd);
	if (n <= 0 || n == TEXT_SIZE)
		return false;
	if (text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return n > 0;
}

static bool
read_id(int dir, const char *name, uint16_t *id)
{
	char text[TEXT_SIZE];

	if (!read_word(dir, name, text) || strlen(text) != 4)
		return false;
	for (int i = 0; i < 4; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	*id = (uint16_t)strtoul(text, NULL, 16);
	return true;
}

static bool
read_number(int dir, const char *name, unsigned int max, unsigned int *number)
{
	char text[TEXT_SIZE];
	const char *error;

	if (!read_word(dir, name, text))
		return false;
	*number = (unsigned int)strtonum(text, 1, max, &error);
	return error == NULL;
}

static bool
ids_match(uint16_t vendor, uint16_t product, uint16_t its_vendor,
    uint16_t its_product)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (its_vendor == (vendor != 0 ? vendor : known[i].vendor) &&
		    its_product == (product != 0 ? product : known[i].product))
			return true;
	return false;
}

static bool
serial_matches(const char *serial, const char *its)
{
	if (serial[0] == '\0')
		return strncmp(its, KNOWN_SERIAL, strlen(KNOWN_SERIAL)) == 0;
	return strcmp(its, serial) == 0;
}

/* Whether the device of this directory matches; sets its place. */
static bool
examine(int dir, uint16_t vendor, uint16_t product, const char *serial,
    struct usb_device *device)
{
	uint16_t its_vendor, its_product;
	char its_serial[TEXT_SIZE];

	return read_id(dir, "idVendor", &its_vendor) &&
	    read_id(dir, "idProduct", &its_product) &&
	    ids_match(vendor, product, its_vendor, its_product) &&
	    read_word(dir, "serial", its_serial) &&
	    serial_matches(serial, its_serial) &&
	    read_number(dir, "busnum", BUS_MAX, &device->bus) &&
	    read_number(dir, "devnum", DEVICES_PER_BUS, &device->number);
}

static bool
precedes(const struct usb_device *a, const struct usb_device *b)
{
	return a->bus != b->bus ? a->bus < b->bus : a->number < b->number;
}

bool
usb_find(const char *sysfs, uint16_t vendor, uint16_t product,
    const char *serial, struct usb_device *found, const char **why)
{
	struct usb_device device;
	struct dirent *entry;
	DIR *devices;
	bool any = false;
	int dir;

	if ((devices = opendir(sysfs)) == NULL) {
		*why =
		    errno == ENOENT ? "this host has no USB" : strerror(errno);
		return false;
	}
	while ((entry = readdir(devices)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		dir = openat(dirfd(devices), entry->d_name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir == -1)
			continue;
		if (examine(dir, vendor, product, serial, &device) &&
		    (!any || precedes(&device, found))) {
			*found = device;
			any = true;
		}
		close(dir);
	}
	closedir(devices);
	if (!any)
		*why = "no such USB device";
	return any;
}

int
usb_open_node(const char *nodes, const struct usb_device *device,
    const char **why)
{
	char path[PATH_MAX];
	struct stat st;
	dev_t wanted;
	int fd, n;

	n = snprintf(path, sizeof(path), "%s/%03u/%03u", nodes, device->bus,
	    device->number);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		*why = strerror(ENAMETOOLONG);
		return -1;
	}
	wanted = makedev(DEVICE_MAJOR,
	    (device->bus - 1) * DEVICES_PER_BUS + device->number - 1);
	/* Checked before, too: opening some devices has effects. */
	if (lstat(path, &st) == -1) {
		*why = strerror(errno);
		return -1;
	}
	if (!S_ISCHR(st.st_mode) || st.st_rdev != wanted) {
		*why = "the node in /dev is not a USB device";
		return -1;
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (fd == -1) {
		*why = strerror(errno);
		return -1;
	}
	if (fstat(fd, &st) == -1 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != wanted) {
		*why = "the node in /dev has changed";
		close(fd);
		return -1;
	}
	return fd;
}

bool
usb_installed(const char *libexec, char *why, size_t size)
{
	char path[PATH_MAX];
	int n;

	n = snprintf(path, sizeof(path), "%s/vrngd-usb", libexec);
	if (n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0)
		return true;
	snprintf(why, size,
	    "no vrngd-usb, which reads it: install the package vrngd-usb");
	return false;
}

int
usb_open(uint16_t vendor, uint16_t product, const char *serial,
    const char **why)
{
	struct usb_device device;

	if (!usb_find(SYSFS_DEVICES, vendor, product, serial, &device, why))
		return -1;
	return usb_open_node(USB_NODES, &device, why);
}
