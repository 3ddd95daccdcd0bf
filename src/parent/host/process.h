/*
 * Child processes of the parent: start with fork and exec, channel, log lines,
 * supervision and end.
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
#include "parent/host/deferred_close.h"
#include "parent/host/flap.h"

/* Uids of children: the base plus the number of the child. */
#define UID_COUNT 65536

struct process;
struct process_life;

/* A kind of process; `arg` is that of process_start(). */
struct process_ops {
	enum proto_role role;
	const char *program; /* file name in the libexec directory */
	uint32_t out_max;    /* maximum number of unread frames */
	/* Handles a checked frame except LOG.  Returns -1 if it is invalid. */
	int (*frame)(struct process *, struct frame *);
	/* The channel has room again for frames. */
	void (*writable)(struct process *);
	/*
	 * The process has ended, with this exit status, or -1 by a signal.
	 * After SIGKILL it may not have been reaped yet.
	 */
	void (*ended)(struct process *, int status);
};

struct out_frame {
	TAILQ_ENTRY(out_frame) entry;
	struct frame frame; /* with copies of its fds */
};

/* The environment of all children. */
struct process_env {
	sd_event *event;
	const char *libexec; /* directory of the programs */
	int root_fd;	     /* the empty directory */
	int ends[2];	     /* of process_reserve(); 0: none */
	uint32_t layers;     /* bits of enum proto_layer */
	uint32_t uid_base;
	enum log_level log_level;
	LIST_HEAD(, process_life) lives; /* all that have not been reaped */
	LIST_HEAD(, process) watched;	 /* with a pending answer */
	struct timer tick;		 /* set while any is watched */
	uint64_t ticked;		 /* ns, time of the last tick */
	uint32_t last_number;
	uint64_t numbers[UID_COUNT / 64]; /* in use, a bit each */
};

/* The end of a process, as in siginfo_t. */
struct process_end {
	pid_t pid;
	int code; /* CLD_EXITED, or CLD_KILLED and others */
	int status;
};

/* A slot for a process; zeroed before the first start. */
struct process {
	struct process_env *env;
	const struct process_ops *ops;
	void *arg;
	const struct log_subject *about; /* its guest or service, or NULL */
	pid_t pid;			 /* 0: not running */
	uint32_t number;		 /* uid - uid_base; 1 and up */
	int channel;			 /* for frames to it */
	sd_event_source *io;		 /* waits for room in it */
	int up;				 /* for frames from it */
	sd_event_source *up_io;
	struct process_life *life;
	LIST_ENTRY(process) watch_entry;
	uint32_t silent; /* ticks since the PING */
	uint64_t judged; /* ns, the last tick at which it was checked */
	bool watched;	 /* is in env->watched */
	bool expected;	 /* has received work since the last PING */
	bool pinged;	 /* has not answered the last PING */
	bool hung;	 /* was killed for not answering */
	bool blocked;	 /* the channel was full */
	bool condemned;	 /* its frames are ignored */
	TAILQ_HEAD(out_frames, out_frame) out;
	uint32_t nout;		     /* frames in it */
	struct log_limit *log_limit; /* of its log lines */
	struct process_end end;
	struct flap ends; /* of all processes of this slot */
};

/*
 * Reserves two descriptors, which should be low, so that a new process need not
 * copy and close the descriptors of all guests.  Without close_range(2) it
 * does.
 */
void process_reserve(struct process_env *);

/*
 * Starts a process.  `about` is its guest or service, or NULL; it and the limit
 * of its log lines must outlive the process.  Returns 0, or -1 after logging
 * the error.
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
 * Sends a frame, later if the channel is full.  Closes its fds.  A process with
 * too many unread frames is killed.
 */
void process_send(struct process *, struct frame *);

/* Removes a frame that waits to be sent.  Returns whether it was waiting. */
bool process_unsend(struct process *, enum proto_type, uint32_t consumer);

/*
 * Sends a frame without fds only if the channel has room now.  Otherwise
 * returns false, and ops->writable will be called.
 */
bool process_try_send(struct process *, const struct frame *);

/*
 * The process has work and must answer the next PING.  If it does not answer
 * and is blocked, it is killed within a second (process->hung).
 */
void process_expect(struct process *);

/*
 * Kills a process.  ops->ended follows, from the event loop, when the process
 * has been reaped or after a timeout.
 */
void process_kill(struct process *);

/* Closes the channel of a process, which makes it exit. */
void process_hang_up(struct process *);

/*
 * Closes the channel of a process and sends SIGKILL at the deadline (ns),
 * without waiting: the struct process can be reused at once, and ops->ended is
 * not called.
 */
void process_stop(struct process *, uint64_t deadline);

/*
 * Waits until all processes have been reaped, and kills those left at the
 * deadline (ns).  Call this when all have been stopped and the event loop has
 * ended.
 */
void process_finish(struct process_env *, uint64_t deadline);

#endif
