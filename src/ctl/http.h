/*
 * One request of HTTP/1 (RFC 9112) and its answer, for a service that systemd
 * starts for each connection.
 */
#ifndef VRNGCTL_HTTP_H
#define VRNGCTL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_REQUEST_MAX 8192 /* bytes of a request */
#define HTTP_READ_TIME	 5    /* s, for all of it */
#define HTTP_TIME	 20   /* s, for the request and its answer */

struct http_request {
	bool head;	  /* the answer has no body */
	bool openmetrics; /* preferred to text */
};

struct http_answer {
	const char *type; /* Content-Type */
	const char *body;
	size_t len;
};

/*
 * Parses a request.  Returns 0 if it is incomplete, 200 if it is a request for
 * /metrics, or the status of the answer if it is another or an invalid one.
 */
int http_parse(const char *, size_t, struct http_request *);

/*
 * Reads a request from a descriptor, which ends the process HTTP_TIME later at
 * the latest.  Returns the status of the answer, as http_parse().
 */
int http_read(int fd, struct http_request *);

/*
 * Writes an answer, and waits until the client has closed the connection, for
 * at most a second.  Answers other than 200 describe their status if they have
 * no body.
 */
void http_answer(int fd, int status, const struct http_request *,
    const struct http_answer *);

#endif
