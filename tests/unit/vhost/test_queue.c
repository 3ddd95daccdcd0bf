/*
 * The virtqueue: descriptor chains good and bad, the rings, and who is notified
 * of what.
 */
#include "unit/vhost/driver.h"
#include "common/proto.h"

#define LOOP_MAX 100000

/* What is device-readable or empty is passed over. */
static void
test_plain_chain(void **state)
{
	struct driver d;
	struct request req;

	(void)state;
	driver_init(&d, 8);
	driver_desc(&d, 5, BUF_GPA, 100, F_WRITE | F_NEXT, 0);
	driver_desc(&d, 0, BUF_GPA + 100, 7, F_NEXT, 7);
	driver_desc(&d, 7, BUF_GPA + 200, 0, F_WRITE | F_NEXT, 2);
	driver_desc(&d, 2, NO_GPA, 7, F_NEXT, 3);
	driver_desc(&d, 3, BUF_GPA + 1000, 1, F_WRITE | F_NEXT, 1);
	driver_desc(&d, 1, HIGH_GPA - 10, 30, F_WRITE, 99);
	driver_read(&d, 5, &req);
	assert_null(req.fault);
	assert_int_equal(req.len, 131);
	assert_int_equal(req.nsegments, 4);
	driver_expect(&d, &req, 0, BUF_GPA, 100);
	driver_expect(&d, &req, 1, BUF_GPA + 1000, 1);
	driver_expect(&d, &req, 2, HIGH_GPA - 10, 10);
	driver_expect(&d, &req, 3, HIGH_GPA, 20);
	driver_free(&d);
}

static void
test_nothing_writable(void **state)
{
	struct driver d;
	struct request req;

	(void)state;
	driver_init(&d, 4);
	driver_desc(&d, 0, BUF_GPA, 64, 0, 0);
	driver_desc(&d, 1, BUF_GPA, 0, F_WRITE, 0);
	for (uint16_t head = 0; head < 2; head++) {
		driver_read(&d, head, &req);
		assert_non_null(req.fault);
		assert_int_equal(req.len, 0);
		assert_int_equal(req.nsegments, 0);
	}
	driver_free(&d);
}

/* Tables of 1 to many entries, wherever they lie, alone or after others. */
static void
test_indirect(void **state)
{
	const uint64_t tables[] = { TABLE_GPA, TABLE_GPA + 1, HIGH_GPA - 16,
		HIGH_GPA - 24, HIGH_GPA - 5 };
	const uint32_t counts[] = { 1, 2, 5, 60 };
	struct driver d;
	struct request req;

	(void)state;
	driver_init(&d, 4);
	for (size_t t = 0; t < 20; t++) {
		uint64_t table = tables[t % 5];
		uint32_t n = counts[t / 5];

		for (uint32_t i = 0; i < n; i++)
			driver_entry(&d, table, i,
			    (struct desc){ BUF_GPA + i * 64, 64,
				i + 1 < n ? F_WRITE | F_NEXT : F_WRITE,
				(uint16_t)(i + 1) });
		driver_desc(&d, 3, BUF_GPA + 8192, 10, F_WRITE | F_NEXT, 1);
		driver_desc(&d, 1, table, n * 16, F_INDIRECT | F_WRITE, 0);
		driver_read(&d, 1, &req);
		assert_null(req.fault);
		assert_int_equal(req.len, n * 64);
		driver_expect(&d, &req, n - 1, BUF_GPA + (n - 1) * 64, 64);
		driver_read(&d, 3, &req);
		assert_null(req.fault);
		assert_int_equal(req.len, n * 64 + 10);
	}
	driver_free(&d);
}

