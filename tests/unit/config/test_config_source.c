/*
 * Sources and delivery as the configuration has them: the values that files of
 * tests/config come to.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
/* By its path, since autoconf's has the same name. */
#include "parent/config/config.h"

static void
collect(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

static struct config *
read_good(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), CONFIG_DIR "/%s", name);
	return config_read(path, collect, NULL);
}

static const struct config_pool *
find_pool(const struct config *config, const char *name)
{
	const struct config_pool *pool;

	TAILQ_FOREACH(pool, &config->pools, entry)
		if (strcmp(pool->name, name) == 0)
			return pool;
	fail_msg("there is no pool %s", name);
	abort();
}

static const struct config_source *
find_source(const struct config_pool *pool, const char *name)
{
	const struct config_source *source;

	TAILQ_FOREACH(source, &pool->sources, entry)
		if (strcmp(source->spec.name, name) == 0)
			return source;
	fail_msg("there is no source %s", name);
	abort();
}

static void
test_default_values(void **state)
{
	struct config *config = read_good("good_sources.conf");
	const struct config_pool *pool = find_pool(config, "defaults");
	const struct config_source *source;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(pool->combine, COMBINE_FIRST);
	assert_int_equal(pool->min_sources, 1);
	assert_int_equal(pool->stock, 256 << 10);
	TAILQ_FOREACH(source, &pool->sources, entry) {
		/* They are there in the order of the kinds. */
		assert_int_equal(source->spec.kind, n);
		assert_int_equal(source->spec.number, n++);
		assert_int_equal(source->spec.noise, NOISE_CONDITIONED);
		assert_int_equal(source->spec.sample_bits, 8);
		assert_int_equal(source->spec.min_entropy, 8000);
		assert_int_equal(source->spec.alpha, 40);
		assert_int_equal(source->spec.timeout, 10 * NS_PER_SEC);
		assert_int_equal(source->spec.init_size, 0);
		assert_int_equal(source->spec.datagrams, 0);
		assert_false(source->listen);
		assert_false(source->replay);
	}
	assert_int_equal(n, SOURCE_KINDS);
	assert_null(find_source(pool, "kernel")->socket.where);
	assert_string_equal(find_source(pool, "egd")->socket.where,
	    "/run/egd-pool");
	config_free(config);
}

static void
test_given_values(void **state)
{
	static const char init[] = "\"\\\r\n\t\0\377~\177\033end";
	struct config *config = read_good("good_sources.conf");
	const struct config_pool *pool = find_pool(config, "said");
	const struct config_source *source = find_source(pool, "serial");

	(void)state;
	assert_int_equal(pool->combine, COMBINE_XOR);
	assert_int_equal(pool->min_sources, 2);
	assert_int_equal(pool->stock, 16 << 20);
	assert_int_equal(source->spec.kind, SOURCE_SERIAL);
	assert_int_equal(source->spec.speed, 115200);
	assert_int_equal(source->spec.init_size, sizeof(init) - 1);
	assert_memory_equal(source->spec.init, init, sizeof(init) - 1);
	assert_int_equal(source->spec.noise, NOISE_RAW);
	assert_int_equal(source->spec.min_entropy, 800);
	assert_int_equal(source->spec.sample_bits, 1);
	assert_int_equal(source->spec.alpha, 20);
	assert_int_equal(source->spec.timeout, 3600 * NS_PER_SEC);
	assert_true(find_source(pool, "file")->replay);
	source = find_source(pool, "qng1");
	assert_int_equal(source->vendor, 0x0403);
	assert_int_equal(source->product, 0x6001);
	assert_string_equal(source->usb_serial, "QWR2 \"0\"");
	source = find_source(pool, "cpu");
	assert_int_equal(source->spec.instruction, INSTRUCTION_RDRAND);
	source = find_source(pool, "egd");
	assert_int_equal(source->socket.transport, CONFIG_TCP);
	assert_string_equal(source->socket.where, "2001:db8::1");
	assert_int_equal(source->spec.min_entropy, 7500);
	source = find_source(pool, "listens");
	assert_int_equal(source->socket.transport, CONFIG_UNIX);
	assert_string_equal(source->socket.where, "/run/random");
	assert_true(source->listen);
	assert_false(find_source(pool, "connects")->listen);
	source = find_source(pool, "datagrams");
	assert_int_equal(source->socket.transport, CONFIG_UDP);
	assert_int_equal(source->spec.datagrams, 1);
	assert_true(source->listen);
	assert_int_equal(source->spec.min_entropy, 1050);
	config_free(config);
}

static void
test_presets(void **state)
{
	struct config *config = read_good("good_sources.conf");
	const struct config_pool *pool = find_pool(config, "presets");
	const struct proto_source *spec;

	(void)state;
	assert_int_equal(pool->min_sources, 4);
	assert_int_equal(pool->stock, 64 << 10);
	spec = &find_source(pool, "truerng")->spec;
	assert_int_equal(spec->init_size, 0);
	assert_int_equal(spec->noise, NOISE_RAW);
	assert_int_equal(spec->min_entropy, 7000);
	spec = &find_source(pool, "onerng")->spec;
	assert_int_equal(spec->init_size, 10);
	assert_memory_equal(spec->init, "cmd0\ncmdO\n", 10);
	spec = &find_source(pool, "less")->spec;
	assert_int_equal(spec->init_size, 0);
	assert_int_equal(spec->init[0], 0);
	assert_int_equal(spec->min_entropy, 3250);
	spec = &find_source(pool, "quiet")->spec;
	assert_int_equal(spec->noise, NOISE_CONDITIONED);
	assert_int_equal(spec->min_entropy, 8000);
	config_free(config);
}

