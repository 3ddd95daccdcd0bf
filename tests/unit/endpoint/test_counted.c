/*
 * Reading the page of a worker, which the tests write to as they please.
 */
#include "unit/unit.h"

#include <sys/mman.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/endpoint/counted.h"
#include "parent/host/page.h"

struct reader {
	struct consumer consumer;
	struct counted counted;
	struct counters_page *page; /* as the worker has it */
};

static void
map(struct reader *r)
{
	r->page = mmap(NULL, counters_size(r->counted.role),
	    PROT_READ | PROT_WRITE, MAP_SHARED, r->counted.page.fd, 0);
	assert_ptr_not_equal(r->page, MAP_FAILED);
}

static void
start(struct reader *r, enum proto_role role)
{
	*r = (struct reader){ 0 };
	counted_init(&r->counted, role, &r->consumer);
	assert_int_equal(counted_begin(&r->counted), 0);
	map(r);
}

static void
stop(struct reader *r)
{
	munmap(r->page, counters_size(r->counted.role));
	counted_end(&r->counted);
}

/* A page that is closed has its last values in the sum, and once. */
static void
test_sum(void **state)
{
	struct counters sum;
	struct reader r;

	(void)state;
	start(&r, ROLE_VHOST);
	r.consumer.given = 100;
	r.page->counters.bytes = 64;
	r.page->counters.requests = 1;
	assert_int_equal(counted_read(&r.counted)->bytes, 64);
	r.page->counters.bytes = 100;
	r.page->counters.requests = 2;
	stop(&r);
	assert_int_equal(counted_read(&r.counted)->bytes, 0);
	sum = counted_total(&r.counted);
	assert_int_equal(sum.bytes, 100);
	assert_int_equal(sum.requests, 2);
	assert_int_equal(counted_begin(&r.counted), 0);
	map(&r);
	r.consumer.given = 150;
	r.page->counters.bytes = 50;
	sum = counted_total(&r.counted);
	assert_int_equal(sum.bytes, 150);
	assert_int_equal(sum.requests, 2);
	stop(&r);
	sum = counted_total(&r.counted);
	assert_int_equal(sum.bytes, 150);
}

/* Its size is fixed, and it leaves nothing behind. */
static void
test_page(void **state)
{
	size_t fds = unit_count_fds();
	struct reader r;

	(void)state;
	start(&r, ROLE_EGD);
	assert_int_equal(ftruncate(r.counted.page.fd, 0), -1);
	assert_int_equal(ftruncate(r.counted.page.fd, 1 << 20), -1);
	assert_int_equal(fcntl(r.counted.page.fd, F_ADD_SEALS, F_SEAL_WRITE),
	    -1);
	stop(&r);
	assert_int_equal(unit_count_fds(), fds);
}

/* The next daemon knows from when the counters of a session count. */
static void
test_since(void **state)
{
	struct reader r, next = { 0 };
	uint64_t before = clock_now();

	(void)state;
	start(&r, ROLE_VHOST);
	assert_in_range(r.page->began, before, clock_now());
	before = r.page->began;
	usleep(1000);
	counted_init(&next.counted, ROLE_VHOST, &next.consumer);
	assert_int_equal(counted_resume(&next.counted,
			     fcntl(r.counted.page.fd, F_DUPFD_CLOEXEC, 0)),
	    0);
	assert_int_equal(next.counted.since, before);
	counted_end(&next.counted);
	/* A time that cannot be. */
	r.page->began = UINT64_MAX;
	counted_init(&next.counted, ROLE_VHOST, &next.consumer);
	assert_int_equal(counted_resume(&next.counted,
			     fcntl(r.counted.page.fd, F_DUPFD_CLOEXEC, 0)),
	    0);
	assert_in_range(next.counted.since, before, clock_now());
	counted_end(&next.counted);
	stop(&r);
}

/* A worker that writes what it likes: values are huge, and go back. */
static void
test_hostile(void **state)
{
	struct counters last = { 0 }, now;
	struct reader r;
	uint64_t start_ns = clock_now();

	(void)state;
	start(&r, ROLE_VHOST);
	r.consumer.given = 1000;
	memset(r.page, 0xff, sizeof(r.page->counters));
	now = *counted_read(&r.counted);
	assert_int_equal(now.bytes, 1000);
	assert_true(now.requests <= clock_now() - start_ns);
	assert_true(now.wait_ns <= clock_now() - start_ns);
	/* What a vhost worker does not have. */
	assert_int_equal(now.connections, 0);
	assert_int_equal(now.turned_away, 0);
	last = now;
	memset(r.page, 0, sizeof(r.page->counters));
	now = *counted_read(&r.counted);
	assert_memory_equal(&now, &last, sizeof(now));
	r.consumer.given = 2000;
	r.page->counters.bytes = 1500;
	assert_int_equal(counted_read(&r.counted)->bytes, 1500);
	stop(&r);
}

