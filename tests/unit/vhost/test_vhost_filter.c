/*
 * The filter of vhost workers, from inside.
 */
#include "unit/jail.h"

#include <fcntl.h>

#include "vhost/filter.h"

static const struct jail_call allowed[] = {
	{ .nr = SANDBOX_EPOLL_WAIT },
	JAIL_ANY(epoll_ctl),
	JAIL_ANY(recvmsg),
	JAIL_ANY(recvfrom),
	JAIL_ONLY(sendmsg, -1, 0, MSG_DONTWAIT | MSG_NOSIGNAL),
	JAIL_ANY(sched_yield),
	JAIL_ANY(write),
	JAIL_ANY(read),
	JAIL_ONLY(setsockopt, -1, SOL_SOCKET, SO_PEEK_OFF),
	JAIL_ONLY(getsockopt, -1, SOL_SOCKET, SO_PEEK_OFF),
	JAIL_ONLY(fcntl, -1, F_GETFL),
	{ .nr = SANDBOX_POLL },
	JAIL_ONLY(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, -1, 0),
	JAIL_ANY(munmap),
	JAIL_ONLY(newfstatat, -1, 0, 0, AT_EMPTY_PATH),
	JAIL_ANY(fstat),
	JAIL_ANY(close),
	JAIL_ANY(clock_gettime),
	JAIL_ANY(rt_sigreturn),
	JAIL_ANY(exit_group),
};

static void
test_filter(void **state)
{
	const int commands[] = { F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD,
		F_SETOWN, F_SETSIG, F_SETLEASE, F_SETPIPE_SZ, F_ADD_SEALS };
	struct sandbox_rule rules[SANDBOX_RULES_MAX] = { { .nr = 0 } };
	const struct jail j = { rules, vhost_filter(rules), allowed,
		JAIL_COUNT(allowed) };

	(void)state;
	jail_check_all(&j);
	jail_check_manners(&j);
	jail_check_arguments(&j);
	for (size_t i = 0; i < JAIL_COUNT(commands); i++)
		JAIL_REFUSES(&j, fcntl, -1, commands[i]);
	JAIL_REFUSES(&j, newfstatat, AT_FDCWD, 0, 0, 0);
	JAIL_REFUSES(&j, newfstatat, AT_FDCWD, 0, 0, AT_SYMLINK_NOFOLLOW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
	};

	return UNIT_MAIN("vhost_filter", tests);
}
