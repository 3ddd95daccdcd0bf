/*
 * The status as the parent writes it: JSON whatever the text, piece by piece,
 * while guests come and go.
 */
#include "unit/unit.h"

#include <sys/mman.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/control/status.h"
#include "parent/state/daemon.h"

#define GUESTS 300

struct world {
	struct process_env env;
	struct daemon daemon;
	struct daemon_pool *pools[2];
	struct daemon_class *class; /* of the first pool */
	struct status_json json;
	int fd;
};

static const struct alloc_share plain = {
	.rate.period = 1,
	.ceil.period = 1,
	.weight = 1,
};

static struct guest *
add_guest(struct world *w, size_t pool, const char *name)
{
	static char where[] = "/run/\"x\\y\033[1m\xff\xc3\xa4";
	static struct place place = { .where = where };
	static const struct config_terms terms = { 0 };
	struct daemon_pool *p = w->pools[pool];
	struct alloc_node *parent =
	    pool == 0 ? &w->class->alloc.node : &p->pool.alloc.root.node;
	struct guest *g = daemon_guest_new(&w->daemon, name, &p->pool, parent,
	    &plain, &terms);

	g->vhost.endpoint.place = &place;
	return g;
}

static void
start(struct world *w)
{
	static const char *const names[] = { "default", "slow" };

	memset(w, 0, sizeof(*w));
	daemon_init(&w->daemon, &w->env, NULL, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct daemon_pool *p = calloc(1, sizeof(*p));

		assert_non_null(p);
		strlcpy(p->name, names[i], sizeof(p->name));
		TAILQ_INIT(&p->classes);
		pool_init(&p->pool, p->name, &w->env, &plain, NULL, NULL);
		TAILQ_INSERT_TAIL(&w->daemon.pools, p, entry);
		w->pools[i] = p;
	}
	w->class = calloc(1, sizeof(*w->class));
	assert_non_null(w->class);
	strlcpy(w->class->name, "gold", sizeof(w->class->name));
	alloc_add_class(&w->pools[0]->pool.alloc, &w->class->alloc,
	    &w->pools[0]->pool.alloc.root.node, &plain, clock_now());
	TAILQ_INSERT_TAIL(&w->pools[0]->classes, w->class, entry);
	status_json_init(&w->json, &w->daemon);
}

static void
stop(struct world *w)
{
	struct guest *g;

	while ((g = TAILQ_FIRST(&w->daemon.guests)) != NULL)
		daemon_guest_free(&w->daemon, g, 0);
	daemon_class_free(w->pools[0], w->class);
	free(w->pools[0]);
	free(w->pools[1]);
}

static void
begin(struct world *w)
{
	w->fd = memfd_create("status", MFD_CLOEXEC);
	assert_int_not_equal(w->fd, -1);
	status_json_start(&w->json, w->fd);
}

/* What was written, which must be one JSON object. */
static struct json_object *
end(struct world *w)
{
	struct json_tokener *tokener = json_tokener_new();
	size_t size = w->json.json.size;
	struct json_object *status;
	char *text = malloc(size + 1); /* to see that there is no more */

	assert_int_equal(w->json.json.error, 0);
	assert_int_equal(pread(w->fd, text, size + 1, 0), size);
	close(w->fd);
	json_tokener_set_flags(tokener,
	    JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	status = json_tokener_parse_ex(tokener, text, (int)size);
	assert_int_equal(json_tokener_get_error(tokener), json_tokener_success);
	assert_int_equal(json_tokener_get_parse_end(tokener), size);
	assert_true(json_object_is_type(status, json_type_object));
	json_tokener_free(tokener);
	free(text);
	return status;
}

static struct json_object *
get(struct json_object *o, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(o, key, &value));
	return value;
}

static struct json_object *
pool_list(struct json_object *status, size_t pool, const char *key)
{
	return get(json_object_array_get_idx(get(status, "pools"), pool), key);
}

/* How many times a guest of that name is in a pool. */
static size_t
count_of(struct json_object *status, size_t pool, const char *name)
{
	struct json_object *guests = pool_list(status, pool, "guests");
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(guests); i++)
		n += strcmp(json_object_get_string(get(
				json_object_array_get_idx(guests, i), "name")),
			 name) == 0;
	return n;
}

