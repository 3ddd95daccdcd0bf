/*
 * The system call filter of the status process.  Used by main.c, and by the
 * test that tries every system call.
 */
#include <sys/socket.h>

#include <string.h>

#include "status/filter.h"

static const struct sandbox_rule status_rules[] = {
	{ .nr = SANDBOX_EPOLL_WAIT, .why = "the main loop" },
	{ .nr = SCMP_SYS(epoll_ctl), .why = "connections of clients" },
	{ .nr = SCMP_SYS(recvmsg), .why = "frames" },
	{ .nr = SCMP_SYS(write), .why = "frames" },
	{ .nr = SCMP_SYS(recvfrom), .why = "calls without descriptors" },
	{ .nr = SCMP_SYS(sendto),
	    .why = "answers",
	    .nargs = 2,
	    .args = { SANDBOX_INT(3, SANDBOX_SEND_FLAGS), SANDBOX_NULL(4) } },
	{ .nr = SCMP_SYS(accept4), .why = "clients" },
	{ .nr = SCMP_SYS(getsockopt),
	    .why = "a client's pid and uid",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET),
		SANDBOX_INT(2, SO_PEERCRED) } },
	{ .nr = SCMP_SYS(close), .why = "connections that end" },
	{ .nr = SCMP_SYS(brk), .why = "clients and their calls" },
	{ .nr = SCMP_SYS(mmap),
	    .why = "statuses",
	    .nargs = 1,
	    .args = { SANDBOX_NO_EXEC } },
	{ .nr = SCMP_SYS(munmap), .why = "statuses" },
	{ .nr = SCMP_SYS(clock_gettime), .why = "hosts without vDSO" },
	{ .nr = SCMP_SYS(exit_group), .why = "exit" },
};

size_t
status_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX])
{
	memcpy(rules, status_rules, sizeof(status_rules));
	return sizeof(status_rules) / sizeof(*status_rules);
}
