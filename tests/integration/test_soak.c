/*
 * All that outsiders have been seen to do to make vrngd wait, mixed at random,
 * while three guests read: over vhost-user, over EGD at a unix socket and over
 * EGD by TCP.  None of them waits longer than a moment, and in the end the
 * daemon has what it had in the beginning.
 *
 * A minute long; ten with VRNGD_LONG in the environment.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"
#include "integration/lingering.h"
#include "integration/manager.h"
#include "integration/reader.h"

#define SECONDS	       60
#define LONG_SECONDS   600
#define WAIT_MS	       (100 * test_patience()) /* for a read, at most */
#define ATTACKERS_MAX  16 /* who pass descriptors, at the same time, */
#define ATTACK_SECONDS 5  /* for so long each */
#define SETTLE_MS      (20000 * test_patience())
/* That the daemon waits for the manager to close what it had, and more. */
#define BARRIER_SECONDS 12
#define RSS_MORE	2048 /* KiB of the parent, in the end */

struct soak {
	struct suite *s;
	uint64_t seed;
	struct reader readers[READERS];
	struct place egd;	 /* of a service that is attacked */
	struct place source;	 /* of a pool of its own */
	struct place monitoring; /* where the status is asked for */
	struct place guests[3];	 /* that are attacked: bad, spare, gone */
	pid_t attackers[ATTACKERS_MAX];
	size_t nattackers;
	/* The daemon's standard error, and who reads it. */
	int log[2];
	pthread_t log_reader;
	atomic_bool log_stopped;
	/* The service manager, which reads now and then. */
	struct manager manager;
	pthread_t manager_reader;
	atomic_bool manager_stopped;
	atomic_bool end; /* of both */
	struct lingering files;
	bool spare; /* is configured */
};

/* Copies what the daemon logs to where the tests look for it. */
static void *
read_log(void *arg)
{
	struct soak *k = arg;
	int to = open(daemon_path(&k->s->d, "log"), O_WRONLY | O_APPEND);
	char text[4096];
	ssize_t n;

	while (!k->end) {
		struct pollfd pfd = { k->log[0], POLLIN, 0 };

		if (k->log_stopped || poll(&pfd, 1, 20) != 1) {
			usleep(1000);
			continue;
		}
		if ((n = read(k->log[0], text, sizeof(text))) <= 0 ||
		    write(to, text, (size_t)n) != n)
			break;
	}
	close(to);
	return NULL;
}

/*
 * Reads what the daemon notifies of, and closes what came with it: that may
 * wait, and no more is read meanwhile.
 */
static void *
read_messages(void *arg)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct soak *k = arg;
	char text[4096];
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	int fd;

	while (!k->end) {
		struct pollfd pfd = { k->manager.fd, POLLIN, 0 };
		struct msghdr msg = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control) };

		if (k->manager_stopped || poll(&pfd, 1, 20) != 1) {
			usleep(1000);
			continue;
		}
		if (recvmsg(k->manager.fd, &msg,
			MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == -1 ||
		    msg.msg_controllen < CMSG_LEN(sizeof(int)))
			continue;
		memcpy(&fd, CMSG_DATA(&control.hdr), sizeof(fd));
		close(fd);
	}
	return NULL;
}

static uint32_t
draw(struct soak *k, uint32_t n)
{
	return hostile_rand(&k->seed) % n;
}

/* Connects, without waiting for who does not accept; -1 if that cannot be. */
static int
visit(const struct place *p)
{
	int fd = socket(p->addr.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd != -1 &&
	    connect(fd, (const struct sockaddr *)&p->addr, p->len) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Sends a byte with a descriptor, and hangs up. */
static void
send_descriptor(int fd, int passed)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .hdr = { .cmsg_len = CMSG_LEN(sizeof(int)),
			  .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS } };
	char byte = '{';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.hdr), &passed, sizeof(passed));
	(void)sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/*
 * The same with one whose last close waits; `sent` is closed when that has been
 * done.
 */
static void
send_lingering(int fd, int sent)
{
	int peer, lingering = hostile_lingering(&peer);

	send_descriptor(fd, lingering);
	close(sent);
	close(lingering);
}

/* Reaps those of attackers that have ended, or all. */
static void
reap(struct soak *k, bool all)
{
	size_t n = 0;

	for (size_t i = 0; i < k->nattackers; i++) {
		if (all)
			kill(k->attackers[i], SIGKILL);
		if (waitpid(k->attackers[i], NULL, all ? 0 : WNOHANG) == 0)
			k->attackers[n++] = k->attackers[i];
	}
	k->nattackers = n;
}

/*
 * Passes such a descriptor to who listens there, in a process of its own, since
 * the last close may be ours.  That has the other end for a while.
 */
