/*
 * Starts, supervises and ends child processes (process.h).  Used by pools,
 * guests, services and the status process.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <bsd/string.h>
#include <bsd/unistd.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/host/deferred_close.h"
#include "parent/host/event.h"
#include "parent/host/process.h"

/* The role, for fields: "vhost" of "vrngd-vhost". */
#define ROLE_NAME(p) ((p)->ops->program + sizeof("vrngd-") - 1)

/* The fields of all lines about a process. */
#define PROCESS_FIELDS(p) \
	LOG_TEXT("VRNGD_PROCESS", ROLE_NAME(p)), \
	    LOG_NUMBER("VRNGD_PID", (p)->pid)

/* Logs a line of a child; unprintable characters become dots. */
static void
process_say_line(const struct process *p, struct proto_log *child)
{
	struct log_line line = {
		.level = LOG_LEVEL_DEBUG,
		.about = p->about,
		.fields = LOG_FIELDS(PROCESS_FIELDS(p)),
	};
	uint32_t suppressed;

	if (child->level < LOG_LEVEL_DEBUG)
		line.level = (enum log_level)child->level;
	child->text[sizeof(child->text) - 1] = '\0';
	for (char *c = child->text; *c != '\0'; c++)
		if (!isprint((unsigned char)*c))
			*c = '.';
	if (!log_limit_pass(p->log_limit, clock_now(), &suppressed))
		return;
	if (suppressed > 0)
		log_send(&line, "%s (suppressed: %u)", child->text, suppressed);
	else
		log_send(&line, "%s", child->text);
}

/* Logs the end of a process, or the reason to kill it, at a limited rate. */
static void
say_end(void *arg, enum event event, const char *text, uint32_t suppressed)
{
	const struct process *p = arg;
	const struct process_end *e = &p->end;
	char more[FLAP_MORE_SIZE];

	event_log(event, p->about,
	    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", ROLE_NAME(p)),
		LOG_NUMBER("VRNGD_PID", e->pid),
		LOG_NUMBER("VRNGD_SUPPRESSED", suppressed),
		e->code == CLD_EXITED ? LOG_NUMBER("VRNGD_STATUS", e->status)
				      : LOG_NUMBER("VRNGD_SIGNAL", e->status)),
	    "%s%s", text, flap_more(more, suppressed));
}

/* Records the end of a process, or of one that will be killed. */
static void
process_end_is(struct process *p, int code, int status)
{
	p->end = (struct process_end){ p->pid, code, status };
}

/* Before a process is killed for an invalid frame, or for not reading. */
static void
process_say_broken(struct process *p, const struct frame *f)
{
	process_end_is(p, CLD_KILLED, SIGKILL);
	flap_say(&p->ends, EVENT_ALARM,
	    "%s (pid %d) killed for an invalid frame: %s, %u bytes, consumer "
	    "%u",
	    p->ops->program, p->pid, frame_name(f->hdr.type), f->hdr.length,
	    f->hdr.consumer);
}

static void
process_say_deaf(struct process *p)
{
	process_end_is(p, CLD_KILLED, SIGKILL);
	flap_say(&p->ends, EVENT_ALARM,
	    "%s (pid %d) killed, as it does not read its channel",
	    p->ops->program, p->pid);
}

static void
process_say_hung(struct process *p)
{
	process_end_is(p, CLD_KILLED, SIGKILL);
	flap_say(&p->ends, EVENT_PROCESS_HUNG,
	    "%s (pid %d) killed and replaced, as it hung", p->ops->program,
	    p->pid);
}

/* Logs the end of a process, unless it exited with status 0. */
static void
process_say_end(struct process *p, const siginfo_t *si)
{
	int status = si->si_status;

	if (si->si_code == CLD_EXITED && status == 0)
		return;
	process_end_is(p, si->si_code, status);
	if (si->si_code != CLD_EXITED)
		/* A correct process makes no forbidden system call. */
		flap_say(&p->ends,
		    status == SIGSYS ? EVENT_ALARM : EVENT_PROCESS_DIED,
		    "%s (pid %d) died of signal %d (%s)", p->ops->program,
		    p->pid, status, strsignal(status));
	else if (status == 127)
		flap_say(&p->ends, EVENT_PROCESS_MISSING,
		    "cannot execute %s/%s: check the installation",
		    p->env->libexec, p->ops->program);
	else
		flap_say(&p->ends, EVENT_PROCESS_DIED,
		    "%s (pid %d) exited with status %d", p->ops->program,
		    p->pid, status);
}

