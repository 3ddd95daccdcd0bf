/*
 * Serial generators, on pseudo-terminals: bytes pass as they are, settings are
 * made and undone.
 */
#include "unit/kind/kinds.h"

#include <stdio.h>
#include <termios.h>

struct pty {
	int master;
	int other; /* the same line as the device's fd, opened once more */
	struct device d;
};

static void
pty_open(struct pty *p, int flags)
{
	const char *name;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_not_equal(p->master, -1);
	assert_int_equal(grantpt(p->master), 0);
	assert_int_equal(unlockpt(p->master), 0);
	name = ptsname(p->master);
	assert_non_null(name);
	p->other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	p->d = kinds_device(SOURCE_SERIAL,
	    open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | flags));
	assert_int_not_equal(p->other, -1);
	assert_int_not_equal(p->d.fd, -1);
}

static void
pty_close(struct pty *p)
{
	kinds_close(&p->d);
	close(p->other);
	if (p->master != -1)
		close(p->master);
}

/* With nothing in its padding, to be compared. */
static void
get_settings(int fd, struct termios *t)
{
	memset(t, 0, sizeof(*t));
	assert_int_equal(tcgetattr(fd, t), 0);
}

static void
set_init(struct device *d, const char *init, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		d->spec.init[i] = (uint8_t)init[i];
	d->spec.init_size = size;
}

/* Every byte, also those that a terminal would make something else of. */
static void
test_bytes(void **state)
{
	static const uint8_t special[] = { 0x03, 0x0d, 0x0a, 0xff, 0x00, 0x11,
		0x13, 0x04, 0x1a, 0xff, 0xff };
	uint8_t bytes[4096];
	struct pty p;

	(void)state;
	for (size_t i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	unit_fill(bytes + 256, sizeof(bytes) - 256, 1);
	memcpy(bytes + 300, special, sizeof(special));
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		pty_open(&p, flags);
		assert_int_equal(kinds_open(&p.d), 0);
		for (size_t i = 0; i < sizeof(bytes); i += 512) {
			assert_int_equal(write(p.master, bytes + i, 512), 512);
			kinds_expect(&p.d, bytes + i, 512);
		}
		for (size_t i = 0; i < 300; i++) {
			assert_int_equal(write(p.master, bytes + i, 1), 1);
			kinds_expect(&p.d, bytes + i, 1);
		}
		/* Nothing of it was echoed. */
		assert_int_equal(fcntl(p.master, F_SETFL, O_NONBLOCK), 0);
		assert_int_equal(read(p.master, bytes, 1), -1);
		assert_int_equal(errno, EAGAIN);
		pty_close(&p);
	}
}

static void
check_settings(int fd, speed_t speed)
{
	struct termios t;

	get_settings(fd, &t);
	assert_int_equal(t.c_iflag &
		(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL |
		    IXON | IXOFF | IXANY | INPCK),
	    0);
	assert_int_equal(t.c_oflag & OPOST, 0);
	assert_int_equal(t.c_lflag & (ECHO | ICANON | ISIG | IEXTEN), 0);
	assert_int_equal(t.c_cflag &
		(CSIZE | PARENB | CSTOPB | CREAD | CLOCAL | CRTSCTS),
	    CS8 | CREAD | CLOCAL);
	assert_int_equal(t.c_cc[VMIN], 1);
	assert_int_equal(t.c_cc[VTIME], 0);
	assert_int_equal(cfgetospeed(&t), speed);
	assert_int_equal(cfgetispeed(&t), speed);
}

