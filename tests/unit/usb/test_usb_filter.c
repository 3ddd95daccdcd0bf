/*
 * The filter of a process that reads a USB device, from inside.
 */
#include "unit/jail.h"

#include "usb/filter.h"

static const struct jail_call allowed[] = {
	JAIL_ONLY(ioctl, -1, 'U' << 8),
	JAIL_ANY(read),
	JAIL_ANY(lseek),
	JAIL_ANY(readlink),
	JAIL_ANY(readlinkat),
	{ .nr = SANDBOX_POLL },
	JAIL_ANY(timerfd_settime),
	JAIL_ANY(clock_nanosleep),
	JAIL_ANY(nanosleep),
	JAIL_ONLY(sendto, -1, 0, 0, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0),
	JAIL_ANY(write),
	JAIL_ANY(close),
	JAIL_ANY(futex),
	JAIL_ANY(clock_gettime),
	JAIL_ANY(brk),
	JAIL_ONLY(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, -1, 0),
	JAIL_ANY(munmap),
	JAIL_ANY(restart_syscall),
	JAIL_ANY(exit_group),
};

static void
test_filter(void **state)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX] = { { .nr = 0 } };
	const struct jail j = { rules, usb_filter(rules), allowed,
		JAIL_COUNT(allowed) };

	(void)state;
	jail_check_all(&j);
	jail_check_manners(&j);
	jail_check_arguments(&j);
	JAIL_REFUSES(&j, sendto, -1, 0, 0, SANDBOX_SEND_FLAGS, JAIL_SOMEWHERE,
	    16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
	};

	return UNIT_MAIN("usb_filter", tests);
}
