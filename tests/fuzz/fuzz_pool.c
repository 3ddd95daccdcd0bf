/*
 * The parent's accounts with children that send anything: two consumers of a
 * pool that report any demand, and an entropy process that reports any bytes as
 * void.  Together the consumers have one share, and get no more than that.
 */
#include <sys/syscall.h>

#include <stdbool.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/clock.h"
#include "fuzz/fuzz.h"
#include "parent/pool/pool.h"

#define BURST	  100000
#define CEIL	  50000 /* bytes per second */
#define CONSUMERS 2
#define STEPS_MAX 256
#define SLACK	  GRANT_MIN

static struct {
	struct pool pool;
	struct process_env env;
	struct alloc_class class; /* with the share of both */
	struct consumer consumers[CONSUMERS];
	struct consumer_flow flows[CONSUMERS];
	uint64_t given[CONSUMERS]; /* in GRANT frames, to this worker */
	uint64_t before;	   /* to earlier workers */
	uint32_t number;
	int entropy; /* its end of the channel */
	uint64_t now;
	bool running; /* with the clock of the harness */
} p;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!p.running || id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = (time_t)(p.now / NS_PER_SEC);
	ts->tv_nsec = (long)(p.now % NS_PER_SEC);
	return 0;
}

static void
no_ask(struct consumer *c)
{
	(void)c;
}

static void
no_rewire(struct consumer *c, int fd)
{
	(void)c;
	if (fd != -1)
		close(fd);
}

static void
no_active(struct pool *pool, void *arg)
{
	(void)pool, (void)arg;
}

static void
no_throttled(struct pool *pool, struct consumer *c, void *arg)
{
	(void)pool, (void)c, (void)arg;
}

static const struct consumer_ops consumer_ops = { no_rewire, no_ask, NULL };
static const struct pool_ops pool_ops = {
	.active = no_active,
	.throttled = no_throttled,
};

/* Receives all frames to the entropy process. */
static void
receive(void)
{
	struct frame f;

	while (channel_recv(p.entropy, &f, ROLE_PARENT, ROLE_ENTROPY) ==
	    CHANNEL_FRAME) {
		if (f.fds[0] != -1)
			close(f.fds[0]);
		for (int i = 0; i < CONSUMERS; i++)
			if (f.hdr.type == PROTO_GRANT &&
			    f.hdr.consumer == p.consumers[i].flow->number) {
				CHECK(f.u.grant.total >= p.given[i]);
				p.given[i] = f.u.grant.total;
			}
	}
}

static void
join(int i)
{
	int fd = consumer_join(&p.pool, &p.consumers[i], ++p.number);

	CHECK(fd != -1);
	close(fd);
}

/* The worker of a consumer ends, and another one starts. */
static void
replace(int i)
{
	receive();
	p.before += p.given[i];
	p.given[i] = 0;
	consumer_leave(&p.pool, &p.consumers[i]);
	receive();
	join(i);
}

static void
begin(void)
{
	const struct alloc_share all = { .rate.period = 1,
		.ceil.period = 1,
		.weight = 1 };
	const struct alloc_share part = { .rate = { CEIL, NS_PER_SEC },
		.ceil = { CEIL, NS_PER_SEC },
		.burst = BURST,
		.weight = 1 };
	const struct proto_delivery raw = { .mode = DELIVERY_RAW };
	const struct alloc_share none = alloc_no_share(false);
	int fds[2];

	memset(&p, 0, sizeof(p));
	p.now = 1000 * NS_PER_SEC;
	CHECK(sd_event_new(&p.env.event) >= 0);
	p.running = true;
	pool_init(&p.pool, "test", &p.env, &all, &pool_ops, NULL);
	CHECK(channel_pair(fds) == 0);
	p.pool.entropy.channel = fds[0];
	p.pool.entropy.pid = 1;
	p.pool.entropy.env = &p.env;
	p.entropy = fds[1];
	TAILQ_INIT(&p.pool.entropy.out);
	p.pool.generation = 1;
	p.pool.capacity = 65536;
	consumer_init(&p.pool, &p.consumers[0], &p.pool.alloc.root.node, &part,
	    &raw, &consumer_ops, NULL);
	consumer_activate(&p.consumers[0], &p.flows[0]);
	consumer_share(&p.pool, &p.consumers[0], &p.class);
	consumer_init(&p.pool, &p.consumers[1], &p.class.node, &none, &raw,
	    &consumer_ops, NULL);
	consumer_activate(&p.consumers[1], &p.flows[1]);
	for (int i = 0; i < CONSUMERS; i++)
		join(i);
}

static void
finish(void)
{
	for (int i = 0; i < CONSUMERS; i++)
		consumer_leave(&p.pool, &p.consumers[i]);
	receive();
	consumer_remove(&p.pool, &p.consumers[1]);
	consumer_unshare(&p.pool, &p.consumers[0]);
	consumer_remove(&p.pool, &p.consumers[0]);
	timer_free(&p.pool.timer);
	timer_free(&p.env.tick);
	sd_event_unref(p.env.event);
	close(p.pool.entropy.channel);
	close(p.entropy);
	p.running = false;
}

/* A number as a worker could send: often near what it was given. */
static uint64_t
number(struct input *in, uint64_t near)
{
	uint8_t how = input_u8(in);

	if (how % 4 == 0)
		return near;
	if (how % 4 == 1)
		return near + input_u16(in);
	if (how % 4 == 2)
		return near + ((uint64_t)input_u32(in) << (how / 4 % 32));
	return input_u32(in) % 4096;
}

/* A frame that breaks the rules ends its worker, as in the parent. */
static void
want(struct input *in, int i)
{
	struct frame f;

	frame_init(&f, PROTO_WANT, p.consumers[i].flow->number,
	    p.pool.generation);
	f.u.want.received = number(in, p.given[i]);
	f.u.want.need = number(in, f.u.want.received);
	f.u.want.room = number(in, f.u.want.need);
	f.u.want.held = number(in, 0);
	if (consumer_want(&p.pool, &p.consumers[i], &f) == -1)
		replace(i);
}

/* The entropy process would be replaced after -1; here it goes on. */
static void
void_bytes(struct input *in, int i)
{
	struct frame f;

	frame_init(&f, PROTO_VOID, p.consumers[i].flow->number,
	    p.pool.generation);
	f.u.voided.total = number(in, p.consumers[i].flow->voided);
	f.u.voided.blocked = input_u8(in) % 2;
	if (consumer_void(&p.pool, &f) == -1)
		return;
}

static void
act(struct input *in)
{
	uint8_t action = input_u8(in);
	int i = action / 8 % CONSUMERS;

	switch (action % 8) {
	case 0:
	case 1:
	case 2:
		want(in, i);
		break;
	case 3:
		p.pool.stock += input_u16(in);
		pool_update_stock(&p.pool);
		pool_grant(&p.pool);
		break;
	case 4:
		p.now += input_u16(in) * NS_PER_MS / 8;
		pool_grant(&p.pool);
		break;
	case 5:
		void_bytes(in, i);
		break;
	case 6:
		replace(i);
		break;
	default:
		consumer_send_grants(&p.pool);
		break;
	}
	receive();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	uint64_t start, sum;

	fuzz_quiet();
	begin();
	start = p.now;
	for (int i = 0; in.left > 0 && i < STEPS_MAX; i++) {
		act(&in);
		sum = p.before + p.given[0] + p.given[1];
		CHECK(
		    sum <= BURST + SLACK + (p.now - start) * CEIL / NS_PER_SEC);
		CHECK(sum <= p.pool.stock);
	}
	finish();
	return 0;
}
