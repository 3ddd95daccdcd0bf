/*
 * Pools with several sources, which are FIFOs fed by the test: failover, XOR,
 * health tests, DRBGs; what a source does harms no other.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/admin.h"
#include "integration/load.h"

#define START_UP 512 /* bytes that start-up tests hold back */
#define DATA_MAX (8 << 20)
#define QUIET_MS 300
#define TEXT_MAX 16384

/* A source that is a FIFO in the test's directory. */
#define FIFO \
	"source \"%s\" { type = device path = \"%s/%s\" timeout = 1s %s }\n"

static void
conf_fifo(struct suite *s, const char *name, const char *rest)
{
	admin_conf(s, "a", FIFO, name, s->d.dir, name, rest);
}

/* A daemon with one pool of two FIFOs, and guest vm0, connected. */
static void
start_two(struct suite *s, struct fifo f[2], const char *keys)
{
	fifo_make(s, &f[0], "one");
	fifo_make(s, &f[1], "two");
	admin_conf(s, "w", "pool \"default\" {\n%s\n", keys);
	conf_fifo(s, "one", "");
	conf_fifo(s, "two", "");
	admin_conf(s, "a", "}\n");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
}

static void
free_two(struct fifo f[2])
{
	fifo_free(&f[0]);
	fifo_free(&f[1]);
}

/* One request is answered with `len` bytes. */
static void
receive(struct fe *fe, uint8_t *buf, uint32_t len)
{
	struct fe_used_elem elem;

	fe_add_one(fe, FE_BUF_GPA, len);
	fe_kick(fe);
	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	assert_int_equal(fe_pop(fe, &elem), 1);
	assert_int_equal(elem.len, len);
	CHECK(fe_mem_read(fe, FE_BUF_GPA, buf, len));
}

/* A request waits. */
static void
waits(struct fe *fe)
{
	fe_add_one(fe, FE_BUF_GPA, 64);
	fe_kick(fe);
	assert_int_equal(fe_wait(fe, 1, QUIET_MS), -1);
}

/* A request that waited is answered. */
static void
answered(struct fe *fe)
{
	struct fe_used_elem elem;

	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	assert_int_equal(fe_pop(fe, &elem), 1);
	assert_int_equal(elem.len, 64);
}

/* Empties the window that a worker holds, of what served before. */
static void
drain(struct fe *fe, const struct fifo *f)
{
	uint8_t buf[64];

	for (int i = 0; i < 1000; i++) {
		receive(fe, buf, sizeof(buf));
		if (!fifo_had(f, buf, sizeof(buf)))
			return;
	}
	fail_msg("it is always served");
}

/* The second serves while the first has failed a test, and only then. */
static void
test_failover(void **state)
{
	struct suite *s = *state;
	struct fifo f[2];
	uint8_t buf[64];

	start_two(s, f, "");
	fifo_feed(&f[0], 8192);
	fifo_feed(&f[1], 32768);
	admin_await(s, "source one ", 0);
	admin_await(s, "two): healthy", 0);
	admin_await(s, "one) in use", 0);
	receive(&s->fe, buf, sizeof(buf));
	assert_true(fifo_had(&f[0], buf, sizeof(buf)));
	fifo_stick(&f[0], 64);
	drain(&s->fe, &f[0]);
	admin_await(s, "failed the test for stuck words", 0);
	admin_await(s, "two) in use", 0);
	receive(&s->fe, buf, sizeof(buf));
	assert_true(fifo_had(&f[1], buf, sizeof(buf)));
	/* It is opened again after a while, and reads what is still there. */
	for (int i = 0; i < 100 && daemon_log_count(&s->d, "one) in use") < 2;
	     i++) {
		fifo_feed(&f[0], 512);
		fifo_feed(&f[1], 512);
		receive(&s->fe, buf, sizeof(buf));
		usleep(100000);
	}
	admin_await(s, "one) in use", 1);
	fifo_feed(&f[0], 4096);
	drain(&s->fe, &f[1]);
	free_two(f);
	suite_pass(s);
}

/* A source that yields nothing is passed over, until it yields. */
static void
test_stall(void **state)
{
	struct suite *s = *state;
	struct fifo f[2];
	uint8_t buf[64];

	start_two(s, f, "stock = 4K");
	waits(&s->fe);
	fifo_feed(&f[1], 4096);
	answered(&s->fe);
	admin_await(s, "one (", 0);
	admin_await(s, "delivers no bytes", 0);
	for (int i = 0; i < 20; i++)
		receive(&s->fe, buf, sizeof(buf));
	fifo_feed(&f[0], 2048);
	admin_await(s, "one) in use", 0);
	fifo_feed(&f[0], 8192);
	drain(&s->fe, &f[1]);
	free_two(f);
	suite_pass(s);
}