/* The settings while it is open, and that they are as before after that. */
static void
test_settings(void **state)
{
	static const struct {
		uint32_t baud;
		speed_t speed;
	} speeds[] = {
		{ 0, B38400 }, /* what a pty has */
		{ 50, B50 },
		{ 9600, B9600 },
		{ 115200, B115200 },
		{ 921600, B921600 },
		{ 4000000, B4000000 },
	};
	struct termios before, after;
	struct pty p;

	(void)state;
	for (size_t i = 0; i < COUNT(speeds); i++)
		for (tcflag_t hupcl = 0; hupcl <= HUPCL; hupcl += HUPCL) {
			pty_open(&p, 0);
			get_settings(p.other, &before);
			before.c_iflag |= IXOFF | IXANY | INPCK;
			before.c_cflag |= CSTOPB | CRTSCTS;
			before.c_cflag &= ~(tcflag_t)(HUPCL | CLOCAL);
			before.c_cflag |= hupcl;
			before.c_cc[VMIN] = 7;
			before.c_cc[VTIME] = 3;
			assert_int_equal(tcsetattr(p.other, TCSANOW, &before),
			    0);
			get_settings(p.other, &before);
			p.d.spec.speed = speeds[i].baud;
			assert_int_equal(kinds_open(&p.d), 0);
			check_settings(p.other, speeds[i].speed);
			get_settings(p.other, &after);
			assert_int_equal(after.c_cflag & HUPCL, hupcl);
			kinds_close(&p.d);
			get_settings(p.other, &after);
			assert_memory_equal(&after, &before, sizeof(before));
			pty_close(&p);
		}
}

static void
test_refused(void **state)
{
	static const uint32_t unknown[] = { 1, 12345, 4000001, UINT32_MAX };
	struct termios before, after;
	struct device d;
	struct pty p;
	int fds[2];

	(void)state;
	for (size_t i = 0; i < COUNT(unknown); i++) {
		pty_open(&p, 0);
		get_settings(p.other, &before);
		p.d.spec.speed = unknown[i];
		assert_int_equal(kinds_open(&p.d), EINVAL);
		get_settings(p.other, &after);
		assert_memory_equal(&after, &before, sizeof(before));
		pty_close(&p);
	}
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	d = kinds_device(SOURCE_SERIAL, fds[0]);
	assert_int_equal(kinds_open(&d), ENOTTY);
	kinds_close(&d);
	close(fds[1]);
}

/* Every speed that <termios.h> has, and as many as that. */
static void
test_speeds(void **state)
{
	struct termios t;
	size_t known = 0;
	struct pty p;

	(void)state;
	pty_open(&p, 0);
	for (uint32_t baud = 50; baud <= 4000000; baud++) {
		if (baud > 200 && baud % 100 != 0)
			continue;
		p.d.spec.speed = baud;
		if (kinds_open(&p.d) != 0)
			continue;
		known++;
		get_settings(p.other, &t);
		assert_int_not_equal(cfgetospeed(&t), B0);
	}
	assert_int_equal(known, 30);
	pty_close(&p);
}

/* What came before it was opened is dropped. */
static void
test_flush(void **state)
{
	struct pollfd pfd = { .events = POLLIN };
	struct pty p;

	(void)state;
	pty_open(&p, 0);
	assert_int_equal(write(p.master, "stale\n", 6), 6);
	pfd.fd = p.other;
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_int_equal(kinds_open(&p.d), 0);
	assert_int_equal(write(p.master, "fresh", 5), 5);
	kinds_expect(&p.d, (const uint8_t *)"fresh", 5);
	pty_close(&p);
}

static void
test_init(void **state)
{
	static const char init[] = "cmdO\r\n\x03\x11\x13\xff\x00\t\x04";
	uint8_t got[SOURCE_INIT_SIZE + 1];
	size_t len;
	struct pty p;

	(void)state;
	for (size_t size = 0; size <= SOURCE_INIT_SIZE;
	     size += SOURCE_INIT_SIZE / 4) {
		pty_open(&p, 0);
		set_init(&p.d, init, sizeof(init));
		p.d.spec.init_size = (uint32_t)size;
		assert_int_equal(kinds_open(&p.d), 0);
		assert_int_equal(fcntl(p.master, F_SETFL, O_NONBLOCK), 0);
		for (len = 0; len < size; len++)
			assert_int_equal(kind_read(p.master, got + len, 1), 1);
		assert_memory_equal(got, p.d.spec.init, size);
		assert_int_equal(read(p.master, got, 1), -1);
		pty_close(&p);
	}
}

