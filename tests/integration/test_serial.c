/*
 * A device at a serial line: a pseudo-terminal, reached through a symbolic link
 * that comes and goes as that of a device at USB does.
 */
#include <sys/random.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/peer.h"

#define INIT	"go\\r\\n"
#define INIT_IS "go\r\n"
#define FEED	1024 /* fits into the terminal's buffer */
#define SERIAL \
	"source \"usb\" { type = serial path = \"%s/tty\" timeout = 1s %s }"
#define KERNEL "source \"kernel\" { type = kernel }"

/* Plugs it in: something is there behind DIR/tty. */
static int
plug_in(struct suite *s)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_int_not_equal(fd, -1);
	CHECK(grantpt(fd));
	CHECK(unlockpt(fd));
	CHECK(symlink(ptsname(fd), daemon_path(&s->d, "tty")));
	return fd;
}

static void
unplug(struct suite *s, struct fifo *f)
{
	CHECK(unlink(daemon_path(&s->d, "tty")));
	peer_hang_up(f);
}

/* The start command, after which the device may send. */
static void
await_init(const struct fifo *f, const char *init)
{
	struct pollfd pfd = { f->fd, POLLIN, 0 };
	char buf[64];
	size_t n = 0;

	while (n < strlen(init)) {
		assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
		assert_int_equal(read(f->fd, buf + n, 1), 1);
		n++;
	}
	assert_memory_equal(buf, init, n);
	assert_int_equal(poll(&pfd, 1, 50), 0);
}

/* Every byte arrives unchanged, including terminal control characters. */
static void
bytes(struct suite *s, const char *keys, const char *init)
{
	uint8_t buf[4096];
	bool seen[256] = { false };
	struct fifo f;
	size_t n;

	peer_make(&f, plug_in(s));
	peer_start(s, SERIAL, s->d.dir, keys);
	await_init(&f, init);
	for (n = 0; n + 64 <= sizeof(buf); n += 64) {
		if (n % FEED == 0)
			fifo_feed(&f, FEED);
		/* That is the least for raw noise: 1024 samples. */
		peer_receive(s, buf + n, 64);
	}
	assert_memory_equal(buf, f.bytes, sizeof(buf));
	for (n = 0; n < sizeof(buf); n++)
		seen[buf[n]] = true;
	for (n = 0; n < 32; n++)
		assert_true(seen[n]);
	assert_true(seen[0x7f]);
	assert_true(seen[0xff]);
	/* Nothing was sent to it but what it is to get. */
	await_init(&f, "");
	unplug(s, &f);
	fifo_free(&f);
	suite_pass(s);
}

static void
test_bytes(void **state)
{
	bytes(*state, "speed = 115200 init = \"" INIT "\"", INIT_IS);
}

static void
test_preset(void **state)
{
	bytes(*state, "preset = onerng", "cmd0\ncmdO\n");
}

/* Requests are answered for so long, none after more than a moment. */
static void
goes_on(struct suite *s, int ms)
{
	uint64_t start, longest = 0, end = fe_now() + (uint64_t)ms;

	while ((start = fe_now()) < end) {
		peer_receive(s, NULL, 64);
		if (fe_now() - start > longest)
			longest = fe_now() - start;
		usleep(5000);
	}
	print_message("# the longest wait: %llu ms\n",
	    (unsigned long long)longest);
	assert_true(longest < 500);
}

/* It is unplugged while in use, and the kernel serves until it is back. */
static void
test_unplugged(void **state)
{
	struct suite *s = *state;
	struct fifo f;
	struct usage was;
	size_t from;

	peer_make(&f, plug_in(s));
	peer_start(s, "stock = 4K " SERIAL KERNEL, s->d.dir,
	    "init = \"" INIT "\"");
	await_init(&f, INIT_IS);
	fifo_feed(&f, FEED);
	admin_await(s, "tty) in use", 0);
	fifo_feed(&f, FEED);
	peer_serves_since(s, &f, 0);
	daemon_usage(&s->d, &was);
	for (size_t i = 0; i < 2; i++) {
		unplug(s, &f);
		goes_on(s, 1000);
		admin_await(s, "tty): lost: ", i);
		admin_await(s, "kernel (getrandom) in use", i);
		f.fd = plug_in(s);
		await_init(&f, INIT_IS);
		from = f.n;
		fifo_feed(&f, FEED);
		admin_await(s, "tty): delivers again", i);
		admin_await(s, "tty) in use", i + 1);
		fifo_feed(&f, FEED);
		peer_serves_since(s, &f, from);
	}
	CHECK(daemon_usage_wait(&s->d, &was, 1000));
	unplug(s, &f);
	fifo_free(&f);
	suite_pass(s);
}

/* Without another source the guest waits, and others do not. */
static void
test_alone(void **state)
{
	struct suite *s = *state;
	struct fifo f;

	peer_make(&f, plug_in(s));
	peer_start(s, "stock = 4K " SERIAL, s->d.dir, "init = \"" INIT "\"");
	await_init(&f, INIT_IS);
	fifo_feed(&f, FEED);
	for (int i = 0; i < FEED / 64; i++)
		peer_serves(s, &f);
	peer_waits(s);
	unplug(s, &f);
	admin_await(s, "tty): lost: ", 0);
	suite_served(&s->other);
	f.fd = plug_in(s);
	await_init(&f, INIT_IS);
	fifo_feed(&f, FEED);
	peer_answered(s);
	peer_serves_since(s, &f, FEED);
	unplug(s, &f);
	fifo_free(&f);
	suite_pass(s);
}

