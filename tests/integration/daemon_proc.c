/*
 * The contents of /proc about vrngd and its children.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "integration/daemon.h"
#include "integration/frontend.h"

#define RSS_MARGIN 4096 /* KiB */

/* Read a small file of /proc/PID; its length, or -1. */
static ssize_t
proc_file(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

int
proc_status(pid_t pid, const char *key, char *buf, size_t size)
{
	char text[8192], *p, *end;
	size_t len = strlen(key);

	if (proc_file(pid, "status", text, sizeof(text)) <= 0)
		return -1;
	for (p = text; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) != 0 || p[len] != ':')
			continue;
		p += len + 1;
		while (*p == '\t' || *p == ' ')
			p++;
		end = p + strcspn(p, "\n");
		while (end > p && isspace((unsigned char)end[-1]))
			end--;
		*end = '\0';
		return strlcpy(buf, p, size) < size ? 0 : -1;
	}
	errno = ENOENT;
	return -1;
}

/* Fill in a process if it is a living child of the parent. */
static int
child_info(pid_t pid, pid_t parent, struct proc *p)
{
	char value[64];
	ssize_t i, n;

	if (proc_status(pid, "PPid", value, sizeof(value)) == -1 ||
	    atoi(value) != parent ||
	    proc_status(pid, "State", value, sizeof(value)) == -1 ||
	    value[0] == 'Z' || value[0] == 'X' ||
	    proc_status(pid, "Name", p->comm, sizeof(p->comm)) == -1)
		return 0;
	p->pid = pid;
	n = proc_file(pid, "cmdline", p->cmdline, sizeof(p->cmdline));
	if (n < 0)
		p->cmdline[0] = '\0';
	for (i = 0; i + 1 < n; i++)
		if (p->cmdline[i] == '\0')
			p->cmdline[i] = ' ';
	return 1;
}

size_t
proc_children(pid_t parent, struct proc *list, size_t max)
{
	struct dirent *e;
	size_t n = 0;
	DIR *dp;

	if ((dp = opendir("/proc")) == NULL)
		return 0;
	while (n < max && (e = readdir(dp)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]))
			n += (size_t)child_info(atoi(e->d_name), parent,
			    &list[n]);
	closedir(dp);
	return n;
}

int
proc_fds(pid_t pid)
{
	struct dirent *e;
	char path[64];
	int n = 0;
	DIR *dp;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if ((dp = opendir(path)) == NULL)
		return -1;
	while ((e = readdir(dp)) != NULL)
		n += isdigit((unsigned char)e->d_name[0]) != 0;
	closedir(dp);
	return n;
}

long
proc_rss(pid_t pid)
{
	char value[64];

	if (proc_status(pid, "VmRSS", value, sizeof(value)) == -1)
		return -1;
	return atol(value);
}

long
proc_cpu(pid_t pid)
{
	char path[64], line[1024], *p;
	unsigned long user, sys;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return -1;
	p = fgets(line, sizeof(line), f);
	fclose(f);
	if (p == NULL || (p = strrchr(line, ')')) == NULL ||
	    sscanf(p + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
		"%lu %lu",
		&user, &sys) != 2)
		return -1;
	return (long)(user + sys);
}

/* Whether a word stands in a line, set off by anything but name characters. */
static bool
has_word(const char *line, const char *word)
{
	const char *p = line;
	size_t len = strlen(word);

	for (; (p = strstr(p, word)) != NULL; p++)
		if ((p == line || strchr(" :[(", p[-1]) != NULL) &&
		    (p[len] == '\0' || strchr(" :])", p[len]) != NULL))
			return true;
	return false;
}

pid_t
daemon_child(struct daemon *d, const char *role, const char *guest)
{
	struct proc list[64];
	size_t i, n = proc_children(d->pid, list, 64);

	for (i = 0; i < n; i++)
		if (strcmp(list[i].comm, role) == 0 &&
		    (guest == NULL || has_word(list[i].cmdline, guest)))
			return list[i].pid;
	return 0;
}

pid_t
daemon_child_wait(struct daemon *d, const char *role, const char *guest,
    int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;
	pid_t pid;

	while ((pid = daemon_child(d, role, guest)) == 0) {
		if (fe_now() >= deadline)
			return -1;
		poll(NULL, 0, 5);
	}
	return pid;
}

int
daemon_child_gone(struct daemon *d, const char *role, const char *guest,
    int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;

	while (daemon_child(d, role, guest) != 0) {
		if (fe_now() >= deadline)
			return -1;
		poll(NULL, 0, 5);
	}
	return 0;
}

void
daemon_usage(struct daemon *d, struct usage *u)
{
	struct proc list[64];
	pid_t entropy = daemon_child(d, ROLE_ENTROPY, NULL);

	u->children = proc_children(d->pid, list, 64);
	u->parent_fds = proc_fds(d->pid);
	u->entropy_fds = proc_fds(entropy);
	u->entropy_rss = proc_rss(entropy);
}

int
daemon_usage_wait(struct daemon *d, const struct usage *was, int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;
	struct usage is;

	for (;;) {
		daemon_usage(d, &is);
		if (is.children == was->children &&
		    is.parent_fds == was->parent_fds &&
		    is.entropy_fds == was->entropy_fds &&
		    is.entropy_rss <= was->entropy_rss + RSS_MARGIN)
			return 0;
		if (fe_now() >= deadline)
			break;
		poll(NULL, 0, 20);
	}
	fprintf(stderr,
	    "# children %zu, was %zu; fds of the parent %d, was "
	    "%d, of entropy %d, was %d; rss %ld, was %ld\n",
	    is.children, was->children, is.parent_fds, was->parent_fds,
	    is.entropy_fds, was->entropy_fds, is.entropy_rss, was->entropy_rss);
	return -1;
}
