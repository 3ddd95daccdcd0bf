/*
 * Requests of HTTP, good and bad.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/http.h"

#define HOST "Host: x\r\n"
#define GET  "GET /metrics HTTP/1.1\r\n" HOST

static int
parse(const char *text, struct http_request *r)
{
	return http_parse(text, strlen(text), r);
}

static void
test_status(void **state)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{ 200, GET "\r\n" },
		{ 200, "GET /metrics HTTP/1.0\r\n\r\n" },
		{ 200, "\r\n\nGET /metrics HTTP/1.1\n" HOST "\n" },
		{ 200, "GET /metrics?a=b HTTP/1.1\r\n" HOST "\r\n" },
		{ 200, "GET http://h:1/metrics HTTP/1.1\r\n" HOST "\r\n" },
		{ 200, GET "Accept:\r\nX-y:a\tb\x80\r\n\r\n" },
		/* The rest is another request, or a body. */
		{ 200, GET "\r\nGET / HTTP/1.1\r\n\r\n" },
		{ 200, GET "Content-Length: 3\r\n\r\nabc" },
		{ 0, "" },
		{ 0, "\r\n" },
		{ 0, "GET /metr" },
		{ 0, GET },
		{ 0, GET "\r" },
		{ 0, "GET /metrics HTTP/1.1\r\nHost" },
		{ 404, "GET / HTTP/1.1\r\n" HOST "\r\n" },
		{ 404, "GET /metrics/ HTTP/1.1\r\n" HOST "\r\n" },
		{ 404, "GET http://h HTTP/1.1\r\n" HOST "\r\n" },
		{ 404, "GET * HTTP/1.1\r\n" HOST "\r\n" },
		{ 405, "POST /metrics HTTP/1.1\r\n" HOST "\r\n" },
		{ 405, "get /metrics HTTP/1.1\r\n" HOST "\r\n" },
		{ 505, "PRI * HTTP/2.0\r\n" },
		{ 400, "GET /metrics\r\n" },
		{ 400, "GET  /metrics HTTP/1.1\r\n" },
		{ 400, "GET /metrics HTTP/1.1 \r\n" },
		{ 400, "GET /metrics HTTP/x.1\r\n" },
		{ 400, " GET /metrics HTTP/1.1\r\n" },
		{ 400, "G\"T /metrics HTTP/1.1\r\n" },
		{ 400, "\x16\x03\x01\x02\r\n" },
		{ 400, "GET /\x7fmetrics HTTP/1.1\r\n" },
		{ 400, "GET /metrics HTTP/1.1\r\n\r\n" },
		{ 400, GET HOST "\r\n" },
		{ 400, GET "no colon\r\n" },
		{ 400, GET "no-colon\r\n" },
		{ 400, GET "a : b\r\n" },
		{ 400, GET ": b\r\n" },
		{ 400, GET "a: b\r\n folded\r\n" },
		{ 400, GET "a: b\rc\r\n" },
	};
	struct http_request r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(rows[i].text, &r) != rows[i].status)
			print_error("# %s\n", rows[i].text);
		assert_int_equal(parse(rows[i].text, &r), rows[i].status);
		assert_false(r.head);
	}
	assert_int_equal(parse("HEAD /metrics HTTP/1.0\r\n\r\n", &r), 200);
	assert_true(r.head);
	assert_int_equal(http_parse("GET /\0", 6, &r), 400);
}

static void
test_accept(void **state)
{
	static const struct {
		bool openmetrics;
		const char *accept;
	} rows[] = {
		{ true,
		    "application/openmetrics-text;version=1.0.0,"
		    "application/openmetrics-text;version=0.0.1;q=0.75,"
		    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1" },
		{ true, "application/openmetrics-text" },
		{ true,
		    "Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.3" },
		{ true,
		    "text/plain;q=0.3, application/openmetrics-text;q=0.31" },
		{ true, "*/*,application/openmetrics-text" },
		{ true,
		    "application/openmetrics-text;version=1.0.0;"
		    "escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.9" },
		{ false, "" },
		{ false, "*/*" },
		{ false, "text/html,*/*;q=0.8" },
		{ false, "text/plain;version=0.0.4" },
		{ false, "application/openmetrics-text;q=0" },
		{ false, "application/openmetrics-text;q=2" },
		{ false, "application/openmetrics-text;q=.5" },
		{ false, "application/openmetrics-text;version=2.0.0" },
		{ false, "application/openmetrics-text;q=0.5,text/plain" },
		{ false, "application/openmetrics-textx" },
		{ false, ";;;,,,;q==,=;" },
	};
	char text[512];
	struct http_request r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), GET "Accept: %s\r\n\r\n",
		    rows[i].accept);
		assert_int_equal(parse(text, &r), 200);
		if (r.openmetrics != rows[i].openmetrics)
			print_error("# %s\n", rows[i].accept);
		assert_int_equal(r.openmetrics, rows[i].openmetrics);
	}
	/* Two headers are one list. */
	assert_int_equal(parse(GET
			     "Accept: */*\r\n"
			     "aCCept:application/openmetrics-text\r\n\r\n",
			     &r),
	    200);
	assert_true(r.openmetrics);
}

