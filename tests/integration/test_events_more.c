/*
 * Events of a running daemon that test_events.c does not cause: connections,
 * services, sources, processes, isolation and systemd's store.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>
#include <bsd/unistd.h>

#include "common/control_proto.h"
#include "integration/events.h"
#include "integration/manager.h"
#include "integration/peer.h"

#define EGD_WORKER "vrngd-egd"
#define LIMIT_MS   (20000 * test_patience())
#define CLIENTS	   16
#define POOL	   "pool \"default\" { source \"kernel\" { type = kernel } }\n"

/* Prepares for a daemon with a journal. */
static void
prepare(struct watched *w, struct suite *s)
{
	*w = (struct watched){ .s = s, .fd = journal_open(s), .fifo.fd = -1 };
	s->d.journal = true;
}

/* Starts it with the configuration that was written. */
static void
run(struct watched *w)
{
	struct journal_record r;

	events_again(w);
	events_await(w, EVENT_READY, NULL, NULL, &r);
}

static void
test_second(void **state)
{
	struct journal_record r;
	struct watched w;

	events_start(&w, *state, "0");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	CHECK(fe_connect(&w.s->other, daemon_path(&w.s->d, "vm0.sock")));
	events_await(&w, EVENT_SECOND_REFUSED, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_PEER_PID"), getpid());
	assert_int_equal(journal_number(&r, "VRNGD_CONNECTED_PID"), getpid());
	events_pass(&w);
}

static void
test_moved(void **state)
{
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;

	prepare(&w, s);
	admin_conf(s, "w",
	    POOL "pool \"two\" { source \"kernel\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "");
	run(&w);
	admin_conf(s, "w",
	    POOL "pool \"two\" { source \"kernel\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "pool = \"two\"");
	CHECK(kill(s->d.pid, SIGHUP));
	events_await(&w, EVENT_GUEST_MOVED, "VRNGD_GUEST", "vm0", &r);
	events_pass(&w);
}

/*
 * A service takes over the port of another one, at all addresses, one of which
 * is in use: that is known only when the other one has left.
 */
static void
test_partly(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;
	struct place p;
	int fd;

	prepare(&w, s);
	place_inet(&p, SOCK_STREAM, true);
	sin.sin_port = ((const struct sockaddr_in *)&p.addr)->sin_port;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	CHECK(listen(fd, 1));
	place_leave(&p);
	admin_conf(s, "w", POOL "egd \"a\" { %s }\n", p.text);
	run(&w);
	admin_conf(s, "w",
	    POOL "egd \"b\" { tcp = 0.0.0.0 port = %u allow = 127.0.0.0/8 }\n",
	    ntohs(sin.sin_port));
	CHECK(kill(s->d.pid, SIGHUP));
	events_await(&w, EVENT_RELOAD_PARTLY, NULL, NULL, &r);
	close(fd);
	events_pass(&w);
}

static void
test_control(void **state)
{
	const struct control_request req = { .version = CONTROL_VERSION + 1 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct journal_record r;
	struct watched w;
	int fd;

	events_start(&w, *state, "0");
	strlcpy(sun.sun_path, daemon_path(&w.s->d, "control"),
	    sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	assert_int_equal(send(fd, &req, sizeof(req), 0), sizeof(req));
	events_await(&w, EVENT_CONTROL_REFUSED, NULL, NULL, &r);
	assert_int_equal(journal_number(&r, "VRNGD_PEER_PID"), getpid());
	journal_is(&r, "VRNGD_REASON", "unsupported protocol version");
	close(fd);
	events_pass(&w);
}

/* The client asks for bytes, and receives them. */
static void
take(int fd)
{
	uint8_t bytes[64];

	assert_int_equal(write(fd, "\002\100", 2), 2);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL),
	    sizeof(bytes));
}

/* What is logged with -v only, and a peer that is not there. */
static void
test_services(void **state)
{
	const char *const args[] = { "-C", "@conf", "-v", NULL };
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;
	struct place egd, absent;
	int fd;

	prepare(&w, s);
	place_unix(s, &egd, "egd");
	place_unix(s, &absent, "absent");
	admin_conf(s, "w",
	    POOL "egd \"local\" { %s }\nstream \"out\" { connect = yes %s }\n",
	    egd.text, absent.text);
	CHECK(daemon_spawn(&s->d, args));
	events_await(&w, EVENT_UNREACHABLE, "VRNGD_SERVICE", "out", &r);
	assert_int_equal(journal_number(&r, "VRNGD_ERRNO"), ENOENT);
	events_await(&w, EVENT_READY, NULL, NULL, &r);
	fd = place_connect(&egd);
	take(fd);
	close(fd);
	events_await(&w, EVENT_SERVED, "VRNGD_SERVICE", "local", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 64);
	events_pass(&w);
}

/* Whether that event is among the records so far. */
static bool
logged(struct watched *w, enum event event, struct journal_record *r)
{
	const char *id;

	while (journal_next(w->fd, r, 0)) {
		id = journal_value(r, "MESSAGE_ID");
		if (id != NULL && strcmp(id, event_type(event)->id) == 0)
			return true;
	}
	return false;
}

/* With many clients: one of which workers die is closed before. */
static void
test_workers_die(void **state)
{
	uint64_t end = fe_now() + LIMIT_MS;
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;
	struct place egd;
	int fds[CLIENTS];
	pid_t pid;

	prepare(&w, s);
	place_unix(s, &egd, "egd");
	admin_conf(s, "w", POOL "egd \"local\" { %s }\n", egd.text);
	run(&w);
	for (size_t i = 0; i < CLIENTS; i++) {
		fds[i] = place_connect(&egd);
		take(fds[i]);
	}
	while (!logged(&w, EVENT_WORKERS_DIE, &r)) {
		assert_true(fe_now() < end);
		if ((pid = daemon_child(&s->d, EGD_WORKER, NULL)) > 0)
			kill(pid, SIGKILL);
		usleep(5000);
	}
	events_explained(&r, EVENT_WORKERS_DIE);
	journal_is(&r, "VRNGD_SERVICE", "local");
	journal_is(&r, "VRNGD_PROCESS", "egd");
	for (size_t i = 0; i < CLIENTS; i++)
		close(fds[i]);
	events_pass(&w);
}

static void
test_hung(void **state)
{
	struct journal_record r;
	struct watched w;
	pid_t pid;

	events_start(&w, *state, "0");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	suite_served(&w.s->fe);
	pid = daemon_child(&w.s->d, ROLE_ENTROPY, NULL);
	CHECK(kill(pid, SIGSTOP));
	for (int i = 0; i < 8; i++)
		assert_int_not_equal(fe_add_one(&w.s->fe, FE_BUF_GPA, 65536),
		    -1);
	fe_kick(&w.s->fe);
	events_await(&w, EVENT_PROCESS_HUNG, "VRNGD_PROCESS", "entropy", &r);
	assert_int_equal(journal_number(&r, "VRNGD_PID"), pid);
	events_pass(&w);
}

/* An installation without one of the programs. */
static void
test_missing(void **state)
{
	const char *const programs[] = { ROLE_ENTROPY, "vrngd-status" };
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;
	char from[512], to[512];

	prepare(&w, s);
	for (size_t i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s/%s", s->d.libexec,
		    programs[i]);
		snprintf(to, sizeof(to), "%s/%s", s->d.dir, programs[i]);
		CHECK(symlink(from, to));
	}
	strlcpy(s->d.libexec, s->d.dir, sizeof(s->d.libexec));
	admin_conf(s, "w", POOL);
	admin_conf_guest(s, "vm0", "");
	run(&w);
	CHECK(fe_connect(&s->fe, daemon_path(&s->d, "vm0.sock")));
	events_await(&w, EVENT_PROCESS_MISSING, "VRNGD_GUEST", "vm0", &r);
	journal_is(&r, "VRNGD_PROCESS", "vhost");
	events_pass(&w);
}

/* The daemon runs as on a kernel without Landlock. */
static void
without_landlock(void *arg)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	(void)arg;
	closefrom(3);
	if (ctx == NULL ||
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
		SCMP_SYS(landlock_create_ruleset), 0) != 0 ||
	    seccomp_load(ctx) != 0)
		_exit(126);
}

