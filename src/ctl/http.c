/*
 * Reads a request of HTTP, and writes the answer.  Used by metrics.c.
 */
#include <sys/socket.h>

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/http.h"

#define Q_MAX	    1000 /* of a quality value, in thousandths */
#define LINGER_TIME 1	 /* s */
#define LINGER_MAX  65536

/* A part of the request. */
struct part {
	const char *text;
	size_t len;
};

/* What the headers say. */
struct headers {
	size_t hosts;
	int openmetrics, text; /* best quality values */
};

/* Cuts off the part before the first `end`, or all. */
static struct part
cut(struct part *from, char end)
{
	const char *at = memchr(from->text, end, from->len);
	struct part first = *from;

	if (at == NULL) {
		from->text += from->len;
		from->len = 0;
		return first;
	}
	first.len = (size_t)(at - from->text);
	from->text += first.len + 1;
	from->len -= first.len + 1;
	return first;
}

/* Without spaces and tabs around it. */
static struct part
trimmed(struct part p)
{
	while (p.len > 0 && (*p.text == ' ' || *p.text == '\t')) {
		p.text++;
		p.len--;
	}
	while (p.len > 0 &&
	    (p.text[p.len - 1] == ' ' || p.text[p.len - 1] == '\t'))
		p.len--;
	return p;
}

static bool
is(struct part p, const char *text)
{
	return p.len == strlen(text) && strncasecmp(p.text, text, p.len) == 0;
}

/* RFC 9110, 5.6.2. */
static bool
is_token(struct part p)
{
	for (size_t i = 0; i < p.len; i++)
		if (!isascii((unsigned char)p.text[i]) ||
		    (!isalnum((unsigned char)p.text[i]) &&
			strchr("!#$%&'*+-.^_`|~", p.text[i]) == NULL))
			return false;
	return p.len > 0;
}

/* RFC 9110, 12.4.2; 0 if it is invalid. */
static int
quality(struct part p)
{
	int q = 0, unit = Q_MAX;

	for (size_t i = 0; i < p.len; i++) {
		if (i == 1 ? p.text[i] != '.'
			   : !isdigit((unsigned char)p.text[i]))
			return 0;
		if (i == 1)
			continue;
		q += unit * (p.text[i] - '0');
		unit /= 10;
	}
	return q <= Q_MAX ? q : 0;
}

/* RFC 9110, 12.5.1: one media range. */
static void
read_range(struct headers *h, struct part range)
{
	struct part type = trimmed(cut(&range, ';')), param, key;
	struct part version = { "", 0 };
	int q = Q_MAX;

	while (range.len > 0) {
		param = trimmed(cut(&range, ';'));
		key = trimmed(cut(&param, '='));
		param = trimmed(param);
		if (is(key, "q"))
			q = quality(param);
		else if (is(key, "version"))
			version = param;
	}
	if (is(type, "application/openmetrics-text")) {
		if ((version.len == 0 || is(version, "1.0.0")) &&
		    q > h->openmetrics)
			h->openmetrics = q;
	} else if (is(type, "text/plain") || is(type, "text/*") ||
	    is(type, "*/*")) {
		if ((version.len == 0 || is(version, "0.0.4")) && q > h->text)
			h->text = q;
	}
}

/* RFC 9112, 5.  Returns 0, or the status of an error. */
static int
read_header(struct headers *h, struct part line)
{
	struct part name = cut(&line, ':');

	/* A line that continues the one before begins with a space. */
	if (!is_token(name) || name.text + name.len == line.text)
		return 400;
	if (is(name, "host"))
		h->hosts++;
	else if (is(name, "accept"))
		while (line.len > 0)
			read_range(h, cut(&line, ','));
	return 0;
}

/* RFC 9112, 3.2.2: without the authority that a proxy is sent. */
static struct part
path_of(struct part target)
{
	const struct part scheme = { target.text, 7 };

	if (target.len > scheme.len && is(scheme, "http://")) {
		target.text += scheme.len;
		target.len -= scheme.len;
		cut(&target, '/');
		target.text--;
		target.len++;
	}
	return cut(&target, '?');
}

/*
 * RFC 9112, 3.  Returns the status of the answer; `*host`: whether the request
 * must have that header.
 */
