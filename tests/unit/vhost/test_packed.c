/*
 * The packed virtqueue: positions and wrap counters, chains, used descriptors,
 * event suppression, the mark, and garbage.
 */
#include <stdlib.h>

#include "common/log.h"
#include "common/proto.h"
#include "unit/vhost/driver.h"
#include "vhost/device/packed.h"

#define AVAIL	0x80
#define USED	0x8000
#define DISABLE 1
#define DESC	2

/* The driver of a packed ring. */
struct packed {
	struct driver d;
	uint32_t mark;
	uint16_t at; /* position of the next descriptor */
	struct request req;
};

static struct packed *
packed_new(uint32_t num)
{
	struct packed *p = calloc(1, sizeof(*p));
	const char *why;

	assert_non_null(p);
	driver_init(&p->d, 64);
	queue_unmap(&p->d.q);
	queue_set_packed(&p->d.q, true);
	assert_true(queue_size_is_valid(&p->d.q, num));
	p->d.q.num = num;
	p->d.q.mark = &p->mark;
	assert_int_equal(queue_map(&p->d.q, &why), 0);
	p->at = PACKED_START;
	return p;
}

static void
packed_free(struct packed *p)
{
	driver_free(&p->d);
	free(p);
}

static struct packed_desc *
desc_at(struct packed *p, uint16_t position)
{
	return (struct packed_desc *)(void *)(p->d.file + DESC_PART) +
	    (position & (PACKED_WRAP - 1));
}

static uint16_t
shown(uint16_t position, uint16_t flags)
{
	return flags | ((position & PACKED_WRAP) != 0 ? AVAIL : USED);
}

/* Makes a descriptor available. */
static void
offer(struct packed *p, uint64_t addr, uint32_t len, uint16_t flags)
{
	*desc_at(p, p->at) = (struct packed_desc){ htole64(addr), htole32(len),
		htole16(7), htole16(shown(p->at, flags)) };
	p->at = packed_advance(&p->d.q, p->at, 1);
}

static void
set_entry(struct packed *p, uint32_t i, uint64_t addr, uint32_t len,
    uint16_t flags)
{
	/* In the place of a split one's flags is an id here. */
	driver_entry(&p->d, TABLE_GPA, i,
	    (struct desc){ addr, len, 99, flags });
}

/* The used descriptor at a position. */
static void
expect_used(struct packed *p, uint16_t position, uint32_t len)
{
	const struct packed_desc *d = desc_at(p, position);
	uint16_t flags = (position & PACKED_WRAP) != 0 ? AVAIL | USED : 0;

	assert_int_equal(le16toh(d->id), 7);
	assert_int_equal(le32toh(d->len), len);
	assert_int_equal(le16toh(d->flags), flags | (len > 0 ? F_WRITE : 0));
}

/* Reads the request that is there, and completes it. */
static void
serve(struct packed *p, uint32_t len, uint32_t count, const char *fault)
{
	uint16_t at = p->d.q.next;

	assert_int_equal(queue_peek(&p->d.q), QUEUE_REQUEST);
	assert_int_equal(queue_pop(&p->d.q, &p->req), QUEUE_REQUEST);
	if (fault == NULL)
		assert_null(p->req.fault);
	else
		assert_string_equal(p->req.fault, fault);
	assert_int_equal(p->req.head, 7);
	assert_int_equal(p->req.len, len);
	assert_int_equal(p->req.count, count);
	queue_push(&p->d.q, &p->req, len);
	expect_used(p, at, len);
	assert_int_equal(p->d.q.used, p->d.q.next);
	assert_int_equal(p->mark, at | (uint32_t)p->d.q.next << 16);
	assert_int_equal(packed_settle(&p->d.q, p->mark), p->d.q.next);
}

