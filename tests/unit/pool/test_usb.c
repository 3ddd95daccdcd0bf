/*
 * USB devices, found in a sysfs that is made up, and their nodes.
 */
#include "unit/unit.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bsd/string.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/pool/usb.h"

#define NOT_THERE "no such USB device"
#define NOT_USB	  "the node in /dev is not a USB device"

static char root[32];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
setup(void **state)
{
	(void)state;
	strlcpy(root, "/tmp/vrngd-usb.XXXXXX", sizeof(root));
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A name under the root; good until the next call. */
static const char *
under_root(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void
put(const char *device, const char *file, const void *text, size_t size)
{
	char name[100];
	int fd;

	snprintf(name, sizeof(name), "%s/%s", device, file);
	fd = open(under_root(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0644);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
}

static void
put_text(const char *device, const char *file, const char *text)
{
	put(device, file, text, strlen(text));
}

/* A device as sysfs shows it; NULL: there is no such file. */
static void
plug(const char *device, const char *vendor, const char *product,
    const char *serial, const char *bus, const char *number)
{
	const char *const files[][2] = {
		{ "idVendor", vendor },
		{ "idProduct", product },
		{ "serial", serial },
		{ "busnum", bus },
		{ "devnum", number },
	};

	assert_int_equal(mkdir(under_root(device), 0755), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (files[i][1] != NULL)
			put_text(device, files[i][0], files[i][1]);
}

static void
expect(uint16_t vendor, uint16_t product, const char *serial, unsigned int bus,
    unsigned int number)
{
	struct usb_device device = { 0 };
	const char *why = NULL;

	assert_true(usb_find(root, vendor, product, serial, &device, &why));
	assert_int_equal(device.bus, bus);
	assert_int_equal(device.number, number);
}

static void
expect_none(uint16_t vendor, uint16_t product, const char *serial)
{
	struct usb_device device;
	const char *why = NULL;
	size_t fds = unit_count_fds();

	assert_false(usb_find(root, vendor, product, serial, &device, &why));
	assert_string_equal(why, NOT_THERE);
	assert_int_equal(unit_count_fds(), fds);
}

static void
plug_all(void)
{
	plug("usb1", "1d6b\n", "0002\n", "0000:00:02.0\n", "1\n", "1\n");
	plug("1-0:1.0", NULL, NULL, NULL, NULL, NULL);
	plug("1-1", "0403\n", "6001\n", "A10LQ1\n", "1\n", "2\n");
	plug("1-2", "0403\n", "6001\n", "QWR20002\n", "1\n", "12\n");
	plug("1-3", "0403\n", "6014\n", "QWR30001\n", "1\n", "9\n");
	plug("2-1", "0403\n", "6001\n", "QWR20001\n", "2\n", "3\n");
	plug("3-1.4", "1234\n", "abcd\n", "QWR90001\n", "3\n", "127\n");
	plug("3-2", "0403\n", "6001\n", NULL, "3\n", "2\n");
	put_text(".", "file", "no directory");
}

static void
test_find(void **state)
{
	(void)state;
	expect_none(0, 0, "");
	plug_all();
	expect(0, 0, "", 1, 9);
	expect(0, 0, "QWR20001", 2, 3);
	expect(0, 0, "QWR20002", 1, 12);
	expect(0x0403, 0x6001, "", 1, 12);
	expect(0x0403, 0, "", 1, 9);
	expect(0, 0x6014, "", 1, 9);
	/* If named, its serial number and ids need not be those of a QNG. */
	expect(0, 0, "A10LQ1", 1, 2);
	expect(0x1234, 0xabcd, "", 3, 127);
	expect_none(0, 0, "QWR90001");
	expect_none(0x1234, 0, "");
	expect_none(0x0403, 0x6014, "QWR20001");
	expect_none(0, 0, "QWR2");
	expect_none(0, 0, "QWR200011");
	expect_none(0, 0, "qwr20001");
	/* A device that goes takes nothing else with it. */
	assert_int_equal(nftw(under_root("1-3"), remove_one, 16, FTW_DEPTH), 0);
	expect(0, 0, "", 1, 12);
}

/* What no device of ours says, one file of a good one at a time. */
static void
test_odd_text(void **state)
{
	static const char *const odd[][2] = {
		{ "idVendor", "" },
		{ "idVendor", "\n" },
		{ "idVendor", "403\n" },
		{ "idVendor", "00403\n" },
		{ "idVendor", "0x403\n" },
		{ "idVendor", " 403\n" },
		{ "idVendor", "0403\n\n" },
		{ "idProduct", "-600\n" },
		{ "idProduct", "600g\n" },
		{ "serial", "" },
		{ "serial", "QWR2 0001\n" },
		{ "serial", "QWR2\t\n" },
		{ "serial", "QWR2\nevil\n" },
		{ "serial", "QWR2\x1b[2J\n" },
		{ "serial", "QWR2\xc3\xa4\n" },
		{ "serial", "QWR2\x7f\n" },
		{ "serial",
		    "QWR2"
		    "0123456789012345678901234567890123456789"
		    "01234567890123456789\n" },
		{ "busnum", "0\n" },
		{ "busnum", "-1\n" },
		{ "busnum", "1/../1\n" },
		{ "busnum", "99999\n" },
		{ "busnum", "4294967297\n" },
		{ "devnum", "0\n" },
		{ "devnum", "129\n" },
		{ "devnum", "2x\n" },
		{ "devnum", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		plug("1-2", "0403\n", "6001\n", "QWR20001\n", "1\n", "2\n");
		expect(0, 0, "", 1, 2);
		put_text("1-2", odd[i][0], odd[i][1]);
		expect_none(0, 0, "");
		assert_int_equal(
		    nftw(under_root("1-2"), remove_one, 16, FTW_DEPTH), 0);
	}
	plug("1-2", "0403\n", "6001\n", "QWR20001\n", "1\n", "2\n");
	put("1-2", "serial", "QWR2\0evil", 9);
	expect_none(0, 0, "");
	expect_none(0, 0, "QWR2");
	/* As long as it may be, and no newline. */
	put_text("1-2", "serial",
	    "QWR"
	    "012345678901234567890123456789012345678901234567890123456789");
	expect(0, 0, "", 1, 2);
}

static void
test_no_usb(void **state)
{
	struct usb_device device;
	const char *why = NULL;

	(void)state;
	assert_false(usb_find(under_root("none"), 0, 0, "", &device, &why));
	assert_string_equal(why, "this host has no USB");
	put_text(".", "file", "no directory");
	assert_false(usb_find(under_root("file"), 0, 0, "", &device, &why));
	assert_string_equal(why, "Not a directory");
}

static void
expect_refused(const char *nodes, const struct usb_device *device,
    const char *wanted)
{
	const char *why = NULL;
	size_t fds = unit_count_fds();

	assert_int_equal(usb_open_node(nodes, device, &why), -1);
	assert_string_equal(why, wanted);
	assert_int_equal(unit_count_fds(), fds);
}

static void
test_node_refused(void **state)
{
	const struct usb_device device = { .bus = 60, .number = 127 };
	const char *node;

	(void)state;
	assert_int_equal(mkdir(under_root("060"), 0755), 0);
	expect_refused(root, &device, "No such file or directory");
	put_text("060", "127", "no device");
	expect_refused(root, &device, NOT_USB);
	node = under_root("060/127");
	assert_int_equal(unlink(node), 0);
	assert_int_equal(mkfifo(node, 0600), 0);
	expect_refused(root, &device, NOT_USB);
	assert_int_equal(unlink(node), 0);
	assert_int_equal(symlink("/dev/null", node), 0);
	expect_refused(root, &device, NOT_USB);
}

/* Devices that are, or could be, of another kind, and of another place. */
static void
test_node_device(void **state)
{
	const struct usb_device device = { .bus = 60, .number = 127 };
	const dev_t ours = makedev(189, 59 * 128 + 126);
	const struct {
		mode_t type;
		dev_t rdev;
	} others[] = {
		{ S_IFCHR, makedev(1, 3) },
		{ S_IFCHR, makedev(188, 59 * 128 + 126) },
		{ S_IFCHR, makedev(189, 59 * 128 + 127) },
		{ S_IFCHR, makedev(189, 126) },
		{ S_IFBLK, ours },
	};
	const char *node, *why = NULL;

	(void)state;
	/* A place where no host will have one. */
	assert_int_equal(mkdir(under_root("060"), 0755), 0);
	node = under_root("060/127");
	if (mknod(node, S_IFCHR | 0600, ours) == -1)
		program_skip("no right to make devices");
	/* It is taken for what it should be: the kernel has no such device. */
	assert_int_equal(usb_open_node(root, &device, &why), -1);
	assert_true(strcmp(why, "No such device") == 0 ||
	    strcmp(why, "No such device or address") == 0 ||
	    strcmp(why, "Operation not permitted") == 0 ||
	    strcmp(why, "Permission denied") == 0);
	/* A link to it is not it. */
	assert_int_equal(mkdir(under_root("links"), 0755), 0);
	assert_int_equal(mkdir(under_root("links/060"), 0755), 0);
	assert_int_equal(symlink("../../060/127", under_root("links/060/127")),
	    0);
	expect_refused(under_root("links"), &device, NOT_USB);
	node = under_root("060/127");
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		assert_int_equal(unlink(node), 0);
		assert_int_equal(
		    mknod(node, others[i].type | 0600, others[i].rdev), 0);
		expect_refused(root, &device, NOT_USB);
	}
}

/* On the real thing, where no device has such a serial number. */
static void
test_open(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_int_equal(usb_open(0, 0, "no such number", &why), -1);
	assert_true(strcmp(why, NOT_THERE) == 0 ||
	    strcmp(why, "this host has no USB") == 0);
}

/* The program is one that can be executed. */
static void
test_installed(void **state)
{
	char path[sizeof(root) + 16], why[64];

	(void)state;
	assert_false(usb_installed(root, why, sizeof(why)));
	assert_non_null(strstr(why, "vrngd-usb"));
	snprintf(path, sizeof(path), "%s/vrngd-usb", root);
	assert_int_equal(symlink("/bin/sh", path), 0);
	assert_true(usb_installed(root, why, sizeof(why)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_usb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_node_refused, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_node_device, setup,
		    teardown),
		cmocka_unit_test(test_open),
		cmocka_unit_test_setup_teardown(test_installed, setup,
		    teardown),
	};

	return UNIT_MAIN("usb", tests);
}
