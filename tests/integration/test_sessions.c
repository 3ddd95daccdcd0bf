/*
 * Clients of EGD and of raw bytes keep their connections while processes of the
 * daemon die, and while it is restarted by a manager that has their deposits.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"
#include "integration/manager.h"
#include "integration/peer.h"
#include "integration/talker.h"

#define EGD_WORKER "vrngd-egd"
#define POOL	   "pool \"default\" { source \"k\" { type = kernel } }\n"
#define THOUSAND   1000
#define MOST	   4096 /* clients of a service */
#define STAYING	   20
#define ROUNDS	   40
#define LONG	   800
#define ANSWERS	   40  /* of a round */
#define STREAMED   120 /* of a stream, more than its sockets hold */
#define AT_ONCE_MS (1000 * test_patience()) /* until a connection ends */
#define ORPHAN_MS  (70000 * test_patience())
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
	struct talker *ts[MOST];
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
	assert_true(k->n < MOST);
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
	static const char *const why[] = { "worker died during an answer",
		"worker died after a partial answer",
		"answer would follow bytes sent twice" };

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

/*
 * Processes die, and the daemon is restarted, while clients of all kinds ask.
 */
static void
test_any(void **state)
{
	const unsigned int rounds = getenv("VRNGD_LONG") ? LONG : ROUNDS;
	static struct sessions k;
	uint64_t until;

	if (rounds == LONG)
		alarm(0);
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

/*
 * A worker that cannot be started is tried again, though no other client comes.
 */
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

/* A service alone, with a manager, and talkers at it. */
static void
begin_egd(struct sessions *k, struct suite *s, size_t n)
{
	*k = (struct sessions){ .s = s, .seed = program_seed() };
	place_unix(s, &k->places[UNIX], "egd.sock");
	admin_conf(s, "w", POOL "egd \"u\" { %s max-clients = 4096 }\n",
	    k->places[UNIX].text);
	manager_open(&k->m, s);
	admin_start(s);
	while (n-- > 0)
		talk_to(k, UNIX, TALKER_WAIT, 1);
}

static void
end_egd(struct sessions *k)
{
	talkers_unique(k->ts, k->n);
	while (k->n > 0)
		talker_free(k->ts[--k->n]);
	manager_close(&k->m);
}

/* All ask for some, whatever happens meanwhile. */
static void
all_served(struct sessions *k)
{
	for (size_t i = 0; i < k->n; i++)
		talker_more(k->ts[i], 2);
	finish(k);
}

/* The number of a service in the status. */
static uint64_t
status_number(struct suite *s, const char *field)
{
	static char out[4 << 20];
	const char *at;

	assert_int_equal(admin_ctl(s, out, sizeof(out), "status --json"), 0);
	assert_non_null(at = strstr(out, "\"services\""));
	assert_non_null(at = strstr(at, field));
	return strtoull(at + strlen(field), NULL, 10);
}

/* What the status says of all clients, who have been served. */
static void
check_status(struct sessions *k)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < k->n; i++)
		bytes += k->ts[i]->ngot;
	assert_int_equal(status_number(k->s, "\"clients_connected\": "), k->n);
	assert_in_range(status_number(k->s, "\"bytes\": "), bytes,
	    bytes + k->n * TALKER_ANSWER);
}

/* Any number of clients of one service are one descriptor for the manager. */
static void
test_thousand(void **state)
{
	static struct sessions k;

	begin_egd(&k, *state, getenv("VRNGD_LONG") ? MOST : THOUSAND);
	all_served(&k);
	k.slowest = 0;
	for (int i = 0; i < 10; i++) {
		all_served(&k);
		kill_child(&k, EGD_WORKER, "u");
	}
	for (int i = 0; i < 3; i++) {
		all_served(&k);
		assert_int_equal(manager_stored(&k.m, "c-egd+u+"), 1);
		check_status(&k);
		restart(&k, i == 1 ? SIGKILL : SIGTERM);
	}
	all_served(&k);
	check_status(&k);
	print_message(
	    "# the slowest round took %ju ms, the daemon has %ld KiB\n",
	    (uintmax_t)k.slowest, proc_rss(k.s->d.pid));
	end_egd(&k);
	suite_pass(k.s);
}

/* A client that comes, and goes. */
static void
come_and_go(struct sessions *k)
{
	struct talker *t =
	    talker_new(place_connect(&k->places[UNIX]), TALKER_WAIT, 1);

	finish_one(t);
	talker_free(t);
}

/* Many come and go beside some that stay: only these are kept. */
static void
test_short(void **state)
{
	const int n = getenv("VRNGD_LONG") ? 5000 : 1000;
	static struct sessions k;
	int fds = 0;

	begin_egd(&k, *state, STAYING);
	for (int i = 0; i < n; i++) {
		come_and_go(&k);
		if (i % 50 == 0)
			all_served(&k);
		if (i == 200)
			fds = proc_fds(k.s->d.pid);
	}
	all_served(&k);
	for (int i = 0; i < 500 && proc_fds(k.s->d.pid) > fds; i++)
		run(&k);
	assert_in_range(proc_fds(k.s->d.pid), 1, fds);
	assert_int_equal(manager_stored(&k.m, "c-egd+u+"), 1);
	/* By its number: it has been made anew several times. */
	assert_true(strtoul(strrchr(k.m.store[0].name, '+') + 1, NULL, 10) > 5);
	restart(&k, SIGKILL);
	all_served(&k);
	end_egd(&k);
	suite_pass(k.s);
}

