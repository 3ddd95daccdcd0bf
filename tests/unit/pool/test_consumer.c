/*
 * Two consumers with one share of a pool: together they get no more than one
 * would, and both get their part.
 */
#include "unit/unit.h"

#include <string.h>
#include <systemd/sd-event.h>

#include "common/clock.h"
#include "common/log.h"
#include "parent/pool/pool.h"

#define BURST	  100000
#define NUMBER	  10 /* of the first consumer, and the one after */
#define CONSUMERS 2

struct plumbing {
	struct pool pool;
	struct process_env env;
	struct alloc_class class; /* with the share of both */
	struct consumer consumers[CONSUMERS];
	struct consumer_flow flows[CONSUMERS];
	int bytes[CONSUMERS];	   /* that a worker reads from */
	uint64_t given[CONSUMERS]; /* as the entropy process received it */
	unsigned int asked[CONSUMERS];
	unsigned int throttled;
	unsigned int actives; /* times that the pool was not idle any more */
	int entropy;	      /* its end of the channel */
};

static void
count_ask(struct consumer *c)
{
	struct plumbing *p = c->arg;

	p->asked[c - p->consumers]++;
}

static void
take_rewire(struct consumer *c, int fd)
{
	struct plumbing *p = c->arg;

	assert_int_not_equal(fd, -1);
	close(p->bytes[c - p->consumers]);
	p->bytes[c - p->consumers] = fd;
}

static const struct consumer_ops ops = {
	.rewire = take_rewire,
	.ask = count_ask,
};

static void
count_active(struct pool *pool, void *arg)
{
	struct plumbing *p = arg;

	assert_ptr_equal(pool, &p->pool);
	p->actives++;
}

static void
count_throttled(struct pool *pool, struct consumer *c, void *arg)
{
	struct plumbing *p = c->arg;

	assert_ptr_equal(p, arg);
	assert_ptr_equal(pool, &p->pool);
	p->throttled++;
}

static const struct pool_ops pool_ops = {
	.active = count_active,
	.throttled = count_throttled,
};

/* Receives all frames to the entropy process. */
static void
receive(struct plumbing *p)
{
	enum channel_result result;
	struct frame f;

	while ((result = channel_recv(p->entropy, &f, ROLE_PARENT,
		    ROLE_ENTROPY)) == CHANNEL_FRAME) {
		if (f.hdr.type == PROTO_CONSUMER)
			close(f.fds[0]);
		if (f.hdr.type == PROTO_GRANT)
			p->given[f.hdr.consumer - NUMBER] = f.u.grant.total;
	}
	assert_int_equal(result, CHANNEL_AGAIN);
}

static void
join(struct plumbing *p, int i)
{
	p->bytes[i] =
	    consumer_join(&p->pool, &p->consumers[i], (uint32_t)(NUMBER + i));
	assert_int_not_equal(p->bytes[i], -1);
	p->given[i] = 0;
}

/* A pool with plenty, and two consumers that may have `ceil` an hour. */
static void
plumb(struct plumbing *p, uint64_t ceil)
{
	const struct alloc_share all = { .rate.period = 1,
		.ceil.period = 1,
		.weight = 1 };
	const struct alloc_share part = { .rate = { ceil, 3600 * NS_PER_SEC },
		.ceil = { ceil, 3600 * NS_PER_SEC },
		.burst = BURST,
		.weight = 1 };
	const struct proto_delivery raw = { .mode = DELIVERY_RAW };
	const struct alloc_share none = alloc_no_share(false);
	int fds[2];

	memset(p, 0, sizeof(*p));
	assert_true(sd_event_new(&p->env.event) >= 0);
	pool_init(&p->pool, "test", &p->env, &all, &pool_ops, p);
	assert_int_equal(channel_pair(fds), 0);
	p->pool.entropy.channel = fds[0];
	p->pool.entropy.pid = 1;
	p->pool.entropy.env = &p->env;
	p->entropy = fds[1];
	TAILQ_INIT(&p->pool.entropy.out);
	p->pool.generation = 1;
	p->pool.stock = UINT32_MAX;
	p->pool.capacity = 65536;
	pool_update_stock(&p->pool);
	consumer_init(&p->pool, &p->consumers[0], &p->pool.alloc.root.node,
	    &part, &raw, &ops, p);
	consumer_activate(&p->consumers[0], &p->flows[0]);
	consumer_share(&p->pool, &p->consumers[0], &p->class);
	consumer_init(&p->pool, &p->consumers[1], &p->class.node, &none, &raw,
	    &ops, p);
	consumer_activate(&p->consumers[1], &p->flows[1]);
	for (int i = 0; i < CONSUMERS; i++)
		join(p, i);
}

