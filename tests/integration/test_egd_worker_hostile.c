/*
 * Clients of an egd worker who do what they should not: whatever that is, those
 * who behave are served, and nothing is lost or left behind.
 */
#include "integration/outlet.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define ATTACKERS 64
#define ROUNDS	  4000
#define BLOCK	  32 /* bytes of an honest request */

static const char *const local[] = { "127.0.0.0/8", "::1/128", NULL };

struct attack {
	struct outlet *o;
	uint64_t seed;
	int fds[ATTACKERS]; /* -1: not connected */
	int honest;
	uint8_t *got; /* by the honest client, */
	size_t ngot;
};

static uint64_t
draw(struct attack *a, uint64_t n)
{
	uint64_t z = a->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

/* Bytes that are anything, or mostly commands. */
static size_t
make_junk(struct attack *a, uint8_t *buf, size_t size)
{
	size_t len = 1 + draw(a, size);
	uint64_t kind = draw(a, 8);

	for (size_t i = 0; i < len; i++)
		if (kind == 0)
			buf[i] = (uint8_t)draw(a, 256);
		else if (kind < 4)
			buf[i] = (uint8_t)draw(a, 5);
		else
			buf[i] = i % 2 == 0 ? (uint8_t)(kind % 3)
					    : (uint8_t)draw(a, 256);
	return len;
}

/* Ends a connection, with a reset if that can be. */
static void
hang_up(struct attack *a, int *fd)
{
	const struct linger linger = { .l_onoff = 1 };

	if (draw(a, 2) == 0)
		setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(*fd);
	*fd = -1;
}

static void
misbehave(struct attack *a, int *fd)
{
	uint8_t buf[4096];
	int size = 2048;

	if (*fd == -1) {
		*fd = outlet_connect(a->o);
		if (draw(a, 4) == 0)
			setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &size,
			    sizeof(size));
		return;
	}
	switch (draw(a, 10)) {
	case 0:
		hang_up(a, fd);
		break;
	case 1:
		shutdown(*fd, draw(a, 2) == 0 ? SHUT_WR : SHUT_RD);
		break;
	case 2:
	case 3:
		if (recv(*fd, buf, 1 + draw(a, sizeof(buf)), MSG_DONTWAIT) == 0)
			hang_up(a, fd);
		break;
	default:
		if (send(*fd, buf, make_junk(a, buf, sizeof(buf)),
			MSG_DONTWAIT | MSG_NOSIGNAL) == -1 &&
		    errno != EAGAIN)
			hang_up(a, fd);
	}
}

/* The parent has its moods, too. */
static void
rule(struct attack *a, enum proto_protocol protocol)
{
	struct outlet *o = a->o;

	switch (draw(a, 40)) {
	case 0:
		if (o->grants != GRANT_NOTHING)
			o->grants = draw(a, 2) == 0 ? GRANT_NEED : GRANT_ROOM;
		break;
	case 1:
		outlet_bytes(o);
		break;
	case 2:
		outlet_serve(o, protocol, (uint32_t)(ATTACKERS + draw(a, 9)),
		    draw(a, 2) * 50000000, local);
		break;
	case 3:
		outlet_limits(o, (uint32_t)draw(a, 10000),
		    (uint32_t)draw(a, 100), (uint32_t)draw(a, 10000));
		break;
	case 4:
		outlet_send(o, PROTO_WANT_ASK);
		break;
	case 5:
		outlet_give(o, draw(a, 1000));
		break;
	}
	outlet_pump(o, 0);
}

/* The honest client, which another takes the place of when it has to idle. */
static void
behave(struct attack *a)
{
	uint8_t *to = a->got + a->ngot;
	size_t n;

	if (a->honest == -1)
		a->honest = outlet_connect(a->o);
	if (send(a->honest, "\002\040", 2, MSG_NOSIGNAL) != 2 ||
	    (n = outlet_read(a->o, a->honest, to, BLOCK, OUTLET_TIMEOUT)) ==
		0) {
		close(a->honest);
		a->honest = -1;
		return;
	}
	assert_int_equal(n, BLOCK);
	a->ngot += BLOCK;
}

static struct attack *
begin(struct outlet *o, uint64_t seed)
{
	struct attack *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	assert_non_null(a->got = malloc((size_t)BLOCK * ROUNDS));
	a->o = o;
	a->seed = seed;
	a->honest = -1;
	for (size_t i = 0; i < ATTACKERS; i++)
		a->fds[i] = -1;
	return a;
}

