/*
 * The status process: serves those who monitor the daemon, on the socket that
 * the parent made.  It asks the parent for the status, and passes it on
 * unread; what clients send is parsed here, and nothing else is done with it.
 * Started by the parent, once.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/child.h"
#include "status/client.h"
#include "status/filter.h"

#define NOFILE (CLIENTS_LIMIT + 16)
/* After an error of accept(2), such as too many open files. */
#define ACCEPT_PAUSE NS_PER_SEC

/* Data of epoll events; of clients it is the client. */
static char channel_data, up_data, listener_data;

/* The parent watches over it while clients may make it wait. */
static struct child_watch supervision;

struct status_process {
	struct server server;
	int epoll_fd;
	int listen_fd;
	uint64_t accept_at; /* ns, when to accept again; 0: now */
	bool unasked;	    /* a question has not been sent, for which */
	bool full;	    /* the channel had no room, or for an answer */
};

static void
watch(int epoll_fd, int op, int fd, uint32_t events, void *data)
{
	struct epoll_event ev = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll_fd, op, fd, &ev) == -1)
		log_fatal("epoll_ctl: %s", strerror(errno));
}

/* Frames of the parent: first the socket, then statuses. */
static void
take_frame(struct status_process *p, struct frame *f)
{
	if (f->hdr.type == PROTO_SOCKET && p->listen_fd == -1 &&
	    f->u.socket.kind == SOCKET_LISTENING) {
		p->listen_fd = f->fds[0];
		watch(p->epoll_fd, EPOLL_CTL_ADD, p->listen_fd, EPOLLIN,
		    &listener_data);
		return;
	}
	if (f->hdr.type != PROTO_STATUS || !p->server.asked)
		log_fatal("unexpected %s frame", frame_name(f->hdr.type));
	if (client_answer(&p->server, f->fds[0], f->u.status.size) == -1)
		log_fatal("cannot map the status: %s", strerror(errno));
}

static void
channel_event(struct status_process *p)
{
	enum channel_result result;
	struct frame f;

	while ((result = child_recv(&supervision, &f, ROLE_STATUS)) ==
	    CHANNEL_FRAME)
		take_frame(p, &f);
	if (result != CHANNEL_AGAIN)
		channel_end(result, &f);
}

static void
listener_event(struct status_process *p)
{
	int fd =
	    accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd != -1) {
		client_add(&p->server, fd);
	} else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
		log_error("cannot accept a connection: %s", strerror(errno));
		p->accept_at = clock_now() + ACCEPT_PAUSE;
		watch(p->epoll_fd, EPOLL_CTL_MOD, p->listen_fd, 0,
		    &listener_data);
	}
}

/* Asks the parent, if a client waits for that; later, if there is no room. */
static void
ask(struct status_process *p)
{
	bool full = !child_answer(&supervision);
	struct frame f;

	if (p->unasked || client_ask(&p->server)) {
		frame_init(&f, PROTO_STATUS_ASK, 0, 0);
		p->unasked = channel_tell(CHANNEL_UP_FD, &f) == -1;
		if (p->unasked && errno != EAGAIN)
			channel_lost();
	}
	full = full || p->unasked;
	if (full != p->full)
		watch(p->epoll_fd, EPOLL_CTL_MOD, CHANNEL_UP_FD,
		    full ? EPOLLOUT : 0, &up_data);
	p->full = full;
}

/* What has its time.  Returns the timeout for epoll_wait(2). */
static int
expire(struct status_process *p)
{
	uint64_t now = clock_now(), first = client_expire(&p->server, now), ms;

	if (p->accept_at != 0 && p->accept_at <= now) {
		p->accept_at = 0;
		watch(p->epoll_fd, EPOLL_CTL_MOD, p->listen_fd, EPOLLIN,
		    &listener_data);
	}
	if (p->accept_at != 0 && (first == 0 || p->accept_at < first))
		first = p->accept_at;
	if (first == 0)
		return -1;
	ms = (first - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void
run(struct status_process *p)
{
	struct epoll_event ev;
	int n;

	for (;;) {
		/* One by one: a client may be dropped for the sake of others. */
		n = epoll_wait(p->epoll_fd, &ev, 1, expire(p));
		if (n == -1 && errno != EINTR)
			log_fatal("epoll_wait: %s", strerror(errno));
		if (n == 1 && ev.data.ptr == &channel_data)
			channel_event(p);
		else if (n == 1 && ev.data.ptr == &listener_data)
			listener_event(p);
		else if (n == 1 && ev.data.ptr != &up_data)
			client_event(&p->server, ev.data.ptr, ev.events);
		else if (n == 1 && (ev.events & EPOLLERR) != 0)
			channel_lost();
		ask(p);
	}
}

static void
busy(void)
{
	child_busy(&supervision);
}

int
main(void)
{
	static struct status_process p = { .listen_fd = -1 };
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	size_t n;

	child_start(ROLE_STATUS);
	call_init();
	if ((p.epoll_fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		log_fatal("epoll_create1: %s", strerror(errno));
	server_init(&p.server, p.epoll_fd, busy);
	watch(p.epoll_fd, EPOLL_CTL_ADD, CHANNEL_FD, EPOLLIN, &channel_data);
	watch(p.epoll_fd, EPOLL_CTL_ADD, CHANNEL_UP_FD, 0, &up_data);
	n = status_filter(rules);
	child_ready(rules, n, NOFILE);
	run(&p);
}
