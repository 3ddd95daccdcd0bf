/*
 * The first step of the sandbox, from inside: what a child can still reach when
 * it has been confined, and is not filtered yet.  Each layer is held to what it
 * is to keep, as far as this user and kernel have it.
 */
#include "unit/unit.h"

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/landlock.h"
#include "common/sandbox.h"

#define ID	   1879048200u
#define NET_ABI	   4 /* of Landlock: TCP, */
#define SCOPED_ABI 6 /* and abstract sockets and signals */

/* What there was before the child was confined. */
static struct {
	uint32_t layers;
	int etc; /* a directory with files */
	int unix_fd, tcp_fd;
	struct sockaddr_un sun; /* of listening sockets: an abstract one, */
	socklen_t sun_len;
	struct sockaddr_in sin; /* and one of TCP */
} before;

/* In the child: its exit status is the line that failed. */
#define INSIDE(expr) \
	do { \
		if (!(expr)) { \
			fprintf(stderr, "# %s: errno %d\n", #expr, errno); \
			_exit(1); \
		} \
	} while (0)
#define FAILS(expr) INSIDE((expr) == -1)

static bool
has(uint32_t layer)
{
	return (before.layers & layer) != 0;
}

static void
listen_outside(void)
{
	socklen_t len = sizeof(before.sin);

	before.sun.sun_family = AF_UNIX;
	before.sun_len = sizeof(before.sun);
	before.unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(before.unix_fd, (struct sockaddr *)&before.sun,
			     sizeof(before.sun.sun_family)),
	    0);
	assert_int_equal(listen(before.unix_fd, 8), 0);
	assert_int_equal(getsockname(before.unix_fd,
			     (struct sockaddr *)&before.sun, &before.sun_len),
	    0);
	before.sin.sin_family = AF_INET;
	before.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	before.tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(before.tcp_fd, (struct sockaddr *)&before.sin, len), 0);
	assert_int_equal(listen(before.tcp_fd, 8), 0);
	assert_int_equal(
	    getsockname(before.tcp_fd, (struct sockaddr *)&before.sin, &len),
	    0);
}

/* Runs it in a child that was confined with the layers there are. */
static void
runs(void (*inside)(void))
{
	char root[] = "/tmp/test-confined.XXXXXX";
	struct proto_hello hello = { .uid = ID };
	int status, fd;
	pid_t pid;

	before.layers = hello.layers = sandbox_available(ID, 1);
	before.etc = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	listen_outside();
	assert_non_null(mkdtemp(root));
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd != -1 && before.etc != -1);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		sandbox_confine(&hello, fd);
		close(fd);
		inside();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(root);
	close(fd);
	close(before.etc);
	close(before.unix_fd);
	close(before.tcp_fd);
	assert_int_equal(status, 0);
}

static void
files(void)
{
	if (has(LAYER_CHROOT | LAYER_USERNS)) {
		FAILS(open("/etc/passwd", O_RDONLY));
		FAILS(access("/bin", F_OK));
		FAILS(execl("/bin/true", "true", (char *)NULL));
	}
	if (has(LAYER_LANDLOCK)) {
		FAILS(open("/", O_RDONLY | O_DIRECTORY));
		/* By a descriptor from before, too. */
		FAILS(openat(before.etc, "passwd", O_RDONLY));
		INSIDE(errno == EACCES);
		FAILS(openat(before.etc, "..", O_RDONLY | O_DIRECTORY));
		FAILS(open("/new", O_WRONLY | O_CREAT, 0600));
		FAILS(mkdir("/new", 0700));
		FAILS(mknod("/new", S_IFIFO | 0600, 0));
	}
}

static void
sockets(void)
{
	int abi = has(LAYER_LANDLOCK) ? landlock_version() : 0;
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd;

	if (abi >= NET_ABI) {
		INSIDE((fd = socket(AF_INET, SOCK_STREAM, 0)) != -1);
		FAILS(connect(fd, (struct sockaddr *)&before.sin,
		    sizeof(before.sin)));
		INSIDE(errno == EACCES);
		any.sin_port = htons(1024);
		FAILS(bind(fd, (struct sockaddr *)&any, sizeof(any)));
		INSIDE(errno == EACCES);
	}
	if (abi >= SCOPED_ABI) {
		INSIDE((fd = socket(AF_UNIX, SOCK_STREAM, 0)) != -1);
		FAILS(connect(fd, (struct sockaddr *)&before.sun,
		    before.sun_len));
		INSIDE(errno == EPERM);
	}
}

static void
processes(void)
{
	int abi = has(LAYER_LANDLOCK) ? landlock_version() : 0;

	INSIDE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	INSIDE(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	FAILS(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
	if (has(LAYER_UID) || abi >= SCOPED_ABI) {
		FAILS(kill(getppid(), 0));
		INSIDE(errno == EPERM);
	}
}

static void
privileges(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	INSIDE(syscall(SYS_capget, &hdr, data) == 0);
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		INSIDE((data[i].effective | data[i].permitted |
			   data[i].inheritable) == 0);
	if (has(LAYER_BOUNDING))
		for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
			INSIDE(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1);
	if (has(LAYER_UID)) {
		INSIDE(getuid() == ID && geteuid() == ID && getgid() == ID);
		INSIDE(getgroups(0, NULL) == 0);
		FAILS(setuid(0));
		FAILS(setgid(0));
	}
	FAILS(chroot("/"));
	FAILS(unshare(CLONE_NEWNS));
	FAILS(mount("none", "/", "tmpfs", 0, NULL));
	/* In which it would have all capabilities. */
	if (has(LAYER_CHROOT))
		FAILS(unshare(CLONE_NEWUSER));
}

static void
test_files(void **state)
{
	(void)state;
	runs(files);
}

static void
test_sockets(void **state)
{
	(void)state;
	runs(sockets);
}

static void
test_processes(void **state)
{
	(void)state;
	runs(processes);
}

static void
test_privileges(void **state)
{
	(void)state;
	runs(privileges);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_privileges),
	};

	return UNIT_MAIN("confined", tests);
}
