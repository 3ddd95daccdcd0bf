/*
 * The clients' state that outlives a worker, and where connections are.
 */
#include "unit/unit.h"

#include <sys/socket.h>

#include <netinet/in.h>
#include <string.h>

#include "common/clock.h"
#include "egd/position.h"
#include "egd/saved.h"

#define ROUNDS 1000000

static const struct saved_client sample = {
	.received = 1000,
	.sent = 2000,
	.egd = { .head = { 3, 0, 8, 5 }, .nhead = 4, .data = 2 },
	.in_start = 3,
	.in_end = 9,
	.state = SAVED_OPEN,
	.flags = SAVED_FRAMED,
	.command = SAVED_NO_COMMAND,
};

static struct saved saved;

static void
test_commit(void **state)
{
	struct saved_client c = sample, loaded;

	(void)state;
	assert_true(saved_load(&saved, 7, &loaded));
	assert_int_equal(loaded.state, SAVED_NONE);
	for (uint32_t i = 0; i < 5; i++) {
		c.received = i;
		saved_commit(&saved, 7, &c);
		assert_true(saved_load(&saved, 7, &loaded));
		assert_memory_equal(&loaded, &c, sizeof(c));
	}
	/* What is written without a commit does not count. */
	saved.records[7].copies[(saved.records[7].commits + 1) & 1] =
	    (struct saved_client){ .state = SAVED_CLOSING };
	assert_true(saved_load(&saved, 7, &loaded));
	assert_memory_equal(&loaded, &c, sizeof(c));
}

/* Puts a state there as it is, and reads it. */
static bool
load(const struct saved_client *c, struct saved_client *loaded)
{
	saved.records[0].copies[0] = saved.records[0].copies[1] = *c;
	return saved_load(&saved, 0, loaded);
}

