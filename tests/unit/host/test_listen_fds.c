/*
 * What systemd passes: each descriptor by its name, none by another's.
 */
#include "unit/unit.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bsd/unistd.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "parent/host/listen_fds.h"

/* What a process that was passed descriptors finds: 0, or a line number. */
typedef int check(struct listen_fds *, int result);

#define CHECK(what) \
	do { \
		if (!(what)) \
			return __LINE__; \
	} while (0)

static int logged; /* lines */

static void
count_line(void *arg, const struct log_line *line)
{
	(void)arg;
	(void)line;
	logged++;
}

/* The size of a descriptor's file, which identifies it. */
static off_t
mark(int fd)
{
	struct stat st;

	return fstat(fd, &st) == -1 ? -1 : st.st_size;
}

/* As systemd starts a service with `n` descriptors, marked from 0 on. */
static void
start(int n, const char *names)
{
	char text[32];

	closefrom(SD_LISTEN_FDS_START);
	for (int i = 0; i < n; i++) {
		int fd = memfd_create("passed", 0);

		if (fd != SD_LISTEN_FDS_START + i || ftruncate(fd, i) == -1)
			_exit(200);
	}
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", n);
	if (n > 0)
		setenv("LISTEN_FDS", text, 1);
	if (names != NULL)
		setenv("LISTEN_FDNAMES", names, 1);
	else
		unsetenv("LISTEN_FDNAMES");
}

/* Runs a check in a process that was started so; its line must be 0. */
static void
passing(int n, const char *names, check *run)
{
	struct listen_fds passed;
	int status, r;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		start(n, names);
		log_open(count_line, NULL);
		r = listen_fds_read(&passed);
		_exit(run(&passed, r) & 0xff);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int
check_none(struct listen_fds *p, int r)
{
	char name[FDNAME_SIZE];

	CHECK(r == 0);
	CHECK(TAILQ_EMPTY(&p->fds));
	CHECK(listen_fds_take(p, "", name) == -1);
	CHECK(logged == 0);
	return 0;
}

static void
nothing(void **state)
{
	(void)state;
	passing(0, NULL, check_none);
}

static int
check_names(struct listen_fds *p, int r)
{
	char name[FDNAME_SIZE];
	int fd;

	CHECK(r == 0);
	CHECK(getenv("LISTEN_FDS") == NULL);
	fd = listen_fds_claim(p, FDNAME_EGD, "lan");
	CHECK(mark(fd) == 1);
	CHECK(listen_fds_claim(p, FDNAME_EGD, "la") == -1);
	CHECK(listen_fds_claim(p, FDNAME_STREAM, "lan") == -1);
	fd = listen_fds_take(p, FDNAME_GUEST, name);
	CHECK(mark(fd) == 0 && strcmp(name, "vm1") == 0);
	CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	fd = listen_fds_take(p, FDNAME_LISTENER, name);
	CHECK(mark(fd) == 2 && strcmp(name, "vm2++gold") == 0);
	fd = listen_fds_take(p, FDNAME_GUEST, name);
	CHECK(mark(fd) == 4 && strcmp(name, "vm-3.x_y") == 0);
	CHECK(listen_fds_take(p, FDNAME_GUEST, name) == -1);
	listen_fds_close(p);
	CHECK(mark(SD_LISTEN_FDS_START) == 0);
	CHECK(mark(SD_LISTEN_FDS_START + 1) == 1);
	CHECK(mark(SD_LISTEN_FDS_START + 3) == -1);
	CHECK(logged == 0);
	return 0;
}

static void
by_name(void **state)
{
	(void)state;
	passing(5, "guest-vm1:egd-lan:g-vm2++gold:s-vm2:guest-vm-3.x_y",
	    check_names);
}

/* Everything else is closed: what remains is the last one. */
static int
check_last(struct listen_fds *p, int r)
{
	char name[FDNAME_SIZE];
	int fd;

	CHECK(r == 0);
	fd = listen_fds_take(p, "", name);
	CHECK(strcmp(name, "guest-good") == 0);
	CHECK(mark(fd) == fd - SD_LISTEN_FDS_START);
	CHECK(TAILQ_EMPTY(&p->fds));
	CHECK(logged == fd - SD_LISTEN_FDS_START);
	for (int i = SD_LISTEN_FDS_START; i < fd; i++)
		CHECK(mark(i) == -1);
	return 0;
}

static void
odd_names(void **state)
{
	char text[1024], longest[FDNAME_SIZE];

	(void)state;
	passing(2, "vrngd.socket:guest-good", check_last);
	passing(2, "unknown:guest-good", check_last);
	passing(2, "guest-:guest-good", check_last);
	passing(2, ":guest-good", check_last);
	passing(3, "guest-a+b:egd-a b:guest-good", check_last);
	passing(2, "guest-a\\x2db:guest-good", check_last);
	passing(2, "guest-a\033[2J:guest-good", check_last);
	passing(2, "guest-\xc3\xa4:guest-good", check_last);
	passing(2, "xguest-a:guest-good", check_last);
	memset(longest, 'n', sizeof(longest));
	snprintf(text, sizeof(text), "guest-%.64s:guest-good", longest);
	passing(2, text, check_last);
	snprintf(text, sizeof(text), "s-%.254s:guest-good", longest);
	passing(2, text, check_last);
}

static int
check_second(struct listen_fds *p, int r)
{
	CHECK(r == 0);
	CHECK(mark(listen_fds_claim(p, FDNAME_GUEST, "a")) == 0);
	CHECK(mark(SD_LISTEN_FDS_START + 1) == -1);
	CHECK(mark(listen_fds_claim(p, FDNAME_GUEST, "b")) == 2);
	CHECK(logged == 1);
	return 0;
}

static void
same_names(void **state)
{
	(void)state;
	passing(3, "guest-a:guest-a:guest-b", check_second);
}

static int
check_refused(struct listen_fds *p, int r)
{
	CHECK(r == -1);
	CHECK(TAILQ_EMPTY(&p->fds));
	CHECK(logged == 1);
	return 0;
}

/* A colon in a name makes one guest's socket another's. */
static void
wrong_count(void **state)
{
	(void)state;
	passing(2, "vrngd-guest@a:guest-b:guest-c", check_refused);
	passing(3, "guest-a:guest-b", check_refused);
	passing(1, NULL, check_refused);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(by_name),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(same_names),
		cmocka_unit_test(wrong_count),
	};

	return UNIT_MAIN("passed", tests);
}