/*
 * Ignores signals that may reach the children of the daemon too (^C, a service
 * manager): the parent ends its children in order.
 */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
		SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		if (signal(ignored[i], SIG_IGN) == SIG_ERR)
			_exit(127);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
		_exit(127);
}

/* The process that process_exec() starts, and its ends of the channel. */
struct process_exec {
	const struct process *process;
	int channel;
	int up;
	int last; /* the last descriptor that it needs; 0: it has copies */
};

/*
 * In the new process, which has the memory of the parent until it executes its
 * program: closes all descriptors except its ends of the channel and null
 * standard streams.
 */
static int
process_exec(void *arg)
{
	const struct process_exec *exec = arg;
	const struct process *p = exec->process;
	int channel = exec->channel, up = exec->up;
	char path[1024];
	const char *name = p->about != NULL ? p->about->name : NULL;
	char *argv[] = { path, (char *)(uintptr_t)name, NULL };
	char *envp[] = { NULL };
	int null;

	/* Until then the descriptors are the parent's. */
	if (exec->last != 0 &&
	    syscall(SYS_close_range, exec->last + 1, ~0U,
		CLOSE_RANGE_UNSHARE) == -1)
		_exit(127);
	/* Above the descriptors that are set next. */
	channel = fcntl(channel, F_DUPFD, CHANNEL_UP_FD + 1);
	up = fcntl(up, F_DUPFD, CHANNEL_UP_FD + 1);
	null = open("/dev/null", O_RDWR);
	if (channel == -1 || up == -1 || null == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1)
		_exit(127);
#ifndef VRNGD_SANITIZE /* their reports go there */
	if (dup2(null, STDERR_FILENO) == -1)
		_exit(127);
#endif
	if (dup2(channel, CHANNEL_FD) == -1 || dup2(up, CHANNEL_UP_FD) == -1)
		_exit(127);
	closefrom(CHANNEL_UP_FD + 1);
	ignore_signals();
	strlcpy(path, p->env->libexec, sizeof(path));
	strlcat(path, "/", sizeof(path));
	if (strlcat(path, p->ops->program, sizeof(path)) >= sizeof(path))
		_exit(127);
	execve(path, argv, envp);
	_exit(127);
}

#define EXEC_STACK 16384 /* bytes, for process_exec() */

/* Frames of one child that are read before other events are handled. */
#define FRAMES_AT_ONCE 16
#define LAST_FRAMES    1024 /* of a child that has ended */

/*
 * EPOLLET, for channels: before each event that it handles sd-event fetches all
 * that are ready, which takes long if many are.  0 without pidfd_open(2), of
 * Linux 5.3: then it fetches some twice when a child has ended, and loses edges.
 */
static uint32_t
channel_edge(void)
{
	static bool known;
	static uint32_t edge;
	int fd;

	if (known)
		return edge;
	known = true;
	if ((fd = (int)syscall(SYS_pidfd_open, getpid(), 0)) != -1)
		close(fd);
	/* With that variable sd-event does without it. */
	if (fd != -1 && secure_getenv("SYSTEMD_PIDFD") == NULL)
		edge = EPOLLET;
	return edge;
}

/* The time from SIGKILL until a process that was not reaped */
#define GRACE	     (20 * NS_PER_MS)  /* is replaced */
#define EXIT_TIME    (500 * NS_PER_MS) /* is replaced, if it was exiting */
#define DYING_TIME   (500 * NS_PER_MS) /* is ignored at the daemon's end */
#define LINGERS_TIME (5 * NS_PER_SEC)  /* is reported as abandoned */

