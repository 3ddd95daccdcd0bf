/*
 * A FIFO as source, fed by the test: what is delivered is what was fed, each
 * byte at most once, and waiting for it harms no guest.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"

#define FED_MAX	  (1 << 20)
#define QUIET_MS  300
#define MIN_MATCH 8
#define MIN_TWICE 4

/* What was written to the FIFO, and which of it has come out again. */
struct feed {
	int fd;
	uint8_t *bytes;
	uint8_t *seen;
	size_t n;
};

static void
fifo_open(struct suite *s, struct feed *f)
{
	uint64_t deadline = fe_now() + FE_TIMEOUT_MS;
	const char *path = daemon_path(&s->d, "fifo");

	while ((f->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) == -1) {
		assert_int_equal(errno, ENXIO);
		assert_true(fe_now() < deadline);
		usleep(5000);
	}
}

/* A daemon with two guests connected whose source is a FIFO. */
static void
fifo_start(struct suite *s, struct feed *f)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", "-f",
		"@fifo", NULL };

	CHECK(mkfifo(daemon_path(&s->d, "fifo"), 0600));
	f->bytes = calloc(1, FED_MAX);
	f->seen = calloc(1, FED_MAX);
	assert_non_null(f->bytes);
	assert_non_null(f->seen);
	f->n = 0;
	suite_start(s, args);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	fifo_open(s, f);
}

static void
feed_free(struct feed *f)
{
	if (f->fd != -1)
		close(f->fd);
	free(f->bytes);
	free(f->seen);
}

/* Write fresh random bytes; those that the pipe takes count as fed. */
static void
feed(struct feed *f, size_t len)
{
	ssize_t n;
	int fd;

	assert_true(f->n + len <= FED_MAX);
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, f->bytes + f->n, len), len);
	close(fd);
	n = write(f->fd, f->bytes + f->n, len);
	if (n > 0)
		f->n += (size_t)n;
}

/*
 * Delivered bytes, in pieces as they may be, are all fed and not yet seen.
 * Where a piece ends, the next fed byte may happen to be the same as the next
 * delivered one, so a single byte or a piece seen twice proves nothing; a piece
 * too short to be found, so a few bytes may be passed over.
 */
static void
check_fed(struct feed *f, const uint8_t *data, size_t len)
{
	uint8_t *at;
	size_t i, off, twice, all = len, unknown = 0;

	while (len >= MIN_MATCH) {
		at = memmem(f->bytes, f->n, data, MIN_MATCH);
		if (at == NULL) {
			unknown++;
			data++;
			len--;
			continue;
		}
		off = (size_t)(at - f->bytes);
		for (i = twice = 0;
		     i < len && off + i < f->n && data[i] == f->bytes[off + i];
		     i++) {
			twice = f->seen[off + i] != 0 ? twice + 1 : 0;
			if (twice == MIN_TWICE)
				fail_msg("byte %zu came twice", off + i);
			f->seen[off + i] = 1;
		}
		data += i;
		len -= i;
	}
	if (unknown > all / 50)
		fail_msg("delivered what was not fed: %zu bytes of %zu",
		    unknown, all);
}

/* Requests wait for the bytes, everything else goes on; then they come. */
static void
test_silent(void **state)
{
	struct suite *s = *state;
	struct feed f;
	struct fe_used_elem elem;
	uint8_t buf[64];
	uint64_t features, start;
	int i;

	fifo_start(s, &f);
	fe_add_one(&s->fe, FE_BUF_GPA, 64);
	fe_kick(&s->fe);
	assert_int_equal(fe_wait(&s->fe, 1, QUIET_MS), -1);
	assert_int_equal(fe_pending(&s->fe), 0);
	start = fe_now();
	for (i = 0; i < 20; i++) {
		CHECK(fe_get_u64(&s->fe, FE_GET_FEATURES, &features));
		CHECK(fe_get_u64(&s->other, FE_GET_FEATURES, &features));
	}
	assert_true(fe_now() - start < 1000);
	for (i = 0; i < 100 && fe_pending(&s->fe) == 0; i++) {
		feed(&f, 4096);
		fe_wait(&s->fe, 1, 50);
	}
	assert_int_equal(fe_pop(&s->fe, &elem), 1);
	assert_int_equal(elem.len, 64);
	CHECK(fe_mem_read(&s->fe, FE_BUF_GPA, buf, sizeof(buf)));
	check_fed(&f, buf, sizeof(buf));
	feed_free(&f);
	suite_pass(s);
}

