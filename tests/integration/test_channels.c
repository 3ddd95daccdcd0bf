/*
 * Children that were taken over try to pass the parent a descriptor whose
 * closing takes half a minute.  This program replaces theirs; for any
 * it tries, the parent does not wait.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <bsd/string.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/deposit.h"
#include "common/fd_passing.h"
#include "integration/admin.h"
#include "integration/hostile.h"

#undef ROLE_VHOST /* the number, not the name */

#define END_MS 3000 /* for the daemon, all of it */
/* The log of the parent after it has read all frames. */
#define TRIED "tried: "

static const char *const roles[] = { "vrngd-entropy", "vrngd-vhost",
	"vrngd-egd", "vrngd-status" };
#define ROLES (sizeof(roles) / sizeof(*roles))

/* Passes the descriptor, with bytes that make a frame.  Returns an errno. */
static int
pass(int to, int fd)
{
	union fd_passing place;
	struct frame f;
	struct iovec iov = { .iov_base = &f };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	frame_init(&f, PROTO_LOG, 0, 0);
	iov.iov_len = f.hdr.length;
	fd_passing_put(&msg, &place, &fd, 1);
	return sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? errno : 0;
}

static int
pass_many(int to, int fd)
{
	union fd_passing place;
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct mmsghdr msgs = { .msg_hdr = { .msg_iov = &iov,
				    .msg_iovlen = 1 } };

	fd_passing_put(&msgs.msg_hdr, &place, &fd, 1);
	return sendmmsg(to, &msgs, 1, MSG_DONTWAIT) == -1 ? errno : 0;
}

/* Into the guest's deposit, which only a vhost worker has. */
static void
pass_by_deposit(int fd)
{
	struct deposit_parts parts = { .n = 1, .ids = { 1 }, .fds = { fd } };
	struct pollfd pfd = { .fd = CHANNEL_FD, .events = POLLIN };
	struct frame f;

	while (poll(&pfd, 1, 1000) == 1) {
		if (channel_recv(CHANNEL_FD, &f, ROLE_PARENT, ROLE_VHOST) !=
		    CHANNEL_FRAME)
			return;
		if (f.hdr.type == PROTO_START) {
			deposit_put(f.fds[0], &parts);
			return;
		}
	}
}

/*
 * This program in the place of a child.  It closes the descriptor itself, so
 * that what it passed is the last of it.
 */
static _Noreturn void
attack(bool vhost)
{
	struct pollfd pfd = { .fd = CHANNEL_FD, .events = POLLIN };
	int peer, fd = hostile_lingering(&peer);
	struct frame f;

	frame_init(&f, PROTO_LOG, 0, 0);
	snprintf(f.u.log.text, sizeof(f.u.log.text), TRIED "%s, %s, %s, %s",
	    strerrorname_np(pass(CHANNEL_FD, fd)),
	    strerrorname_np(pass_many(CHANNEL_FD, fd)),
	    strerrorname_np(pass(CHANNEL_UP_FD, fd)),
	    strerrorname_np(pass_many(CHANNEL_UP_FD, fd)));
	if (vhost)
		pass_by_deposit(fd);
	if (channel_tell(CHANNEL_UP_FD, &f) == -1)
		_exit(1);
	close(fd);
	/* Until the parent is done with it, the connection has its peer. */
	while (poll(&pfd, 1, -1) == 1 && recv(CHANNEL_FD, &f, sizeof(f), 0) > 0)
		continue;
	_exit(0);
}

/* A directory of programs, of which one is this one. */
static void
replace(struct suite *s, const char *role)
{
	char path[PATH_MAX], link[PATH_MAX];

	for (size_t i = 0; i < ROLES; i++) {
		snprintf(path, sizeof(path), "%s/%s", s->d.libexec, roles[i]);
		if (strcmp(roles[i], role) == 0)
			assert_non_null(realpath("/proc/self/exe", path));
		snprintf(link, sizeof(link), "%s/%s", s->d.dir, roles[i]);
		CHECK(symlink(path, link));
	}
	strlcpy(s->d.libexec, s->d.dir, sizeof(s->d.libexec));
}

/* A daemon of which one role is taken over, once that has done its worst. */
static void
taken_over(struct suite *s, const char *role)
{
	uint64_t start;

	replace(s, role);
	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n"
	    "egd \"e\" { unix = \"%s/egd.sock\" }\n",
	    s->d.dir);
	admin_conf_guest(s, "vm0", "");
	CHECK(daemon_spawn(&s->d,
	    (const char *const[]){ "-C", "@conf", "--control", "@control",
		NULL }));
	if (strcmp(role, "vrngd-entropy") != 0)
		CHECK(daemon_log_wait(&s->d, "ready: ", 1, FE_TIMEOUT_MS));
	if (strcmp(role, "vrngd-vhost") == 0)
		CHECK(fe_connect(&s->fe, daemon_path(&s->d, "vm0.sock")));
	if (strcmp(role, "vrngd-egd") == 0)
		CHECK(fe_connect(&s->fe, daemon_path(&s->d, "egd.sock")));
	CHECK(daemon_log_wait(&s->d, TRIED "EPIPE, EPIPE, ENOTSOCK, ENOTSOCK",
	    1, FE_TIMEOUT_MS));
	start = fe_now();
	daemon_stop(&s->d, SIGTERM);
	assert_in_range(fe_now() - start, 0, END_MS);
	suite_pass(s);
}

static void
test_entropy(void **state)
{
	taken_over(*state, "vrngd-entropy");
}

static void
test_vhost(void **state)
{
	taken_over(*state, "vrngd-vhost");
}

static void
test_egd(void **state)
{
	taken_over(*state, "vrngd-egd");
}

static void
test_status(void **state)
{
	taken_over(*state, "vrngd-status");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_entropy),
		SUITE_EMPTY(test_vhost),
		SUITE_EMPTY(test_egd),
		SUITE_EMPTY(test_status),
	};

	for (size_t i = 0; argc > 0 && i < ROLES; i++)
		if (strcmp(basename(argv[0]), roles[i]) == 0)
			attack(strcmp(roles[i], "vrngd-vhost") == 0);
	return SUITE_MAIN("channels", tests);
}
