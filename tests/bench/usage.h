/*
 * The resources of a server with all of its processes, from /proc.
 */
#ifndef USAGE_H
#define USAGE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

struct usage {
	uint64_t cpu;	   /* ns, of user and system time */
	uint64_t switches; /* context switches, voluntary or not */
	uint64_t workers;  /* children */
	uint64_t pss;	   /* KiB, of all, */
	bool memory;	   /* if that was asked for and we may know it */
};

/*
 * Adds up what the process, its children and all their threads have used.
 * Memory takes long to add up, so it is left out unless `memory`.  What has
 * ended does not count.  Returns -1 if there is no such process.
 */
int usage_read(pid_t, bool memory, struct usage *);

#endif
