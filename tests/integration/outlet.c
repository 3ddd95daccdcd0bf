/*
 * An egd worker whose parent the tests play.
 */
#include "integration/outlet.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "common/clock.h"
#include "common/deposit.h"
#include "integration/daemon.h"

#define CONSUMER 5
#define LOG_SIZE 65536
#define PACKET	 16384 /* bytes */
#define QUIET_MS 50

uint64_t
outlet_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint8_t
outlet_stream(uint64_t i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint8_t)(z ^ (z >> 31));
}

static void
exec_worker(int channel, int up, bool stops)
{
	const char *dir = getenv("VRNGD_LIBEXEC");
	char path[256];

	snprintf(path, sizeof(path), "%s/vrngd-egd", dir ? dir : ".");
	channel = fcntl(channel, F_DUPFD, CHANNEL_UP_FD + 1);
	up = fcntl(up, F_DUPFD, CHANNEL_UP_FD + 1);
	if (channel == -1 || up == -1 || dup2(channel, CHANNEL_FD) == -1 ||
	    dup2(up, CHANNEL_UP_FD) == -1)
		_exit(127);
	signal(SIGPIPE, SIG_DFL);
	if (stops)
		raise(SIGSTOP);
	execl(path, path, (char *)NULL);
	_exit(127);
}

/* Whether the worker that is sent something has ended; it had unread data. */
static bool
is_gone(int error)
{
	return error == EPIPE || error == ECONNRESET;
}

static void
send_frame(struct outlet *o, const struct frame *f)
{
	for (uint64_t end = outlet_ms() + OUTLET_TIMEOUT;
	     channel_send(o->channel, f) == -1; usleep(1000)) {
		/* A worker that is killed may be gone; outlet_pump() finds it. */
		if (o->revives && is_gone(errno))
			return;
		assert_int_equal(errno, EAGAIN);
		assert_true(outlet_ms() < end);
	}
}

/* Gives it the memory that it counts in. */
static void
send_page(struct outlet *o)
{
	struct frame f;

	frame_init(&f, PROTO_COUNTERS, 0, 0);
	f.fds[0] = o->page_fd;
	send_frame(o, &f);
}

/* Starts a worker. */
static void
spawn(struct outlet *o)
{
	struct frame f;
	int fds[2], up[2];

	assert_int_equal(channel_pair(fds), 0);
	assert_int_equal(channel_up_pair(up), 0);
	o->channel = fds[0];
	o->up = up[0];
	frame_init(&f, PROTO_HELLO, 0, 0);
	f.u.hello.version = PROTO_VERSION;
	f.u.hello.role = ROLE_EGD;
	f.u.hello.log_level = 2;
	f.fds[0] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f.fds[0] != -1);
	send_frame(o, &f);
	close(f.fds[0]);
	send_page(o);
	if ((o->pid = fork()) == 0)
		exec_worker(fds[1], up[1], o->born != NULL);
	assert_true(o->pid > 0);
	close(fds[1]);
	close(up[1]);
	if (o->born != NULL)
		o->born(o);
}

static struct outlet *
begin(void (*born)(struct outlet *))
{
	struct outlet *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	assert_non_null(o->log = calloc(1, LOG_SIZE));
	o->bytes = o->fd = -1;
	o->generation = 6;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		o->kept[i] = -1;
	o->page_fd = memfd_create("counters", MFD_CLOEXEC);
	assert_int_equal(ftruncate(o->page_fd, sizeof(*o->page)), 0);
	o->page =
	    mmap(NULL, sizeof(*o->page), PROT_READ, MAP_SHARED, o->page_fd, 0);
	assert_true(o->page != MAP_FAILED);
	o->saved_fd = memfd_create("clients", MFD_CLOEXEC);
	assert_int_equal(ftruncate(o->saved_fd, CLIENTS_STATE_SIZE), 0);
	o->saved = mmap(NULL, CLIENTS_STATE_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, o->saved_fd, 0);
	assert_true(o->saved != MAP_FAILED);
	o->born = born;
	spawn(o);
	return o;
}

struct outlet *
outlet_start(void)
{
	return begin(NULL);
}

struct outlet *
outlet_traced(void (*born)(struct outlet *))
{
	struct outlet *o = begin(born);

	o->revives = true;
	o->grants = GRANT_ROOM;
	outlet_serve(o, SERVE_EGD, CLIENTS_MAX, 0,
	    (const char *const[]){ "127.0.0.0/8", NULL });
	outlet_limits(o, 512, 1, REQUEST_MAX);
	outlet_bytes(o);
	outlet_clients(o);
	return o;
}

/* Notices the end of the worker. */
static bool
ended(struct outlet *o)
{
	if (o->pid != 0 && waitpid(o->pid, &o->status, WNOHANG) == o->pid)
		o->pid = 0;
	return o->pid == 0;
}

