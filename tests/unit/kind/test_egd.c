/*
 * The client of the EGD protocol: what it asks for, and that the answers come
 * out whole, in whatever pieces they come.
 */
#include "unit/kind/kinds.h"

#define DUE_MAX (4 * 255)

/* What the other end has been asked for. */
struct asked {
	uint8_t command; /* half of one */
	bool half;
	size_t requests, bytes;
};

/* Takes the requests that have come, which must be commands 02. */
static void
take_requests(int fd, struct asked *a)
{
	uint8_t byte;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1) {
		if (!a->half)
			assert_int_equal(byte, 2);
		else {
			assert_int_not_equal(byte, 0);
			a->requests++;
			a->bytes += byte;
		}
		a->half = !a->half;
	}
	assert_false(a->half);
}

static void
open_pair(struct device *d, int *server, int domain)
{
	int fds[2];

	kinds_pair(domain, fds);
	*d = kinds_device(SOURCE_EGD, fds[0]);
	*server = fds[1];
	assert_int_equal(kinds_open(d), 0);
}

/* What is asked for a read of so many bytes, after it is open. */
static void
test_requests(void **state)
{
	static const struct {
		size_t size, requests, bytes;
	} cases[] = {
		{ 1, 1, 1 },
		{ 64, 1, 64 },
		{ 255, 1, 255 },
		{ 256, 1, 255 },
		{ 509, 1, 255 },
		{ 510, 2, 510 },
		{ 1000, 3, 765 },
		{ 1020, 4, 1020 },
		{ 1275, 4, 1020 },
		{ 65536, 4, 1020 },
	};
	static uint8_t buf[65536];
	struct asked asked;
	struct device d;
	int server;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		open_pair(&d, &server, AF_UNIX);
		/* Of a server that sends too much, no more is read. */
		assert_int_equal(write(server, buf, 2000), 2000);
		assert_int_equal(kinds_read(&d, buf, cases[i].size),
		    cases[i].bytes);
		memset(&asked, 0, sizeof(asked));
		take_requests(server, &asked);
		assert_int_equal(asked.requests, cases[i].requests);
		assert_int_equal(asked.bytes, cases[i].bytes);
		close(server);
		kinds_close(&d);
	}
}

/*
 * Reads of any size, of answers in pieces of any size: never more is due than
 * may be, or than was asked for at once, and nothing is lost.
 */
static void
test_pieces(void **state)
{
	static uint8_t stream[200000], buf[3000];
	size_t sent = 0, read = 0, size, due, piece;
	struct asked asked = { 0 };
	uint64_t seed = 1;
	struct device d;
	int server;
	ssize_t n;

	(void)state;
	unit_fill(stream, sizeof(stream), 2);
	open_pair(&d, &server, AF_UNIX);
	while (read < sizeof(stream) - 2 * DUE_MAX) {
		/* The first byte of an answer, before it is asked for. */
		if (sent == read)
			assert_int_equal(write(server, stream + sent++, 1), 1);
		size = 1 + unit_below(&seed, unit_below(&seed, sizeof(buf)));
		due = asked.bytes - read;
		n = kinds_read(&d, buf, size);
		assert_true(n > 0);
		assert_memory_equal(buf, stream + read, (size_t)n);
		take_requests(server, &asked);
		size = size > DUE_MAX ? DUE_MAX : size;
		assert_in_range(asked.bytes - read, 1, due > size ? due : size);
		read += (size_t)n;
		piece = unit_below(&seed, asked.bytes - sent + 1);
		if (unit_below(&seed, 2) == 0)
			piece = piece > 0;
		assert_int_equal(write(server, stream + sent, piece), piece);
		sent += piece;
	}
	close(server);
	kinds_close(&d);
}

/*
 * A server as they are: answers one command at a time, some byte by byte and
 * some at once, and closes after `total` bytes.
 */
static void
serve(int fd, const uint8_t *stream, size_t total)
{
	uint8_t command[2];
	uint64_t seed = 1;
	size_t sent = 0, n, piece;

	for (;;) {
		for (size_t i = 0; i < sizeof(command); i++)
			if (kind_read(fd, command + i, 1) != 1)
				_exit(1);
		if (command[0] != 2)
			_exit(2);
		for (n = command[1]; n > 0; n -= piece) {
			if (sent == total)
				_exit(0);
			piece = sent % 3 == 0 ? n : 1;
			if (piece > total - sent)
				piece = total - sent;
			if (kind_write(fd, stream + sent, piece) != 0)
				_exit(3);
			sent += piece;
			if (unit_below(&seed, 100) == 0)
				poll(NULL, 0, 1);
		}
	}
}

static void
check_server(int domain, size_t total)
{
	static uint8_t stream[20000];
	struct device d;
	uint8_t byte;
	int server;
	pid_t pid;

	assert_true(total <= sizeof(stream));
	unit_fill(stream, sizeof(stream), 3);
	open_pair(&d, &server, domain);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(d.fd);
		serve(server, stream, total);
	}
	close(server);
	kinds_expect(&d, stream, total);
	/* Requests that it had not read make its end a reset. */
	if (kinds_read(&d, &byte, 1) == -1)
		assert_int_equal(errno, ECONNRESET);
	kinds_end(pid);
	kinds_close(&d);
}

