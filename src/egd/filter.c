/*
 * The system call filter of an EGD worker.  Used by step.c, and by the test
 * that tries every system call.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "egd/filter.h"

static const struct sandbox_rule rules_of_all[] = {
	{ .nr = SANDBOX_EPOLL_WAIT, .why = "the main loop" },
	{ .nr = SCMP_SYS(epoll_ctl), .why = "connections of clients" },
	{ .nr = SCMP_SYS(recvmsg), .why = "frames, errors of datagrams" },
	{ .nr = SCMP_SYS(recvfrom), .why = "commands, granted bytes" },
	{ .nr = SCMP_SYS(write), .why = "frames, writes of clients" },
	{ .nr = SCMP_SYS(shutdown),
	    .why = "connections shared with the parent" },
	{ .nr = SCMP_SYS(getpeername), .why = "address of the peer" },
	{ .nr = SCMP_SYS(getsockopt),
	    .why = "a client's pid and uid",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET),
		SANDBOX_INT(2, SO_PEERCRED) } },
	{ .nr = SCMP_SYS(getsockopt),
	    .why = "bytes received from a unix socket",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET),
		SANDBOX_INT(2, SO_PEEK_OFF) } },
	{ .nr = SCMP_SYS(getsockopt),
	    .why = "position of a TCP connection",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, IPPROTO_TCP), SANDBOX_INT(2, TCP_INFO) } },
	{ .nr = SCMP_SYS(ioctl),
	    .why = "unread bytes of a TCP connection",
	    .nargs = 1,
	    .args = { SANDBOX_INT(1, SIOCINQ) } },
	{ .nr = SCMP_SYS(ioctl),
	    .why = "unacknowledged bytes of a TCP connection",
	    .nargs = 1,
	    .args = { SANDBOX_INT(1, SIOCOUTQ) } },
	{ .nr = SCMP_SYS(setsockopt),
	    .why = "counting received bytes",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET),
		SANDBOX_INT(2, SO_PEEK_OFF) } },
	{ .nr = SCMP_SYS(setsockopt),
	    .why = "limit of unread output",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET), SANDBOX_INT(2, SO_SNDBUF) } },
	{ .nr = SCMP_SYS(setsockopt),
	    .why = "small answers without delay",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, IPPROTO_TCP),
		SANDBOX_INT(2, TCP_NODELAY) } },
	{ .nr = SCMP_SYS(setsockopt),
	    .why = "detection of vanished peers",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET),
		SANDBOX_INT(2, SO_KEEPALIVE) } },
	{ .nr = SCMP_SYS(setsockopt),
	    .why = "time until a vanished peer is detected",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, IPPROTO_TCP),
		SANDBOX_INT(2, TCP_KEEPIDLE) } },
	{ .nr = SCMP_SYS(sched_yield), .why = "polling" },
	{ .nr = SCMP_SYS(close), .why = "connections that end" },
	{ .nr = SCMP_SYS(clock_gettime), .why = "hosts without vDSO" },
	{ .nr = SCMP_SYS(exit_group), .why = "exit" },
};

static const struct sandbox_rule to_peers = {
	.nr = SCMP_SYS(sendto),
	.why = "bytes and answers for clients",
	.nargs = 2,
	.args = { SANDBOX_INT(3, SANDBOX_SEND_FLAGS), SANDBOX_NULL(4) },
};

static const struct sandbox_rule to_addresses = {
	.nr = SCMP_SYS(sendto),
	.why = "datagrams for the last sender",
	.nargs = 1,
	.args = { SANDBOX_INT(3, SANDBOX_SEND_FLAGS) },
};

size_t
egd_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX], bool addressed)
{
	size_t n = sizeof(rules_of_all) / sizeof(*rules_of_all);

	memcpy(rules, rules_of_all, sizeof(rules_of_all));
	rules[n++] = addressed ? to_addresses : to_peers;
	return n;
}