/* Sizes that are no powers of two, and chains across the end of the ring. */
static void
test_rounds(void **state)
{
	const uint32_t sizes[] = { 1, 2, 3, 5, 64, 1000, 32767, 32768 };
	struct packed *p;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		p = packed_new(sizes[i]);
		for (uint32_t n = 0; n < 3 * sizes[i] + 7; n++) {
			assert_int_equal(queue_peek(&p->d.q), QUEUE_EMPTY);
			assert_int_equal(queue_pop(&p->d.q, &p->req),
			    QUEUE_EMPTY);
			offer(p, BUF_GPA, 64, F_WRITE);
			serve(p, 64, 1, NULL);
			if (sizes[i] < 3)
				continue;
			offer(p, BUF_GPA, 8, F_WRITE | F_NEXT);
			offer(p, HIGH_GPA - 4, 8, F_WRITE | F_NEXT);
			offer(p, BUF_GPA + 64, 8, F_WRITE);
			serve(p, 24, 3, NULL);
			driver_expect(&p->d, &p->req, 0, BUF_GPA, 8);
			driver_expect(&p->d, &p->req, 1, HIGH_GPA - 4, 4);
			driver_expect(&p->d, &p->req, 2, HIGH_GPA, 4);
		}
		assert_int_equal(queue_base(&p->d.q, p->d.q.next),
		    p->at | (uint32_t)p->at << 16);
		packed_free(p);
	}
}

static void
test_indirect(void **state)
{
	struct packed *p = packed_new(5);

	(void)state;
	/* NEXT, INDIRECT and the id mean nothing in a table. */
	set_entry(p, 0, BUF_GPA, 10, F_WRITE | F_NEXT | F_INDIRECT);
	set_entry(p, 1, BUF_GPA, 10, 0);
	set_entry(p, 2, BUF_GPA + 100, 20, F_WRITE);
	offer(p, TABLE_GPA, 48, F_INDIRECT);
	serve(p, 30, 1, NULL);
	driver_expect(&p->d, &p->req, 1, BUF_GPA + 100, 20);
	offer(p, BUF_GPA, 5, F_WRITE | F_NEXT);
	offer(p, TABLE_GPA, 32, F_INDIRECT | F_WRITE);
	serve(p, 15, 2, NULL);
	offer(p, TABLE_GPA, 16, F_INDIRECT | F_NEXT);
	offer(p, BUF_GPA, 5, F_WRITE);
	serve(p, 0, 2, "indirect table with a next descriptor");
	offer(p, TABLE_GPA, 17, F_INDIRECT);
	serve(p, 0, 1, "indirect table with a partial descriptor");
	offer(p, TABLE_GPA, 0, F_INDIRECT);
	serve(p, 0, 1, "indirect table with a partial descriptor");
	offer(p, NO_GPA, 16, F_INDIRECT);
	serve(p, 0, 1, "indirect table outside memory");
	offer(p, LOW_GPA, 0xfffffff0, F_INDIRECT);
	assert_int_equal(queue_pop(&p->d.q, &p->req), QUEUE_REQUEST);
	assert_non_null(p->req.fault);
	packed_free(p);
}

static void
test_faults(void **state)
{
	struct packed *p = packed_new(4);

	(void)state;
	offer(p, NO_GPA, 5, F_WRITE);
	serve(p, 0, 1, "buffer outside memory");
	offer(p, BUF_GPA, 5, 0);
	serve(p, 0, 1, "chain without device-writable buffer");
	offer(p, BUF_GPA, 5, F_WRITE | F_NEXT);
	offer(p, NO_GPA, 5, F_WRITE | F_NEXT);
	offer(p, BUF_GPA, 5, F_WRITE);
	serve(p, 5, 3, "buffer outside memory");
	/* The rest of a chain is not there. */
	offer(p, BUF_GPA, 5, F_WRITE | F_NEXT);
	serve(p, 5, 1, "next descriptor is not available");
	/* Its end is not there. */
	for (int i = 0; i < 4; i++)
		offer(p, BUF_GPA, 5, F_WRITE | F_NEXT);
	serve(p, 20, 4, "chain longer than its ring");
	offer(p, BUF_GPA, 5, F_WRITE);
	serve(p, 5, 1, NULL);
	packed_free(p);
}

/* A descriptor that is made available before it was used. */
static void
test_broken(void **state)
{
	struct packed *p = packed_new(3);

	(void)state;
	for (int i = 0; i < 3; i++) {
		offer(p, BUF_GPA, 5, F_WRITE);
		assert_int_equal(queue_pop(&p->d.q, &p->req), QUEUE_REQUEST);
	}
	assert_int_equal(queue_pop(&p->d.q, &p->req), QUEUE_EMPTY);
	offer(p, BUF_GPA, 5, F_WRITE);
	assert_int_equal(queue_pop(&p->d.q, &p->req), QUEUE_BROKEN);
	packed_free(p);
}

