/*
 * The system call filter of an entropy process.  Used by main.c, and by the
 * test that tries every system call.
 */
#include <sys/socket.h>

#include <string.h>

#include "entropy/filter.h"
#include "entropy/kind/kind.h"
#include "common/log.h"

static const struct sandbox_rule rules_of_all[] = {
	{ .nr = SANDBOX_EPOLL_WAIT, .why = "the main loop" },
	{ .nr = SCMP_SYS(epoll_ctl), .why = "consumers without room" },
	{ .nr = SCMP_SYS(read), .why = "sources; the eventfd" },
	{ .nr = SCMP_SYS(write), .why = "the eventfd, frames" },
	{ .nr = SANDBOX_POLL, .why = "non-blocking sources" },
	{ .nr = SCMP_SYS(recvmsg), .why = "frames" },
	{ .nr = SCMP_SYS(sendto),
	    .why = "bytes",
	    .nargs = 2,
	    .args = { SANDBOX_INT(3, SANDBOX_SEND_FLAGS), SANDBOX_NULL(4) } },
	{ .nr = SCMP_SYS(close), .why = "closed consumers and sources" },
	{ .nr = SCMP_SYS(futex), .why = "locks" },
	{ .nr = SCMP_SYS(clock_gettime), .why = "hosts without vDSO" },
	{ .nr = SCMP_SYS(brk), .why = "memory of consumers" },
	{ .nr = SCMP_SYS(mmap),
	    .why = "memory of consumers",
	    .nargs = 1,
	    .args = { SANDBOX_NO_EXEC } },
	{ .nr = SCMP_SYS(munmap), .why = "memory of consumers" },
	{ .nr = SCMP_SYS(getpid), .why = "a DRBG checks for a fork" },
	{ .nr = SCMP_SYS(restart_syscall), .why = "poll(2), restarted" },
	{ .nr = SCMP_SYS(exit_group), .why = "exit" },
};

size_t
entropy_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX], uint32_t kinds)
{
	const struct source_kind *kind;
	size_t n = sizeof(rules_of_all) / sizeof(*rules_of_all);

	memcpy(rules, rules_of_all, sizeof(rules_of_all));
	for (uint32_t i = 0; i < SOURCE_KINDS; i++) {
		kind = kind_find(i);
		if (kind == NULL || (kinds & 1U << i) == 0)
			continue;
		if (n + kind->nrules > SANDBOX_RULES_MAX)
			log_fatal("too many system call rules");
		for (size_t j = 0; j < kind->nrules; j++)
			rules[n++] = kind->rules[j];
	}
	return n;
}
