/*
 * Start, stop and watch a vrngd process.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>
#include <bsd/unistd.h>

#include "integration/daemon.h"
#include "integration/frontend.h"

#define MAX_ARGS 64

/* A program as an absolute path, since the daemon may change directory. */
static int
find_program(const char *var, const char *fallback, char *buf, size_t size)
{
	const char *path = getenv(var);
	char abs[PATH_MAX];

	if (realpath(path != NULL ? path : fallback, abs) == NULL ||
	    strlcpy(buf, abs, size) >= size) {
		fprintf(stderr, "# %s: %s: not found\n", var,
		    path != NULL ? path : fallback);
		return -1;
	}
	return 0;
}

int
daemon_init(struct daemon *d)
{
	char parent[256];

	memset(d, 0, sizeof(*d));
	d->fd = -1;
	if (find_program("VRNGD", "build/vrngd", d->bin, sizeof(d->bin)) == -1)
		return -1;
	strlcpy(parent, d->bin, sizeof(parent));
	if (find_program("VRNGD_LIBEXEC", dirname(parent), d->libexec,
		sizeof(d->libexec)) == -1)
		return -1;
	strlcpy(d->dir, "/tmp/vrngd-test.XXXXXX", sizeof(d->dir));
	if (mkdtemp(d->dir) == NULL)
		return -1;
	return 0;
}

