/*
 * The whole EGD worker: the input is a script of its clients and of the parent,
 * who also starts it again, even in the middle of a round.  A client of EGD
 * checks the answers it receives.
 */

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
	bool inet;
	bool framed; /* has received an answer that is not only bytes */
	bool unsure; /* may have received bytes twice, instead of answers */
};

static struct {
	struct worker w;
	struct clients clients;
	struct saved unsaved;
	struct other others[PLACES];
	int state, page; /* memory files */
	uint32_t protocol;
	int udp, udp2;	   /* peers of the socket; -1: none */
	int port;	   /* a listener of TCP; -1: none */
	bool died;	   /* the worker, in a round */
	uint8_t dies_next; /* the next worker: parent.dies_in */
	bool damaged;	   /* the saved state, by a compromised worker */
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

	if (o->unsure || s.damaged)
		return;
	while (o->due == 0) {
		CHECK(o->answered < o->ncommands);
		command = &o->commands[o->answered++];
		o->due = answer_size(command);
		o->framed |= o->due > 0 && command->command != EGD_WAIT;
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

/* A listener of TCP, if there is a loopback interface. */
static void
listen_tcp(int family)
{
	struct sockaddr_storage at = { .ss_family = (sa_family_t)family };

	if (family == AF_INET6)
		((struct sockaddr_in6 *)(void *)&at)->sin6_addr =
		    in6addr_loopback;
	else
		((struct sockaddr_in *)(void *)&at)->sin_addr.s_addr =
		    htonl(INADDR_LOOPBACK);
	s.port = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s.port != -1 &&
	    bind(s.port, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    listen(s.port, PLACES) == 0)
		return;
	if (s.port != -1)
		close(s.port);
	s.port = -1;
}

/* Ends of a TCP connection, which leave nothing in the kernel afterwards. */
static bool
connect_tcp(int fds[2])
{
	const struct linger at_once = { .l_onoff = 1 };
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(at);

	if (s.port == -1 ||
	    getsockname(s.port, (struct sockaddr *)&at, &len) == -1)
		return false;
	fds[0] = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fds[0] != -1);
	if (connect(fds[0], (struct sockaddr *)&at, len) == -1) {
		close(fds[0]);
		return false;
	}
	fds[1] = accept4(s.port, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(fds[1] != -1);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once,
		    sizeof(at_once));
	return true;
}

/* A new client in a place. */
static void
connect_client(uint32_t place, bool inet)
{
	struct other *o = &s.others[place];
	int fds[2], size = 2048;
	struct frame f;

	if (o->conn != -1 || s.protocol == SERVE_DATAGRAM)
		return;
	other_close(o);
	inet = inet && connect_tcp(fds);
	if (!inet)
		CHECK(socketpair(AF_UNIX,
			  SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			  fds) == 0);
	/* Answers to be sent in parts. */
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (inet)
		setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*o = (struct other){ .fd = fds[0], .conn = fds[1], .inet = inet };
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

/* A network, of those that have the clients' addresses or not. */
static void
send_network(uint8_t which)
{
	static const uint8_t mapped[] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
	struct frame f;

	frame_init(&f, PROTO_ALLOW, 0, 0);
	if (which % 2 == 0)
		memcpy(f.u.network.address, mapped, sizeof(mapped));
	else
		f.u.network.address[15] = 1;
	f.u.network.bits = 128U - which / 2 % 32;
	f.u.network.address[which % 16] ^= which / 64;
	CHECK(parent_send(&f));
}

static void
send_service(struct input *in)
{
	struct frame f;
	uint8_t n;

	frame_init(&f, PROTO_SERVE, 0, 0);
	f.u.serve.protocol = s.protocol;
	f.u.serve.max_clients = input_u8(in) % PLACES + 1;
	f.u.serve.idle_timeout = input_u8(in) * NS_PER_SEC;
	n = input_u8(in);
	f.u.serve.nallowed = n % 4;
	f.u.serve.connects = n / 4 % 8 == 7;
	f.u.serve.addressed = 1;
	if (!parent_send(&f))
		return;
	for (uint32_t i = 0; i < n % 4; i++)
		send_network(i < 2 ? (uint8_t)i : input_u8(in));
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

/* A UDP socket on the loopback interface, or -1. */
static int
udp_socket(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1;

	CHECK(fd != -1);
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
connect_udp(int from, int to)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	CHECK(getsockname(to, (struct sockaddr *)&at, &len) == 0);
	/* Not those of the unix domain, which have no names. */
	(void)connect(from, (struct sockaddr *)&at, len);
}

/* A UDP socket of its own, or a connected one, also of the unix domain. */
static void
send_socket(uint8_t how)
{
	bool bound = (how & 1) != 0;
	int fds[2] = { -1, -1 };
	struct frame f;

	frame_init(&f, PROTO_SOCKET, 0, 0);
	f.u.socket.kind = bound ? SOCKET_BOUND : SOCKET_CONNECTED;
	if ((how & 3) != 0) {
		fds[0] = udp_socket();
		fds[1] = udp_socket();
		s.udp2 = bound ? udp_socket() : -1;
	}
	/* Without a loopback interface nothing arrives. */
	if (fds[1] == -1)
		CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
	else {
		connect_udp(fds[0], fds[1]);
		if (!bound)
			connect_udp(fds[1], fds[0]);
		else
			connect_udp(s.udp2, fds[1]);
	}
	s.udp = fds[0];
	f.fds[0] = fds[1];
	CHECK(parent_send(&f));
}

static void
init(void)
{
	worker_init(&s.w);
	step_start(&s.w);
}

static void
one_step(void)
{
	if (s.w.stage != WORKER_FINISHED)
		step(&s.w);
}

/* Runs a part of the worker, which may die in it. */
static void
run(void (*part)(void))
{
	s.died = worker_do(part) == 2;
	hear_frames();
	/* Of unix sockets it is not known what was sent. */
	for (uint32_t i = 0; s.died && i < PLACES; i++)
		s.others[i].unsure |= !s.others[i].inet && !s.others[i].framed;
}

static void
worker_start(struct input *in)
{
	struct frame f;

	parent.dies_in = 0;
	parent_connect();
	parent_send_page(s.page);
	send_service(in);
	frame_init(&f, PROTO_LIMITS, 0, 0);
	f.u.limits = parent_limits(in);
	CHECK(parent_send(&f));
	frame_init(&f, PROTO_BYTES, CONSUMER, parent.generation + 1);
	f.fds[0] = parent_bytes();
	CHECK(parent_send(&f));
	if (s.protocol == SERVE_DATAGRAM)
		send_socket(input_u8(in));
	else
		send_clients();
	memset(&s.clients, 0,
	    offsetof(struct clients, place) + PLACES * sizeof(struct client));
	memset(&s.w, 0, offsetof(struct worker, window));
	s.w.deposit = -1;
	s.w.clients = &s.clients;
	s.w.saved = &s.unsaved;
	s.w.protocol = &client_egd;
	clients_init(&s.clients);
	parent.dies_in = s.dies_next;
	s.dies_next = 0;
	run(init);
}

/* The worker dies, as a process does. */
static void
worker_end(void)
{
	int others[4 + 2 * PLACES + 3] = { s.state, s.page, s.port };
	size_t n = 3;

	for (uint32_t i = 0; i < PLACES; i++) {
		others[n++] = s.others[i].fd;
		others[n++] = s.others[i].conn;
	}
	/* Descriptors in flight in a socket that is connected to itself. */
	while (s.w.deposit > CHANNEL_UP_FD && deposit_drop(s.w.deposit) == 0)
		;
	worker_close(others, n);
	if (s.w.page != NULL)
		munmap(s.w.page, counters_size(ROLE_EGD));
	if (s.w.saved != &s.unsaved)
		munmap(s.w.saved, CLIENTS_STATE_SIZE);
	s.udp = s.udp2 = -1;
}

static void
worker_run(struct input *in)
{
	if (!s.died)
		run(one_step);
	if (!s.died && s.w.stage != WORKER_FINISHED)
		return;
	worker_end();
	worker_start(in);
}

/* A frame that the parent sends while there are clients. */
static void
send_frame(struct input *in)
{
	uint8_t which = input_u8(in) % 6;
	struct frame f;

	if (which < 4)
		parent_send_usual(in, which);
	else if (which == 4)
		send_service(in);
	else {
		frame_init(&f, PROTO_WRITES, 0, 0);
		f.fds[0] = memory_file("writes", 0);
		parent_send(&f);
	}
}

/* A compromised worker writes to the saved state of a client. */
static void
corrupt(struct input *in, uint32_t place)
{
	uint8_t where = input_u8(in), n = input_u8(in) % 17, bytes[16];
	size_t offset = where < sizeof(struct saved_record)
	    ? offsetof(struct saved, records[place]) + where
	    : where % 4U;

	input_copy(in, bytes, n);
	s.damaged = true;
	CHECK(pwrite(s.state, bytes, n, (off_t)offset) == n);
}

/* A peer sends a datagram, or refuses those of the worker, or accepts them. */
static void
send_datagram(uint8_t how)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	int peer = how % 2 == 0 ? s.udp : s.udp2;

	if (peer == -1)
		return;
	if (how < 8) {
		if (send(peer, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
			errno = 0;
	} else if (how < 12)
		connect_udp(peer, peer);
	else
		(void)connect(peer, &none, sizeof(none));
}

static void
act(struct input *in)
{
	uint8_t action = input_u8(in);
	struct other *o = &s.others[action / 16 % PLACES];

	switch (action % 16) {
	case 0:
	case 1:
		connect_client(action / 16 % PLACES, action % 16 == 1);
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
	case 12:
		if (action >= 128)
			s.dies_next = input_u8(in) % 64;
		if (action / 16 % 4 == 0) { /* dies between two rounds */
			worker_end();
			worker_start(in);
		} else if (action / 16 % 4 == 1)
			corrupt(in, input_u8(in) % PLACES);
		else
			parent.dies_in = input_u8(in) % 32;
		break;
	case 13:
		send_datagram(action / 16);
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
	uint8_t protocol;

	parent_begin();
	protocol = input_u8(&in);
	s.protocol = protocol % (SERVE_DATAGRAM + 1);
	s.udp = s.udp2 = s.port = -1;
	s.damaged = false;
	s.dies_next = 0;
	if (protocol >= 64)
		listen_tcp(protocol >= 128 ? AF_INET6 : AF_INET);
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
