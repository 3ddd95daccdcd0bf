/*
 * Runs in a guest: opens a QNG generator as vrngd does, by usb_open(), and
 * reads it as vrngd-usb does, in a process that has no root directory, no
 * privilege, and no system calls but those of that and of this test.
 * All that comes is compared with what qng_player plays.
 *
 * usage: qng_reader SERIAL BYTES...
 *
 * Opens the generator once for each BYTES, reads that many, and closes it; with
 * 0, it is not read, but closed when it is unplugged.  Prints the result of
 * each: "opening: WHY", or "open" and "N bytes in M streams, END", where END is
 * "ok", "unwell", "ended", the error, or "a wrong byte"; with 0, "hung up".
 */
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bsd/stdlib.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "guest/qng_stream.h"
#include "common/sandbox.h"
#include "parent/pool/usb.h"
#include "usb/filter.h"
#include "usb/qng_usb.h"

#define READER_ID     30000
#define FIND_LIMIT    (20 * NS_PER_SEC) /* for the guest to see what is new */
#define EMPTY_ROOT    "/tmp/empty"
#define HANG_UP_LIMIT 20000 /* ms */

/* Those of this test. */
static const struct sandbox_rule own_rules[] = {
	{ .nr = SCMP_SYS(recvmsg), .why = "frames" },
	{ .nr = SCMP_SYS(epoll_ctl), .why = "a hang-up" },
	{ .nr = SANDBOX_EPOLL_WAIT, .why = "a hang-up" },
};

struct reader {
	struct qng_usb usb;
	int fd;		   /* of the device */
	uint64_t wanted;   /* bytes */
	uint64_t position; /* in the stream */
	int epoll_fd;
};

__attribute__((format(printf, 1, 2))) static void
say(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Not by stdio, which asks first what kind of file it is. */
	if (write(STDOUT_FILENO, text, strlen(text)) == -1)
		_exit(1);
}

/* Compares what one read gave; false: it is not what was played. */
static bool
expected(struct reader *r, const uint8_t *buf, ssize_t n, unsigned int *streams)
{
	if ((buf[0] & QNG_STREAM_FIRST) != 0) {
		r->position = 0;
		++*streams;
	}
	for (ssize_t i = 0; i < n; i++)
		if (*streams == 0 || buf[i] != qng_stream(r->position++))
			return false;
	return true;
}

static void
read_device(struct reader *r)
{
	unsigned int streams = 0;
	uint8_t buf[65536];
	const char *end = "ok";
	uint64_t total = 0;
	ssize_t n;

	while (total < r->wanted) {
		n = qng_usb_read(&r->usb, buf, sizeof(buf));
		if (n <= 0) {
			end = n == 0		? "ended"
			    : r->usb.qng.unwell ? "unwell"
						: strerror(errno);
			break;
		}
		if (!expected(r, buf, n, &streams)) {
			end = "a wrong byte";
			break;
		}
		total += (uint64_t)n;
	}
	say("%llu bytes in %u streams, %s\n", (unsigned long long)total,
	    streams, end);
}

/* Waits for the hang-up, without reading. */
static void
await_hang_up(const struct reader *r)
{
	struct epoll_event event = { .events = EPOLLET };

	if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->fd, &event) == -1) {
		say("cannot watch: %s\n", strerror(errno));
		return;
	}
	do
		if (epoll_wait(r->epoll_fd, &event, 1, HANG_UP_LIMIT) != 1) {
			say("no hang-up\n");
			return;
		}
	while ((event.events & EPOLLHUP) == 0);
	say("hung up\n");
}

static void
use_device(struct reader *r)
{
	int error;

	if ((error = qng_usb_open(&r->usb, r->fd)) != 0)
		say("opening: %s\n", strerror(error));
	else {
		say("open\n");
		if (r->wanted == 0)
			await_hang_up(r);
		else
			read_device(r);
	}
	qng_usb_close(&r->usb);
}

static void
filter(void)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	size_t n = usb_filter(rules);

	for (size_t i = 0; i < sizeof(own_rules) / sizeof(*own_rules); i++)
		rules[n++] = own_rules[i];
	sandbox_filter(rules, n, 0);
}

/* The process that reads: takes devices from the channel until that ends. */
static _Noreturn void
reader_main(int channel, int up, const struct proto_hello *hello, int root)
{
	struct pollfd pfd = { .fd = channel, .events = POLLIN };
	struct reader r = { .fd = -1 };
	enum channel_result result;
	struct frame f;

	sandbox_confine(hello, root);
	close(root);
	if ((r.epoll_fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	qng_usb_prepare(&r.usb);
	filter();
	for (;;) {
		poll(&pfd, 1, -1);
		result = channel_recv(channel, &f, ROLE_PARENT, ROLE_ENTROPY);
		if (result != CHANNEL_FRAME)
			_exit(result == CHANNEL_CLOSED ? 0 : 1);
		r.fd = f.fds[0];
		r.wanted = f.u.number.number;
		use_device(&r);
		close(f.fds[0]);
		/* Lets the other process continue. */
		frame_init(&f, PROTO_READY, 0, 0);
		if (channel_tell(up, &f) == -1)
			_exit(1);
	}
}

/* The generator may just have been plugged in. */
static int
find_device(const char *serial)
{
	uint64_t start = clock_now();
	const char *why;
	int fd;

	while ((fd = usb_open(0, 0, serial, &why)) == -1) {
		if (clock_now() - start > FIND_LIMIT)
			errx(1, "no generator: %s", why);
		poll(NULL, 0, 50);
	}
	return fd;
}

static void
give_device(int channel, int up, const char *serial, uint32_t bytes)
{
	struct pollfd pfd = { .fd = up, .events = POLLIN };
	struct frame f;

	frame_init(&f, PROTO_SOURCE_OPEN, 0, 0);
	/* There is one source: the number is free for another use. */
	f.u.number.number = bytes;
	f.fds[0] = find_device(serial);
	if (channel_send(channel, &f) == -1)
		err(1, "channel_send");
	close(f.fds[0]);
	if (poll(&pfd, 1, -1) == -1)
		err(1, "poll");
	if (channel_hear(up, &f, ROLE_ENTROPY) != CHANNEL_FRAME)
		errx(1, "the reading process has died");
}

int
main(int argc, char *argv[])
{
	struct proto_hello hello = { .uid = READER_ID };
	int channel[2], up[2], root, status;
	const char *error;
	uint32_t bytes;
	pid_t pid;

	if (argc < 3)
		errx(1, "usage: qng_reader SERIAL BYTES...");
	hello.layers = sandbox_available(READER_ID, 1);
	mkdir(EMPTY_ROOT, 0555);
	if ((root = open(EMPTY_ROOT, O_DIRECTORY | O_CLOEXEC)) == -1)
		err(1, EMPTY_ROOT);
	if (channel_pair(channel) == -1 || channel_up_pair(up) == -1)
		err(1, "cannot make a channel");
	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		close(channel[0]);
		close(up[0]);
		reader_main(channel[1], up[1], &hello, root);
	}
	close(channel[1]);
	close(up[1]);
	for (int i = 2; i < argc; i++) {
		bytes = (uint32_t)strtonum(argv[i], 0, UINT32_MAX, &error);
		if (error != NULL)
			errx(1, "%s: %s", argv[i], error);
		give_device(channel[0], up[0], argv[1], bytes);
	}
	close(channel[0]);
	if (waitpid(pid, &status, 0) == -1)
		err(1, "waitpid");
	if (status != 0)
		errx(1, "the reading process ended with status %x", status);
	return 0;
}
