/*
 * The parent's own sandbox, from inside: what is excluded fails, and what it
 * and its children need works.
 */
#include "unit/unit.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "parent/host/confine.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The errno of a system call; 0: none. */
static int
try(long nr, long a, long b, long c)
{
	errno = 0;
	return syscall(nr, a, b, c, 0L, 0L, 0L) == -1 ? errno : 0;
}

/* In a child under the filter: its exit status is the line that failed. */
#define INSIDE(expr) \
	do { \
		if (!(expr)) \
			_exit(__LINE__ % 200 + 1); \
	} while (0)

static void
runs(void (*inside)(void))
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		confine_parent();
		inside();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* With arguments that would be senseless, but are not looked at. */
static void
excluded(void)
{
	static const int calls[] = {
#ifndef VRNGD_SANITIZE
		SCMP_SYS(ptrace),
#endif
		SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
		SCMP_SYS(pidfd_getfd), SCMP_SYS(bpf), SCMP_SYS(userfaultfd),
		SCMP_SYS(perf_event_open), SCMP_SYS(io_uring_setup),
		SCMP_SYS(io_uring_enter), SCMP_SYS(add_key),
		SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(init_module),
		SCMP_SYS(finit_module), SCMP_SYS(kexec_load), SCMP_SYS(reboot),
		SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
		SCMP_SYS(fsopen), SCMP_SYS(open_tree), SCMP_SYS(setns),
		SCMP_SYS(open_by_handle_at), SCMP_SYS(mknodat),
		SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
		SCMP_SYS(sethostname), SCMP_SYS(swapon), SCMP_SYS(syslog),
		SCMP_SYS(personality)
	};
	static const int namespaces[] = { CLONE_NEWNS, CLONE_NEWPID,
		CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP,
		CLONE_NEWNS | CLONE_NEWUSER };

	INSIDE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	INSIDE(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
	for (size_t i = 0; i < COUNT(calls); i++)
		INSIDE(calls[i] < 0 || try(calls[i], -1, -1, -1) == EPERM);
	INSIDE(try(SYS_clone3, 0, 0, 0) == ENOSYS);
	for (size_t i = 0; i < COUNT(namespaces); i++) {
		INSIDE(try(SYS_unshare, namespaces[i], 0, 0) == EPERM);
		INSIDE(try(SYS_clone, namespaces[i] | SIGCHLD, 0, 0) == EPERM);
	}
	INSIDE(try(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0) == EPERM);
}

static void
test_excluded(void **state)
{
	(void)state;
	runs(excluded);
}

static void
sockets(void)
{
	for (int family = 0; family < 64; family++) {
		int error = try(SYS_socket, family, SOCK_STREAM, 0);

		if (family == AF_UNIX || family == AF_INET)
			INSIDE(error == 0);
		else if (family != AF_INET6 && family != AF_UNSPEC &&
		    family != AF_NETLINK && family != AF_VSOCK)
			INSIDE(error == EAFNOSUPPORT);
	}
	INSIDE(try(SYS_socket, AF_INET, SOCK_RAW, 1) == EPERM);
	INSIDE(try(SYS_socket, AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 1) == EPERM);
	INSIDE(try(SYS_socket, AF_INET, SOCK_DGRAM, 0) == 0);
	INSIDE(try(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
		   15 /* NETLINK_KOBJECT_UEVENT */) == 0);
}

static void
test_sockets(void **state)
{
	(void)state;
	runs(sockets);
}

#ifndef VRNGD_SANITIZE
static void
code(void)
{
	void *memory;

	INSIDE(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	INSIDE(memory != MAP_FAILED);
	INSIDE(mprotect(memory, 4096, PROT_READ | PROT_EXEC) == -1);
	INSIDE(errno == EPERM);
	INSIDE(mprotect(memory, 4096, PROT_READ) == 0);
}
#endif

static void
test_code(void **state)
{
	(void)state;
#ifndef VRNGD_SANITIZE
	runs(code);
#endif
}

static void *
thread(void *arg)
{
	return arg;
}

/* Threads, programs, and the user namespace of a child, if available. */
static void
children(void)
{
	int status, here;
	pthread_t t;
	void *result;
	pid_t pid;

	INSIDE(pthread_create(&t, NULL, thread, &here) == 0);
	INSIDE(pthread_join(t, &result) == 0 && result == &here);
	INSIDE((pid = fork()) != -1);
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	INSIDE(waitpid(pid, &status, 0) == pid && status == 0);
	/* As root, and where user_namespaces(7) are not switched off. */
	if (getuid() == 0)
		INSIDE(unshare(CLONE_NEWUSER) == 0 || errno == ENOSPC ||
		    access("/proc/self/ns/user", F_OK) == -1);
}

static void
test_children(void **state)
{
	(void)state;
	runs(children);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_excluded),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_children),
	};

	return UNIT_MAIN("confine", tests);
}
