/*
 * The descriptors sent to systemd's store, and that they are never more than it
 * can pass on.
 */
#include "unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/host/sdnotify.h"
#include "parent/host/store.h"

#define MESSAGE_SIZE 1024

struct manager {
	struct store store;
	struct listen_fds passed;
	struct listen_fd before[2];
	int fd;	      /* where systemd would listen */
	int received; /* the last descriptor that came; -1: none */
	int logged;
};

static void
count_line(void *arg, const struct log_line *line)
{
	struct manager *m = arg;

	(void)line;
	m->logged++;
}

static void
set_up(struct manager *m, const char *max)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);

	memset(m, 0, sizeof(*m));
	m->received = -1;
	TAILQ_INIT(&m->passed.fds);
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_not_equal(m->fd, -1);
	/* An abstract address that the kernel chooses. */
	assert_int_equal(
	    bind(m->fd, (struct sockaddr *)&sun, sizeof(sun.sun_family)), 0);
	assert_int_equal(getsockname(m->fd, (struct sockaddr *)&sun, &len), 0);
	sun.sun_path[0] = '@';
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	if (max == NULL)
		unsetenv("FDSTORE");
	else
		setenv("FDSTORE", max, 1);
	log_open(count_line, m);
}

static void
tear_down(struct manager *m)
{
	log_open(NULL, NULL);
	store_close(&m->store);
	if (m->received != -1)
		close(m->received);
	sdnotify_close();
	close(m->fd);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("FDSTORE");
}

/* The next message to systemd; "" if none. */
static const char *
receive_text(struct manager *m)
{
	static char text[MESSAGE_SIZE];
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	ssize_t n = recvmsg(m->fd, &msg, MSG_CMSG_CLOEXEC);

	text[n < 0 ? 0 : n] = '\0';
	if (m->received != -1)
		close(m->received);
	m->received = -1;
	cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&m->received, CMSG_DATA(cmsg), sizeof(m->received));
	return text;
}

static void
put_and_remove(void **state)
{
	struct manager m;
	int fds[2];

	(void)state;
	set_up(&m, "2");
	assert_int_equal(pipe(fds), 0);
	store_init(&m.store, &m.passed);
	assert_true(store_put(&m.store, "g-vm1", fds[1]));
	assert_string_equal(receive_text(&m), "FDSTORE=1\nFDNAME=g-vm1");
	assert_int_not_equal(m.received, -1);
	assert_int_equal(write(m.received, "x", 1), 1);
	assert_int_equal(read(fds[0], &(char){ 0 }, 1), 1);
	store_remove(&m.store, "g-vm2");
	assert_string_equal(receive_text(&m), "");
	store_remove(&m.store, "g-vm1");
	assert_string_equal(receive_text(&m), "FDSTOREREMOVE=1\nFDNAME=g-vm1");
	assert_int_equal(m.received, -1);
	store_remove(&m.store, "g-vm1");
	assert_string_equal(receive_text(&m), "");
	close(fds[0]);
	close(fds[1]);
	tear_down(&m);
}

/* Another descriptor by the same name takes the place of the first. */
static void
replaced(void **state)
{
	struct manager m;

	(void)state;
	set_up(&m, "1");
	store_init(&m.store, &m.passed);
	assert_true(store_put(&m.store, "s-vm1", 1));
	receive_text(&m);
	assert_true(store_put(&m.store, "s-vm1", 2));
	assert_string_equal(receive_text(&m), "FDSTOREREMOVE=1\nFDNAME=s-vm1");
	assert_string_equal(receive_text(&m), "FDSTORE=1\nFDNAME=s-vm1");
	assert_int_equal(m.store.n, 1);
	tear_down(&m);
}

static void
full(void **state)
{
	struct manager m;

	(void)state;
	set_up(&m, "2");
	store_init(&m.store, &m.passed);
	assert_true(store_put(&m.store, "s-1", 1));
	assert_true(store_put(&m.store, "s-2", 1));
	receive_text(&m);
	receive_text(&m);
	assert_false(store_put(&m.store, "s-3", 1));
	assert_string_equal(receive_text(&m), "");
	assert_int_equal(m.logged, 1);
	store_remove(&m.store, "s-1");
	receive_text(&m);
	assert_true(store_put(&m.store, "s-3", 1));
	assert_string_equal(receive_text(&m), "FDSTORE=1\nFDNAME=s-3");
	tear_down(&m);
}

/* Names count, too: 100 kB of them, with their colons. */
static void
long_names(void **state)
{
	char name[FDNAME_SIZE];
	struct manager m;
	size_t n = 0;

	(void)state;
	set_up(&m, "4000");
	store_init(&m.store, &m.passed);
	for (;; n++) {
		snprintf(name, sizeof(name), "s-%0*zu", 247, n);
		if (!store_put(&m.store, name, 1))
			break;
		receive_text(&m);
	}
	assert_int_equal(n, STORE_NAMES_MAX / 250);
	assert_int_equal(m.store.bytes, n * 250);
	assert_string_equal(receive_text(&m), "");
	store_remove(&m.store, "s-nothing");
	assert_int_equal(m.store.n, n);
	tear_down(&m);
}

/* What was passed from the store is in it still. */
static void
passed_on(void **state)
{
	struct manager m;

	(void)state;
	set_up(&m, "1");
	strlcpy(m.before[0].name, "guest-a", sizeof(m.before[0].name));
	strlcpy(m.before[1].name, "g-b++c", sizeof(m.before[1].name));
	TAILQ_INSERT_TAIL(&m.passed.fds, &m.before[0], entry);
	TAILQ_INSERT_TAIL(&m.passed.fds, &m.before[1], entry);
	store_init(&m.store, &m.passed);
	assert_int_equal(m.store.n, 1);
	assert_int_equal(m.store.bytes, sizeof("g-b++c"));
	assert_false(store_put(&m.store, "s-1", 1));
	store_remove(&m.store, "guest-a");
	assert_string_equal(receive_text(&m), "");
	store_remove(&m.store, "g-b++c");
	assert_string_equal(receive_text(&m), "FDSTOREREMOVE=1\nFDNAME=g-b++c");
	assert_true(store_put(&m.store, "s-1", 1));
	tear_down(&m);
}

static void
no_store(void **state)
{
	static const char *const values[] = { NULL, "", "0", "-1", "x", "9e9" };
	struct manager m;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		set_up(&m, values[i]);
		store_init(&m.store, &m.passed);
		assert_false(store_put(&m.store, "s-1", 1));
		assert_string_equal(receive_text(&m), "");
		assert_int_equal(m.logged, 0);
		tear_down(&m);
	}
	set_up(&m, "5");
	unsetenv("NOTIFY_SOCKET");
	store_init(&m.store, &m.passed);
	assert_false(store_put(&m.store, "s-1", 1));
	assert_int_equal(m.logged, 0);
	tear_down(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_and_remove),
		cmocka_unit_test(replaced),
		cmocka_unit_test(full),
		cmocka_unit_test(long_names),
		cmocka_unit_test(passed_on),
		cmocka_unit_test(no_store),
	};

	return UNIT_MAIN("store", tests);
}
