/*
 * A frontend whose messages are malformed: wrong sizes, types, flags and
 * counts, half messages, floods and garbage.  At worst its own connection is
 * closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/hostile.h"

static void
raw_connect(struct suite *s)
{
	fe_init(&s->fe);
	CHECK(fe_connect(&s->fe, daemon_path(&s->d, "vm0.sock")));
}

/* A message that never ends does not stop the ring. */
static void
test_stalled(void **state)
{
	struct suite *s = *state;
	const struct {
		struct fe_header hdr;
		char payload[8];
	} msg = { { FE_SET_VRING_NUM, FE_VERSION, 8 }, { 0 } };

	hostile_up(s);
	CHECK(fe_send_raw(&s->fe, &msg, 5, NULL, 0));
	suite_served(&s->fe);
	hostile_other(s);
	hostile_not_spinning(s, "vm0");
	CHECK(fe_send_raw(&s->fe, (const char *)&msg + 5, 9, NULL, 0));
	usleep(50000);
	suite_served(&s->fe);
	hostile_other(s);
	hostile_not_spinning(s, "vm0");
	hostile_end(s);
}

static void
test_unknown_requests(void **state)
{
	const uint32_t types[] = { 0, 19, 21, 22, 23, 25, 28, 33, 41, 99,
		0x7fffffff, 0xffffffff };
	struct suite *s = *state;
	uint64_t payload[4] = { 0 };
	struct fe_msg msg;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		hostile_up(s);
		CHECK(fe_send(&s->fe, types[i], 0, payload, 32, NULL, 0));
		hostile_closed_or_works(s);
		fe_close(&s->fe);
		hostile_up(s);
		CHECK(fe_send(&s->fe, types[i], FE_NEED_REPLY, payload, 8, NULL,
		    0));
		if (fe_recv(&s->fe, &msg, FE_TIMEOUT_MS) == 0) {
			assert_int_equal(msg.hdr.request, types[i]);
			assert_int_not_equal(msg.payload[0], 0);
			hostile_closed_or_works(s);
		} else
			assert_int_equal(errno, ECONNRESET);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

static void
test_bad_flags(void **state)
{
	const uint32_t flags[] = { 0, 2, 3, FE_VERSION | FE_REPLY, 0xffffffff,
		0xfffffff1 };
	struct suite *s = *state;
	struct fe_header hdr = { FE_GET_FEATURES, 0, 0 };
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		hostile_up(s);
		hdr.flags = flags[i];
		CHECK(fe_send_raw(&s->fe, &hdr, sizeof(hdr), NULL, 0));
		hostile_answers(s);
		hostile_other(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

static void
test_oversized(void **state)
{
	const uint32_t sizes[] = { 4096, 65536, 0x7fffffff, 0xffffffff };
	struct suite *s = *state;
	struct fe_header hdr = { FE_SET_MEM_TABLE, FE_VERSION, 0 };
	uint8_t buf[65536] = { 0 };
	size_t i;

	for (i = 0; i < 4; i++) {
		hostile_up(s);
		hdr.size = sizes[i];
		CHECK(fe_send_raw(&s->fe, &hdr, sizeof(hdr), NULL, 0));
		if (fe_send_raw(&s->fe, buf, sizeof(buf), NULL, 0) == -1)
			assert_int_equal(errno, ECONNRESET);
		hostile_other(s);
		hostile_not_spinning(s, "vm0");
		fe_close(&s->fe);
	}
	hostile_end(s);
}

/* Every request with every size that is not its own, before and after start. */
static void
test_wrong_sizes(void **state)
{
	const size_t sizes[] = { 0, 1, 7, 9, 12, 16, 39, 41, 48, 264, 265,
		300 };
	struct suite *s = *state;
	uint8_t payload[512];
	uint32_t type;
	size_t i;

	memset(payload, 0, sizeof(payload));
	for (type = 1; type <= 43; type++) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			payload[0] = (uint8_t)i;
			raw_connect(s);
			CHECK(fe_send(&s->fe, type, FE_NEED_REPLY, payload,
			    sizes[i], NULL, 0));
			hostile_answers(s);
			fe_close(&s->fe);
		}
		hostile_other(s);
	}
	hostile_end(s);
}

/* The same on one running connection, one type at a time. */
static void
test_wrong_sizes_running(void **state)
{
	const size_t sizes[] = { 0, 7, 9, 24, 300 };
	struct suite *s = *state;
	uint8_t payload[512];
	uint32_t type;
	size_t i;

	memset(payload, 0xff, sizeof(payload));
	for (type = 1; type <= 40; type++) {
		suite_up_qemu(s, &s->fe, "vm0");
		for (i = 0; i < 5; i++)
			if (fe_send(&s->fe, type, 0, payload, sizes[i], NULL,
				0) == -1)
				assert_int_equal(errno, ECONNRESET);
		hostile_answers(s);
		fe_close(&s->fe);
		hostile_other(s);
	}
	hostile_end(s);
}

static void
test_bad_tables(void **state)
{
	const uint32_t counts[] = { 0, 3, 9, 0x10000, 0xffffffff };
	struct {
		uint32_t n, padding;
		struct fe_wire_region regions[2];
	} table = { 0 };
	struct suite *s = *state;
	int fds[2];
	size_t i;

	for (i = 0; i < 5; i++) {
		hostile_up(s);
		table.n = counts[i];
		table.regions[0] = s->fe.regions[0].wire;
		table.regions[1] = s->fe.regions[1].wire;
		fds[0] = s->fe.regions[0].fd;
		fds[1] = s->fe.regions[1].fd;
		if (fe_set(&s->fe, FE_SET_MEM_TABLE, &table, sizeof(table), fds,
			2) == 0)
			print_message("# table of %u accepted\n", counts[i]);
		hostile_other(s);
		hostile_answers(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

/* Replies are asked for and never read. */
static void
test_flood(void **state)
{
	struct suite *s = *state;
	struct fe_header batch[64];
	uint64_t end;
	size_t i, sent = 0;

	hostile_up(s);
	for (i = 0; i < 64; i++)
		batch[i] = (struct fe_header){ FE_GET_FEATURES, FE_VERSION, 0 };
	end = fe_now() + 400;
	while (fe_now() < end) {
		ssize_t n =
		    send(s->fe.sock, (char *)batch + sent % sizeof(batch),
			sizeof(batch) - sent % sizeof(batch),
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && errno != EAGAIN)
			break;
		if (n > 0)
			sent += (size_t)n;
		else
			usleep(1000);
	}
	assert_true(sent > 1000);
	hostile_other(s);
	hostile_not_spinning(s, "vm0");
	fe_close(&s->fe);

	/* And once more with an end, when it is ready to listen again. */
	hostile_up(s);
	for (i = 0; i < 20; i++)
		CHECK(fe_send_raw(&s->fe, batch, sizeof(batch), NULL, 0));
	usleep(100000);
	assert_true(hostile_answers(s));
	suite_served(&s->fe);
	hostile_end(s);
}

/* Garbage, and garbage behind a header that looks right. */
static void
test_garbage(void **state)
{
	struct suite *s = *state;
	uint8_t buf[1024];
	struct fe_header hdr;
	uint64_t first = program_seed(), seed, x;
	size_t i, len;

	for (seed = first; seed < first + 150; seed++) {
		x = seed;
		if (seed % 3 == 0)
			suite_up_qemu(s, &s->fe, "vm0");
		else
			raw_connect(s);
		for (i = 0; i < sizeof(buf); i++)
			buf[i] =
			    (uint8_t)(hostile_rand(&x) % (seed % 5 ? 256 : 3));
		len = hostile_rand(&x) % sizeof(buf);
		for (i = 0; seed % 2 && i + 64 < len;) {
			hdr.request = hostile_rand(&x) % 44;
			hdr.flags = FE_VERSION | (hostile_rand(&x) % 16 & 8);
			hdr.size = hostile_rand(&x) % 56 & ~UINT32_C(3);
			memcpy(buf + i, &hdr, sizeof(hdr));
			i += sizeof(hdr) + hdr.size;
		}
		if (fe_send_raw(&s->fe, buf, len, NULL, 0) == -1)
			assert_int_equal(errno, ECONNRESET);
		if (seed % 4 == 0)
			usleep(2000);
		if (seed % 10 == 0)
			hostile_other(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

static void
test_connect_flood(void **state)
{
	struct suite *s = *state;
	struct fe_header hdr = { FE_GET_FEATURES, FE_VERSION, 0 };
	int i;

	for (i = 0; i < 200; i++) {
		raw_connect(s);
		if (i % 3 == 1)
			CHECK(fe_send_raw(&s->fe, &hdr, sizeof(hdr), NULL, 0));
		else if (i % 3 == 2)
			CHECK(fe_send_raw(&s->fe, &hdr, 3, NULL, 0));
		fe_close(&s->fe);
		if (i % 20 == 0)
			hostile_other(s);
	}
	hostile_end(s);
}

/* Sessions that work, one after the other, each answered and gone. */
static void
test_reconnect(void **state)
{
	struct suite *s = *state;
	int i;

	for (i = 0; i < 50; i++) {
		hostile_up(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

/* Setting up and tearing down in the wrong order. */
static void
test_wrong_order(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;

	raw_connect(s);
	CHECK(fe_mem_default(fe));
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	fe_set_state(fe, FE_SET_VRING_ENABLE, 1);
	fe_kick_always(fe);
	fe_set_fd(fe, FE_SET_VRING_KICK, fe->kick);
	fe_send_addr(fe);
	hostile_answers(s);
	fe_close(fe);

	hostile_up(s);
	fe_set(fe, FE_RESET_OWNER, NULL, 0, NULL, 0);
	fe_set(fe, FE_RESET_DEVICE, NULL, 0, NULL, 0);
	fe_kick_always(fe);
	hostile_answers(s);
	fe_close(fe);

	hostile_up(s);
	fe_mem_slot(fe, FE_REM_MEM_REG, &fe->regions[0]);
	fe_kick_always(fe);
	hostile_answers(s);
	hostile_not_spinning(s, "vm0");
	hostile_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { HOSTILE_TEST(test_stalled),
		HOSTILE_TEST(test_unknown_requests),
		HOSTILE_TEST(test_bad_flags), HOSTILE_TEST(test_oversized),
		HOSTILE_TEST(test_wrong_sizes),
		HOSTILE_TEST(test_wrong_sizes_running),
		HOSTILE_TEST(test_bad_tables), HOSTILE_TEST(test_flood),
		HOSTILE_TEST(test_garbage), HOSTILE_TEST(test_connect_flood),
		HOSTILE_TEST(test_reconnect), HOSTILE_TEST(test_wrong_order),
		HOSTILE_PACKED(test_wrong_sizes_running),
		HOSTILE_PACKED(test_bad_tables), HOSTILE_PACKED(test_garbage),
		HOSTILE_PACKED(test_reconnect),
		HOSTILE_PACKED(test_wrong_order) };

	return SUITE_MAIN("hostile_msgs", tests);
}