/* A chain may use every descriptor that there is; one more is a loop. */
static void
test_longest_chain(void **state)
{
	const uint32_t sizes[] = { 1, 2, 16, 32768 };
	struct driver d;
	struct request req;

	(void)state;
	for (size_t s = 0; s < 4; s++) {
		uint32_t num = sizes[s];

		driver_init(&d, num);
		for (uint32_t i = 0; i < num; i++)
			driver_desc(&d, i, BUF_GPA, 1,
			    i == num - 1 ? F_WRITE : F_NEXT, (uint16_t)(i + 1));
		driver_read(&d, 0, &req);
		assert_null(req.fault);
		assert_int_equal(req.len, 1);
		driver_desc(&d, num - 1, BUF_GPA, 0, F_WRITE | F_NEXT, 0);
		driver_read(&d, 0, &req);
		assert_non_null(req.fault);
		driver_free(&d);
	}
}

/* A bad chain: what precedes the fault is there, and it ends. */
static void
test_bad_chains(void **state)
{
	const struct desc seconds[] = {
		{ BUF_GPA, 10, F_NEXT, 1 },	     /* itself */
		{ BUF_GPA, 0, F_WRITE | F_NEXT, 0 }, /* round */
		{ BUF_GPA, 10, F_NEXT, 8 },	     /* out of range */
		{ BUF_GPA, 10, F_NEXT, 65535 },	     /* the same */
		{ NO_GPA, 10, F_WRITE, 0 },	     /* outside */
		{ LOW_GPA - 1, 10, F_WRITE, 0 },     /* just before */
		{ UINT64_MAX - 4, 10, F_WRITE, 0 },  /* wraps */
		{ TABLE_GPA, 0, F_INDIRECT, 0 },     /* empty */
		{ TABLE_GPA, 17, F_INDIRECT, 0 },    /* and a bit */
		{ TABLE_GPA, 15, F_INDIRECT, 0 },    /* too little */
		{ TABLE_GPA, 16, F_INDIRECT | F_NEXT, 2 },
		{ NO_GPA - 8, 16, F_INDIRECT, 0 }, /* half outside */
		{ UINT64_MAX - 7, 16, F_INDIRECT, 0 },
		{ TABLE_GPA + 16, 16, F_INDIRECT, 0 }, /* holds another */
		{ TABLE_GPA + 32, 16, F_INDIRECT, 0 }, /* leaves itself */
		{ TABLE_GPA + 48, 32, F_INDIRECT, 0 }, /* goes round */
	};
	struct driver d;
	struct request req;

	(void)state;
	driver_init(&d, 8);
	driver_entry(&d, TABLE_GPA, 0, (struct desc){ BUF_GPA, 9, F_WRITE, 0 });
	driver_entry(&d, TABLE_GPA, 1,
	    (struct desc){ TABLE_GPA, 16, F_INDIRECT, 0 });
	driver_entry(&d, TABLE_GPA, 2, (struct desc){ BUF_GPA, 9, F_NEXT, 1 });
	driver_entry(&d, TABLE_GPA, 3, (struct desc){ BUF_GPA, 9, F_NEXT, 1 });
	driver_entry(&d, TABLE_GPA, 4, (struct desc){ BUF_GPA, 9, F_NEXT, 0 });
	for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++) {
		driver_desc(&d, 0, BUF_GPA + 4096, 32, F_WRITE | F_NEXT, 1);
		driver_entry(&d, LOW_GPA, 1, seconds[i]);
		driver_read(&d, 0, &req);
		assert_non_null(req.fault);
		assert_true(req.nsegments >= 1 && req.nsegments <= 8);
		assert_true(req.len == req.nsegments * 32);
		driver_expect(&d, &req, 0, BUF_GPA + 4096, 32);
	}
	driver_free(&d);
}

/* Heads out of range, and a buffer that begins well. */
static void
test_bad_heads(void **state)
{
	const uint16_t heads[] = { 8, 9, 255, 32768, 65535 };
	struct driver d;
	struct request req;

	(void)state;
	driver_init(&d, 8);
	for (size_t i = 0; i < 5; i++) {
		driver_read(&d, heads[i], &req);
		assert_non_null(req.fault);
		assert_int_equal(req.len, 0);
	}
	driver_desc(&d, 0, NO_GPA - 5, 10, F_WRITE, 0);
	driver_read(&d, 0, &req);
	assert_non_null(req.fault);
	assert_int_equal(req.len, 5);
	driver_expect(&d, &req, 0, NO_GPA - 5, 5);
	driver_free(&d);
}

