/*
 * Which addresses are in which networks, and how they are written.
 */
#include "unit/unit.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "egd/networks.h"
#include "egd/peer.h"

/* "127.0.0.1" or "::1", as an address that a socket has, with that port. */
static struct sockaddr_storage
at(const char *text, uint16_t port)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		in.sin_port = htons(port);
		memcpy(&ss, &in, sizeof(in));
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
		in6.sin6_port = htons(port);
		memcpy(&ss, &in6, sizeof(in6));
	}
	return ss;
}

static struct peer
peer(const char *text)
{
	struct sockaddr_storage ss = at(text, 1024);
	struct peer p;

	peer_at(&p, &ss);
	assert_true(p.inet);
	return p;
}

static struct proto_network
network(const char *text, uint32_t bits)
{
	struct proto_network n = { .bits = bits };

	memcpy(n.address, peer(text).address, sizeof(n.address));
	return n;
}

static bool
has(const char *text, uint32_t bits, const char *address)
{
	const struct proto_network n = network(text, bits);
	struct networks ns = { 0 };
	const struct peer p = peer(address);

	assert_true(networks_add(&ns, &n));
	return networks_have(&ns, p.address);
}

static void
test_ipv4(void **state)
{
	(void)state;
	assert_true(has("127.0.0.0", 96 + 8, "127.0.0.1"));
	assert_true(has("127.0.0.0", 96 + 8, "127.255.255.255"));
	assert_false(has("127.0.0.0", 96 + 8, "126.255.255.255"));
	assert_false(has("127.0.0.0", 96 + 8, "128.0.0.0"));
	assert_true(has("10.1.2.4", 96 + 30, "10.1.2.7"));
	assert_false(has("10.1.2.4", 96 + 30, "10.1.2.8"));
	assert_false(has("10.1.2.4", 96 + 30, "10.1.2.3"));
	assert_true(has("10.1.2.4", 96 + 32, "10.1.2.4"));
	assert_false(has("10.1.2.4", 96 + 32, "10.1.2.5"));
	assert_true(has("0.0.0.0", 96, "192.0.2.1"));
	assert_false(has("0.0.0.0", 96, "::1"));
	/* An IPv4 client of a socket for both kinds. */
	assert_true(has("127.0.0.0", 96 + 8, "::ffff:127.0.0.1"));
	/* Not the same addresses, however much alike. */
	assert_false(has("127.0.0.0", 96 + 8, "::127.0.0.1"));
	assert_false(has("127.0.0.0", 96 + 8, "64:ff9b::127.0.0.1"));
}

static void
test_ipv6(void **state)
{
	(void)state;
	assert_true(has("::1", 128, "::1"));
	assert_false(has("::1", 128, "::2"));
	assert_false(has("::1", 128, "::"));
	assert_true(has("2001:db8::", 33, "2001:db8:7fff::1"));
	assert_false(has("2001:db8::", 33, "2001:db8:8000::1"));
	assert_true(has("fe80::", 10, "febf::1"));
	assert_false(has("fe80::", 10, "fec0::1"));
	assert_true(has("::", 0, "::1"));
	assert_true(has("::", 0, "192.0.2.1"));
	assert_false(has("2001:db8::", 32, "32.1.13.184"));
}

/* Each length of a prefix, and an address that differs in one bit. */
static void
test_bits(void **state)
{
	struct networks ns;
	struct proto_network n;
	uint8_t address[16];
	uint64_t seed = 5;

	(void)state;
	for (uint32_t bits = 0; bits <= 128; bits++) {
		ns = (struct networks){ 0 };
		n = (struct proto_network){ .bits = bits };
		unit_fill(address, sizeof(address), unit_random(&seed));
		memcpy(n.address, address, sizeof(address));
		for (uint32_t b = bits; b < 128; b++)
			n.address[b / 8] &= (uint8_t) ~(0x80 >> b % 8);
		assert_true(networks_add(&ns, &n));
		assert_true(networks_have(&ns, address));
		for (uint32_t b = 0; b < 128; b++) {
			address[b / 8] ^= (uint8_t)(0x80 >> b % 8);
			assert_int_equal(networks_have(&ns, address),
			    b >= bits);
			address[b / 8] ^= (uint8_t)(0x80 >> b % 8);
		}
	}
}

static void
test_list(void **state)
{
	struct networks ns = { 0 };
	struct proto_network n = { .bits = 129 };
	char text[32];

	(void)state;
	assert_false(networks_have(&ns, peer("127.0.0.1").address));
	assert_false(networks_add(&ns, &n));
	assert_int_equal(ns.n, 0);
	for (int i = 0; i < ALLOWED_MAX; i++) {
		snprintf(text, sizeof(text), "10.%d.0.0", i);
		n = network(text, 96 + 16);
		assert_true(networks_add(&ns, &n));
	}
	assert_false(networks_add(&ns, &n));
	assert_int_equal(ns.n, ALLOWED_MAX);
	assert_true(networks_have(&ns, peer("10.0.1.2").address));
	assert_true(networks_have(&ns, peer("10.63.1.2").address));
	assert_false(networks_have(&ns, peer("10.64.1.2").address));
}

static void
test_peers(void **state)
{
	const char *const texts[][2] = {
		{ "127.0.0.1", "127.0.0.1:1024" },
		{ "255.255.255.255", "255.255.255.255:1024" },
		{ "::ffff:10.0.0.1", "10.0.0.1:1024" },
		{ "::1", "[::1]:1024" },
		{ "2001:db8:1111:2222:3333:4444:5555:6666",
		    "[2001:db8:1111:2222:3333:4444:5555:6666]:1024" },
	};
	struct sockaddr_storage ss;
	struct peer a = peer("127.0.0.1"), b;
	int fds[2];
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_string_equal(peer(texts[i][0]).text, texts[i][1]);
	ss = at("127.0.0.1", 1025);
	peer_at(&b, &ss);
	assert_false(peer_same(&a, &b));
	b = peer("::ffff:127.0.0.1");
	assert_true(peer_same(&a, &b));
	b = peer("127.0.0.2");
	assert_false(peer_same(&a, &b));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_true(peer_of(&a, fds[0]));
	assert_false(a.inet);
	snprintf(text, sizeof(text), "pid %d, uid %u", getpid(), getuid());
	assert_string_equal(a.text, text);
	close(fds[0]);
	close(fds[1]);
	assert_false(peer_of(&a, -1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_peers),
	};

	return UNIT_MAIN("networks", tests);
}