/* Each part of a request is incomplete; any other bytes do no harm. */
static void
test_any(void **state)
{
	static const char whole[] =
	    GET "Accept: application/openmetrics-text;q=0.5, */*\r\n\r\n";
	char text[sizeof(whole)];
	struct http_request r;
	uint64_t seed = 1;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		assert_int_equal(http_parse(whole, len, &r), 0);
	for (int i = 0; i < 100000; i++) {
		memcpy(text, whole, sizeof(whole));
		for (size_t n = unit_below(&seed, 4); n > 0; n--)
			text[unit_below(&seed, sizeof(text))] =
			    (char)unit_random(&seed);
		assert_in_range(
		    http_parse(text, unit_below(&seed, sizeof(text)), &r), 0,
		    505);
	}
}

/* Reads what a client sent before it closed its side. */
static int
read_sent(const char *bytes, size_t len)
{
	struct http_request r;
	int sv[2], status;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(write(sv[1], bytes, len), len);
	shutdown(sv[1], SHUT_WR);
	status = http_read(sv[0], &r);
	alarm(UNIT_TIMEOUT);
	close(sv[0]);
	close(sv[1]);
	return status;
}

static void
test_read(void **state)
{
	static char many[HTTP_REQUEST_MAX];

	(void)state;
	assert_int_equal(read_sent(GET "\r\n", sizeof(GET) + 1), 200);
	assert_int_equal(read_sent(GET, sizeof(GET) - 1), 400);
	assert_int_equal(read_sent("", 0), 400);
	assert_int_equal(read_sent("", 1), 400);
	memset(many, 'A', sizeof(many));
	assert_int_equal(read_sent(many, sizeof(many)), 431);
	memset(many, '\n', sizeof(many));
	assert_int_equal(read_sent(many, sizeof(many)), 431);
}

/* A client that sends nothing more. */
static void
test_slow(void **state)
{
	uint64_t began = clock_now();
	struct http_request r;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(write(sv[1], "GET ", 4), 4);
	assert_int_equal(http_read(sv[0], &r), 408);
	alarm(UNIT_TIMEOUT);
	assert_true(clock_now() - began >= HTTP_READ_TIME * NS_PER_SEC);
	close(sv[0]);
	close(sv[1]);
}

/* What a client receives, with the next request of it not answered. */
static void
answer(const struct http_request *r, int status, const struct http_answer *a,
    const char *wanted)
{
	char text[1024];
	ssize_t n;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(write(sv[1], GET "\r\n", sizeof(GET) + 1),
	    sizeof(GET) + 1);
	shutdown(sv[1], SHUT_WR);
	http_answer(sv[0], status, r, a);
	close(sv[0]);
	n = recv(sv[1], text, sizeof(text) - 1, MSG_WAITALL);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, wanted);
	close(sv[1]);
}

static void
test_answer(void **state)
{
	static const struct http_request get = { .head = false };
	static const struct http_request head = { .head = true };
	static const struct http_answer body = { "text/x", "abc", 3 };
	static const struct http_answer none = { .body = NULL };

	(void)state;
	answer(&get, 200, &body,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 3\r\n"
	    "Connection: close\r\n\r\nabc");
	answer(&head, 200, &body,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 3\r\n"
	    "Connection: close\r\n\r\n");
	answer(&get, 405, &none,
	    "HTTP/1.1 405 Method Not Allowed\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: 19\r\nAllow: GET, HEAD\r\n"
	    "Connection: close\r\n\r\nMethod Not Allowed\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_answer),
	};

	return UNIT_MAIN("http", tests);
}