/* The time without an answer to a PING, in ticks of the parent. */
#define TICK	      (125 * NS_PER_MS)
#define SILENT_TICKS  6	 /* until a blocked process is killed */
#define STARVED_TICKS 40 /* until any other process is killed */
#define LATE_TICKS    4	 /* the parent itself did not run: start again */

static int channel_event(sd_event_source *, int, uint32_t, void *);
static int up_event(sd_event_source *, int, uint32_t, void *);
static int child_event(sd_event_source *, const siginfo_t *, void *);
static void tick_over(void *);
static void life_step(void *);

/*
 * The resources of a process until it has been reaped: its pid, which must not
 * be reused before the last signal, and its uid.
 */
struct process_life {
	LIST_ENTRY(process_life) entry; /* of env->lives */
	struct process_env *env;
	struct process *process; /* NULL: no longer in its slot */
	const char *program;
	char name[GUEST_NAME_SIZE]; /* name of its guest or service, or "" */
	struct log_subject about;   /* with that name */
	pid_t pid;
	uint32_t number;
	sd_event_source *child;
	struct timer timer; /* of the next step of its end */
	bool killed;	    /* SIGKILL was sent */
};

/* Allocates the next unused number.  Returns 0 if there is none. */
static uint32_t
number_take(struct process_env *env)
{
	uint32_t n = env->last_number;

	for (uint32_t i = 1; i < UID_COUNT; i++) {
		if (++n >= UID_COUNT)
			n = 1;
		if ((env->numbers[n / 64] & UINT64_C(1) << (n % 64)) != 0)
			continue;
		env->numbers[n / 64] |= UINT64_C(1) << (n % 64);
		env->last_number = n;
		return n;
	}
	return 0;
}

static void
number_return(struct process_env *env, uint32_t n)
{
	env->numbers[n / 64] &= ~(UINT64_C(1) << (n % 64));
}

static int
send_hello(struct process *p)
{
	struct frame f;

	frame_init(&f, PROTO_HELLO, 0, 0);
	f.u.hello.version = PROTO_VERSION;
	f.u.hello.role = p->ops->role;
	f.u.hello.layers = p->env->layers;
	f.u.hello.uid = p->env->uid_base + p->number;
	f.u.hello.log_level = p->env->log_level;
	f.fds[0] = p->env->root_fd;
	return channel_send(p->channel, &f);
}

/* Forgets a process that has been reaped. */
static void
life_free(struct process_life *l)
{
	LIST_REMOVE(l, entry);
	sd_event_source_disable_unref(l->child);
	timer_free(&l->timer);
	number_return(l->env, l->number);
	free(l);
}

/* Allocates the life of a new process.  Returns NULL with errno. */
static struct process_life *
life_new(struct process *p)
{
	struct process_life *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->env = p->env;
	l->process = p;
	l->program = p->ops->program;
	if (p->about != NULL && p->about->name != NULL) {
		strlcpy(l->name, p->about->name, sizeof(l->name));
		l->about = (struct log_subject){
			.kind = p->about->kind,
			.name = l->name,
		};
	}
	l->number = p->number;
	timer_init(&l->timer, l->env->event, life_step, l);
	LIST_INSERT_HEAD(&p->env->lives, l, entry);
	return l;
}

