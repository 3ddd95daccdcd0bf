/*
 * Clients of the monitoring socket.  Used by test_status.c and test_varlink.c.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/status_client.h"

#define REPLY_SIZE (1 << 20)

int
status_join(struct suite *s, const char *name, int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	strlcpy(sun.sun_path, daemon_path(&s->d, name), sizeof(sun.sun_path));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The end of a reply among what can be read now, or all of that. */
static size_t
upto_nul(int fd, char *buf, size_t size)
{
	ssize_t n = recv(fd, buf, size, MSG_PEEK);
	const char *nul = n > 0 ? memchr(buf, '\0', (size_t)n) : NULL;

	if (n <= 0)
		return 0;
	return nul != NULL ? (size_t)(nul - buf) + 1 : (size_t)n;
}

char *
status_reply(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char *buf = malloc(REPLY_SIZE);
	size_t len = 0, n;

	assert_non_null(buf);
	while (len == 0 || buf[len - 1] != '\0') {
		assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
		n = upto_nul(fd, buf + len, REPLY_SIZE - len);
		if (n == 0) {
			free(buf);
			return NULL;
		}
		assert_int_equal(recv(fd, buf + len, n, 0), n);
		len += n;
	}
	return buf;
}

char *
status_call(struct suite *s, const char *text)
{
	int fd = status_join(s, "status", SOCK_STREAM);
	char *reply;

	assert_int_not_equal(fd, -1);
	(void)send(fd, text, strlen(text) + 1, MSG_NOSIGNAL);
	reply = status_reply(fd);
	close(fd);
	return reply;
}

bool
status_answers(struct suite *s, const char *text, const char *part)
{
	char *reply = status_call(s, text);
	bool found = reply != NULL && strstr(reply, part) != NULL;

	free(reply);
	return found;
}
