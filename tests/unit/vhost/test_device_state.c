/*
 * The format of the device's state: what is written is read again, and nothing
 * else is.  And the random bytes that are ready when it is saved or loaded.
 */
#include <sys/mman.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "vhost/worker.h"
#include "unit/unit.h"

static struct device_state state = { .status = 15 };

static void
test_written(void **arg)
{
	uint8_t bytes[DEVICE_STATE_MAX];
	struct device_state s;
	size_t n;

	(void)arg;
	for (unsigned int status = 0; status <= UINT8_MAX; status++) {
		state.status = (uint8_t)status;
		n = device_state_write(&state, bytes);
		assert_in_range(n, 16, DEVICE_STATE_MAX);
		s.status = (uint8_t)~status;
		assert_null(device_state_read(&s, bytes, n));
		assert_int_equal(s.status, status);
	}
}

/* The bytes of version 1, which later versions must know. */
static void
test_version_1(void **arg)
{
	const uint8_t bytes[] = { 'v', 'r', 'n', 'g', 'd', '-', 'd', 's', 1, 0,
		0, 0, 24, 0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t written[DEVICE_STATE_MAX];
	struct device_state s = { 0 };

	(void)arg;
	assert_null(device_state_read(&s, bytes, sizeof(bytes)));
	assert_int_equal(s.status, 15);
	assert_int_equal(device_state_write(&s, written), sizeof(bytes));
	assert_memory_equal(written, bytes, sizeof(bytes));
}

static void
is_refused(const uint8_t *bytes, size_t n)
{
	struct device_state s = { .status = 77 };

	assert_non_null(device_state_read(&s, bytes, n));
	assert_int_equal(s.status, 77);
}

static void
test_length(void **arg)
{
	uint8_t bytes[DEVICE_STATE_MAX + 1] = { 0 };
	size_t n = device_state_write(&state, bytes);

	(void)arg;
	for (size_t i = 0; i <= DEVICE_STATE_MAX + 1; i++)
		if (i != n)
			is_refused(bytes, i);
}

/* Each bit counts, except those of the status. */
static void
test_bits(void **arg)
{
	uint8_t bytes[DEVICE_STATE_MAX];
	size_t n = device_state_write(&state, bytes);
	struct device_state s;
	unsigned int read = 0;

	(void)arg;
	for (size_t i = 0; i < n * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1U << i % 8);
		if (device_state_read(&s, bytes, n) == NULL)
			read++;
		else
			is_refused(bytes, n);
		bytes[i / 8] ^= (uint8_t)(1U << i % 8);
	}
	assert_int_equal(read, 8);
}

/* The reasons are for an operator. */
static void
test_reasons(void **arg)
{
	uint8_t bytes[DEVICE_STATE_MAX + 1] = { 0 };
	size_t n = device_state_write(&state, bytes);
	struct device_state s;

	(void)arg;
	assert_string_equal(device_state_read(&s, bytes, DEVICE_STATE_MAX + 1),
	    "device state is longer than 4096 bytes");
	assert_string_equal(device_state_read(&s, bytes, 0),
	    "device state is too short");
	bytes[8] = 2;
	assert_string_equal(device_state_read(&s, bytes, n),
	    "device state of an unknown version");
	bytes[0] = 'q';
	assert_string_equal(device_state_read(&s, bytes, n),
	    "not a device state of vrngd");
}

/* A worker that holds bytes, and has a channel to the parent. */
static struct worker *
worker(void)
{
	static struct worker w;
	int p[2];

	memset(&w, 0, sizeof(w));
	w.transfer.fd = -1;
	w.status = 15;
	window_init(&w.rng.window);
	w.rng.window.held = 1000;
	memset(w.rng.window.bytes, 0xaa, 1000);
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	assert_int_equal(dup2(p[1], CHANNEL_UP_FD), CHANNEL_UP_FD);
	return &w;
}

static void
transfer(struct worker *w, uint32_t direction, int fd)
{
	const struct vhost_user_transfer how = { .direction = direction };

	assert_null(transfer_start(w, &how, fd));
	transfer_save(w);
	assert_null(transfer_check(w));
}

static void
test_save_leaves(void **arg)
{
	struct worker *w = worker();
	uint8_t bytes[DEVICE_STATE_MAX];
	int p[2];
	ssize_t n;

	(void)arg;
	assert_int_equal(pipe2(p, 0), 0);
	transfer(w, VHOST_USER_TRANSFER_SAVE, p[1]);
	n = read(p[0], bytes, sizeof(bytes));
	assert_in_range(n, 16, sizeof(bytes));
	assert_null(memchr(bytes, 0xaa, (size_t)n));
	assert_int_equal(read(p[0], bytes, sizeof(bytes)), 0);
	assert_int_equal(w->rng.window.held, 1000);
	close(p[0]);
}

static void
test_load_wipes(void **arg)
{
	struct worker *w = worker();
	uint8_t bytes[DEVICE_STATE_MAX];
	ssize_t n = (ssize_t)device_state_write(&state, bytes);
	int fd = memfd_create("state", 0);

	(void)arg;
	assert_int_equal(write(fd, bytes, (size_t)n), n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	transfer(w, VHOST_USER_TRANSFER_LOAD, fd);
	assert_int_equal(w->status, state.status);
	assert_int_equal(w->rng.window.held, 0);
	assert_null(memchr(w->rng.window.bytes, 0xaa, WINDOW_SIZE));
}

/* A load that fails changes nothing. */
static void
test_load_fails(void **arg)
{
	const struct vhost_user_transfer how = { VHOST_USER_TRANSFER_LOAD, 0 };
	struct worker *w = worker();

	(void)arg;
	assert_null(transfer_start(w, &how, memfd_create("empty", 0)));
	assert_string_equal(transfer_check(w), "device state is too short");
	assert_int_equal(w->transfer.fd, -1);
	assert_int_equal(w->status, 15);
	assert_int_equal(w->rng.window.held, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_version_1),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_save_leaves),
		cmocka_unit_test(test_load_wipes),
		cmocka_unit_test(test_load_fails),
	};

	return UNIT_MAIN("device_state", tests);
}
