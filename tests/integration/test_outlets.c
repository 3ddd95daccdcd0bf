/*
 * Services of a running daemon: a reload moves them, their workers and the
 * entropy process die, and peers disappear and come back.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/deposit.h"
#include "integration/load.h"
#include "integration/peer.h"

#define EGD_WORKER "vrngd-egd"
#define POOL	   "pool \"default\" { source \"kernel\" { type = kernel } %s }\n"
#define RATE	   4096 /* bytes a second */
#define BURST	   1024
#define SHARE	   "rate = 4K burst = 1K"
#define BESIDE_MS  1000 /* that both sockets of a guest are busy */
#define LIMITED_MS 2000
#define TRIES	   100
#define AGAIN_MS   1000 /* at most, until a stream connects again */
#define FILES	   256
#define PORT_MAX   1023 /* of privileged ports */

/* The client asks for `n` bytes and gets them. */
static void
take(int fd, uint8_t n)
{
	const uint8_t ask[] = { 2, n };
	uint8_t bytes[255];

	assert_int_equal(write(fd, ask, sizeof(ask)), sizeof(ask));
	for (size_t had = 0; had < n;) {
		struct pollfd pfd = { fd, POLLIN, 0 };
		ssize_t r;

		assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
		r = read(fd, bytes, n - had);
		assert_true(r > 0);
		had += (size_t)r;
	}
}

static void
serves(const struct place *p)
{
	int fd = place_connect(p);

	take(fd, 255);
	close(fd);
}

/* The client asks for 255 bytes at once; returns how many it gets. */
static size_t
take_now(int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint8_t answer[256];
	size_t had = 0;
	ssize_t r;

	assert_int_equal(write(fd, "\001\377", 2), 2);
	do {
		assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
		r = read(fd, answer + had, sizeof(answer) - had);
		assert_true(r > 0);
		had += (size_t)r;
	} while (had < 1U + answer[0]);
	assert_int_equal(had, 1U + answer[0]);
	return answer[0];
}

/*
 * All that may be asked for at once is there for the first command of a new
 * worker, and of another client, even if the service may have little.
 */
static void
test_at_once(void **state)
{
	struct suite *s = *state;
	struct place p, small;
	int fd, tries;

	place_unix(s, &p, "egd");
	place_unix(s, &small, "small");
	admin_conf(s, "w",
	    POOL "egd \"e\" { %s } "
		 "egd \"f\" { %s max-bytes = 1000 period = 1s }\n",
	    "", p.text, small.text);
	admin_start(s);
	for (int i = 0; i < 3; i++) {
		fd = place_connect(&p);
		assert_int_equal(take_now(fd), 255);
		close(fd);
	}
	fd = place_connect(&small);
	assert_int_equal(take_now(fd), 255);
	/* The rest then arrives at its rate. */
	for (tries = 0; tries < TRIES && take_now(fd) < 255; tries++)
		usleep(50000);
	assert_true(tries < TRIES);
	close(fd);
	suite_pass(s);
}

/* A socket of a guest's becomes that of a service, of its EGD, and back. */
static void
test_same_path(void **state)
{
	struct suite *s = *state;
	struct place p;

	place_unix(s, &p, "vm0.sock");
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	admin_conf(s, "w", POOL "egd \"e\" { %s }\n", "", p.text);
	admin_reload(s, "reloaded, 0 guests");
	serves(&p);
	admin_conf(s, "w", POOL "guest \"vm1\" { egd = \"%s\" }\n", "",
	    daemon_path(&s->d, "vm0.sock"));
	admin_reload(s, "reloaded, 1 guest");
	serves(&p);
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	admin_reload(s, "reloaded, 1 guest");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	admin_conf(s, "w", POOL "guest \"vm1\" { egd = \"%s\" }\n", "",
	    daemon_path(&s->d, "vm0.sock"));
	admin_reload(s, "reloaded, 1 guest");
	serves(&p);
	suite_pass(s);
}

/*
 * What a client that wants more than there is gets while the guest does, too.
 */