/* Takes `len` bytes with a load of requests. */
static void
take(struct suite *s, struct load *load, size_t len)
{
	*load = (struct load){ .fe = &s->fe,
		.depth = 4,
		.len = 64,
		.size = len,
		.stop = true,
		.data = calloc(1, len) };
	assert_non_null(load->data);
	load_run(load, 1, FE_TIMEOUT_MS, NULL);
	assert_true(load->bytes >= len);
}

/* XOR of both from their first byte on; and none without one of them. */
static void
test_xor(void **state)
{
	struct suite *s = *state;
	struct fifo f[2], sum;
	struct load load;

	start_two(s, f, "combine = xor");
	fifo_make(s, &sum, "sum");
	fifo_feed(&f[0], 20000);
	waits(&s->fe);
	fifo_feed(&f[1], 18000);
	answered(&s->fe);
	for (sum.n = 0; sum.n < 18000; sum.n++)
		sum.bytes[sum.n] = f[0].bytes[sum.n] ^ f[1].bytes[sum.n];
	take(s, &load, 12000);
	assert_true(fifo_had(&sum, load.data, load.size));
	free(load.data);
	fifo_stick(&f[1], 64);
	admin_await(s, "too few healthy sources: guests wait", 0);
	fifo_free(&sum);
	free_two(f);
	suite_pass(s);
}

/* With min-sources, those that are left go on. */
static void
test_min_sources(void **state)
{
	struct suite *s = *state;
	struct fifo f[2];
	struct load load;

	start_two(s, f, "combine = xor min-sources = 1");
	fifo_feed(&f[0], 2000);
	admin_await(s, "sources in use: 1 of 2", 0);
	take(s, &load, 512);
	assert_true(fifo_had(&f[0], load.data, load.size));
	free(load.data);
	fifo_feed(&f[1], 2000);
	admin_await(s, "sources in use: 2 of 2", 0);
	fifo_stick(&f[1], 64);
	admin_await(s, "sources in use: 1 of 2", 1);
	free_two(f);
	suite_pass(s);
}

/* Noise that is none is latched, until an operator has it tested again. */
static void
test_latch(void **state)
{
	struct suite *s = *state;
	struct fifo f;
	char text[TEXT_MAX];

	fifo_make(s, &f, "raw");
	admin_conf(s, "w", "pool \"default\" {\n");
	conf_fifo(s, "raw", "noise = raw min-entropy = 6");
	admin_conf(s, "a", "}\n");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	fifo_feed(&f, 2000);
	admin_await(s, "healthy", 0);
	suite_served(&s->fe);
	assert_int_equal(admin_ctl(s, text, sizeof(text), "source retest raw"),
	    1);
	assert_non_null(strstr(text, "not rejected"));
	fifo_stick(&f, 64);
	admin_await(s,
	    "not by chance: not used until vrngctl source retest raw", 0);
	assert_int_equal(admin_ctl(s, text, sizeof(text), "status"), 0);
	assert_non_null(strstr(text, "latched"));
	assert_non_null(strstr(text, "repetition count"));
	/* Time and another process do not bring it back. */
	CHECK(kill(daemon_child(&s->d, ROLE_ENTROPY, NULL), SIGKILL));
	admin_await(s, "starting another", 0);
	waits(&s->fe);
	assert_int_equal(
	    admin_ctl(s, text, sizeof(text), "source retest nonesuch"), 1);
	assert_non_null(strstr(text, "unknown source nonesuch"));
	assert_int_equal(admin_ctl(s, text, sizeof(text), "source retest raw"),
	    0);
	fifo_feed(&f, 2000);
	admin_await(s, "delivers again", 0);
	answered(&s->fe);
	fifo_free(&f);
	suite_pass(s);
}

/*
 * Much output from a few seeds; none when a seed is due and not available; and
 * a raw guest beside it gets the source's own bytes.
 */
static void
test_drbg(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe,
		.depth = 4,
		.len = 4096,
		.size = DATA_MAX };
	struct fifo f;
	uint8_t buf[64];
	uint64_t before;

	load.data = calloc(1, DATA_MAX);
	assert_non_null(load.data);
	fifo_make(s, &f, "slow");
	admin_conf(s, "w",
	    "pool \"default\" {\nclass \"fast\" { delivery = drbg "
	    "reseed-bytes = 64K }\n");
	conf_fifo(s, "slow", "");
	admin_conf(s, "a", "}\n");
	admin_conf_guest(s, "vm0", "class = fast");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	fifo_feed(&f, START_UP);
	load_run(&load, 1, 1500, NULL);
	/* Ten seeds of 48 bytes, and what is left is too short for another. */
	print_message("# %llu bytes from %d\n", (unsigned long long)load.bytes,
	    START_UP);
	assert_true(load.bytes >= 5 * 65536);
	assert_true(load.bytes <= 10 * 65536);
	assert_false(fifo_had(&f, load.data, 4096));
	before = load.bytes;
	fifo_feed(&f, 4800);
	load_run(&load, 1, 1500, NULL);
	assert_true(load.bytes >= before + 50 * 65536);
	assert_true(load.bytes <= before + 101 * 65536);
	suite_unique(load.data, load.bytes / 64);
	/* Of a raw guest's bytes, none has been a seed. */
	fifo_feed(&f, 16384);
	receive(&s->other, buf, sizeof(buf));
	assert_true(fifo_had(&f, buf, sizeof(buf)));
	free(load.data);
	fifo_free(&f);
	suite_pass(s);
}