static void
test_text(void **state)
{
	struct json_object *status, *guest, *class;
	struct world w;

	(void)state;
	start(&w);
	add_guest(&w, 0, "vm0");
	begin(&w);
	assert_true(status_json_write(&w.json, UINT64_MAX));
	status = end(&w);
	assert_int_equal(json_object_array_length(get(status, "pools")), 2);
	guest = json_object_array_get_idx(pool_list(status, 0, "guests"), 0);
	assert_string_equal(json_object_get_string(get(guest, "socket")),
	    "/run/\"x\\y\033[1m\xef\xbf\xbd\xc3\xa4");
	assert_string_equal(json_object_get_string(get(guest, "class")),
	    "gold");
	assert_string_equal(json_object_get_string(get(guest, "state")),
	    "idle");
	assert_string_equal(json_object_get_string(get(guest, "cause")),
	    "not-connected");
	assert_string_equal(json_object_get_string(get(guest, "why")),
	    "no VMM is connected");
	assert_int_equal(json_object_get_int(get(guest, "throttled_ns")), 0);
	assert_int_equal(json_object_get_int(get(guest, "bytes_granted")), 0);
	assert_int_equal(json_object_get_int(get(guest, "bytes_delivered")), 0);
	assert_null(get(guest, "ceil"));
	assert_null(get(guest, "worker_pid"));
	class = json_object_array_get_idx(pool_list(status, 0, "classes"), 0);
	assert_int_equal(json_object_get_int(get(class, "guests")), 1);
	json_object_put(status);
	stop(&w);
}

/* What the status is of, and since when its counters count. */
static void
test_daemon(void **state)
{
	struct json_object *status, *guest, *class;
	uint64_t uptime, counting;
	struct tm tm;
	struct world w;

	(void)state;
	start(&w);
	w.daemon.config = "/etc/vrngd.conf";
	w.daemon.started -= 100 * NS_PER_SEC;
	w.class->created = clock_now() - 50 * NS_PER_SEC;
	add_guest(&w, 0, "vm0")->vhost.endpoint.created -= 70 * NS_PER_SEC;
	begin(&w);
	assert_true(status_json_write(&w.json, UINT64_MAX));
	status = end(&w);
	assert_int_equal(json_object_get_int(get(status, "schema")), 1);
	assert_string_equal(json_object_get_string(get(status, "version")),
	    PACKAGE_VERSION);
	assert_int_equal(json_object_get_int(get(status, "pid")), getpid());
	assert_string_equal(json_object_get_string(get(status, "config")),
	    "/etc/vrngd.conf");
	uptime = json_object_get_uint64(get(status, "uptime_ns"));
	assert_in_range(uptime, 100 * NS_PER_SEC, 200 * NS_PER_SEC);
	for (int i = 0; i < 2; i++)
		assert_non_null(strptime(json_object_get_string(get(status,
					     i == 0 ? "time" : "started")),
		    "%Y-%m-%dT%H:%M:%SZ", &tm));
	assert_in_range(time(NULL) - timegm(&tm), 99, 200);
	assert_int_equal(
	    json_object_get_int(get(get(status, "events"), "guest_rejected")),
	    0);
	guest = json_object_array_get_idx(pool_list(status, 0, "guests"), 0);
	counting = json_object_get_uint64(get(guest, "counting_ns"));
	assert_in_range(counting, 70 * NS_PER_SEC, uptime);
	class = json_object_array_get_idx(pool_list(status, 0, "classes"), 0);
	counting = json_object_get_uint64(get(class, "counting_ns"));
	assert_in_range(counting, 50 * NS_PER_SEC, uptime);
	json_object_put(status);
	stop(&w);
}

static uint64_t
requests_total(struct world *w)
{
	struct json_object *status;
	uint64_t n;

	begin(w);
	assert_true(status_json_write(&w->json, UINT64_MAX));
	status = end(w);
	n = json_object_get_uint64(
	    get(pool_list(status, 0, "guests_total"), "requests"));
	json_object_put(status);
	return n;
}

/* The counters of its former workers. */
static struct counters *
past(struct guest *g)
{
	return &endpoint_activate(&g->vhost.endpoint)->counted.past;
}

