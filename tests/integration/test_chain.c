/*
 * Hosts in a chain: the source of one vrngd is a service of another one, over
 * each way that both know.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/load.h"
#include "integration/peer.h"

#define TAKEN	   32768   /* bytes */
#define DATA_MAX   8388608 /* more than is ever taken in all */
#define SERVED_MS  10000   /* at most */
#define LIMITED_MS 3000
#define CEIL	   8192 /* bytes a second */
#define BURST	   2048
#define STARTUP	   4096 /* bytes, at most, that tests at the start may cost */

/* Kinds of the service and of the source, which fit together. */
struct link {
	const char *service;
	const char *at; /* more of the service */
	const char *source;
	const char *from; /* more of the source */
	const char *share;
};

static const struct link egd = { "egd", "", "egd", "", "" };
static const struct link stream = { "stream", "", "stream", "", "" };
static const struct link stream_back = { "stream", "connect = yes", "stream",
	"listen = yes", "" };
static const struct link datagrams = { "stream", "rate = 64K", "stream", "",
	"rate = 64K" };
static const struct link datagrams_back = { "stream",
	"connect = yes rate = 64K", "stream", "listen = yes", "rate = 64K" };

struct chain {
	struct suite *s;  /* whose guests are served */
	struct suite top; /* the daemon that it is fed by; no guests */
	struct place place;
	uint64_t began; /* ms */
};

static int
setup(void **state)
{
	struct chain *c;
	void *s;

	if (suite_setup_empty(&s) == -1)
		return -1;
	c = calloc(1, sizeof(*c));
	assert_non_null(c);
	c->s = s;
	fe_init(&c->top.fe);
	fe_init(&c->top.other);
	CHECK(daemon_init(&c->top.d));
	c->top.d.beside = &c->s->d;
	c->s->d.beside = &c->top.d;
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	struct chain *c = *state;
	bool passed = c->s->passed;
	void *s = c->s;
	int r = suite_teardown(&s);

	c->top.d.beside = NULL;
	if (c->top.d.pid != 0 && daemon_stop(&c->top.d, SIGTERM) != 0)
		r = -1;
	if (r != 0 || !passed)
		daemon_dump(&c->top.d);
	daemon_free(&c->top.d);
	free(c);
	return r;
}

/* Starts the upper daemon, whose service is limited as is said. */
static void
start_top(struct chain *c, const struct link *l, const char *limits)
{
	admin_conf(&c->top, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel }\n"
	    "class \"host\" { %s } }\n"
	    "%s \"down\" { %s %s class = host }\n",
	    limits, l->service, c->place.text, l->at);
	admin_start(&c->top);
}

static void
start(struct chain *c, const struct link *l, const char *limits)
{
	place_leave(&c->place);
	c->began = fe_now();
	start_top(c, l, limits);
	peer_start(c->s,
	    "stock = 4K source \"up\" { type = %s timeout = 1s %s %s }",
	    l->source, c->place.text, l->from);
}

/* The guest gets so many bytes more. */
static void
takes(struct chain *c, struct load *load, size_t n)
{
	uint64_t deadline = fe_now() + SERVED_MS;

	for (n += load->bytes; load->bytes < n;) {
		assert_true(fe_now() < deadline);
		load_run(load, 1, 10, NULL);
	}
	suite_served(&c->s->other);
}

/* Takes what is under way until its daemon misses the source. */
static void
misses(struct chain *c, struct load *load)
{
	uint64_t deadline = fe_now() + SERVED_MS;
	uint64_t before = load->bytes;

	while (daemon_log_count(&c->s->d, "lost: ") == 0 &&
	    daemon_log_count(&c->s->d, "delivers no bytes") == 0) {
		assert_true(fe_now() < deadline);
		load_run(load, 1, 10, NULL);
		suite_served(&c->s->other);
	}
	print_message("# %llu bytes were under way\n",
	    (unsigned long long)(load->bytes - before));
}

/*
 * A guest is served, and served again when the daemon that feeds its own has
 * ended and has been started again; nothing comes twice.
 */
static void
links(struct chain *c, const struct link *l)
{
	struct load load = { .fe = &c->s->fe,
		.depth = 4,
		.len = 64,
		.data = malloc(DATA_MAX),
		.size = DATA_MAX };

	assert_non_null(load.data);
	start(c, l, l->share);
	takes(c, &load, TAKEN);
	assert_int_equal(daemon_stop(&c->top.d, SIGTERM), 0);
	misses(c, &load);
	start_top(c, l, l->share);
	takes(c, &load, TAKEN);
	assert_true(load.bytes <= load.size);
	suite_random(load.data, load.bytes);
	suite_unique(load.data, load.bytes);
	free(load.data);
	suite_pass(c->s);
}

