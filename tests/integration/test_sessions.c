/*
 * Clients of EGD and of raw bytes keep their connections while processes of the
 * daemon die, and while it is restarted by a manager that has their deposits.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"
#include "integration/manager.h"
#include "integration/peer.h"
#include "integration/talker.h"

#define EGD_WORKER "vrngd-egd"
#define POOL	   "pool \"default\" { source \"k\" { type = kernel } }\n"
#define TALKERS	   22
#define ROUNDS	   40
#define LONG	   800
#define ANSWERS	   40  /* of a round */
#define STREAMED   120 /* of a stream, more than its sockets hold */
#define ROUND_MS   (4 * FE_TIMEOUT_MS)

/* Places of services, by the service's name. */
enum where {
	UNIX,
	TCP,
	GUEST,
	RAW_UNIX,
	RAW_TCP,
	TO_UNIX,
	TO_TCP,
	WHERES
};
static const char *const names[WHERES] = { "u", "t", "vm0", "su", "st", "cu",
	"ct" };

struct sessions {
	struct suite *s;
	struct manager m;
	uint64_t seed;
	struct place places[WHERES];
	struct talker *ts[TALKERS];
	size_t n;
	size_t closed;	  /* connections of talkers that may be, */
	size_t records;	  /* and reasons in the log */
	uint64_t slowest; /* ms, of a round */
};

static uint32_t
draw(struct sessions *k, uint32_t n)
{
	return hostile_rand(&k->seed) % n;
}

static void
configure(struct sessions *k)
{
	struct place *p = k->places;

	place_unix(k->s, &p[UNIX], "egd.sock");
	place_unix(k->s, &p[GUEST], "vm0.egd");
	place_unix(k->s, &p[RAW_UNIX], "stream.sock");
	place_unix(k->s, &p[TO_UNIX], "peer.sock");
	place_inet(&p[TCP], SOCK_STREAM, true);
	place_inet(&p[RAW_TCP], SOCK_STREAM, true);
	place_inet(&p[TO_TCP], SOCK_STREAM, true);
	place_leave(&p[TCP]);
	place_leave(&p[RAW_TCP]);
	place_listen(&p[TO_UNIX]);
	place_listen(&p[TO_TCP]);
	admin_conf(k->s, "w",
	    POOL "egd \"u\" { %s }\negd \"t\" { %s }\n"
		 "stream \"su\" { %s }\nstream \"st\" { %s }\n"
		 "stream \"cu\" { connect = yes %s }\n"
		 "stream \"ct\" { connect = yes %s }\n"
		 "guest \"vm0\" { socket = \"%s\" egd = \"%s\" }\n",
	    p[UNIX].text, p[TCP].text, p[RAW_UNIX].text, p[RAW_TCP].text,
	    p[TO_UNIX].text, p[TO_TCP].text, daemon_path(&k->s->d, "vm0.sock"),
	    daemon_path(&k->s->d, "vm0.egd"));
}

/* Another client; little of a stream is read ahead. */
static void
talk(struct sessions *k, int fd, enum talker_kind kind)
{
	const int size = 32768;

	if (kind == TALKER_STREAM)
		CHECK(
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	assert_true(k->n < TALKERS);
	k->ts[k->n++] = talker_new(fd, kind, 0);
}

static void
talk_to(struct sessions *k, enum where where, enum talker_kind kind, size_t n)
{
	while (n-- > 0)
		talk(k, place_connect(&k->places[where]), kind);
}

static void
begin(struct sessions *k, struct suite *s)
{
	*k = (struct sessions){ .s = s, .seed = program_seed() };
	configure(k);
	manager_open(&k->m, s);
	admin_start(s);
	talk_to(k, UNIX, TALKER_WAIT, 4);
	talk_to(k, UNIX, TALKER_MIXED, 2);
	k->ts[4]->may_end = k->ts[5]->may_end = true;
	talk_to(k, GUEST, TALKER_WAIT, 2);
	talk_to(k, TCP, TALKER_WAIT, 2);
	talk_to(k, TCP, TALKER_MIXED, 6);
	talk_to(k, RAW_UNIX, TALKER_STREAM, 2);
	talk_to(k, RAW_TCP, TALKER_STREAM, 2);
	talk(k, place_accept(&k->places[TO_UNIX]), TALKER_STREAM);
	talk(k, place_accept(&k->places[TO_TCP]), TALKER_STREAM);
}

/* Until it has its answers. */
static void
finish_one(struct talker *t)
{
	uint64_t deadline = fe_now() + FE_TIMEOUT_MS;

	while (!talker_run(t)) {
		assert_true(fe_now() < deadline);
		poll(NULL, 0, 1);
	}
}

/* Has all of them send and read.  Returns whether they have all answers. */
static bool
run(struct sessions *k)
{
	bool done = true;

	for (size_t i = 0; i < k->n; i++)
		done = talker_run(k->ts[i]) && done;
	manager_hear(&k->m);
	poll(NULL, 0, 1);
	return done;
}

/* Clients that were closed connect again. */
static void
connect_again(struct sessions *k)
{
	for (size_t i = 0; i < k->n; i++) {
		struct talker *t = k->ts[i];

		if (!t->ended)
			continue;
		k->closed++;
		close(t->fd);
		t->fd = place_connect(&k->places[UNIX]);
		t->ended = false;
		t->sent = t->answered;
		t->have = 0;
	}
}

static void
more(struct sessions *k)
{
	connect_again(k);
	for (size_t i = 0; i < k->n; i++)
		talker_more(k->ts[i],
		    k->ts[i]->kind == TALKER_STREAM ? STREAMED : ANSWERS);
}

/* Why clients may be closed, as the log of this daemon has it. */
static void
count_records(struct sessions *k)
{
	static const char *const why[] = { "a worker died while it sent",
		"a worker died after a part", "bytes sent again by a new" };

	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++)
		k->records += daemon_log_count(&k->s->d, why[i]);
}

