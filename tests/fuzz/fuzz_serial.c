/*
 * Serial sources, over a pseudoterminal: the input is the line's settings, the
 * speed and start-up sequence of the source, and what the device sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "common/serial.h"
#include "entropy/kind/kind.h"
#include "fuzz/fuzz.h"

#define SENT_MAX 512 /* bytes at once, for which a terminal has room */

#define SPEED(baud) baud,
static const uint32_t speeds[] = { 0, 9600, 12345,
	SERIAL_SPEEDS(SPEED) UINT32_MAX };

/* The ends of a terminal, whose line has some settings. */
static void
terminal_open(struct input *in, int *terminal, int *line)
{
	struct termios t;

	*terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	CHECK(*terminal != -1 && grantpt(*terminal) == 0 &&
	    unlockpt(*terminal) == 0);
	*line = open(ptsname(*terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(*line != -1 && tcgetattr(*line, &t) == 0);
	t.c_iflag = input_u16(in);
	t.c_oflag = input_u16(in);
	t.c_lflag = input_u16(in);
	input_copy(in, t.c_cc, 8);
	(void)tcsetattr(*line, TCSANOW, &t);
}

/* What the device receives is the start-up sequence. */
static void
check_init(const struct proto_source *spec, int terminal)
{
	uint8_t bytes[SOURCE_INIT_SIZE + 1] = { 0 };
	size_t n = 0;
	ssize_t got;

	while (n < spec->init_size) {
		got = read(terminal, bytes + n, sizeof(bytes) - n);
		CHECK(got > 0 || errno == EAGAIN);
		n += got > 0 ? (size_t)got : 0;
	}
	CHECK(n == spec->init_size && memcmp(bytes, spec->init, n) == 0);
}

/* What is read is what the device sends, whatever the line was set to. */
static void
check_bytes(const struct source_kind *kind, struct device *d, struct input *in,
    int terminal)
{
	uint8_t bytes[SENT_MAX], buf[SENT_MAX], size = input_u8(in);
	size_t n = sizeof(bytes);
	ssize_t got;

	if (in->left < n)
		n = in->left;
	input_copy(in, bytes, n);
	if (n == 0)
		return;
	CHECK(write(terminal, bytes, n) == (ssize_t)n);
	for (size_t at = 0; at < n; at += (size_t)got) {
		got = kind->read(d, buf, size + 1U);
		CHECK(got > 0 && (size_t)got <= n - at && got <= size + 1);
		CHECK(memcmp(buf, bytes + at, (size_t)got) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct source_kind *kind = kind_find(SOURCE_SERIAL);
	static void *state;
	struct input in = { bytes, len };
	struct device d = { .spec.kind = SOURCE_SERIAL, .state = state };
	struct termios before, after;
	int terminal;
	uint8_t byte;

	fuzz_quiet();
	terminal_open(&in, &terminal, &d.fd);
	d.spec.speed =
	    speeds[input_u8(&in) % (sizeof(speeds) / sizeof(speeds[0]))];
	d.spec.init_size = input_u8(&in) % (SOURCE_INIT_SIZE + 1);
	input_copy(&in, d.spec.init, d.spec.init_size);
	if (state == NULL)
		kind->prepare(&d);
	state = d.state;
	CHECK(tcgetattr(d.fd, &before) == 0);
	if (kind->open(&d) == 0) {
		check_init(&d.spec, terminal);
		while (in.left > 0)
			check_bytes(kind, &d, &in, terminal);
	}
	kind->close(&d);
	CHECK(tcgetattr(d.fd, &after) == 0);
	CHECK(memcmp(before.c_cc, after.c_cc, sizeof(before.c_cc)) == 0 &&
	    before.c_lflag == after.c_lflag &&
	    before.c_iflag == after.c_iflag && before.c_oflag == after.c_oflag);
	/* The device is unplugged. */
	close(terminal);
	CHECK(kind->read(&d, &byte, 1) <= 0);
	close(d.fd);
	return 0;
}