static void
unplumb(struct plumbing *p)
{
	for (int i = 0; i < CONSUMERS; i++) {
		consumer_leave(&p->pool, &p->consumers[i]);
		close(p->bytes[i]);
	}
	receive(p);
	consumer_remove(&p->pool, &p->consumers[1]);
	consumer_unshare(&p->pool, &p->consumers[0]);
	consumer_remove(&p->pool, &p->consumers[0]);
	timer_free(&p->pool.timer);
	timer_free(&p->env.tick);
	sd_event_unref(p->env.event);
	close(p->pool.entropy.channel);
	close(p->entropy);
}

/* A consumer wants `need` in all, of which it has had `received`. */
static void
want(struct plumbing *p, int i, uint64_t received, uint64_t need, uint64_t held)
{
	struct frame f;

	frame_init(&f, PROTO_WANT, (uint32_t)(NUMBER + i), p->pool.generation);
	f.u.want = (struct proto_want){ received, need, need, held };
	assert_int_equal(consumer_want(&p->pool, &p->consumers[i], &f), 0);
	receive(p);
}

static void
test_one_part(void **state)
{
	struct plumbing p;

	(void)state;
	plumb(&p, 3600);
	want(&p, 0, 0, BURST, 0);
	assert_in_range(p.given[0], BURST - 64, BURST);
	want(&p, 1, 0, BURST, 0);
	assert_true(p.given[0] + p.given[1] <= BURST + 10);
	/* Reconnecting gains nothing. */
	consumer_leave(&p.pool, &p.consumers[1]);
	close(p.bytes[1]);
	join(&p, 1);
	want(&p, 1, 0, BURST, 0);
	assert_true(p.given[1] < 64);
	unplumb(&p);
}

/* Both have requests that wait: what there is goes to them by turns. */
static void
test_turns(void **state)
{
	struct plumbing p;
	uint64_t had[CONSUMERS] = { 0 };

	(void)state;
	plumb(&p, UINT64_C(3600) * 100000);
	for (int t = 0; t < CONSUMERS; t++) {
		want(&p, t, 0, BURST / 2, 0);
		had[t] = p.given[t];
	}
	for (int i = 0; i < 100; i++) {
		usleep(1000);
		for (int t = 0; t < CONSUMERS; t++)
			want(&p, t, p.given[t], p.given[t] + 4096, 0);
	}
	for (int t = 0; t < CONSUMERS; t++)
		had[t] = p.given[t] - had[t];
	print_message("# %ju and %ju bytes\n", (uintmax_t)had[0],
	    (uintmax_t)had[1]);
	assert_true(had[0] > 1000);
	assert_in_range(had[1], had[0] * 3 / 5, had[0] * 5 / 3);
	unplumb(&p);
}

/*
 * A guest that gets a second consumer, or loses it, gains nothing: what is in
 * the bucket stays, and so does what counts against it.
 */
static void
test_share(void **state)
{
	struct plumbing p;
	struct alloc_share share;
	struct consumer *c = &p.consumers[0];

	(void)state;
	plumb(&p, 3600);
	want(&p, 0, 0, 30000, 0);
	want(&p, 1, 0, 20000, 0);
	assert_int_equal(p.class.node.meter.total, 50000);
	consumer_leave(&p.pool, &p.consumers[1]);
	consumer_remove(&p.pool, &p.consumers[1]);
	for (int i = 0; i < 3; i++) {
		consumer_unshare(&p.pool, c);
		assert_ptr_equal(c->leaf.parent, &p.pool.alloc.root.node);
		assert_in_range(c->leaf.cap.tokens, 50000, 50010);
		assert_int_equal(c->leaf.meter.total, 50000);
		assert_int_equal(c->leaf.burst, BURST);
		consumer_share(&p.pool, c, &p.class);
		assert_ptr_equal(c->leaf.parent, &p.class.node);
		assert_in_range(p.class.node.cap.tokens, 50000, 50010);
		assert_int_equal(p.class.node.outstanding, 30000);
	}
	consumer_unshare(&p.pool, c);
	/* A request that waits goes on waiting, and is served. */
	want(&p, 0, 30000, 30000 + 2 * BURST, 0);
	assert_in_range(p.given[0], 80000 - 64, 80010);
	consumer_share(&p.pool, c, &p.class);
	assert_int_equal(p.pool.alloc.root.node.waiting, 1);
	share = alloc_share_of(&p.consumers[0].leaf);
	consumer_init(&p.pool, &p.consumers[1], &p.class.node, &share,
	    &c->delivery, &ops, &p);
	consumer_activate(&p.consumers[1], &p.flows[1]);
	close(p.bytes[1]);
	join(&p, 1);
	unplumb(&p);
}