/* Remove a directory of plain files and at most one more level. */
static void
remove_dir(const char *dir)
{
	char path[512];
	struct dirent *e;
	DIR *dp;

	if ((dp = opendir(dir)) == NULL)
		return;
	while ((e = readdir(dp)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (unlink(path) == -1)
			remove_dir(path);
	}
	closedir(dp);
	rmdir(dir);
}

void
daemon_free(struct daemon *d)
{
	if (d->pid != 0)
		daemon_stop(d, SIGKILL);
	if (d->dir[0] != '\0')
		remove_dir(d->dir);
	d->dir[0] = '\0';
}

const char *
daemon_path(struct daemon *d, const char *name)
{
	char *buf = d->paths[d->path_next++ % 8];

	snprintf(buf, sizeof(d->paths[0]), "%s/%s", d->dir, name);
	return buf;
}

/* systemd.exec(5): the journal's stream is known by its inode. */
static int
claim_journal(void)
{
	char value[64];
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == -1)
		return -1;
	snprintf(value, sizeof(value), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return setenv("JOURNAL_STREAM", value, 1);
}

/* The child's side of daemon_spawn(): never returns. */
static void
child_exec(struct daemon *d, char **argv, pid_t parent)
{
	const char *names[] = { "stdout", "log" };
	int i, fd;

	if (d->uid != 0 &&
	    (setgroups(0, NULL) == -1 ||
		setresgid(d->uid, d->uid, d->uid) == -1 ||
		setresuid(d->uid, d->uid, d->uid) == -1))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	for (i = 0; i < 2; i++) {
		fd = open(daemon_path(d, names[i]),
		    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
		if (fd == -1 || dup2(fd, i + 1) == -1)
			_exit(126);
	}
	if ((fd = open("/dev/null", O_RDWR)) == -1 || dup2(fd, 0) == -1)
		_exit(126);
	if (d->journal && claim_journal() == -1)
		_exit(126);
	if (d->fd != -1 && d->fd != DAEMON_FD && dup2(d->fd, DAEMON_FD) == -1)
		_exit(126);
	if (d->prepare != NULL)
		d->prepare(d->prepare_arg);
	else
		closefrom(d->fd == -1 ? 3 : DAEMON_FD + 1);
	if (d->fd != -1)
		for (i = 3; i < DAEMON_FD; i++)
			close(i);
	execv(d->bin, argv);
	_exit(127);
}

int
daemon_spawn(struct daemon *d, const char *const *args)
{
	char *argv[MAX_ARGS + 4], *alloc[MAX_ARGS];
	size_t i, n = 0, nalloc = 0;
	pid_t self = getpid();

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	argv[n++] = d->bin;
	for (i = 0; i < MAX_ARGS && args[i] != NULL; i++) {
		if (args[i][0] != '@') {
			argv[n++] = (char *)(uintptr_t)args[i];
			continue;
		}
		if (asprintf(&alloc[nalloc], "%s/%s", d->dir, args[i] + 1) ==
		    -1)
			return -1;
		argv[n++] = alloc[nalloc++];
	}
	argv[n++] = (char *)(uintptr_t) "--libexec";
	argv[n++] = d->libexec;
	argv[n] = NULL;
	unlink(daemon_path(d, "log"));
	fflush(NULL);
	if ((d->pid = fork()) == 0)
		child_exec(d, argv, self);
	while (nalloc > 0)
		free(alloc[--nalloc]);
	if (d->pid == -1) {
		d->pid = 0;
		return -1;
	}
	return 0;
}

int
daemon_start(struct daemon *d, const char *const *args)
{
	if (daemon_spawn(d, args) == -1)
		return -1;
	if (daemon_log_wait(d, " ready: ", 1, DAEMON_TIMEOUT_MS) == -1) {
		fprintf(stderr, "# vrngd did not get ready\n");
		daemon_dump(d);
		return -1;
	}
	return 0;
}

bool
daemon_alive(struct daemon *d)
{
	siginfo_t si = { 0 };

	if (d->pid == 0)
		return false;
	return waitid(P_PID, (id_t)d->pid, &si, WEXITED | WNOHANG | WNOWAIT) ==
	    0 &&
	    si.si_pid == 0;
}

int
daemon_wait(struct daemon *d, int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;
	int status;

	while (daemon_alive(d) && fe_now() < deadline)
		poll(NULL, 0, 2);
	if (daemon_alive(d)) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
		d->pid = 0;
		return -1;
	}
	if (waitpid(d->pid, &status, 0) == -1)
		status = -1;
	d->pid = 0;
	return status;
}

/* Of our children. */
static bool
is_orphan(const struct daemon *d, const struct proc *p)
{
	return strncmp(p->comm, "vrngd", 5) == 0 &&
	    (d->beside == NULL || d->beside->pid != p->pid);
}

/*
 * We are the subreaper, so what the daemon leaves behind becomes ours.
 * Those that are about to end get half a second.
 */
static size_t
reap_orphans(const struct daemon *d)
{
	struct proc list[64];
	uint64_t deadline = fe_now() + 500;
	size_t i, n, left;

	do {
		n = proc_children(getpid(), list, 64);
		for (i = 0, left = 0; i < n; i++) {
			if (!is_orphan(d, &list[i]))
				continue;
			if (waitpid(list[i].pid, NULL, WNOHANG) == 0)
				left++;
		}
		if (left > 0)
			poll(NULL, 0, 10);
	} while (left > 0 && fe_now() < deadline);
	for (i = 0; left > 0 && i < n; i++) {
		if (!is_orphan(d, &list[i]))
			continue;
		fprintf(stderr, "# left over: %d %s\n", (int)list[i].pid,
		    list[i].cmdline);
		kill(list[i].pid, SIGKILL);
		waitpid(list[i].pid, NULL, 0);
	}
	return left;
}

int
daemon_stop(struct daemon *d, int sig)
{
	int status;

	if (d->pid == 0)
		return -1;
	kill(d->pid, sig);
	status = daemon_wait(d, DAEMON_TIMEOUT_MS);
	return reap_orphans(d) > 0 ? -2 : status;
}

char *
daemon_text(struct daemon *d, const char *name)
{
	struct stat st;
	char *text = NULL;
	ssize_t n;
	int fd;

	fd = open(daemon_path(d, name), O_RDONLY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1 ||
	    (text = calloc(1, (size_t)st.st_size + 1)) == NULL)
		text = calloc(1, 1);
	else if ((n = read(fd, text, (size_t)st.st_size)) >= 0)
		text[n] = '\0';
	if (fd != -1)
		close(fd);
	return text;
}

size_t
daemon_log_count(struct daemon *d, const char *what)
{
	char *text = daemon_text(d, "log"), *p;
	size_t n = 0;

	for (p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	free(text);
	return n;
}

int
daemon_log_wait(struct daemon *d, const char *what, size_t n, int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;

	while (daemon_log_count(d, what) < n) {
		if (fe_now() >= deadline || !daemon_alive(d)) {
			errno = ETIMEDOUT;
			return -1;
		}
		poll(NULL, 0, 5);
	}
	return 0;
}

void
daemon_dump(struct daemon *d)
{
	char *text = daemon_text(d, "log"), *line, *p = text;

	fprintf(stderr, "# log of vrngd (%s):\n", d->dir);
	while ((line = strsep(&p, "\n")) != NULL)
		if (*line != '\0')
			fprintf(stderr, "#   %s\n", line);
	free(text);
}