/* A deposit that is made anew takes the place of the old one in a full store. */
static void
test_full_store(void **state)
{
	static struct sessions k;
	char name[16];

	k = (struct sessions){ .s = *state };
	admin_conf(k.s, "w", POOL);
	for (int i = MANAGER_STORE; i-- > 0;) {
		snprintf(name, sizeof(name), "%d.sock", i);
		place_unix(k.s, &k.places[UNIX], name);
		admin_conf(k.s, "a", "egd \"e%d\" { %s }\n", i,
		    k.places[UNIX].text);
	}
	manager_open(&k.m, k.s);
	admin_start(k.s);
	for (int i = MANAGER_STORE; i-- > 0;) {
		snprintf(name, sizeof(name), "%d.sock", i);
		place_unix(k.s, &k.places[UNIX], name);
		talk_to(&k, UNIX, TALKER_WAIT, 1);
	}
	all_served(&k);
	assert_int_equal(manager_stored(&k.m, "c-egd+e"), MANAGER_STORE);
	for (int i = 0; i < 100; i++)
		come_and_go(&k);
	restart(&k, SIGTERM);
	all_served(&k);
	assert_int_equal(manager_stored(&k.m, "c-egd+e0+"), 1);
	end_egd(&k);
	suite_pass(k.s);
}

/* A stream whose peer hangs up is connected again, by the same worker. */
static void
test_peer(void **state)
{
	struct sessions k = { .s = *state };
	struct place *p = &k.places[TO_UNIX];
	pid_t worker;

	place_unix(k.s, p, "peer.sock");
	place_listen(p);
	admin_conf(k.s, "w", POOL "stream \"cu\" { connect = yes %s }\n",
	    p->text);
	manager_open(&k.m, k.s);
	admin_start(k.s);
	talk(&k, place_accept(p), TALKER_STREAM);
	for (int i = 0; i < 4; i++) {
		all_served(&k);
		worker = daemon_child(&k.s->d, EGD_WORKER, "cu");
		close(k.ts[0]->fd);
		k.ts[0]->fd = place_accept(p);
		k.ts[0]->have = 0;
		all_served(&k);
		assert_int_equal(daemon_child(&k.s->d, EGD_WORKER, "cu"),
		    worker);
		restart(&k, i % 2 == 0 ? SIGTERM : SIGKILL);
		talker_more(k.ts[0], STREAMED);
		finish(&k);
		connected_once(p);
	}
	place_leave(p);
	end_egd(&k);
	suite_pass(k.s);
}

/* The connection ends at once. */
static void
closes(struct sessions *k, struct talker *t)
{
	uint64_t deadline = fe_now() + AT_ONCE_MS;

	t->may_end = true;
	talker_more(t, 1);
	while (!t->ended) {
		assert_true(fe_now() < deadline);
		run(k);
	}
}

/* What a reload ends or moves it ends for its clients. */
static void
test_reload(void **state)
{
	static const struct {
		const char *before; /* what has the socket egd.sock */
		const char *after;  /* the same, and what it has then */
		const char *socket;
	} rows[] = {
		{ "egd \"u\" { unix", "stream \"other\" { unix", "other" },
		{ "egd \"u\" { unix", "egd \"u\" { unix", "moved" },
		{ "guest \"vm0\" { egd", "guest \"vm0\" { socket", "vm0" },
		{ "guest \"vm0\" { egd", "guest \"vm0\" { egd", "moved" },
	};
	struct suite *s = *state;
	struct sessions k = { .s = s };

	place_unix(s, &k.places[UNIX], "egd.sock");
	admin_conf(s, "w", POOL);
	manager_open(&k.m, s);
	admin_start(s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		admin_conf(s, "w", POOL "%s = \"%s/egd.sock\" }\n",
		    rows[i].before, s->d.dir);
		admin_reload(s, ": reloaded, ");
		k.n = 0;
		talk_to(&k, UNIX, TALKER_MIXED, 1);
		all_served(&k);
		assert_int_equal(manager_stored(&k.m, "c-"), 1);
		admin_conf(s, "w", POOL "%s = \"%s/%s\" }\n", rows[i].after,
		    s->d.dir, rows[i].socket);
		admin_reload(s, ": reloaded, ");
		closes(&k, k.ts[0]);
		assert_int_equal(manager_stored(&k.m, "c-"), 0);
		talker_free(k.ts[0]);
	}
	manager_close(&k.m);
	suite_pass(s);
}

/* Clients of a service that is not configured any more end after a minute. */
static void
test_orphans(void **state)
{
	static struct sessions k;

	begin_egd(&k, *state, 2);
	all_served(&k);
	admin_conf(k.s, "w", POOL);
	restart(&k, SIGTERM);
	assert_int_equal(manager_stored(&k.m, "c-"), 1);
	CHECK(daemon_log_wait(&k.s->d, "egd u: cannot restore stored session",
	    1, ORPHAN_MS));
	manager_hear(&k.m);
	assert_int_equal(manager_stored(&k.m, "c-"), 0);
	for (size_t i = 0; i < k.n; i++)
		closes(&k, k.ts[i]);
	end_egd(&k);
	suite_pass(k.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_any), SUITE_EMPTY(test_no_process),
		SUITE_EMPTY(test_thousand), SUITE_EMPTY(test_short),
		SUITE_EMPTY(test_full_store), SUITE_EMPTY(test_peer),
		SUITE_EMPTY(test_reload),
		SUITE_EMPTY(test_orphans), /* for a minute */
	};
	const size_t n = sizeof(tests) / sizeof(tests[0]);

	return suite_main("sessions", tests, getenv("VRNGD_LONG") ? n : n - 1);
}