static int
read_request_line(struct part line, struct http_request *r, bool *host)
{
	struct part method = cut(&line, ' '), target = cut(&line, ' ');
	struct part path = path_of(target);

	if (!is_token(method) || target.len == 0 || line.len != 8 ||
	    strncmp(line.text, "HTTP/", 5) != 0 ||
	    !isdigit((unsigned char)line.text[5]) || line.text[6] != '.' ||
	    !isdigit((unsigned char)line.text[7]))
		return 400;
	if (line.text[5] != '1')
		return 505;
	*host = line.text[7] != '0';
	r->head = method.len == 4 && memcmp(method.text, "HEAD", 4) == 0;
	if (!r->head && (method.len != 3 || memcmp(method.text, "GET", 3) != 0))
		return 405;
	if (path.len != 8 || memcmp(path.text, "/metrics", 8) != 0)
		return 404;
	return 200;
}

/* Whether a line has characters that no line may have. */
static bool
is_dirty(struct part line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.text[i] < 0x20 && line.text[i] != '\t')
			return true;
	return memchr(line.text, 0x7f, line.len) != NULL;
}

int
http_parse(const char *buf, size_t len, struct http_request *r)
{
	struct part rest = { buf, len }, line;
	struct headers h = { .openmetrics = 0 };
	bool host = false;
	int status = 0;

	*r = (struct http_request){ .head = false };
	if (memchr(buf, '\0', len) != NULL)
		return 400;
	while (memchr(rest.text, '\n', rest.len) != NULL) {
		line = cut(&rest, '\n');
		if (line.len > 0 && line.text[line.len - 1] == '\r')
			line.len--;
		if (is_dirty(line))
			return 400;
		if (line.len == 0 && status != 0) {
			r->openmetrics =
			    h.openmetrics > 0 && h.openmetrics >= h.text;
			return host && h.hosts != 1 ? 400 : status;
		}
		/* RFC 9112, 2.2: empty lines before a request. */
		if (line.len == 0)
			continue;
		if (status == 0)
			status = read_request_line(line, r, &host);
		else if (read_header(&h, line) != 0)
			return 400;
		if (status == 400 || status == 505)
			return status;
	}
	return 0;
}

/* Ends the process: the client is too slow. */
static void
end(int signal)
{
	(void)signal;
	_exit(0);
}

/*
 * Reads into a buffer by the deadline (ns).  Returns the number of bytes, 0 at
 * the end, or -1 after the deadline or on an error.
 */
static ssize_t
read_by(int fd, char *to, size_t size, uint64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t now;
	ssize_t n;

	do {
		now = clock_now();
		if (now >= deadline)
			return -1;
		n = poll(&pfd, 1, (int)((deadline - now) / NS_PER_MS) + 1);
		if (n > 0)
			n = read(fd, to, size);
		else if (n == 0)
			return -1;
	} while (n == -1 && errno == EINTR);
	return n;
}

int
http_read(int fd, struct http_request *r)
{
	const uint64_t deadline = clock_now() + HTTP_READ_TIME * NS_PER_SEC;
	char buf[HTTP_REQUEST_MAX];
	size_t len = 0;
	int status = 0;
	ssize_t n;

	*r = (struct http_request){ .head = false };
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, end);
	alarm(HTTP_TIME);
	while (status == 0 && len < sizeof(buf)) {
		n = read_by(fd, buf + len, sizeof(buf) - len, deadline);
		if (n <= 0)
			return n == 0 ? 400 : 408;
		len += (size_t)n;
		status = http_parse(buf, len, r);
	}
	return status == 0 ? 431 : status;
}

static const char *
reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	}
	return "Bad Request";
}

static bool
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, text, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/*
 * Closes our side, and reads what the client still sends: closing a TCP socket
 * with unread bytes would discard the answer.
 */
static void
linger(int fd)
{
	const uint64_t deadline = clock_now() + LINGER_TIME * NS_PER_SEC;
	char buf[4096];
	size_t len = 0;
	ssize_t n;

	if (shutdown(fd, SHUT_WR) == -1)
		return;
	while (len < LINGER_MAX &&
	    (n = read_by(fd, buf, sizeof(buf), deadline)) > 0)
		len += (size_t)n;
}

void
http_answer(int fd, int status, const struct http_request *r,
    const struct http_answer *answer)
{
	struct http_answer a = *answer;
	char head[512], body[128];
	int len;

	if (a.body == NULL) {
		len = snprintf(body, sizeof(body), "%s%s\n", reason(status),
		    status == 404 ? ": the metrics are at /metrics" : "");
		a = (struct http_answer){ "text/plain; charset=utf-8", body,
			(size_t)len };
	}
	len = snprintf(head, sizeof(head),
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
	    "Connection: close\r\n\r\n",
	    status, reason(status), a.type, a.len,
	    status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (write_all(fd, head, (size_t)len) &&
	    (r->head || write_all(fd, a.body, a.len)))
		linger(fd);
}