/* What comes in all is within the ceiling of its class, and near it. */
static void
limits(struct chain *c, const struct link *l)
{
	struct load load = { .fe = &c->s->fe, .depth = 4, .len = 64 };
	char text[64];
	uint64_t spent, most;

	snprintf(text, sizeof(text), "ceil = %d burst = %d", CEIL, BURST);
	start(c, l, text);
	load_run(&load, 1, LIMITED_MS, NULL);
	spent = fe_now() - c->began;
	most = BURST + CEIL * spent / 1000;
	print_message("# %llu bytes in %llu ms, at most %llu\n",
	    (unsigned long long)load.bytes, (unsigned long long)spent,
	    (unsigned long long)most);
	assert_true(load.bytes <= most);
	assert_true(load.bytes + STARTUP >= most * 6 / 10);
	suite_pass(c->s);
}

static void
test_egd_unix(void **state)
{
	struct chain *c = *state;

	place_unix(&c->top, &c->place, "down");
	links(c, &egd);
}

static void
test_egd_tcp(void **state)
{
	struct chain *c = *state;

	place_inet(&c->place, SOCK_STREAM, true);
	links(c, &egd);
}

static void
test_stream_unix(void **state)
{
	struct chain *c = *state;

	place_unix(&c->top, &c->place, "down");
	links(c, &stream);
}

static void
test_stream_tcp(void **state)
{
	struct chain *c = *state;

	place_inet(&c->place, SOCK_STREAM, false);
	links(c, &stream);
}

static void
test_stream_unix_back(void **state)
{
	struct chain *c = *state;

	place_unix(c->s, &c->place, "up");
	links(c, &stream_back);
}

static void
test_stream_tcp_back(void **state)
{
	struct chain *c = *state;

	place_inet(&c->place, SOCK_STREAM, true);
	links(c, &stream_back);
}

static void
test_udp(void **state)
{
	struct chain *c = *state;

	place_inet(&c->place, SOCK_DGRAM, true);
	links(c, &datagrams);
}

static void
test_udp_back(void **state)
{
	struct chain *c = *state;

	place_inet(&c->place, SOCK_DGRAM, true);
	links(c, &datagrams_back);
}

static void
test_egd_limit(void **state)
{
	struct chain *c = *state;

	place_unix(&c->top, &c->place, "down");
	limits(c, &egd);
}

static void
test_stream_limit(void **state)
{
	struct chain *c = *state;

	place_inet(&c->place, SOCK_STREAM, true);
	limits(c, &stream);
}

/*
 * Two hosts in two classes of the one that has the source, which yields less
 * than they want: each has its part.
 */
static void
test_egd_classes(void **state)
{
	struct chain *c = *state;
	struct load loads[] = { { .fe = &c->s->fe, .depth = 8, .len = 64 },
		{ .fe = &c->s->other, .depth = 8, .len = 64 } };
	uint64_t before[2], got[2];
	int tries = 3;

	admin_conf(&c->top, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel } rate = 12K\n"
	    "class \"large\" { rate = 8K ceil = 12K }\n"
	    "class \"small\" { rate = 4K ceil = 12K } }\n"
	    "egd \"one\" { unix = \"%s\" class = large rate = 8K }\n"
	    "egd \"two\" { unix = \"%s\" class = small rate = 4K }\n",
	    daemon_path(&c->top.d, "one"), daemon_path(&c->top.d, "two"));
	admin_start(&c->top);
	for (int i = 0; i < 2; i++)
		admin_conf(c->s, i == 0 ? "w" : "a",
		    "pool \"host%d\" { stock = 4K\n"
		    "source \"up\" { type = egd unix = \"%s\" } }\n"
		    "guest \"vm%d\" { socket = \"%s/vm%d.sock\" "
		    "pool = host%d }\n",
		    i, daemon_path(&c->top.d, i == 0 ? "one" : "two"), i,
		    c->s->d.dir, i, i);
	admin_start(c->s);
	suite_up_qemu(c->s, &c->s->fe, "vm0");
	suite_up_qemu(c->s, &c->s->other, "vm1");
	load_run(loads, 2, 3000, NULL);
	do {
		for (int i = 0; i < 2; i++)
			before[i] = loads[i].bytes;
		load_run(loads, 2, LIMITED_MS, NULL);
		for (int i = 0; i < 2; i++)
			got[i] = loads[i].bytes - before[i];
		print_message("# %llu and %llu bytes\n",
		    (unsigned long long)got[0], (unsigned long long)got[1]);
	} while ((got[0] < got[1] * 16 / 10 || got[0] > got[1] * 24 / 10) &&
	    --tries > 0);
	assert_true(tries > 0);
	assert_true(got[0] + got[1] > 12 * 1024 * LIMITED_MS / 1000 * 8 / 10);
	suite_pass(c->s);
}

#define CHAIN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CHAIN_TEST(test_egd_unix),
		CHAIN_TEST(test_egd_tcp),
		CHAIN_TEST(test_stream_unix),
		CHAIN_TEST(test_stream_tcp),
		CHAIN_TEST(test_stream_unix_back),
		CHAIN_TEST(test_stream_tcp_back),
		CHAIN_TEST(test_udp),
		CHAIN_TEST(test_udp_back),
		CHAIN_TEST(test_egd_limit),
		CHAIN_TEST(test_stream_limit),
		CHAIN_TEST(test_egd_classes),
	};

	return SUITE_MAIN("chain", tests);
}
