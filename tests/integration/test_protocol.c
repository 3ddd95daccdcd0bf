/*
 * The vhost-user protocol: handshakes with and without each feature, memory
 * tables and slots, status, reset, and refusals.
 */
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define PAGES(n) ((uint64_t)(n)*FE_PAGE)

static void
test_offered(void **state)
{
	struct suite *s = *state;

	suite_up_qemu(s, &s->fe, "vm0");
	assert_int_equal(s->fe.offered,
	    FE_F_VERSION_1 | FE_F_EVENT_IDX | FE_F_INDIRECT | FE_F_PROTOCOL |
		FE_F_LOG_ALL | FE_F_RING_PACKED | FE_F_IN_ORDER);
	assert_int_equal(s->fe.poffered, FE_P_ALL | FE_P_BASE_INFLIGHT);
	assert_int_equal(s->fe.queue_num, 1);
	assert_int_equal(s->fe.max_slots, 509);
	suite_served(&s->fe);
	suite_pass(s);
}

/* Without protocol features the ring is enabled from the start. */
static void
test_no_protocol_features(void **state)
{
	struct suite *s = *state;

	suite_up(s, &s->fe, "vm0", 64, FE_F_VERSION_1, 0);
	suite_served(&s->fe);
	suite_served(&s->fe);
	suite_pass(s);
}

static void
test_legacy_driver(void **state)
{
	struct suite *s = *state;

	suite_up(s, &s->fe, "vm0", 64, FE_F_PROTOCOL, FE_P_REPLY_ACK);
	suite_served(&s->fe);
	suite_pass(s);
}

/* Each protocol feature alone, and all but each. */
static void
test_each_protocol_feature(void **state)
{
	const uint64_t bits[] = { 0, FE_P_MQ, FE_P_LOG_SHMFD, FE_P_REPLY_ACK,
		FE_P_INFLIGHT, FE_P_RESET_DEVICE, FE_P_MEM_SLOTS, FE_P_STATUS };
	struct suite *s = *state;
	size_t i;

	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		suite_up(s, &s->fe, "vm0", 64, QEMU_FEATURES, bits[i]);
		suite_served(&s->fe);
		fe_close(&s->fe);
		suite_up(s, &s->fe, "vm0", 64, PLAIN_FEATURES,
		    FE_P_ALL & ~bits[i]);
		suite_served(&s->fe);
		fe_close(&s->fe);
	}
	suite_pass(s);
}

/* n regions, the ring in the first and buffers in each. */
static void
up_regions(struct suite *s, size_t n, uint64_t pfeatures)
{
	struct fe *fe = &s->fe;
	size_t i;

	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	for (i = 0; i < n; i++)
		CHECK(fe_mem_add(fe, PAGES(i * 16), PAGES(4), PAGES(i % 3)));
	CHECK(fe_ring_init(fe, 16, 0));
	CHECK(fe_handshake(fe, QEMU_FEATURES, pfeatures));
	CHECK(fe_start(fe));
}

/* One request to a guest address; returns how many bytes came. */
static uint32_t
request_at(struct fe *fe, uint64_t gpa, uint32_t len)
{
	struct fe_used_elem elem;

	assert_int_not_equal(fe_add_one(fe, gpa, len), -1);
	fe_kick(fe);
	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	assert_int_equal(fe_pop(fe, &elem), 1);
	return elem.len;
}

static void
test_mem_table(void **state)
{
	struct suite *s = *state;
	size_t i, n;

	for (n = 1; n <= 8; n++) {
		up_regions(s, n, FE_P_MQ | FE_P_REPLY_ACK);
		for (i = 0; i < n; i++)
			assert_int_equal(
			    request_at(&s->fe, PAGES(i * 16 + 3) + 64, 256),
			    256);
		fe_close(&s->fe);
	}
	suite_pass(s);
}

