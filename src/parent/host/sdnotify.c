/*
 * The queue of messages to the service manager (sdnotify.h).  Used by store.c,
 * deferred_close.c, control/notify.c and main.c.
 *
 * A process has one manager, whose address is in the environment, so there is
 * one queue.
 */
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd_passing.h"
#include "parent/host/sdnotify.h"
#include "parent/host/timer.h"

#define MESSAGE_SIZE 512 /* bytes, with the terminating NUL */
#define FLUSH_TIME   (100 * NS_PER_MS)
#define RETRY_TIME   NS_PER_SEC /* interval of attempts without a receiver */

enum message_kind {
	MESSAGE_LIFE,
	MESSAGE_STATUS,
	MESSAGE_WATCHDOG,
	MESSAGE_STORE,
	MESSAGE_UNSTORE,
	MESSAGE_BARRIER,
};

struct message {
	TAILQ_ENTRY(message) entry;
	enum message_kind kind;
	int fd; /* sent with it, or -1 */
	int ends; /* read end for a barrier: at its end when fd is closed; or -1 */
	const char *name; /* name in the text, of a descriptor to store */
	char text[MESSAGE_SIZE];
};

TAILQ_HEAD(messages, message);

static struct {
	struct messages messages;
	int fd;	       /* connected to the manager; -1: none */
	bool ready;    /* this is initialized */
	bool reported; /* a failure was logged, until a message is sent */
	sd_event *event;
	sd_event_source *room; /* waits for room; NULL: none */
	struct timer retry;
} queue;

static void
init(void)
{
	if (queue.ready)
		return;
	queue.ready = true;
	queue.fd = -1;
	TAILQ_INIT(&queue.messages);
}

bool
sdnotify_available(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path != NULL && (path[0] == '/' || path[0] == '@');
}

static void
disconnect(void)
{
	queue.room = sd_event_source_disable_unref(queue.room);
	if (queue.fd != -1)
		close(queue.fd);
	queue.fd = -1;
}

