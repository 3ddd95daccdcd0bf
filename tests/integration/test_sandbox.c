/*
 * The contents of /proc about the isolation of the children: as root, and in an
 * ordinary user's session.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "integration/suite.h"

#define UID_BASE   1879050000u
#define UID_RANGE  65536u
#define UID_NOBODY 65534u
#define MAX_FDS	   24

/* How the log names the first of the layers that may be missing. */
#define MISSING_UID "a uid for each process"

/*
 * A daemon with two guests connected and the status process; the children it
 * has.
 */
static size_t
start_two(struct suite *s, struct proc *list, size_t max)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", "--status",
		"@status", "--uid-base", "1879050000", NULL };

	suite_start(s, args);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->fe);
	suite_served(&s->other);
	return proc_children(s->d.pid, list, max);
}

static void
status_is(pid_t pid, const char *key, const char *want)
{
	char value[256];

	CHECK(proc_status(pid, key, value, sizeof(value)));
	if (strcmp(value, want) != 0)
		fail_msg("%d: %s is '%s', not '%s'", (int)pid, key, value,
		    want);
}

/* The four ids of a Uid or Gid line, which must be the same. */
static unsigned int
status_id(pid_t pid, const char *key)
{
	char value[256];
	unsigned int id[4];

	CHECK(proc_status(pid, key, value, sizeof(value)));
	assert_int_equal(
	    sscanf(value, "%u %u %u %u", &id[0], &id[1], &id[2], &id[3]), 4);
	assert_true(id[0] == id[1] && id[0] == id[2] && id[0] == id[3]);
	return id[0];
}

