/*
 * The clients of an egd worker, and where they connect.
 */
#include "integration/outlet.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "integration/daemon.h"

static struct proto_network
network(const char *text)
{
	struct proto_network n = { 0 };
	char address[64];
	struct in_addr in;

	assert_int_equal(sscanf(text, "%63[^/]/%u", address, &n.bits), 2);
	if (inet_pton(AF_INET6, address, n.address) == 1)
		return n;
	assert_int_equal(inet_pton(AF_INET, address, &in), 1);
	n.address[10] = n.address[11] = 0xff;
	memcpy(n.address + 12, &in, 4);
	n.bits += 96;
	return n;
}

void
outlet_serve(struct outlet *o, enum proto_protocol protocol,
    uint32_t max_clients, uint64_t idle_timeout, const char *const *allowed)
{
	struct frame f;
	uint32_t n = 0;

	while (allowed[n] != NULL)
		n++;
	frame_init(&f, PROTO_SERVE, 0, 0);
	f.u.serve.protocol = protocol;
	f.u.serve.max_clients = max_clients;
	f.u.serve.idle_timeout = idle_timeout;
	f.u.serve.nallowed = n;
	f.u.serve.addressed = protocol == SERVE_DATAGRAM;
	f.u.serve.connects = o->connects;
	o->serve = f;
	assert_int_equal(channel_send(o->channel, &f), 0);
	for (uint32_t i = 0; i < n; i++) {
		frame_init(&f, PROTO_ALLOW, 0, 0);
		f.u.network = network(allowed[i]);
		o->allow[i] = f;
		assert_int_equal(channel_send(o->channel, &f), 0);
	}
}

/* A worker that lacks nothing but its socket. */
static struct outlet *
start(enum proto_protocol protocol)
{
	const char *const local[] = { "127.0.0.0/8", "::1/128", NULL };
	struct outlet *o = outlet_start();

	o->grants = GRANT_NEED;
	outlet_serve(o, protocol, CLIENTS_MAX, 0, local);
	outlet_limits(o, 0, 1, REQUEST_MAX);
	outlet_bytes(o);
	return o;
}

struct outlet *
outlet_unix(enum proto_protocol protocol)
{
	struct outlet *o = start(protocol);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(o->path, sizeof(o->path), "/tmp/test-outlet.%d.sock",
	    (int)o->pid);
	unlink(o->path);
	strlcpy(sun.sun_path, o->path, sizeof(sun.sun_path));
	o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(o->fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(o->fd, 128), 0);
	outlet_clients(o);
	o->accepts = true;
	return o;
}

struct outlet *
outlet_tcp(enum proto_protocol protocol)
{
	struct outlet *o = start(protocol);
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	o->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(o->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(o->fd, 128), 0);
	assert_int_equal(getsockname(o->fd, (struct sockaddr *)&in, &len), 0);
	o->port = ntohs(in.sin_port);
	outlet_clients(o);
	o->accepts = true;
	return o;
}

void
outlet_fill(struct outlet *o, uint32_t window)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;

	o->grants = GRANT_ROOM;
	outlet_limits(o, window, 1, REQUEST_MAX);
	while (o->granted < window && outlet_ms() < end)
		outlet_pump(o, 1);
	assert_int_equal(o->granted, window);
	outlet_quiet(o);
}

int
outlet_connect(struct outlet *o)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)o->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd, r;

	if (o->path[0] != '\0') {
		strlcpy(sun.sun_path, o->path, sizeof(sun.sun_path));
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		r = connect(fd, (struct sockaddr *)&sun, sizeof(sun));
	} else {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		r = connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (r == -1)
		print_error("# connect: %s\n", strerror(errno));
	assert_int_equal(r, 0);
	return fd;
}

void
outlet_crowd(struct outlet *o, int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = outlet_connect(o);
		if (i % 32 == 0)
			outlet_pump(o, 0);
	}
	for (int i = 0; i < 500 && outlet_stats(o)->clients < n; i++)
		outlet_pump(o, 10);
	assert_int_equal(o->stats.clients, n);
}

void
outlet_leave(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

long
outlet_number(struct outlet *o, const char *key)
{
	char value[64];

	assert_int_equal(proc_status(o->pid, key, value, sizeof(value)), 0);
	return atol(value);
}

void
outlet_say(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

size_t
outlet_read(struct outlet *o, int fd, uint8_t *buf, size_t len, int timeout)
{
	uint64_t end = outlet_ms() + (uint64_t)timeout;
	size_t done = 0;
	ssize_t n;

	while (done < len && outlet_ms() < end) {
		outlet_pump(o, 0);
		poll((struct pollfd[]){ { fd, POLLIN, 0 },
			 { o->pid == 0 ? -1 : o->up, POLLIN, 0 } },
		    2, 5);
		n = recv(fd, buf + done, len - done, MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EAGAIN))
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	return done;
}

void
outlet_expect(struct outlet *o, int fd, const char *bytes, size_t len)
{
	uint8_t buf[256];

	assert_true(len <= sizeof(buf));
	assert_int_equal(outlet_read(o, fd, buf, len, OUTLET_TIMEOUT), len);
	assert_memory_equal(buf, bytes, len);
}

void
outlet_silent(struct outlet *o, int fd)
{
	uint8_t byte;

	outlet_pump(o, OUTLET_BRIEF);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

void
outlet_closed(struct outlet *o, int fd)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;
	ssize_t n;
	uint8_t byte;

	do {
		outlet_pump(o, 1);
		n = recv(fd, &byte, 1, MSG_DONTWAIT);
		assert_true(n != 1);
	} while (n == -1 && errno == EAGAIN && outlet_ms() < end);
	assert_true(n == 0 || errno == ECONNRESET);
}

void
outlet_served(struct outlet *o, int fd, uint64_t from, size_t len)
{
	uint8_t *buf = malloc(len);
	size_t n;

	assert_non_null(buf);
	n = outlet_read(o, fd, buf, len, OUTLET_TIMEOUT);
	assert_int_equal(n, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf[i], outlet_stream(from + i));
	free(buf);
}
