#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <bsd/string.h>
#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/manager.h"

#define FIRST 3 /* descriptor that is passed */

/* Numbers the descriptors from FIRST on; all others are closed. */
static void
pass(const int *fds, size_t n, const char *names)
{
	char text[32];

	/* First out of the way of one another. */
	for (size_t i = 0; i < n; i++)
		if (dup2(fds[i], 500 + (int)i) == -1)
			_exit(126);
	for (size_t i = 0; i < n; i++)
		if (dup2(500 + (int)i, FIRST + (int)i) == -1)
			_exit(126);
	closefrom(FIRST + (int)n);
	if (n == 0)
		return;
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%zu", n);
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

/* The daemon's side of its start. */
static void
prepare(void *arg)
{
	const struct manager *m = arg;
	int fds[2 * MANAGER_FDS];
	char names[8192] = "", max[16];
	size_t n = 0;

	for (size_t i = 0; i < m->nunits; i++) {
		fds[n++] = m->units[i].fd;
		strlcat(names, m->units[i].name, sizeof(names));
		strlcat(names, ":", sizeof(names));
	}
	for (size_t i = 0; i < m->nstored; i++) {
		fds[n++] = m->store[i].fd;
		strlcat(names, m->store[i].name, sizeof(names));
		strlcat(names, ":", sizeof(names));
	}
	if (n > 0)
		names[strlen(names) - 1] = '\0';
	pass(fds, n, m->names != NULL ? m->names : names);
	setenv("NOTIFY_SOCKET", m->path, 1);
	snprintf(max, sizeof(max), "%d", m->unstoring ? 0 : MANAGER_STORE);
	setenv("FDSTORE", max, 1);
}

void
manager_open(struct manager *m, struct suite *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memset(m, 0, sizeof(*m));
	m->s = s;
	strlcpy(m->path, daemon_path(&s->d, "notify"), sizeof(m->path));
	strlcpy(sun.sun_path, m->path, sizeof(sun.sun_path));
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_not_equal(m->fd, -1);
	CHECK(bind(m->fd, (struct sockaddr *)&sun, sizeof(sun)));
	s->d.prepare = prepare;
	s->d.prepare_arg = m;
}

void
manager_close(struct manager *m)
{
	while (m->nunits > 0)
		close(m->units[--m->nunits].fd);
	while (m->nstored > 0)
		close(m->store[--m->nstored].fd);
	close(m->fd);
}

int
manager_listen(struct manager *m, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	strlcpy(sun.sun_path, daemon_path(&m->s->d, name),
	    sizeof(sun.sun_path));
	unlink(sun.sun_path);
	CHECK(bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	CHECK(listen(fd, 16));
	return fd;
}

void
manager_unit(struct manager *m, const char *name, int fd)
{
	assert_true(m->nunits < MANAGER_FDS);
	strlcpy(m->units[m->nunits].name, name, sizeof(m->units[0].name));
	m->units[m->nunits++].fd = fd;
}

size_t
manager_stored(const struct manager *m, const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nstored; i++)
		n += strncmp(m->store[i].name, prefix, strlen(prefix)) == 0;
	return n;
}

static void
drop(struct manager *m, const char *name)
{
	for (size_t i = 0; i < m->nstored; i++)
		if (strcmp(m->store[i].name, name) == 0) {
			close(m->store[i].fd);
			m->store[i--] = m->store[--m->nstored];
		}
}

/* Does what a message asks for; `fd` is what came with it, or -1. */
static void
obey(struct manager *m, const char *text, int fd)
{
	const char *name = strstr(text, "FDNAME=");

	name = name == NULL ? "" : name + strlen("FDNAME=");
	if (strncmp(text, "FDSTOREREMOVE=1", 15) == 0)
		drop(m, name);
	if (strncmp(text, "FDSTORE=1", 9) != 0) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_int_not_equal(fd, -1);
	assert_true(m->nstored < MANAGER_FDS);
	strlcpy(m->store[m->nstored].name, name, sizeof(m->store[0].name));
	m->store[m->nstored++].fd = fd;
}

void
manager_hear(struct manager *m)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char text[1024];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;
	int fd;

	m->said[0] = '\0';
	for (;;) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		if ((n = recvmsg(m->fd, &msg, MSG_CMSG_CLOEXEC)) == -1)
			return;
		text[n] = '\0';
		fd = -1;
		cmsg = CMSG_FIRSTHDR(&msg);
		if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
		if (strcmp(text, "BARRIER=1") == 0) {
			close(fd);
			continue;
		}
		obey(m, text, fd);
		if (strstr(text, "FDNAME=s-") != NULL)
			continue;
		for (char *c = text; (c = strchr(c, '\n')) != NULL;)
			*c = ' ';
		strlcat(m->said, text, sizeof(m->said));
		strlcat(m->said, "\n", sizeof(m->said));
	}
}

/* vrngctl's side. */
static void
run_adopt(struct manager *m, const int *fds, size_t n, int out,
    const char *name, const char *class, const char *pool)
{
	const char *program = getenv("VRNGCTL");
	char control[128];

	if (program == NULL)
		program = "build/vrngctl";
	snprintf(control, sizeof(control), "%s/control", m->s->d.dir);
	if (dup2(out, STDOUT_FILENO) == -1 || dup2(out, STDERR_FILENO) == -1)
		_exit(126);
	pass(fds, n, "");
	setenv("VRNGD_CLASS", class, 1);
	setenv("VRNGD_POOL", pool, 1);
	execl(program, program, "-s", control, "guest", "adopt", name,
	    (char *)NULL);
	_exit(126);
}

int
manager_adopt(struct manager *m, const int *fds, size_t n, const char *name,
    const char *class, const char *pool, char *out, size_t size)
{
	int pipes[2], status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	CHECK(pipe2(pipes, O_CLOEXEC));
	if ((pid = fork()) == 0)
		run_adopt(m, fds, n, pipes[1], name, class, pool);
	assert_int_not_equal(pid, -1);
	close(pipes[1]);
	while ((got = read(pipes[0], out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
