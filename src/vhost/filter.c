/*
 * The system call filter of a vhost worker.  Used by main.c, and by the test
 * that tries every system call.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <string.h>

#include "vhost/filter.h"

static const struct sandbox_rule vhost_rules[] = {
	{ .nr = SANDBOX_EPOLL_WAIT, .why = "the main loop" },
	{ .nr = SCMP_SYS(epoll_ctl), .why = "kick and byte channels" },
	{ .nr = SCMP_SYS(recvmsg), .why = "vhost-user messages, frames" },
	{ .nr = SCMP_SYS(recvfrom), .why = "granted bytes, device state" },
	{ .nr = SCMP_SYS(sendmsg),
	    .why = "vhost-user replies, session state, device state",
	    .nargs = 1,
	    .args = { SANDBOX_INT(2, SANDBOX_SEND_FLAGS) } },
	{ .nr = SCMP_SYS(sched_yield), .why = "polling" },
	{ .nr = SCMP_SYS(write),
	    .why = "calls to the driver, frames, device state" },
	{ .nr = SCMP_SYS(setsockopt),
	    .why = "SO_PEEK_OFF of connection and deposit",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET),
		SANDBOX_INT(2, SO_PEEK_OFF) } },
	{ .nr = SCMP_SYS(getsockopt),
	    .why = "SO_PEEK_OFF, to resume a session",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET),
		SANDBOX_INT(2, SO_PEEK_OFF) } },
	{ .nr = SCMP_SYS(fcntl),
	    .why = "whether a call would block",
	    .nargs = 1,
	    .args = { SANDBOX_INT(1, F_GETFL) } },
	{ .nr = SANDBOX_POLL, .why = "the same, device state" },
	{ .nr = SCMP_SYS(read),
	    .why = "the number of kicks of a blank ring, device state" },
	{ .nr = SCMP_SYS(mmap),
	    .why = "guest memory, never executable",
	    .nargs = 1,
	    .args = { SANDBOX_NO_EXEC } },
	{ .nr = SCMP_SYS(munmap), .why = "guest memory" },
	{ .nr = SCMP_SYS(newfstatat),
	    .why = "the size of a memory file, the type of a descriptor",
	    .nargs = 1,
	    .args = { SANDBOX_INT(3, AT_EMPTY_PATH) } },
	{ .nr = SCMP_SYS(fstat),
	    .why = "the size of a memory file, other libraries" },
	{ .nr = SCMP_SYS(close), .why = "descriptors of the frontend" },
	{ .nr = SCMP_SYS(clock_gettime), .why = "hosts without vDSO" },
	{ .nr = SCMP_SYS(rt_sigreturn), .why = "SIGBUS" },
	{ .nr = SCMP_SYS(exit_group), .why = "exit" },
};

size_t
vhost_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX])
{
	memcpy(rules, vhost_rules, sizeof(vhost_rules));
	return sizeof(vhost_rules) / sizeof(*vhost_rules);
}