static int
watch(struct process *p)
{
	int r;

	r = sd_event_add_io(p->env->event, &p->up_io, p->up,
	    EPOLLIN | channel_edge(), up_event, p);
	if (r >= 0)
		r = sd_event_add_io(p->env->event, &p->io, p->channel, EPOLLOUT,
		    channel_event, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->io, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_child(p->env->event, &p->life->child, p->pid,
		    WEXITED, child_event, p->life);
	errno = -r;
	return r < 0 ? -1 : 0;
}

/*
 * Closes the channel.  An unread frame may contain a connection with
 * descriptors from an outsider, whose close may block.
 */
static bool
is_from_outside(const struct frame *f)
{
	int domain;
	socklen_t len = sizeof(domain);

	if (f->hdr.type != PROTO_SOURCE_OPEN &&
	    (f->hdr.type != PROTO_SOCKET ||
		f->u.socket.kind != SOCKET_CONNECTED))
		return false;
	return getsockopt(f->fds[0], SOL_SOCKET, SO_DOMAIN, &domain, &len) ==
	    0 &&
	    domain == AF_UNIX;
}

static void
close_fds(struct process *p, struct frame *f)
{
	if (is_from_outside(f)) {
		deferred_close_unstored(p->env->event, f->fds[0]);
		return;
	}
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		if (f->fds[i] != -1)
			close(f->fds[i]);
}

static void
unwatch(struct process *p)
{
	if (p->watched)
		LIST_REMOVE(p, watch_entry);
	p->watched = p->expected = p->pinged = false;
}

/* Clears the slot of a process, whose life continues until it is reaped. */
static void
release(struct process *p)
{
	struct out_frame *out;

	while ((out = TAILQ_FIRST(&p->out)) != NULL) {
		TAILQ_REMOVE(&p->out, out, entry);
		close_fds(p, &out->frame);
		free(out);
	}
	p->nout = 0;
	unwatch(p);
	p->io = sd_event_source_disable_unref(p->io);
	p->up_io = sd_event_source_disable_unref(p->up_io);
	if (p->channel != -1)
		close(p->channel);
	if (p->up != -1)
		close(p->up);
	p->channel = p->up = -1;
	if (p->life != NULL)
		p->life->process = NULL;
	p->life = NULL;
	p->pid = 0;
}

void
process_reserve(struct process_env *env)
{
	const int root = env->root_fd;

	if (syscall(SYS_close_range, ~0U, ~0U, CLOSE_RANGE_UNSHARE) == -1)
		return;
	env->ends[0] = fcntl(root, F_DUPFD_CLOEXEC, CHANNEL_UP_FD + 1);
	env->ends[1] = fcntl(root, F_DUPFD_CLOEXEC, CHANNEL_UP_FD + 1);
	if (env->ends[0] == -1 || env->ends[1] == -1)
		log_fatal("cannot reserve descriptors: %s", strerror(errno));
}

#ifdef VRNGD_SANITIZE
/* As the other, but a sanitizer marks the frames of a stack. */
static pid_t
fork_exec(struct process_exec *exec)
{
	pid_t pid = fork();

	if (pid == 0)
		process_exec(exec);
	return pid;
}
#else
/* Moves copies of descriptors to the reserved ones. */
static void
use_reserved(const struct process_env *env, int first, int second)
{
	if (dup3(first, env->ends[0], O_CLOEXEC) == -1 ||
	    dup3(second, env->ends[1], O_CLOEXEC) == -1)
		log_fatal("dup3: %s", strerror(errno));
}

/*
 * Starts a process that executes its program.  The parent is suspended until
 * then; fork(2), which copies its memory, would suspend it for longer, the more
 * so the more guests it has.  Returns the pid, or -1 with errno.
 */
static pid_t
fork_exec(struct process_exec *exec)
{
	const struct process_env *env = exec->process->env;
	const int *ends = env->ends;
	_Alignas(16) char stack[EXEC_STACK];
	int flags = CLONE_VM | CLONE_VFORK | SIGCHLD, error;
	pid_t pid;

	if (ends[0] != 0) {
		flags |= CLONE_FILES;
		use_reserved(env, exec->channel, exec->up);
		exec->channel = ends[0];
		exec->up = ends[1];
		exec->last = ends[0] > ends[1] ? ends[0] : ends[1];
	}
	pid = clone(process_exec, stack + sizeof(stack), flags, exec);
	error = errno;
	/* The parent keeps no copy of the new process's ends. */
	if (ends[0] != 0)
		use_reserved(env, env->root_fd, env->root_fd);
	errno = error;
	return pid;
}
#endif

/* Starts a process with its channel.  Returns -1 with errno. */
static int
spawn(struct process *p)
{
	int down[2], up[2] = { -1, -1 }, error;

	if (channel_pair(down) == -1)
		return -1;
	p->channel = down[0];
	if (channel_up_pair(up) == 0) {
		p->up = up[0];
		if (send_hello(p) == 0)
			p->pid = fork_exec(
			    &(struct process_exec){ p, down[1], up[1], 0 });
	}
	error = errno;
	close(down[1]);
	if (up[1] != -1)
		close(up[1]);
	errno = error;
	return p->pid > 0 ? 0 : -1;
}

int
process_start(struct process *p, struct process_env *env,
    const struct process_ops *ops, const struct log_subject *about,
    struct log_limit *limit, void *arg)
{
	struct process_life *life;

	*p = (struct process){
		.env = env,
		.ops = ops,
		.arg = arg,
		.about = about,
		.log_limit = limit,
		.ends = p->ends,
		.channel = -1,
		.up = -1,
	};
	if (p->ends.say == NULL)
		flap_init(&p->ends, env->event, say_end, p);
	TAILQ_INIT(&p->out);
	if ((p->number = number_take(env)) == 0) {
		log_error("cannot start %s: all %d uids are in use",
		    ops->program, UID_COUNT - 1);
		return -1;
	}
	if ((p->life = life = life_new(p)) == NULL)
		log_fatal("out of memory for a process");
	if (spawn(p) == -1) {
		log_error("cannot start %s: %s", ops->program, strerror(errno));
		release(p);
		life_free(life);
		return -1;
	}
	life->pid = p->pid;
	if (watch(p) == -1) {
		log_error("cannot watch %s: %s", ops->program, strerror(errno));
		process_stop(p, 0);
		return -1;
	}
	return 0;
}

bool
process_running(const struct process *p)
{
	return p->pid != 0;
}

static void
set_blocked(struct process *p, bool blocked)
{
	if (p->blocked == blocked)
		return;
	p->blocked = blocked;
	sd_event_source_set_enabled(p->io,
	    blocked ? SD_EVENT_ON : SD_EVENT_OFF);
}

bool
process_try_send(struct process *p, const struct frame *f)
{
	if (p->blocked)
		return false;
	if (channel_send(p->channel, f) == 0)
		return true;
	if (errno == EAGAIN) {
		set_blocked(p, true);
		return false;
	}
	/* If it has died, child_event() will report that. */
	if (errno != EPIPE && errno != ECONNRESET) {
		log_about(LOG_LEVEL_ERROR, p->about,
		    "cannot send to %s (pid %d): %s: killing it",
		    p->ops->program, p->pid, strerror(errno));
		process_kill(p);
	}
	return true;
}

void
process_send(struct process *p, struct frame *f)
{
	struct out_frame *out;

	if (p->condemned || process_try_send(p, f)) {
		close_fds(p, f);
		return;
	}
	if (p->nout == p->ops->out_max) {
		process_say_deaf(p);
		close_fds(p, f);
		process_kill(p);
		return;
	}
	out = malloc(sizeof(*out));
	if (out == NULL)
		log_fatal("out of memory for a frame");
	out->frame = *f;
	TAILQ_INSERT_TAIL(&p->out, out, entry);
	p->nout++;
}

bool
process_unsend(struct process *p, enum proto_type type, uint32_t consumer)
{
	struct out_frame *out;

	TAILQ_FOREACH(out, &p->out, entry)
		if (out->frame.hdr.type == type &&
		    out->frame.hdr.consumer == consumer)
			break;
	if (out == NULL)
		return false;
	TAILQ_REMOVE(&p->out, out, entry);
	p->nout--;
	close_fds(p, &out->frame);
	free(out);
	return true;
}

static void
flush(struct process *p)
{
	struct out_frame *out;

	set_blocked(p, false);
	while (!p->blocked && (out = TAILQ_FIRST(&p->out)) != NULL) {
		TAILQ_REMOVE(&p->out, out, entry);
		if (!process_try_send(p, &out->frame)) {
			TAILQ_INSERT_HEAD(&p->out, out, entry);
			return;
		}
		p->nout--;
		close_fds(p, &out->frame);
		free(out);
	}
	if (!p->blocked && p->ops->writable != NULL)
		p->ops->writable(p);
}

static int pong(struct process *);
static void kill_within(struct process *, uint64_t);

/* Handles a checked frame.  Returns -1 if its contents are invalid. */
static int
take_frame(struct process *p, struct frame *f)
{
	switch (f->hdr.type) {
	case PROTO_LOG:
		process_say_line(p, &f->u.log);
		return 0;
	case PROTO_PONG:
		return pong(p);
	case PROTO_BUSY:
		process_expect(p);
		return 0;
	}
	return p->ops->frame(p, f);
}

/* Reads up to `most` frames.  Returns the result of the last read. */
static enum channel_result
read_frames(struct process *p, unsigned int most)
{
	struct frame f;
	enum channel_result result = CHANNEL_FRAME;

	while (most-- > 0 && !p->condemned) {
		result = channel_hear(p->up, &f, p->ops->role);
		if (result == CHANNEL_FRAME && take_frame(p, &f) == -1)
			result = CHANNEL_BROKEN;
		if (result == CHANNEL_BROKEN) {
			process_say_broken(p, &f);
			process_kill(p);
		}
		if (result != CHANNEL_FRAME)
			break;
	}
	return result;
}

static int
channel_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source, (void)fd, (void)revents;
	flush(arg);
	return 0;
}

