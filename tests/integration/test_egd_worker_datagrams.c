/*
 * Datagrams of an egd worker: to whom it sends them, and how large they are.
 */
#include "integration/outlet.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define LINGER_MS 5000 /* of the worker */
#define MS	  UINT64_C(1000000)

/* The addresses that a test uses: of the worker, and of others. */
struct family {
	int domain;
	const char *worker;
	const char *allowed[3]; /* networks */
	const char *peer;	/* is in one of them */
	const char *stranger;	/* is not */
};

static const struct family ipv4 = { AF_INET, "127.0.0.1",
	{ "127.0.0.2/31", NULL }, "127.0.0.2", "127.0.0.1" };
static const struct family ipv6 = { AF_INET6, "::1", { "::1/128", NULL }, "::1",
	NULL };

static socklen_t
address(const struct family *f, const char *text, int port,
    struct sockaddr_storage *ss)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port) };

	memset(ss, 0, sizeof(*ss));
	if (f->domain == AF_INET) {
		assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

/* A socket bound there; -1 if there is no such address here. */
static int
bound(const struct family *f, const char *text, int *port)
{
	struct sockaddr_storage ss;
	socklen_t len = address(f, text, 0, &ss);
	int fd = socket(f->domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&ss, len) == -1) {
		close(fd);
		return -1;
	}
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	if (port != NULL)
		*port = ntohs(((struct sockaddr_in *)(void *)&ss)->sin_port);
	return fd;
}

/* A worker that sends datagrams from a socket that the parent has bound. */
static struct outlet *
start(const struct family *f, uint64_t idle_timeout)
{
	struct outlet *o = outlet_start();
	int one = 1;

	outlet_serve(o, SERVE_DATAGRAM, 1, idle_timeout, f->allowed);
	outlet_limits(o, 0, 1, REQUEST_MAX);
	outlet_bytes(o);
	if ((o->fd = bound(f, f->worker, &o->port)) == -1) {
		outlet_stop(o);
		program_skip("there is no such address");
	}
	if (f->domain == AF_INET)
		setsockopt(o->fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
	else
		setsockopt(o->fd, IPPROTO_IPV6, IPV6_RECVERR, &one,
		    sizeof(one));
	outlet_socket(o, SOCKET_BOUND, o->fd);
	o->grants = GRANT_NEED;
	o->limit = 8192;
	return o;
}

/* A datagram for the worker. */
static void
greet(struct outlet *o, const struct family *f, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = address(f, f->worker, o->port, &ss);

	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&ss, len),
	    5);
	outlet_pump(o, 20);
}

/* The next datagram's size; its bytes are those of the stream from `from`. */
static size_t
receive(struct outlet *o, int fd, uint64_t from)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;
	uint8_t buf[65536];
	ssize_t n;

	/* No more on its way than there is room for. */
	if (o->limit < from + 8192)
		o->limit = from + 8192;
	while (poll(&pfd, 1, 2) == 0 && outlet_ms() < end)
		outlet_pump(o, 0);
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	assert_true(n > 0);
	for (size_t i = 0; i < (size_t)n; i++)
		assert_int_equal(buf[i], outlet_stream(from + i));
	return (size_t)n;
}