static uint64_t
take_beside(const struct place *p, struct load *load)
{
	uint8_t commands[256], bytes[1024];
	int fd = place_connect(p);
	uint64_t had = 0;
	ssize_t n;

	for (size_t i = 0; i < sizeof(commands); i++)
		commands[i] = i % 2 == 0 ? 2 : 64;
	assert_int_equal(write(fd, commands, sizeof(commands)),
	    sizeof(commands));
	for (int i = 0; i < 20; i++) {
		load_run(load, 1, BESIDE_MS / 20, NULL);
		while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
			had += (uint64_t)n;
	}
	close(fd);
	return had;
}

/*
 * A guest's EGD socket comes and goes while the guest is at its limit: the two
 * together get no more than the guest had, and each of them a half of it.
 */
static void
test_two_sockets(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 4, .len = 64 };
	uint64_t start, most, n, total, egd = 0, beside = 0;
	struct place p;
	char with[256];

	place_unix(s, &p, "egd");
	snprintf(with, sizeof(with), SHARE " egd = \"%s\"",
	    daemon_path(&s->d, "egd"));
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", SHARE);
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	start = fe_now();
	for (int i = 0; i < 2; i++) {
		load_run(&load, 1, BESIDE_MS, NULL);
		admin_conf(s, "w", POOL, "");
		admin_conf_guest(s, "vm0", with);
		admin_reload(s, "reloaded, 1 guest");
		n = load.bytes;
		egd += take_beside(&p, &load);
		beside += load.bytes - n;
		admin_conf(s, "w", POOL, "");
		admin_conf_guest(s, "vm0", SHARE);
		admin_reload(s, "reloaded, 1 guest");
	}
	most = BURST + RATE * (fe_now() - start) / 1000;
	total = load.bytes + egd;
	print_message("# %ju of %ju bytes; %ju beside %ju\n", (uintmax_t)total,
	    (uintmax_t)most, (uintmax_t)egd, (uintmax_t)beside);
	assert_in_range(total, most * 7 / 10, most + 2);
	/* The worker waits a quarter of a second before its first client. */
	assert_in_range(egd, beside * 2 / 5, beside);
	suite_pass(s);
}

/* A service goes to another address, and name, with a client at its port. */
static void
test_same_port(void **state)
{
	static const struct {
		const char *name;
		const char *rest;
	} services[] = {
		{ "e", "" },
		{ "e", "tcp = 0.0.0.0 allow = 127.0.0.0/8" },
		{ "f", "tcp = 0.0.0.0 allow = 127.0.0.0/8" },
		{ "f", "" },
	};
	struct suite *s = *state;
	struct place p;
	unsigned int port;
	char byte;
	int fd = -1;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	port = ntohs(((struct sockaddr_in *)&p.addr)->sin_port);
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		admin_conf(s, "w", POOL "egd \"%s\" { port = %u %s }\n", "",
		    services[i].name, port, services[i].rest);
		if (i == 0)
			admin_start(s);
		else {
			admin_reload(s, ": reloaded, ");
			assert_true(read(fd, &byte, 1) <= 0);
			close(fd);
		}
		fd = place_connect(&p);
		take(fd, 255);
	}
	close(fd);
	/* An address that there is not changes nothing. */
	admin_conf(s, "w",
	    POOL "egd \"f\" { tcp = 203.0.113.1 port = %u "
		 "allow = 127.0.0.0/8 }\n",
	    "", port);
	admin_reload(s, "keeping the running configuration");
	serves(&p);
	suite_pass(s);
}

/* A port that is free, and that only the superuser may listen at; or 0. */
static unsigned int
low_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd, r;

	for (unsigned int port = PORT_MAX; port > PORT_MAX / 2; port--) {
		sin.sin_port = htons((uint16_t)port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_not_equal(fd, -1);
		r = bind(fd, (struct sockaddr *)&sin, sizeof(sin));
		close(fd);
		if (r == 0)
			return port;
	}
	return 0;
}