/* A new table while the ring runs replaces the old one. */
static void
test_mem_table_again(void **state)
{
	struct suite *s = *state;

	suite_up(s, &s->fe, "vm0", 64, QEMU_FEATURES, FE_P_REPLY_ACK);
	suite_served(&s->fe);
	CHECK(fe_mem_add(&s->fe, FE_MEM_END, PAGES(16), 0));
	CHECK(fe_mem_send(&s->fe));
	CHECK(fe_send_addr(&s->fe));
	assert_int_equal(request_at(&s->fe, FE_MEM_END + 5, 100), 100);
	suite_served(&s->fe);
	suite_pass(s);
}

static void
test_mem_slots(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	size_t i;

	up_regions(s, 509, QEMU_PFEATURES);
	for (i = 0; i < 509; i += 127)
		assert_int_equal(request_at(fe, PAGES(i * 16 + 3), 64), 64);
	assert_int_equal(request_at(fe, PAGES(508 * 16 + 1), 3000), 3000);

	CHECK(fe_mem_add(fe, PAGES(509 * 16), PAGES(4), 0));
	assert_int_equal(fe_mem_slot(fe, FE_ADD_MEM_REG, &fe->regions[509]), 1);
	for (i = 1; i < 509; i += 2)
		CHECK(fe_mem_slot(fe, FE_REM_MEM_REG, &fe->regions[i]));
	assert_int_equal(fe_mem_slot(fe, FE_REM_MEM_REG, &fe->regions[1]), 1);
	assert_int_equal(request_at(fe, PAGES(16), 64), 0);
	assert_int_equal(request_at(fe, PAGES(32), 64), 64);
	CHECK(fe_mem_slot(fe, FE_ADD_MEM_REG, &fe->regions[1]));
	CHECK(fe_mem_slot(fe, FE_ADD_MEM_REG, &fe->regions[509]));
	assert_int_equal(request_at(fe, PAGES(16), 64), 64);
	assert_int_equal(request_at(fe, PAGES(509 * 16), 64), 64);
	suite_pass(s);
}

static void
test_mem_overlap(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;

	suite_up_qemu(s, fe, "vm0");
	CHECK(fe_mem_add(fe, FE_MEM_END - FE_PAGE, PAGES(2), 0));
	assert_int_equal(fe_mem_slot(fe, FE_ADD_MEM_REG, &fe->regions[2]), 1);
	suite_served(fe);
	suite_pass(s);
}

/* Some frontends pass an fd with REM_MEM_REG, which must be closed. */
static void
test_rem_with_fd(void **state)
{
	struct {
		uint64_t padding;
		struct fe_wire_region region;
	} payload = { 0 };
	struct suite *s = *state;
	struct fe *fe = &s->fe;

	suite_up_qemu(s, fe, "vm0");
	CHECK(fe_mem_add(fe, FE_MEM_END, PAGES(2), 0));
	CHECK(fe_mem_slot(fe, FE_ADD_MEM_REG, &fe->regions[2]));
	payload.region = fe->regions[2].wire;
	CHECK(fe_set(fe, FE_REM_MEM_REG, &payload, sizeof(payload),
	    &fe->regions[2].fd, 1));
	suite_served(fe);
	suite_pass(s);
}

/* The description of the log comes back, whatever the flags. */
static void
test_log_base(void **state)
{
	struct suite *s = *state;
	struct fe_log log = { .size = PAGES(1) };
	struct fe_msg msg;
	int fd;

	suite_up_qemu(s, &s->fe, "vm0");
	fd = memfd_create("log", MFD_CLOEXEC);
	CHECK(ftruncate(fd, (off_t)log.size));
	for (uint32_t flags = 0; flags <= FE_NEED_REPLY;
	     flags += FE_NEED_REPLY) {
		CHECK(fe_send(&s->fe, FE_SET_LOG_BASE, flags, &log, sizeof(log),
		    &fd, 1));
		CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
		assert_int_equal(msg.hdr.request, FE_SET_LOG_BASE);
		assert_int_equal(msg.hdr.size, sizeof(log));
		assert_memory_equal(msg.payload, &log, sizeof(log));
	}
	close(fd);
	suite_served(&s->fe);
	suite_pass(s);
}

