/*
 * Deposits, and sessions that are saved in them and resumed.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "unit/unit.h"
#include "vhost/worker.h"

#define GUEST_SIZE 0x10000
#define RING_DESC  0
#define RING_AVAIL 0x1000
#define RING_USED  0x2000
#define USER_BASE  UINT64_C(0x7f0000000000)

/* In place of the worker's loop. */
int
loop_try(struct loop *l, int op, int fd, uint32_t events, uint64_t key)
{
	(void)l, (void)op, (void)fd, (void)events, (void)key;
	return 0;
}

static void
sink_nothing(void *arg, const struct log_line *line)
{
	(void)arg, (void)line;
}

static int
file(uint64_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* Puts `n` new files there, with ids from `id`. */
static int
put(int deposit, uint32_t id, size_t n, ino_t *inodes)
{
	struct deposit_parts parts = { .n = n };
	int r;

	for (size_t i = 0; i < n; i++) {
		parts.ids[i] = id + (uint32_t)i;
		parts.fds[i] = file(1);
		inodes[i] = inode(parts.fds[i]);
	}
	r = deposit_put(deposit, &parts);
	deposit_close(&parts);
	return r;
}

static void
expect_parts(int deposit, uint32_t id, size_t n, const ino_t *inodes)
{
	struct deposit_parts parts;

	assert_int_equal(deposit_peek(deposit, &parts), 1);
	assert_int_equal(parts.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(parts.ids[i], id + i);
		assert_int_equal(inode(parts.fds[i]), inodes[i]);
	}
	deposit_close(&parts);
}

/* What is looked at stays; what was taken out is gone. */
static void
test_order(void **state)
{
	struct deposit_parts parts;
	ino_t one[DEPOSIT_PARTS_MAX], two[2], three[1];
	size_t fds = unit_count_fds();
	int d = deposit_make();

	(void)state;
	assert_int_not_equal(d, -1);
	assert_int_equal(deposit_peek(d, &parts), 0);
	assert_int_equal(put(d, 1, DEPOSIT_PARTS_MAX, one), 0);
	assert_int_equal(put(d, 100, 2, two), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(deposit_rewind(d), 0);
		expect_parts(d, 1, DEPOSIT_PARTS_MAX, one);
		expect_parts(d, 100, 2, two);
		assert_int_equal(deposit_peek(d, &parts), 0);
	}
	assert_int_equal(put(d, 200, 1, three), 0);
	expect_parts(d, 200, 1, three);
	assert_int_equal(deposit_drop(d), 0);
	assert_int_equal(deposit_rewind(d), 0);
	expect_parts(d, 100, 2, two);
	assert_int_equal(deposit_drop(d), 0);
	assert_int_equal(deposit_drop(d), 0);
	assert_int_equal(deposit_drop(d), -1);
	close(d);
	assert_int_equal(unit_count_fds(), fds);
}

/* All messages, each once, in their order. */
static void
test_taken(void **state)
{
	ino_t inodes[3][DEPOSIT_PARTS_MAX];
	struct deposit_parts parts;
	size_t fds = unit_count_fds();
	int d = deposit_make();

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(put(d, CLIENT_ID_FIRST + 100 * i,
				     DEPOSIT_PARTS_MAX - i, inodes[i]),
		    0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(deposit_take(d, &parts), 1);
		assert_int_equal(parts.n, DEPOSIT_PARTS_MAX - i);
		for (size_t k = 0; k < parts.n; k++) {
			assert_int_equal(parts.ids[k],
			    CLIENT_ID_FIRST + 100 * i + k);
			assert_int_equal(inode(parts.fds[k]), inodes[i][k]);
		}
		deposit_close(&parts);
	}
	assert_int_equal(deposit_take(d, &parts), 0);
	close(d);
	assert_int_equal(unit_count_fds(), fds);
}

static void
test_full(void **state)
{
	ino_t inodes[1];
	int d = deposit_make();
	uint32_t n = 0;

	(void)state;
	while (put(d, n + 1, 1, inodes) == 0)
		n++;
	assert_int_equal(errno, EAGAIN);
	assert_in_range(n, 200, 10000);
	assert_int_equal(deposit_drop(d), 0);
	assert_int_equal(put(d, n + 1, 1, inodes), 0);
	close(d);
}

/* A message from another program, and another sender. */
static void
test_strange(void **state)
{
	struct deposit_parts parts;
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	int d = deposit_make(), other;

	(void)state;
	assert_int_equal(send(d, "strange", 7, 0), 7);
	assert_int_equal(deposit_peek(d, &parts), 1);
	assert_int_equal(parts.n, 0);
	assert_int_equal(getsockname(d, (struct sockaddr *)&sun, &len), 0);
	other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(other, "x", 1, 0, (struct sockaddr *)&sun, len),
	    -1);
	assert_int_equal(errno, EPERM);
	close(other);
	close(d);
}

