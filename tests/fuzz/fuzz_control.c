/*
 * The control socket with all of its connections: the input is a script of
 * clients that send anything, descriptors too, and read what they like.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/fd_passing.h"
#include "fuzz/fuzz.h"
#include "parent/control/control.h"
#include "parent/control/control_check.h"
#include "parent/host/deferred_close.h"

#define PLACES	  40 /* more than there may be clients */
#define STEPS_MAX 128
#define FDS_MAX	  256 /* open at the same time */
#define WAIT_MAX  1000
#define WAIT_TIME 10000 /* us, for a process that receives a descriptor */

struct peer {
	int fd;		       /* -1: none */
	unsigned int requests; /* sent, and not answered */
	bool adopts;	       /* one of them passes a descriptor */
};

static struct {
	sd_event *event;
	struct control ctl;
	struct peer peers[PLACES];
	char dir[32], path[64];
	uint8_t behaviour; /* of the handler */
	bool strangers;	   /* clients are of another user */
	pid_t children[STEPS_MAX];
	size_t nchildren;
	int deferred[FDS_MAX]; /* to close */
	size_t ndeferred;
} f;

/* In place of the C library's: notes the process. */
pid_t
fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid > 0)
		f.children[f.nchildren++] = pid;
	return pid;
}

/* In place of the C library's: strangers have no rights. */
int
getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	int r = (int)syscall(SYS_getsockopt, fd, level, option, value, len);

	if (r == 0 && level == SOL_SOCKET && option == SO_PEERCRED)
		((struct ucred *)value)->uid = f.strangers ? 54321 : geteuid();
	return r;
}

/* In place of short-lived processes. */
void
deferred_close(sd_event *event, int fd)
{
	deferred_close_unstored(event, fd);
}

void
deferred_close_unstored(sd_event *event, int fd)
{
	(void)event;
	CHECK(f.ndeferred < FDS_MAX);
	if (fd != -1)
		f.deferred[f.ndeferred++] = fd;
}

/* After the round of the event loop. */
static void
close_deferred(void)
{
	while (f.ndeferred > 0)
		CHECK(close(f.deferred[--f.ndeferred]) == 0);
}

static int
handle(struct control_answer *a, const struct control_request *req, int *fd,
    void *arg)
{
	const char *why;
	int listens = 0;
	socklen_t len = sizeof(listens);

	(void)arg;
	CHECK(!f.strangers);
	CHECK(control_check(req, sizeof(*req), &why) == 0);
	CHECK(*fd == -1 || req->command == CONTROL_GUEST_ADOPT);
	if (*fd != -1)
		CHECK(getsockopt(*fd, SOL_SOCKET, SO_ACCEPTCONN, &listens,
			  &len) == 0 &&
		    listens == 1);
	for (unsigned int i = 0; i < f.behaviour % 16 * 300U; i++)
		control_say(a, "guest %s: %u: %s", req->name, i, req->socket);
	if (f.behaviour >= 128 && *fd != -1) {
		close(*fd);
		*fd = -1;
	}
	return f.behaviour / 16 % 2 == 0 ? 0 : EEXIST;
}

static void
run(void)
{
	while (sd_event_run(f.event, 0) > 0)
		close_deferred();
	close_deferred();
	CHECK(f.ctl.nclients <= CONTROL_CLIENTS_MAX);
}

static void
peer_close(struct peer *p)
{
	if (p->fd != -1)
		close(p->fd);
	*p = (struct peer){ .fd = -1 };
}

static void
peer_connect(struct peer *p)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	peer_close(p);
	p->fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(p->fd != -1);
	strlcpy(sun.sun_path, f.path, sizeof(sun.sun_path));
	/* A full queue, or no file. */
	if (connect(p->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		peer_close(p);
}

/* Reads an answer. */
static void
peer_read(struct peer *p)
{
	static struct control_reply reply;
	ssize_t n;

	if (p->fd == -1)
		return;
	n = recv(p->fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (n == 0)
		peer_close(p);
	if (n <= 0)
		return;
	CHECK(p->requests > 0);
	p->requests--;
	p->adopts = false;
	CHECK(n > (ssize_t)offsetof(struct control_reply, text));
	n -= (ssize_t)offsetof(struct control_reply, text);
	CHECK(reply.version == CONTROL_VERSION);
	CHECK(memchr(reply.text, '\0', (size_t)n) == reply.text + n - 1);
	CHECK(n == 1 || reply.text[n - 2] == '\n');
}

static int
listening(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* An abstract name of the kernel's choice. */
	CHECK(fd != -1 &&
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun.sun_family)) == 0 &&
	    listen(fd, 1) == 0);
	return fd;
}