void
outlet_stop(struct outlet *o)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;

	shutdown(o->channel, SHUT_RDWR);
	while (!ended(o) && outlet_ms() < end)
		usleep(1000);
	if (o->pid != 0)
		kill(o->pid, SIGKILL);
	if (o->status != 0 || o->pid != 0)
		print_error("# status %#x, log:\n%s", o->status, o->log);
	assert_int_equal(o->pid, 0);
	assert_int_equal(o->status, 0);
	if (o->path[0] != '\0')
		unlink(o->path);
	close(o->channel);
	close(o->up);
	if (o->bytes != -1)
		close(o->bytes);
	if (o->fd != -1)
		close(o->fd);
	for (uint32_t i = 0; i < o->places; i++)
		if (o->kept[i] != -1)
			close(o->kept[i]);
	munmap((void *)(uintptr_t)o->page, sizeof(*o->page));
	munmap(o->saved, CLIENTS_STATE_SIZE);
	close(o->saved_fd);
	close(o->page_fd);
	free(o->log);
	free(o);
}

void
outlet_send(struct outlet *o, enum proto_type type)
{
	struct frame f;

	frame_init(&f, type, CONSUMER, o->generation);
	send_frame(o, &f);
}

void
outlet_limits(struct outlet *o, uint32_t window, uint32_t request_min,
    uint32_t request_max)
{
	struct frame f;

	frame_init(&f, PROTO_LIMITS, CONSUMER, o->generation);
	f.u.limits.window = window;
	f.u.limits.request_min = request_min;
	f.u.limits.request_max = request_max;
	o->limits = f;
	send_frame(o, &f);
}

void
outlet_bytes(struct outlet *o)
{
	struct frame f;
	int fds[2];

	if (o->bytes != -1)
		close(o->bytes);
	assert_int_equal(channel_pair(fds), 0);
	o->bytes = fds[0];
	o->granted = 0;
	frame_init(&f, PROTO_BYTES, CONSUMER, ++o->generation);
	f.fds[0] = fds[1];
	send_frame(o, &f);
	close(fds[1]);
}

void
outlet_socket(struct outlet *o, enum proto_socket_kind kind, int fd)
{
	struct frame f;

	frame_init(&f, PROTO_SOCKET, CONSUMER, o->generation);
	f.u.socket.kind = kind;
	f.fds[0] = fd;
	send_frame(o, &f);
}

/* Puts the connections of all clients into a deposit. */
static void
put_clients(struct outlet *o, int deposit)
{
	struct deposit_parts parts = { .n = 0 };

	for (uint32_t i = 0; i < o->places; i++) {
		if (o->kept[i] != -1) {
			parts.ids[parts.n] = CLIENT_ID_FIRST + i;
			parts.fds[parts.n++] = o->kept[i];
		}
		if (parts.n < DEPOSIT_PARTS_MAX && i + 1 < o->places)
			continue;
		if (parts.n > 0)
			assert_int_equal(deposit_put(deposit, &parts), 0);
		parts.n = 0;
	}
}

void
outlet_clients(struct outlet *o)
{
	struct frame f;

	frame_init(&f, PROTO_CLIENTS, CONSUMER, 0);
	f.fds[0] = o->saved_fd;
	f.fds[1] = deposit_make();
	assert_int_not_equal(f.fds[1], -1);
	put_clients(o, f.fds[1]);
	send_frame(o, &f);
	close(f.fds[1]);
}

/* Keeps a connection and passes it on. */
static void
keep(struct outlet *o, int fd)
{
	struct frame f;
	uint32_t i = 0;

	while (i < o->places && o->kept[i] != -1)
		i++;
	assert_true(i < CLIENTS_MAX);
	if (i == o->places)
		o->places++;
	o->kept[i] = fd;
	frame_init(&f, PROTO_CLIENT, CONSUMER, 0);
	f.u.client.place = i;
	f.fds[0] = fd;
	send_frame(o, &f);
}

