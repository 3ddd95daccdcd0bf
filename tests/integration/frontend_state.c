/*
 * The fake frontend's transfer of the device's state, as snapshots of VMMs use
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "integration/frontend.h"

#define NOFD FE_BIT(8)

int
fe_state_fd(struct fe *fe, uint32_t direction, int fd)
{
	const uint32_t payload[2] = { direction, 0 };
	struct fe_msg msg;
	uint64_t value;

	if (fe_send(fe, FE_SET_DEVICE_STATE_FD, 0, payload, sizeof(payload),
		&fd, 1) == -1 ||
	    fe_recv(fe, &msg, FE_TIMEOUT_MS) == -1)
		return -1;
	memcpy(&value, msg.payload, sizeof(value));
	fe_msg_close(&msg);
	if (msg.hdr.request != FE_SET_DEVICE_STATE_FD ||
	    msg.hdr.size != sizeof(value) || (value & NOFD) == 0) {
		errno = EPROTO;
		return -1;
	}
	return value != NOFD;
}

int
fe_state_check(struct fe *fe)
{
	uint64_t value;

	if (fe_get_u64(fe, FE_CHECK_DEVICE_STATE, &value) == -1)
		return -1;
	return value != 0;
}

/* Reads until the end of file, within the time limit. */
static ssize_t
read_all(int fd, void *buf, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		if (poll(&pfd, 1, FE_TIMEOUT_MS) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		n = read(fd, (uint8_t *)buf + len, size - len);
		if (n <= 0)
			return n == 0 ? (ssize_t)len : -1;
		len += (size_t)n;
	}
	errno = EMSGSIZE;
	return -1;
}

/* Turns a failure (1) into an error. */
static int
must(int rc)
{
	if (rc == 1)
		errno = EREMOTEIO;
	return rc == 0 ? 0 : -1;
}

ssize_t
fe_state_save(struct fe *fe, void *buf, size_t size)
{
	int p[2], rc;
	ssize_t n = -1;

	if (pipe2(p, O_CLOEXEC) == -1)
		return -1;
	rc = must(fe_state_fd(fe, FE_SAVE, p[1]));
	close(p[1]);
	if (rc == 0)
		n = read_all(p[0], buf, size);
	close(p[0]);
	return n != -1 && must(fe_state_check(fe)) == -1 ? -1 : n;
}

int
fe_state_load(struct fe *fe, const void *buf, size_t size)
{
	bool written;
	int p[2], rc;

	if (pipe2(p, O_CLOEXEC) == -1)
		return -1;
	rc = fe_state_fd(fe, FE_LOAD, p[0]);
	close(p[0]);
	written = rc == 0 && write(p[1], buf, size) == (ssize_t)size;
	close(p[1]);
	if (rc != 0)
		return must(rc);
	rc = must(fe_state_check(fe));
	if (rc == 0 && !written) {
		errno = EPROTO;
		return -1;
	}
	return rc;
}