static void
test_layers(void **state)
{
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;

	prepare(&w, s);
	s->d.prepare = without_landlock;
	admin_conf(s, "w", POOL);
	events_again(&w);
	events_await(&w, EVENT_LAYERS_MISSING, NULL, NULL, &r);
	assert_non_null(strstr(journal_value(&r, "VRNGD_LAYERS"), "Landlock"));
	events_pass(&w);
}

/* Descriptors that an earlier daemon has not stored, and one too many. */
static void
test_store(void **state)
{
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;
	struct manager m;
	struct fe fe[MANAGER_STORE + 1];
	char name[16];

	prepare(&w, s);
	manager_open(&m, s);
	admin_conf(s, "w", POOL);
	for (int i = 0; i <= MANAGER_STORE; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		admin_conf_guest(s, name, "");
	}
	manager_unit(&m, "g-vm99", open("/dev/null", O_RDWR | O_CLOEXEC));
	events_again(&w);
	events_await(&w, EVENT_NOT_RESUMED, "VRNGD_GUEST", "vm99", &r);
	events_await(&w, EVENT_READY, NULL, NULL, &r);
	for (int i = 0; i <= MANAGER_STORE; i++) {
		snprintf(name, sizeof(name), "vm%d.sock", i);
		fe_init(&fe[i]);
		CHECK(fe_connect(&fe[i], daemon_path(&s->d, name)));
		manager_hear(&m);
	}
	events_await(&w, EVENT_NOT_KEPT, NULL, NULL, &r);
	for (int i = 0; i <= MANAGER_STORE; i++)
		fe_close(&fe[i]);
	manager_close(&m);
	events_pass(&w);
}

