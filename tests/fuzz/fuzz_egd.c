/*
 * The whole EGD worker: the input is a script of its clients and of the parent,
 * who also starts it again.  A client of EGD checks the answers it receives.
 */
#include <sys/un.h>

#include <netinet/in.h>
#include <stddef.h>

#include "common/deposit.h"
#include "egd/client.h"
#include "egd/clients.h"
#include "egd/step.h"
#include "fuzz/worker.h"

#define PLACES	     8
#define COMMANDS_MAX 512 /* of a client */
#define STEPS_MAX    512

/* A client, and what it knows of the service. */
struct other {
	int fd;	  /* its end; -1: none */
	int conn; /* the parent's descriptor; -1: the place is free */
	struct egd sent;
	uint32_t ncommands, answered;
	struct egd_parsed commands[COMMANDS_MAX];
	uint32_t due; /* bytes of the current answer, or UINT32_MAX: unknown */
	uint64_t received;
};

static struct {
	struct worker w;
	struct clients clients;
	struct saved unsaved;
	struct other others[PLACES];
	int state, page; /* memory files */
	uint32_t protocol;
	int udp; /* a peer of the socket; -1: none */
} s;

static void
other_close(struct other *o)
{
	if (o->fd != -1)
		close(o->fd);
	o->fd = -1;
}

/* The bytes of the answer to a command, as far as they are known. */
static uint32_t
answer_size(const struct egd_parsed *command)
{
	switch (command->command) {
	case EGD_AVAILABLE:
		return 4;
	case EGD_WAIT:
		return command->wanted;
	case EGD_NOW:
	case EGD_PID:
		return UINT32_MAX;
	}
	return 0;
}

/* Checks one byte of the answers. */
static void
check_byte(struct other *o, uint8_t byte)
{
	const struct egd_parsed *command;

	while (o->due == 0) {
		CHECK(o->answered < o->ncommands);
		o->due = answer_size(&o->commands[o->answered++]);
	}
	if (o->due != UINT32_MAX) {
		o->due--;
		return;
	}
	/* The length of an answer to 01 or 04. */
	command = &o->commands[o->answered - 1];
	CHECK(byte <= (command->command == EGD_NOW ? command->wanted : 10));
	o->due = byte;
}

static void
other_read(struct other *o, size_t most)
{
	uint8_t bytes[4096];
	ssize_t n;

	if (o->fd == -1)
		return;
	n = recv(o->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes),
	    MSG_DONTWAIT);
	for (ssize_t i = 0; i < n; i++)
		if (s.protocol == SERVE_EGD)
			check_byte(o, bytes[i]);
	if (n > 0)
		o->received += (uint64_t)n;
}

/* Sends bytes, and notes the commands in them. */
static void
other_write(struct other *o, struct input *in)
{
	uint8_t bytes[256];
	struct egd_parsed said;
	size_t n = input_u8(in), used;
	ssize_t sent;

	input_copy(in, bytes, n);
	if (o->fd == -1 || o->ncommands + n > COMMANDS_MAX)
		return;
	sent = send(o->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (size_t at = 0; sent > 0 && at < (size_t)sent; at += used) {
		switch (egd_parse(&o->sent, bytes + at, (size_t)sent - at,
		    &used, &said)) {
		case EGD_UNKNOWN:
			return; /* it is closed */
		case EGD_COMMAND:
			o->commands[o->ncommands++] = said;
			break;
		default:
			break;
		}
	}
}

/* A new client in a place. */
static void
connect_client(uint32_t place)
{
	struct other *o = &s.others[place];
	int fds[2], size = 2048;
	struct frame f;

	if (o->conn != -1 || s.protocol == SERVE_DATAGRAM)
		return;
	other_close(o);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		  fds) == 0);
	/* Answers to be sent in parts. */
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	*o = (struct other){ .fd = fds[0], .conn = fds[1] };
	frame_init(&f, PROTO_CLIENT, 0, 0);
	f.u.client.place = place;
	f.fds[0] = dup(fds[1]);
	if (!parent_send(&f)) {
		close(o->conn);
		o->conn = -1;
	}
}

