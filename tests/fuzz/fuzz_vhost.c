/*
 * The whole vhost worker: the input is a script of the frontend, of the guest's
 * driver and of the parent, who also starts it again on the same session.
 */
#include <sys/eventfd.h>
#include <sys/uio.h>

#include <endian.h>
#include <fcntl.h>
#include <stddef.h>

#include "common/deposit.h"
#include "common/fd_passing.h"
#include "fuzz/worker.h"
#include "vhost/worker.h"

#define GPA	   UINT64_C(0x10000)
#define USER	   UINT64_C(0x7f0000000000)
#define FILE_SIZE  0x40000
#define AVAIL_PART 0x8000
#define USED_PART  0xa000
#define STEPS_MAX  512

static struct {
	struct worker w;
	int deposit, state, page; /* of the parent */
	int conn;		  /* of the frontend; -1: closed */
	int memory, kick;	  /* files of the frontend */
	uint64_t size;		  /* of its memory */
	bool ended;		  /* the session */
	bool died;		  /* the worker, in a round */
	uint32_t at;		  /* descriptors of a packed ring offered */
} s;

static const uint32_t page_size = 4096;

/* Writes to the memory of the guest, as far as there is any. */
static void
poke(uint64_t offset, const void *bytes, size_t n)
{
	if (offset < s.size && n <= s.size - offset)
		CHECK(pwrite(s.memory, bytes, n, (off_t)offset) == (ssize_t)n);
}

static void
poke16(uint64_t offset, uint16_t value)
{
	value = htole16(value);
	poke(offset, &value, sizeof(value));
}

static void
poke_desc(struct input *in, uint64_t offset)
{
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} desc;
	uint8_t far = input_u8(in);

	desc.addr = htole64(GPA + ((far & 3U) << 16) + input_u16(in));
	desc.len = htole32(input_u16(in));
	desc.flags = htole16(input_u8(in));
	desc.next = htole16(input_u8(in));
	if ((far & 0x80) != 0)
		desc.addr = ~desc.addr;
	poke(offset, &desc, sizeof(desc));
}

static void
offer(uint16_t head)
{
	uint16_t idx = 0;

	if (pread(s.memory, &idx, sizeof(idx), AVAIL_PART + 2) == -1)
		return;
	idx = le16toh(idx);
	poke16(AVAIL_PART + 4 + idx % 16 * 2U, head);
	poke16(AVAIL_PART + 2, idx + 1);
}

/* Makes the next descriptor of a packed ring of 16 available. */
static void
offer_packed(struct input *in)
{
	uint64_t offset = s.at % 16 * 16U;
	uint16_t flags;

	poke_desc(in, offset);
	poke16(offset + 12, (uint16_t)s.at);
	flags = input_u8(in) & (DESC_F_NEXT | DESC_F_WRITE | DESC_F_INDIRECT);
	poke16(offset + 14, flags | (s.at / 16 % 2 == 0 ? 1U << 7 : 1U << 15));
	s.at++;
}

