/*
 * The commands of QNG generators, on one that is made up.
 */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "usb/qng.h"
#include "unit/usb/qng_fake.h"

static void
expect_commands(struct fake *f, const char *commands)
{
	assert_string_equal(f->commands, commands);
	memset(f->commands, 0, sizeof(f->commands));
	f->ncommands = 0;
}

/* Reads `size` bytes, which go on where the last ones ended. */
static void
expect_stream(struct qng *q, uint64_t position, size_t size)
{
	uint8_t buf[3000];
	ssize_t n;

	while (size > 0) {
		n = qng_read(q, buf, size < sizeof(buf) ? size : sizeof(buf));
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buf[i], stream_byte(position++));
		size -= (size_t)n;
	}
}

#define STOP	 "\xe0p"
#define IDENTIFY STOP "\x60\x60"
#define CHECK	 STOP "\x60\xb0"

static void
test_start(void **state)
{
	struct fake f = generator();
	struct qng q;

	(void)state;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, IDENTIFY "\x96\xc0");
	expect_stream(&q, 1, 5000);
	qng_stop(&q);
	expect_commands(&f, "\xe0");
}

static void
test_pieces(void **state)
{
	struct fake f = generator();
	struct qng q;

	(void)state;
	f.piece = 1;
	f.rest = 300;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, IDENTIFY "\x96\xc0");
	expect_stream(&q, 1, 500);
}

/* A chip says every 2 ms that there is nothing, though more may come. */
static void
test_delay(void **state)
{
	struct fake f = generator();
	struct qng q;

	(void)state;
	f.empty = 2 * NS_PER_MS;
	f.delay = 7 * NS_PER_MS;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, IDENTIFY "\x96\xc0");
	expect_stream(&q, 1, 500);
}

/* What does not go well at once. */
static void
test_insistence(void **state)
{
	struct fake f = generator();
	struct qng q;

	(void)state;
	f.deaf = 2;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, STOP STOP IDENTIFY "\x96\xc0");
	expect_stream(&q, 1, 500);

	f = generator();
	f.nonsense = 3;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, IDENTIFY IDENTIFY IDENTIFY "\x96\xc0");
	expect_stream(&q, 1, 500);

	f = generator();
	f.short_by = 4;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, STOP "\x60" IDENTIFY "\x96\xc0");
	expect_stream(&q, 1, 500);
}

static void
expect_no_start(struct fake *f, int error)
{
	uint64_t start = f->clock;
	struct qng q;

	assert_int_equal(qng_start(&q, &port, f), error);
	assert_true(f->clock - start < 10 * NS_PER_SEC);
	assert_null(memchr(f->commands, 0x96, f->ncommands));
}

static void
test_no_start(void **state)
{
	struct fake f = generator();

	(void)state;
	f.deaf = 1000;
	expect_no_start(&f, EPROTO);
	f = generator();
	f.nonsense = 250;
	expect_no_start(&f, EPROTO);
	f = generator();
	f.streaming = false;
	f.mute = true;
	expect_no_start(&f, ETIMEDOUT);
	/* One that answers, and then does not stream. */
	f = generator();
	f.position = 0;
	f.silent_from = 0;
	assert_int_equal(qng_start(&(struct qng){ 0 }, &port, &f), ETIMEDOUT);
}

static void
test_limits(void **state)
{
	static uint8_t buf[65536];
	struct fake f = generator();
	struct qng q;
	ssize_t n;

	(void)state;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	put_stream(&f, 20000);
	memset(buf, 0, sizeof(buf));
	n = qng_read(&q, buf, 20000);
	/* 199 were there, of 200 of which the first was invalid. */
	assert_int_equal(n, QNG_READ_MAX);
	assert_int_equal(buf[QNG_READ_MAX - 1], stream_byte(QNG_READ_MAX));
	assert_int_equal(buf[QNG_READ_MAX], 0);
}

