/*
 * Connections to the daemon.  Used by the commands that change something
 * (change.c) and by all that show the status (snapshot.c).
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/connect.h"
#include "common/fd_passing.h"

#define ANSWER_TIMEOUT 10 /* s, for each frame */

int
fail(struct failure *why, enum exit_status status, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	va_end(ap);
	free(why->text);
	why->text = text;
	why->status = status;
	return -1;
}

struct control_request
connect_request(enum control_command command)
{
	struct control_request req;

	memset(&req, 0, sizeof(req));
	req.version = CONTROL_VERSION;
	req.command = command;
	return req;
}

/* Writes who may connect, from the group and mode of the socket. */
static void
who_may(const char *path, char *text, size_t size)
{
	const struct group *group;
	struct stat st;

	strlcpy(text, "run as root", size);
	if (stat(path, &st) == -1 || (st.st_mode & S_IWGRP) == 0 ||
	    st.st_gid == 0)
		return;
	group = getgrgid(st.st_gid);
	if (group != NULL)
		snprintf(text, size, "run as root or in group %s",
		    group->gr_name);
	else
		snprintf(text, size, "run as root or in group %u", st.st_gid);
}

static int
fail_connect(const char *path, const char *option, struct failure *why)
{
	int error = errno;
	char who[128];

	switch (error) {
	case EACCES:
	case EPERM:
		who_may(path, who, sizeof(who));
		return fail(why, EXIT_UNREACHABLE,
		    "no permission to connect to %s: %s", path, who);
	case ENOENT:
	case ECONNREFUSED:
		return fail(why, EXIT_UNREACHABLE,
		    "no daemon listens at %s: start vrngd, or set its socket "
		    "with %s",
		    path, option);
	case EAGAIN:
		return fail(why, EXIT_UNREACHABLE,
		    "the daemon at %s does not answer", path);
	case EPROTOTYPE:
		return fail(why, EXIT_UNREACHABLE,
		    "%s is another kind of socket: set the socket of vrngd "
		    "with %s",
		    path, option);
	}
	return fail(why, EXIT_UNREACHABLE, "cannot connect to %s: %s", path,
	    strerror(error));
}

int
connect_open(const char *path, int type, const char *option,
    struct failure *why)
{
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path))
		return fail(why, EXIT_UNREACHABLE,
		    "%s: path of the socket is longer than %zu bytes", path,
		    sizeof(sun.sun_path) - 1);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return fail_connect(path, option, why);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
		sizeof(timeout)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
		sizeof(timeout)) == -1 ||
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		fail_connect(path, option, why);
		close(fd);
		return -1;
	}
	return fd;
}

int
connect_fail_read(const char *path, ssize_t received, struct failure *why)
{
	return fail(why, EXIT_UNREACHABLE, "the daemon at %s %s", path,
	    received == -1 && errno == EAGAIN ? "does not answer"
					      : "closed the connection");
}

/*
 * Reads the answer.  If the daemon has closed the connection, the first attempt
 * may fail with ECONNRESET although the answer is still in the socket.
 */
static int
read_reply(int fd, const char *path, struct control_reply *reply,
    struct failure *why)
{
	const size_t head = offsetof(struct control_reply, text);
	bool again = true;
	ssize_t n;

	do {
		n = recv(fd, reply, sizeof(*reply), MSG_TRUNC);
		if (n == -1 && errno == ECONNRESET && again) {
			again = false;
			errno = EINTR;
		}
	} while (n == -1 && errno == EINTR);
	if (n <= 0)
		return connect_fail_read(path, n, why);
	if ((size_t)n >= sizeof(reply->version) &&
	    reply->version != CONTROL_VERSION)
		return fail(why, EXIT_REFUSED,
		    "control protocol versions differ, vrngctl %d and daemon "
		    "%u: update both and restart the daemon",
		    CONTROL_VERSION, reply->version);
	if ((size_t)n <= head || (size_t)n > sizeof(*reply) ||
	    reply->text[(size_t)n - head - 1] != '\0')
		return fail(why, EXIT_REFUSED,
		    "invalid answer from the daemon at %s", path);
	return 0;
}

/* Sends a request, and a descriptor with it if there is one. */
static void
send_request(int fd, const struct control_request *req, int passed)
{
	union fd_passing place;
	/* sendmsg(2) does not write to it. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)req,
		.iov_len = sizeof(*req) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	fd_passing_put(&msg, &place, &passed, passed != -1);
	/* An error here shows when the answer is read. */
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
}

int
connect_ask(const char *path, const struct control_request *req, int passed,
    struct failure *why)
{
	static struct control_reply reply;
	int fd = connect_open(path, SOCK_SEQPACKET, "-s", why), r;
	size_t len;

	if (fd == -1)
		return -1;
	send_request(fd, req, passed);
	r = read_reply(fd, path, &reply, why);
	close(fd);
	if (r == -1)
		return -1;
	len = strlen(reply.text);
	if (reply.error == 0)
		fputs(reply.text, stdout);
	else if (len == 0)
		return fail(why, EXIT_REFUSED,
		    "the daemon rejected the request: %s",
		    strerror(reply.error));
	else
		return fail(why,
		    reply.error == EBUSY ? EXIT_KEPT : EXIT_REFUSED, "%.*s",
		    (int)len - 1, reply.text);
	return 0;
}
