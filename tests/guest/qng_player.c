/*
 * Plays a QNG generator: the serial line of QEMU's usb-serial is a socket, and
 * this is at its other end.
 *
 * usage: qng_player SOCKET CHARACTER [N]
 *
 * Characters: good; garbage: the first N questions for the serial number are
 * answered with nonsense; babbling: does not stop; mute: answers nothing;
 * stalling: falls silent for ever after N bytes of streams; unwell: its
 * statistics are bad after N bytes of streams.
 *
 * Ends when QEMU ends.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/qng_stream.h"

/* Small, as the memory of a generator is. */
#define SOCKET_BUFFER 4096
#define PIECE	      256
#define SERIAL_SIZE   6
#define BAD_STATS     0x04

enum character {
	GOOD,
	GARBAGE,
	BABBLING,
	MUTE,
	STALLING,
	UNWELL,
	CHARACTERS
};

static const char *const names[CHARACTERS] = {
	"good",
	"garbage",
	"babbling",
	"mute",
	"stalling",
	"unwell",
};

struct player {
	int fd;
	enum character character;
	uint64_t limit; /* N */
	bool streaming;
	bool bad_stats;
	uint64_t position;  /* in this stream; 0: its invalid byte */
	uint64_t streamed;  /* bytes of all streams */
	uint64_t questions; /* for the serial number */
};

static void
answer(const struct player *p, const void *bytes, size_t size)
{
	if (p->character != MUTE && write(p->fd, bytes, size) != (ssize_t)size)
		err(1, "write");
}

static void
answer_serial(struct player *p)
{
	static const uint8_t serial[SERIAL_SIZE] = "QNG\xa5\x00\x01";
	uint8_t nonsense[SERIAL_SIZE];

	if (p->character == GARBAGE && p->questions++ < p->limit) {
		memset(nonsense, (int)p->questions, sizeof(nonsense));
		/* Too short as well, now and then. */
		answer(p, nonsense, p->questions % 3 == 0 ? 2 : SERIAL_SIZE);
	} else
		answer(p, serial, sizeof(serial));
}

static void
obey(struct player *p, uint8_t command)
{
	uint8_t status[4] = { 0x03, 0, 0, 0 };

	switch (command) {
	case 0xe0:
		p->streaming = p->character == BABBLING;
		break;
	case 0x96:
		p->streaming = p->character != MUTE;
		p->position = 0;
		break;
	case 0xc0:
		p->bad_stats = false;
		break;
	case 0x60:
		answer_serial(p);
		break;
	case 0xb0:
		if (p->bad_stats ||
		    (p->character == UNWELL && p->streamed >= p->limit))
			status[0] |= BAD_STATS;
		answer(p, status, sizeof(status));
		break;
	default:
		errx(1, "there is no command %02x", command);
	}
}

static void
play_stream(struct player *p)
{
	uint8_t bytes[PIECE];
	ssize_t n;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] =
		    p->position + i == 0 ? 0 : qng_stream(p->position + i - 1);
	n = send(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n == -1 && errno != EAGAIN)
		err(1, "send");
	if (n > 0) {
		p->position += (uint64_t)n;
		p->streamed += (uint64_t)n;
	}
	if (p->character == STALLING && p->streamed >= p->limit) {
		p->streaming = false;
		p->character = MUTE;
	}
}

static void
play(struct player *p)
{
	struct pollfd pfd = { .fd = p->fd };
	uint8_t command;
	ssize_t n;

	for (;;) {
		pfd.events = (short)(POLLIN | (p->streaming ? POLLOUT : 0));
		if (poll(&pfd, 1, -1) == -1)
			err(1, "poll");
		if ((pfd.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
			n = read(p->fd, &command, 1);
			if (n == 0 || (n == -1 && errno == ECONNRESET))
				return;
			if (n == -1)
				err(1, "read");
			obey(p, command);
		} else if ((pfd.revents & POLLOUT) != 0)
			play_stream(p);
	}
}

static int
connected(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, size = SOCKET_BUFFER;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path))
		errx(1, "%s: too long", path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == -1)
		err(1, "SO_SNDBUF");
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		err(1, "%s", path);
	return fd;
}

int
main(int argc, char *argv[])
{
	/* Bad until they are cleared, as left by another program. */
	struct player p = { .bad_stats = true };
	const char *error = NULL;

	if (argc != 3 && argc != 4)
		errx(1, "usage: qng_player SOCKET CHARACTER [N]");
	while (strcmp(names[p.character], argv[2]) != 0)
		if (++p.character == CHARACTERS)
			errx(1, "there is no character %s", argv[2]);
	if (argc == 4)
		p.limit = (uint64_t)strtonum(argv[3], 0, LLONG_MAX, &error);
	if (error != NULL)
		errx(1, "%s: %s", argv[3], error);
	p.streaming = p.character == BABBLING;
	p.fd = connected(argv[1]);
	play(&p);
	return 0;
}
