/*
 * The protocol of QNG generators: the input is what the device sends, which may
 * be anything, and what fails.
 */
#include <errno.h>

#include "common/clock.h"
#include "fuzz/fuzz.h"
#include "usb/qng.h"

#define READS_MAX   64
#define START_LIMIT (10 * NS_PER_SEC)
#define READ_LIMIT  (10 * NS_PER_SEC)

struct generator {
	struct input in;
	uint64_t now; /* ns */
};

/* One call in 16 fails. */
static bool
fails(struct generator *g)
{
	return (input_u8(&g->in) & 0xf) == 0xf;
}

static int
port_send(void *arg, uint8_t command)
{
	struct generator *g = arg;

	(void)command;
	g->now += NS_PER_MS;
	return fails(g) ? EIO : 0;
}

static ssize_t
port_receive(void *arg, uint8_t *buf, size_t size)
{
	struct generator *g = arg;
	uint8_t n = input_u8(&g->in);

	CHECK(size > 0 && size <= QNG_READ_MAX);
	if (n == 255) {
		errno = EIO;
		return -1;
	}
	if (n > size)
		n = (uint8_t)size;
	g->now += n == 0 ? 100 * NS_PER_MS : NS_PER_MS;
	input_copy(&g->in, buf, n);
	return n;
}

static int
port_purge(void *arg)
{
	return fails(arg) ? EIO : 0;
}

static uint64_t
port_now(void *arg)
{
	struct generator *g = arg;

	return g->now;
}

static void
port_pause(void *arg, uint64_t ns)
{
	struct generator *g = arg;

	g->now += ns;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct qng_port port = { port_send, port_receive,
		port_purge, port_now, port_pause };
	struct generator g = { { bytes, len }, NS_PER_SEC };
	uint8_t buf[QNG_READ_MAX];
	struct qng q;
	uint64_t before = g.now;
	ssize_t n = 1;
	int error;

	error = qng_start(&q, &port, &g);
	CHECK(error >= 0 && g.now - before < START_LIMIT);
	for (int i = 0; error == 0 && n > 0 && i < READS_MAX; i++) {
		before = g.now;
		n = qng_read(&q, buf, 1 + input_u16(&g.in) % QNG_READ_MAX);
		CHECK(n != 0 && n >= -1 && n <= QNG_READ_MAX);
		CHECK(g.now - before < READ_LIMIT);
	}
	qng_stop(&q);
	return 0;
}