static int
connect_manager(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;

	if (path == NULL ||
	    (len = strlcpy(sun.sun_path, path, sizeof(sun.sun_path))) >=
		sizeof(sun.sun_path)) {
		errno = EINVAL;
		return -1;
	}
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	queue.fd =
	    socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (queue.fd == -1)
		return -1;
	if (connect(queue.fd, (struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return 0;
	disconnect();
	return -1;
}

static int
send_once(const struct message *m)
{
	union fd_passing place;
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)m->text,
		.iov_len = strlen(m->text),
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (queue.fd == -1 && connect_manager() == -1)
		return -1;
	fd_passing_put(&msg, &place, &m->fd, m->fd != -1);
	return sendmsg(queue.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? -1
									  : 0;
}

/* Returns 0 or an errno.  A restarted manager has a new socket. */
static int
send_message(const struct message *m)
{
	int error = 0;

	for (int tries = 0; tries < 2; tries++) {
		if (send_once(m) == 0)
			return 0;
		error = errno;
		if (error != ECONNREFUSED && error != ENOTCONN &&
		    error != ECONNRESET && error != EPIPE)
			break;
		disconnect();
	}
	return error;
}

/*
 * Closes a descriptor that is not the last copy: a session is removed from the
 * store before its own descriptor is closed, so the close does not block.
 */
static void
drop(struct message *m)
{
	TAILQ_REMOVE(&queue.messages, m, entry);
	if (m->fd != -1)
		close(m->fd);
	if (m->ends != -1)
		close(m->ends);
	free(m);
}

static void send_waiting(void);

static int
room_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source, (void)fd, (void)revents, (void)arg;
	queue.room = sd_event_source_disable_unref(queue.room);
	send_waiting();
	return 0;
}

static void
retry(void *arg)
{
	(void)arg;
	send_waiting();
}

/* Continues when there is room or, without a receiver, after an interval. */
static void
go_on_later(int error)
{
	if (queue.event == NULL || queue.room != NULL)
		return;
	if (error == EAGAIN &&
	    sd_event_add_io(queue.event, &queue.room, queue.fd, EPOLLOUT,
		room_event, NULL) >= 0)
		return;
	if (!queue.reported)
		log_warning("cannot notify the service manager, retrying: %s",
		    strerror(error));
	queue.reported = true;
	timer_after(&queue.retry, RETRY_TIME);
}

static void
send_waiting(void)
{
	struct message *m;
	int error;

	while ((m = TAILQ_FIRST(&queue.messages)) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		if ((error = send_message(m)) != 0) {
			go_on_later(error);
			return;
		}
		queue.reported = false;
		drop(m);
	}
}

void
sdnotify_watch(sd_event *event)
{
	init();
	queue.event = event;
	timer_init(&queue.retry, event, retry, NULL);
	send_waiting();
}

static struct message *
find(enum message_kind kind)
{
	struct message *m;

	TAILQ_FOREACH(m, &queue.messages, entry)
		if (m->kind == kind)
			break;
	return m;
}

static struct message *
make(enum message_kind kind)
{
	struct message *m = calloc(1, sizeof(*m));

	if (m == NULL)
		log_fatal("out of memory for a message to the service manager");
	m->kind = kind;
	m->fd = m->ends = -1;
	return m;
}

static void
push(struct message *m)
{
	TAILQ_INSERT_TAIL(&queue.messages, m, entry);
	send_waiting();
}

void
sdnotify_send(const char *fmt, ...)
{
	struct message *m;
	va_list ap;

	init();
	if (!sdnotify_available())
		return;
	m = make(MESSAGE_LIFE);
	va_start(ap, fmt);
	vsnprintf(m->text, sizeof(m->text), fmt, ap);
	va_end(ap);
	push(m);
}

void
sdnotify_status(const char *text)
{
	struct message *m;

	init();
	if (!sdnotify_available())
		return;
	if ((m = find(MESSAGE_STATUS)) != NULL)
		drop(m);
	m = make(MESSAGE_STATUS);
	snprintf(m->text, sizeof(m->text), "STATUS=%s", text);
	push(m);
}

void
sdnotify_watchdog(void)
{
	struct message *m;

	init();
	if (!sdnotify_available() || find(MESSAGE_WATCHDOG) != NULL)
		return;
	m = make(MESSAGE_WATCHDOG);
	strlcpy(m->text, "WATCHDOG=1", sizeof(m->text));
	push(m);
}

/* Finds a message about a stored name. */
static struct message *
make_named(enum message_kind kind, const char *what, const char *name)
{
	struct message *m = make(kind);
	int n;

	n = snprintf(m->text, sizeof(m->text), "%s=1\nFDNAME=", what);
	m->name = m->text + n;
	strlcpy(m->text + n, name, sizeof(m->text) - (size_t)n);
	return m;
}

int
sdnotify_store(const char *name, int fd)
{
	struct message *m;
	int copy;

	init();
	if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1)
		return -1;
	m = make_named(MESSAGE_STORE, "FDSTORE", name);
	m->fd = copy;
	push(m);
	return 0;
}

void
sdnotify_unstore(const char *name)
{
	struct message *m;

	init();
	TAILQ_FOREACH(m, &queue.messages, entry)
		if (m->kind == MESSAGE_STORE && strcmp(m->name, name) == 0) {
			drop(m);
			return;
		}
	push(make_named(MESSAGE_UNSTORE, "FDSTOREREMOVE", name));
}

size_t
sdnotify_waiting(const char *prefix)
{
	const struct message *m;
	size_t n = 0;

	init();
	TAILQ_FOREACH(m, &queue.messages, entry)
		n += m->kind == MESSAGE_STORE &&
		    strncmp(m->name, prefix, strlen(prefix)) == 0;
	return n;
}

/* The manager closes the descriptor of a barrier when it processes it. */
int
sdnotify_barrier(void)
{
	struct message *m;
	int ends[2], copy;

	init();
	if (!sdnotify_available())
		return -1;
	m = TAILQ_LAST(&queue.messages, messages);
	if (m != NULL && m->kind == MESSAGE_BARRIER)
		return fcntl(m->ends, F_DUPFD_CLOEXEC, 0);
	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	m = make(MESSAGE_BARRIER);
	strlcpy(m->text, "BARRIER=1", sizeof(m->text));
	m->ends = ends[0];
	m->fd = ends[1];
	copy = fcntl(m->ends, F_DUPFD_CLOEXEC, 0);
	push(m);
	return copy;
}

void
sdnotify_flush(void)
{
	struct pollfd pfd = { .events = POLLOUT };
	uint64_t now = clock_now(), deadline = now + FLUSH_TIME;

	init();
	while (!TAILQ_EMPTY(&queue.messages) && now < deadline) {
		pfd.fd = queue.fd;
		if (poll(&pfd, 1, (int)((deadline - now) / NS_PER_MS) + 1) > 0)
			send_waiting();
		now = clock_now();
	}
}

void
sdnotify_close(void)
{
	struct message *m;

	init();
	while ((m = TAILQ_FIRST(&queue.messages)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		drop(m);
	timer_free(&queue.retry);
	disconnect();
	queue.event = NULL;
}
