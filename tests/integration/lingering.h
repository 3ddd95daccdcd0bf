/*
 * A file whose close(2) waits for as long as a test wishes, and which makes the
 * process that closes it immune to SIGKILL: on a file system of the test's own,
 * by /dev/fuse.  A socket of that kind, which is not deaf to it, is
 * hostile_lingering().
 */
#ifndef LINGERING_H
#define LINGERING_H

#include <pthread.h>
#include <stdatomic.h>

struct lingering {
	char dir
	    [32]; /* where it is mounted, for this process and its children */
	int dev;  /* /dev/fuse */
	int stop[2]; /* a pipe whose end of file ends the server */
	pthread_t server;
	atomic_bool armed;
	atomic_uint waiting; /* calls of close(2) */
};

/*
 * Mounts the file system.  Returns 0, or -1 with errno where that is not
 * possible.  To be called before the daemon is started and guests connect.
 */
int lingering_mount(struct lingering *);

/* A descriptor of a file there, for reading and writing. */
int lingering_open(struct lingering *);

/*
 * From now on close(2) waits, in this process too: it should have passed its
 * descriptors on and closed its own.
 */
void lingering_arm(struct lingering *);

/* Ends all waiting, and the file system. */
void lingering_unmount(struct lingering *);

/*
 * After lingering_mount(): mounts over a directory a file system that never
 * answers.  Returns a descriptor; processes that wait for it are woken when it is closed.
 */
int lingering_silence(const char *dir);

#endif
