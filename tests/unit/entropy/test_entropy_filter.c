/*
 * The filter of entropy processes, from inside: without any source, and with
 * those of each kind.
 */
#include "unit/jail.h"

#include <sys/ioctl.h>

#include <fcntl.h>
#include <termios.h>

#include "common/proto.h"
#include "entropy/filter.h"
#include "entropy/kind/kind.h"

#define ALLOWED_MAX_CALLS 64

static const struct jail_call allowed[] = {
	{ .nr = SANDBOX_EPOLL_WAIT },
	JAIL_ANY(epoll_ctl),
	JAIL_ANY(read),
	JAIL_ANY(write),
	{ .nr = SANDBOX_POLL },
	JAIL_ANY(recvmsg),
	JAIL_ONLY(sendto, -1, 0, 0, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0),
	JAIL_ANY(close),
	JAIL_ANY(futex),
	JAIL_ANY(clock_gettime),
	JAIL_ANY(brk),
	JAIL_ONLY(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, -1, 0),
	JAIL_ANY(munmap),
	JAIL_ANY(getpid),
	JAIL_ANY(restart_syscall),
	JAIL_ANY(exit_group),
};

/* And for sources of a kind. */
static const struct jail_call kernel[] = { JAIL_ANY(getrandom) };
static const struct jail_call serial[] = {
	JAIL_ONLY(ioctl, -1, TCGETS),
	JAIL_ONLY(ioctl, -1, TCSETS),
	JAIL_ONLY(ioctl, -1, TCFLSH),
	JAIL_ONLY(fcntl, -1, F_GETFL),
	JAIL_ONLY(fcntl, -1, F_SETFL),
};
static const struct jail_call egd[] = {
	JAIL_ONLY(getsockopt, -1, SOL_SOCKET, SO_ERROR),
};
static const struct jail_call stream[] = {
	JAIL_ONLY(getsockopt, -1, SOL_SOCKET, SO_ERROR),
	JAIL_ANY(getpeername),
};

static const struct {
	const struct jail_call *calls;
	size_t n;
} of_kind[SOURCE_KINDS] = {
	[SOURCE_KERNEL] = { kernel, JAIL_COUNT(kernel) },
	[SOURCE_SERIAL] = { serial, JAIL_COUNT(serial) },
	[SOURCE_EGD] = { egd, JAIL_COUNT(egd) },
	[SOURCE_STREAM] = { stream, JAIL_COUNT(stream) },
};

/* With sources of these kinds, bits. */
static void
check(uint32_t kinds)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX] = { { .nr = 0 } };
	struct jail_call calls[ALLOWED_MAX_CALLS];
	struct jail j = { rules, entropy_filter(rules, kinds), calls,
		JAIL_COUNT(allowed) };

	memcpy(calls, allowed, sizeof(allowed));
	for (uint32_t i = 0; i < SOURCE_KINDS; i++)
		if ((kinds & 1U << i) != 0 && kind_find(i) != NULL)
			for (size_t k = 0; k < of_kind[i].n; k++)
				calls[j.nallowed++] = of_kind[i].calls[k];
	jail_check_all(&j);
	jail_check_arguments(&j);
	JAIL_REFUSES(&j, sendto, -1, 0, 0, SANDBOX_SEND_FLAGS, JAIL_SOMEWHERE,
	    16);
	JAIL_REFUSES(&j, ioctl, -1, TIOCSTI);
	JAIL_REFUSES(&j, ioctl, -1, TIOCLINUX);
	JAIL_REFUSES(&j, ioctl, -1, TIOCSCTTY);
	JAIL_REFUSES(&j, ioctl, -1, FIOASYNC);
	JAIL_REFUSES(&j, fcntl, -1, F_DUPFD);
	JAIL_REFUSES(&j, fcntl, -1, F_SETOWN);
	JAIL_REFUSES(&j, fcntl, -1, F_SETSIG);
}

static void
test_none(void **state)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX] = { { .nr = 0 } };
	const struct jail j = { rules, entropy_filter(rules, 0), allowed,
		JAIL_COUNT(allowed) };

	(void)state;
	check(0);
	jail_check_manners(&j);
}

static void
test_each_kind(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SOURCE_KINDS; i++)
		if (of_kind[i].n > 0)
			check(1U << i);
}

/* Sources that are read only, without further calls. */
static void
test_readers(void **state)
{
	(void)state;
	check(1U << SOURCE_DEVICE | 1U << SOURCE_CPU);
}

static void
test_all_kinds(void **state)
{
	(void)state;
	check((1U << SOURCE_KINDS) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_all_kinds),
	};

	return UNIT_MAIN("entropy_filter", tests);
}