static int
up_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct process *p = arg;
	enum channel_result result;

	(void)fd, (void)revents;
	result = read_frames(p, FRAMES_AT_ONCE);
	/* There may be more. */
	if (result == CHANNEL_FRAME && p->up_io == source)
		sd_event_source_set_io_events(source, EPOLLIN | channel_edge());
	/* The process is ending, which child_event() reports. */
	if (result == CHANNEL_CLOSED || result == CHANNEL_BROKEN)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	/* A process without a channel would run unnoticed. */
	if (result == CHANNEL_CLOSED)
		kill_within(p, EXIT_TIME);
	return 0;
}

static int
child_event(sd_event_source *source, const siginfo_t *si, void *arg)
{
	struct process_life *l = arg;
	struct process *p = l->process;

	(void)source;
	if (p != NULL) {
		/*
		 * Reads its last frames; a descendant may still have its
		 * channel.
		 */
		read_frames(p, LAST_FRAMES);
		process_say_end(p, si);
		release(p);
	}
	life_free(l);
	if (p != NULL)
		p->ops->ended(p,
		    si->si_code == CLD_EXITED ? si->si_status : -1);
	return 0;
}

/* Returns false without CAP_KILL. */
static bool
life_kill(struct process_life *l)
{
	if (!l->killed)
		l->killed = kill(l->pid, SIGKILL) == 0;
	return l->killed;
}