/* The sum over guests never falls, also when they are removed. */
static void
test_totals(void **state)
{
	struct guest *g, *other;
	struct world w;

	(void)state;
	start(&w);
	g = add_guest(&w, 0, "vm0");
	other = add_guest(&w, 0, "vm1");
	past(g)->requests = 7;
	assert_int_equal(requests_total(&w), 7);
	past(g)->requests = 9;
	past(other)->requests = 20;
	assert_int_equal(requests_total(&w), 29);
	assert_int_equal(requests_total(&w), 29);
	past(g)->requests = 10;
	daemon_guest_free(&w.daemon, g, 0);
	assert_int_equal(requests_total(&w), 30);
	past(add_guest(&w, 1, "vm2"))->requests = 5;
	assert_int_equal(requests_total(&w), 30);
	stop(&w);
}

/* Numbers and text of all lengths, at all places of the buffer. */
static void
test_writer(void **state)
{
	static struct json j;
	char *text, name[200];
	struct json_object *all;
	int fd = memfd_create("json", MFD_CLOEXEC);
	size_t n = 0;

	(void)state;
	json_init(&j, fd);
	json_open(&j, NULL, '[');
	for (size_t i = 0; j.size + j.used < 4 * JSON_BUFFER; i++, n += 2) {
		memset(name, i % 3 == 0 ? '\n' : 'x', i % sizeof(name));
		name[i % sizeof(name)] = '\0';
		json_put_string(&j, NULL, name);
		json_put_number(&j, NULL, i % 2 == 0 ? i : UINT64_MAX - i);
	}
	json_close(&j, ']');
	json_flush(&j);
	assert_int_equal(j.error, 0);
	text = calloc(1, j.size + 1);
	assert_int_equal(pread(fd, text, j.size + 1, 0), j.size);
	all = json_tokener_parse(text);
	assert_non_null(all);
	assert_int_equal(json_object_array_length(all), n);
	for (size_t i = 0; i < n / 2; i++) {
		assert_int_equal(json_object_get_string_len(
				     json_object_array_get_idx(all, 2 * i)),
		    i % sizeof(name));
		assert_int_equal(json_object_get_uint64(
				     json_object_array_get_idx(all, 2 * i + 1)),
		    i % 2 == 0 ? i : UINT64_MAX - i);
	}
	json_object_put(all);
	free(text);
	close(fd);
}

