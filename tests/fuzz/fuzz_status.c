/*
 * The whole status process: the input is a script of its clients and of the
 * parent.  Each client checks that what it receives is JSON.
 */
#include <sys/un.h>

#include <json-c/json.h>
#include <stddef.h>

#include "fuzz/worker.h"
#include "status/status.h"

#define CLIENTS	  8
#define STEPS_MAX 512
#define READ_MAX  4096
#define ROUNDS	  64 /* to handle the ends of all clients */

static const char text_status[] =
    "{\"schema\":1,\"pools\":[{\"name\":\"one\",\"guests\":[{\"name\":\"vm1\","
    "\"x\":\"\\\"]}\"},{\"name\":\"vm2\"}],\"classes\":[],\"services\":["
    "{\"name\":\"lan\",\"kind\":\"egd\"},{\"name\":\"vm1\",\"kind\":\"guest\"}]"
    "},{\"name\":\"two\",\"guests\":[],\"services\":[]}],\"stored\":0}";
static const char text_events[] =
    "[{\"time\":1,\"pool\":\"one\",\"guest\":\"vm1\"},{\"time\":2,"
    "\"service\":\"lan\",\"kind\":\"egd\"},{\"time\":3,\"pool\":\"two\"}]";

/* Calls that clients send, in addition to their own. */
static const char *const calls[] = {
	"{\"method\":\"io.vrngd.Status.Get\"}",
	"{\"method\":\"io.vrngd.Status.Get\",\"parameters\":{\"guest\":"
	"\"vm1\"}}",
	"{\"method\":\"io.vrngd.Status.Get\",\"oneway\":true}",
	"{\"method\":\"io.vrngd.Status.Get\",\"parameters\":{\"service\":"
	"\"egd:lan\",\"pool\":\"one\"}}",
	"{\"method\":\"io.vrngd.Status.Monitor\",\"more\":true}",
	"{\"method\":\"io.vrngd.Status.Monitor\",\"more\":true,"
	"\"parameters\":{\"pool\":\"one\"}}",
	"{\"method\":\"org.varlink.service.GetInfo\"}",
	"{\"method\":\"no.such.Method\"}",
};

/* A client's connection, and the reply it has received a part of. */
struct other {
	int fd; /* -1: none */
	char text[READ_MAX * 4];
	size_t n;
	bool skip; /* the reply is longer than that */
};

static struct {
	struct status st;
	struct other others[CLIENTS];
	struct sockaddr_un sun;
	socklen_t sun_len;
	bool asked, asked_events; /* of the parent */
	uint32_t serial;
} s;

static void
busy(void)
{
	loop_busy(&s.st.loop);
}

static void
check_reply(struct other *o)
{
	struct json_object *reply;

	if (!o->skip) {
		reply = json_tokener_parse(o->text);
		CHECK(json_object_is_type(reply, json_type_object));
		json_object_put(reply);
	}
	o->n = 0;
	o->skip = false;
}

static void
other_read(struct other *o, size_t most)
{
	char bytes[READ_MAX];
	ssize_t n;

	if (o->fd == -1)
		return;
	n = recv(o->fd, bytes, most < READ_MAX ? most : READ_MAX, MSG_DONTWAIT);
	for (ssize_t i = 0; i < n; i++) {
		if (o->n == sizeof(o->text)) {
			o->n = 0;
			o->skip = true;
		}
		o->text[o->n++] = bytes[i];
		if (bytes[i] == '\0')
			check_reply(o);
	}
}