static void
life_say_lingers(const struct process_life *l)
{
	log_about(LOG_LEVEL_ERROR, l->name[0] == '\0' ? NULL : &l->about,
	    "%s (pid %d) did not exit after SIGKILL, abandoned", l->program,
	    l->pid);
}

/* After the end of the loop, process_finish() does this. */
static void
life_step(void *arg)
{
	struct process_life *l = arg;
	struct process *p = l->process;
	bool killed = l->killed;

	/* One that could not be watched. */
	if (l->child == NULL && waitpid(l->pid, NULL, WNOHANG) == l->pid) {
		life_free(l);
		return;
	}
	if (!life_kill(l) || (p == NULL && killed)) {
		life_say_lingers(l);
		return;
	}
	timer_after(&l->timer, LINGERS_TIME);
	if (p != NULL) {
		release(p);
		p->ops->ended(p, -1);
	}
}

static void
kill_within(struct process *p, uint64_t grace)
{
	p->condemned = true;
	if (p->pid == 0)
		return;
	unwatch(p);
	/* Its unread frames stay unread, and would wake the loop again. */
	sd_event_source_set_enabled(p->up_io, SD_EVENT_OFF);
	if (p->life->killed)
		return;
	if (life_kill(p->life)) {
		timer_after(&p->life->timer, grace);
		return;
	}
	/* Without CAP_KILL: it exits when its channel is closed. */
	shutdown(p->channel, SHUT_RDWR);
}

void
process_kill(struct process *p)
{
	kill_within(p, GRACE);
}

void
process_hang_up(struct process *p)
{
	if (p->pid != 0)
		shutdown(p->channel, SHUT_RDWR);
}

