/*
 * The isolation of a child, in two steps: sandbox_confine() takes away who it
 * is and what it could reach, sandbox_filter() what it could ask the kernel
 * for.  Between them a role may still start threads and map memory.
 *
 * Both end the process if a layer that should be there cannot be had.
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

/* One system call that a role may make, and what for. */
struct sandbox_rule {
	int nr; /* SCMP_SYS(...) */
	const char *why;
	unsigned int nargs; /* of args that count; all must hold */
	struct scmp_arg_cmp args[SANDBOX_ARGS];
};

/* What epoll_wait(2) and poll(2) are to the C library of this machine. */
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
 * Argument `n` (from 0) has this value, an int, of which the kernel ignores the
 * upper half of the register; is NULL; does not make memory executable, of
 * mmap(2) and mprotect(2).
 */
#define SANDBOX_INT(n, value) \
	SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value))
#define SANDBOX_NULL(n) SCMP_CMP64(n, SCMP_CMP_EQ, 0, 0)
#define SANDBOX_NO_EXEC SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)

/*
 * The only flags of send(2), sendto(2) and sendmsg(2).  With others these can
 * connect a TCP socket (MSG_FASTOPEN), which neither the filter of connect(2) nor
 * Landlock prevents.
 */
#define SANDBOX_SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

/*
 * Which layers (bits of enum proto_layer) this process can give its children,
 * if uids `uid_base` to `uid_base + uid_count - 1` are wanted for them.
 */
uint32_t sandbox_available(uint32_t uid_base, uint32_t uid_count);

/*
 * Describes the layers missing from `layers`, for one log line, in `text`.
 * Returns whether any is missing.
 */
int sandbox_missing(uint32_t layers, char *text, size_t size);

/*
 * Step one: enters `root_fd` as the root directory, becomes the uid and gid
 * that the frame names, drops supplementary groups and every capability, sets
 * no_new_privs, is not dumpable, denies itself the file system by Landlock.
 * Each as far as hello->layers says.
 */
void sandbox_confine(const struct proto_hello *hello, int root_fd);

/*
 * Whether this process is left without a sandbox, as `configure
 * --enable-unconfined=ROLE` asked for its role: then both steps only log that.
 */
bool sandbox_is_off(void);

/*
 * Step two, for every thread: no core dump, no process, no file growth, at
 * most `nofile` descriptors (0: as before), and only the system calls of
 * `rules`, on pain of SIGSYS to the whole process.
 */
void sandbox_filter(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile);

#endif
