/*
 * The sandbox from inside: children of the test, under the filter of a role,
 * try system calls, and either come back or are killed for it.
 */
#ifndef JAIL_H
#define JAIL_H

#include "unit/unit.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <stdlib.h>
#include <string.h>

#include "common/sandbox.h"

#define JAIL_CALLS 480 /* system calls, more than there are */
#define JAIL_TIME  20  /* s, for a call that comes back */

/* A call, and arguments with which it is allowed, if others are not. */
struct jail_call {
	int nr;
	bool picky;
	long args[6];
};

/* An address. */
static const char jail_somewhere[16] = { 0 };
#define JAIL_SOMEWHERE ((long)(intptr_t)jail_somewhere)

#define JAIL_ANY(call) \
	{ \
		.nr = SCMP_SYS(call) \
	}
#define JAIL_ONLY(call, ...) \
	{ \
		.nr = SCMP_SYS(call), .picky = true, .args = { __VA_ARGS__ } \
	}

/* The filter of a role, and the calls that it is to let through. */
struct jail {
	const struct sandbox_rule *rules;
	size_t nrules;
	const struct jail_call *allowed;
	size_t nallowed;
};

#define JAIL_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Calls that no role may have, with any change. */
static const int jail_never[] = { SCMP_SYS(connect), SCMP_SYS(bind),
	SCMP_SYS(listen), SCMP_SYS(socket), SCMP_SYS(socketpair),
	SCMP_SYS(sendmmsg), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(creat), SCMP_SYS(execve),
	SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(clone),
	SCMP_SYS(clone3), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(kill),
	SCMP_SYS(tkill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(unshare), SCMP_SYS(setns),
	SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(bpf),
	SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open),
	SCMP_SYS(memfd_create), SCMP_SYS(memfd_secret), SCMP_SYS(splice),
	SCMP_SYS(vmsplice), SCMP_SYS(tee), SCMP_SYS(sendfile), SCMP_SYS(dup),
	SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(setuid),
	SCMP_SYS(setresuid), SCMP_SYS(capset), SCMP_SYS(personality),
	SCMP_SYS(shmat), SCMP_SYS(msgget), SCMP_SYS(mq_open),
	SCMP_SYS(pkey_mprotect), SCMP_SYS(remap_file_pages),
	SCMP_SYS(process_madvise), SCMP_SYS(kexec_load), SCMP_SYS(init_module),
	SCMP_SYS(time), SCMP_SYS(ppoll), SCMP_SYS(setrlimit),
	SCMP_SYS(prlimit64), SCMP_SYS(uselib) };

/* What the sanitizers and musl need besides, of which nothing is said here. */
static inline bool
jail_of_sanitizers(int nr)
{
#ifndef __GLIBC__
	if (nr == SCMP_SYS(madvise) || nr == SCMP_SYS(munmap))
		return true;
#endif
#ifdef VRNGD_SANITIZE
	static const int also[] = { SCMP_SYS(sigaltstack),
		SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(getpid), SCMP_SYS(gettid),
		SCMP_SYS(madvise), SCMP_SYS(mmap), SCMP_SYS(munmap),
		SCMP_SYS(mprotect), SCMP_SYS(sched_yield), SCMP_SYS(futex),
		SCMP_SYS(openat), SCMP_SYS(readlink), SCMP_SYS(pipe),
		SCMP_SYS(pipe2) };

	for (size_t i = 0; i < JAIL_COUNT(also); i++)
		if (also[i] == nr)
			return true;
#endif
	(void)nr;
	return false;
}

/*
 * Whether a call comes back, or ends its process as it is to do.  The other way
 * is SIGSYS; any third fails the test.
 */
static inline bool
jail_lets(const struct jail *j, long nr, const long args[6])
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(JAIL_TIME);
		sandbox_filter(j->rules, j->nrules, 0);
		syscall(nr, args[0], args[1], args[2], args[3], args[4],
		    args[5]);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return false;
	/* rt_sigreturn(2), that returns to nowhere. */
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSEGV)
		fail_msg("system call %ld: signal %d", nr, WTERMSIG(status));
	return true;
}

static inline const struct jail_call *
jail_find(const struct jail *j, int nr)
{
	for (size_t i = 0; i < j->nallowed; i++)
		if (j->allowed[i].nr == nr)
			return &j->allowed[i];
	return NULL;
}

static inline void
jail_check(const struct jail *j, int nr, const long args[6], bool want)
{
	char *name;

	if (jail_of_sanitizers(nr) || jail_lets(j, nr, args) == want)
		return;
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	fail_msg("%s (%d) is %s", name != NULL ? name : "?", nr,
	    want ? "not allowed" : "allowed");
}

/* Those of uprobes, that the kernel makes, and does not filter. */
static inline bool
jail_of_kernel(int nr)
{
#ifdef __x86_64__
	return nr == 335 || nr == 336;
#else
	(void)nr;
	return false;
#endif
}

