/*
 * Sockets as sources: streams of bytes, and datagrams from one server or from
 * any sender.
 */
#include "unit/kind/kinds.h"

static void
open_pair(struct device *d, int *server, int domain)
{
	int fds[2];

	kinds_pair(domain, fds);
	*d = kinds_device(SOURCE_STREAM, fds[0]);
	*server = fds[1];
	assert_int_equal(kinds_open(d), 0);
}

static void
test_stream(void **state)
{
	const int domains[] = { AF_UNIX, AF_INET };
	uint8_t bytes[5000], byte;
	struct device d;
	int server;

	(void)state;
	unit_fill(bytes, sizeof(bytes), 1);
	for (size_t i = 0; i < COUNT(domains); i++) {
		open_pair(&d, &server, domains[i]);
		assert_int_equal(write(server, bytes, sizeof(bytes)),
		    sizeof(bytes));
		kinds_expect(&d, bytes, 1);
		kinds_expect(&d, bytes + 1, sizeof(bytes) - 1);
		assert_int_equal(write(server, bytes, 3), 3);
		close(server);
		kinds_expect(&d, bytes, 3);
		assert_int_equal(kinds_read(&d, &byte, 1), 0);
		assert_int_equal(kinds_read(&d, &byte, 1), 0);
		kinds_close(&d);
	}
	/* It has sent nothing itself, not even to a stream. */
	open_pair(&d, &server, AF_UNIX);
	assert_int_equal(recv(server, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(server);
	kinds_close(&d);
}

static void
test_stream_errors(void **state)
{
	struct sockaddr_in address;
	struct device d;
	uint8_t byte;
	int fd, server;

	(void)state;
	fd = kinds_inet(SOCK_STREAM, &address);
	d = kinds_device(SOURCE_STREAM, kinds_connect(SOCK_STREAM, &address));
	assert_int_equal(kinds_open(&d), ECONNREFUSED);
	kinds_close(&d);
	close(fd);
	open_pair(&d, &server, AF_INET);
	kinds_reset(server);
	assert_int_equal(kinds_read(&d, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	kinds_close(&d);
}

static int
use_hello(const struct source_kind *kind, struct device *d)
{
	uint8_t buf[10];

	if (kind->open(d) != 0)
		return 1;
	if (kind->read(d, buf, sizeof(buf)) != 5 ||
	    memcmp(buf, "hello", 5) != 0)
		return 2;
	kind->close(d);
	return 0;
}

/*
 * A listener whose queue is full: the connection is made when there is room,
 * and waited for until then.
 */
static void
test_connecting(void **state)
{
	struct sockaddr_in address;
	struct pollfd pfd;
	struct device d;
	int listener, first[2], peer;
	pid_t pid;

	(void)state;
	listener = kinds_inet(SOCK_STREAM, &address);
	assert_int_equal(listen(listener, 0), 0);
	first[0] = kinds_connect(SOCK_STREAM, &address);
	assert_int_equal(kind_connected(first[0]), 0);
	d = kinds_device(SOURCE_STREAM, kinds_connect(SOCK_STREAM, &address));
	pfd = (struct pollfd){ .fd = d.fd, .events = POLLOUT };
	assert_int_equal(poll(&pfd, 1, 100), 0);
	pid = kinds_start(&d, -1, use_hello);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	first[1] = accept(listener, NULL, NULL);
	assert_int_not_equal(first[1], -1);
	peer = accept(listener, NULL, NULL);
	assert_int_not_equal(peer, -1);
	assert_int_equal(write(peer, "hello", 5), 5);
	kinds_end(pid);
	kinds_close(&d);
	close(first[0]);
	close(first[1]);
	close(peer);
	close(listener);
}

static void
connect_to(int fd, const struct sockaddr_in *address)
{
	assert_int_equal(
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
}

/* A device that is connected to a UDP server, or (`listens`) that serves. */
static void
udp_pair(struct device *d, int *server, bool listens)
{
	struct sockaddr_in address;

	if (listens) {
		*d = kinds_device(SOURCE_STREAM,
		    kinds_inet(SOCK_DGRAM, &address));
		*server = kinds_connect(SOCK_DGRAM, &address);
	} else {
		*server = kinds_inet(SOCK_DGRAM, &address);
		*d = kinds_device(SOURCE_STREAM,
		    kinds_connect(SOCK_DGRAM, &address));
	}
	d->spec.datagrams = 1;
}

/* Waits until the device has called, and sends to it from now on. */
static void
answer_call(int server)
{
	struct sockaddr_in client;
	socklen_t size = sizeof(client);
	uint8_t call[2] = { 1 };

	assert_int_equal(recvfrom(server, call, sizeof(call), 0,
			     (struct sockaddr *)&client, &size),
	    1);
	assert_int_equal(call[0], 0);
	connect_to(server, &client);
}

static void
send_bytes(int fd, const uint8_t *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, 0), len);
}

/* Datagrams of many sizes, those that exceed the read among them. */
static void
check_datagrams(struct device *d, int server)
{
	static const size_t sizes[] = { 1, 64, 1000, 10000, 65507 };
	static uint8_t bytes[65507], buf[65536];

	for (size_t i = 0; i < COUNT(sizes); i++) {
		unit_fill(bytes, sizes[i], i);
		/* At once. */
		send_bytes(server, bytes, sizes[i]);
		assert_int_equal(kinds_read(d, buf, sizeof(buf)), sizes[i]);
		assert_memory_equal(buf, bytes, sizes[i]);
		/* In two, or as many as it takes. */
		send_bytes(server, bytes, sizes[i]);
		assert_int_equal(kinds_read(d, buf, 1), 1);
		assert_int_equal(buf[0], bytes[0]);
		kinds_expect(d, bytes + 1, sizes[i] - 1);
		send_bytes(server, bytes, sizes[i]);
		for (size_t at = 0, n; at < sizes[i]; at += n) {
			n = 1 + sizes[i] / 7;
			n = n < sizes[i] - at ? n : sizes[i] - at;
			assert_int_equal(kinds_read(d, buf, n), n);
			assert_memory_equal(buf, bytes + at, n);
		}
	}
	/* What is left of one goes before the next, empty ones do not count. */
	send_bytes(server, bytes, 0);
	send_bytes(server, bytes, 10);
	send_bytes(server, bytes, 0);
	send_bytes(server, bytes + 10, 10);
	assert_int_equal(kinds_read(d, buf, 8), 8);
	assert_int_equal(kinds_read(d, buf + 8, 8), 2);
	assert_int_equal(kinds_read(d, buf + 10, 100), 10);
	assert_memory_equal(buf, bytes, 20);
}

static void
test_udp_connected(void **state)
{
	struct device d;
	int server;

	(void)state;
	udp_pair(&d, &server, false);
	assert_int_equal(kinds_open(&d), 0);
	answer_call(server);
	check_datagrams(&d, server);
	close(server);
	kinds_close(&d);
}

/* Any sender is accepted, and is sent nothing. */
static void
test_udp_listening(void **state)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	struct device d;
	int server, second;
	uint8_t byte;

	(void)state;
	udp_pair(&d, &server, true);
	assert_int_equal(kinds_open(&d), 0);
	check_datagrams(&d, server);
	assert_int_equal(getsockname(d.fd, (struct sockaddr *)&address, &size),
	    0);
	second = kinds_connect(SOCK_DGRAM, &address);
	send_bytes(second, (const uint8_t *)"two", 3);
	send_bytes(server, (const uint8_t *)"one", 3);
	kinds_expect(&d, (const uint8_t *)"twoone", 6);
	assert_int_equal(recv(server, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(recv(second, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(second);
	close(server);
	kinds_close(&d);
}

/*
 * A server that is not there yet, and one that has forgotten us: both are
 * called until something comes.
 */
static void
test_udp_calls(void **state)
{
	struct sockaddr_in address;
	struct pollfd pfd = { .events = POLLIN };
	struct device d;
	uint64_t start;
	uint8_t byte;
	pid_t pid;

	(void)state;
	pfd.fd = kinds_inet(SOCK_DGRAM, &address);
	close(pfd.fd);
	d = kinds_device(SOURCE_STREAM, kinds_connect(SOCK_DGRAM, &address));
	d.spec.datagrams = 1;
	pid = kinds_start(&d, -1, use_hello);
	poll(NULL, 0, 200);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	pfd.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(pfd.fd, -1);
	assert_int_equal(
	    bind(pfd.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	/* Two calls are not answered; they come at their pace. */
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	start = clock_now();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(poll(&pfd, 1, 5000), 1);
		assert_int_equal(recv(pfd.fd, &byte, 1, 0), 1);
	}
	assert_true(clock_now() - start >= NS_PER_SEC / 2);
	answer_call(pfd.fd);
	send_bytes(pfd.fd, (const uint8_t *)"hello", 5);
	kinds_end(pid);
	close(pfd.fd);
	kinds_close(&d);
}

/* The server goes away and comes back, while it is read. */
static void
test_udp_refused(void **state)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	struct device d;
	int server;
	pid_t pid;

	(void)state;
	udp_pair(&d, &server, false);
	assert_int_equal(
	    getsockname(server, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(kinds_open(&d), 0);
	answer_call(server);
	send_bytes(server, (const uint8_t *)"one", 3);
	kinds_expect(&d, (const uint8_t *)"one", 3);
	close(server);
	/* Its error is not reported to others. */
	send_bytes(d.fd, (const uint8_t *)"", 1);
	pid = kinds_start(&d, -1, use_hello);
	poll(NULL, 0, 1200);
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&address, size), 0);
	answer_call(server);
	send_bytes(server, (const uint8_t *)"hello", 5);
	kinds_end(pid);
	close(server);
	kinds_close(&d);
}

static void
test_udp_end(void **state)
{
	struct device d;
	uint8_t byte;
	int server;

	(void)state;
	udp_pair(&d, &server, false);
	assert_int_equal(kinds_open(&d), 0);
	answer_call(server);
	assert_int_equal(shutdown(d.fd, SHUT_RD), 0);
	assert_int_equal(kinds_read(&d, &byte, 1), 0);
	close(server);
	kinds_close(&d);
	/* Not a socket. */
	d = kinds_device(SOURCE_STREAM, open("/dev/null", O_RDWR | O_CLOEXEC));
	d.spec.datagrams = 1;
	assert_int_equal(kinds_open(&d), ENOTSOCK);
	kinds_close(&d);
}

/* What is left of a datagram is forgotten when it is opened again. */
static void
test_udp_again(void **state)
{
	struct device d;
	uint8_t buf[10];
	int server;

	(void)state;
	udp_pair(&d, &server, true);
	assert_int_equal(kinds_open(&d), 0);
	send_bytes(server, (const uint8_t *)"secret", 6);
	assert_int_equal(kinds_read(&d, buf, 1), 1);
	kind_stream.close(&d);
	assert_null(memmem(d.state, 65536, "ecret", 5));
	assert_int_equal(kinds_open(&d), 0);
	send_bytes(server, (const uint8_t *)"new", 3);
	assert_int_equal(kinds_read(&d, buf, 10), 3);
	assert_memory_equal(buf, "new", 3);
	/* Likewise when it has been handed out. */
	send_bytes(server, (const uint8_t *)"secret", 6);
	kinds_expect(&d, (const uint8_t *)"s", 1);
	assert_non_null(memmem(d.state, 65536, "ecret", 5));
	kinds_expect(&d, (const uint8_t *)"ec", 2);
	kinds_expect(&d, (const uint8_t *)"ret", 3);
	assert_null(memmem(d.state, 65536, "ec", 2));
	assert_null(memmem(d.state, 65536, "ret", 3));
	close(server);
	kinds_close(&d);
}

static void
test_confined(void **state)
{
	struct device d;
	int fds[2], server;
	pid_t pid;

	(void)state;
	kinds_pair(AF_UNIX, fds);
	d = kinds_device(SOURCE_STREAM, fds[0]);
	pid = kinds_start(&d, fds[1], use_hello);
	poll(NULL, 0, 100);
	assert_int_equal(write(fds[1], "hello", 5), 5);
	kinds_end(pid);
	close(fds[1]);
	kinds_close(&d);
	udp_pair(&d, &server, true);
	pid = kinds_start(&d, server, use_hello);
	poll(NULL, 0, 100);
	send_bytes(server, (const uint8_t *)"hello", 5);
	kinds_end(pid);
	close(server);
	kinds_close(&d);
}

/* Also a server that does not answer, and one that is not there. */
static void
test_silent(void **state)
{
	struct device d[5];
	int fds[2], servers[COUNT(d)];
	pid_t pids[COUNT(d)];

	(void)state;
	for (size_t i = 0; i < COUNT(d); i++) {
		if (i < 2) {
			kinds_pair(i == 0 ? AF_UNIX : AF_INET, fds);
			d[i] = kinds_device(SOURCE_STREAM, fds[0]);
			servers[i] = fds[1];
		} else
			udp_pair(&d[i], &servers[i], i == 2);
		if (i == 4) {
			close(servers[i]);
			servers[i] = -1;
		}
		pids[i] = kinds_start(&d[i], servers[i], kinds_use_silent);
	}
	kinds_silent(pids, COUNT(pids));
	for (size_t i = 0; i < COUNT(d); i++) {
		kinds_close(&d[i]);
		close(servers[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_errors),
		cmocka_unit_test(test_connecting),
		cmocka_unit_test(test_udp_connected),
		cmocka_unit_test(test_udp_listening),
		cmocka_unit_test(test_udp_calls),
		cmocka_unit_test(test_udp_refused),
		cmocka_unit_test(test_udp_end),
		cmocka_unit_test(test_udp_again),
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_silent),
	};

	return UNIT_MAIN("stream", tests);
}