/* Text of any bytes is valid UTF-8 in the end, and what was so stays. */
static void
test_bytes(void **state)
{
	static const char *const kept[] = { "\xc2\x80", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80",
		"\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xc3",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88", "\xff" };
	struct json_object *all;
	static struct json j;
	char text[256];
	uint64_t seed = clock_now();
	static struct world w;

	(void)state;
	print_message("# seed %ju\n", (uintmax_t)seed);
	w.fd = memfd_create("json", MFD_CLOEXEC);
	json_init(&j, w.fd);
	json_open(&j, NULL, '{');
	json_open(&j, "kept", '[');
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		json_put_string(&j, NULL, kept[i]);
	json_close(&j, ']');
	json_open(&j, "bad", '[');
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		json_put_string(&j, NULL, bad[i]);
	json_close(&j, ']');
	json_open(&j, "random", '[');
	for (int i = 0; i < 5000; i++) {
		unit_fill((uint8_t *)text, sizeof(text), seed++);
		text[unit_below(&seed, sizeof(text))] = '\0';
		json_put_string(&j, NULL, text);
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_flush(&j);
	w.json.json = j;
	all = end(&w);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		assert_string_equal(
		    json_object_get_string(
			json_object_array_get_idx(get(all, "kept"), i)),
		    kept[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_memory_equal(
		    json_object_get_string(
			json_object_array_get_idx(get(all, "bad"), i)),
		    "\xef\xbf\xbd", 3);
	json_object_put(all);
}

/* A file that cannot be written to ends it, and harms nothing. */
static void
test_no_room(void **state)
{
	struct world w;
	char name[16];

	(void)state;
	start(&w);
	for (int i = 0; i < GUESTS; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		add_guest(&w, 0, name);
	}
	w.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	status_json_start(&w.json, w.fd);
	while (!status_json_write(&w.json, 0) && w.json.json.error == 0)
		continue;
	assert_int_equal(w.json.json.error, ENOSPC);
	close(w.fd);
	stop(&w);
}

/*
 * Guests come and go between the slices, and sometimes a configuration is
 * applied: those that stay are there once, the others at most once.
 */
static void
test_changes(void **state)
{
	uint64_t seed = clock_now();
	struct json_object *status;
	char name[32];
	struct guest *g;
	struct world w;

	(void)state;
	print_message("# seed %ju\n", (uintmax_t)seed);
	start(&w);
	for (int i = 0; i < GUESTS; i++) {
		snprintf(name, sizeof(name), "%s%d", i % 3 ? "stays" : "goes",
		    i);
		add_guest(&w, (size_t)(i % 2), name);
	}
	for (int round = 0, more = 0; round < 50; round++) {
		begin(&w);
		while (!status_json_write(&w.json, 0)) {
			TAILQ_FOREACH(g, &w.daemon.guests, entry)
				if (strncmp(g->name, "goes", 4) == 0 &&
				    unit_below(&seed, 20) == 0)
					break;
			if (g != NULL)
				daemon_guest_free(&w.daemon, g, 0);
			snprintf(name, sizeof(name), "goes-%d", more++);
			add_guest(&w, unit_below(&seed, 2), name);
			if (unit_below(&seed, 100) == 0)
				w.daemon.applied++;
		}
		status = end(&w);
		for (int i = 0; i < GUESTS; i++) {
			snprintf(name, sizeof(name), "stays%d", i);
			if (i % 3 != 0)
				assert_int_equal(
				    count_of(status, (size_t)(i % 2), name), 1);
		}
		for (int i = 0; i < more; i++) {
			snprintf(name, sizeof(name), "goes-%d", i);
			assert_in_range(count_of(status, 0, name) +
				count_of(status, 1, name),
			    0, 1);
		}
		json_object_put(status);
	}
	stop(&w);
}

static uint64_t
cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* CPU time of one status and of its longest slice, ns. */
static void
measure(struct world *w, uint64_t *total, uint64_t *longest)
{
	uint64_t at, took;
	bool done;

	*total = *longest = 0;
	begin(w);
	do {
		at = cpu_time();
		done = status_json_write(&w->json, clock_now() + STATUS_SLICE);
		took = cpu_time() - at;
		*total += took;
		if (took > *longest)
			*longest = took;
	} while (!done);
	close(w->fd);
}

/*
 * 10,000 guests, of which 1,000 are connected: 20 ms of CPU, in slices of 2 ms,
 * in the best of some rounds, as others may use the CPU too.
 */
static void
test_many(void **state)
{
	uint64_t total, longest, best = UINT64_MAX, shortest = UINT64_MAX;
	struct endpoint_active *a;
	struct guest *g;
	struct world w;
	char name[32];

	(void)state;
	start(&w);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "guest-number-%d", i);
		g = add_guest(&w, 0, name);
		if (i % 10 != 0)
			continue;
		a = endpoint_activate(&g->vhost.endpoint);
		if (counted_begin(&a->counted) == -1)
			program_skip("too few files may be open");
		a->worker.pid = getpid();
		a->since = clock_now();
	}
	for (int i = 0; i < 20; i++) {
		measure(&w, &total, &longest);
		best = total < best ? total : best;
		shortest = longest < shortest ? longest : shortest;
	}
	print_message("# %ju us, in slices of at most %ju us\n",
	    (uintmax_t)best / 1000, (uintmax_t)shortest / 1000);
#ifndef VRNGD_SANITIZE
	/* Some 15 ms and 0.6 ms; with a margin for a busy host. */
	assert_in_range(best, 1, 100 * NS_PER_MS);
	assert_in_range(shortest, 1, 2 * NS_PER_MS);
#endif
	TAILQ_FOREACH(g, &w.daemon.guests, entry) {
		if ((a = g->vhost.endpoint.active) == NULL)
			continue;
		a->worker.pid = 0;
		counted_end(&a->counted);
	}
	stop(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_writer),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_many),
	};

	return UNIT_MAIN("status_json", tests);
}