static void
test_delivery(void **state)
{
	static const struct {
		uint32_t mode;
		uint64_t bytes;
		uint64_t seconds;
		uint32_t resistance;
	} wanted[] = {
		{ DELIVERY_RAW, 64 << 10, 60, 0 },
		{ DELIVERY_DRBG, 64 << 10, 1, 0 },
		{ DELIVERY_DRBG, 64 << 10, 1, 1 },
		{ DELIVERY_RAW, 64 << 10, 1, 1 },
		{ DELIVERY_DRBG, 64 << 10, 90, 0 },
		{ DELIVERY_DRBG, 1 << 30, 86400, 1 },
		{ DELIVERY_RAW, 1 << 30, 86400, 1 },
	};
	struct config *config = read_good("good_delivery.conf");
	const struct config_class *class;
	const struct config_guest *guest;
	size_t n = 0;

	(void)state;
	TAILQ_FOREACH(guest, &config->guests, entry) {
		assert_int_equal(guest->terms.delivery.mode, wanted[n].mode);
		assert_int_equal(guest->terms.delivery.reseed_bytes,
		    wanted[n].bytes);
		assert_int_equal(guest->terms.delivery.reseed_interval,
		    wanted[n].seconds * NS_PER_SEC);
		assert_int_equal(guest->terms.delivery.prediction_resistance,
		    wanted[n].resistance);
		assert_int_equal(guest->share.generated,
		    wanted[n].mode == DELIVERY_DRBG);
		n++;
	}
	assert_int_equal(n, sizeof(wanted) / sizeof(wanted[0]));
	class = TAILQ_FIRST(&find_pool(config, "raw")->classes);
	assert_int_equal(class->terms.delivery.mode, DELIVERY_DRBG);
	assert_false(class->share.generated);
	config_free(config);
}

static void
test_text(void **state)
{
	static const char *const wanted[] = { "/tmp/data", "/dev/ttyUSB0",
		"usb 0403:6001 QWR2 \"0\"", "usb 0403:6014", "rdrand",
		"[2001:db8::1]:1", "/run/random", "[::1]:65535", "0.0.0.0:7000",
		"0.0.0.0:7000" };
	struct config *config = read_good("good_sources.conf");
	const struct config_pool *pool = find_pool(config, "defaults");
	const struct config_source *source;
	char buf[64];
	size_t n = 0;

	(void)state;
	source = find_source(pool, "kernel");
	assert_ptr_equal(config_source_text(source, buf, sizeof(buf)), buf);
	assert_string_equal(buf, "getrandom");
	assert_string_equal(config_source_text(source, buf, 4), "get");
	source = find_source(pool, "cpu");
	assert_string_equal(config_source_text(source, buf, 64), "cpu");
	source = find_source(pool, "qng");
	assert_string_equal(config_source_text(source, buf, 64), "usb any:any");
	TAILQ_FOREACH(source, &find_pool(config, "said")->sources, entry)
		assert_string_equal(config_source_text(source, buf, 64),
		    wanted[n++]);
	config_free(config);
}

/* Equal to itself and to a copy, not to one that differs in anything. */
static void
test_equal(void **state)
{
	static char other[] = "other";
	struct config *config = read_good("good_sources.conf");
	struct config *again = read_good("good_sources.conf");
	const struct config_pool *pool,
	    *other_pool = TAILQ_FIRST(&again->pools);
	const struct config_source *a, *b, *c;
	struct config_source d;

	(void)state;
	TAILQ_FOREACH(pool, &config->pools, entry) {
		b = TAILQ_FIRST(&other_pool->sources);
		TAILQ_FOREACH(a, &pool->sources, entry) {
			assert_true(config_source_equal(a, b));
			TAILQ_FOREACH(c, &pool->sources, entry)
				assert_int_equal(config_source_equal(a, c),
				    a == c);
			b = TAILQ_NEXT(b, entry);
		}
		other_pool = TAILQ_NEXT(other_pool, entry);
	}
	a = find_source(find_pool(config, "said"), "egd");
#define DIFFERS(what, value) \
	do { \
		d = *a; \
		d.what = value; \
		assert_false(config_source_equal(a, &d)); \
		assert_false(config_source_equal(&d, a)); \
	} while (0)
	DIFFERS(spec.number, 17);
	DIFFERS(spec.timeout, 1);
	DIFFERS(spec.init[SOURCE_INIT_SIZE - 1], 1);
	DIFFERS(spec.name[0], 'E');
	DIFFERS(socket.where, other);
	DIFFERS(socket.where, NULL);
	DIFFERS(socket.port, 2);
	DIFFERS(socket.transport, CONFIG_UDP);
	DIFFERS(listen, true);
	DIFFERS(replay, true);
	DIFFERS(vendor, 1);
	DIFFERS(product, 1);
	DIFFERS(usb_serial[0], '1');
#undef DIFFERS
	config_free(config);
	config_free(again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_values),
		cmocka_unit_test(test_given_values),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_delivery),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_equal),
	};

	return UNIT_MAIN("config_source", tests);
}