/*
 * Tries all calls with senseless arguments, and the picky ones with good ones
 * as well.  What is in the list comes back, nothing else does.
 */
static inline void
jail_check_all(const struct jail *j)
{
	const long none[6] = { -1, -1, -1, -1, -1, -1 };
	const struct jail_call *call;

	for (int nr = 0; nr < JAIL_CALLS; nr++) {
		if (jail_of_kernel(nr))
			continue;
		call = jail_find(j, nr);
		jail_check(j, nr, none, call != NULL && !call->picky);
	}
	for (size_t i = 0; i < j->nallowed; i++) {
		call = &j->allowed[i];
		if (call->nr >= 0)
			jail_check(j, call->nr, call->args, true);
		for (size_t k = 0; k < JAIL_COUNT(jail_never); k++)
			if (call->nr == jail_never[k] && call->nr >= 0)
				fail_msg("%d is not allowed for any role",
				    call->nr);
	}
	/* A negative number, and one that no kernel knows. */
	assert_false(jail_lets(j, -2, none));
	assert_false(jail_lets(j, 100000, none));
}

/* Calls of the same kernel in the manner of two other architectures. */
static inline void
jail_check_manners(const struct jail *j)
{
#ifdef __x86_64__
	const long none[6] = { 0 };
	int status, nr = 20; /* getpid(2) of i386 */
	pid_t pid;

	/* x32 */
	assert_false(jail_lets(j, 0x40000000 | SYS_exit_group, none));
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		sandbox_filter(j->rules, j->nrules, 0);
		__asm__ volatile("int $0x80" : "+a"(nr) : : "memory");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A kernel without i386 does not get as far as the filter. */
	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
#else
	(void)j;
#endif
}

/* A call with just these arguments is refused. */
#define JAIL_REFUSES(j, call, ...) \
	jail_check(j, SCMP_SYS(call), (const long[6]){ __VA_ARGS__ }, false)
#define JAIL_LETS(j, call, ...) \
	jail_check(j, SCMP_SYS(call), (const long[6]){ __VA_ARGS__ }, true)

/* Arguments that no role may give; those it has not the call for, too. */
static inline void
jail_check_arguments(const struct jail *j)
{
	/* IP, UDP, IPv6, SCTP */
	const int levels[] = { 0, 17, 41, 132 };
	const long address = JAIL_SOMEWHERE;

	JAIL_REFUSES(j, mmap, 0, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	JAIL_REFUSES(j, mprotect, address, 4096, PROT_READ | PROT_EXEC);
	/* MSG_FASTOPEN, with an address and without, and other flags. */
	JAIL_REFUSES(j, sendto, -1, 0, 0, SANDBOX_SEND_FLAGS | MSG_FASTOPEN,
	    address, 16);
	JAIL_REFUSES(j, sendto, -1, 0, 0, SANDBOX_SEND_FLAGS | MSG_FASTOPEN);
	JAIL_REFUSES(j, sendto, -1, 0, 0, MSG_FASTOPEN, address, 16);
	JAIL_REFUSES(j, sendto, -1, 0, 0, SANDBOX_SEND_FLAGS | MSG_OOB);
	JAIL_REFUSES(j, sendmsg, -1, address, MSG_FASTOPEN);
	JAIL_REFUSES(j, sendmsg, -1, address,
	    SANDBOX_SEND_FLAGS | MSG_FASTOPEN);
	JAIL_REFUSES(j, sendmsg, -1, address,
	    SANDBOX_SEND_FLAGS | MSG_ZEROCOPY);
	/* Options whose numbers are those of others at other levels. */
	for (size_t i = 0; i < JAIL_COUNT(levels); i++)
		for (int option = 2; option < 50; option += 7) {
			JAIL_REFUSES(j, setsockopt, -1, levels[i], option);
			JAIL_REFUSES(j, getsockopt, -1, levels[i], option);
		}
	JAIL_REFUSES(j, setsockopt, -1, SOL_SOCKET, SO_ATTACH_FILTER);
	JAIL_REFUSES(j, setsockopt, -1, SOL_SOCKET, SO_LINGER);
	JAIL_REFUSES(j, setsockopt, -1, SOL_SOCKET, SO_BINDTODEVICE);
	JAIL_REFUSES(j, setsockopt, -1, 6, 31 /* TCP_ULP */);
	JAIL_REFUSES(j, setsockopt, -1, 6, 30 /* TCP_FASTOPEN_CONNECT */);
	JAIL_REFUSES(j, getsockopt, -1, 6, SO_PEERCRED);
	JAIL_REFUSES(j, getsockopt, -1, 6, SO_PEEK_OFF);
	JAIL_REFUSES(j, getsockopt, -1, SOL_SOCKET, 59 /* SO_PEERSEC */);
	JAIL_REFUSES(j, getsockopt, -1, SOL_SOCKET, 77 /* SO_PEERPIDFD */);
}

#endif