/* As many segments as fit, of a longer chain. */
static void
test_segments_max(void **state)
{
	struct driver d;
	struct request req;

	(void)state;
	driver_init(&d, 128);
	for (uint16_t i = 0; i < 128; i++)
		driver_desc(&d, i, BUF_GPA + i, 1,
		    i < 127 ? F_WRITE | F_NEXT : F_WRITE, (uint16_t)(i + 1));
	for (uint16_t head = 62; head < 66; head++) {
		driver_read(&d, head, &req);
		assert_null(req.fault);
		assert_int_equal(req.nsegments,
		    head < 64 ? REQUEST_SEGMENTS : 128 - head);
		assert_int_equal(req.len, req.nsegments);
	}
	/* The last one begins where only half of it fits. */
	driver_desc(&d, 63, HIGH_GPA - 1, 2, F_WRITE, 0);
	driver_read(&d, 0, &req);
	assert_null(req.fault);
	assert_int_equal(req.nsegments, REQUEST_SEGMENTS);
	assert_int_equal(req.len, REQUEST_SEGMENTS);
	driver_free(&d);
}

static void
test_request_max(void **state)
{
	struct driver d;
	struct request req;

	(void)state;
	driver_init(&d, 4);
	driver_desc(&d, 0, BUF_GPA, UINT32_MAX, F_WRITE | F_NEXT, 1);
	driver_desc(&d, 1, NO_GPA, 1, F_WRITE | F_NEXT, 0);
	driver_read(&d, 0, &req);
	assert_null(req.fault);
	assert_int_equal(req.len, REQUEST_MAX);
	driver_desc(&d, 2, BUF_GPA, REQUEST_MAX - 1, F_WRITE | F_NEXT, 3);
	driver_desc(&d, 3, HIGH_GPA - 1, 2, F_WRITE, 0);
	driver_read(&d, 2, &req);
	assert_null(req.fault);
	assert_int_equal(req.len, REQUEST_MAX);
	assert_int_equal(req.nsegments, 2);
	driver_free(&d);
}

/* Sizes from the least to the most, all the way round the index. */
static void
test_index_wraps(void **state)
{
	const uint32_t sizes[] = { 1, 2, 256, 32768 };
	struct driver d;
	uint32_t id, len;

	(void)state;
	for (size_t s = 0; s < 4; s++) {
		driver_init(&d, sizes[s]);
		for (uint32_t i = 0; i < LOOP_MAX; i++) {
			driver_offer(&d, (uint16_t)(i * 7));
			assert_int_equal(queue_peek(&d.q), QUEUE_REQUEST);
			assert_int_equal(driver_pop(&d), (uint16_t)(i * 7));
			driver_push(&d, (uint16_t)(i * 7), i);
			assert_int_equal(driver_used_idx(&d), (uint16_t)i);
			assert_true(queue_publish(&d.q));
			id = driver_used(&d, (uint16_t)i, &len);
			assert_int_equal(id, (uint16_t)(i * 7));
			assert_int_equal(len, i);
		}
		assert_int_equal(queue_peek(&d.q), QUEUE_EMPTY);
		driver_free(&d);
	}
}

/* More requests than the ring has entries cannot be. */
static void
test_index_jumps(void **state)
{
	struct driver d;
	uint16_t next;

	(void)state;
	driver_init(&d, 8);
	for (uint32_t i = 0; i < 4; i++) {
		next = d.q.next = (uint16_t)(65530 + i * 3);
		d.avail[1] = htole16((uint16_t)(next + 8));
		assert_int_equal(queue_peek(&d.q), QUEUE_REQUEST);
		d.avail[1] = htole16((uint16_t)(next + 9));
		assert_int_equal(queue_peek(&d.q), QUEUE_BROKEN);
		d.avail[1] = htole16((uint16_t)(next - 1));
		assert_int_equal(queue_peek(&d.q), QUEUE_BROKEN);
		d.avail[1] = htole16(next);
		assert_int_equal(queue_peek(&d.q), QUEUE_EMPTY);
	}
	driver_free(&d);
}

