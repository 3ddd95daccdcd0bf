/*
 * vrngctl monitor: prints the events that the daemon sends, one a line.  Used by
 * main.c.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/format.h"
#include "ctl/monitor.h"
#include "ctl/snapshot.h"

#define METHOD	   "io.vrngd.Status.Monitor"
#define REPLY_SIZE 65536 /* bytes, with the NUL; the daemon sends no longer */
#define TEXT_SIZE  1024	 /* with the NUL; longer text is truncated */

/* The replies of a connection. */
struct replies {
	int fd;
	size_t begin, end; /* of what was read and not taken */
	char text[REPLY_SIZE];
};

/* The next reply, until the next call; NULL with the reason. */
static const char *
next_reply(struct replies *r, const char *path, struct failure *why)
{
	const char *nul, *reply = NULL;
	ssize_t n;

	while ((nul = memchr(r->text + r->begin, '\0', r->end - r->begin)) ==
	    NULL) {
		memmove(r->text, r->text + r->begin, r->end - r->begin);
		r->end -= r->begin;
		r->begin = 0;
		if (r->end == sizeof(r->text)) {
			fail(why, EXIT_REFUSED,
			    "invalid answer from the daemon at %s", path);
			return NULL;
		}
		n = recv(r->fd, r->text + r->end, sizeof(r->text) - r->end, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			connect_fail_read(path, n, why);
			return NULL;
		}
		r->end += (size_t)n;
	}
	reply = r->text + r->begin;
	r->begin = (size_t)(nul - r->text) + 1;
	return reply;
}

/* The parameters of the next reply; NULL with the reason. */
static struct json_object *
next_event(struct replies *r, const char *path, struct failure *why)
{
	const char *text = next_reply(r, path, why);
	struct json_object *reply, *parameters;

	if (text == NULL)
		return NULL;
	reply = snapshot_parse(text);
	parameters = snapshot_object(reply, "parameters");
	if (snapshot_text(reply, "error")[0] != '\0') {
		fail(why, EXIT_REFUSED, "the daemon rejected the request: %s",
		    snapshot_text(reply, "error"));
		parameters = NULL;
	} else if (parameters == NULL)
		fail(why, EXIT_REFUSED, "invalid answer from the daemon at %s",
		    path);
	json_object_get(parameters);
	json_object_put(reply);
	return parameters;
}

/* One line for people; lost events are another. */
static void
print_event(struct json_object *parameters)
{
	struct json_object *event = snapshot_object(parameters, "event");
	uint64_t lost = snapshot_number(parameters, "lost");
	char time[TEXT_SIZE], level[TEXT_SIZE], name[TEXT_SIZE];
	char message[TEXT_SIZE];

	if (lost > 0)
		printf("%" PRIu64 " events lost\n", lost);
	if (event == NULL)
		return;
	printf("%s %s %s: %s\n",
	    format_text(time, sizeof(time), snapshot_text(event, "time")),
	    format_text(level, sizeof(level), snapshot_text(event, "level")),
	    format_text(name, sizeof(name), snapshot_text(event, "event")),
	    format_text(message, sizeof(message),
		snapshot_text(event, "message")));
}

static void
print_json(struct json_object *parameters)
{
	puts(json_object_to_json_string_ext(parameters,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void
send_call(int fd, const struct args *args)
{
	struct json_object *call = json_object_new_object();
	struct json_object *names = json_object_new_object();
	const char *text;

	if (args->operand != NULL) {
		json_object_object_add(names, "guest",
		    json_object_new_string(args->operand));
		json_object_object_add(names, "service",
		    json_object_new_string(args->operand));
	}
	if (args->pool != NULL)
		json_object_object_add(names, "pool",
		    json_object_new_string(args->pool));
	json_object_object_add(call, "method", json_object_new_string(METHOD));
	json_object_object_add(call, "parameters", names);
	json_object_object_add(call, "more", json_object_new_boolean(1));
	text = json_object_to_json_string_ext(call, JSON_C_TO_STRING_PLAIN);
	/* An error here shows when the reply is read. */
	(void)send(fd, text, strlen(text) + 1, MSG_NOSIGNAL);
	json_object_put(call);
}

/* Prints events until a failure. */
static void
print_events(struct replies *r, const struct args *args, struct failure *why)
{
	const struct timeval forever = { 0 };
	struct json_object *parameters;
	bool first = true;

	while ((parameters = next_event(r, args->status, why)) != NULL) {
		if (first) {
			/* It monitors: events may take any time. */
			(void)setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO,
			    &forever, sizeof(forever));
		} else if ((args->given & OPT_JSON) != 0)
			print_json(parameters);
		else
			print_event(parameters);
		first = false;
		json_object_put(parameters);
		if (fflush(stdout) == EOF)
			return;
	}
}

int
monitor_run(const struct args *args, struct failure *why)
{
	static struct replies replies;

	replies.fd = connect_open(args->status, SOCK_STREAM, "--status", why);
	if (replies.fd == -1)
		return -1;
	send_call(replies.fd, args);
	print_events(&replies, args, why);
	close(replies.fd);
	/* If the output could not be written, main() reports that. */
	return ferror(stdout) ? 0 : -1;
}
