/*
 * Why a guest waits: each cause in turn, and a guest with two sockets.
 */
#include "unit/unit.h"

#include <sys/mman.h>

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "parent/state/why.h"

#define BURST 1000

struct world {
	struct process_env env;
	struct daemon daemon;
	struct daemon_pool *pool;
	struct daemon_class *class;
	struct guest *guest;
	struct endpoint *vhost; /* of that guest */
	struct why why;
	uint64_t now;
};

static const struct alloc_share unlimited = {
	.rate.period = 1,
	.ceil.period = 1,
	.weight = 1,
};

/* A class with that ceiling (0: none) per second, and a guest in it. */
static void
start(struct world *w, uint64_t ceil, bool generated)
{
	static const struct config_terms terms = { 0 };
	struct alloc_share share = unlimited;
	struct daemon_pool *p;

	memset(w, 0, sizeof(*w));
	daemon_init(&w->daemon, &w->env, NULL, NULL);
	w->pool = p = calloc(1, sizeof(*p));
	assert_non_null(p);
	strlcpy(p->name, "default", sizeof(p->name));
	TAILQ_INIT(&p->classes);
	pool_init(&p->pool, p->name, &w->env, &unlimited, NULL, NULL);
	TAILQ_INSERT_TAIL(&w->daemon.pools, p, entry);
	w->class = calloc(1, sizeof(*w->class));
	assert_non_null(w->class);
	strlcpy(w->class->name, "gold", sizeof(w->class->name));
	share.ceil = (struct bucket_rate){ ceil, NS_PER_SEC };
	share.burst = ceil == 0 ? 0 : BURST;
	alloc_add_class(&p->pool.alloc, &w->class->alloc,
	    &p->pool.alloc.root.node, &share, clock_now());
	TAILQ_INSERT_TAIL(&p->classes, w->class, entry);
	share = unlimited;
	share.generated = generated;
	w->guest = daemon_guest_new(&w->daemon, "vm1", &p->pool,
	    &w->class->alloc.node, &share, &terms);
	w->vhost = &w->guest->vhost.endpoint;
	p->pool.entropy.pid = getpid();
	p->pool.unserved = 0;
}

static void
stop(struct world *w)
{
	if (w->vhost->active != NULL)
		w->vhost->active->worker.pid = 0;
	w->pool->pool.entropy.pid = 0;
	if (w->guest->egd != NULL)
		w->guest->egd->service.endpoint.active->worker.pid = 0;
	daemon_guest_free(&w->daemon, w->guest, 0);
	daemon_class_free(w->pool, w->class);
	free(w->pool);
}

