/*
 * A real vrngd under test: started in a directory of its own, watched through
 * its log and /proc, stopped, and checked for leftovers.  The program is
 * $VRNGD, its roles are in $VRNGD_LIBEXEC.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "patience.h"

#define DAEMON_TIMEOUT_MS (10000 * test_patience())
#define ROLE_ENTROPY	  "vrngd-entropy"
#define ROLE_VHOST	  "vrngd-vhost"

struct daemon {
	pid_t pid;    /* 0: not running */
	uid_t uid;    /* run as, 0: as we are */
	int fd;	      /* passed as DAEMON_FD, -1: none */
	bool journal; /* its standard error says that it is the journal's */
	/* Of its own side, just before it is run; NULL: nothing. */
	void (*prepare)(void *arg);
	void *prepare_arg;
	char bin[256];
	char libexec[256];
	char dir[64];
	char paths[8][128];
	size_t path_next;
	const struct daemon *beside; /* that runs at the same time, or NULL */
};

#define DAEMON_FD 7

struct proc {
	pid_t pid;
	char comm[32];
	char cmdline[512]; /* arguments separated by spaces */
};

/* What must come back after an attack. */
struct usage {
	size_t children;
	int parent_fds;
	int entropy_fds;
	long entropy_rss; /* KiB */
};

/* daemon.c */

/* Make the directory and find the program.  Returns 0 or -1. */
int daemon_init(struct daemon *);

/* Stop it if it runs and remove the directory. */
void daemon_free(struct daemon *);

/* DIR/name; valid until eight more were asked for. */
const char *daemon_path(struct daemon *, const char *);

/*
 * Start with the arguments, a NULL-terminated list in which a leading '@'
 * stands for "DIR/".  daemon_start() waits until the log says ready.
 */
int daemon_spawn(struct daemon *, const char *const *);
int daemon_start(struct daemon *, const char *const *);

/* Wait for the end: the wait status, or -1 after a time-out and SIGKILL. */
int daemon_wait(struct daemon *, int);

/*
 * Send the signal and wait for the end: the wait status, -1 after a
 * time-out, -2 if a child of it was left over (and is now killed).
 */
int daemon_stop(struct daemon *, int);

/* Whether the program runs, that is, has not exited. */
bool daemon_alive(struct daemon *);

/* The text of DIR/name, "" if there is none, to be freed. */
char *daemon_text(struct daemon *, const char *);

/* Occurrences of a string in the log. */
size_t daemon_log_count(struct daemon *, const char *);

/* Wait until a string stands in the log so many times; 0 or -1. */
int daemon_log_wait(struct daemon *, const char *, size_t, int);

/* Write the log to standard error, as TAP comments. */
void daemon_dump(struct daemon *);

/* daemon_proc.c */

/* Children of a process, at most max; zombies do not count. */
size_t proc_children(pid_t, struct proc *, size_t);

/* Open descriptors, or -1. */
int proc_fds(pid_t);
long proc_rss(pid_t);

/* User and system time in clock ticks, or -1. */
long proc_cpu(pid_t);

/* The value of a line of /proc/PID/status, without its white space around. */
int proc_status(pid_t, const char *, char *, size_t);

/* The child of that role (for that guest, unless NULL); 0 if none. */
pid_t daemon_child(struct daemon *, const char *, const char *);

/* Wait until there is (or, gone, is not) such a child; its pid or -1. */
pid_t daemon_child_wait(struct daemon *, const char *, const char *, int);
int daemon_child_gone(struct daemon *, const char *, const char *, int);

void daemon_usage(struct daemon *, struct usage *);

/* Wait until usage is no more than it was, memory within a margin. */
int daemon_usage_wait(struct daemon *, const struct usage *, int);

#endif
