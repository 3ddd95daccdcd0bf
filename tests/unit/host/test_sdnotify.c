/*
 * Messages to a service manager that does not read: none waits, what must not
 * be lost comes in order, the rest once.
 */
#include "unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/fd_passing.h"
#include "parent/host/sdnotify.h"

#define MESSAGE_SIZE 1024
#define MANY	     500 /* more than any socket's queue has room for */

struct manager {
	int fd;
	int received; /* with the last message; -1: nothing */
	sd_event *event;
};

/* A socket at an abstract address that the kernel chooses. */
static int
listen_anew(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_not_equal(fd, -1);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun.sun_family)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sun, &len), 0);
	sun.sun_path[0] = '@';
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	return fd;
}

static void
set_up(struct manager *m)
{
	m->received = -1;
	m->fd = listen_anew();
	assert_true(sd_event_new(&m->event) >= 0);
	sdnotify_watch(m->event);
}

static void
tear_down(struct manager *m)
{
	sdnotify_close();
	sd_event_unref(m->event);
	if (m->received != -1)
		close(m->received);
	close(m->fd);
	unsetenv("NOTIFY_SOCKET");
}

/* The next message, after the event loop had its turn; "" if there is none. */
static const char *
receive_text(struct manager *m)
{
	static char text[MESSAGE_SIZE];
	union fd_passing place;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (m->received != -1)
		close(m->received);
	m->received = -1;
	while (sd_event_run(m->event, 0) > 0)
		;
	fd_passing_expect(&msg, &place, 1);
	n = recvmsg(m->fd, &msg, MSG_CMSG_CLOEXEC);
	text[n < 0 ? 0 : n] = '\0';
	if (n >= 0)
		fd_passing_take(&msg, &m->received, 1);
	return text;
}

/* Sends so many that the socket is full. */
static void
fill(void)
{
	for (int i = 0; i < MANY; i++)
		sdnotify_send("X_NUMBER=%d", i);
}

/* All of these come, in order. */
static void
drain(struct manager *m)
{
	char wanted[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(wanted, sizeof(wanted), "X_NUMBER=%d", i);
		assert_string_equal(receive_text(m), wanted);
	}
}

static void
test_order(void **state)
{
	struct manager m;

	(void)state;
	set_up(&m);
	fill();
	sdnotify_send("READY=1");
	drain(&m);
	assert_string_equal(receive_text(&m), "READY=1");
	assert_string_equal(receive_text(&m), "");
	sdnotify_status("idle");
	assert_string_equal(receive_text(&m), "STATUS=idle");
	tear_down(&m);
}

/* The last status, one sign of life. */
static void
test_coalesced(void **state)
{
	struct manager m;

	(void)state;
	set_up(&m);
	fill();
	sdnotify_watchdog();
	sdnotify_status("old");
	sdnotify_watchdog();
	sdnotify_status("new");
	drain(&m);
	assert_string_equal(receive_text(&m), "WATCHDOG=1");
	assert_string_equal(receive_text(&m), "STATUS=new");
	assert_string_equal(receive_text(&m), "");
	tear_down(&m);
}

/* Whether a descriptor is the other end of a pipe. */
static void
is_pipe(int fd, int reader)
{
	char byte = 0;

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(reader, &byte, 1), 1);
	assert_int_equal(byte, 'x');
}

/* What waits to be stored keeps its descriptor, until it is taken back. */
static void
test_store(void **state)
{
	struct manager m;
	int fds[2];

	(void)state;
	set_up(&m);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(sdnotify_store("s-old", fds[1]), 0);
	fill();
	sdnotify_unstore("s-old");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sdnotify_store("s-vm1", fds[1]), 0);
		assert_int_equal(sdnotify_waiting("s-"), 1);
		sdnotify_unstore("s-vm1");
		assert_int_equal(sdnotify_waiting("s-"), 0);
	}
	assert_int_equal(sdnotify_store("s-vm1", fds[1]), 0);
	assert_int_equal(sdnotify_store("g-vm1", fds[1]), 0);
	assert_int_equal(sdnotify_waiting("s-"), 1);
	close(fds[1]);
	assert_string_equal(receive_text(&m), "FDSTORE=1\nFDNAME=s-old");
	drain(&m);
	assert_string_equal(receive_text(&m), "FDSTOREREMOVE=1\nFDNAME=s-old");
	assert_string_equal(receive_text(&m), "FDSTORE=1\nFDNAME=s-vm1");
	is_pipe(m.received, fds[0]);
	assert_string_equal(receive_text(&m), "FDSTORE=1\nFDNAME=g-vm1");
	is_pipe(m.received, fds[0]);
	assert_string_equal(receive_text(&m), "");
	assert_int_equal(sdnotify_waiting(""), 0);
	/* The queue and other processes have no copy. */
	assert_int_equal(read(fds[0], &(char){ 0 }, 1), 0);
	close(fds[0]);
	tear_down(&m);
}

static bool
at_end(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* A barrier is past when the manager has closed it; two in a row are one. */
static void
test_barrier(void **state)
{
	struct manager m;
	int first, second;

	(void)state;
	set_up(&m);
	fill();
	first = sdnotify_barrier();
	second = sdnotify_barrier();
	assert_true(first != -1 && second != -1 && first != second);
	drain(&m);
	assert_false(at_end(first));
	assert_string_equal(receive_text(&m), "BARRIER=1");
	assert_false(at_end(first));
	assert_string_equal(receive_text(&m), "");
	assert_true(at_end(first));
	assert_true(at_end(second));
	close(first);
	close(second);
	tear_down(&m);
}

/* No receiver for now. */
static void
test_away(void **state)
{
	struct manager m;

	(void)state;
	set_up(&m);
	sdnotify_send("X_NUMBER=1");
	assert_string_equal(receive_text(&m), "X_NUMBER=1");
	close(m.fd);
	sdnotify_send("X_NUMBER=2");
	setenv("NOTIFY_SOCKET", "@vrngd-test-absent", 1);
	sdnotify_send("X_NUMBER=3");
	m.fd = listen_anew();
	assert_true(sd_event_run(m.event, 5000000) > 0);
	assert_string_equal(receive_text(&m), "X_NUMBER=2");
	assert_string_equal(receive_text(&m), "X_NUMBER=3");
	tear_down(&m);
}

static void
test_none(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(sdnotify_available());
	sdnotify_send("READY=1");
	sdnotify_status("idle");
	sdnotify_watchdog();
	assert_int_equal(sdnotify_barrier(), -1);
	sdnotify_flush();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_coalesced),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_barrier),
		cmocka_unit_test(test_away),
		cmocka_unit_test(test_none),
	};

	return UNIT_MAIN("sdnotify", tests);
}
