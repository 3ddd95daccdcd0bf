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

#include "integration/load.h"

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

/* What the guests had in that time is what they should, in bytes a second. */
static bool
as_wanted(const struct tree *t, const double wanted[GUESTS], int ms,
    double margin)
{
	bool right = true;
	double got;

	for (int i = 0; i < GUESTS; i++) {
		got = (double)(t->l[i].bytes - t->before[i]) * 1000 / ms;
		print_message("# vm%d: %.0f bytes/s of %.0f\n", i, got,
		    wanted[i]);
		if (got < wanted[i] * (1 - margin) ||
		    got > wanted[i] * (1 + margin))
			right = false;
	}
	return right;
}

/*
 * The same, with all guests reading.  Who is not given the CPU wants less than
 * it might, so a busy host gets another try.
 */
static void
expect(struct tree *t, const double wanted[GUESTS], double margin)
{
	int tries = 3;

	do {
		run(t, GUESTS, SHARE_TIME);
	} while (!as_wanted(t, wanted, SHARE_TIME, margin) && --tries > 0);
	if (tries == 0)
		fail_msg("a share is off by more than %.0f %%", margin * 100);
}

static void
test_shares(void **state)
{
	const char *const guests[] = { "class = \"gold\"", "class = \"base\"",
		"ceil = 10K" };
	const double wanted[] = { 90 * KIB, 20 * KIB, 10 * KIB };
	struct tree t;

	tree_start(&t, *state,
	    "source \"kernel\" { type = kernel } rate = 120K\n"
	    "class \"gold\" { rate = 70K ceil = 120K weight = 2 }\n"
	    "class \"base\" { rate = 10K ceil = 120K weight = 1 }",
	    guests);
	/* From drained buckets. */
	run(&t, 3, 1000);
	expect(&t, wanted, 0.01);
	tree_end(&t);
}

/* What an idle guest lends is there for it when it wants it again. */
static void
test_lending(void **state)
{
	const char *const guests[] = { "", "rate = 60K ceil = 120K", "" };
	struct tree t;
	uint64_t start;
	int i, prompt = 0;

	tree_start(&t, *state,
	    "source \"kernel\" { type = kernel } rate = 120K", guests);
	run(&t, 1, 1000);
	run(&t, 1, 2000);
	assert_true(t.l[0].bytes - t.before[0] > (uint64_t)230 * KIB);
	for (i = 0; i < 5; i++) {
		run(&t, 1, 200);
		start = fe_now();
		fe_add_one(&t.s->other, FE_BUF_GPA, 64);
		fe_kick(&t.s->other);
		while (fe_pending(&t.s->other) == 0 && fe_now() - start < 500)
			load_poll(&t.l[0], NULL);
		prompt += fe_now() - start <= 10;
		load_poll(&t.l[1], NULL);
	}
	print_message("# its own back within 10 ms: %d times of 5\n", prompt);
	assert_true(prompt >= 3);
	run(&t, 2, 500);
	run(&t, 2, 3000);
	assert_true(t.l[1].bytes - t.before[1] > (uint64_t)250 * KIB);
	tree_end(&t);
}

struct feeder {
	int fd;
	size_t size;   /* of a piece */
	uint64_t pace; /* bytes a millisecond */
	bool stop;
};

static void *
feed(void *arg)
{
	struct feeder *f = arg;
	uint64_t start = fe_now(), fed = 0;
	char buf[1000];
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		while (fed < (fe_now() - start) * f->pace) {
			if (read(fd, buf, f->size) != (ssize_t)f->size ||
			    (write(f->fd, buf, f->size) == -1 &&
				errno != EAGAIN))
				break;
			fed += f->size;
		}
		usleep(2000);
	}
	close(fd);
	return NULL;
}

/*
 * A source that yields less than is guaranteed, in pieces of some size: guests
 * get 6, 3 and 1 tenths of it, as they would of 10 times as much.
 */
static void
shortage(struct suite *s, struct feeder *f, unsigned int depth)
{
	struct tree t;
	const double rate = (double)f->pace * 1000;
	const double wanted[] = { rate * 0.6, rate * 0.3, rate * 0.1 };
	char limits[GUESTS][32], pool[256], path[128];
	const char *const guests[] = { limits[0], limits[1], limits[2] };
	pthread_t thread;

	for (int i = 0; i < GUESTS; i++)
		snprintf(limits[i], sizeof(limits[i]), "rate = %.0f",
		    wanted[i] * 10);
	snprintf(path, sizeof(path), "%s", daemon_path(&s->d, "fifo"));
	CHECK(mkfifo(path, 0600));
	snprintf(pool, sizeof(pool),
	    "source \"slow\" { type = device path = \"%s\" } rate = %.0f", path,
	    rate * 10);
	f->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_not_equal(f->fd, -1);
	tree_start(&t, s, pool, guests);
	for (int i = 0; i < GUESTS; i++)
		t.l[i].depth = depth;
	assert_int_equal(pthread_create(&thread, NULL, feed, f), 0);
	run(&t, 3, 1500);
	expect(&t, wanted, 0.05);
	__atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(f->fd);
	tree_end(&t);
}

static void
test_shortage(void **state)
{
	struct feeder f = { .size = 100, .pace = 10 };

	shortage(*state, &f, 8);
}

/* As generators of hosts do, 1,000 bytes at once: the largest share fits. */
static void
test_shortage_pieces(void **state)
{
	struct feeder f = { .size = 1000, .pace = 100 };

	shortage(*state, &f, 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_shares),
		SUITE_EMPTY(test_lending),
		SUITE_EMPTY(test_shortage),
		SUITE_EMPTY(test_shortage_pieces),
	};

	return SUITE_MAIN("classes", tests);
}
