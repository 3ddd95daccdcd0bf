/*
 * Opening sources whose path is exchanged meanwhile: what is opened is what was
 * looked at.
 */
#include "unit/unit.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/config/config.h"
#include "parent/pool/source_open.h"

#define TRIES 20000

struct place {
	char dir[32];
	char source[64], other[64]; /* a FIFO, and a file, or exchanged */
	struct config_source *cs;
	pid_t exchanger;
};

static void
set_up(struct place *p)
{
	int fd;

	snprintf(p->dir, sizeof(p->dir), "/tmp/vrngd-test.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->source, sizeof(p->source), "%s/source", p->dir);
	snprintf(p->other, sizeof(p->other), "%s/other", p->dir);
	assert_int_equal(mkfifo(p->source, 0600), 0);
	fd = open(p->other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "secret", 6), 6);
	close(fd);
	p->cs = config_source_of_path(p->source);
	p->exchanger = 0;
}

static void
tear_down(struct place *p)
{
	config_source_free(p->cs);
	unlink(p->source);
	unlink(p->other);
	rmdir(p->dir);
}

/* Exchanges them as fast as it can, until it is killed. */
static void
exchange(struct place *p)
{
	p->exchanger = fork();
	assert_int_not_equal(p->exchanger, -1);
	if (p->exchanger == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (p->exchanger == 0)
		if (renameat2(AT_FDCWD, p->source, AT_FDCWD, p->other,
			RENAME_EXCHANGE) == -1)
			_exit(1);
}

static void
end_exchange(const struct place *p)
{
	int status;

	assert_int_equal(kill(p->exchanger, SIGKILL), 0);
	assert_int_equal(waitpid(p->exchanger, &status, 0), p->exchanger);
	assert_true(WIFSIGNALED(status));
}

/* Only what is of that type is ever opened, and it is now and then. */
static void
only(bool replay, mode_t type)
{
	char why[SOURCE_WHY_SIZE];
	struct place p;
	struct stat st;
	int fd, opened = 0, refused = 0;

	set_up(&p);
	p.cs->replay = replay;
	exchange(&p);
	for (int i = 0; i < TRIES || opened == 0 || refused == 0; i++) {
		fd = replay ? source_keep(p.cs, why) : source_open(p.cs, why);
		if (fd == -1) {
			refused++;
			continue;
		}
		opened++;
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode & S_IFMT, type);
		assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_PATH), 0);
		close(fd);
	}
	end_exchange(&p);
	tear_down(&p);
}

static void
test_fifo(void **state)
{
	(void)state;
	only(false, S_IFIFO);
}

static void
test_replay(void **state)
{
	(void)state;
	only(true, S_IFREG);
}

static void
test_none(void **state)
{
	char why[SOURCE_WHY_SIZE];
	struct place p;

	(void)state;
	set_up(&p);
	assert_int_equal(source_check(p.cs, why), 0);
	unlink(p.source);
	assert_int_equal(source_open(p.cs, why), -1);
	assert_non_null(strstr(why, strerror(ENOENT)));
	/* It may appear later; a file of another kind is an error. */
	assert_int_equal(source_check(p.cs, why), 0);
	assert_int_equal(link(p.other, p.source), 0);
	assert_int_equal(source_check(p.cs, why), -1);
	assert_non_null(strstr(why, "a regular file repeats its bytes"));
	tear_down(&p);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_none),
	};

	return UNIT_MAIN("source_open", tests);
}