/* Reads what the worker reports. */
static void
hear_frames(void)
{
	enum channel_result result;
	struct frame f;

	while (
	    (result = channel_hear(parent.up, &f, ROLE_EGD)) != CHANNEL_AGAIN) {
		CHECK(result == CHANNEL_FRAME);
		if (f.hdr.type != PROTO_CLIENT_GONE)
			continue;
		CHECK(f.u.client.place < PLACES);
		CHECK(s.others[f.u.client.place].conn != -1);
		close(s.others[f.u.client.place].conn);
		s.others[f.u.client.place].conn = -1;
	}
}

static void
send_service(struct input *in)
{
	struct frame f;

	frame_init(&f, PROTO_SERVE, 0, 0);
	f.u.serve.protocol = s.protocol;
	f.u.serve.max_clients = input_u8(in) % PLACES + 1;
	f.u.serve.idle_timeout = input_u8(in) * NS_PER_SEC;
	f.u.serve.nallowed = input_u8(in) % 2;
	if (!parent_send(&f) || f.u.serve.nallowed == 0)
		return;
	frame_init(&f, PROTO_ALLOW, 0, 0);
	f.u.network.address[10] = f.u.network.address[11] = 0xff;
	f.u.network.address[12] = 127;
	f.u.network.bits = 104;
	CHECK(parent_send(&f));
}

/* The clients for the next worker. */
static void
send_clients(void)
{
	struct deposit_parts parts = { .n = 0 };
	int deposit = deposit_make();
	struct frame f;

	CHECK(deposit != -1);
	for (uint32_t i = 0; i < PLACES; i++)
		if (s.others[i].conn != -1) {
			parts.ids[parts.n] = CLIENT_ID_FIRST + i;
			parts.fds[parts.n++] = s.others[i].conn;
		}
	if (parts.n > 0)
		CHECK(deposit_put(deposit, &parts) == 0);
	frame_init(&f, PROTO_CLIENTS, 0, 0);
	f.fds[0] = dup(s.state);
	f.fds[1] = deposit;
	CHECK(parent_send(&f));
}