static void
test_silence(void **state)
{
	struct fake f = generator();
	struct qng q;
	uint64_t start;
	uint8_t buf[1000];

	(void)state;
	f.silent_from = 20000;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	f.silent_from = 200;
	expect_stream(&q, 1, 199);
	start = f.clock;
	errno = 0;
	assert_int_equal(qng_read(&q, buf, sizeof(buf)), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_in_range(f.clock - start, 5 * NS_PER_SEC, 6 * NS_PER_SEC);
	assert_false(q.unwell);
}

/* Asked once a second, and not cleared by that. */
static void
test_status(void **state)
{
	struct fake f = generator();
	uint64_t position = 1;
	struct qng q;

	(void)state;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, IDENTIFY "\x96\xc0");
	for (int i = 0; i < 5; i++) {
		f.clock += 900 * NS_PER_MS;
		expect_stream(&q, position, 5000);
		expect_commands(&f, "");
		f.clock += 100 * NS_PER_MS;
		expect_stream(&q, 1, 100);
		expect_commands(&f, CHECK "\x96");
		position = 101;
	}
}

static void
test_unwell(void **state)
{
	struct fake f = generator();
	struct qng q;
	uint8_t buf[100];

	(void)state;
	for (unsigned int bit = 0; bit < 32; bit++) {
		assert_int_equal(qng_start(&q, &port, &f), 0);
		memset(f.status, 0, sizeof(f.status));
		f.status[bit / 8] = (uint8_t)(1 << bit % 8);
		f.clock += NS_PER_SEC;
		f.ncommands = 0;
		if (bit != 2) {
			expect_stream(&q, 1, 100);
			assert_false(q.unwell);
			continue;
		}
		errno = 0;
		assert_int_equal(qng_read(&q, buf, sizeof(buf)), -1);
		assert_int_equal(errno, EIO);
		assert_true(q.unwell);
	}
}

static void
expect_check_fails(struct fake *f, struct qng *q, int error)
{
	uint64_t start = f->clock;
	uint8_t buf[100];

	f->clock += NS_PER_SEC;
	errno = 0;
	assert_int_equal(qng_read(q, buf, sizeof(buf)), -1);
	assert_int_equal(errno, error);
	assert_true(f->clock - start < 10 * NS_PER_SEC);
	assert_false(q->unwell);
}

static void
test_check_fails(void **state)
{
	struct fake f = generator();
	struct qng q;

	(void)state;
	assert_int_equal(qng_start(&q, &port, &f), 0);
	f.serial[0]++;
	expect_check_fails(&f, &q, EPROTO);
	f = generator();
	assert_int_equal(qng_start(&q, &port, &f), 0);
	f.deaf = 1000;
	expect_check_fails(&f, &q, EPROTO);
	f = generator();
	assert_int_equal(qng_start(&q, &port, &f), 0);
	f.streaming = false;
	f.mute = true;
	expect_check_fails(&f, &q, ETIMEDOUT);
	/* It may have missed a stop, or a question. */
	f = generator();
	assert_int_equal(qng_start(&q, &port, &f), 0);
	expect_commands(&f, IDENTIFY "\x96\xc0");
	f.deaf = 1;
	f.short_by = 1;
	f.clock += NS_PER_SEC;
	expect_stream(&q, 1, 100);
	expect_commands(&f, STOP STOP "\x60" CHECK "\x96");
}

/* The errno of any failed call of the port is returned, without waiting. */
static void
test_port_fails(void **state)
{
	struct fake f;
	struct qng q;
	uint64_t fail_at = 0, start;
	uint8_t buf[100];
	ssize_t n;
	int error;

	(void)state;
	for (;; fail_at++) {
		f = generator();
		f.fail_at = fail_at;
		start = f.clock;
		error = qng_start(&q, &port, &f);
		n = 1;
		if (error == 0) {
			f.clock += NS_PER_SEC;
			errno = 0;
			n = qng_read(&q, buf, sizeof(buf));
			error = n == -1 ? errno : 0;
		}
		if (f.calls <= fail_at)
			break;
		assert_int_equal(error, ENODEV);
		assert_false(q.unwell);
		assert_true(f.clock - start < 4 * NS_PER_SEC);
		/* And it can be regained. */
		assert_int_equal(qng_start(&q, &port, &f), 0);
		expect_stream(&q, 1, 100);
	}
	assert_int_equal(error, 0);
	assert_true(n > 0);
	/* Two stops, three serials, a status, two starts at the least. */
	assert_true(fail_at > 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_insistence),
		cmocka_unit_test(test_no_start),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_unwell),
		cmocka_unit_test(test_check_fails),
		cmocka_unit_test(test_port_fails),
	};

	return UNIT_MAIN("qng", tests);
}