/* What one misses is not given to the other. */
static void
test_exact(void **state)
{
	struct plumbing p;

	(void)state;
	plumb(&p, 3600);
	want(&p, 0, 0, 100, 0);
	want(&p, 1, 0, 1000, 0);
	assert_int_equal(p.given[0], 100);
	assert_int_equal(p.given[1], 1000);
	assert_int_equal(p.class.node.outstanding, 1100);
	want(&p, 0, 100, 100, 0);
	assert_int_equal(p.class.node.outstanding, 1000);
	consumer_leave(&p.pool, &p.consumers[1]);
	close(p.bytes[1]);
	assert_int_equal(p.class.node.outstanding, 0);
	join(&p, 1);
	want(&p, 0, 100, 150, 0);
	assert_int_equal(p.given[0], 150);
	assert_int_equal(p.given[1], 0);
	unplumb(&p);
}

/* What is void is given again, to the same one; a blocked one gets nothing. */
static void
test_void(void **state)
{
	struct plumbing p;
	struct frame f;

	(void)state;
	plumb(&p, 3600);
	want(&p, 0, 0, 500, 0);
	want(&p, 1, 0, 500, 0);
	frame_init(&f, PROTO_VOID, NUMBER, 1);
	f.u.voided.total = 200;
	assert_int_equal(consumer_void(&p.pool, &f), 0);
	receive(&p);
	assert_int_equal(p.given[0], 700);
	assert_int_equal(p.given[1], 500);
	f.u.voided = (struct proto_void){ .total = 700, .blocked = 1 };
	assert_int_equal(consumer_void(&p.pool, &f), 0);
	want(&p, 1, 500, 600, 0);
	assert_int_equal(p.given[0], 700);
	assert_int_equal(p.given[1], 600);
	f.u.voided.blocked = 0;
	assert_int_equal(consumer_void(&p.pool, &f), 0);
	receive(&p);
	assert_int_equal(p.given[0], 1200);
	/* More than was granted cannot have been void. */
	f.u.voided.total = 5000;
	assert_int_equal(consumer_void(&p.pool, &f), -1);
	unplumb(&p);
}

/* Another entropy process: totals begin at 0, and what is held still counts. */
static void
test_replaced(void **state)
{
	struct plumbing p;

	(void)state;
	plumb(&p, 3600);
	want(&p, 0, 0, 60000, 0);
	want(&p, 1, 0, 30000, 0);
	want(&p, 0, 60000, 60000, 60000);
	want(&p, 1, 30000, 30000, 30000);
	p.pool.generation++;
	consumer_end_all(&p.pool);
	p.pool.stock = UINT32_MAX;
	p.pool.granted = 0;
	pool_update_stock(&p.pool);
	consumer_connect_all(&p.pool);
	receive(&p);
	memset(p.given, 0, sizeof(p.given));
	want(&p, 0, 0, 0, 60000);
	want(&p, 1, 0, 5000, 30000);
	assert_int_equal(p.given[0], 0);
	assert_int_equal(p.given[1], 5000);
	assert_int_equal(p.class.node.outstanding, 95000);
	unplumb(&p);
}