void
process_stop(struct process *p, uint64_t deadline)
{
	struct process_life *l = p->life;
	uint64_t now = clock_now();

	flap_end(&p->ends);
	if (p->pid == 0)
		return;
	process_hang_up(p);
	release(p);
	if (deadline <= now || l->killed) {
		life_kill(l);
		timer_after(&l->timer, LINGERS_TIME);
	} else
		timer_at(&l->timer, deadline);
}

/* Reaps ended processes.  Returns whether any are left. */
static bool
reap(struct process_env *env)
{
	struct process_life *l, *next;

	for (l = LIST_FIRST(&env->lives); l != NULL; l = next) {
		next = LIST_NEXT(l, entry);
		if (waitpid(l->pid, NULL, WNOHANG) != 0)
			life_free(l);
	}
	return !LIST_EMPTY(&env->lives);
}

void
process_finish(struct process_env *env, uint64_t deadline)
{
	struct process_life *l;

	while (reap(env) && clock_now() < deadline)
		usleep(1000);
	for (l = LIST_FIRST(&env->lives); l != NULL; l = LIST_NEXT(l, entry))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		life_kill(l);
	deadline = clock_now() + DYING_TIME;
	while (reap(env) && clock_now() < deadline)
		usleep(1000);
	for (l = LIST_FIRST(&env->lives); l != NULL; l = LIST_NEXT(l, entry))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		life_say_lingers(l);
	timer_free(&env->tick);
}

void
process_expect(struct process *p)
{
	struct process_env *env = p->env;

	if (p->pid == 0 || p->condemned)
		return;
	p->expected = true;
	if (p->watched)
		return;
	p->watched = true;
	if (LIST_EMPTY(&env->watched)) {
		env->ticked = clock_now();
		if (env->tick.event == NULL)
			timer_init(&env->tick, env->event, tick_over, env);
		timer_after(&env->tick, TICK);
	}
	LIST_INSERT_HEAD(&env->watched, p, watch_entry);
}

static void
ping(struct process *p)
{
	struct frame f;

	p->expected = false;
	p->pinged = true;
	p->silent = 0;
	frame_init(&f, PROTO_PING, 0, 0);
	process_send(p, &f);
}

/* Returns -1 if no PING is pending. */
static int
pong(struct process *p)
{
	if (!p->pinged)
		return -1;
	p->pinged = false;
	if (!p->expected)
		unwatch(p);
	return 0;
}

/*
 * Whether a process is running, runnable, or stopped by a debugger, that is,
 * not blocked.  True if that is unknown.
 */
static bool
is_runnable(pid_t pid)
{
	char path[32], text[512], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return true;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	state = strrchr(text, ')');
	return state == NULL || strncmp(state, ") R", 3) == 0 ||
	    strncmp(state, ") t", 3) == 0;
}

/* Kills a process without an answer, unless the answer has arrived by now. */
static void
judge(struct process *p)
{
	read_frames(p, LAST_FRAMES);
	if (!p->pinged || p->silent < SILENT_TICKS ||
	    (p->silent < STARVED_TICKS && is_runnable(p->pid)))
		return;
	process_say_hung(p);
	p->hung = true;
	process_kill(p);
}

/* The first process not yet checked at this tick. */
static struct process *
first_silent(struct process_env *env)
{
	struct process *p;

	for (p = LIST_FIRST(&env->watched); p != NULL;
	     p = LIST_NEXT(p, watch_entry))
		if (p->silent >= SILENT_TICKS && p->judged != env->ticked)
			break;
	return p;
}

static void
tick_over(void *arg)
{
	struct process_env *env = arg;
	struct process *p, *next;
	uint64_t now = clock_now();
	bool late = now - env->ticked > LATE_TICKS * TICK;

	env->ticked = now;
	for (p = LIST_FIRST(&env->watched); p != NULL; p = next) {
		next = LIST_NEXT(p, watch_entry);
		if (!p->pinged)
			ping(p);
		else
			p->silent = late ? 0 : p->silent + 1;
	}
	/* Handling frames can end any process. */
	while ((p = first_silent(env)) != NULL) {
		p->judged = now;
		judge(p);
	}
	if (!LIST_EMPTY(&env->watched))
		timer_after(&env->tick, TICK);
}