static void
set_driver(struct packed *p, uint16_t position, uint16_t flags)
{
	p->d.avail[0] = htole16(position);
	p->d.avail[1] = htole16(flags);
}

/* Completes `n` requests.  Returns whether the driver is called. */
static bool
complete(struct packed *p, int n)
{
	for (int i = 0; i < n; i++) {
		offer(p, BUF_GPA, 5, F_WRITE);
		serve(p, 5, 1, NULL);
	}
	return queue_publish(&p->d.q);
}

static void
test_calls(void **state)
{
	struct packed *p = packed_new(5);

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		p->d.q.event_idx = event_idx == 1;
		set_driver(p, 0, 0);
		assert_true(complete(p, 1));
		set_driver(p, 0, DISABLE);
		assert_false(complete(p, 1));
	}
	set_driver(p, packed_advance(&p->d.q, p->at, 1), DESC);
	assert_false(complete(p, 1));
	assert_true(complete(p, 1));
	assert_false(complete(p, 1));
	for (uint32_t i = 0; i < 20; i++) {
		set_driver(p, packed_advance(&p->d.q, p->at, i % 5), DESC);
		assert_int_equal(complete(p, 3), i % 5 < 3);
		complete(p, 5);
	}
	/* The first time after a start: the driver may have waited. */
	p->d.q.called = false;
	assert_true(complete(p, 1));
	packed_free(p);
}

static void
expect_event(struct packed *p, uint16_t position, uint16_t flags)
{
	assert_int_equal(le16toh(p->d.used[0]), position);
	assert_int_equal(le16toh(p->d.used[1]), flags);
}

static void
test_kicks(void **state)
{
	struct packed *p = packed_new(5);

	(void)state;
	queue_watch(&p->d.q, true);
	expect_event(p, 0, DISABLE);
	queue_arm(&p->d.q);
	expect_event(p, 0, DISABLE);
	queue_watch(&p->d.q, false);
	expect_event(p, 0, 0);
	p->d.q.event_idx = true;
	for (int i = 0; i < 20; i++) {
		complete(p, 3);
		queue_arm(&p->d.q);
		expect_event(p, p->at, DESC);
		queue_watch(&p->d.q, true);
		expect_event(p, 0, DISABLE);
		queue_watch(&p->d.q, false);
		expect_event(p, p->at, DESC);
	}
	packed_free(p);
}

/*
 * A worker dies before a used descriptor is written, after that, and when the
 * driver has had it and made all of the ring available again.
 */
static void
test_settle(void **state)
{
	struct packed *p = packed_new(3);
	struct queue *q = &p->d.q;

	(void)state;
	for (int i = 0; i < 20; i++) {
		uint16_t from = p->at, to;
		uint32_t mark;

		offer(p, BUF_GPA, 5, F_WRITE | F_NEXT);
		offer(p, BUF_GPA, 5, F_WRITE);
		to = p->at;
		mark = from | (uint32_t)to << 16;
		assert_int_equal(packed_settle(q, mark), from);
		serve(p, 10, 2, NULL);
		assert_int_equal(p->mark, mark);
		for (int n = 0; n < 3; n++) {
			assert_int_equal(packed_settle(q, mark), to);
			offer(p, BUF_GPA, 5, F_WRITE);
		}
		assert_int_equal(packed_settle(q, mark), to);
		for (int n = 0; n < 3; n++)
			serve(p, 5, 1, NULL);
	}
	assert_int_equal(packed_settle(q, 3), -1);
	assert_int_equal(packed_settle(q, 3U << 16), -1);
	assert_int_equal(packed_settle(q, UINT32_MAX), -1);
	packed_free(p);
}