/* A file of test data ends, and is not served again. */
static void
test_replay(void **state)
{
	struct suite *s = *state;
	struct fifo f;
	struct load load;
	char text[TEXT_MAX];
	FILE *file;

	fifo_make(s, &f, "unused");
	f.fd = open(f.path, O_RDWR | O_CLOEXEC);
	fifo_feed(&f, 6000);
	file = fopen(daemon_path(&s->d, "data"), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(f.bytes, 1, f.n, file), f.n);
	assert_int_equal(fclose(file), 0);
	admin_conf(s, "w", "pool \"default\" { stock = 4K\n");
	conf_fifo(s, "data", "replay = yes");
	admin_conf(s, "a", "}\n");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	take(s, &load, 1000);
	assert_true(fifo_had(&f, load.data, load.size));
	free(load.data);
	CHECK(kill(daemon_child(&s->d, ROLE_ENTROPY, NULL), SIGKILL));
	admin_await(s, "starting another", 0);
	admin_await(s, "exhausted: end of the replay file", 0);
	assert_int_equal(admin_ctl(s, text, sizeof(text), "status"), 0);
	assert_non_null(strstr(text, "exhausted"));
	CHECK(kill(daemon_child_wait(&s->d, ROLE_ENTROPY, NULL, FE_TIMEOUT_MS),
	    SIGKILL));
	admin_await(s, "starting another", 1);
	fifo_free(&f);
	suite_pass(s);
}

/* A pool whose source is silent harms no other pool. */
static void
test_two_pools(void **state)
{
	struct suite *s = *state;
	struct fifo f;

	fifo_make(s, &f, "silent");
	admin_conf(s, "w", "pool \"silent\" {\n");
	conf_fifo(s, "silent", "");
	admin_conf(s, "a",
	    "}\npool \"other\" { source \"kernel\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "pool = silent");
	admin_conf_guest(s, "vm1", "pool = other");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	waits(&s->fe);
	suite_served(&s->other);
	fifo_feed(&f, 4096);
	answered(&s->fe);
	fifo_free(&f);
	suite_pass(s);
}

/* Sources are added and removed while a guest is served. */
static void
test_reload(void **state)
{
	struct suite *s = *state;
	struct fifo f;
	uint8_t buf[64];
	char text[TEXT_MAX];

	fifo_make(s, &f, "one");
	admin_conf(s, "w", "pool \"default\" {\n");
	conf_fifo(s, "one", "");
	admin_conf(s, "a", "}\n");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	fifo_feed(&f, 2048);
	receive(&s->fe, buf, sizeof(buf));
	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel }\n");
	conf_fifo(s, "one", "");
	admin_conf(s, "a", "}\n");
	admin_conf_guest(s, "vm0", "delivery = drbg");
	admin_reload(s, ": reloaded, ");
	admin_await(s, "kernel (getrandom) in use", 0);
	for (int i = 0; i < 100; i++) {
		receive(&s->fe, buf, sizeof(buf));
		assert_false(fifo_had(&f, buf, sizeof(buf)));
	}
	/* A reload without a resource changes nothing. */
	admin_conf(s, "w", "pool \"default\" {\n");
	conf_fifo(s, "missing", "");
	admin_conf(s, "a", "}\n");
	admin_conf_guest(s, "vm0", "");
	admin_reload(s, "rejected, keeping the running");
	receive(&s->fe, buf, sizeof(buf));
	assert_int_equal(admin_ctl(s, text, sizeof(text), "status --json"), 0);
	assert_non_null(strstr(text, "drbg"));
	assert_non_null(strstr(text, "getrandom"));
	fifo_free(&f);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_failover),
		SUITE_EMPTY(test_stall),
		SUITE_EMPTY(test_xor),
		SUITE_EMPTY(test_min_sources),
		SUITE_EMPTY(test_latch),
		SUITE_EMPTY(test_drbg),
		SUITE_EMPTY(test_replay),
		SUITE_EMPTY(test_two_pools),
		SUITE_EMPTY(test_reload),
	};

	return SUITE_MAIN("pools", tests);
}