/* A device that takes nothing is an error after a while, also to close. */
static void
test_init_stuck(void **state)
{
	uint64_t start = clock_now();
	struct pty p;

	(void)state;
	pty_open(&p, 0);
	assert_int_equal(tcflow(p.other, TCOOFF), 0);
	set_init(&p.d, "cmdO", 4);
	assert_int_equal(kinds_open(&p.d), ETIMEDOUT);
	kinds_close(&p.d);
	assert_in_range(clock_now() - start, NS_PER_SEC, 10 * NS_PER_SEC);
	pty_close(&p);
}

/* It takes it late, which is in time. */
static int
use_late(const struct source_kind *kind, struct device *d)
{
	uint8_t buf[10];

	if (kind->open(d) != 0)
		return 1;
	if (kind->read(d, buf, sizeof(buf)) != 1 || buf[0] != '!')
		return 2;
	kind->close(d);
	return 0;
}

static void
test_confined(void **state)
{
	uint8_t got[6];
	struct pty p;
	pid_t pid;

	(void)state;
	pty_open(&p, 0);
	assert_int_equal(tcflow(p.other, TCOOFF), 0);
	set_init(&p.d, "\x0a\x0d\x00run", 6);
	p.d.spec.speed = 9600;
	pid = kinds_start(&p.d, p.master, use_late);
	poll(NULL, 0, 200);
	assert_int_equal(tcflow(p.other, TCOON), 0);
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(kind_read(p.master, got + i, 1), 1);
	assert_memory_equal(got, "\x0a\x0d\x00run", sizeof(got));
	check_settings(p.other, B9600);
	poll(NULL, 0, 100);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(write(p.master, "!", 1), 1);
	kinds_end(pid);
	pty_close(&p);
}

/* The device is unplugged: before it is read, and meanwhile. */
static int
use_gone(const struct source_kind *kind, struct device *d)
{
	uint8_t byte;

	if (kind->open(d) != 0)
		return 1;
	for (int i = 0; i < 3; i++) {
		ssize_t n = kind->read(d, &byte, 1);

		if (n > 0 || (n == -1 && errno != EIO))
			return 2;
	}
	kind->close(d);
	return 0;
}

static void
test_gone(void **state)
{
	struct termios tio;
	struct pty p;
	uint8_t byte;
	pid_t pid;

	(void)state;
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		pty_open(&p, flags);
		assert_int_equal(kinds_open(&p.d), 0);
		close(p.master);
		p.master = -1;
		for (int i = 0; i < 3; i++) {
			errno = EIO;
			assert_in_range(kinds_read(&p.d, &byte, 1) + 1, 0, 1);
			assert_int_equal(errno, EIO);
		}
		kinds_close(&p.d);
		assert_int_equal(p.d.fd, -1);
		pty_close(&p);

		pty_open(&p, flags);
		pid = kinds_start(&p.d, p.master, use_gone);
		/* It is open when it is raw. */
		do {
			poll(NULL, 0, 100);
			assert_int_equal(tcgetattr(p.master, &tio), 0);
		} while ((tio.c_lflag & ICANON) != 0);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		close(p.master);
		p.master = -1;
		kinds_end(pid);
		pty_close(&p);
	}
}

static void
test_silent(void **state)
{
	struct pty p[2];
	pid_t pids[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		pty_open(&p[i], i == 0 ? 0 : O_NONBLOCK);
		pids[i] = kinds_start(&p[i].d, p[i].master, kinds_use_silent);
	}
	kinds_silent(pids, 2);
	for (int i = 0; i < 2; i++)
		pty_close(&p[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_speeds),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_init_stuck),
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_silent),
	};

	return UNIT_MAIN("serial", tests);
}