static void
other_write(struct other *o, const void *bytes, size_t n)
{
	if (o->fd != -1 &&
	    send(o->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		errno = 0;
}

static void
other_close(struct other *o)
{
	if (o->fd != -1)
		close(o->fd);
	o->fd = -1;
	o->n = 0;
	o->skip = false;
}

static void
other_connect(struct other *o)
{
	other_close(o);
	o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CHECK(o->fd != -1);
	if (connect(o->fd, (struct sockaddr *)&s.sun, s.sun_len) == -1)
		other_close(o);
}

/* A memory file with that text. */
static int
text_file(const char *text, size_t size)
{
	int fd = memory_file("text", size);

	CHECK(pwrite(fd, text, size, 0) == (ssize_t)size);
	return fd;
}

/* Reads what the process asks. */
static void
read_frames(void)
{
	enum channel_result result;
	struct frame f;

	while ((result = channel_hear(parent.up, &f, ROLE_STATUS)) !=
	    CHANNEL_AGAIN) {
		CHECK(result == CHANNEL_FRAME);
		if (f.hdr.type == PROTO_STATUS_ASK) {
			CHECK(!s.asked);
			s.asked = true;
		} else if (f.hdr.type == PROTO_EVENTS_ASK) {
			s.asked_events = f.u.events_ask.on != 0;
			s.serial = f.u.events_ask.serial;
		}
	}
}

/* Answers of the parent. */
static void
answer(bool status)
{
	struct frame f;

	if (status && s.asked) {
		frame_init(&f, PROTO_STATUS, 0, 0);
		f.u.status.size = sizeof(text_status) - 1;
		f.fds[0] = text_file(text_status, sizeof(text_status) - 1);
		s.asked = !parent_send(&f);
	} else if (!status && s.asked_events) {
		frame_init(&f, PROTO_EVENTS, 0, 0);
		f.u.events.size = sizeof(text_events) - 1;
		f.u.events.lost = s.serial % 3;
		f.u.events.serial = s.serial;
		f.fds[0] = text_file(text_events, sizeof(text_events) - 1);
		s.asked_events = !parent_send(&f);
	}
}

static void
run(void)
{
	parent.running = true;
	status_step(&s.st);
	parent.running = false;
	read_frames();
}

static void
act(struct input *in)
{
	uint8_t action = input_u8(in), bytes[256];
	struct other *o = &s.others[action / 16 % CLIENTS];
	const char *text;
	size_t n;

	switch (action % 16) {
	case 0:
		other_connect(o);
		break;
	case 1:
		other_close(o);
		break;
	case 2:
		n = input_u8(in);
		input_copy(in, bytes, n);
		other_write(o, bytes, n);
		break;
	case 3: /* a call, or its beginning */
	case 4:
		n = input_u8(in);
		text = calls[n % 8];
		other_write(o, text, n < 128 ? strlen(text) + 1 : n / 10);
		break;
	case 5:
		other_read(o, input_u16(in));
		break;
	case 6:
	case 7:
		answer(true);
		break;
	case 8:
		answer(false);
		break;
	case 9:
		parent.now += input_u16(in) * NS_PER_MS;
		break;
	default:
		run();
		break;
	}
}

static void
start(void)
{
	struct frame f;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memset(&s.sun, 0, sizeof(s.sun));
	s.sun.sun_family = AF_UNIX;
	/* An address that the kernel selects. */
	s.sun_len = sizeof(s.sun.sun_family);
	CHECK(fd != -1 && bind(fd, (struct sockaddr *)&s.sun, s.sun_len) == 0 &&
	    listen(fd, CLIENTS) == 0);
	s.sun_len = sizeof(s.sun);
	CHECK(getsockname(fd, (struct sockaddr *)&s.sun, &s.sun_len) == 0);
	parent_connect();
	frame_init(&f, PROTO_SOCKET, 0, 0);
	f.u.socket.kind = SOCKET_LISTENING;
	f.fds[0] = fd;
	CHECK(parent_send(&f));
	parent.running = true;
	status_init(&s.st, busy);
	parent.running = false;
	run();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };

	parent_begin();
	s.asked = s.asked_events = false;
	for (size_t i = 0; i < CLIENTS; i++)
		s.others[i].fd = -1;
	for (size_t i = 0; i < CLIENTS; i++)
		other_close(&s.others[i]);
	start();
	for (int i = 0; in.left > 0 && i < STEPS_MAX; i++)
		act(&in);
	for (int i = 0; i < 8; i++) {
		answer(true);
		run();
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		other_read(&s.others[i], SIZE_MAX);
		other_close(&s.others[i]);
	}
	for (int i = 0; i < ROUNDS; i++) {
		answer(true);
		run();
	}
	/* All are gone with their connections. */
	CHECK(s.st.server.nclients == 0);
	return 0;
}
