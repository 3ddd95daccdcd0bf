/*
 * The event loop of a child: the descriptors that it waits for, the frames of
 * its parent, and those to the parent that the channel had no room for.
 */
#ifndef VRNGD_LOOP_H
#define VRNGD_LOOP_H

#include <sys/epoll.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"

/* In data.u64 of an event: the channel down, to be read, and up. */
#define LOOP_CHANNEL UINT64_MAX
#define LOOP_UP	     (UINT64_MAX - 1)

struct loop {
	int epoll_fd;
	enum proto_role role;
	struct child_watch watch;
	bool full; /* waits for room in the channel up */
};

/* Makes a loop that waits for the channel. */
void loop_init(struct loop *, enum proto_role);

/*
 * Watches a descriptor, changes that or ends it (`op` as for epoll_ctl(2)), with
 * a key for data.u64.  loop_try() returns -1 with errno if it cannot be
 * watched, loop_watch() ends the process.
 */
int loop_try(struct loop *, int op, int fd, uint32_t events, uint64_t key);
void loop_watch(struct loop *, int op, int fd, uint32_t events, uint64_t key);

/*
 * Waits for at most `ms` milliseconds (-1: any time) for at most `max` events.
 * Returns how many there are.  Ends the process if the parent has exited.
 */
int loop_wait(struct loop *, struct epoll_event *, int max, int ms);

/* The milliseconds until `at` (ns; 0: never), rounded up, for loop_wait(). */
int loop_timeout(uint64_t at, uint64_t now);

/*
 * Reads the next frame of the parent, and answers PING.  Returns false if there
 * is none now.
 */
bool loop_recv(struct loop *, struct frame *);

/*
 * Ends a round of events: sends the answer to a PING that is pending, and waits
 * for room in the channel up (LOOP_UP) as long as that is, or frames of the role
 * are (`pending`).
 */
void loop_flush(struct loop *, bool pending);

#endif
