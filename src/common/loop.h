/*
 * The event loop of a child: the watched descriptors, the frames of the parent,
 * and the frames to the parent that wait for room in the channel.
 */
#ifndef VRNGD_LOOP_H
#define VRNGD_LOOP_H

#include <sys/epoll.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "common/counters.h"

/* In data.u64 of an event: the channel down, and up. */
#define LOOP_CHANNEL UINT64_MAX
#define LOOP_UP	     (UINT64_MAX - 1)

struct loop {
	int epoll_fd;
	enum proto_role role;
	bool owed; /* a PONG, which the channel up had no room for */
	bool busy; /* the parent sends a PING: BUSY was sent */
	bool full; /* waits for room in the channel up */
};

/* Creates a loop that watches the channel. */
void loop_init(struct loop *, enum proto_role);

/*
 * Adds, changes or removes a watched descriptor (`op` as for epoll_ctl(2)),
 * with a key for data.u64.  On failure loop_try() returns -1 with errno, and
 * loop_watch() ends the process.
 */
int loop_try(struct loop *, int op, int fd, uint32_t events, uint64_t key);
void loop_watch(struct loop *, int op, int fd, uint32_t events, uint64_t key);

/*
 * Waits for at most `ms` milliseconds (-1: no timeout) for at most `max`
 * events.  Returns their number.  Ends the process if the parent has exited.
 */
int loop_wait(struct loop *, struct epoll_event *, int max, int ms);

/* The milliseconds until `at` (ns; 0: never), rounded up, for loop_wait(). */
int loop_timeout(uint64_t at, uint64_t now);

/*
 * Reads the next frame of the parent, and answers PING.  Returns false without
 * a frame.
 */
bool loop_recv(struct loop *, struct frame *);

/* Waits for the next frame, which must have this type. */
void loop_await(struct loop *, struct frame *, enum proto_type);

/* Waits for COUNTERS and maps them with the size of the role. */
void *loop_counters(struct loop *);

/*
 * Call this before an operation that an outsider can block: the parent watches
 * this child until it is finished.
 */
void loop_busy(struct loop *);

/*
 * Ends a round of events: sends a pending answer to PING, and watches for room
 * in the channel up (LOOP_UP) while that answer or frames of the role
 * (`pending`) wait.
 */
void loop_flush(struct loop *, bool pending);

#endif
