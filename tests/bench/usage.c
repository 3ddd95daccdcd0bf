#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "bench/usage.h"

/* Reads a small file as a string; -1 if that cannot be. */
static int
read_text(char *buf, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -1;
}

/* The number behind a name, 0 if that does not stand there. */
static uint64_t
number_after(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p == NULL ? 0 : strtoull(p + strlen(name), NULL, 10);
}

/* User and system time, where the scheduler does not say it more exactly. */
static uint64_t
cpu_ticks(const char *stat)
{
	const char *p = strrchr(stat, ')');
	unsigned long user, sys;

	if (p == NULL ||
	    sscanf(p + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		&sys) != 2)
		return 0;
	return (user + sys) * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void
add_thread(const char *directory, struct usage *u)
{
	char path[512], text[8192];

	snprintf(path, sizeof(path), "%s/schedstat", directory);
	if (read_text(text, sizeof(text), path) == 0)
		u->cpu += strtoull(text, NULL, 10);
	else {
		snprintf(path, sizeof(path), "%s/stat", directory);
		if (read_text(text, sizeof(text), path) == 0)
			u->cpu += cpu_ticks(text);
	}
	snprintf(path, sizeof(path), "%s/status", directory);
	if (read_text(text, sizeof(text), path) == 0)
		u->switches +=
		    number_after(text, "\nvoluntary_ctxt_switches:") +
		    number_after(text, "\nnonvoluntary_ctxt_switches:");
}

/* All is known, or nothing. */
static void
add_memory(pid_t pid, struct usage *u)
{
	char path[64], text[4096];
	uint64_t kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (read_text(text, sizeof(text), path) == 0)
		kib = number_after(text, "\nPss:");
	u->pss += kib;
	u->memory = u->memory && kib != 0;
}

static void
add_process(pid_t pid, struct usage *u)
{
	char path[64], thread[400];
	const struct dirent *e;
	DIR *threads;

	if (u->memory)
		add_memory(pid, u);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if ((threads = opendir(path)) == NULL)
		return;
	while ((e = readdir(threads)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(thread, sizeof(thread), "%s/%s", path, e->d_name);
		add_thread(thread, u);
	}
	closedir(threads);
}

static pid_t
parent_of(const char *pid)
{
	char path[300], text[1024];
	const char *p;
	int parent;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if (read_text(text, sizeof(text), path) == -1 ||
	    (p = strrchr(text, ')')) == NULL ||
	    sscanf(p + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

int
usage_read(pid_t pid, bool memory, struct usage *u)
{
	const struct dirent *e;
	DIR *proc;

	memset(u, 0, sizeof(*u));
	u->memory = memory;
	add_process(pid, u);
	if (u->switches == 0 || (proc = opendir("/proc")) == NULL)
		return -1;
	while ((e = readdir(proc)) != NULL) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    parent_of(e->d_name) != pid)
			continue;
		add_process(atoi(e->d_name), u);
		u->workers++;
	}
	closedir(proc);
	return 0;
}
