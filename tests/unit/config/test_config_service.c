/*
 * Services as the configuration has them: networks, where they are, and the
 * values that files of tests/config come to.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
/* By its path, since autoconf's has the same name. */
#include "parent/config/config.h"

#define TEXT_MAX 128

static void
collect(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

static struct config *
read_good(void)
{
	return config_read(CONFIG_DIR "/good_outlets.conf", collect, NULL);
}

static const struct config_service *
find_service(const struct config *config, enum config_service_kind kind,
    const char *name)
{
	const struct config_service *service;

	TAILQ_FOREACH(service, &config->services, entry)
		if (service->kind == kind && strcmp(service->name, name) == 0)
			return service;
	fail_msg("there is no %s", name);
	abort();
}

static const struct config_guest *
find_guest(const struct config *config, const char *name)
{
	const struct config_guest *guest;

	TAILQ_FOREACH(guest, &config->guests, entry)
		if (strcmp(guest->name, name) == 0)
			return guest;
	fail_msg("there is no guest %s", name);
	abort();
}

static bool
is_network(const char *text, struct proto_network *network)
{
	return config_network_read(text, network) == CONFIG_NETWORK_GOOD;
}

/* The first bytes of an address, the others being 0; bits from 96 for IPv4. */
static void
check_network(const char *text, uint32_t bits, const char *canonical,
    const uint8_t *address, size_t n)
{
	struct proto_network network, again;
	char buf[CONFIG_NETWORK_SIZE];
	uint8_t whole[16] = { 0 };

	memset(&network, 0xaa, sizeof(network));
	memset(&again, 0x55, sizeof(again));
	assert_true(is_network(text, &network));
	assert_int_equal(network.bits, bits);
	assert_int_equal(network.unused, 0);
	memcpy(whole, address, n);
	assert_memory_equal(network.address, whole, sizeof(whole));
	assert_ptr_equal(config_network_text(&network, buf), buf);
	assert_string_equal(buf, canonical);
	assert_true(is_network(buf, &again));
	assert_memory_equal(&network, &again, sizeof(network));
}

#define IPV4(...) \
	(const uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, \
		__VA_ARGS__ }, \
	    12 + sizeof((const uint8_t[]){ __VA_ARGS__ })
#define IPV6(...) \
	(const uint8_t[]){ __VA_ARGS__ }, \
	    sizeof((const uint8_t[]){ __VA_ARGS__ })

static void
test_networks(void **state)
{
	(void)state;
	check_network("10.0.0.0/8", 104, "10.0.0.0/8", IPV4(10));
	check_network("0.0.0.0/0", 96, "0.0.0.0/0", IPV4(0));
	check_network("192.0.2.1", 128, "192.0.2.1/32", IPV4(192, 0, 2, 1));
	check_network("192.0.2.1/32", 128, "192.0.2.1/32", IPV4(192, 0, 2, 1));
	check_network("192.0.2.254/31", 127, "192.0.2.254/31",
	    IPV4(192, 0, 2, 254));
	check_network("128.0.0.0/1", 97, "128.0.0.0/1", IPV4(128));
	check_network("::/0", 0, "::/0", IPV6(0));
	check_network("::1", 128, "::1/128",
	    IPV6(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
	check_network("2001:DB8:0::/32", 32, "2001:db8::/32",
	    IPV6(0x20, 1, 0xd, 0xb8));
	check_network("fe80::/10", 10, "fe80::/10", IPV6(0xfe, 0x80));
	check_network("::ffff:10.0.0.0/104", 104, "10.0.0.0/8", IPV4(10));
	check_network("::ffff:a00:0/104", 104, "10.0.0.0/8", IPV4(10));
	check_network("::ffff:0:0/96", 96, "0.0.0.0/0", IPV4(0));
	check_network("::ffff:192.0.2.1", 128, "192.0.2.1/32",
	    IPV4(192, 0, 2, 1));
	check_network("::fffe:0:0/95", 95, "::fffe:0:0/95",
	    IPV6(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe));
	check_network("::10.0.0.0/104", 104, "::10.0.0.0/104",
	    IPV6(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10));
}

static void
test_no_networks(void **state)
{
	static const char *const bad[] = { "", "/", "/8", "10.0.0.0/",
		"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
		"10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8/8", "10.0.0.1/31",
		"10.0.0.0/6", "0.0.0.1/0", "10.0.0/8", "10/8", "010.0.0.0/8",
		"10.0.0.0.0/8", "256.0.0.0/8", "10.0.0.0/255.0.0.0",
		"10.0.0.0/18446744073709551624", "10.0.0.0/0x8", "::1/129",
		"::1/127", "::/", "::1%lo", "[::1]", "[::1]/128", "1::1::1",
		"::ffff:10.0.0.0/8", "::ffff:10.0.0.1/104", "::ffff:0:0/95",
		"localhost", "::1:", "0:0:0:0:0:0:0:0:0/0",
		"0000000000000000000000000000000000000000000000000000/8",
		"0000:0000:0000:0000:0000:0000:255.255.255.255.255/8" };
	struct proto_network network;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (is_network(bad[i], &network))
			fail_msg("%s is not a network", bad[i]);
}

/* All prefixes of an address: the bits behind it are 0, and no others. */
static void
test_prefixes(void **state)
{
	struct proto_network network;
	char text[64];

	(void)state;
	for (uint32_t bits = 0; bits <= 32; bits++) {
		snprintf(text, sizeof(text), "255.255.255.255/%u", bits);
		assert_int_equal(is_network(text, &network), bits == 32);
		if (bits == 0)
			continue;
		/* The last bit of the prefix alone. */
		snprintf(text, sizeof(text), "%u.%u.%u.%u/%u",
		    bits <= 8 ? 1u << (8 - bits) : 0,
		    bits > 8 && bits <= 16 ? 1u << (16 - bits) : 0,
		    bits > 16 && bits <= 24 ? 1u << (24 - bits) : 0,
		    bits > 24 ? 1u << (32 - bits) : 0, bits);
		assert_true(is_network(text, &network));
		text[strlen(text) - (bits < 10 ? 1 : 2)] = '\0';
		snprintf(text + strlen(text), 4, "%u", bits - 1);
		assert_false(is_network(text, &network));
	}
}

static void
check_text(const struct config *config, enum config_service_kind kind,
    const char *name, const char *expected)
{
	char text[TEXT_MAX];

	assert_ptr_equal(
	    config_socket_text(&find_service(config, kind, name)->socket, text,
		sizeof(text)),
	    text);
	assert_string_equal(text, expected);
}

static void
test_texts(void **state)
{
	struct config *config = read_good();
	char text[8];

	(void)state;
	check_text(config, CONFIG_SERVICE_EGD, "least", "/run/vrngd/egd.sock");
	check_text(config, CONFIG_SERVICE_STREAM, "egd", "/run/qemu/vm7.sock");
	check_text(config, CONFIG_SERVICE_EGD, "port", "127.0.0.1:7000");
	check_text(config, CONFIG_SERVICE_EGD, "six", "[::1]:7000");
	check_text(config, CONFIG_SERVICE_STREAM, "udp", "udp 127.0.0.1:7000");
	check_text(config, CONFIG_SERVICE_STREAM, "udp6", "udp [::1]:7000");
	/* A buffer too small is not written past. */
	for (size_t size = 1; size <= 6; size++) {
		memset(text, 'x', sizeof(text));
		config_socket_text(
		    &find_service(config, CONFIG_SERVICE_STREAM, "udp")->socket,
		    text, size);
		assert_int_equal(strlen(text), size - 1);
		assert_int_equal(text[size], 'x');
	}
	config_free(config);
}

static void
test_default_values(void **state)
{
	struct config *config = read_good();
	const struct config_service *least =
	    find_service(config, CONFIG_SERVICE_EGD, "least");
	const struct config_service *stream =
	    find_service(config, CONFIG_SERVICE_STREAM, "egd");
	const struct config_pool *pool = TAILQ_FIRST(&config->pools);

	(void)state;
	assert_true(pool->accept_writes);
	assert_false(TAILQ_NEXT(pool, entry)->accept_writes);
	assert_int_equal(least->socket.transport, CONFIG_UNIX);
	assert_false(least->connect);
	assert_int_equal(least->rights.owner, (uid_t)-1);
	assert_int_equal(least->rights.group, (gid_t)-1);
	assert_int_equal(least->rights.mode, 0);
	assert_int_equal(least->max_clients, CONFIG_CLIENTS);
	assert_int_equal(least->idle_timeout, 0);
	assert_int_equal(least->nallowed, 0);
	assert_ptr_equal(least->pool, pool);
	assert_null(least->class);
	assert_int_equal(least->share.weight, 1);
	assert_int_equal(least->share.ceil.bytes, 0);
	assert_int_equal(least->delivery.mode, DELIVERY_RAW);
	assert_true(stream->connect);
	assert_int_equal(stream->max_clients, 1);
	assert_int_equal(stream->nallowed, 0);
	assert_ptr_equal(stream->pool, TAILQ_NEXT(pool, entry));
	config_free(config);
}

static void
test_given_values(void **state)
{
	struct config *config = read_good();
	const struct config_service *said =
	    find_service(config, CONFIG_SERVICE_EGD, "said");
	const struct config_service *lan =
	    find_service(config, CONFIG_SERVICE_EGD, "lan");
	const struct config_class *gold =
	    TAILQ_FIRST(&TAILQ_FIRST(&config->pools)->classes);

	(void)state;
	assert_int_equal(said->rights.owner, 0);
	assert_int_equal(said->rights.group, 0);
	assert_int_equal(said->rights.mode, 0660);
	assert_int_equal(said->max_clients, CLIENTS_MAX);
	assert_int_equal(said->idle_timeout, 30 * 86400 * NS_PER_SEC);
	assert_ptr_equal(said->class, gold);
	assert_int_equal(said->share.rate.bytes, 1024);
	assert_int_equal(said->share.ceil.bytes, 2048);
	assert_int_equal(said->share.burst, 3072);
	assert_int_equal(said->share.weight, 4);
	assert_int_equal(said->share.priority, 5);
	assert_true(said->share.generated);
	assert_int_equal(said->delivery.mode, DELIVERY_DRBG);
	assert_int_equal(said->delivery.reseed_bytes, 64 << 10);
	assert_int_equal(said->delivery.prediction_resistance, 1);
	assert_string_equal(lan->socket.where, "0.0.0.0");
	assert_int_equal(lan->socket.port, 7001);
	assert_int_equal(lan->max_clients, 1);
	assert_int_equal(lan->idle_timeout, NS_PER_SEC);
	assert_int_equal(lan->nallowed, 5);
	assert_int_equal(lan->share.ceil.bytes, 1024);
	assert_int_equal(lan->share.ceil.period, 2 * NS_PER_SEC);
	config_free(config);
}

/* A service that listens at an address has allowed networks. */
static void
test_allow(void **state)
{
	struct config *config = read_good();
	const struct config_service *service;
	char text[CONFIG_NETWORK_SIZE];
	size_t n = 0;

	(void)state;
	TAILQ_FOREACH(service, &config->services, entry) {
		bool listens = service->socket.transport != CONFIG_UNIX &&
		    !service->connect;

		assert_int_equal(service->nallowed > 0, listens);
		n += listens;
	}
	assert_in_range(n, 8, 100);
	service = find_service(config, CONFIG_SERVICE_EGD, "port");
	assert_string_equal(config_network_text(&service->allow[0], text),
	    "127.0.0.0/8");
	service = find_service(config, CONFIG_SERVICE_EGD, "six");
	assert_string_equal(config_network_text(&service->allow[0], text),
	    "::1/128");
	service = find_service(config, CONFIG_SERVICE_EGD, "one");
	assert_string_equal(config_network_text(&service->allow[0], text),
	    "127.0.0.1/32");
	config_free(config);
}

static void
test_guests(void **state)
{
	struct config *config = read_good();
	const struct config_guest *guest = find_guest(config, "vm1");

	(void)state;
	assert_null(guest->socket.where);
	assert_string_equal(guest->egd, "/run/vrngd/vm1.egd");
	guest = find_guest(config, "egd");
	assert_string_equal(guest->socket.where, "/run/vrngd/vm2.sock");
	assert_string_equal(guest->egd, "/run/vrngd/vm2.egd");
	assert_int_equal(guest->rights.mode, 0600);
	config_free(config);
}

static void
test_same_place(void **state)
{
	struct config *config = read_good(), *again = read_good();
	const struct config_service *a, *b;
	struct config_service other;
	size_t x = 0, y;

	(void)state;
	TAILQ_FOREACH(a, &config->services, entry) {
		y = 0;
		TAILQ_FOREACH(b, &again->services, entry) {
			/* But for two that connect to one place. */
			bool twice = strcmp(a->name, "to-us") == 0 ||
			    strcmp(a->name, "again") == 0;

			if (x == y || !twice)
				assert_int_equal(
				    config_service_same_place(a, b), x == y);
			y++;
		}
		x++;
	}
	a = find_service(config, CONFIG_SERVICE_STREAM, "to-us");
	b = find_service(config, CONFIG_SERVICE_STREAM, "again");
	assert_true(config_service_same_place(a, b));
	/* The share, the name, and who may come are another matter. */
	a = find_service(config, CONFIG_SERVICE_EGD, "lan");
	other = *a;
	other.share.weight++;
	other.name[0] = 'x';
	other.nallowed = 1;
	other.max_clients++;
	other.idle_timeout++;
	assert_true(config_service_same_place(a, &other));
	other.socket.port++;
	assert_false(config_service_same_place(a, &other));
	other.socket.port--;
	other.kind = CONFIG_SERVICE_STREAM;
	assert_false(config_service_same_place(a, &other));
	config_free(config);
	config_free(again);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_no_networks),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_default_values),
		cmocka_unit_test(test_given_values),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_guests),
		cmocka_unit_test(test_same_place),
	};

	return UNIT_MAIN("config_service", tests);
}