/* A wait that goes on counts; its end does not make it less or more. */
static void
test_wait(void **state)
{
	struct reader r;
	uint64_t waited;

	(void)state;
	start(&r, ROLE_EGD);
	usleep(2000);
	r.page->waiting_since = clock_now() - 1000000;
	waited = counted_read(&r.counted)->wait_ns;
	assert_true(waited >= 1000000);
	r.page->waiting_since = 0;
	assert_int_equal(counted_read(&r.counted)->wait_ns, waited);
	r.page->counters.wait_ns = waited + 1;
	assert_int_equal(counted_read(&r.counted)->wait_ns, waited + 1);
	r.page->waiting_since = UINT64_MAX;
	assert_int_equal(counted_read(&r.counted)->wait_ns, waited + 1);
	stop(&r);
}

/* The next daemon goes on with what it finds, as far as that is a page. */
static void
test_resume(void **state)
{
	size_t fds = unit_count_fds();
	struct reader a, b;
	int fd;

	(void)state;
	start(&a, ROLE_VHOST);
	a.consumer.given = 640;
	a.page->counters.bytes = 640;
	a.page->counters.requests = 10;
	a.page->counters.wait_ns = UINT64_C(5000000000);
	b = (struct reader){ 0 };
	counted_init(&b.counted, ROLE_VHOST, &b.consumer);
	fd = fcntl(a.counted.page.fd, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(counted_resume(&b.counted, fd), 0);
	stop(&a);
	map(&b);
	assert_int_equal(counted_read(&b.counted)->bytes, 640);
	assert_int_equal(b.counted.counters.requests, 10);
	assert_true(b.counted.counters.wait_ns == UINT64_C(5000000000));
	b.consumer.given = 64;
	b.page->counters.bytes = 704;
	b.page->counters.requests = 11;
	b.page->counters.wait_ns += 1;
	assert_int_equal(counted_read(&b.counted)->bytes, 704);
	assert_int_equal(b.counted.counters.requests, 11);
	assert_true(b.counted.counters.wait_ns == UINT64_C(5000000001));
	b.page->counters.bytes = 10000;
	assert_int_equal(counted_read(&b.counted)->bytes, 704);
	stop(&b);
	assert_int_equal(unit_count_fds(), fds);
}

/* What could be shrunk, or is too small, is not read. */
static void
test_strange(void **state)
{
	const int strange[] = {
		memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING),
		sealed_memory("small", 8),
		open("/dev/null", O_RDWR | O_CLOEXEC),
	};
	struct reader r;

	(void)state;
	assert_int_equal(ftruncate(strange[0], sizeof(struct counters)), 0);
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		r = (struct reader){ 0 };
		counted_init(&r.counted, ROLE_VHOST, &r.consumer);
		assert_int_equal(counted_resume(&r.counted, strange[i]), 0);
		map(&r);
		assert_int_equal(counted_read(&r.counted)->bytes, 0);
		stop(&r);
	}
}

/* What an earlier worker left, the same way, is not believed without end. */
static void
test_strange_counters(void **state)
{
	struct reader a, b;
	struct counters sum;

	(void)state;
	start(&a, ROLE_VHOST);
	memset(a.page, 0xff, sizeof(a.page->counters));
	b = (struct reader){ 0 };
	counted_init(&b.counted, ROLE_VHOST, &b.consumer);
	assert_int_equal(counted_resume(&b.counted,
			     fcntl(a.counted.page.fd, F_DUPFD_CLOEXEC, 0)),
	    0);
	stop(&a);
	sum = counted_total(&b.counted);
	assert_true(sum.bytes == UINT64_C(1) << 60);
	assert_true(sum.requests >= UINT64_C(1) << 60);
	assert_true(sum.requests < UINT64_C(1) << 61);
	counted_end(&b.counted);
}

static void
test_clients(void **state)
{
	struct counters_client client;
	struct reader r;
	uint32_t place = 0;

	(void)state;
	start(&r, ROLE_EGD);
	assert_int_equal(counted_nclients(&r.counted), 0);
	assert_false(counted_client(&r.counted, &place, &client));
	r.page->nplaces = 3;
	r.page->nclients = 1;
	memset(r.page->clients[1].peer, '\033', CLIENT_TEXT_SIZE);
	r.page->clients[1].since = 5;
	r.page->clients[1].bytes = 7;
	assert_int_equal(counted_nclients(&r.counted), 1);
	assert_true(counted_client(&r.counted, &place, &client));
	assert_int_equal(place, 2);
	assert_int_equal(client.since, 5);
	assert_int_equal(client.bytes, 7);
	assert_int_equal(strlen(client.peer), CLIENT_TEXT_SIZE - 1);
	assert_int_equal(strspn(client.peer, "."), CLIENT_TEXT_SIZE - 1);
	assert_false(counted_client(&r.counted, &place, &client));
	/* There are no more places than there are. */
	memset(r.page, 0xff, sizeof(*r.page));
	assert_int_equal(counted_nclients(&r.counted), CLIENTS_MAX);
	place = 0;
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		assert_true(counted_client(&r.counted, &place, &client));
	assert_false(counted_client(&r.counted, &place, &client));
	stop(&r);
	place = 0;
	assert_false(counted_client(&r.counted, &place, &client));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_strange),
		cmocka_unit_test(test_strange_counters),
		cmocka_unit_test(test_clients),
	};

	return UNIT_MAIN("counted", tests);
}
