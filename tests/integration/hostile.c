/*
 * What the hostile tests share.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"

int
hostile_setup(void **state)
{
	struct suite *s;

	if (suite_setup(state) == -1)
		return -1;
	s = *state;
	if (fe_up(&s->fe, daemon_path(&s->d, "vm0.sock"), 64, QEMU_FEATURES,
		QEMU_PFEATURES) == -1 ||
	    fe_read(&s->fe, NULL, 64, FE_TIMEOUT_MS) != 64 ||
	    fe_up(&s->other, daemon_path(&s->d, "vm1.sock"), 64, QEMU_FEATURES,
		QEMU_PFEATURES) == -1 ||
	    fe_read(&s->other, NULL, 64, FE_TIMEOUT_MS) != 64) {
		suite_teardown(state);
		return -1;
	}
	fe_close(&s->fe);
	if (daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS) == -1) {
		suite_teardown(state);
		return -1;
	}
	usleep(50000);
	daemon_usage(&s->d, &s->usage);
	return 0;
}

int
hostile_setup_packed(void **state)
{
	fe_packed = true;
	return hostile_setup(state);
}

void
hostile_up(struct suite *s)
{
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
}

void
hostile_other(struct suite *s)
{
	int i;

	for (i = 0; i < 3; i++) {
		errno = 0;
		if (fe_read(&s->other, NULL, 64, PROMPT_MS) != 64)
			fail_msg("the other guest is not served: %s",
			    strerror(errno));
	}
}

void
hostile_end(struct suite *s)
{
	hostile_other(s);
	fe_close(&s->fe);
	CHECK(daemon_usage_wait(&s->d, &s->usage, 3000));
	hostile_up(s);
	hostile_other(s);
	assert_true(daemon_alive(&s->d));
	suite_pass(s);
}

bool
hostile_answers(struct suite *s)
{
	struct fe_header hdr = { FE_GET_PROTOCOL_FEATURES, FE_VERSION, 0 };
	struct fe_msg msg;

	if (fe_send_raw(&s->fe, &hdr, sizeof(hdr), NULL, 0) == -1)
		return false;
	do {
		errno = 0;
		if (fe_recv(&s->fe, &msg, FE_TIMEOUT_MS) == -1) {
			if (errno == ETIMEDOUT)
				fail_msg("vm0 is not answered and not closed");
			return false;
		}
		fe_msg_close(&msg);
	} while (msg.hdr.request != FE_GET_PROTOCOL_FEATURES);
	return true;
}

void
hostile_closed_or_works(struct suite *s)
{
	if (!hostile_answers(s))
		return;
	if (fe_stop(&s->fe) == -1) {
		assert_int_equal(errno, ECONNRESET);
		return;
	}
	CHECK(fe_ring_init(&s->fe, 64, FE_RING_GPA));
	if (fe_start(&s->fe) == -1) {
		assert_int_equal(errno, ECONNRESET);
		return;
	}
	suite_served(&s->fe);
}

void
hostile_not_spinning(struct suite *s, const char *guest)
{
	pid_t pid = daemon_child(&s->d, ROLE_VHOST, guest);
	long before, after, half;

	if (pid == 0)
		return;
	half = sysconf(_SC_CLK_TCK) / 10;
	before = proc_cpu(pid);
	usleep(200000);
	after = proc_cpu(pid);
	if (before != -1 && after != -1 && after - before > half)
		fail_msg("worker %s spins: %ld ticks in 200 ms", guest,
		    after - before);
	before = proc_cpu(s->d.pid);
	usleep(200000);
	assert_in_range(proc_cpu(s->d.pid) - before, 0, half);
}

int
hostile_lingering(int *peer)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 30 };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	static const char buf[65536];
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	CHECK(bind(l, (struct sockaddr *)&sin, len));
	CHECK(listen(l, 1));
	CHECK(getsockname(l, (struct sockaddr *)&sin, &len));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(connect(fd, (struct sockaddr *)&sin, len));
	*peer = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(*peer, -1);
	close(l);
	for (int quiet = 0; quiet < 10; quiet++) {
		while (send(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			quiet = 0;
		usleep(10000);
	}
	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	return fd;
}

uint32_t
hostile_rand(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*seed >> 33);
}

int
hostile_fd(int kind)
{
	int p[2];

	switch (kind) {
	case 0:
		return memfd_create("strange", MFD_CLOEXEC);
	case 1:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 2:
	case 3:
		if (pipe2(p, O_CLOEXEC) == -1)
			return -1;
		close(p[kind == 2]);
		return p[kind == 3];
	case 4:
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) == -1)
			return -1;
		close(p[1]);
		return p[0];
	case 5:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 6:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 7:
		return open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	case 8:
		return eventfd(0xfffffffe, EFD_SEMAPHORE);
	default:
		return -1;
	}
}
