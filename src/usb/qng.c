/*
 * The command protocol of QNG generators, over any transport.  Used by
 * qng_usb.c.
 */
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "usb/qng.h"

#define COMMAND_STOP   0xe0
#define COMMAND_SERIAL 0x60 /* answered with QNG_SERIAL_SIZE bytes */
#define COMMAND_START  0x96
#define COMMAND_CLEAR  0xc0 /* clears the flag of bad statistics */
#define COMMAND_STATUS 0xb0 /* answered with 4 bytes, little-endian */

#define STATUS_SIZE	 4
#define STATUS_BAD_STATS 0x04 /* in the first byte */

/* A generator may miss a command, or answer with bytes left from a stream. */
#define ATTEMPTS 5

#define QUIET_TIME     (10 * NS_PER_MS) /* without a byte: stopped */
#define DRAIN_LIMIT    (500 * NS_PER_MS)
#define ANSWER_LIMIT   (500 * NS_PER_MS)
#define SETTLE_TIME    (10 * NS_PER_MS) /* from its start to its first byte */
#define CHECK_INTERVAL (1 * NS_PER_SEC)
#define SILENCE_LIMIT  (5 * NS_PER_SEC)

static uint64_t
now(const struct qng *q)
{
	return q->port->now(q->arg);
}

static int
send_command(const struct qng *q, uint8_t command)
{
	return q->port->send(q->arg, command);
}

/* Reads until no more bytes arrive.  EPROTO: the stream does not end. */
static int
drain(const struct qng *q)
{
	uint8_t waste[QNG_READ_MAX];
	uint64_t start = now(q), last = start;
	ssize_t n;
	int error = 0;

	do {
		n = q->port->receive(q->arg, waste, sizeof(waste));
		if (n == -1)
			error = errno;
		else if (n > 0)
			last = now(q);
		if (now(q) - start > DRAIN_LIMIT)
			error = EPROTO;
	} while (error == 0 && now(q) - last < QUIET_TIME);
	/* These were random bytes. */
	explicit_bzero(waste, sizeof(waste));
	return error;
}

/* Receives exactly `size` bytes, or returns an errno. */
static int
receive_all(const struct qng *q, uint8_t *buf, size_t size)
{
	uint64_t start = now(q);
	size_t got = 0;
	ssize_t n;

	while (got < size) {
		n = q->port->receive(q->arg, buf + got, size - got);
		if (n == -1)
			return errno;
		if (n == 0 && now(q) - start > ANSWER_LIMIT)
			return ETIMEDOUT;
		got += (size_t)n;
	}
	return 0;
}

static int
ask(const struct qng *q, uint8_t command, uint8_t *answer, size_t size)
{
	int error;

	if ((error = send_command(q, command)) != 0)
		return error;
	return receive_all(q, answer, size);
}

/* Stops the stream, so that the next bytes are the answer to a command. */
static int
quiesce(const struct qng *q)
{
	int error;

	if ((error = send_command(q, COMMAND_STOP)) != 0 ||
	    (error = q->port->purge(q->arg)) != 0)
		return error;
	return drain(q);
}

/*
 * Stops the generator and reads its serial, twice with `learn`: a first,
 * unknown answer may be bytes left from a stream.
 */
static int
identify(struct qng *q, bool learn)
{
	uint8_t serial[QNG_SERIAL_SIZE];
	int error;

	if ((error = quiesce(q)) != 0)
		return error;
	if (learn &&
	    (error = ask(q, COMMAND_SERIAL, q->serial, sizeof(q->serial))) != 0)
		return error;
	if ((error = ask(q, COMMAND_SERIAL, serial, sizeof(serial))) != 0)
		return error;
	return memcmp(q->serial, serial, sizeof(serial)) == 0 ? 0 : EPROTO;
}

static int
insist(struct qng *q, bool learn)
{
	int error = 0;

	for (int i = 0; i < ATTEMPTS; i++) {
		error = identify(q, learn);
		if (error != EPROTO && error != ETIMEDOUT)
			break;
	}
	return error;
}

/* Starts the stream of a stopped generator; `first` clears its status. */
static int
stream(struct qng *q, bool first)
{
	uint8_t invalid;
	int error;

	if ((error = send_command(q, COMMAND_START)) != 0 ||
	    (first && (error = send_command(q, COMMAND_CLEAR)) != 0))
		return error;
	q->port->pause(q->arg, SETTLE_TIME);
	/* Some bits of the first byte are always 0. */
	if ((error = receive_all(q, &invalid, 1)) != 0)
		return error;
	q->checked = now(q);
	return 0;
}

static int
check(struct qng *q)
{
	uint8_t status[STATUS_SIZE];
	int error;

	if ((error = insist(q, false)) != 0 ||
	    (error = ask(q, COMMAND_STATUS, status, sizeof(status))) != 0)
		return error;
	if ((status[0] & STATUS_BAD_STATS) != 0) {
		q->unwell = true;
		return EIO;
	}
	return stream(q, false);
}

int
qng_start(struct qng *q, const struct qng_port *port, void *arg)
{
	int error;

	memset(q, 0, sizeof(*q));
	q->port = port;
	q->arg = arg;
	if ((error = insist(q, true)) != 0)
		return error;
	return stream(q, true);
}

ssize_t
qng_read(struct qng *q, uint8_t *buf, size_t size)
{
	uint64_t start;
	ssize_t n;
	int error;

	if (size > QNG_READ_MAX)
		size = QNG_READ_MAX;
	if (now(q) - q->checked >= CHECK_INTERVAL && (error = check(q)) != 0) {
		errno = error;
		return -1;
	}
	start = now(q);
	while ((n = q->port->receive(q->arg, buf, size)) == 0)
		if (now(q) - start >= SILENCE_LIMIT) {
			errno = ETIMEDOUT;
			return -1;
		}
	return n;
}

void
qng_stop(struct qng *q)
{
	(void)send_command(q, COMMAND_STOP);
}