static void
test_rewind(void **state)
{
	struct driver d;

	(void)state;
	driver_init(&d, 4);
	d.avail[1] = htole16(65534);
	d.q.next = 65534;
	for (uint16_t i = 0; i < 4; i++)
		driver_offer(&d, i);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(driver_pop(&d), i);
	d.q.next -= 3;
	assert_int_equal(d.q.next, 65535);
	for (uint16_t i = 1; i < 4; i++)
		assert_int_equal(driver_pop(&d), i);
	assert_int_equal(queue_peek(&d.q), QUEUE_EMPTY);
	driver_free(&d);
}

/*
 * A queue is not used after memory was removed, in which its ring may have been,
 * until it is mapped again.
 */
static void
test_removed(void **state)
{
	struct driver d;
	struct request req;
	const char *why;

	(void)state;
	driver_init(&d, 4);
	driver_desc(&d, 0, BUF_GPA, 64, F_WRITE, 0);
	driver_offer(&d, 0);
	driver_offer(&d, 0);
	assert_int_equal(queue_pop(&d.q, &req), QUEUE_REQUEST);
	memory_clear(&d.mem);
	assert_false(queue_is_mapped(&d.q));
	assert_int_equal(queue_peek(&d.q), QUEUE_EMPTY);
	queue_push(&d.q, &req, 64);
	assert_false(queue_publish(&d.q));
	assert_int_equal(queue_pop(&d.q, &req), QUEUE_EMPTY);
	queue_read(&d.q, 0, &req);
	assert_int_equal(req.len, 0);
	driver_region(&d, LOW_GPA, LOW_USER, LOW_SIZE, 0);
	assert_int_equal(queue_peek(&d.q), QUEUE_EMPTY);
	assert_int_equal(driver_used_idx(&d), 0);
	assert_int_equal(queue_map(&d.q, &why), 0);
	assert_int_equal(queue_pop(&d.q, &req), QUEUE_REQUEST);
	driver_free(&d);
}

/* Whether the driver that waits for `event` must be called. */
static bool
crossed(uint16_t old, uint16_t n, uint16_t event)
{
	for (uint16_t i = 0; i < n; i++)
		if ((uint16_t)(old + i) == event)
			return true;
	return false;
}

static void
test_event_idx(void **state)
{
	const uint16_t olds[] = { 0, 1, 32766, 65530, 65535 };
	const uint16_t counts[] = { 0, 1, 3, 16 };
	struct driver d;

	(void)state;
	driver_init(&d, 16);
	d.q.event_idx = true;
	d.avail[0] = htole16(1);
	for (int i = 0; i < 5 * 4 * 64; i++) {
		uint16_t old = olds[i / 256], n = counts[i / 64 % 4];
		uint16_t event = (uint16_t)(old + i % 64 - 32);

		d.q.used = d.q.published = old;
		d.avail[2 + 16] = htole16(event);
		d.q.called = false;
		assert_true(queue_publish(&d.q));
		for (uint16_t j = 0; j < n; j++)
			driver_push(&d, 0, 0);
		assert_int_equal(queue_publish(&d.q), crossed(old, n, event));
		assert_int_equal(driver_used_idx(&d), (uint16_t)(old + n));
	}
	driver_free(&d);
}

static void
test_no_interrupt(void **state)
{
	struct driver d;

	(void)state;
	driver_init(&d, 16);
	for (uint16_t i = 0; i < 4; i++) {
		d.avail[0] = htole16(i);
		driver_push(&d, 0, 0);
		assert_int_equal(queue_publish(&d.q), (i & 1) == 0);
	}
	driver_free(&d);
}