struct place {
	int frontend; /* the other end of the connection */
	int deposit;
	int guest; /* memory */
	uint8_t *memory;
	struct counters_page page;
};

/* As the parent makes it. */
static void
place_init(struct place *p)
{
	struct deposit_parts parts = {
		.n = 2,
		.ids = { DEPOSIT_CONNECTION, DEPOSIT_STATE },
	};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	p->frontend = fds[1];
	p->deposit = deposit_make();
	parts.fds[0] = fds[0];
	parts.fds[1] = file(DEPOSIT_STATE_SIZE);
	assert_int_equal(deposit_put(p->deposit, &parts), 0);
	deposit_close(&parts);
	p->guest = file(GUEST_SIZE);
	p->memory = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    p->guest, 0);
	assert_ptr_not_equal(p->memory, MAP_FAILED);
}

static void
place_free(struct place *p)
{
	munmap(p->memory, GUEST_SIZE);
	close(p->guest);
	close(p->deposit);
	close(p->frontend);
}

static struct worker *
worker_new(struct place *p)
{
	struct worker *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->session.fd = w->kick_fd = w->call.fd = w->err.fd = -1;
	memory_init(&w->memory);
	queue_init(&w->queue, &w->memory);
	w->page = &p->page;
	rng_init(&w->rng, &w->queue, &w->inflight, &p->page.counters);
	save_resume(w, dup(p->deposit));
	return w;
}

/* It dies: what it had is gone, without a word. */
static void
worker_die(struct worker *w)
{
	int fds[] = { w->session.fd, w->save.deposit, w->kick_fd, w->call.fd,
		w->err.fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] != -1)
			close(fds[i]);
	memory_clear(&w->memory);
	mapping_close(&w->memory.log);
	mapping_close(&w->memory.inflight);
	munmap(w->save.file, DEPOSIT_STATE_SIZE);
	free(w);
}

/* Gives it a descriptor as a message does.  Returns its id. */
static uint32_t
give(struct worker *w, int fd)
{
	struct message m = { .nfds = 1, .fds = { fd } };

	save_fds(w, &m);
	return m.ids[0];
}

static void
add_memory(struct worker *w, struct place *p)
{
	const struct vhost_user_region r = { 0, GUEST_SIZE, USER_BASE, 0 };
	const char *why;

	assert_int_equal(
	    memory_add(&w->memory, &r, p->guest, give(w, p->guest), &why), 0);
}

/* A session with all that there is. */
static void
fill(struct worker *w, struct place *p)
{
	const char *why;
	int log = file(4096), kick = file(1), call = file(1);

	add_memory(w, p);
	assert_int_equal(mapping_open(&w->memory.log, log, 16, 1000, &why), 0);
	w->memory.log.id = give(w, log);
	close(log);
	ring_set_kick(w, kick, give(w, kick));
	ring_set_call(w, call, give(w, call));
	w->kick_set = w->enabled = w->queue.addr_set = true;
	w->features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_EVENT_IDX);
	w->protocol_features = 8;
	w->status = 15;
	w->queue.num = 64;
	w->queue.addr = (struct vhost_user_vring_addr){
		.desc = USER_BASE + RING_DESC,
		.avail = USER_BASE + RING_AVAIL,
		.used = USER_BASE + RING_USED,
	};
	w->queue.next = 7;
}