static void
test_bad(void **state)
{
	struct saved_client loaded, bad[14];
	size_t n = sizeof(bad) / sizeof(bad[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		bad[i] = sample;
	bad[0].state = SAVED_CLOSING + 1;
	bad[1].in_end = SAVED_INPUT_SIZE + 1;
	bad[2].in_start = 10;
	bad[3].flags = SAVED_FLAGS + 1;
	bad[4].command = EGD_WRITE;
	bad[5].command = EGD_WAIT; /* of no bytes */
	bad[6].sending = 1;	   /* and no command */
	bad[7].egd.nhead = 5;
	bad[8].egd.data = 6;
	bad[9].egd.nhead = 3; /* and data */
	bad[10].egd = (struct egd){ .head = { 2, 1 }, .nhead = 2 };
	bad[11].egd = (struct egd){ .head = { 9 }, .nhead = 1 };
	bad[12].command = EGD_NOW;
	bad[12].sending = EGD_ANSWER_MAX + 1;
	bad[13].command = EGD_WAIT;
	bad[13].left = 5;
	bad[13].sending = 6;
	assert_true(load(&sample, &loaded));
	for (size_t i = 0; i < n; i++) {
		assert_false(load(&bad[i], &loaded));
		assert_int_equal(loaded.state, SAVED_OPEN);
	}
}

/* Input is parsed command by command, and not at all in a state as above. */
static void
test_parse(void **state)
{
	const uint8_t in[SAVED_INPUT_SIZE] = { EGD_WAIT, 7, EGD_PID, EGD_NOW };
	struct saved_client c = {
		.in_end = 4,
		.state = SAVED_OPEN,
		.command = SAVED_NO_COMMAND,
	};
	struct egd_parsed said;

	(void)state;
	assert_int_equal(saved_parse(&c, in, &said), EGD_COMMAND);
	assert_int_equal(said.command, EGD_WAIT);
	assert_int_equal(said.wanted, 7);
	assert_int_equal(c.in_start, 2);
	assert_int_equal(saved_parse(&c, in, &said), EGD_COMMAND);
	assert_int_equal(said.command, EGD_PID);
	assert_int_equal(saved_parse(&c, in, &said), EGD_MORE);
	assert_int_equal(c.in_start, 4);
	assert_int_equal(c.egd.nhead, 1);
	c.in_end = SAVED_INPUT_SIZE + 1;
	assert_int_equal(saved_parse(&c, in, &said), EGD_UNKNOWN);
	c.in_end = 3;
	assert_int_equal(saved_parse(&c, in, &said), EGD_UNKNOWN);
	c.in_end = SAVED_INPUT_SIZE;
	c.egd.nhead = 5;
	assert_int_equal(saved_parse(&c, in, &said), EGD_UNKNOWN);
	assert_int_equal(said.size, 0);
}

/* A place that there is not has no client, and keeps nothing. */
static void
test_no_place(void **state)
{
	const struct saved before = saved;
	struct saved_client loaded;

	(void)state;
	saved_commit(&saved, CLIENTS_MAX, &sample);
	saved_forget(&saved, CLIENTS_MAX);
	assert_false(saved_deadly(&saved, CLIENTS_MAX, 0));
	assert_false(saved_load(&saved, CLIENTS_MAX, &loaded));
	assert_int_equal(loaded.state, SAVED_OPEN);
	assert_memory_equal(&saved, &before, sizeof(saved));
}

/* Any state that is accepted can be parsed on from. */
static void
test_garbage(void **state)
{
	uint64_t seed = program_seed();
	uint8_t bytes[SAVED_INPUT_SIZE] = { 0 };
	struct saved_client c, loaded;
	struct egd_parsed said;
	unsigned int accepted = 0;
	size_t used;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		c = sample;
		for (uint64_t n = 1 + unit_below(&seed, 4); n > 0; n--)
			((uint8_t *)&c)[unit_below(&seed, sizeof(c))] =
			    (uint8_t)(unit_random(&seed) >> n * 8 % 64);
		if (!load(&c, &loaded) || loaded.state != SAVED_OPEN)
			continue;
		accepted++;
		assert_in_range(loaded.in_end, loaded.in_start,
		    SAVED_INPUT_SIZE);
		for (size_t k = 0; k < sizeof(bytes); k += used + (used == 0))
			egd_parse(&loaded.egd, bytes + k, sizeof(bytes) - k,
			    &used, &said);
	}
	assert_in_range(accepted, ROUNDS / 100, ROUNDS - ROUNDS / 100);
}

static void
test_deaths(void **state)
{
	uint64_t now = 1000 * NS_PER_SEC;

	(void)state;
	saved_begin(&saved, 3);
	saved_end(&saved);
	saved_count_death(&saved, now);
	assert_int_equal(saved.records[3].deaths, 0);
	for (int i = 0; i <= SAVED_DEATHS_MAX; i++) {
		assert_false(saved_deadly(&saved, 3, now));
		saved_begin(&saved, 3);
		saved_count_death(&saved, now += 9 * NS_PER_SEC);
	}
	assert_true(saved_deadly(&saved, 3, now));
	assert_false(saved_deadly(&saved, 4, now));
	assert_false(saved_deadly(&saved, 3, now + 12 * NS_PER_SEC));
	/* After a while without one, they count from 1 again. */
	saved_begin(&saved, 3);
	saved_count_death(&saved, now += 12 * NS_PER_SEC);
	assert_false(saved_deadly(&saved, 3, now));
	assert_int_equal(saved.records[3].deaths, 1);
	saved_forget(&saved, 3);
	assert_int_equal(saved.records[3].deaths, 0);
	saved.serving = UINT32_MAX;
	saved_count_death(&saved, now);
}

/* Sends, receives a part, and sees both counted. */
static void
check_position(int ours, int theirs, bool inet)
{
	struct position before, p;
	char buf[16];

	assert_true(position_read(ours, inet, &before));
	assert_int_equal(before.sent_known, inet);
	assert_int_equal(send(theirs, "0123456789", 10, 0), 10);
	assert_int_equal(recv(ours, buf, 4, 0), 4);
	assert_true(position_read(ours, inet, &p));
	assert_int_equal(p.received - before.received, 4);
	assert_int_equal(send(ours, "abc", 3, 0), 3);
	assert_true(position_read(ours, inet, &p));
	if (inet)
		assert_int_equal(p.sent - before.sent, 3);
	assert_int_equal(recv(theirs, buf, sizeof(buf), 0), 3);
	assert_int_equal(send(ours, "d", 1, 0), 1);
	assert_true(position_read(ours, inet, &p));
	if (inet)
		assert_int_equal(p.sent - before.sent, 4);
	/* Their end is no byte. */
	assert_int_equal(shutdown(theirs, SHUT_WR), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(position_read(ours, inet, &p));
		assert_int_equal(p.received - before.received, i == 0 ? 4 : 10);
		assert_int_equal(recv(ours, buf, sizeof(buf), 0),
		    i == 0 ? 6 : 0);
	}
}

static void
test_unix(void **state)
{
	struct position p;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_false(position_read(fds[0], false, &p));
	position_begin(fds[0]);
	check_position(fds[0], fds[1], false);
	position_begin(fds[0]);
	assert_true(position_read(fds[0], false, &p));
	assert_int_equal(p.received, 0);
	close(fds[0]);
	close(fds[1]);
}

static void
test_tcp(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int listener, fds[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		listener = socket(AF_INET, SOCK_STREAM, 0);
		in.sin_port = 0;
		assert_int_equal(bind(listener, (struct sockaddr *)&in, len),
		    0);
		assert_int_equal(listen(listener, 1), 0);
		assert_int_equal(
		    getsockname(listener, (struct sockaddr *)&in, &len), 0);
		fds[0] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(
		    connect(fds[0], (struct sockaddr *)&in, sizeof(in)), 0);
		fds[1] = accept(listener, NULL, NULL);
		check_position(fds[i], fds[1 - i], true);
		close(fds[0]);
		close(fds[1]);
		close(listener);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commit),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_no_place),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_tcp),
	};

	return UNIT_MAIN("saved", tests);
}