static void
test_low_port(void **state)
{
	struct suite *s = *state;
	struct sockaddr_in *sin;
	struct place p;
	unsigned int port = low_port();

	if (port == 0)
		suite_skip(s, "no privileged port is free");
	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	sin = (struct sockaddr_in *)&p.addr;
	sin->sin_port = htons((uint16_t)port);
	admin_conf(s, "w", POOL "egd \"e\" { port = %u }\n", "", port);
	admin_start(s);
	serves(&p);
	suite_pass(s);
}

/* Coming again gains nothing, even if the worker dies now and then. */
static void
test_again(void **state)
{
	struct suite *s = *state;
	uint64_t began, ms, bytes = 0;
	struct place p;

	place_unix(s, &p, "egd.sock");
	admin_conf(s, "w", POOL "egd \"e\" { %s rate = %u burst = %u }\n", "",
	    p.text, RATE, BURST);
	admin_start(s);
	began = fe_now();
	for (unsigned int i = 1; (ms = fe_now() - began) < LIMITED_MS; i++) {
		serves(&p);
		bytes += 255;
		if (i % 10 != 0)
			continue;
		CHECK(kill(daemon_child(&s->d, EGD_WORKER, NULL), SIGKILL));
		CHECK(daemon_log_wait(&s->d, "died of signal 9", i / 10,
		    FE_TIMEOUT_MS));
	}
	assert_in_range(bytes, BURST, BURST + ms * RATE / 1000 + 255);
	suite_pass(s);
}

/* Who waits is served after the entropy process was replaced, in full. */
static void
test_replaced(void **state)
{
	struct suite *s = *state;
	struct place p;
	int fd;

	place_unix(s, &p, "egd.sock");
	admin_conf(s, "w", POOL "egd \"e\" { %s rate = %u burst = 64 }\n", "",
	    p.text, RATE);
	admin_start(s);
	fd = place_connect(&p);
	for (size_t i = 1; i < 4; i++) {
		take(fd, 255);
		CHECK(kill(daemon_child(&s->d, ROLE_ENTROPY, NULL), SIGKILL));
		take(fd, 255);
		CHECK(daemon_log_wait(&s->d, "starting another", i,
		    FE_TIMEOUT_MS));
	}
	close(fd);
	suite_pass(s);
}

/* A stream connects as soon as a peer listens, and again. */
static void
test_connects(void **state)
{
	struct suite *s = *state;
	struct place p;
	uint64_t began;
	uint8_t bytes[4096];
	int fd;

	place_unix(s, &p, "peer.sock");
	admin_conf(s, "w", POOL "stream \"out\" { connect = yes %s }\n", "",
	    p.text);
	admin_start(s);
	admin_await(s, "cannot connect to", 0);
	place_listen(&p);
	began = fe_now();
	for (int i = 0; i < 2; i++) {
		fd = place_accept(&p);
		assert_true(fe_now() - began < AGAIN_MS);
		assert_true(read(fd, bytes, sizeof(bytes)) > 0);
		close(fd);
		began = fe_now();
	}
	place_leave(&p);
	suite_pass(s);
}

/* Where the worker's writes go: whether it has the device open. */
static bool
writes_to(struct suite *s, const char *device)
{
	pid_t pid = daemon_child(&s->d, EGD_WORKER, NULL);
	char link[64];
	struct stat st, want;

	CHECK(stat(device, &want));
	for (int fd = 0; fd < 64; fd++) {
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
		if (stat(link, &st) == 0 && S_ISCHR(st.st_mode) &&
		    st.st_rdev == want.st_rdev)
			return true;
	}
	return false;
}

/* What clients write goes to the kernel only if the pool says so. */
static void
test_writes(void **state)
{
	const uint8_t write03[] = { 3, 0, 40, 5, 'h', 'e', 'l', 'l', 'o' };
	struct suite *s = *state;
	struct place p;
	int fd;

	place_unix(s, &p, "egd.sock");
	admin_conf(s, "w", POOL "egd \"e\" { %s }\n", "", p.text);
	admin_start(s);
	fd = place_connect(&p);
	take(fd, 16);
	assert_false(writes_to(s, "/dev/urandom"));
	admin_conf(s, "w", POOL "egd \"e\" { %s }\n", "accept-writes = yes",
	    p.text);
	admin_reload(s, ": reloaded, ");
	assert_int_equal(write(fd, write03, sizeof(write03)), sizeof(write03));
	take(fd, 16);
	assert_true(writes_to(s, "/dev/urandom"));
	admin_conf(s, "w", POOL "egd \"e\" { %s }\n", "", p.text);
	admin_reload(s, ": reloaded, ");
	take(fd, 16);
	assert_false(writes_to(s, "/dev/urandom"));
	close(fd);
	suite_pass(s);
}