static void
test_resume(void **state)
{
	struct place p;
	struct worker *w;
	ino_t kick, call;
	uint16_t used = htole16(5);

	(void)state;
	place_init(&p);
	w = worker_new(&p);
	assert_false(w->running);
	fill(w, &p);
	/* Two entries ahead, as an offset that a frontend chose. */
	memcpy(p.memory + RING_USED + 2, &used, sizeof(used));
	ring_update(w);
	assert_true(w->running);
	save_state(w, 0, REPLY_NONE);
	kick = inode(w->kick_fd);
	call = inode(w->call.fd);
	/* Ten requests later. */
	used = htole16(15);
	memcpy(p.memory + RING_USED + 2, &used, sizeof(used));
	for (int i = 0; i < 3; i++) {
		worker_die(w);
		w = worker_new(&p);
		assert_true(w->running && w->more);
		assert_int_equal(w->queue.next, 17);
		assert_int_equal(w->queue.published, 15);
		assert_int_equal(w->memory.nregions, 1);
		assert_int_equal(w->memory.log.size, 1000);
		assert_int_equal(w->memory.log.offset, 16);
		assert_int_equal(inode(w->kick_fd), kick);
		assert_int_equal(inode(w->call.fd), call);
		assert_int_equal(w->err.fd, -1);
		assert_int_equal(w->status, 15);
		assert_int_equal(w->protocol_features, 8);
		assert_true(w->queue.event_idx);
	}
	worker_die(w);
	place_free(&p);
}

/* Old descriptors do not pile up, and none that is used goes. */
static void
test_gathered(void **state)
{
	size_t fds = unit_count_fds();
	struct place p;
	struct worker *w;
	int call;

	(void)state;
	place_init(&p);
	w = worker_new(&p);
	fill(w, &p);
	for (int i = 0; i < 1000; i++) {
		call = file(1);
		ring_set_call(w, call, give(w, call));
		assert_in_range(w->save.messages, 1, 200);
	}
	assert_int_equal(w->save.file->abandoned, 0);
	save_state(w, 0, REPLY_NONE);
	worker_die(w);
	w = worker_new(&p);
	assert_int_equal(w->memory.nregions, 1);
	assert_int_not_equal(w->call.fd, -1);
	worker_die(w);
	place_free(&p);
	assert_int_equal(unit_count_fds(), fds);
}

static void
become(uid_t uid)
{
	if (setresuid(0, 0, 0) == -1 || setresuid(uid, uid, 0) == -1)
		_exit(77);
}

/* Whether our user may send a descriptor while one is on its way. */
static bool
may_send(void)
{
	const struct deposit_parts parts = { .n = 1, .ids = { 1 } };
	struct rlimit limit, one;
	int d = deposit_make(), r;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		_exit(77);
	one = limit;
	one.rlim_cur = 1;
	if (setrlimit(RLIMIT_NOFILE, &one) == -1)
		_exit(77);
	r = deposit_put(d, &parts);
	if (r == -1 && errno != ETOOMANYREFS)
		_exit(77);
	setrlimit(RLIMIT_NOFILE, &limit);
	close(d);
	return r == 0;
}

/*
 * How many descriptors of a user are on their way, all processes of that user
 * have to share: the parent's is root.
 */