static void
peer_send(struct peer *p, const void *bytes, size_t n, uint8_t how)
{
	union fd_passing place;
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[4] = { -1, -1, -1, -1 };
	size_t nfds = how % 4;

	if (p->fd == -1)
		return;
	for (size_t i = 0; i < nfds; i++) {
		fds[i] = how / 4 % 4 == 0 ? memfd_create("any", MFD_CLOEXEC)
		    : how / 4 % 4 == 1	  ? dup(p->fd)
					  : listening();
		CHECK(fds[i] != -1);
	}
	fd_passing_put(&msg, &place, fds, nfds);
	if (sendmsg(p->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != -1)
		p->requests++;
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	p->adopts |= nfds > 0;
}

/* A request that may be in order, with a part of it changed. */
static void
send_request(struct peer *p, struct input *in)
{
	struct control_request req = { .version = CONTROL_VERSION,
		.name = "vm1",
		.socket = "/run/s" };
	uint8_t how, where;
	size_t n = sizeof(req);

	req.command = input_u8(in) % 10;
	req.log_level = req.command;
	how = input_u8(in);
	if (how / 16 % 4 == 1) {
		where = input_u8(in);
		input_copy(in, (uint8_t *)&req + where, how / 64 + 1U);
	} else if (how / 16 % 4 == 2)
		n = input_u16(in) % (sizeof(req) + 4);
	if (n <= sizeof(req))
		peer_send(p, &req, n, how % 16);
	else {
		static uint8_t more[sizeof(req) + 4];

		memcpy(more, &req, sizeof(req));
		peer_send(p, more, n, how % 16);
	}
}

/* Until the next answer, or the end of the connection. */
static void
await(struct peer *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

	run();
	if (p->fd == -1 || !p->adopts)
		return;
	for (int i = 0; poll(&pfd, 1, 0) == 0; i++) {
		CHECK(i < WAIT_MAX);
		sd_event_run(f.event, WAIT_TIME);
		close_deferred();
	}
}

static void
act(struct input *in)
{
	uint8_t action = input_u8(in), bytes[256];
	struct peer *p = &f.peers[input_u8(in) % PLACES];
	size_t n;

	switch (action % 8) {
	case 0:
		peer_connect(p);
		run();
		break;
	case 1:
	case 2:
		send_request(p, in);
		break;
	case 3:
		n = input_u8(in);
		input_copy(in, bytes, n);
		/* An empty frame is an end, as for any reader. */
		peer_send(p, bytes, n + 1, action / 8 % 16);
		break;
	case 4:
		peer_read(p);
		break;
	case 5:
		peer_close(p);
		break;
	case 6:
		f.behaviour = input_u8(in);
		if (f.behaviour % 16 == 15) {
			unlink(f.path);
			CHECK(control_bind_again(&f.ctl) == 0);
		}
		break;
	default:
		await(p);
		break;
	}
}

/* Waits for the end of short-lived processes. */
static void
reap(void)
{
	siginfo_t si;
	int tries = 0;

	while (f.nchildren > 0) {
		CHECK(tries++ < WAIT_MAX);
		if (waitid(P_PID, (id_t)f.children[f.nchildren - 1], &si,
			WEXITED | WNOWAIT | WNOHANG) == -1)
			f.nchildren--;
		else
			sd_event_run(f.event, WAIT_TIME);
		close_deferred();
	}
}

static int
count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < FDS_MAX; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
begin(struct input *in)
{
	sigset_t set;

	fuzz_quiet();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	memset(&f, 0, sizeof(f));
	for (int i = 0; i < PLACES; i++)
		f.peers[i].fd = -1;
	f.strangers = input_u8(in) % 8 == 7;
	strlcpy(f.dir, "/tmp/vrngd-fuzz.XXXXXX", sizeof(f.dir));
	CHECK(mkdtemp(f.dir) != NULL);
	snprintf(f.path, sizeof(f.path), "%s/control", f.dir);
	CHECK(sd_event_new(&f.event) >= 0);
	CHECK(control_open(&f.ctl, f.event, f.path, (uid_t)-1, handle, NULL) ==
	    0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	int nfds = count_fds();

	begin(&in);
	for (int i = 0; in.left > 0 && i < STEPS_MAX; i++)
		act(&in);
	run();
	control_close(&f.ctl);
	close_deferred();
	reap();
	sd_event_unref(f.event);
	for (int i = 0; i < PLACES; i++)
		peer_close(&f.peers[i]);
	CHECK(rmdir(f.dir) == 0);
	CHECK(count_fds() == nfds);
	return 0;
}