/* The worker's page, for the test to write. */
static struct counters_page *
connect(struct endpoint *e)
{
	struct counters_page *page;

	assert_int_equal(counted_begin(&endpoint_activate(e)->counted), 0);
	e->active->worker.pid = getpid();
	page = mmap(NULL, counters_size(e->active->counted.role),
	    PROT_READ | PROT_WRITE, MAP_SHARED, e->active->counted.page.fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	return page;
}

static void
disconnect(struct endpoint *e, struct counters_page *page)
{
	munmap(page, counters_size(e->active->counted.role));
	counted_end(&e->active->counted);
	e->active->worker.pid = 0;
}

/* A request waits, with that many bytes in stock. */
static void
demand(struct world *w, struct endpoint *e, uint64_t need, uint64_t stock)
{
	struct alloc *a = &w->pool->pool.alloc;
	uint64_t bytes;

	w->now = clock_now();
	alloc_stock(a, stock, 65536);
	alloc_want(a, &e->consumer.leaf, w->now, need, need, 0);
	while (alloc_next(a, w->now, &bytes) != NULL)
		continue;
}

static void
check(struct world *w, enum endpoint_state state, const char *cause,
    const char *text)
{
	why_guest(w->guest, clock_now(), &w->why);
	assert_int_equal(guest_state(w->guest), state);
	if (cause == NULL) {
		assert_null(w->why.cause);
		assert_string_equal(w->why.text, "");
		return;
	}
	assert_non_null(w->why.cause);
	assert_string_equal(w->why.cause, cause);
	if (strstr(w->why.text, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, w->why.text);
}

static void
test_connection(void **state)
{
	struct counters_page *page;
	struct world w;

	(void)state;
	start(&w, 0, false);
	check(&w, ENDPOINT_IDLE, "not-connected", "no VMM is connected");
	page = connect(w.vhost);
	check(&w, ENDPOINT_CONNECTED, "no-request", "not requested bytes yet");
	page->counters.requests = 1;
	/* Counters grow by at most one in a nanosecond. */
	check(&w, ENDPOINT_CONNECTED, NULL, NULL);
	disconnect(w.vhost, page);
	check(&w, ENDPOINT_IDLE, "not-connected", "no VMM is connected");
	stop(&w);
}

static void
test_faults(void **state)
{
	static const char *const texts[FAULTS] = {
		[FAULT_MEMORY] = "share=on",
		[FAULT_RING] = "share=on",
		[FAULT_IOMMU] = "iommu_platform=on",
	};
	static const char *const causes[FAULTS] = {
		[FAULT_MEMORY] = "memory",
		[FAULT_RING] = "ring",
		[FAULT_IOMMU] = "iommu",
	};
	struct counters_page *page;
	struct world w;

	(void)state;
	start(&w, 0, false);
	for (unsigned int i = FAULT_NONE + 1; i < FAULTS; i++) {
		page = connect(w.vhost);
		page->fault = i;
		check(&w, ENDPOINT_CONNECTED, causes[i], texts[i]);
		/* It is still the reason after the VMM has disconnected. */
		disconnect(w.vhost, page);
		check(&w, ENDPOINT_IDLE, causes[i], texts[i]);
	}
	page = connect(w.vhost);
	check(&w, ENDPOINT_CONNECTED, "no-request", "");
	page->fault = UINT64_MAX;
	check(&w, ENDPOINT_CONNECTED, "no-request", "");
	disconnect(w.vhost, page);
	stop(&w);
}

static void
test_ceiling(void **state)
{
	struct counters_page *page;
	struct world w;

	(void)state;
	start(&w, 500, false);
	page = connect(w.vhost);
	demand(&w, w.vhost, 10 * BURST, 65536);
	check(&w, ENDPOINT_WAITING, "ceiling",
	    "ceiling of class gold is used up: 500 bytes per second");
	/* A limit is the cause even if the stock is low too. */
	alloc_stock(&w.pool->pool.alloc, 0, 65536);
	check(&w, ENDPOINT_WAITING, "ceiling", "class gold");
	/* Without a source it is not. */
	w.pool->pool.unserved = clock_now() - 17 * NS_PER_SEC;
	check(&w, ENDPOINT_WAITING, "sources",
	    "pool default has no healthy source for 17 s");
	disconnect(w.vhost, page);
	stop(&w);
}

static void
test_pool(void **state)
{
	struct counters_page *page;
	struct world w;

	(void)state;
	start(&w, 0, false);
	page = connect(w.vhost);
	demand(&w, w.vhost, 100, 0);
	check(&w, ENDPOINT_WAITING, "stock", "stock of pool default is empty");
	w.pool->pool.unserved = clock_now() - 5 * NS_PER_SEC;
	w.pool->pool.setup.spec.combine = COMBINE_XOR;
	check(&w, ENDPOINT_WAITING, "sources",
	    "pool default has too few healthy sources for 5 s");
	w.pool->pool.entropy.pid = 0;
	check(&w, ENDPOINT_WAITING, "process", "is being replaced");
	/* Bytes are on their way. */
	w.pool->pool.entropy.pid = getpid();
	w.pool->pool.unserved = 0;
	alloc_stock(&w.pool->pool.alloc, 65536, 65536);
	check(&w, ENDPOINT_WAITING, NULL, NULL);
	disconnect(w.vhost, page);
	stop(&w);
}

/* Granted, but not delivered: without demand for the allocator. */
static void
test_blocked(void **state)
{
	struct counters_page *page;
	struct world w;

	(void)state;
	start(&w, 0, true);
	page = connect(w.vhost);
	w.vhost->active->flow.want.need = 64;
	w.vhost->active->flow.blocked = true;
	check(&w, ENDPOINT_WAITING, "seed", "waits for a seed");
	w.pool->pool.unserved = clock_now();
	check(&w, ENDPOINT_WAITING, "sources", "no healthy source");
	w.pool->pool.unserved = 0;
	w.vhost->consumer.leaf.generated = false;
	check(&w, ENDPOINT_WAITING, "worker", "does not read");
	w.vhost->consumer.leaf.generated = true;
	w.vhost->active->flow.blocked = false;
	w.vhost->active->flow.want.need = 0;
	disconnect(w.vhost, page);
	stop(&w);
}

/* The state of a guest is that of the socket in use. */
static void
test_both(void **state)
{
	static char where[] = "/run/vm1.egd";
	const struct config_service egd = {
		.name = "vm1",
		.socket.where = where,
		.max_clients = 1,
	};
	struct counters_page *page, *vhost;
	struct endpoint *e;
	struct world w;

	(void)state;
	start(&w, 500, false);
	guest_add_egd(w.guest, &egd);
	e = &w.guest->egd->service.endpoint;
	page = connect(e);
	page->nclients = 1;
	page->counters.requests = 1;
	check(&w, ENDPOINT_CONNECTED, NULL, NULL);
	assert_true(guest_connected(w.guest));
	/* One that has not asked does not hide that the other is served. */
	vhost = connect(w.vhost);
	check(&w, ENDPOINT_CONNECTED, NULL, NULL);
	demand(&w, e, 10 * BURST, 65536);
	check(&w, ENDPOINT_WAITING, "ceiling", "class gold");
	demand(&w, e, 0, 65536);
	demand(&w, w.vhost, 10 * BURST, 65536);
	check(&w, ENDPOINT_WAITING, "ceiling", "class gold");
	disconnect(w.vhost, vhost);
	disconnect(e, page);
	demand(&w, w.vhost, 0, 65536);
	assert_false(guest_connected(w.guest));
	stop(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_both),
	};

	return UNIT_MAIN("why", tests);
}
