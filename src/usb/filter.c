/*
 * The system call filter of a process that reads a USB device.  Used by main.c,
 * and by the test that tries every system call.
 */
#include <sys/socket.h>

#include <string.h>

#include "usb/filter.h"

static const struct sandbox_rule usb_rules[] = {
	{ .nr = SCMP_SYS(ioctl),
	    .why = "requests of USB devices (USBDEVFS_*)",
	    .nargs = 1,
	    .args = { SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xff00, 'U' << 8) } },
	{ .nr = SCMP_SYS(read), .why = "descriptors of USB; events of libusb" },
	{ .nr = SCMP_SYS(lseek), .why = "libusb reads the descriptors" },
	{ .nr = SCMP_SYS(readlink),
	    .why = "libusb tries /proc, which does not exist" },
	{ .nr = SCMP_SYS(readlinkat), .why = "likewise, other architectures" },
	{ .nr = SANDBOX_POLL, .why = "transfers, room for bytes" },
	{ .nr = SCMP_SYS(timerfd_settime), .why = "timeouts of libusb" },
	{ .nr = SCMP_SYS(clock_nanosleep), .why = "the start-up sequence" },
	{ .nr = SCMP_SYS(nanosleep), .why = "likewise, other libraries" },
	{ .nr = SCMP_SYS(sendto),
	    .why = "bytes",
	    .nargs = 2,
	    .args = { SANDBOX_INT(3, SANDBOX_SEND_FLAGS), SANDBOX_NULL(4) } },
	{ .nr = SCMP_SYS(write), .why = "frames; events of libusb" },
	{ .nr = SCMP_SYS(close), .why = "the device" },
	{ .nr = SCMP_SYS(futex), .why = "locks of libusb" },
	{ .nr = SCMP_SYS(clock_gettime), .why = "hosts without vDSO" },
	{ .nr = SCMP_SYS(brk), .why = "transfers of libusb" },
	{ .nr = SCMP_SYS(mmap),
	    .why = "transfers of libusb",
	    .nargs = 1,
	    .args = { SANDBOX_NO_EXEC } },
	{ .nr = SCMP_SYS(munmap), .why = "transfers of libusb" },
	{ .nr = SCMP_SYS(restart_syscall), .why = "poll(2), restarted" },
	{ .nr = SCMP_SYS(exit_group), .why = "exit" },
};

size_t
usb_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX])
{
	memcpy(rules, usb_rules, sizeof(usb_rules));
	return sizeof(usb_rules) / sizeof(*usb_rules);
}