static void
end(struct attack *a, int had)
{
	struct outlet *o = a->o;

	for (size_t i = 0; i < ATTACKERS; i++)
		if (a->fds[i] != -1)
			close(a->fds[i]);
	if (a->honest != -1)
		close(a->honest);
	for (int i = 0; i < 200 && outlet_stats(o)->clients > 0; i++)
		outlet_pump(o, 10);
	assert_int_equal(o->stats.clients, 0);
	assert_true(o->stats.counters.bytes <= o->given);
	assert_true(o->stats.counters.connections > ATTACKERS);
	assert_int_equal(proc_fds(o->pid), had);
	free(a->got);
	free(a);
	outlet_stop(o);
}

static void
check_hostile(struct outlet *o, uint64_t seed)
{
	struct attack *a = begin(o, seed);
	int had;

	outlet_stats(o);
	had = proc_fds(o->pid);
	for (int round = 0; round < ROUNDS; round++) {
		misbehave(a, &a->fds[draw(a, ATTACKERS)]);
		rule(a, SERVE_EGD);
		if (round % 10 == 0)
			behave(a);
	}
	assert_true(a->ngot > 10 * BLOCK);
	for (size_t i = BLOCK; i < a->ngot; i += BLOCK)
		assert_memory_not_equal(a->got + i - BLOCK, a->got + i, BLOCK);
	outlet_stats(o);
	assert_true(o->stats.counters.malformed > 10);
	end(a, had);
}

static void
test_unix(void **state)
{
	uint64_t seed = program_seed();

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		check_hostile(outlet_unix(SERVE_EGD), seed + i);
}

static void
test_tcp(void **state)
{
	uint64_t seed = program_seed();

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		check_hostile(outlet_tcp(SERVE_EGD), seed + i);
}

static void
check_stream(struct outlet *o, uint64_t seed)
{
	struct attack *a = begin(o, seed);
	uint8_t buf[1000];
	int had, fd;

	o->grants = GRANT_NOTHING;
	outlet_stats(o);
	had = proc_fds(o->pid);
	for (int round = 0; round < ROUNDS; round++) {
		misbehave(a, &a->fds[draw(a, ATTACKERS)]);
		rule(a, SERVE_STREAM);
		outlet_give(o, draw(a, 2000));
	}
	o->grants = GRANT_NEED;
	outlet_serve(o, SERVE_STREAM, CLIENTS_MAX, 0, local);
	outlet_limits(o, 0, 1, REQUEST_MAX);
	/* The worker knows both before another client comes. */
	outlet_stats(o);
	fd = outlet_connect(o);
	assert_int_equal(outlet_read(o, fd, buf, sizeof(buf), OUTLET_TIMEOUT),
	    sizeof(buf));
	close(fd);
	end(a, had);
}

static void
test_streams(void **state)
{
	uint64_t seed = program_seed();

	(void)state;
	check_stream(outlet_unix(SERVE_STREAM), seed);
	check_stream(outlet_tcp(SERVE_STREAM), seed + 1);
}

/* Says the same four bytes again and again, as long as they are taken. */
static void
shout(int fd, const char *said, size_t *phase)
{
	char junk[4096];
	ssize_t n;

	do {
		for (size_t i = 0; i < sizeof(junk); i++)
			junk[i] = said[(*phase + i) % 4];
		n = send(fd, junk, sizeof(junk), MSG_DONTWAIT);
		*phase += n > 0 ? (size_t)n : 0;
	} while (n > 0);
}

/* Endless data, or requests, of one client are no burden for another. */
static void
test_endless(void **state)
{
	const char *const said[] = { "\003\000\000\374", "\004\004\004\004",
		"\002\001\002\001", "\001\001\001\001", "\000\000\000\000",
		"\002\000\001\000", "\003\000\000\000" };
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fds[7], fd;
	uint8_t buf[4096];
	size_t phase[7] = { 0 };
	uint64_t at = outlet_ms(), slowest = 0;
	bool served = false;

	(void)state;
	outlet_crowd(o, fds, 7);
	fd = outlet_connect(o);
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i < 7; i++) {
			shout(fds[i], said[i], &phase[i]);
			while (recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT) > 0)
				;
		}
		if (served || round == 0) {
			SAY(fd, "\002\001");
			at = outlet_ms();
		}
		outlet_pump(o, 1);
		served = recv(fd, buf, 1, MSG_DONTWAIT) == 1;
		if (served && outlet_ms() - at > slowest)
			slowest = outlet_ms() - at;
	}
	assert_true(slowest < 1000);
	assert_true(outlet_stats(o)->counters.requests > 10000);
	assert_int_equal(o->stats.clients, 8);
	outlet_leave(fds, 7);
	close(fd);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_endless),
	};

	return SUITE_MAIN("egd_worker_hostile", tests);
}
