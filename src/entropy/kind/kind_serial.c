/*
 * Sources of kind serial: a tty in raw mode.  Used by kind.c's table.
 */
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "common/clock.h"
#include "entropy/kind/kind.h"
#include "common/log.h"
#include "common/serial.h"

#define INIT_TIME (2 * NS_PER_SEC) /* ms, for the device to accept it */

struct serial {
	struct termios saved; /* the original settings */
	bool changed;
};

/* Those that the configuration takes, and the slower ones. */
#define SPEED(baud) { (baud), B##baud },
static const struct {
	uint32_t baud;
	speed_t speed;
} speeds[] = { SPEED(50) SPEED(75) SPEED(110) SPEED(134) SPEED(150) SPEED(200)
	    SERIAL_SPEEDS(SPEED) };

static int
set_speed(struct termios *t, uint32_t baud)
{
	for (size_t i = 0; i < sizeof(speeds) / sizeof(*speeds); i++) {
		if (speeds[i].baud != baud)
			continue;
		if (cfsetispeed(t, speeds[i].speed) == -1 ||
		    cfsetospeed(t, speeds[i].speed) == -1)
			return errno;
		return 0;
	}
	return EINVAL;
}

/*
 * Sets raw mode with eight bits, without flow control and modem lines.  HUPCL
 * stays as the administrator has set it: DTR rises when the port is opened, and
 * with HUPCL falls at its last close, which stops many generators and resets
 * some.
 */
static void
make_raw(struct termios *t)
{
	cfmakeraw(t);
	t->c_iflag &= ~(tcflag_t)(INPCK | IXOFF | IXANY);
	t->c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS);
	t->c_cflag |= CLOCAL | CREAD;
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
}

/* tcsetattr(3) succeeds if it could set anything: checks the settings. */
static int
set_line(int fd, const struct termios *wanted)
{
	struct termios now;

	if (tcsetattr(fd, TCSANOW, wanted) == -1 || tcgetattr(fd, &now) == -1)
		return errno;
	if ((now.c_cflag & CSIZE) != CS8 ||
	    cfgetospeed(&now) != cfgetospeed(wanted))
		return EINVAL;
	return 0;
}

/* Sets O_NONBLOCK, so that a write does not block on the device. */
static int
set_nonblocking(int fd)
{
	int flags;

	if ((flags = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return errno;
	return 0;
}

/* Sends `init` to the device, if the device accepts it in time. */
static int
send_init(struct device *d)
{
	struct pollfd pfd = { .fd = d->fd, .events = POLLOUT };
	uint64_t deadline = clock_now() + INIT_TIME, now;
	size_t sent = 0;
	ssize_t n;

	while (sent < d->spec.init_size) {
		n = write(d->fd, d->spec.init + sent, d->spec.init_size - sent);
		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		if ((now = clock_now()) >= deadline)
			return ETIMEDOUT;
		poll(&pfd, 1, (int)((deadline - now) / NS_PER_MS) + 1);
	}
	return 0;
}

static void
serial_prepare(struct device *d)
{
	if ((d->state = calloc(1, sizeof(struct serial))) == NULL)
		log_fatal("out of memory for a source");
}

static int
serial_open(struct device *d)
{
	struct serial *s = d->state;
	struct termios wanted;
	int error;

	s->changed = false;
	if (tcgetattr(d->fd, &s->saved) == -1)
		return errno;
	wanted = s->saved;
	make_raw(&wanted);
	if (d->spec.speed != 0 &&
	    (error = set_speed(&wanted, d->spec.speed)) != 0)
		return error;
	s->changed = true;
	if ((error = set_line(d->fd, &wanted)) != 0 ||
	    (error = set_nonblocking(d->fd)) != 0)
		return error;
	/* Earlier bytes may be incomplete, or from another speed. */
	if (tcflush(d->fd, TCIFLUSH) == -1)
		return errno;
	return send_init(d);
}

static ssize_t
serial_read(struct device *d, uint8_t *buf, size_t size)
{
	return kind_read(d->fd, buf, size);
}

/* Output that the device has not accepted would block close(2). */
static void
serial_close(struct device *d)
{
	struct serial *s = d->state;

	if (!s->changed)
		return;
	s->changed = false;
	tcflush(d->fd, TCIOFLUSH);
	tcsetattr(d->fd, TCSANOW, &s->saved);
}

/* A command is an int; some C libraries extend its sign. */
#define COMMAND(cmd) SCMP_A1_64(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(cmd))
/*
 * TCGETS2 and TCSETS2, whose argument <termios.h> does not define: matches any
 * size and direction of it.
 */
#define COMMAND2(nr) SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xffff, 'T' << 8 | (nr))

static const struct sandbox_rule rules[] = {
	{ .nr = SCMP_SYS(ioctl),
	    .why = "TCGETS: settings of the line",
	    .nargs = 1,
	    .args = { COMMAND(TCGETS) } },
	{ .nr = SCMP_SYS(ioctl),
	    .why = "TCSETS: settings of the line",
	    .nargs = 1,
	    .args = { COMMAND(TCSETS) } },
	{ .nr = SCMP_SYS(ioctl),
	    .why = "TCGETS2: settings, glibc 2.42",
	    .nargs = 1,
	    .args = { COMMAND2(0x2a) } },
	{ .nr = SCMP_SYS(ioctl),
	    .why = "TCSETS2: settings, glibc 2.42",
	    .nargs = 1,
	    .args = { COMMAND2(0x2b) } },
	{ .nr = SCMP_SYS(ioctl),
	    .why = "TCFLSH: discarding old bytes",
	    .nargs = 1,
	    .args = { COMMAND(TCFLSH) } },
	{ .nr = SCMP_SYS(fcntl),
	    .why = "F_GETFL: non-blocking writes",
	    .nargs = 1,
	    .args = { COMMAND(F_GETFL) } },
	{ .nr = SCMP_SYS(fcntl),
	    .why = "F_SETFL: non-blocking writes",
	    .nargs = 1,
	    .args = { COMMAND(F_SETFL) } },
};

const struct source_kind kind_serial = {
	.has_fd = true,
	/* tty_ldisc_hangup() wakes only those who wait for EPOLLOUT or EPOLLIN. */
	.hang_up = EPOLLOUT | EPOLLET,
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(*rules),
	.prepare = serial_prepare,
	.open = serial_open,
	.read = serial_read,
	.close = serial_close,
};