static void
pass_to(struct soak *k, const struct place *p)
{
	int fd, sent[2];
	char byte;
	pid_t pid;

	reap(k, false);
	if (k->nattackers == ATTACKERS_MAX || (fd = visit(p)) == -1)
		return;
	CHECK(pipe2(sent, O_CLOEXEC));
	if ((pid = fork()) == 0) {
		alarm(ATTACK_SECONDS);
		close(sent[0]);
		send_lingering(fd, sent[1]);
		pause();
		_exit(0);
	}
	assert_int_not_equal(pid, -1);
	close(fd);
	close(sent[1]);
	assert_int_equal(read(sent[0], &byte, 1), 0);
	close(sent[0]);
	k->attackers[k->nattackers++] = pid;
}

static void
pass_to_monitoring(struct soak *k)
{
	pass_to(k, &k->monitoring);
}

static void
pass_to_service(struct soak *k)
{
	pass_to(k, &k->egd);
}

static void
pass_to_guest(struct soak *k)
{
	pass_to(k, &k->guests[draw(k, 2)]);
}

/* Runs vrngctl, whatever that comes to. */
static void
change(struct soak *k, const char *command)
{
	static char out[65536];

	admin_ctl(k->s, out, sizeof(out), "%s", command);
}

static void
configure(struct soak *k)
{
	admin_conf(k->s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel } }\n"
	    "pool \"other\" { source \"peer\" { type = stream timeout = 1s %s"
	    " listen = yes } }\n"
	    "egd \"unix\" { %s }\negd \"tcp\" { %s }\negd \"bad\" { %s }\n",
	    k->source.text, k->readers[1].place.text, k->readers[2].place.text,
	    k->egd.text);
	admin_conf_guest(k->s, "good", "");
	admin_conf_guest(k->s, "bad", "");
	admin_conf_guest(k->s, "other", "pool = \"other\"");
	if (k->spare)
		admin_conf_guest(k->s, "spare", "");
}

/* What waits at a listener goes away with it. */
static void
remove_listener(struct soak *k)
{
	k->spare = true;
	configure(k);
	change(k, "reload");
	for (size_t i = 0; i < 3; i++)
		pass_to(k, &k->guests[1]);
	k->spare = false;
	configure(k);
	change(k, "reload");
}

/* A guest is removed whose worker does not end. */
static void
remove_guest(struct soak *k)
{
	char command[256];
	pid_t pid;
	int fd;

	snprintf(command, sizeof(command),
	    "guest add gone --socket %s/gone.sock", k->s->d.dir);
	change(k, command);
	if ((fd = visit(&k->guests[2])) != -1) {
		pid = daemon_child_wait(&k->s->d, ROLE_VHOST, "gone", 1000);
		if (pid > 0)
			kill(pid, SIGSTOP);
	}
	change(k, "guest remove gone");
	if (fd != -1)
		close(fd);
}

static void
reconnect(struct soak *k)
{
	int fd;

	for (int i = 0; i < 100; i++)
		if ((fd = visit(&k->guests[0])) != -1)
			close(fd);
}

static void
ask_for_status(struct soak *k)
{
	for (int i = 0; i < 3; i++)
		change(k, "status");
}

/* The log is not read for a while. */
static void
stop_log(struct soak *k)
{
	k->log_stopped = true;
}

static void
continue_log(struct soak *k)
{
	k->log_stopped = false;
}

/* The service manager does not read its notifications. */
static void
stop_manager(struct soak *k)
{
	k->manager_stopped = true;
}

static void
continue_manager(struct soak *k)
{
	k->manager_stopped = false;
}

