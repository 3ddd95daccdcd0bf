/*
 * Where random bytes lie in the memory of the children: locked, so that they
 * are not swapped out, and left out of core dumps.  A FIFO gives bytes that the
 * test knows, and looks for in all of that memory.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/admin.h"

#define PIECE	16   /* bytes that are no chance */
#define BUCKETS 8192 /* of pieces */
#define FED	8192 /* bytes at once */

/* All pieces of what was fed, by their first bytes. */
struct pieces {
	const struct fifo *f;
	int first[BUCKETS];
	int next[ADMIN_FED_MAX];
};

static size_t
bucket(const uint8_t *piece)
{
	return (piece[0] | (size_t)piece[1] << 8) % BUCKETS;
}

static struct pieces *
index_pieces(const struct fifo *f)
{
	struct pieces *p = malloc(sizeof(*p));

	assert_non_null(p);
	p->f = f;
	memset(p->first, 0xff, sizeof(p->first));
	for (size_t i = 0; i + PIECE <= f->n; i++) {
		p->next[i] = p->first[bucket(f->bytes + i)];
		p->first[bucket(f->bytes + i)] = (int)i;
	}
	return p;
}

static bool
is_piece(const struct pieces *p, const uint8_t *at)
{
	for (int i = p->first[bucket(at)]; i != -1; i = p->next[i])
		if (memcmp(p->f->bytes + i, at, PIECE) == 0)
			return true;
	return false;
}

/* Pieces in a mapping. */
static size_t
count(const struct pieces *p, int mem, unsigned long start, unsigned long end)
{
	size_t size = end - start, n = 0;
	uint8_t *copy;
	ssize_t got;

	assert_non_null(copy = malloc(size + PIECE));
	got = pread(mem, copy, size, (off_t)start);
	for (ssize_t i = 0; i + PIECE <= got; i += PIECE)
		n += is_piece(p, copy + i);
	free(copy);
	return n;
}

/*
 * Looks through a process's own memory: how many pieces are in locked memory
 * that is not dumped.  Any that is elsewhere fails the test.
 */
static size_t
look(const struct pieces *p, pid_t pid)
{
	char path[64], line[512], mode[8] = "", what[256] = "";
	unsigned long start = 0, end = 0, first, last;
	size_t here, kept = 0;
	FILE *maps;
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	assert_non_null(maps = fopen(path, "re"));
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_not_equal(mem, -1);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &first, &last, mode) == 3) {
			start = first;
			end = last;
			strlcpy(what, line, sizeof(what));
		}
		/* The guest's own memory is shared. */
		if (strncmp(line, "VmFlags:", 8) != 0 || mode[1] != 'w' ||
		    mode[3] != 'p')
			continue;
		here = count(p, mem, start, end);
		if (here > 0 &&
		    (strstr(line, " lo") == NULL ||
			strstr(line, " dd") == NULL))
			fail_msg("%d: %zu pieces in %s%s", (int)pid, here, what,
			    line);
		kept += here;
	}
	close(mem);
	fclose(maps);
	return kept;
}

/* One client of the EGD service is given bytes. */
static int
ask_egd(struct suite *s, uint8_t *buf, uint8_t len)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const uint8_t command[] = { 2, len };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strlcpy(sun.sun_path, daemon_path(&s->d, "egd.sock"),
	    sizeof(sun.sun_path));
	assert_int_not_equal(fd, -1);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	assert_int_equal(send(fd, command, sizeof(command), 0),
	    sizeof(command));
	assert_int_equal(recv(fd, buf, len, MSG_WAITALL), len);
	return fd;
}

/* A FIFO, a guest and an EGD client, each with some of its bytes. */
static int
start_all(struct suite *s, struct fifo *f)
{
	uint8_t buf[64];
	int fd;

	fifo_make(s, f, "one");
	admin_conf(s, "w",
	    "pool \"default\" { source \"one\" { type = device "
	    "path = \"%s/one\" timeout = 1s } }\n"
	    "egd \"e\" { unix = \"%s/egd.sock\" }\n",
	    s->d.dir, s->d.dir);
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	/* Windows are filled when they have been used, and there is plenty. */
	for (int i = 0; i < 12; i++) {
		fifo_feed(f, FED);
		suite_served(&s->fe);
	}
	fd = ask_egd(s, buf, sizeof(buf));
	assert_true(fifo_had(f, buf, sizeof(buf)));
	return fd;
}

static void
test_locked(void **state)
{
	const char *const programs[] = { "vrngd-entropy", "vrngd-vhost",
		"vrngd-egd" };
	struct suite *s = *state;
	struct pieces *p;
	struct fifo f;
	size_t found;
	pid_t pid;
	int fd;

	if (getuid() != 0)
		suite_skip(s, "not root");
#ifdef VRNGD_SANITIZE
	suite_skip(s, "the sanitizers keep what is locked from being so");
#endif
	fd = start_all(s, &f);
	p = index_pieces(&f);
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		pid = daemon_child(&s->d, programs[i], NULL);
		assert_true(pid > 0);
		found = look(p, pid);
		print_message("# %s: %zu pieces\n", programs[i], found);
		assert_true(found > 0);
	}
	/* And none where none has any business. */
	assert_int_equal(look(p, s->d.pid), 0);
	assert_int_equal(daemon_log_count(&s->d, "cannot lock"), 0);
	close(fd);
	free(p);
	fifo_free(&f);
	suite_pass(s);
}

/* Runs in the daemon-to-be: it may lock nothing at all. */
static void
lock_nothing(void *arg)
{
	const struct rlimit none = { 0, 0 };

	(void)arg;
	setrlimit(RLIMIT_MEMLOCK, &none);
}

/* Where memory may not be locked each process says so, and serves. */
static void
test_not_locked(void **state)
{
	struct suite *s = *state;
	struct fifo f;
	int fd;

	if (getuid() != 0)
		suite_skip(s, "not root");
#ifdef VRNGD_SANITIZE
	suite_skip(s, "the sanitizers keep what is locked from being so");
#endif
	s->d.prepare = lock_nothing;
	fd = start_all(s, &f);
	admin_await(s, "guest vm0: cannot lock memory, random bytes", 0);
	admin_await(s, "egd e: cannot lock memory, random bytes", 0);
	assert_int_equal(daemon_log_count(&s->d, "cannot lock"), 3);
	close(fd);
	fifo_free(&f);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_locked),
		SUITE_EMPTY(test_not_locked),
	};

	return SUITE_MAIN("memory", tests);
}
