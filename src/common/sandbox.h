/*
 * The isolation of a child in two steps: sandbox_confine() removes its
 * identity, privileges and file access, sandbox_filter() its system calls.
 * Between them a role can still start threads and map memory.
 *
 * Both end the process if an available layer cannot be set up.
 */
#ifndef VRNGD_SANDBOX_H
#define VRNGD_SANDBOX_H

#include <sys/mman.h>

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/proto.h"

#define SANDBOX_ARGS	  2   /* of a rule */
#define SANDBOX_RULES_MAX 128 /* of a role */

/* A system call that a role may make, and its purpose. */
struct sandbox_rule {
	int nr; /* SCMP_SYS(...) */
	const char *why;
	unsigned int nargs; /* number of args; all must match */
	struct scmp_arg_cmp args[SANDBOX_ARGS];
};

/* The system calls of epoll_wait(2) and poll(2) on this architecture. */
#if defined(__GLIBC__) && defined(__NR_epoll_wait)
#define SANDBOX_EPOLL_WAIT SCMP_SYS(epoll_wait)
#else
#define SANDBOX_EPOLL_WAIT SCMP_SYS(epoll_pwait)
#endif
#ifdef __NR_poll
#define SANDBOX_POLL SCMP_SYS(poll)
#else
#define SANDBOX_POLL SCMP_SYS(ppoll)
#endif

/*
 * Conditions: argument `n` (from 0) has this int value (the kernel ignores the
 * upper half of the register); is NULL; does not make memory executable, for
 * mmap(2) and mprotect(2).
 */
#define SANDBOX_INT(n, value) \
	SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value))
#define SANDBOX_NULL(n) SCMP_CMP64(n, SCMP_CMP_EQ, 0, 0)
#define SANDBOX_NO_EXEC SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)

/*
 * The only allowed flags of send(2), sendto(2) and sendmsg(2).  MSG_FASTOPEN
 * would connect a TCP socket, which the filter of connect(2) and Landlock do
 * not prevent.
 */
#define SANDBOX_SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

/*
 * The layers (bits of enum proto_layer) that this process can set up for its
 * children, if they use the uids `uid_base` to `uid_base + uid_count - 1`.
 */
uint32_t sandbox_available(uint32_t uid_base, uint32_t uid_count);

/*
 * Describes the layers missing from `layers`, for one log line, in `text`.
 * Returns whether any is missing.
 */
int sandbox_missing(uint32_t layers, char *text, size_t size);

/*
 * Step one: enters `root_fd` as the root directory, changes to the uid and gid
 * of the frame, drops supplementary groups and all capabilities, sets
 * no_new_privs, disables core dumps, and denies file access by Landlock.
 * hello->layers selects the layers.
 */
void sandbox_confine(const struct proto_hello *hello, int root_fd);

/*
 * Whether this process runs without a sandbox, because of `configure
 * --enable-unconfined=ROLE`: then both steps only log that.
 */
bool sandbox_is_off(void);

/*
 * Step two, for all threads: no core dump, no process, no file growth, at most
 * `nofile` descriptors (0: unchanged), and only the system calls of `rules`;
 * any other raises SIGSYS and ends the process.
 */
void sandbox_filter(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile);

#endif