/* There is no configuration space, but some frontends ask for it. */
static void
test_config(void **state)
{
	struct suite *s = *state;
	struct {
		uint32_t offset, size, flags;
		uint8_t bytes[256];
	} ask = { .offset = 4, .size = 8 };
	const size_t head = sizeof(ask) - sizeof(ask.bytes);
	struct fe_msg msg;

	suite_up_qemu(s, &s->fe, "vm0");
	for (size_t n = 0; n <= sizeof(ask.bytes); n += sizeof(ask.bytes) / 4) {
		memset(ask.bytes, 0xff, sizeof(ask.bytes));
		CHECK(
		    fe_send(&s->fe, FE_GET_CONFIG, 0, &ask, head + n, NULL, 0));
		CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
		assert_int_equal(msg.hdr.request, FE_GET_CONFIG);
		assert_int_equal(msg.hdr.size, head + n);
		memset(ask.bytes, 0, sizeof(ask.bytes));
		assert_memory_equal(msg.payload, &ask, head + n);
	}
	suite_served(&s->fe);
	suite_pass(s);
}

static void
test_status(void **state)
{
	struct suite *s = *state;
	uint64_t status;

	suite_up_qemu(s, &s->fe, "vm0");
	CHECK(fe_get_u64(&s->fe, FE_GET_STATUS, &status));
	assert_int_equal(status, 8);
	CHECK(fe_set_u64(&s->fe, FE_SET_STATUS, 0xf));
	CHECK(fe_get_u64(&s->fe, FE_GET_STATUS, &status));
	assert_int_equal(status, 0xf);
	CHECK(fe_set_u64(&s->fe, FE_SET_STATUS, 0));
	CHECK(fe_get_u64(&s->fe, FE_GET_STATUS, &status));
	assert_int_equal(status, 0);
	suite_pass(s);
}

/* The guest resets its device and starts it again on the same connection. */
static void
test_reset_device(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	int i;

	suite_up_qemu(s, fe, "vm0");
	for (i = 0; i < 5; i++) {
		suite_served(fe);
		suite_served(fe);
		assert_int_equal(fe_stop(fe), fe_next(fe));
		CHECK(fe_set(fe, FE_RESET_DEVICE, NULL, 0, NULL, 0));
		CHECK(fe_ring_init(fe, i % 2 ? 64 : 4, FE_RING_GPA));
		CHECK(fe_start(fe));
	}
	suite_served(fe);
	suite_pass(s);
}

/* A guest that reboots: everything again without a word of reset. */
static void
test_restart_fresh(void **state)
{
	struct suite *s = *state;
	int i;

	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 20; i++) {
		suite_served(&s->fe);
		assert_int_equal(fe_stop(&s->fe), fe_next(&s->fe));
		CHECK(fe_ring_init(&s->fe, 64, FE_RING_GPA));
		CHECK(fe_start(&s->fe));
	}
	suite_pass(s);
}

static void
test_base_before_start(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;

	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_default(fe));
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	assert_int_equal(fe_get_base(fe), 0);
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_start(fe));
	suite_served(fe);
	suite_pass(s);
}