/* Nothing comes, once what was on its way is there. */
static void
receive_nothing(struct outlet *o, int fd)
{
	uint8_t buf[65536];

	outlet_pump(o, OUTLET_BRIEF);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
check_last_sender(const struct family *f)
{
	struct outlet *o = start(f, 0);
	int a = bound(f, f->peer, NULL), b = bound(f, f->peer, NULL);
	uint64_t at = 0;

	/* No datagram without a request. */
	outlet_pump(o, OUTLET_BRIEF);
	assert_int_equal(o->given, 0);
	assert_int_equal(o->wants, 0);
	greet(o, f, a);
	for (int i = 0; i < 20; i++) {
		o->grants = i < 19 ? GRANT_NEED : GRANT_NOTHING;
		at += receive(o, a, at);
	}
	/* What is on its way already goes there. */
	outlet_quiet(o);
	while (at < o->given)
		at += receive(o, a, at);
	greet(o, f, b);
	assert_int_equal(outlet_stats(o)->clients, 1);
	assert_int_equal(o->stats.counters.connections, 2);
	o->grants = GRANT_NEED;
	receive(o, b, at);
	receive_nothing(o, a);
	greet(o, f, b);
	assert_int_equal(outlet_stats(o)->counters.connections, 2);
	close(a);
	close(b);
	outlet_stop(o);
}

static void
test_last_sender(void **state)
{
	(void)state;
	check_last_sender(&ipv4);
}

static void
test_last_sender_ipv6(void **state)
{
	(void)state;
	check_last_sender(&ipv6);
}

/* A stranger gets nothing, and takes nothing from who may have it. */
static void
test_stranger(void **state)
{
	struct outlet *o = start(&ipv4, 0);
	int peer = bound(&ipv4, ipv4.peer, NULL);
	int stranger = bound(&ipv4, ipv4.stranger, NULL);
	const char *const other[] = { "127.0.0.1/32", NULL };
	uint64_t at;

	(void)state;
	for (int i = 0; i < 40; i++)
		greet(o, &ipv4, stranger);
	receive_nothing(o, stranger);
	outlet_logged(o, "client rejected, 127.0.0.1:");
	assert_int_equal(outlet_stats(o)->counters.turned_away, 40);
	assert_int_equal(o->stats.clients, 0);
	assert_int_equal(o->given, 0);
	greet(o, &ipv4, peer);
	at = receive(o, peer, 0);
	greet(o, &ipv4, stranger);
	receive_nothing(o, stranger);
	at += receive(o, peer, at);
	assert_int_equal(outlet_stats(o)->clients, 1);
	/* When it is no longer allowed the peer gets nothing either. */
	o->grants = GRANT_NOTHING;
	outlet_quiet(o);
	while (at < o->given)
		at += receive(o, peer, at);
	outlet_serve(o, SERVE_DATAGRAM, 1, 0, other);
	assert_int_equal(outlet_stats(o)->clients, 0);
	o->grants = GRANT_NEED;
	receive_nothing(o, peer);
	greet(o, &ipv4, stranger);
	receive(o, stranger, at);
	close(peer);
	close(stranger);
	outlet_stop(o);
}

static void
test_sizes(void **state)
{
	struct outlet *o = start(&ipv4, 0);
	int fd = bound(&ipv4, ipv4.peer, NULL);

	(void)state;
	o->grants = GRANT_NOTHING;
	outlet_limits(o, 0, 64, REQUEST_MAX);
	greet(o, &ipv4, fd);
	outlet_give(o, 3000);
	assert_int_equal(receive(o, fd, 0), 1024);
	assert_int_equal(receive(o, fd, 1024), 1024);
	assert_int_equal(receive(o, fd, 2048), 952);
	/* As many as are enough for a request make a datagram. */
	for (int i = 0; i < 63; i++)
		outlet_give(o, 1);
	receive_nothing(o, fd);
	outlet_give(o, 1);
	assert_int_equal(receive(o, fd, 3000), 64);
	outlet_limits(o, 0, SHORT_MIN, REQUEST_MAX);
	outlet_give(o, 63);
	receive_nothing(o, fd);
	outlet_give(o, 1);
	assert_int_equal(receive(o, fd, 3064), 64);
	outlet_limits(o, 0, 5000, REQUEST_MAX);
	outlet_give(o, 1023);
	receive_nothing(o, fd);
	outlet_give(o, 2);
	assert_int_equal(receive(o, fd, 3128), 1024);
	receive_nothing(o, fd);
	outlet_limits(o, 0, 10, 10);
	outlet_give(o, 19);
	assert_int_equal(receive(o, fd, 4152), 10);
	assert_int_equal(receive(o, fd, 4162), 10);
	assert_int_equal(outlet_stats(o)->counters.requests, 8);
	close(fd);
	outlet_stop(o);
}

/* A peer that is gone is forgotten, and found again if it comes back. */
static void
check_refused(const struct family *f)
{
	struct outlet *o = start(f, 0);
	int fd = bound(f, f->peer, NULL);
	uint64_t at;

	greet(o, f, fd);
	receive(o, fd, 0);
	o->limit = 0;
	close(fd);
	outlet_logged(o, "disconnected: Connection refused");
	outlet_quiet(o);
	assert_int_equal(outlet_stats(o)->clients, 0);
	at = o->given;
	outlet_pump(o, OUTLET_BRIEF);
	assert_int_equal(o->given, at);
	fd = bound(f, f->peer, NULL);
	o->limit = at + 8192;
	greet(o, f, fd);
	outlet_pump(o, 1);
	assert_int_equal(outlet_stats(o)->clients, 1);
	assert_true(o->given > at);
	close(fd);
	o->limit += 8192;
	outlet_logged(o, "disconnected: Connection refused");
	outlet_end(o, LINGER_MS + OUTLET_TIMEOUT);
	assert_int_equal(o->stats.counters.connections, 2);
	outlet_stop(o);
}

static void
test_refused(void **state)
{
	(void)state;
	check_refused(&ipv4);
}

static void
test_refused_ipv6(void **state)
{
	(void)state;
	check_refused(&ipv6);
}

/* A peer from which nothing comes is forgotten as well, if that is wanted. */
static void
test_idle(void **state)
{
	struct outlet *o = start(&ipv4, 300 * MS);
	int fd = bound(&ipv4, ipv4.peer, NULL);

	(void)state;
	o->grants = GRANT_NOTHING;
	for (int i = 0; i < 12; i++) {
		greet(o, &ipv4, fd);
		outlet_pump(o, 50);
	}
	assert_int_equal(outlet_stats(o)->clients, 1);
	assert_int_equal(o->stats.counters.connections, 1);
	outlet_logged(o, "disconnected: idle");
	assert_int_equal(outlet_stats(o)->clients, 0);
	o->grants = GRANT_NEED;
	receive_nothing(o, fd);
	close(fd);
	outlet_stop(o);
}

/*
 * A peer that is gone, or whose address was forged, is sent at most 256 KiB; a
 * peer that sends a datagram gets more.
 */
static void
test_unread_requests(void **state)
{
	const size_t most = 262144;
	struct outlet *o = start(&ipv4, 0);
	int fd = bound(&ipv4, ipv4.peer, NULL);
	size_t got = 0;

	(void)state;
	for (int round = 1; round <= 2; round++) {
		greet(o, &ipv4, fd);
		while (got < round * most)
			got += receive(o, fd, got);
		assert_true(got < round * most + 8192);
		o->limit = got + 65536;
		outlet_pump(o, 200);
		receive_nothing(o, fd);
	}
	assert_int_equal(outlet_stats(o)->clients, 1);
	close(fd);
	outlet_stop(o);
}

/* A datagram comes; earlier ones may have been lost. */
static void
receive_any(struct outlet *o, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t end = outlet_ms() + 4 * OUTLET_TIMEOUT;

	while (poll(&pfd, 1, 2) == 0 && outlet_ms() < end)
		outlet_pump(o, 2);
	assert_int_equal(pfd.revents & POLLIN, POLLIN);
}

/* A socket that is connected: its peer need not say anything. */
static void
test_connected(void **state)
{
	struct outlet *o = outlet_start();
	int port = 0, fd = bound(&ipv4, ipv4.worker, &port);
	int out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = address(&ipv4, ipv4.worker, port, &ss);
	uint64_t at = 0;

	(void)state;
	o->connects = true;
	outlet_serve(o, SERVE_DATAGRAM, 1, 0, (const char *const[]){ NULL });
	outlet_limits(o, 0, 1, REQUEST_MAX);
	outlet_bytes(o);
	assert_int_equal(connect(out, (struct sockaddr *)&ss, len), 0);
	outlet_socket(o, SOCKET_CONNECTED, out);
	o->grants = GRANT_NEED;
	o->limit = 8192;
	for (int i = 0; i < 20; i++)
		at += receive(o, fd, at);
	o->limit = 0;
	close(out);
	outlet_logged(o, "connected to 127.0.0.1:");
	/* While it is away, that is logged once; it is found when it is back. */
	close(fd);
	outlet_logged(o, "cannot reach 127.0.0.1:");
	outlet_pump(o, 2000);
	assert_null(strstr(strstr(o->log, "reach") + 1, "reach"));
	assert_null(strstr(o->log, "disconnected"));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	receive_any(o, fd);
	assert_int_equal(outlet_stats(o)->counters.connections, 1);
	close(fd);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_sender),
		cmocka_unit_test(test_last_sender_ipv6),
		cmocka_unit_test(test_stranger),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_ipv6),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_unread_requests),
		cmocka_unit_test(test_connected),
	};

	return SUITE_MAIN("egd_worker_datagrams", tests);
}