/* A UDP socket of its own, or a connected one, here of datagrams. */
static void
send_socket(bool bound)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct frame f;
	int fds[2];

	frame_init(&f, PROTO_SOCKET, 0, 0);
	f.u.socket.kind = bound ? SOCKET_BOUND : SOCKET_CONNECTED;
	if (!bound)
		CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
	else {
		fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
		fds[1] = socket(AF_INET, SOCK_DGRAM, 0);
		/* Without a loopback interface nothing arrives. */
		if (bind(fds[1], (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
		    getsockname(fds[1], (struct sockaddr *)&sin, &len) == 0)
			(void)connect(fds[0], (struct sockaddr *)&sin, len);
	}
	s.udp = fds[0];
	f.fds[0] = fds[1];
	CHECK(parent_send(&f));
}

static void
worker_start(struct input *in)
{
	struct frame f;

	parent_connect();
	frame_init(&f, PROTO_COUNTERS, 0, 0);
	f.fds[0] = dup(s.page);
	CHECK(parent_send(&f));
	send_service(in);
	frame_init(&f, PROTO_LIMITS, 0, 0);
	f.u.limits = parent_limits(in);
	CHECK(parent_send(&f));
	frame_init(&f, PROTO_BYTES, CONSUMER, parent.generation + 1);
	f.fds[0] = parent_bytes();
	CHECK(parent_send(&f));
	if (s.protocol == SERVE_DATAGRAM)
		send_socket((input_u8(in) & 1) != 0);
	else
		send_clients();
	memset(&s.clients, 0,
	    offsetof(struct clients, place) + PLACES * sizeof(struct client));
	memset(&s.w, 0, offsetof(struct worker, window));
	s.w.clients = &s.clients;
	s.w.saved = &s.unsaved;
	s.w.protocol = &client_egd;
	clients_init(&s.clients);
	parent.running = true;
	worker_init(&s.w);
	step_start(&s.w);
	parent.running = false;
}

/* The worker dies, as a process does. */
static void
worker_end(void)
{
	close(s.w.loop.epoll_fd);
	for (uint32_t i = 0; i < PLACES; i++)
		if (s.clients.place[i].state != CLIENT_NONE &&
		    s.clients.place[i].fd != -1)
			close(s.clients.place[i].fd);
	if (s.w.window.bytes_fd != -1)
		close(s.w.window.bytes_fd);
	if (s.w.writes_fd != -1)
		close(s.w.writes_fd);
	munmap(s.w.page, counters_size(ROLE_EGD));
	if (s.w.saved != &s.unsaved)
		munmap(s.w.saved, CLIENTS_STATE_SIZE);
	if (s.udp != -1)
		close(s.udp);
	s.udp = -1;
}

static void
worker_run(struct input *in)
{
	if (s.w.stage != WORKER_FINISHED) {
		parent.running = true;
		step(&s.w);
		parent.running = false;
	}
	hear_frames();
	if (s.w.stage != WORKER_FINISHED)
		return;
	worker_end();
	worker_start(in);
}

/* A frame that the parent sends while there are clients. */
static void
send_frame(struct input *in)
{
	struct frame f;

	switch (input_u8(in) % 5) {
	case 0:
		frame_init(&f, PROTO_LIMITS, 0, 0);
		f.u.limits = parent_limits(in);
		break;
	case 1:
		frame_init(&f, PROTO_BYTES, CONSUMER, parent.generation + 1);
		f.fds[0] = parent_bytes();
		break;
	case 2:
		frame_init(&f, PROTO_WANT_ASK, 0, 0);
		break;
	case 3:
		frame_init(&f, PROTO_PING, 0, 0);
		break;
	default:
		send_service(in);
		return;
	}
	parent_send(&f);
}

static void
act(struct input *in)
{
	uint8_t action = input_u8(in);
	struct other *o = &s.others[action / 16 % PLACES];

	switch (action % 16) {
	case 0:
	case 1:
		connect_client(action / 16 % PLACES);
		break;
	case 2:
	case 3:
	case 4:
		other_write(o, in);
		break;
	case 5:
		other_read(o, input_u8(in));
		break;
	case 6:
		if (o->fd != -1)
			shutdown(o->fd, SHUT_WR);
		break;
	case 7:
		other_close(o);
		break;
	case 8:
	case 9:
		parent_give(input_u16(in));
		break;
	case 10:
		send_frame(in);
		break;
	case 11:
		parent.now += input_u16(in) * NS_PER_MS;
		break;
	case 12: /* dies between two rounds */
		worker_end();
		worker_start(in);
		break;
	case 13:
		if (s.udp != -1 && send(s.udp, "", 1, MSG_DONTWAIT) == -1)
			errno = 0;
		break;
	default:
		worker_run(in);
		break;
	}
}

/* What the clients have received was given. */
static void
check_received(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < PLACES; i++) {
		other_read(&s.others[i], SIZE_MAX);
		sum += s.others[i].received;
	}
	CHECK(s.protocol != SERVE_STREAM || sum <= parent.given);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };

	parent_begin();
	s.protocol = input_u8(&in) % (SERVE_DATAGRAM + 1);
	s.udp = -1;
	for (uint32_t i = 0; i < PLACES; i++)
		s.others[i] = (struct other){ .fd = -1, .conn = -1 };
	s.state = memory_file("state", CLIENTS_STATE_SIZE);
	s.page = memory_file("page", counters_size(ROLE_EGD));
	worker_start(&in);
	for (int i = 0; in.left > 0 && i < STEPS_MAX; i++)
		act(&in);
	for (int i = 0; i < 4; i++)
		worker_run(&in);
	check_received();
	worker_end();
	return 0;
}