/* Each refused with an answer, after which the guest goes on. */
static void
test_refused(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_vring_state queue1 = { 1, 64 };
	const uint32_t sizes[] = { 0, 3, 65, 65536, 0x80000000 };
	size_t i;

	suite_up_qemu(s, fe, "vm0");
	suite_served(fe);
	assert_int_equal(fe_stop(fe), 1);
	/* A base that only a packed ring can have. */
	assert_int_equal(fe_set_state(fe, FE_SET_VRING_BASE, 0x80008000), 1);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(fe_set_state(fe, FE_SET_VRING_NUM, sizes[i]),
		    1);
	assert_int_equal(
	    fe_set(fe, FE_SET_VRING_NUM, &queue1, sizeof(queue1), NULL, 0), 1);
	assert_int_equal(
	    fe_set(fe, FE_SET_VRING_ENABLE, &queue1, sizeof(queue1), NULL, 0),
	    1);
	CHECK(fe_start(fe));
	suite_served(fe);
	suite_pass(s);
}

/* The guest's next driver wants a ring of the other form. */
static void
test_form(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;

	suite_up_qemu(s, fe, "vm0");
	for (int i = 0; i < 6; i++) {
		suite_served(fe);
		suite_served(fe);
		assert_int_equal(fe_stop(fe), fe_next(fe));
		fe_packed = !fe_packed;
		CHECK(fe_ring_init(fe, fe_packed ? 63 : 64, FE_RING_GPA));
		fe->features ^= FE_F_RING_PACKED;
		CHECK(fe_start(fe));
	}
	suite_served(fe);
	suite_pass(s);
}

/* Many requests in one write, their answers in order. */
static void
test_pipelined(void **state)
{
	struct suite *s = *state;
	struct fe_header batch[64];
	struct fe_msg msg;
	size_t i;

	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 64; i++)
		batch[i] =
		    (struct fe_header){ i % 2 ? FE_GET_STATUS : FE_GET_FEATURES,
			    FE_VERSION, 0 };
	CHECK(fe_send_raw(&s->fe, batch, sizeof(batch), NULL, 0));
	for (i = 0; i < 64; i++) {
		CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
		assert_int_equal(msg.hdr.request, batch[i].request);
	}
	suite_served(&s->fe);
	suite_pass(s);
}

/* A message that comes byte by byte is a message all the same. */
static void
test_bytewise(void **state)
{
	struct suite *s = *state;
	struct __attribute__((packed)) {
		struct fe_header hdr;
		uint64_t value;
	} m = { { FE_SET_STATUS, FE_VERSION | FE_NEED_REPLY, 8 }, 11 };
	struct fe_msg msg;
	uint64_t status;
	size_t i;

	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 20; i++) {
		CHECK(fe_send_raw(&s->fe, (char *)&m + i, 1, NULL, 0));
		usleep(1000);
		if (i == 14)
			suite_served(&s->fe);
	}
	CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
	assert_int_equal(msg.hdr.request, FE_SET_STATUS);
	CHECK(fe_get_u64(&s->fe, FE_GET_STATUS, &status));
	assert_int_equal(status, 11);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_TEST(test_offered),
		SUITE_TEST(test_no_protocol_features),
		SUITE_TEST(test_legacy_driver),
		SUITE_TEST(test_each_protocol_feature),
		SUITE_TEST(test_mem_table), SUITE_TEST(test_mem_table_again),
		SUITE_TEST(test_mem_slots), SUITE_TEST(test_mem_overlap),
		SUITE_TEST(test_rem_with_fd), SUITE_TEST(test_log_base),
		SUITE_TEST(test_config), SUITE_TEST(test_status),
		SUITE_TEST(test_reset_device), SUITE_TEST(test_restart_fresh),
		SUITE_TEST(test_base_before_start), SUITE_TEST(test_refused),
		SUITE_TEST(test_form), SUITE_TEST(test_pipelined),
		SUITE_TEST(test_bytewise),
		SUITE_PACKED(test_each_protocol_feature),
		SUITE_PACKED(test_mem_table),
		SUITE_PACKED(test_mem_table_again),
		SUITE_PACKED(test_mem_slots), SUITE_PACKED(test_rem_with_fd),
		SUITE_PACKED(test_reset_device),
		SUITE_PACKED(test_restart_fresh) };

	return SUITE_MAIN("protocol", tests);
}
