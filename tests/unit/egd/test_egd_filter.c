/*
 * The filter of EGD workers, from inside.
 */
#include "unit/jail.h"

#include <sys/ioctl.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "egd/filter.h"

/* All that a worker may do; sendto(2) goes only where it is connected to. */
static const struct jail_call allowed[] = {
	{ .nr = SANDBOX_EPOLL_WAIT },
	JAIL_ANY(epoll_ctl),
	JAIL_ANY(recvmsg),
	JAIL_ANY(recvfrom),
	JAIL_ANY(write),
	JAIL_ANY(getpeername),
	JAIL_ANY(shutdown),
	JAIL_ONLY(ioctl, -1, SIOCINQ),
	JAIL_ONLY(ioctl, -1, SIOCOUTQ),
	JAIL_ONLY(getsockopt, -1, SOL_SOCKET, SO_PEERCRED),
	JAIL_ONLY(getsockopt, -1, SOL_SOCKET, SO_PEEK_OFF),
	JAIL_ONLY(getsockopt, -1, IPPROTO_TCP, TCP_INFO),
	JAIL_ONLY(setsockopt, -1, SOL_SOCKET, SO_PEEK_OFF),
	JAIL_ONLY(setsockopt, -1, SOL_SOCKET, SO_SNDBUF),
	JAIL_ONLY(setsockopt, -1, SOL_SOCKET, SO_KEEPALIVE),
	JAIL_ONLY(setsockopt, -1, IPPROTO_TCP, TCP_NODELAY),
	JAIL_ONLY(setsockopt, -1, IPPROTO_TCP, TCP_KEEPIDLE),
	JAIL_ONLY(sendto, -1, 0, 0, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0),
	JAIL_ANY(sched_yield),
	JAIL_ANY(close),
	JAIL_ANY(clock_gettime),
	JAIL_ANY(exit_group),
};

static void
test_calls(void **state)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX] = { { .nr = 0 } };

	(void)state;
	for (int addressed = 0; addressed < 2; addressed++) {
		const struct jail j = { rules, egd_filter(rules, addressed),
			allowed, JAIL_COUNT(allowed) };

		jail_check_all(&j);
		jail_check_manners(&j);
	}
}

static void
test_arguments(void **state)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX] = { { .nr = 0 } };

	(void)state;
	for (int addressed = 0; addressed < 2; addressed++) {
		const struct jail j = { rules, egd_filter(rules, addressed),
			allowed, JAIL_COUNT(allowed) };

		jail_check_arguments(&j);
		/* Only where datagrams of any sender are answered. */
		jail_check(&j, SCMP_SYS(sendto),
		    (const long[6]){ -1, 0, 0, SANDBOX_SEND_FLAGS,
			JAIL_SOMEWHERE, 16 },
		    addressed);
		JAIL_REFUSES(&j, ioctl, -1, FIONBIO);
		JAIL_REFUSES(&j, getsockopt, -1, SOL_SOCKET, SO_RCVBUF);
		JAIL_REFUSES(&j, setsockopt, -1, IPPROTO_TCP, SO_SNDBUF);
		JAIL_REFUSES(&j, setsockopt, -1, IPPROTO_TCP, SO_KEEPALIVE);
		JAIL_REFUSES(&j, setsockopt, -1, SOL_SOCKET, TCP_KEEPIDLE);
		JAIL_REFUSES(&j, setsockopt, -1, SOL_SOCKET, TCP_NODELAY);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_arguments),
	};

	return UNIT_MAIN("egd_filter", tests);
}