static void
send_bytes(const void *bytes, size_t n, const int *fds, size_t nfds)
{
	union fd_passing place;
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (s.conn == -1 || n == 0)
		return;
	fd_passing_put(&msg, &place, fds, nfds);
	if (sendmsg(s.conn, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		errno = 0;
}

/* A message of the frontend, as it is before it is sent. */
struct out {
	struct vhost_user_header hdr;
	union vhost_user_payload payload;
	int fds[VHOST_USER_FDS_MAX];
	size_t nfds;
};

static void
send_message(const struct out *m)
{
	uint8_t bytes[sizeof(m->hdr) + sizeof(m->payload)];
	size_t n = m->hdr.size;

	if (n > sizeof(m->payload))
		n = sizeof(m->payload);
	memcpy(bytes, &m->hdr, sizeof(m->hdr));
	memcpy(bytes + sizeof(m->hdr), &m->payload, n);
	send_bytes(bytes, sizeof(m->hdr) + n, m->fds, m->nfds);
}

static struct out
message(uint32_t request, uint32_t size)
{
	return (struct out){ .hdr = { request, VHOST_USER_VERSION, size } };
}

static void
send_u64(uint32_t request, uint64_t value, int fd)
{
	struct out m = message(request, 8);

	m.payload.u64 = value;
	m.fds[0] = fd;
	m.nfds = fd != -1;
	send_message(&m);
}

static void
send_state(uint32_t request, uint32_t num)
{
	struct out m = message(request, 8);

	m.payload.state.num = num;
	send_message(&m);
}

static struct vhost_user_region
region(uint8_t at, uint8_t pages)
{
	const uint64_t offset = (uint64_t)at * page_size;

	return (struct vhost_user_region){ GPA + offset,
		(uint64_t)pages * page_size, USER + offset, offset };
}

static void
send_region(uint32_t request, struct vhost_user_region r, bool fd)
{
	struct out m = message(request, sizeof(m.payload.region));

	m.payload.region.region = r;
	m.fds[0] = s.memory;
	m.nfds = fd;
	send_message(&m);
}

static void
send_addr(uint32_t flags)
{
	struct out m =
	    message(VHOST_USER_SET_VRING_ADDR, sizeof(m.payload.addr));

	m.payload.addr = (struct vhost_user_vring_addr){ .flags = flags,
		.desc = USER,
		.avail = USER + AVAIL_PART,
		.used = USER + USED_PART,
		.log = GPA + USED_PART };
	send_message(&m);
}

/* What frontends usually send, so that the ring runs. */
static void
send_usual(uint8_t how)
{
	struct out m = message(VHOST_USER_SET_MEM_TABLE, 8 + 2 * 32);
	uint64_t features = FEATURE(VIRTIO_F_VERSION_1) |
	    FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);

	if ((how & 1) != 0)
		features |= FEATURE(VIRTIO_F_EVENT_IDX);
	if ((how & 2) != 0)
		features |= FEATURE(VHOST_F_LOG_ALL);
	if ((how & 16) != 0)
		features |= FEATURE(VIRTIO_F_RING_PACKED);
	send_u64(VHOST_USER_SET_PROTOCOL_FEATURES, UINT64_MAX, -1);
	send_u64(VHOST_USER_SET_FEATURES, features, -1);
	m.payload.memory.nregions = 2;
	m.payload.memory.regions[0] = region(0, 0x20);
	m.payload.memory.regions[1] = region(0x20, 8);
	m.nfds = 2;
	m.fds[0] = m.fds[1] = s.memory;
	send_message(&m);
	send_state(VHOST_USER_SET_VRING_NUM, 16);
	send_state(VHOST_USER_SET_VRING_BASE, (how & 16) != 0 ? 0x80008000 : 0);
	send_addr((how & 2) != 0);
	if ((how & 4) == 0)
		send_u64(VHOST_USER_SET_VRING_CALL, 0, s.kick);
	if ((how & 8) == 0)
		send_u64(VHOST_USER_SET_VRING_KICK, 0, s.kick);
	else
		send_u64(VHOST_USER_SET_VRING_KICK, VHOST_USER_VRING_NOFD, -1);
	send_state(VHOST_USER_SET_VRING_ENABLE, 1);
}

/* Any message, with any payload and descriptors. */
static void
send_any(struct input *in)
{
	struct out m = { .hdr.request = input_u8(in) };
	uint8_t flags = input_u8(in), kind = input_u8(in);
	const int sources[] = { s.memory, s.kick, s.conn, s.memory };
	size_t n;

	m.hdr.flags = flags % 16 == 0 ? VHOST_USER_VERSION : flags % 16;
	m.hdr.size = input_u8(in) + (flags >> 4) % 8 * 256U;
	m.nfds = kind % 10;
	if (m.nfds > VHOST_USER_FDS_MAX)
		m.nfds = 0;
	for (size_t i = 0; i < m.nfds; i++)
		m.fds[i] = sources[kind / 10 % 4];
	if (m.nfds > 0 && m.fds[0] == -1)
		m.nfds = 0;
	n = m.hdr.size < in->left ? m.hdr.size : in->left;
	input_copy(in, &m.payload,
	    n < sizeof(m.payload) ? n : sizeof(m.payload));
	send_message(&m);
}

/* A message about the ring. */
static void
send_ring(struct input *in, uint8_t n)
{
	static const uint32_t eventfds[] = { VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_ERR };

	switch (n % 16) {
	case 3:
		send_state(VHOST_USER_SET_VRING_NUM, 1U << input_u8(in) % 17);
		break;
	case 4:
		send_state(VHOST_USER_SET_VRING_BASE, input_u16(in));
		break;
	case 5:
		send_state(VHOST_USER_GET_VRING_BASE, 0);
		break;
	case 6:
		send_state(VHOST_USER_SET_VRING_ENABLE, input_u8(in) & 1);
		break;
	case 7:
		send_addr(input_u8(in) & 1);
		break;
	case 8:
		send_u64(eventfds[n / 16 % 4], 0, s.kick);
		break;
	}
}

/* A message that passes memory, for all but requests. */
static void
send_memory(struct input *in, uint8_t n)
{
	struct out m;

	switch (n % 16) {
	case 10:
		m = message(VHOST_USER_GET_INFLIGHT_FD, 24);
		m.payload.inflight.num_queues = 1;
		m.payload.inflight.queue_size = input_u16(in);
		break;
	case 11:
		m = message(VHOST_USER_SET_INFLIGHT_FD, 24);
		m.payload.inflight = (struct vhost_user_inflight){ 0x1000,
			0x30000, 1, 16, { 0 } };
		m.nfds = 1;
		break;
	default:
		m = message(VHOST_USER_SET_LOG_BASE, 16);
		m.payload.log =
		    (struct vhost_user_log){ input_u8(in), 0x3f000 };
		m.nfds = 1;
		break;
	}
	m.fds[0] = s.memory;
	send_message(&m);
}

/*
 * A part of a transfer of the device's state: saved into a socket that is
 * connected to itself, loaded from a pipe, with a byte that may be wrong.
 */
static void
send_transfer(struct input *in, uint8_t n)
{
	const struct device_state state = { .status = 15 };
	struct out m = message(VHOST_USER_SET_DEVICE_STATE_FD, 8);
	uint8_t bytes[DEVICE_STATE_MAX];
	size_t len;
	int p[2];

	if (n % 4 == 0) {
		m = message(VHOST_USER_CHECK_DEVICE_STATE, 0);
		send_message(&m);
		return;
	}
	CHECK(pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0);
	len = device_state_write(&state, bytes);
	bytes[n % len] ^= input_u8(in);
	CHECK(write(p[1], bytes, len) == (ssize_t)len);
	if (n % 4 == 1) {
		close(p[0]);
		CHECK((p[0] = deposit_make()) != -1);
	} else
		m.payload.transfer.direction = VHOST_USER_TRANSFER_LOAD;
	m.fds[0] = p[0];
	m.nfds = 1;
	send_message(&m);
	close(p[0]);
	close(p[1]);
}

/* A message of the right form. */
static void
send_good(struct input *in)
{
	uint8_t n = input_u8(in), at;
	struct out m;

	switch (n % 16) {
	case 0:
		send_usual(input_u8(in));
		return;
	case 1:
		at = input_u8(in);
		send_region(VHOST_USER_ADD_MEM_REG, region(at, input_u8(in)),
		    true);
		return;
	case 2:
		at = input_u8(in);
		send_region(VHOST_USER_REM_MEM_REG, region(at, input_u8(in)),
		    false);
		return;
	case 9:
		send_u64(VHOST_USER_SET_FEATURES,
		    (uint64_t)input_u32(in) << 8 | input_u8(in), -1);
		return;
	case 10:
	case 11:
	case 12:
		send_memory(in, n);
		return;
	case 13:
		m = message(VHOST_USER_GET_CONFIG, 12U + input_u8(in));
		break;
	case 14:
		m = message(VHOST_USER_RESET_DEVICE, 0);
		break;
	case 15:
		if (n / 16 % 2 == 1) {
			send_transfer(in, input_u8(in));
			return;
		}
		m = message(VHOST_USER_GET_FEATURES, 0);
		m.hdr.flags |= VHOST_USER_NEED_REPLY;
		break;
	default:
		send_ring(in, n);
		return;
	}
	send_message(&m);
}

/* A part of a message, or anything else. */
static void
send_raw(struct input *in)
{
	uint8_t bytes[256];
	size_t n = input_u8(in);

	input_copy(in, bytes, n);
	send_bytes(bytes, n, &s.kick, n % 2);
}

static void
read_replies(size_t n)
{
	uint8_t bytes[4096];

	if (s.conn != -1 &&
	    recv(s.conn, bytes, n < sizeof(bytes) ? n : sizeof(bytes),
		MSG_DONTWAIT) == -1)
		errno = 0;
}

/* Reads what the worker reports, and answers. */
static void
answer_frames(void)
{
	enum channel_result result;
	struct frame f;
	uint64_t size;

	while ((result = channel_hear(parent.up, &f, ROLE_VHOST)) !=
	    CHANNEL_AGAIN) {
		CHECK(result == CHANNEL_FRAME);
		if (f.hdr.type == PROTO_WANT)
			CHECK(f.u.want.need <= f.u.want.room);
		if (f.hdr.type != PROTO_INFLIGHT_ASK)
			continue;
		CHECK(f.u.inflight.size <= INFLIGHT_SIZE_MAX);
		size = f.u.inflight.size;
		frame_init(&f, PROTO_INFLIGHT, 0, 0);
		f.fds[0] = memory_file("inflight", size);
		parent_send(&f);
	}
}

/* The worker dies, as a process does. */
static void
worker_end(void)
{
	int others[6 + 3] = { s.deposit, s.state, s.page, s.conn, s.memory,
		s.kick };

	worker_close(others, 6);
	memory_clear(&s.w.memory);
	mapping_close(&s.w.memory.log);
	mapping_close(&s.w.memory.inflight);
	if (s.w.page != NULL)
		munmap(s.w.page, counters_size(ROLE_VHOST));
	if (s.w.save.file != NULL)
		munmap(s.w.save.file, DEPOSIT_STATE_SIZE);
}

static void
one_step(void)
{
	s.ended = !worker_step(&s.w);
}

static void
init(void)
{
	worker_init(&s.w);
}

/* Runs a part of the worker, which may end with it, or die in it. */
static void
run(void (*part)(void))
{
	int end;

	if (s.ended || s.died)
		return;
	end = worker_do(part);
	s.died = end == 2;
	s.ended |= end == 1;
	if (s.ended || s.died)
		return;
	CHECK(s.w.page->counters.bytes <= parent.given);
	answer_frames();
}

static void
worker_run(void)
{
	run(one_step);
}

static void
worker_start(struct input *in)
{
	struct frame f;

	parent_connect();
	parent_send_page(s.page);
	frame_init(&f, PROTO_START, CONSUMER, parent.generation + 1);
	f.fds[0] = dup(s.deposit);
	f.fds[1] = parent_bytes();
	f.u.limits = parent_limits(in);
	f.u.limits.poll_us = f.u.limits.window % 5 * 10;
	f.u.limits.poll_share = 50;
	CHECK(parent_send(&f));
	memset(&s.w, 0, sizeof(s.w));
	run(init);
	worker_run();
}

/* Whether a worker that dies now may have sent a part of a reply. */
static bool
is_replying(void)
{
	const struct saved *file = s.w.save.file;

	return file != NULL &&
	    file->copies[file->count % 2].reply == REPLY_SENDING;
}

/* The next worker, after this one died. */
static void
restart(struct input *in)
{
	if (s.ended)
		return;
	/* What the frontend has taken away, or was too much to keep. */
	parent.may_be_lost |= s.size < FILE_SIZE || is_replying() ||
	    (s.w.save.file != NULL && s.w.save.file->abandoned != 0);
	worker_end();
	parent.dies_in = 0;
	s.died = false;
	worker_start(in);
}

/* A compromised worker writes to the saved state. */
static void
corrupt(struct input *in)
{
	uint16_t offset = input_u16(in);
	uint8_t bytes[16], n = input_u8(in) % sizeof(bytes);

	input_copy(in, bytes, n);
	parent.may_be_lost = true;
	if (offset % 4 != 0)
		offset %= 512;
	if (offset + n <= DEPOSIT_STATE_SIZE)
		CHECK(pwrite(s.state, bytes, n, offset) == n);
}

/* Of the frontend's, other than messages. */
static void
act_otherwise(struct input *in)
{
	switch (input_u8(in) % 5) {
	case 4:
		parent.dies_in = input_u8(in) % 16;
		break;
	case 0:
		s.size = input_u16(in) % 4 * 0x10000;
		CHECK(ftruncate(s.memory, (off_t)s.size) == 0);
		break;
	case 1:
		if (s.conn != -1)
			close(s.conn);
		s.conn = -1;
		break;
	case 2:
		corrupt(in);
		break;
	default:
		send_raw(in);
		break;
	}
}

static void
act(struct input *in)
{
	uint8_t action = input_u8(in), bytes[64];
	const uint64_t one = 1;

	switch (action % 16) {
	case 0:
	case 1:
		send_good(in);
		break;
	case 2:
		send_any(in);
		break;
	case 3:
	case 4:
		poke_desc(in,
		    input_u8(in) % 16 * 16U + action / 16 % 2 * 0x1000U);
		break;
	case 5:
		if (action >= 128)
			offer_packed(in);
		else
			offer(input_u8(in));
		break;
	case 6:
		input_copy(in, bytes, action / 4);
		poke(input_u16(in), bytes, action / 4);
		break;
	case 7:
		if (write(s.kick, &one, sizeof(one)) == -1)
			errno = 0;
		break;
	case 8:
		parent_give(input_u16(in));
		break;
	case 9:
		read_replies(input_u16(in));
		break;
	case 10:
		restart(in);
		break;
	case 11:
		parent_send_usual(in, input_u8(in) % 4);
		break;
	case 12:
		parent.now += input_u16(in) * NS_PER_MS;
		break;
	case 13:
		act_otherwise(in);
		break;
	default:
		worker_run();
		break;
	}
}

/* The deposit of a new session, as the parent makes it. */
static void
session_start(void)
{
	struct deposit_parts parts = { .n = 2,
		.ids = { DEPOSIT_CONNECTION, DEPOSIT_STATE } };
	int fds[2], size = 2048;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	/* Replies that have to wait. */
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	s.conn = fds[0];
	s.state = memory_file("state", DEPOSIT_STATE_SIZE);
	s.page = memory_file("page", counters_size(ROLE_VHOST));
	s.memory = memory_file("memory", FILE_SIZE);
	s.size = FILE_SIZE;
	s.kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	parts.fds[0] = fds[1];
	parts.fds[1] = s.state;
	s.deposit = deposit_make();
	CHECK(s.deposit != -1 && deposit_put(s.deposit, &parts) == 0);
	close(fds[1]);
	s.ended = s.died = false;
	s.at = 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };

	parent_begin();
	session_start();
	worker_start(&in);
	for (int i = 0; in.left > 0 && i < STEPS_MAX; i++)
		act(&in);
	for (int i = 0; i < 4; i++)
		worker_run();
	worker_end();
	/* Descriptors in flight in a socket that is connected to itself. */
	while (deposit_drop(s.deposit) == 0)
		;
	return 0;
}
