/*
 * Logging to the journal, to a socket that stands in for its own: in a mount
 * namespace of the test's, so that it needs root.
 */
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

#define SOCKET_DIR "/run/systemd/journal"

/* A /run of our own, with the journal's socket in it.  -1: not allowed. */
static int
journal_open(void)
{
	struct sockaddr_un sun = {
		.sun_family = AF_UNIX,
		.sun_path = SOCKET_DIR "/socket",
	};
	int fd;

	if (unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) == -1)
		return -1;
	CHECK(mkdir("/run/systemd", 0755));
	CHECK(mkdir(SOCKET_DIR, 0755));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	CHECK(bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

/*
 * Waits for a record with that line in it, in the journal's native format, and
 * leaves it in `record`.
 */
static void
expect(int fd, const char *line, char *record, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	do {
		if (poll(&pfd, 1, FE_TIMEOUT_MS) != 1)
			fail_msg("no record with %s", line);
		n = recv(fd, record, size - 1, 0);
		assert_true(n > 0);
		record[n] = '\0';
	} while (strstr(record, line) == NULL);
}

static void
has(const char *record, const char *line)
{
	if (strstr(record, line) == NULL)
		fail_msg("no %s in: %s", line, record);
}

static void
test_fields(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", NULL };
	struct suite *s = *state;
	char record[8192], *text;
	int fd = journal_open();

	suite_pass(s);
	if (fd == -1)
		skip();
	s->passed = false;
	s->d.journal = true;
	CHECK(daemon_spawn(&s->d, args));
	expect(fd, "MESSAGE=ready: 1 guest, ", record, sizeof(record));
	has(record, "\nPRIORITY=6\n");
	assert_null(strstr(record, "VRNGD_GUEST="));
	suite_up_qemu(s, &s->fe, "vm0");
	expect(fd, "MESSAGE=guest vm0: connected", record, sizeof(record));
	has(record, "\nPRIORITY=6\n");
	has(record, "\nVRNGD_GUEST=vm0\n");
	has(record, "SYSLOG_IDENTIFIER=vrngd\n");
	assert_int_equal(fe_set_u64(&s->fe, 0x41, 0), 1);
	expect(fd, "refused", record, sizeof(record));
	has(record, "\nPRIORITY=4\n");
	has(record, "\nVRNGD_GUEST=vm0\n");
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	/* There, and there only. */
	text = daemon_text(&s->d, "log");
	assert_string_equal(text, "");
	free(text);
	close(fd);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_fields),
	};

	return SUITE_MAIN("journal", tests);
}