static void
test_owner(void **state)
{
	struct place p;
	pid_t pid = fork();
	int status;

	(void)state;
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		become(64998);
		place_init(&p);
		if (may_send())
			_exit(77);
		become(64999);
		worker_new(&p);
		become(64998);
		_exit(may_send() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		program_skip("not root, or it may send any number");
	assert_int_equal(status, 0);
}

/* A message that was handled: how much of it is consumed, and its reply. */
static void
test_message(void **state)
{
	const struct {
		size_t consumed;
		enum saved_reply reply;
		uint32_t size;
	} rows[] = { { 0, REPLY_NONE, 0 }, { 5, REPLY_NONE, 0 },
		{ 12, REPLY_NONE, 0 }, { 0, REPLY_OWED, 8 },
		{ 12, REPLY_OWED, 8 },
		/* Of GET_CONFIG: zeros, but for the beginning. */
		{ 12, REPLY_OWED, 268 } };
	const struct vhost_user_header hdr = { VHOST_USER_GET_FEATURES,
		VHOST_USER_VERSION, 0 };
	struct vhost_user_header next = { VHOST_USER_SET_OWNER,
		VHOST_USER_VERSION, 0 };
	const char *why;
	struct place p;
	struct worker *w;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		place_init(&p);
		w = worker_new(&p);
		assert_int_equal(write(p.frontend, &hdr, sizeof(hdr)), 12);
		assert_int_equal(write(p.frontend, &next, sizeof(next)), 12);
		assert_int_equal(session_read(&w->session, &why),
		    SESSION_MESSAGE);
		if (rows[i].reply != REPLY_NONE)
			session_reply(&w->session, rows[i].size)->payload.u64 =
			    4711;
		save_state(w, sizeof(hdr), rows[i].reply);
		assert_int_equal(session_consume(&w->session, rows[i].consumed),
		    0);
		worker_die(w);

		w = worker_new(&p);
		assert_int_equal(w->session.out_len,
		    rows[i].reply == REPLY_OWED ? 12 + rows[i].size : 0);
		if (rows[i].reply == REPLY_OWED) {
			assert_int_equal(w->session.out.payload.u64, 4711);
			assert_int_equal(w->session.out.hdr.size, rows[i].size);
			assert_int_equal(w->session.out.payload.bytes[267], 0);
		}
		assert_int_equal(session_read(&w->session, &why),
		    SESSION_MESSAGE);
		assert_int_equal(w->session.in.hdr.request,
		    VHOST_USER_SET_OWNER);
		session_next(&w->session);
		worker_die(w);
		place_free(&p);
	}
}

/* A reset drops the record of requests in flight, also for the next worker. */
static void
test_reset(void **state)
{
	const char *why;
	struct place p;
	struct worker *w;
	int record = file(4096);

	(void)state;
	place_init(&p);
	w = worker_new(&p);
	fill(w, &p);
	assert_int_equal(
	    mapping_open(&w->memory.inflight, record, 0, 4096, &why), 0);
	w->memory.inflight.id = give(w, record);
	close(record);
	assert_int_equal(
	    inflight_attach(&w->inflight, w->memory.inflight.start, 4096, 64),
	    0);
	w->session.in.hdr = (struct vhost_user_header){
		VHOST_USER_RESET_DEVICE,
		VHOST_USER_VERSION,
		0,
	};
	worker_handle(w);
	assert_null(w->inflight.region);
	save_state(w, 0, REPLY_NONE);
	worker_die(w);

	w = worker_new(&p);
	assert_null(w->inflight.region);
	assert_int_equal(w->memory.nregions, 1);
	worker_die(w);
	place_free(&p);
}

/* A message that was only read is read again. */
static void
test_unhandled(void **state)
{
	const struct vhost_user_header hdr = { VHOST_USER_GET_FEATURES,
		VHOST_USER_VERSION, 0 };
	const char *why;
	struct place p;
	struct worker *w;

	(void)state;
	place_init(&p);
	w = worker_new(&p);
	assert_int_equal(write(p.frontend, &hdr, sizeof(hdr)), 12);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(session_read(&w->session, &why),
		    SESSION_MESSAGE);
		assert_int_equal(w->session.in.hdr.request,
		    VHOST_USER_GET_FEATURES);
		worker_die(w);
		w = worker_new(&p);
	}
	worker_die(w);
	place_free(&p);
}