/* Requests that were not completed are read again after a stop. */
static void
test_before(void **state)
{
	struct packed *p = packed_new(8);
	const char *why;

	(void)state;
	for (int i = 0; i < 20; i++) {
		complete(p, 1);
		offer(p, BUF_GPA, 5, F_WRITE | F_NEXT);
		offer(p, BUF_GPA, 5, F_WRITE);
		offer(p, BUF_GPA, 6, F_WRITE);
		queue_pop(&p->d.q, &p->req);
		queue_pop(&p->d.q, &p->req);
		assert_int_equal(queue_pop(&p->d.q, &p->req), QUEUE_EMPTY);
		p->d.q.next = queue_before(&p->d.q, 2);
		queue_unmap(&p->d.q);
		assert_int_equal(
		    queue_set_base(&p->d.q, queue_base(&p->d.q, p->d.q.next)),
		    0);
		assert_int_equal(queue_map(&p->d.q, &why), 0);
		serve(p, 10, 2, NULL);
		serve(p, 6, 1, NULL);
	}
	packed_free(p);
}

static void
test_base(void **state)
{
	struct packed *p = packed_new(8);
	struct queue *q = &p->d.q;
	const char *why;

	(void)state;
	queue_unmap(q);
	/* What another backend had not completed is read again. */
	assert_int_equal(queue_set_base(q, 0x80018005), 0);
	assert_int_equal(q->next, 0x8001);
	assert_int_equal(queue_base(q, q->next), 0x80018001);
	assert_int_equal(queue_set_base(q, 0x8002), 0);
	assert_int_equal(queue_base(q, q->next), 0x80028002);
	assert_int_equal(queue_map(q, &why), 0);
	queue_unmap(q);
	queue_set_base(q, 8);
	assert_int_equal(queue_map(q, &why), -1);
	queue_set_packed(q, false);
	assert_int_equal(queue_set_base(q, 0x10000), -1);
	assert_false(queue_size_is_valid(q, 5));
	packed_free(p);
}

static void
test_older(void **state)
{
	struct packed *p = packed_new(5);
	struct queue *q = &p->d.q;

	(void)state;
	for (int i = 0; i < 20; i++) {
		uint16_t first = p->at;

		queue_shrink(q);
		assert_false(queue_is_older(q, first));
		for (int n = 0; n < 4; n++)
			offer(p, BUF_GPA, 5, F_WRITE);
		queue_pop(q, &p->req);
		queue_shrink(q);
		offer(p, BUF_GPA, 5, F_WRITE);
		for (uint32_t n = 0; n < 5; n++)
			assert_int_equal(
			    queue_is_older(q, packed_advance(q, first, n)),
			    n < 4);
		queue_push(q, &p->req, 5);
		for (int n = 0; n < 4; n++)
			serve(p, 5, 1, NULL);
	}
	/* All of a ring, and not more. */
	for (int n = 0; n < 5; n++)
		offer(p, BUF_GPA, 5, F_WRITE);
	queue_shrink(q);
	assert_int_equal(q->shrunk, p->at);
	packed_free(p);
}

static bool
is_dirty(uint8_t *log, uint64_t gpa)
{
	uint64_t page = gpa / LOG_PAGE_SIZE;
	bool dirty = (log[page / 8] & 1U << page % 8) != 0;

	log[page / 8] &= (uint8_t) ~(1U << page % 8);
	return dirty;
}

/* By the address of the ring, since addr.log is not always that. */
static void
test_dirty_log(void **state)
{
	struct packed *p = packed_new(1024);
	uint8_t *log;
	const char *why;

	(void)state;
	/* The file's end is beyond it: 0x11000000 / 4096 / 8 bytes. */
	assert_int_equal(ftruncate(p->d.fd, FILE_SIZE + 0x10000), 0);
	munmap(p->d.file, FILE_SIZE);
	p->d.file = mmap(NULL, FILE_SIZE + 0x10000, PROT_READ | PROT_WRITE,
	    MAP_SHARED, p->d.fd, 0);
	assert_ptr_not_equal(p->d.file, MAP_FAILED);
	log = p->d.file + FILE_SIZE;
	assert_int_equal(
	    mapping_open(&p->d.mem.log, p->d.fd, FILE_SIZE, 0x10000, &why), 0);
	p->d.mem.logging = true;
	for (int logging = 0; logging < 2; logging++) {
		p->d.q.addr.flags = logging == 1 ? VHOST_VRING_F_LOG : 0;
		p->d.q.next = p->d.q.used = p->at = PACKED_START | 255;
		offer(p, BUF_GPA, 5, F_WRITE);
		serve(p, 5, 1, NULL);
		assert_int_equal(is_dirty(log, LOW_GPA), logging);
		assert_false(is_dirty(log, LOW_GPA + LOG_PAGE_SIZE));
		offer(p, BUF_GPA, 5, F_WRITE);
		serve(p, 5, 1, NULL);
		assert_false(is_dirty(log, LOW_GPA));
		assert_int_equal(is_dirty(log, LOW_GPA + LOG_PAGE_SIZE),
		    logging);
		p->d.q.event_idx = true;
		queue_watch(&p->d.q, true);
		queue_watch(&p->d.q, false);
		assert_int_equal(is_dirty(log, LOW_GPA + USED_PART), logging);
		queue_dirty(&p->d.q);
		for (uint64_t i = 0; i < 4; i++)
			assert_int_equal(
			    is_dirty(log, LOW_GPA + i * LOG_PAGE_SIZE),
			    logging);
		assert_false(is_dirty(log, LOW_GPA + 4 * LOG_PAGE_SIZE));
	}
	packed_free(p);
}

