/*
 * A QNG generator that is made up and has a clock of its own, so that nothing
 * takes time, as a port to it.
 */
#ifndef QNG_FAKE_H
#define QNG_FAKE_H

#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "usb/qng.h"

#define QUEUE_SIZE    65536
#define COMMANDS_SIZE 256
#define NEVER	      UINT64_MAX

struct fake {
	uint64_t clock;
	char commands[COMMANDS_SIZE]; /* all received, and "p": purged */
	size_t ncommands;
	uint8_t queue[QUEUE_SIZE]; /* on its way to the reader */
	size_t start, end;
	bool streaming;
	uint64_t position; /* in this stream; 0: the invalid byte */
	uint8_t serial[QNG_SERIAL_SIZE];
	uint8_t status[4];

	/* How it behaves. */
	size_t piece;	       /* bytes received at once at most */
	unsigned int deaf;     /* this many stops are ignored */
	unsigned int nonsense; /* so many wrong serials */
	size_t short_by;       /* bytes missing of the first serial */
	bool mute;
	uint64_t silent_from;	 /* bytes of a stream */
	size_t rest;		 /* bytes of a stream that follow its stop */
	uint64_t empty;		 /* ns, that receiving nothing takes */
	uint64_t delay;		 /* ns, of what follows a stop */
	uint64_t not_before;	 /* when that comes */
	uint64_t calls, fail_at; /* of the port's functions */
	int error;
};

/* A stream's bytes are never 0, but for the first one. */
static inline uint8_t
stream_byte(uint64_t position)
{
	return position == 0 ? 0 : (uint8_t)(1 + position * 7 % 255);
}

static inline void
put(struct fake *f, const void *bytes, size_t size)
{
	assert_true(f->end + size <= sizeof(f->queue));
	memcpy(f->queue + f->end, bytes, size);
	f->end += size;
}

static inline void
put_stream(struct fake *f, size_t size)
{
	uint8_t byte;

	while (size-- > 0 && f->position < f->silent_from) {
		byte = stream_byte(f->position++);
		put(f, &byte, 1);
	}
}

static inline void
put_serial(struct fake *f)
{
	uint8_t serial[QNG_SERIAL_SIZE];

	memcpy(serial, f->serial, sizeof(serial));
	if (f->nonsense > 0)
		serial[5] ^= (uint8_t)f->nonsense--;
	put(f, serial, sizeof(serial) - f->short_by);
	f->short_by = 0;
}

static inline bool
fails(struct fake *f)
{
	return f->calls++ == f->fail_at;
}

static inline void
received(struct fake *f, char command)
{
	assert_true(f->ncommands < sizeof(f->commands) - 1);
	f->commands[f->ncommands++] = command;
}

static inline int
fake_send(void *arg, uint8_t command)
{
	struct fake *f = arg;

	if (fails(f))
		return f->error;
	received(f, (char)command);
	switch (f->mute ? 0 : command) {
	case 0xe0:
		if (f->streaming && f->deaf == 0) {
			f->streaming = false;
			f->not_before = f->clock + f->delay;
			put_stream(f, f->rest);
		} else if (f->streaming)
			f->deaf--;
		break;
	case 0x96:
		f->streaming = true;
		f->position = 0;
		break;
	case 0xc0:
		f->status[0] &= (uint8_t)~4;
		break;
	case 0x60:
		put_serial(f);
		break;
	case 0xb0:
		put(f, f->status, sizeof(f->status));
		break;
	}
	return 0;
}

static inline ssize_t
fake_receive(void *arg, uint8_t *buf, size_t size)
{
	struct fake *f = arg;

	if (fails(f)) {
		errno = f->error;
		return -1;
	}
	assert_in_range(size, 1, QNG_READ_MAX);
	if (f->streaming && f->start == f->end)
		put_stream(f, 200);
	if (f->clock < f->not_before)
		size = 0;
	if (size > f->end - f->start)
		size = f->end - f->start;
	if (size > f->piece)
		size = f->piece;
	memcpy(buf, f->queue + f->start, size);
	f->start += size;
	if (f->start == f->end)
		f->start = f->end = 0;
	f->clock += size > 0 ? NS_PER_MS : f->empty;
	return (ssize_t)size;
}

/* Reaches a part of what is on its way only. */
static inline int
fake_purge(void *arg)
{
	struct fake *f = arg;

	if (fails(f))
		return f->error;
	received(f, 'p');
	f->start += (f->end - f->start) / 2;
	return 0;
}

static inline uint64_t
fake_now(void *arg)
{
	return ((struct fake *)arg)->clock;
}

static inline void
fake_pause(void *arg, uint64_t ns)
{
	((struct fake *)arg)->clock += ns;
}

static const struct qng_port port = {
	.send = fake_send,
	.receive = fake_receive,
	.purge = fake_purge,
	.now = fake_now,
	.pause = fake_pause,
};

/* A good one, left streaming by another program, with a bad status. */
static inline struct fake
generator(void)
{
	return (struct fake){
		.clock = 1000 * NS_PER_SEC,
		.streaming = true,
		.position = 12345,
		.serial = "QNG\xa5\x5a\x01",
		.status = { 0xff, 0xff, 0xff, 0xff },
		.piece = SIZE_MAX,
		.silent_from = NEVER,
		.rest = 1500,
		.empty = 50 * NS_PER_MS,
		.fail_at = NEVER,
		.error = ENODEV,
	};
}

#endif