/* A source that comes and goes, or counts. */
static void
feed(struct soak *k)
{
	uint64_t numbers[1024];
	int fd = visit(&k->source);

	if (fd == -1)
		return;
	for (size_t i = 0; i < 1024; i++)
		numbers[i] = i;
	for (uint32_t i = 0, n = draw(k, 20); i < n; i++)
		(void)send(fd, numbers, sizeof(numbers),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* Clients that do not read, half a command, connections that are dropped. */
static void
crowd(struct soak *k)
{
	int fds[50];

	for (size_t i = 0; i < 50; i++)
		if ((fds[i] = visit(&k->egd)) != -1)
			(void)send(fds[i], "\002\377\002\377\002",
			    1 + draw(k, 5), MSG_DONTWAIT | MSG_NOSIGNAL);
	for (size_t i = 0; i < 50; i++)
		if (fds[i] != -1)
			close(fds[i]);
}

/* The worker of a service that others use hangs. */
static void
stop_service(struct soak *k)
{
	pid_t pid = daemon_child(&k->s->d, "vrngd-egd", "bad");

	if (pid > 0)
		kill(pid, SIGSTOP);
	crowd(k);
}

/* A worker without clients since cannot be known to hang. */
static void
continue_service(struct soak *k)
{
	pid_t pid = daemon_child(&k->s->d, "vrngd-egd", "bad");

	if (pid > 0)
		kill(pid, SIGCONT);
}

static void (*const attacks[])(struct soak *) = {
	pass_to_monitoring,
	pass_to_service,
	pass_to_guest,
	remove_listener,
	remove_guest,
	reconnect,
	ask_for_status,
	stop_log,
	continue_log,
	stop_manager,
	continue_manager,
	feed,
	crowd,
	stop_service,
};

/*
 * Files whose last close does not even end by SIGKILL are passed to guest and
 * service, with a request each.
 */
static void
pass_files(struct soak *k)
{
	const struct place *to[3] = { &k->egd, &k->guests[0], &k->monitoring };
	int fd, file;

	for (size_t i = 0; i < 3; i++) {
		if ((fd = visit(to[i])) == -1)
			continue;
		file = lingering_open(&k->files);
		send_descriptor(fd, file);
		close(file);
	}
	lingering_arm(&k->files);
}

/* In the daemon, before it is run: what it says has readers of its own. */
static void
divert(void *arg)
{
	struct soak *k = arg;

	if (setenv("NOTIFY_SOCKET", k->manager.path, 1) == -1 ||
	    setenv("FDSTORE", "64", 1) == -1)
		_exit(126);
	if (dup2(k->log[1], STDERR_FILENO) == -1)
		_exit(126);
	for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
		close(fd);
}

static void
begin(struct soak *k)
{
	static const char *const names[] = { "bad", "spare", "gone" };
	char name[32];

	readers_place(k->s, k->readers);
	place_unix(k->s, &k->egd, "bad-egd.sock");
	place_unix(k->s, &k->source, "source.sock");
	place_unix(k->s, &k->monitoring, "status");
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s.sock", names[i]);
		place_unix(k->s, &k->guests[i], name);
	}
	configure(k);
	CHECK(pipe2(k->log, O_CLOEXEC));
	manager_open(&k->manager, k->s);
	k->s->d.prepare = divert;
	k->s->d.prepare_arg = k;
}

static void
start(struct soak *k)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		NULL };
	struct stat st;

	CHECK(daemon_spawn(&k->s->d, args));
	for (int i = 0;
	     i < 1000 && stat(daemon_path(&k->s->d, "log"), &st) == -1; i++)
		usleep(10000);
	CHECK(pthread_create(&k->log_reader, NULL, read_log, k));
	CHECK(pthread_create(&k->manager_reader, NULL, read_messages, k));
	CHECK(daemon_log_wait(&k->s->d, " ready: ", 1, DAEMON_TIMEOUT_MS));
}

/* Attacks at random, for so many ms. */
static uint64_t
attack(struct soak *k, uint64_t ms)
{
	const uint32_t n = sizeof(attacks) / sizeof(*attacks);
	uint64_t end = fe_now() + ms, rounds = 0;

	for (; fe_now() < end; rounds++) {
		attacks[draw(k, n)](k);
		usleep(draw(k, 50000));
	}
	return rounds;
}

/* A third of the time with files that cannot be closed. */
static void
attack_all(struct soak *k)
{
	const bool longer = getenv("VRNGD_LONG") != NULL;
	uint64_t third = (longer ? LONG_SECONDS : SECONDS) * 1000 / 3;
	uint64_t rounds = attack(k, third);

	pass_files(k);
	rounds += attack(k, third);
	lingering_unmount(&k->files);
	rounds += attack(k, third);
	continue_log(k);
	continue_manager(k);
	continue_service(k);
	reap(k, true);
	print_message("# %ju attacks\n", (uintmax_t)rounds);
}

static void
test_soak(void **state)
{
	static struct soak k;
	struct usage usage;
	bool good;
	long rss;

	k.s = *state;
	k.seed = program_seed();
	alarm(0);
	if (lingering_mount(&k.files) == -1)
		suite_skip(k.s, "no file system can be mounted by /dev/fuse");
	begin(&k);
	start(&k);
	readers_start(k.readers);
	/* What a first use of each takes stays. */
	for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++)
		attacks[i](&k);
	continue_log(&k);
	continue_manager(&k);
	continue_service(&k);
	sleep(BARRIER_SECONDS);
	daemon_usage(&k.s->d, &usage);
	rss = proc_rss(k.s->d.pid);
	attack_all(&k);
	CHECK(daemon_usage_wait(&k.s->d, &usage, SETTLE_MS));
#ifndef VRNGD_SANITIZE /* which keep what was freed */
	assert_true(proc_rss(k.s->d.pid) <= rss + RSS_MORE);
#else
	(void)rss;
#endif
	good = readers_end(k.readers, (uint64_t)WAIT_MS);
	assert_int_equal(daemon_stop(&k.s->d, SIGTERM), 0);
	k.end = true;
	CHECK(pthread_join(k.log_reader, NULL));
	CHECK(pthread_join(k.manager_reader, NULL));
	manager_close(&k.manager);
	close(k.log[0]);
	close(k.log[1]);
	assert_true(good);
	suite_pass(k.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_soak),
	};

	return SUITE_MAIN("soak", tests);
}