/* A source that a peer connects to, and leaves. */
static void
test_source_peer(void **state)
{
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;
	struct fifo peer;
	struct place p;

	prepare(&w, s);
	place_unix(s, &p, "in");
	admin_conf(s, "w",
	    "pool \"default\" { source \"in\" { type = stream %s\n"
	    "listen = yes } }\n",
	    p.text);
	run(&w);
	peer_make(&peer, place_connect(&p));
	events_await(&w, EVENT_SOURCE_CONNECTED, "VRNGD_SOURCE", "in", &r);
	peer_hang_up(&peer);
	events_await(&w, EVENT_SOURCE_LOST, "VRNGD_SOURCE", "in", &r);
	journal_is(&r, "VRNGD_REASON", "end of file");
	fifo_free(&peer);
	events_pass(&w);
}

static void
test_source_ends(void **state)
{
	struct suite *s = *state;
	struct journal_record r;
	struct watched w;
	uint8_t bytes[6000];
	FILE *f;

	prepare(&w, s);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(random() >> 8);
	f = fopen(daemon_path(&s->d, "data"), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, sizeof(bytes), f), sizeof(bytes));
	assert_int_equal(fclose(f), 0);
	admin_conf(s, "w",
	    "pool \"default\" { source \"data\" { type = device\n"
	    "path = \"%s/data\" replay = yes } }\n",
	    s->d.dir);
	run(&w);
	events_await(&w, EVENT_SOURCE_EXHAUSTED, "VRNGD_SOURCE", "data", &r);
	events_pass(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_second),
		SUITE_EMPTY(test_moved),
		SUITE_EMPTY(test_partly),
		SUITE_EMPTY(test_control),
		SUITE_EMPTY(test_services),
		SUITE_EMPTY(test_workers_die),
		SUITE_EMPTY(test_hung),
		SUITE_EMPTY(test_missing),
		SUITE_EMPTY(test_layers),
		SUITE_EMPTY(test_store),
		SUITE_EMPTY(test_source_peer),
		SUITE_EMPTY(test_source_ends),
	};

	if (events_init() == -1)
		return 1;
	return SUITE_MAIN("events_more", tests);
}
