/*
 * Requests that wait while things change around them.
 */
#include <sys/mman.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"

#define IN_FLIGHT 200

/* Memory is taken away and put back under requests that wait for bytes. */
static void
test_memory_replaced(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", "-m",
		"2000", "-p", "1000", NULL };
	struct suite *s = *state;
	struct load l = { .fe = &s->fe, .depth = 16, .len = 300 };
	int i;

	suite_start(s, args);
	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 100; i++) {
		load_run(&l, 1, 3, NULL);
		CHECK(fe_mem_slot(&s->fe, FE_REM_MEM_REG, &s->fe.regions[1]));
		if (i % 2 == 0)
			usleep(1000);
		CHECK(fe_mem_slot(&s->fe, FE_ADD_MEM_REG, &s->fe.regions[1]));
	}
	/* load_run() fails for a request that is answered with nothing. */
	load_run(&l, 1, 2000, NULL);
	assert_true(l.bytes > 2000);
	suite_pass(s);
}

/* More requests in flight than are read ahead, without another kick. */
static void
test_many_in_flight(void **state)
{
	struct fe_inflight area = { .num_queues = 1, .queue_size = 256 };
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_msg msg;
	uint64_t counter;
	uint16_t header[4] = { 1, 256 };
	uint8_t *map;
	int head, fd;

	suite_up(s, fe, "vm0", 256, QEMU_FEATURES, QEMU_PFEATURES);
	CHECK(fe_stop(fe));
	CHECK(fe_ask(fe, FE_GET_INFLIGHT_FD, &area, sizeof(area), &msg));
	memcpy(&area, msg.payload, sizeof(area));
	fd = msg.fds[0];
	map = mmap(NULL, area.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	/* As a backend that died has left it. */
	header[3] = fe_used_idx(fe);
	memcpy(map + 8, header, sizeof(header));
	for (counter = 0; counter < IN_FLIGHT; counter++) {
		head = fe_add_one(fe, FE_BUF_GPA + counter * 64, 64);
		map[16 + head * 16] = 1;
		memcpy(map + 16 + head * 16 + 8, &counter, sizeof(counter));
	}
	CHECK(fe_set(fe, FE_SET_INFLIGHT_FD, &area, sizeof(area), &fd, 1));
	CHECK(fe_start(fe));
	CHECK(fe_wait(fe, IN_FLIGHT, FE_TIMEOUT_MS));
	munmap(map, area.size);
	close(fd);
	suite_pass(s);
}

/* A frontend that waits for a reply gets one for any request. */
static void
test_bad_log_answered(void **state)
{
	struct fe_log log = { .size = 1 << 20 };
	struct suite *s = *state;
	struct fe_msg msg;
	int fd = memfd_create("short", MFD_CLOEXEC);

	suite_up(s, &s->fe, "vm0", 64, QEMU_FEATURES | FE_F_LOG_ALL,
	    FE_P_LOG_SHMFD);
	CHECK(fe_send(&s->fe, FE_SET_LOG_BASE, 0, &log, sizeof(log), &fd, 1));
	CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
	assert_int_equal(msg.hdr.request, FE_SET_LOG_BASE);
	suite_served(&s->fe);
	close(fd);
	suite_pass(s);
}

struct flood {
	struct fe *fe;
	bool stop;
};

/* Requests that need no bytes, as fast as they are answered. */
static void *
flood(void *arg)
{
	struct flood *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED))
		fe_avail_idx_set(f->fe, (uint16_t)(fe_used_idx(f->fe) + 32768));
	return NULL;
}

/* A driver that keeps the worker busy does not keep it from its frontend. */
static void
test_endless_requests(void **state)
{
	struct suite *s = *state;
	struct flood f = { .fe = &s->fe };
	pthread_t thread;
	uint64_t value, start;
	int i;

	suite_up(s, &s->fe, "vm0", 32768, PLAIN_FEATURES, QEMU_PFEATURES);
	fe_desc_set(&s->fe, 0, FE_BUF_GPA, 64, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, flood, &f), 0);
	for (i = 0; i < 5; i++) {
		fe_kick_always(&s->fe);
		usleep(50000);
		start = fe_now();
		CHECK(fe_get_u64(&s->fe, FE_GET_FEATURES, &value));
		assert_true(fe_now() - start < 100);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	suite_pass(s);
}

/*
 * A worker that hung with bytes in hand hands them on late, and no more than
 * these beyond the bound; what it did not get was there for the other.
 */
static void
test_hoarder(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", "-m",
		"40000", "-p", "1000", NULL };
	struct suite *s = *state;
	struct load l = { .fe = &s->other, .depth = 8, .len = 4096 };
	struct fe_used_elem elem;
	uint64_t start, before, bytes = 0;
	pid_t worker;
	int i;

	suite_start(s, args);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	worker = daemon_child(&s->d, ROLE_VHOST, "vm0");
	for (i = 0; i < 8; i++)
		fe_add_one(&s->fe, FE_BUF_GPA + (uint64_t)i * 65536, 65536);
	fe_kick_always(&s->fe);
	usleep(20000);
	CHECK(kill(worker, SIGSTOP));
	load_run(&l, 1, 3000, NULL);
	while (fe_pop(&s->fe, &elem) == 1)
		continue;
	/* From the second second on all is the other's. */
	before = l.bytes;
	load_run(&l, 1, 1500, NULL);
	assert_true(l.bytes - before > 40000);
	before = l.bytes;
	start = fe_now();
	CHECK(kill(worker, SIGCONT));
	load_run(&l, 1, 100, NULL);
	while (fe_pop(&s->fe, &elem) == 1)
		bytes += elem.len;
	bytes += l.bytes - before;
	assert_true(bytes <= 2 * 40000 + 40 * (fe_now() - start));
	/* And it is served again. */
	fe_add_one(&s->fe, FE_BUF_GPA, 64);
	fe_kick_always(&s->fe);
	CHECK(fe_wait(&s->fe, 1, FE_TIMEOUT_MS));
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_memory_replaced),
		SUITE_TEST(test_many_in_flight),
		SUITE_TEST(test_bad_log_answered),
		SUITE_TEST(test_endless_requests),
		SUITE_EMPTY(test_hoarder),
	};

	return SUITE_MAIN("waiting", tests);
}