/* Also one that ends within an answer. */
static void
test_server(void **state)
{
	(void)state;
	check_server(AF_UNIX, 20000);
	check_server(AF_UNIX, 777);
	check_server(AF_INET, 20000);
}

/* Closed in the middle of an answer: the part, and then the end. */
static void
check_end(int domain)
{
	struct asked asked = { 0 };
	uint8_t buf[100];
	struct device d;
	int server;

	open_pair(&d, &server, domain);
	assert_int_equal(write(server, "a", 1), 1);
	assert_int_equal(kinds_read(&d, buf, 100), 1);
	assert_int_equal(poll(&(struct pollfd){ server, POLLIN, 0 }, 1, 5000),
	    1);
	take_requests(server, &asked);
	assert_int_equal(asked.bytes, 100);
	assert_int_equal(write(server, "bcd", 3), 3);
	close(server);
	kinds_expect(&d, (const uint8_t *)"bcd", 3);
	assert_int_equal(kinds_read(&d, buf, 100), 0);
	assert_int_equal(kinds_read(&d, buf, 100), 0);
	kinds_close(&d);
}

/* Gone before anything was asked, but it has left an answer. */
static void
test_end(void **state)
{
	uint8_t buf[100];
	struct device d;
	int server;

	(void)state;
	check_end(AF_UNIX);
	check_end(AF_INET);
	open_pair(&d, &server, AF_UNIX);
	assert_int_equal(write(server, "left", 4), 4);
	close(server);
	kinds_expect(&d, (const uint8_t *)"left", 4);
	assert_int_equal(kinds_read(&d, buf, 100), 0);
	kinds_close(&d);
}

static void
test_errors(void **state)
{
	struct sockaddr_in address;
	struct device d;
	uint8_t byte;
	int fd, server;

	(void)state;
	/* No server listens. */
	fd = kinds_inet(SOCK_STREAM, &address);
	d = kinds_device(SOURCE_EGD, kinds_connect(SOCK_STREAM, &address));
	assert_int_equal(kinds_open(&d), ECONNREFUSED);
	kinds_close(&d);
	close(fd);
	/* Not a socket. */
	d = kinds_device(SOURCE_EGD, open("/dev/null", O_RDWR | O_CLOEXEC));
	assert_int_equal(kinds_open(&d), ENOTSOCK);
	kinds_close(&d);
	open_pair(&d, &server, AF_INET);
	kinds_reset(server);
	assert_int_equal(kinds_read(&d, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	kinds_close(&d);
}

/* It can be opened again: what was due is forgotten. */
static void
test_again(void **state)
{
	struct asked asked = { 0 };
	uint8_t buf[100];
	struct device d;
	int server, fds[2];

	(void)state;
	open_pair(&d, &server, AF_UNIX);
	assert_int_equal(write(server, "a", 1), 1);
	assert_int_equal(kinds_read(&d, buf, 100), 1);
	close(server);
	close(d.fd);
	kinds_pair(AF_UNIX, fds);
	d.fd = fds[0];
	assert_int_equal(kinds_open(&d), 0);
	assert_int_equal(write(fds[1], "b", 1), 1);
	assert_int_equal(kinds_read(&d, buf, 50), 1);
	take_requests(fds[1], &asked);
	assert_int_equal(asked.bytes, 50);
	close(fds[1]);
	kinds_close(&d);
}

static int
use_to_end(const struct source_kind *kind, struct device *d)
{
	uint8_t buf[1000];
	ssize_t n;
	size_t got = 0;

	if (kind->open(d) != 0)
		return 1;
	while ((n = kind->read(d, buf, sizeof(buf))) > 0)
		got += (size_t)n;
	if (n == -1 && errno != ECONNRESET)
		return 2;
	return got == 2000 ? 0 : 3;
}

static void
test_confined(void **state)
{
	static uint8_t stream[2000];
	int fds[2];
	struct device d;
	pid_t pids[2];

	(void)state;
	unit_fill(stream, sizeof(stream), 4);
	kinds_pair(AF_UNIX, fds);
	d = kinds_device(SOURCE_EGD, fds[0]);
	pids[0] = kinds_start(&d, fds[1], use_to_end);
	if ((pids[1] = fork()) == 0) {
		close(fds[0]);
		serve(fds[1], stream, sizeof(stream));
	}
	close(fds[1]);
	kinds_close(&d);
	kinds_end(pids[1]);
	kinds_end(pids[0]);
}

/* A server that never answers. */
static void
test_silent(void **state)
{
	const int domains[] = { AF_UNIX, AF_INET };
	struct device d[2];
	pid_t pids[2];
	int fds[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		kinds_pair(domains[i], fds);
		d[i] = kinds_device(SOURCE_EGD, fds[0]);
		pids[i] = kinds_start(&d[i], fds[1], kinds_use_silent);
	}
	kinds_silent(pids, 2);
	for (int i = 0; i < 2; i++)
		kinds_close(&d[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_silent),
	};

	return UNIT_MAIN("egd", tests);
}