/* Kills a child, if there is one: it may just be starting. */
static void
kill_child(struct sessions *k, const char *role, const char *name)
{
	pid_t pid = daemon_child(&k->s->d, role, name);

	if (pid > 0)
		kill(pid, SIGKILL);
}

/* Ends the daemon by a signal, and starts it, as systemd does. */
static void
restart(struct sessions *k, int sig)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		NULL };
	struct daemon *d = &k->s->d;
	uint64_t deadline = fe_now() + DAEMON_TIMEOUT_MS;

	CHECK(kill(d->pid, sig));
	while (daemon_alive(d)) {
		assert_true(fe_now() < deadline);
		run(k);
	}
	count_records(k);
	assert_int_equal(daemon_stop(d, sig), sig == SIGKILL ? sig : 0);
	run(k);
	CHECK(daemon_spawn(d, args));
	while (daemon_log_count(d, " ready: ") == 0) {
		assert_true(daemon_alive(d) && fe_now() < deadline);
		run(k);
	}
}

static void
disturb(struct sessions *k, unsigned int round)
{
	switch (round % 10) {
	case 0:
		kill_child(k, ROLE_ENTROPY, NULL);
		break;
	case 1:
		kill_child(k, "vrngd-status", NULL);
		break;
	case 2:
		restart(k, SIGKILL);
		break;
	case 3:
		restart(k, SIGTERM);
		break;
	default:
		kill_child(k, EGD_WORKER, names[draw(k, WHERES)]);
		break;
	}
}

/* Until all have their answers. */
static void
finish(struct sessions *k)
{
	uint64_t began = fe_now();

	while (!run(k))
		if (fe_now() - began > (uint64_t)ROUND_MS)
			fail_msg("a client waits");
	if (fe_now() - began > k->slowest)
		k->slowest = fe_now() - began;
}

/* The service has the connection that it had, and no other. */
static void
connected_once(const struct place *p)
{
	struct pollfd pfd = { p->fd, POLLIN, 0 };

	assert_int_equal(poll(&pfd, 1, 0), 0);
}

static void
end(struct sessions *k)
{
	count_records(k);
	connect_again(k);
	print_message("# %zu connections closed, %zu reasons in the log; "
		      "the slowest round took %ju ms\n",
	    k->closed, k->records, (uintmax_t)k->slowest);
	assert_int_equal(k->closed, k->records);
	connected_once(&k->places[TO_UNIX]);
	connected_once(&k->places[TO_TCP]);
	talkers_unique(k->ts, k->n);
	while (k->n > 0)
		talker_free(k->ts[--k->n]);
	place_leave(&k->places[TO_UNIX]);
	place_leave(&k->places[TO_TCP]);
	manager_close(&k->m);
}

/* Processes die, and the daemon is restarted, while clients of all kinds ask. */
static void
test_any(void **state)
{
	const unsigned int rounds = getenv("VRNGD_LONG") ? LONG : ROUNDS;
	static struct sessions k;
	uint64_t until;

	begin(&k, *state);
	for (unsigned int i = 0; i < rounds; i++) {
		more(&k);
		until = fe_now() + draw(&k, 20);
		while (fe_now() < until)
			run(&k);
		disturb(&k, i);
		finish(&k);
	}
	end(&k);
	suite_pass(k.s);
}

/* Sets how many descriptors the daemon may have.  Returns how many it might. */
static struct rlimit
limit_files(struct suite *s, const struct rlimit *limit)
{
	struct rlimit before;

	CHECK(prlimit(s->d.pid, RLIMIT_NOFILE, limit, &before));
	return before;
}

/* A worker that cannot be started is tried again, though no other client comes. */
static void
test_no_process(void **state)
{
	struct suite *s = *state;
	struct rlimit few, before;
	struct talker *t;
	struct place p;

	place_unix(s, &p, "egd.sock");
	admin_conf(s, "w", POOL "egd \"e\" { %s }\n", p.text);
	admin_start(s);
	t = talker_new(place_connect(&p), TALKER_MIXED, ANSWERS);
	finish_one(t);
	few = before = limit_files(s, NULL);
	few.rlim_cur = 0;
	limit_files(s, &few);
	CHECK(kill(daemon_child(&s->d, EGD_WORKER, "e"), SIGKILL));
	/* The first try, and the second after a pause. */
	CHECK(daemon_log_wait(&s->d, "cannot start", 2, FE_TIMEOUT_MS));
	limit_files(s, &before);
	talker_more(t, ANSWERS);
	finish_one(t);
	talker_free(t);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_any),
		SUITE_EMPTY(test_no_process),
	};

	return SUITE_MAIN("sessions", tests);
}