/* With EVENT_IDX the device sets the request to kick for. */
static void
test_arm(void **state)
{
	struct driver d;
	uint16_t *avail_event;

	(void)state;
	driver_init(&d, 16);
	avail_event = &d.used[2 + 16 * 4];
	d.q.next = 65535;
	queue_arm(&d.q);
	assert_int_equal(*avail_event, 0);
	d.q.event_idx = true;
	queue_arm(&d.q);
	assert_int_equal(le16toh(*avail_event), 65535);
	assert_int_equal(d.used[0], 0);
	driver_free(&d);
}

/* Whether a driver that keeps the rules kicks for what is new (2.7.10). */
static bool
kicks(const struct driver *d, uint16_t old, uint16_t new)
{
	uint16_t event = le16toh(d->used[2 + d->num * 4]);

	if (!d->q.event_idx)
		return (le16toh(d->used[0]) & 1) == 0;
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* Kicks are disabled while the queue is watched, and enabled after that. */
static void
test_watch(void **state)
{
	const uint16_t nums[] = { 1, 4, 256, 32768 };
	struct driver d;
	uint16_t num, next;

	(void)state;
	for (int i = 0; i < 4 * 2 * 64; i++) {
		num = nums[i % 4];
		driver_init(&d, num);
		d.q.event_idx = i / 4 % 2 == 1;
		d.q.next = next = (uint16_t)(i / 8 * 1024 - 512);
		queue_arm(&d.q);
		assert_true(kicks(&d, next, (uint16_t)(next + 1)));
		queue_watch(&d.q, true);
		queue_arm(&d.q);
		for (uint16_t n = 1; n < num && n < 5; n++)
			assert_false(kicks(&d, next, (uint16_t)(next + n)));
		/* Requests that were taken before it thought of kicking. */
		for (uint16_t n = 0; n < num && n < 5; n++)
			assert_false(kicks(&d, (uint16_t)(next - n), next));
		assert_false(kicks(&d, (uint16_t)(next - num), next));
		d.q.next = (uint16_t)(next + 3);
		queue_arm(&d.q);
		assert_false(kicks(&d, d.q.next, (uint16_t)(next + 4)));
		queue_watch(&d.q, false);
		assert_true(kicks(&d, d.q.next, (uint16_t)(next + 4)));
		assert_int_equal(le16toh(d.used[0]), 0);
		driver_free(&d);
	}
}

/* One who died while it watched has left its wish behind. */
static void
test_left_watched(void **state)
{
	struct driver d;
	const char *why;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		driver_init(&d, 16);
		d.q.event_idx = event_idx == 1;
		queue_watch(&d.q, true);
		assert_false(kicks(&d, 0, 1));
		assert_int_equal(queue_map(&d.q, &why), 0);
		queue_arm(&d.q);
		assert_true(kicks(&d, 0, 1));
		driver_free(&d);
	}
}

/* The pages of the used ring that the log says were written, as bits. */
static uint64_t
take_log(struct driver *d, uint8_t *log)
{
	uint64_t first = d->q.addr.log / LOG_PAGE_SIZE, pages = 0;

	for (uint64_t i = 0; i < 64; i++)
		if ((log[(first + i) / 8] & 1U << (first + i) % 8) != 0)
			pages |= UINT64_C(1) << i;
	memset(log, 0, LOG_PAGE_SIZE);
	return pages;
}