/* How often the daemon's process went to sleep. */
static unsigned long
sleeps(struct suite *s)
{
	char text[32];

	CHECK(proc_status(s->d.pid, "voluntary_ctxt_switches", text,
	    sizeof(text)));
	return strtoul(text, NULL, 10);
}

/* A stream has all of a high ceiling, but not in little pieces. */
static void
test_throttled(void **state)
{
	struct suite *s = *state;
	static uint8_t bytes[65536];
	uint64_t got = 0, end;
	unsigned long slept;
	struct place p;
	ssize_t n;
	int fd;

	place_unix(s, &p, "stream");
	admin_conf(s, "w", POOL "stream \"s\" { %s ceil = 1M }\n", "", p.text);
	admin_start(s);
	fd = place_connect(&p);
	/* From a drained bucket. */
	for (end = fe_now() + 500; fe_now() < end;)
		CHECK(read(fd, bytes, sizeof(bytes)) <= 0);
	slept = sleeps(s);
	for (end = fe_now() + LIMITED_MS; fe_now() < end; got += (uint64_t)n)
		assert_true((n = read(fd, bytes, sizeof(bytes))) > 0);
	slept = sleeps(s) - slept;
	print_message("# %llu bytes, %lu sleeps\n", (unsigned long long)got,
	    slept);
	assert_true(got > (uint64_t)900 * LIMITED_MS);
	/* Grants of 64 bytes would be 16,000 a second. */
	assert_true(slept < (unsigned long)4000 * LIMITED_MS / 1000);
	close(fd);
	suite_pass(s);
}

/* Has a descriptor wait in a queue, as a service of root with few may. */
static void
pass_one(void)
{
	const struct rlimit limit = { FILES, FILES };
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };
	struct deposit_parts parts = { .n = 1, .ids = { 1 }, .fds = { 0 } };
	int fd;

	closefrom(STDERR_FILENO + 1);
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1 ||
	    syscall(SYS_capset, &hdr, none) == -1)
		_exit(2);
	_exit((fd = deposit_make()) == -1 || deposit_put(fd, &parts) == -1);
}

static void
passes(void)
{
	int status;
	pid_t pid;

	if ((pid = fork()) == 0)
		pass_one();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/*
 * Kept connections do not count against others: no more descriptors of root may
 * wait in queues than the process that sends one may open.
 */
static void
test_kept(void **state)
{
	struct suite *s = *state;
	struct place p;
	int fds[2 * FILES];

	if (getuid() != 0)
		suite_skip(s, "only a process of root counts with others");
	place_unix(s, &p, "e.sock");
	admin_conf(s, "w", POOL "egd \"e\" { %s max-clients = 1024 }\n", "",
	    p.text);
	admin_start(s);
	passes();
	for (size_t i = 0; i < 2 * FILES; i++) {
		fds[i] = place_connect(&p);
		take(fds[i], 16);
	}
	passes();
	for (size_t i = 0; i < 2 * FILES; i++)
		close(fds[i]);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_at_once),
		SUITE_EMPTY(test_same_path),
		SUITE_EMPTY(test_two_sockets),
		SUITE_EMPTY(test_same_port),
		SUITE_EMPTY(test_low_port),
		SUITE_EMPTY(test_again),
		SUITE_EMPTY(test_replaced),
		SUITE_EMPTY(test_connects),
		SUITE_EMPTY(test_writes),
		SUITE_EMPTY(test_throttled),
		SUITE_EMPTY(test_kept),
	};

	return SUITE_MAIN("outlets", tests);
}