/* The exit status of a worker that resumes the session. */
static int
end_of_worker(struct place *p)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		worker_new(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* No id is given twice. */
static void
test_ids(void **state)
{
	struct place p;
	struct worker *w;

	(void)state;
	place_init(&p);
	w = worker_new(&p);
	w->save.next_id = UINT32_MAX - VHOST_USER_FDS_MAX;
	give(w, p.guest);
	assert_int_equal(w->save.file->abandoned, 0);
	give(w, p.guest);
	assert_int_equal(w->save.file->abandoned, 1);
	assert_int_equal(end_of_worker(&p), EXIT_SESSION_LOST);
	worker_die(w);
	place_free(&p);
}

/* A session that cannot be resumed is reported, and has no other effect. */
static void
test_lost(void **state)
{
	struct place p;
	struct worker *w;

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct saved_state *s;

		place_init(&p);
		w = worker_new(&p);
		fill(w, &p);
		save_state(w, 0, REPLY_NONE);
		assert_int_equal(end_of_worker(&p), 0);
		/* That one has saved it once more. */
		s = &w->save.file->copies[w->save.file->count % 2];
		switch (i) {
		case 0:
			w->save.file->version = SAVE_VERSION_PACKED + 1;
			break;
		case 1:
			s->nregions = VHOST_USER_MEM_SLOTS + 1;
			break;
		case 2:
			s->num = 63;
			break;
		case 3:
			s->reply = REPLY_SENDING;
			break;
		case 4:
			s->regions[0].id = 1000;
			break;
		case 5:
			s->log.size = 1 << 20;
			break;
		case 6:
			w->save.file->abandoned = 1;
			break;
		case 7:
			s->reply = REPLY_SENDING + 1;
			break;
		case 8:
			s->reply = REPLY_OWED;
			s->reply_len = sizeof(s->reply_hdr) +
			    sizeof(union vhost_user_payload) + 1;
			break;
		}
		assert_int_equal(end_of_worker(&p), EXIT_SESSION_LOST);
		worker_die(w);
		place_free(&p);
	}
}

/*
 * A packed ring goes on by its mark.  The state has a version of its own, and
 * otherwise the one that it had before there were packed rings.
 */
static void
test_packed(void **state)
{
	struct place p;
	struct worker *w;
	uint16_t flags = htole16(0x80);

	(void)state;
	place_init(&p);
	w = worker_new(&p);
	fill(w, &p);
	save_state(w, 0, REPLY_NONE);
	assert_int_equal(w->save.file->version, 4);
	w->features |= FEATURE(VIRTIO_F_RING_PACKED);
	queue_set_packed(&w->queue, true);
	w->queue.num = 63;
	assert_int_equal(queue_set_base(&w->queue, 0x80078007), 0);
	ring_update(w);
	assert_true(w->running);
	save_state(w, 0, REPLY_NONE);
	assert_int_equal(w->save.file->version, 5);
	assert_int_equal(w->save.file->mark, 0x80078007);
	/* At 7 and 8, one of which is used. */
	w->save.file->mark = 0x80098008;
	memcpy(p.memory + RING_DESC + 8 * 16 + 14, &flags, sizeof(flags));
	for (int i = 0; i < 4; i++) {
		if (i == 2) {
			flags = htole16(0x8080);
			memcpy(p.memory + RING_DESC + 8 * 16 + 14, &flags,
			    sizeof(flags));
		}
		worker_die(w);
		w = worker_new(&p);
		assert_true(w->running && w->queue.packed);
		assert_int_equal(w->queue.next, i < 2 ? 0x8008 : 0x8009);
		assert_int_equal(w->save.file->mark,
		    i < 2 ? 0x80088008 : 0x80098009);
		if (i == 1)
			w->save.file->mark = 0x80098008;
	}
	w->save.file->mark = 63;
	assert_int_equal(end_of_worker(&p), EXIT_SESSION_LOST);
	worker_die(w);
	place_free(&p);
}

/* Whatever a worker that was taken over has left, the next one lives. */
static void
test_garbage(void **state)
{
	uint64_t seed = 1;
	struct place p;
	struct worker *w;
	int status;

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct saved_state *s;
		uint8_t *byte;

		place_init(&p);
		w = worker_new(&p);
		fill(w, &p);
		ring_update(w);
		save_state(w, 0, REPLY_NONE);
		s = &w->save.file->copies[w->save.file->count % 2];
		for (int n = 0; n < 4; n++) {
			byte = (uint8_t *)s +
			    unit_below(&seed,
				sizeof(*s) - sizeof(s->regions) +
				    2 * sizeof(s->regions[0]));
			*byte = (uint8_t)unit_random(&seed);
		}
		status = end_of_worker(&p);
		assert_true(status == 0 || status == EXIT_SESSION_LOST);
		worker_die(w);
		place_free(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_strange),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_gathered),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_unhandled),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_garbage),
	};

	log_open(sink_nothing, NULL);
	return UNIT_MAIN("deposit", tests);
}