/* What holds with and without privileges. */
static void
check_confined(pid_t pid)
{
	const char *const caps[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
	char path[64];
	struct stat st;
	size_t i;

	for (i = 0; i < 4; i++)
		status_is(pid, caps[i], "0000000000000000");
	status_is(pid, "NoNewPrivs", "1");
	status_is(pid, "Seccomp", "2");
	/* What is not dumpable belongs to root there. */
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	CHECK(stat(path, &st));
	assert_int_equal(st.st_uid, 0);
}

/* The parent has a filter of its own, with and without a service manager. */
static void
check_parent(pid_t pid)
{
	status_is(pid, "NoNewPrivs", "1");
	status_is(pid, "Seccomp", "2");
}

/* The root directory of a process, or where it stands, is an empty one. */
static void
check_empty(pid_t pid, const char *what)
{
	char path[64];
	struct dirent *e;
	DIR *dp;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	dp = opendir(path);
	assert_non_null(dp);
	while ((e = readdir(dp)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fail_msg("%s holds %s", path, e->d_name);
	closedir(dp);
}

/* Each thread of a process by itself, as far as it could differ. */
static void
check_threads(pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *dp;
	pid_t tid;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dp = opendir(path);
	assert_non_null(dp);
	while ((e = readdir(dp)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		tid = atoi(e->d_name);
		status_is(tid, "CapEff", "0000000000000000");
		status_is(tid, "NoNewPrivs", "1");
		status_is(tid, "Seccomp", "2");
		assert_int_equal(status_id(tid, "Uid"), status_id(pid, "Uid"));
	}
	closedir(dp);
}

static void
test_root(void **state)
{
	struct suite *s = *state;
	struct proc list[8];
	unsigned int uids[8];
	size_t i, k, n;

	if (getuid() != 0)
		suite_skip(s, "not root");
	n = start_two(s, list, 8);
	assert_int_equal(n, 4);
	check_parent(s->d.pid);
	for (i = 0; i < n; i++) {
		uids[i] = status_id(list[i].pid, "Uid");
		assert_in_range(uids[i], UID_BASE, UID_BASE + UID_RANGE - 1);
		assert_int_equal(status_id(list[i].pid, "Gid"), uids[i]);
		for (k = 0; k < i; k++)
			assert_int_not_equal(uids[i], uids[k]);
		status_is(list[i].pid, "Groups", "");
		status_is(list[i].pid, "CapBnd", "0000000000000000");
		check_confined(list[i].pid);
		check_threads(list[i].pid);
		check_empty(list[i].pid, "root");
		check_empty(list[i].pid, "cwd");
	}
	suite_pass(s);
}

/* A uid comes again only after its process is gone; here, many processes. */
static void
test_uids_distinct(void **state)
{
	struct suite *s = *state;
	unsigned int uid, entropy;
	pid_t pid;
	int i;

	if (getuid() != 0)
		suite_skip(s, "not root");
	suite_up_qemu(s, &s->other, "vm1");
	pid = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	assert_true(pid > 0);
	entropy = status_id(pid, "Uid");
	for (i = 0; i < 20; i++) {
		suite_up_qemu(s, &s->fe, "vm0");
		pid = daemon_child(&s->d, ROLE_VHOST, "vm0");
		assert_true(pid > 0);
		uid = status_id(pid, "Uid");
		assert_int_not_equal(uid, 0);
		assert_int_not_equal(uid, entropy);
		pid = daemon_child(&s->d, ROLE_VHOST, "vm1");
		assert_int_not_equal(uid, status_id(pid, "Uid"));
		fe_close(&s->fe);
	}
	suite_pass(s);
}

static bool
expected_fd(const char *target)
{
	const char *const kinds[] = {
		"socket:", "pipe:", "anon_inode:", "/memfd:", "/dev/null",
#ifdef VRNGD_SANITIZE
		"/tmp/vrngd-test.", /* standard error */
#endif
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(target, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

/* A worker holds its channels and what its frontend gave it. */
static void
check_worker_fds(pid_t pid)
{
	char path[64], link[320], target[256];
	struct dirent *e;
	ssize_t n;
	int count = 0;
	DIR *dp;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dp = opendir(path);
	assert_non_null(dp);
	while ((e = readdir(dp)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(link, sizeof(link), "%s/%s", path, e->d_name);
		n = readlink(link, target, sizeof(target) - 1);
		assert_true(n > 0);
		target[n] = '\0';
		count++;
		if (!expected_fd(target))
			fail_msg("a worker holds %s", target);
	}
	closedir(dp);
	assert_in_range(count, 1, MAX_FDS);
}

static void
test_fds(void **state)
{
	struct suite *s = *state;
	pid_t pid;
	int n;

	if (getuid() != 0)
		suite_skip(s, "not root");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->fe);
	pid = daemon_child(&s->d, ROLE_VHOST, "vm0");
	assert_true(pid > 0);
	check_worker_fds(pid);
	n = proc_fds(pid);
	pid = daemon_child(&s->d, ROLE_VHOST, "vm1");
	check_worker_fds(pid);
	assert_int_equal(proc_fds(pid), n);
	pid = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	assert_in_range(proc_fds(pid), 1, MAX_FDS);
	suite_pass(s);
}

/* Copy one program to where an ordinary user can run it. */
static void
copy_program(const char *from_dir, const char *name, const char *to_dir)
{
	char from[512], to[512], buf[65536];
	ssize_t n;
	int in, out;

	snprintf(from, sizeof(from), "%s/%s", from_dir, name);
	snprintf(to, sizeof(to), "%s/%s", to_dir, name);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (in == -1 || out == -1)
		fail_msg("cannot copy %s: %s", from, strerror(errno));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	CHECK(fchmod(out, 0755));
	close(in);
	close(out);
}

/* Have the daemon run without privileges, from copies in its own directory. */
static void
become_ordinary(struct daemon *d)
{
	const char *dir = daemon_path(d, "bin");
	char *slash;

	CHECK(mkdir(dir, 0755));
	CHECK(chmod(dir, 0755));
	slash = strrchr(d->bin, '/');
	assert_non_null(slash);
	*slash = '\0';
	copy_program(d->bin, slash + 1, dir);
	copy_program(d->libexec, ROLE_ENTROPY, dir);
	copy_program(d->libexec, ROLE_VHOST, dir);
	copy_program(d->libexec, "vrngd-status", dir);
	CHECK(chown(d->dir, UID_NOBODY, UID_NOBODY));
	snprintf(d->bin, sizeof(d->bin), "%s/vrngd", dir);
	strlcpy(d->libexec, dir, sizeof(d->libexec));
	d->uid = UID_NOBODY;
}

static void
test_ordinary_user(void **state)
{
	struct suite *s = *state;
	struct proc list[8];
	size_t i, n;

	if (getuid() != 0)
		suite_skip(s, "not root");
	become_ordinary(&s->d);
	n = start_two(s, list, 8);
	assert_int_equal(n, 4);
	check_parent(s->d.pid);
	for (i = 0; i < n; i++) {
		assert_int_equal(status_id(list[i].pid, "Uid"), UID_NOBODY);
		status_is(list[i].pid, "Groups", "");
		check_confined(list[i].pid);
		check_threads(list[i].pid);
	}
	/* What is missing is said once, not for each child. */
	assert_int_equal(daemon_log_count(&s->d, MISSING_UID), 1);
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	assert_int_equal(daemon_log_count(&s->d, MISSING_UID), 1);
	suite_pass(s);
}

/* As root there is nothing to be said to be missing of uids and roots. */
static void
test_root_misses_nothing(void **state)
{
	struct suite *s = *state;

	if (getuid() != 0)
		suite_skip(s, "not root");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	assert_int_equal(daemon_log_count(&s->d, MISSING_UID), 0);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_root),
		SUITE_TEST(test_uids_distinct), SUITE_TEST(test_fds),
		SUITE_EMPTY(test_ordinary_user),
		SUITE_TEST(test_root_misses_nothing) };

	return SUITE_MAIN("sandbox", tests);
}