/* Ring of 1024 entries, from the middle of a page: 512 + 8 * 1024 bytes. */
static void
test_dirty_log(void **state)
{
	struct driver d;
	uint8_t *log;
	const char *why;

	(void)state;
	driver_init(&d, 1024);
	log = d.file + LOW_SIZE;
	assert_int_equal(
	    mapping_open(&d.mem.log, d.fd, LOW_SIZE, LOG_PAGE_SIZE, &why), 0);
	d.q.addr.log = 0x4000 + 512;
	d.q.event_idx = true;
	for (int logging = 0; logging < 4; logging++) {
		d.mem.logging = logging > 1;
		d.q.addr.flags = logging % 2 == 1 ? VHOST_VRING_F_LOG : 0;
		d.q.used = d.q.published = 500;
		driver_push(&d, 0, 1);
		assert_int_equal(take_log(&d, log), logging == 3 ? 2 : 0);
		queue_publish(&d.q);
		assert_int_equal(take_log(&d, log), logging == 3 ? 1 : 0);
		queue_arm(&d.q);
		assert_int_equal(take_log(&d, log), logging == 3 ? 4 : 0);
		queue_watch(&d.q, true);
		assert_int_equal(take_log(&d, log), logging == 3 ? 4 : 0);
		d.q.event_idx = false;
		queue_watch(&d.q, true);
		assert_int_equal(take_log(&d, log), logging == 3 ? 1 : 0);
		queue_watch(&d.q, false);
		assert_int_equal(take_log(&d, log), logging == 3 ? 1 : 0);
		d.q.event_idx = true;
		d.q.used = (4096 - 512 - 8) / 8;
		driver_push(&d, 0, 1);
		assert_int_equal(take_log(&d, log), logging == 3 ? 3 : 0);
	}
	driver_free(&d);
}

/* Rings must be whole in one region, and aligned. */
static void
test_map(void **state)
{
	const struct {
		uint64_t desc, avail, used;
		bool good;
	} rows[] = {
		{ 0, AVAIL_PART, USED_PART, true },
		{ LOW_SIZE - 128, AVAIL_PART, USED_PART, true },
		{ LOW_SIZE - 112, AVAIL_PART, USED_PART, false },
		{ 8, AVAIL_PART, USED_PART, false },
		{ 0, LOW_SIZE - 22, USED_PART, true },
		{ 0, LOW_SIZE - 20, USED_PART, false },
		{ 0, AVAIL_PART + 1, USED_PART, false },
		{ 0, AVAIL_PART, LOW_SIZE - 72, true },
		{ 0, AVAIL_PART, LOW_SIZE - 68, false },
		{ 0, AVAIL_PART, USED_PART + 2, false },
		{ LOW_SIZE, AVAIL_PART, USED_PART, false },
		{ 0, UINT64_MAX - LOW_USER - 3, USED_PART, false },
	};
	struct driver d;
	const char *why;

	(void)state;
	driver_init(&d, 8);
	d.used[1] = htole16(777);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		d.q.addr.desc = LOW_USER + rows[i].desc;
		d.q.addr.avail = LOW_USER + rows[i].avail;
		d.q.addr.used = LOW_USER + rows[i].used;
		why = NULL;
		assert_int_equal(queue_map(&d.q, &why), rows[i].good ? 0 : -1);
		assert_true(rows[i].good == (d.q.desc != NULL));
		assert_true(rows[i].good == (why == NULL));
		if (i == 0)
			assert_int_equal(d.q.used, 777);
	}
	driver_free(&d);
}

/* A ring that the driver has not written to; and one that has wrapped around. */
static void
test_blank(void **state)
{
	struct driver d;

	(void)state;
	driver_init(&d, 8);
	assert_true(queue_is_blank(&d.q));
	d.avail[1] = htole16(1);
	assert_false(queue_is_blank(&d.q));
	d.avail[1] = 0;
	driver_desc(&d, 0, BUF_GPA, 64, F_WRITE, 0);
	assert_false(queue_is_blank(&d.q));
	driver_desc(&d, 0, 0, 0, 0, 0);
	assert_true(queue_is_blank(&d.q));
	d.used[1] = htole16(7);
	assert_false(queue_is_blank(&d.q));
	driver_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_chain),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_nothing_writable),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_longest_chain),
		cmocka_unit_test(test_bad_chains),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_segments_max),
		cmocka_unit_test(test_request_max),
		cmocka_unit_test(test_index_wraps),
		cmocka_unit_test(test_index_jumps),
		cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_event_idx),
		cmocka_unit_test(test_no_interrupt),
		cmocka_unit_test(test_arm),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_left_watched),
		cmocka_unit_test(test_dirty_log),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_blank),
	};

	return UNIT_MAIN("queue", tests);
}