/* A limit that makes requests wait is reported once; missing stock is not. */
static void
test_throttled(void **state)
{
	struct plumbing p;
	uint64_t began = clock_now();

	(void)state;
	plumb(&p, UINT64_C(3600) * 100000);
	want(&p, 0, 0, BURST + 20000, 0);
	assert_true(p.consumers[0].flow->throttle.waiting);
	assert_ptr_equal(p.consumers[0].flow->limit, &p.class.node);
	assert_int_equal(p.throttled, 0);
	for (int i = 0; i < 300; i++) {
		usleep(1000);
		want(&p, 0, p.given[0], p.given[0] + 1000, 0);
	}
	assert_int_equal(p.throttled, 1);
	assert_in_range(p.consumers[0].flow->throttle.total, 200 * NS_PER_MS,
	    clock_now() - began);
	/* All that it needs. */
	usleep(20000);
	want(&p, 0, p.given[0], p.given[0] + 1, 0);
	assert_false(p.consumers[0].flow->throttle.waiting);
	unplumb(&p);
}

static void
test_dry(void **state)
{
	struct plumbing p;

	(void)state;
	plumb(&p, UINT64_C(3600) * 1000000);
	want(&p, 0, 0, BURST, 0);
	p.pool.stock = p.pool.granted;
	pool_update_stock(&p.pool);
	want(&p, 0, BURST, BURST + 50000, 0);
	usleep(300000);
	want(&p, 0, BURST, BURST + 50000, 0);
	p.pool.stock = UINT32_MAX;
	pool_update_stock(&p.pool);
	want(&p, 0, BURST, BURST + 50000, 0);
	assert_int_equal(p.given[0], BURST + 50000);
	assert_int_equal(p.throttled, 0);
	assert_true(p.consumers[0].flow->throttle.total < 100 * NS_PER_MS);
	unplumb(&p);
}

/* A pool is active when something was granted, or waits; once for all. */
static void
test_active(void **state)
{
	struct plumbing p;

	(void)state;
	plumb(&p, 3600);
	assert_int_equal(p.actives, 1);
	p.pool.active = false;
	want(&p, 0, 0, 0, 0);
	assert_false(p.pool.active);
	want(&p, 0, 0, 100, 0);
	want(&p, 0, 100, 200, 0);
	assert_int_equal(p.actives, 2);
	p.pool.active = false;
	want(&p, 0, 200, 200, 0);
	assert_false(p.pool.active);
	want(&p, 0, 200, 2 * BURST, 0);
	assert_int_equal(p.actives, 3);
	p.pool.active = false;
	want(&p, 0, 200, 2 * BURST, 0);
	assert_int_equal(p.actives, 4);
	unplumb(&p);
}

/* Invalid demands. */
static void
test_nonsense(void **state)
{
	static const struct proto_want wants[] = {
		{ .received = 1 },
		{ .need = 2, .room = 1 },
		{ .room = NEED_MAX + ALLOC_WINDOW_MAX + 1 },
		{ .held = NEED_MAX + ALLOC_WINDOW_MAX + 1 },
	};
	struct plumbing p;
	struct frame f;

	(void)state;
	plumb(&p, 3600);
	frame_init(&f, PROTO_WANT, NUMBER, 1);
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		f.u.want = wants[i];
		assert_int_equal(consumer_want(&p.pool, &p.consumers[0], &f),
		    -1);
	}
	f.u.want = (struct proto_want){ 0 };
	f.hdr.generation = 2;
	assert_int_equal(consumer_want(&p.pool, &p.consumers[0], &f), -1);
	unplumb(&p);
}

/* The wait that goes on is counted, and stays counted after a change. */
static void
test_throttled_time(void **state)
{
	struct plumbing p;
	struct consumer *c = &p.consumers[0];
	struct alloc_share share;
	uint64_t first, then;

	(void)state;
	plumb(&p, 3600);
	share = alloc_share_of(&c->leaf);
	assert_int_equal(consumer_throttled_ns(&p.pool, c), 0);
	want(&p, 0, 0, 2 * BURST, 0);
	usleep(2000);
	first = consumer_throttled_ns(&p.pool, c);
	assert_true(first >= 2000000);
	usleep(2000);
	then = consumer_throttled_ns(&p.pool, c);
	assert_true(then >= first + 2000000);
	consumer_change(&p.pool, c, &p.class.node, &share, &c->delivery);
	assert_true(c->flow->throttle.total >= then);
	assert_true(consumer_throttled_ns(&p.pool, c) >= then);
	unplumb(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_part),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_void),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_throttled),
		cmocka_unit_test(test_throttled_time),
		cmocka_unit_test(test_dry),
		cmocka_unit_test(test_active),
		cmocka_unit_test(test_nonsense),
	};

	return UNIT_MAIN("consumer", tests);
}
