/*
 * The filter of the status process, from inside.
 */
#include "unit/jail.h"

#include "status/filter.h"

static const struct jail_call allowed[] = {
	{ .nr = SANDBOX_EPOLL_WAIT },
	JAIL_ANY(epoll_ctl),
	JAIL_ANY(recvmsg),
	JAIL_ANY(write),
	JAIL_ANY(recvfrom),
	JAIL_ONLY(sendto, -1, 0, 0, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0),
	JAIL_ANY(accept4),
	JAIL_ONLY(getsockopt, -1, SOL_SOCKET, SO_PEERCRED),
	JAIL_ANY(close),
	JAIL_ANY(brk),
	JAIL_ONLY(mmap, 0, 4096, PROT_READ, MAP_SHARED, -1, 0),
	JAIL_ANY(munmap),
	JAIL_ANY(clock_gettime),
	JAIL_ANY(exit_group),
};

static void
test_filter(void **state)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX] = { { .nr = 0 } };
	const struct jail j = { rules, status_filter(rules), allowed,
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

	return UNIT_MAIN("status_filter", tests);
}
