/*
 * Who gets how much in a tree of classes, through all the real processes.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define GUESTS	   3
#define SHARE_TIME 10000 /* ms */
#define KIB	   1024

struct tree {
	struct suite *s;
	struct fe third;
	struct load l[GUESTS];
	uint64_t before[GUESTS];
};

/* A daemon with that pool, and guests vm0 to vm2 with these properties. */
static void
tree_start(struct tree *t, struct suite *s, const char *pool,
    const char *const guests[GUESTS])
{
	const char *const args[] = { "-C", "@conf", NULL };
	struct fe *fe[GUESTS] = { &s->fe, &s->other, &t->third };
	FILE *f = fopen(daemon_path(&s->d, "conf"), "w");
	char name[8];
	int i;

	assert_non_null(f);
	fprintf(f, "pool \"default\" {\n%s\n}\n", pool);
	for (i = 0; i < GUESTS; i++)
		fprintf(f, "guest \"vm%d\" { socket = \"%s/vm%d.sock\" %s }\n",
		    i, s->d.dir, i, guests[i]);
	assert_int_equal(fclose(f), 0);
	suite_start(s, args);
	t->s = s;
	fe_init(&t->third);
	for (i = 0; i < GUESTS; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		suite_up_qemu(s, fe[i], name);
		t->l[i] = (struct load){ .fe = fe[i], .depth = 8, .len = 64 };
	}
}

static void
tree_end(struct tree *t)
{
	fe_close(&t->third);
	suite_pass(t->s);
}

/* Lets the first `n` guests read for so long. */
static void
run(struct tree *t, size_t n, int ms)
{
	for (int i = 0; i < GUESTS; i++)
		t->before[i] = t->l[i].bytes;
	load_run(t->l, n, ms, NULL);
}

/* What a guest had in that time must be `wanted` bytes a second. */
static void
expect(const struct tree *t, int i, double wanted, int ms, double margin)
{
	double got = (double)(t->l[i].bytes - t->before[i]) * 1000 / ms;

	print_message("# vm%d: %.0f bytes/s of %.0f\n", i, got, wanted);
	if (got < wanted * (1 - margin) || got > wanted * (1 + margin))
		fail_msg("vm%d is off by more than %.0f %%", i, margin * 100);
}

static void
test_shares(void **state)
{
	const char *const guests[] = { "class = \"gold\"", "class = \"base\"",
		"ceil = 10K" };
	struct tree t;

	tree_start(&t, *state,
	    "source \"kernel\" { type = kernel } rate = 120K\n"
	    "class \"gold\" { rate = 70K ceil = 120K weight = 2 }\n"
	    "class \"base\" { rate = 10K ceil = 120K weight = 1 }",
	    guests);
	/* From drained buckets. */
	run(&t, 3, 1000);
	run(&t, 3, SHARE_TIME);
	expect(&t, 0, 90 * KIB, SHARE_TIME, 0.01);
	expect(&t, 1, 20 * KIB, SHARE_TIME, 0.01);
	expect(&t, 2, 10 * KIB, SHARE_TIME, 0.01);
	tree_end(&t);
}

/* What an idle guest lends is there for it when it wants it again. */
static void
test_lending(void **state)
{
	const char *const guests[] = { "", "rate = 60K ceil = 120K", "" };
	struct tree t;
	uint64_t start, first = 0;
	int i;

	tree_start(&t, *state,
	    "source \"kernel\" { type = kernel } rate = 120K", guests);
	run(&t, 1, 1000);
	run(&t, 1, 2000);
	expect(&t, 0, 120 * KIB, 2000, 0.03);
	for (i = 0; i < 5; i++) {
		run(&t, 1, 200);
		start = fe_now();
		fe_add_one(&t.s->other, FE_BUF_GPA, 64);
		fe_kick(&t.s->other);
		while (fe_pending(&t.s->other) == 0 && fe_now() - start < 500)
			load_poll(&t.l[0], NULL);
		first = fe_now() - start > first ? fe_now() - start : first;
		load_poll(&t.l[1], NULL);
	}
	print_message("# the longest wait for what is its own: %ju ms\n",
	    (uintmax_t)first);
	assert_true(first <= 10);
	run(&t, 2, 500);
	run(&t, 2, 3000);
	expect(&t, 1, 90 * KIB, 3000, 0.05);
	tree_end(&t);
}

struct feeder {
	int fd;
	bool stop;
};

/* 10 kB/s, 100 bytes at a time. */
static void *
feed(void *arg)
{
	struct feeder *f = arg;
	uint64_t start = fe_now(), fed = 0;
	char buf[100];
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		while (fed < (fe_now() - start) * 10) {
			if (read(fd, buf, sizeof(buf)) != sizeof(buf) ||
			    (write(f->fd, buf, sizeof(buf)) == -1 &&
				errno != EAGAIN))
				break;
			fed += sizeof(buf);
		}
		usleep(2000);
	}
	close(fd);
	return NULL;
}

/* A source that yields less than is guaranteed. */
static void
test_shortage(void **state)
{
	const char *const guests[] = { "rate = 60K", "rate = 30K",
		"rate = 10K" };
	struct suite *s = *state;
	struct feeder f = { 0 };
	struct tree t;
	pthread_t thread;
	char pool[256], path[128];

	snprintf(path, sizeof(path), "%s", daemon_path(&s->d, "fifo"));
	CHECK(mkfifo(path, 0600));
	snprintf(pool, sizeof(pool),
	    "source \"slow\" { type = device path = \"%s\" } rate = 100K",
	    path);
	f.fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_not_equal(f.fd, -1);
	tree_start(&t, s, pool, guests);
	assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
	run(&t, 3, 1500);
	run(&t, 3, SHARE_TIME);
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	expect(&t, 0, 6000, SHARE_TIME, 0.05);
	expect(&t, 1, 3000, SHARE_TIME, 0.05);
	expect(&t, 2, 1000, SHARE_TIME, 0.05);
	close(f.fd);
	tree_end(&t);
}

/* The same of the host's own generator, however much it yields. */
static void
test_shortage_hwrng(void **state)
{
	const char *const guests[] = { "rate = 600K", "rate = 300K",
		"rate = 100K" };
	struct suite *s = *state;
	struct tree t;
	uint64_t sum = 0;
	char buf[64];
	int i, fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, buf, sizeof(buf));

	close(fd);
	suite_pass(s);
	if (n <= 0)
		skip();
	s->passed = false;
	tree_start(&t, s,
	    "source \"hwrng\" { type = device path = \"/dev/hwrng\" } "
	    "rate = 1000K",
	    guests);
	run(&t, 3, 1500);
	run(&t, 3, SHARE_TIME);
	for (i = 0; i < GUESTS; i++)
		sum += t.l[i].bytes - t.before[i];
	sum = sum * 1000 / SHARE_TIME;
	/* A fast one leaves no shortage to be shared. */
	if (sum < 900 * KIB) {
		expect(&t, 0, (double)sum * 0.6, SHARE_TIME, 0.1);
		expect(&t, 1, (double)sum * 0.3, SHARE_TIME, 0.1);
		expect(&t, 2, (double)sum * 0.1, SHARE_TIME, 0.1);
	}
	tree_end(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_shares),
		SUITE_EMPTY(test_lending),
		SUITE_EMPTY(test_shortage),
		SUITE_EMPTY(test_shortage_hwrng),
	};

	return SUITE_MAIN("classes", tests);
}