/* Stopping works while the source is silent. */
static void
test_stop_silent(void **state)
{
	struct suite *s = *state;
	struct feed f;
	uint64_t start;

	fifo_start(s, &f);
	fe_add_one(&s->fe, FE_BUF_GPA, 64);
	fe_kick(&s->fe);
	start = fe_now();
	assert_int_equal(fe_stop(&s->fe), 0);
	fe_close(&s->other);
	CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm1", 2000));
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	assert_true(fe_now() - start < 4000);
	feed_free(&f);
	suite_pass(s);
}

/* A trickle of a few bytes at a time for two guests that want more. */
static void
test_trickle(void **state)
{
	struct suite *s = *state;
	struct feed f;
	struct load loads[2] = {
		{ .fe = &s->fe, .depth = 3, .len = 64, .size = FED_MAX },
		{ .fe = &s->other, .depth = 1, .len = 200, .size = FED_MAX }
	};
	size_t total;
	int i;

	fifo_start(s, &f);
	for (i = 0; i < 2; i++) {
		loads[i].data = calloc(1, FED_MAX);
		assert_non_null(loads[i].data);
	}
	feed(&f, 8192);
	load_run(loads, 2, 200, NULL);
	for (i = 0; i < 200; i++) {
		feed(&f, (size_t)i % 3 == 0 ? 1 : 64);
		load_run(loads, 2, 5, NULL);
	}
	feed(&f, 16384);
	load_run(loads, 2, 300, NULL);
	total = loads[0].bytes + loads[1].bytes;
	print_message("# fed %zu, delivered %zu\n", f.n, total);
	assert_true(total <= f.n);
	assert_true(total >= f.n / 2);
	for (i = 0; i < 2; i++) {
		assert_true(loads[i].bytes > f.n / 8);
		check_fed(&f, loads[i].data, loads[i].bytes);
		free(loads[i].data);
	}
	feed_free(&f);
	suite_pass(s);
}

/* The writer goes, for a while or between two bytes, and comes again. */
static void
test_writer_comes_and_goes(void **state)
{
	struct suite *s = *state;
	struct feed f;
	struct load load = { .fe = &s->fe,
		.depth = 2,
		.len = 64,
		.size = FED_MAX };
	uint64_t before;
	pid_t entropy;
	long cpu;
	int i;

	load.data = calloc(1, FED_MAX);
	assert_non_null(load.data);
	fifo_start(s, &f);
	for (i = 0; i < 4; i++) {
		feed(&f, 8000);
		before = load.bytes;
		load_run(&load, 1, 200, NULL);
		assert_true(load.bytes > before);
		close(f.fd);
		f.fd = -1;
		load_run(&load, 1, 100, NULL);
		entropy = daemon_child(&s->d, ROLE_ENTROPY, NULL);
		assert_true(entropy > 0);
		cpu = proc_cpu(entropy) + proc_cpu(s->d.pid);
		usleep(200000);
		cpu = proc_cpu(entropy) + proc_cpu(s->d.pid) - cpu;
		assert_true(cpu <= sysconf(_SC_CLK_TCK) / 10);
		fifo_open(s, &f);
	}
	check_fed(&f, load.data, load.bytes);
	free(load.data);
	feed_free(&f);
	suite_pass(s);
}

/* What the entropy process had read when it died is lost, not repeated. */
static void
test_kill_entropy(void **state)
{
	struct suite *s = *state;
	struct feed f;
	struct load load = { .fe = &s->fe,
		.depth = 2,
		.len = 64,
		.size = FED_MAX };
	uint64_t before;
	int i;

	load.data = calloc(1, FED_MAX);
	assert_non_null(load.data);
	fifo_start(s, &f);
	feed(&f, 32768);
	load_run(&load, 1, 20, NULL);
	CHECK(kill(daemon_child(&s->d, ROLE_ENTROPY, NULL), SIGKILL));
	before = load.bytes;
	for (i = 0; i < 50 && load.bytes < before + 4096; i++) {
		feed(&f, 8192);
		load_run(&load, 1, 50, NULL);
	}
	assert_true(load.bytes >= before + 4096);
	check_fed(&f, load.data, load.bytes < FED_MAX ? load.bytes : FED_MAX);
	free(load.data);
	feed_free(&f);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_silent),
		SUITE_EMPTY(test_stop_silent), SUITE_EMPTY(test_trickle),
		SUITE_EMPTY(test_writer_comes_and_goes),
		SUITE_EMPTY(test_kill_entropy) };

	return SUITE_MAIN("sources", tests);
}