/* Feeds it until nothing more is taken: all buffers are full. */
static void
fill(const struct fifo *f)
{
	struct pollfd pfd = { f->fd, POLLOUT, 0 };
	uint8_t buf[512];

	CHECK(fcntl(f->fd, F_SETFL, O_NONBLOCK));
	while (poll(&pfd, 1, 300) == 1) {
		assert_int_equal(getrandom(buf, sizeof(buf), 0), sizeof(buf));
		assert_true(
		    write(f->fd, buf, sizeof(buf)) > 0 || errno == EAGAIN);
	}
}

/* Feeds it until that line is logged and its stock is full. */
static void
fill_until(struct suite *s, const struct fifo *f, const char *line)
{
	for (int i = 0; daemon_log_count(&s->d, line) == 0; i++) {
		assert_true(i < 100);
		fill(f);
	}
	fill(f);
}

/* It is unplugged while its stock is full, so that it is not read. */
static void
test_unplugged_full(void **state)
{
	struct suite *s = *state;
	struct fifo f;

	peer_make(&f, plug_in(s));
	peer_start(s, "stock = 4K " SERIAL, s->d.dir, "");
	for (size_t i = 0; i < 2; i++) {
		fill_until(s, &f,
		    i == 0 ? "tty): healthy" : "tty): delivers again");
		assert_int_equal(daemon_log_count(&s->d, "tty): lost: "), i);
		unplug(s, &f);
		admin_await(s, "tty): lost: ", i);
		f.fd = plug_in(s);
	}
	unplug(s, &f);
	fifo_free(&f);
	suite_pass(s);
}

/* It was not there at the start: the other serves until it is. */
static void
test_missing(void **state)
{
	struct suite *s = *state;
	struct fifo f;

	peer_start(s, "stock = 4K " SERIAL KERNEL, s->d.dir,
	    "init = \"" INIT "\"");
	admin_await(s, "/tty): lost: No such file or directory; retrying", 0);
	admin_await(s, "kernel (getrandom) in use", 0);
	goes_on(s, 300);
	peer_make(&f, plug_in(s));
	await_init(&f, INIT_IS);
	fifo_feed(&f, FEED);
	admin_await(s, "tty) in use", 0);
	peer_serves_since(s, &f, 0);
	unplug(s, &f);
	fifo_free(&f);
	suite_pass(s);
}

/*
 * The only source of a pool is missing: its guests wait, others do not, and an
 * alarm says so until it is there.
 */
static void
test_missing_alone(void **state)
{
	struct suite *s = *state;
	struct fifo f;

	peer_start(s, "stock = 4K " SERIAL, s->d.dir, "init = \"" INIT "\"");
	admin_await(s, "/tty): lost: No such file or directory; retrying", 0);
	peer_waits(s);
	admin_await(s, "pool default: too few healthy sources", 0);
	assert_int_equal(daemon_log_count(&s->d, "/tty): lost: "), 1);
	peer_make(&f, plug_in(s));
	await_init(&f, INIT_IS);
	fifo_feed(&f, FEED);
	admin_await(s, "tty) in use", 0);
	peer_answered(s);
	peer_serves_since(s, &f, 0);
	unplug(s, &f);
	fifo_free(&f);
	suite_pass(s);
}

/* Every source of every pool is missing: the daemon is ready, also after that. */
static void
test_all_missing(void **state)
{
	struct suite *s = *state;

	admin_conf(s, "w", "pool \"default\" { " SERIAL " }\n", s->d.dir, "");
	admin_conf(s, "a", "pool \"other\" { " SERIAL " }\n", s->d.dir, "");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	admin_await(s, "pool default: too few healthy sources", 0);
	admin_await(s, "pool other: too few healthy sources", 0);
	admin_conf(s, "a", "pool \"third\" { " SERIAL " }\n", s->d.dir, "");
	admin_reload(s, "reloaded");
	admin_await(s, "pool third: source usb", 0);
	/* Another absent device is no worse. */
	admin_conf(s, "w", "pool \"default\" { " SERIAL " }\n", s->d.dir,
	    "speed = 9600");
	admin_conf_guest(s, "vm0", "");
	admin_reload(s, "reloaded");
	suite_pass(s);
}

/* A path that leads to a wrong kind of file is an error, other than none. */
static void
test_no_device(void **state)
{
	const char *const args[] = { "-C", "@conf", NULL };
	struct suite *s = *state;
	int status;

	admin_conf(s, "w", "pool \"default\" { " SERIAL " }\n", s->d.dir, "");
	admin_conf_guest(s, "vm0", "");
	CHECK(symlink("conf", daemon_path(&s->d, "tty")));
	CHECK(daemon_spawn(&s->d, args));
	status = daemon_wait(&s->d, DAEMON_TIMEOUT_MS);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(
	    daemon_log_count(&s->d, "/tty): a regular file repeats"), 1);
	assert_int_equal(daemon_log_count(&s->d, " ready: "), 0);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_bytes),
		SUITE_EMPTY(test_preset),
		SUITE_EMPTY(test_unplugged),
		SUITE_EMPTY(test_unplugged_full),
		SUITE_EMPTY(test_alone),
		SUITE_EMPTY(test_missing),
		SUITE_EMPTY(test_missing_alone),
		SUITE_EMPTY(test_all_missing),
		SUITE_EMPTY(test_no_device),
	};

	return SUITE_MAIN("serial", tests);
}