void
outlet_client(struct outlet *o, int fd)
{
	keep(o, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/* Accepts those who have connected. */
static void
accept_clients(struct outlet *o)
{
	int fd;

	while (o->accepts && o->pid != 0 &&
	    (fd = accept4(o->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) !=
		-1)
		keep(o, fd);
}

void
outlet_give(struct outlet *o, size_t n)
{
	uint8_t packet[PACKET];
	size_t len;

	while (n > 0) {
		for (len = 0; len < n && len < sizeof(packet); len++)
			packet[len] = outlet_stream(o->given + len);
		if (send(o->bytes, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		    -1) {
			assert_true(errno == EAGAIN || is_gone(errno));
			return;
		}
		o->given += len;
		o->granted += len;
		n -= len;
	}
}

/* Grants what the parent is to grant by itself. */
static void
grant(struct outlet *o)
{
	uint64_t n = 0, total = o->want.need;

	if (o->grants == GRANT_NOTHING || o->bytes == -1)
		return;
	if (o->grants == GRANT_ROOM)
		total = o->want.room;
	if (total > o->granted)
		n = total - o->granted;
	if (o->limit != 0 && n > o->limit - o->given)
		n = o->limit - o->given;
	outlet_give(o, (size_t)n);
}

static void
handle(struct outlet *o, const struct frame *f)
{
	size_t used = strlen(o->log);

	switch (f->hdr.type) {
	case PROTO_LOG:
		snprintf(o->log + used, LOG_SIZE - used, "%s\n", f->u.log.text);
		break;
	case PROTO_WANT:
		assert_int_equal(f->hdr.consumer, CONSUMER);
		o->wants++;
		if (f->hdr.generation != o->generation)
			break;
		o->want = f->u.want;
		assert_true(o->want.room >= o->want.need);
		assert_true(o->want.received <= o->granted);
		grant(o);
		break;
	case PROTO_PONG:
		o->pongs++;
		break;
	case PROTO_BUSY:
		o->busies++;
		break;
	case PROTO_CLIENT_GONE:
		assert_true(f->u.client.place < o->places);
		assert_true(o->kept[f->u.client.place] != -1);
		close(o->kept[f->u.client.place]);
		o->kept[f->u.client.place] = -1;
		o->gone++;
		break;
	case PROTO_READY:
		break;
	default:
		fail_msg("%s from the worker", frame_name(f->hdr.type));
	}
}

/* Handles the frames that there are. */
static void
receive(struct outlet *o)
{
	struct frame f;

	while (channel_hear(o->up, &f, ROLE_EGD) == CHANNEL_FRAME)
		handle(o, &f);
}

void
outlet_revive(struct outlet *o)
{
	const struct frame *serve = &o->serve;

	receive(o);
	close(o->channel);
	close(o->up);
	o->want = (struct proto_want){ 0 };
	o->status = 0;
	o->revived++;
	spawn(o);
	send_frame(o, serve);
	for (uint32_t i = 0; i < serve->u.serve.nallowed; i++)
		send_frame(o, &o->allow[i]);
	send_frame(o, &o->limits);
	outlet_bytes(o);
	outlet_clients(o);
}

void
outlet_pump(struct outlet *o, int ms)
{
	uint64_t end = outlet_ms() + (uint64_t)ms, now;
	struct pollfd pfds[2];

	do {
		accept_clients(o);
		grant(o);
		receive(o);
		if (ended(o) && o->revives) {
			assert_int_equal(o->status, SIGKILL);
			outlet_revive(o);
		}
		now = outlet_ms();
		if (o->pid == 0 || now >= end)
			return;
		pfds[0] = (struct pollfd){ o->up, POLLIN, 0 };
		pfds[1] = (struct pollfd){ o->accepts ? o->fd : -1, POLLIN, 0 };
	} while (poll(pfds, 2, (int)(end - now)) > 0);
}

void
outlet_quiet(struct outlet *o)
{
	struct pollfd pfds[] = { { o->up, POLLIN, 0 },
		{ o->accepts ? o->fd : -1, POLLIN, 0 } };

	/* It has begun, and received all so far. */
	outlet_stats(o);
	while (poll(pfds, 2, QUIET_MS) > 0 && !ended(o))
		outlet_pump(o, 0);
}

void
outlet_until(struct outlet *o, const unsigned int *count, unsigned int was)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;

	while (*count == was && outlet_ms() < end)
		outlet_pump(o, 1);
	assert_true(*count > was);
}

/* Whether it has read all frames and waits for something else to happen. */
static bool
sleeps(const struct outlet *o)
{
	char state[64];
	int unread;

	assert_int_equal(ioctl(o->channel, SIOCOUTQ, &unread), 0);
	return unread == 0 &&
	    proc_status(o->pid, "State", state, sizeof(state)) == 0 &&
	    state[0] == 'S';
}

static void
read_page(struct outlet *o)
{
	const struct counters_page *page = o->page;

	o->stats.counters = page->counters;
	if (page->waiting_since != 0)
		o->stats.counters.wait_ns += clock_now() - page->waiting_since;
	o->stats.clients = page->nclients;
	o->nclients = 0;
	for (uint64_t i = 0; i < page->nplaces; i++)
		if (page->clients[i].since != 0)
			o->clients[o->nclients++] = page->clients[i];
}

const struct outlet_stats *
outlet_stats(struct outlet *o)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;

	outlet_pump(o, 0);
	while (!sleeps(o) && outlet_ms() < end)
		outlet_pump(o, 1);
	outlet_pump(o, 0);
	read_page(o);
	return &o->stats;
}

void
outlet_logged(struct outlet *o, const char *text)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;

	while (strstr(o->log, text) == NULL && outlet_ms() < end)
		outlet_pump(o, 1);
	if (strstr(o->log, text) == NULL)
		fail_msg("no '%s' in the log:\n%s", text, o->log);
}

unsigned int
outlet_end(struct outlet *o, int ms)
{
	uint64_t start = outlet_ms();

	while (!ended(o) && outlet_ms() < start + (uint64_t)ms)
		outlet_pump(o, 1);
	assert_int_equal(o->pid, 0);
	assert_int_equal(o->status, 0);
	outlet_pump(o, 0);
	read_page(o);
	return (unsigned int)(outlet_ms() - start);
}