static void
test_blank(void **state)
{
	struct packed *p = packed_new(8);

	(void)state;
	assert_true(queue_is_blank(&p->d.q));
	queue_watch(&p->d.q, true);
	assert_true(queue_is_blank(&p->d.q));
	offer(p, BUF_GPA, 5, F_WRITE);
	assert_false(queue_is_blank(&p->d.q));
	packed_free(p);
}

/* Rings must be whole in one region, and aligned. */
static void
test_map(void **state)
{
	const struct {
		uint64_t desc, avail, used;
		bool good;
	} rows[] = {
		{ LOW_USER, LOW_USER + 0x2000, LOW_USER + 0x3000, true },
		{ LOW_USER + LOW_SIZE - 80, HIGH_USER, HIGH_USER + 4, true },
		{ LOW_USER + LOW_SIZE - 64, HIGH_USER, HIGH_USER + 4, false },
		{ LOW_USER + 8, HIGH_USER, HIGH_USER + 4, false },
		{ LOW_USER, HIGH_USER + 2, HIGH_USER + 4, false },
		{ LOW_USER, HIGH_USER, HIGH_USER + 2, false },
		{ LOW_USER, HIGH_USER + HIGH_SIZE, HIGH_USER, false },
		{ LOW_USER, HIGH_USER, HIGH_USER + HIGH_SIZE, false },
		{ 0, HIGH_USER, HIGH_USER + 4, false },
	};
	struct packed *p = packed_new(5);
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p->d.q.addr.desc = rows[i].desc;
		p->d.q.addr.avail = rows[i].avail;
		p->d.q.addr.used = rows[i].used;
		assert_int_equal(queue_map(&p->d.q, &why),
		    rows[i].good ? 0 : -1);
	}
	packed_free(p);
}

/* Descriptors of any content, which change while they are read. */
static void
test_garbage(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int game = 0; game < 300; game++) {
		struct packed *p =
		    packed_new(1 + (uint32_t)(unit_random(&seed) % 40));
		struct queue *q = &p->d.q;

		for (int step = 0; step < 200; step++) {
			uint64_t r = unit_random(&seed);
			uint16_t at = (uint16_t)(r % q->num);

			*desc_at(p, at) = (struct packed_desc){
				.addr = htole64(
				    LOW_GPA + (r >> 16) % (2 * LOW_SIZE)),
				.len = htole32((uint32_t)(r >> 8) >> r % 32),
				.id = (uint16_t)(r >> 40),
				.flags = htole16(
				    shown((uint16_t)(r >> 3), r >> 20 & 7)),
			};
			queue_arm(q);
			if (queue_pop(q, &p->req) != QUEUE_REQUEST)
				continue;
			assert_in_range(p->req.count, 1, q->num);
			assert_in_range(p->req.len, 0, REQUEST_MAX);
			assert_true(p->req.len > 0 || p->req.fault != NULL);
			if (r % 3 == 0)
				continue;
			/* In order, for what was not. */
			q->next = packed_advance(q, q->used, p->req.count);
			queue_push(q, &p->req, p->req.len);
			queue_publish(q);
			assert_int_equal(q->used, q->next);
		}
		packed_free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_kicks),
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_before),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_older),
		cmocka_unit_test(test_dirty_log),
		cmocka_unit_test(test_blank),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_garbage),
	};

	return UNIT_MAIN("packed", tests);
}
