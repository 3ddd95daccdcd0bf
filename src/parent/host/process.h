/*
 * Child processes, as the parent sees them: starting one with fork and exec,
 * its channel, its log lines, its end.
 */
#ifndef VRNGD_PROCESS_H
#define VRNGD_PROCESS_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/channel.h"
#include "common/log.h"
#include "parent/host/aside.h"
#include "parent/host/flap.h"

/* Uids of children: the base and one for each number. */
#define UID_COUNT 65536

struct process;
struct process_life;

/* What a kind of process does; `arg` is that of process_start(). */
struct process_ops {
	enum proto_role role;
	const char *program; /* file name in the libexec directory */
	uint32_t out_max;    /* frames that it may leave unread */
	/* A checked frame, not LOG.  Returns -1 if it makes no sense. */
	int (*frame)(struct process *, struct frame *);
	/* Frames that the channel had no room for may be sent now. */
	void (*writable)(struct process *);
	/*
	 * It has ended; `status`: of its exit, -1 if by a signal.  One that was
	 * sent SIGKILL need not have been reaped yet.
	 */
	void (*ended)(struct process *, int status);
};

struct out_frame {
	TAILQ_ENTRY(out_frame) entry;
	struct frame frame; /* with fds of its own */
};

/* What all children have in common. */
struct process_env {
	sd_event *event;
	const char *libexec; /* directory of the programs */
	int root_fd;	     /* the empty directory */
	uint32_t layers;     /* bits of enum proto_layer */
	uint32_t uid_base;
	enum log_level log_level;
	LIST_HEAD(, process_life) lives; /* all that have not been reaped */
	LIST_HEAD(, process) watched;	 /* with an answer to come */
	struct timer tick;		 /* set while some are */
	uint64_t ticked;		 /* ns, when it last came */
	uint32_t last_number;
	uint64_t numbers[UID_COUNT / 64]; /* in use, a bit each */
};

/* Why a process has ended, or is killed, as in siginfo_t. */
struct process_end {
	pid_t pid;
	int code; /* CLD_EXITED, or another: */
	int status;
};

/* All 0: none was started yet. */
struct process {
	struct process_env *env;
	const struct process_ops *ops;
	void *arg;
	const struct log_subject *about; /* whom it serves, or NULL */
	pid_t pid;			 /* 0: not running */
	uint32_t number;		 /* uid - uid_base; 1 and up */
	int channel;			 /* frames to it, */
	sd_event_source *io;		 /* and room for them */
	int up;				 /* frames from it */
	sd_event_source *up_io;
	struct process_life *life;
	LIST_ENTRY(process) watch_entry;
	uint32_t silent; /* ticks since the PING */
	uint64_t judged; /* ns, the tick at which that was last too many */
	bool watched;	 /* is in env->watched */
	bool expected;	 /* has got work since the last PING */
	bool pinged;	 /* has not answered the last PING */
	bool hung;	 /* and is killed for that */
	bool blocked;	 /* the channel was full */
	bool condemned;	 /* to be heard no more */
	TAILQ_HEAD(out_frames, out_frame) out;
	uint32_t nout;		     /* frames in it */
	struct log_limit *log_limit; /* of what it says */
	struct process_end end;
	struct flap ends; /* of all that were in this slot */
};

/*
 * Starts a process.  `about` is whom it serves, or NULL; it and the limit on
 * the lines of the process must outlive it.  Returns 0, or -1
 * after logging why.
 */
int process_start(struct process *, struct process_env *,
    const struct process_ops *, const struct log_subject *about,
    struct log_limit *, void *arg);

bool process_running(const struct process *);

/* A uid that no process has, for privilege_deposit(); -1: there is none. */
static inline uid_t
process_spare_uid(const struct process_env *env)
{
	return (env->layers & LAYER_UID) != 0 ? env->uid_base : (uid_t)-1;
}

/*
 * Sends a frame; if there is no room, later.  Its fds are closed here.  A
 * process that leaves too many unread is killed.
 */
void process_send(struct process *, struct frame *);

/* Takes back a frame that still waits to be sent.  Returns whether it did. */
bool process_unsend(struct process *, enum proto_type, uint32_t consumer);

/*
 * Sends a frame without fds only if there is room for it now.  Returns false
 * if not: ops->writable will be called.
 */
bool process_try_send(struct process *, const struct frame *);

/*
 * The process has work, so it must answer the next PING: one that does not, and
 * does not run either, is killed within a second (process->hung).
 */
void process_expect(struct process *);

/*
 * Ends a process at once.  ops->ended follows, from the event loop, when it has
 * been reaped or, if that takes long, without.
 */
void process_kill(struct process *);

/* Asks a process to end, by closing its channel. */
void process_hang_up(struct process *);

/*
 * Ends a process by closing its channel and, at the deadline (ns), by SIGKILL,
 * without waiting for either: the struct process is free at once, and ops->ended
 * is not called.
 */
void process_stop(struct process *, uint64_t deadline);

/*
 * Waits until all processes have been reaped, of which those that are left at
 * the deadline (ns) are killed.  To be called when all have been stopped and
 * the event loop has ended.
 */
void process_finish(struct process_env *, uint64_t deadline);

#endif
