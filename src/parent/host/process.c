/*
 * Starts, hears and ends child processes (process.h).  Used by all that have
 * one: pools, guests and services.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <bsd/string.h>
#include <bsd/unistd.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/host/event.h"
#include "parent/host/process.h"

/* As fields name it. */
static const char *
role_name(enum proto_role role)
{
	switch (role) {
	case ROLE_ENTROPY:
		return "entropy";
	case ROLE_VHOST:
		return "vhost";
	case ROLE_EGD:
		return "egd";
	case ROLE_STATUS:
		return "status";
	default:
		return "parent";
	}
}

/* The fields of all lines about a process. */
#define PROCESS_FIELDS(p) \
	LOG_TEXT("VRNGD_PROCESS", role_name((p)->ops->role)), \
	    LOG_NUMBER("VRNGD_PID", (p)->pid)

/* A child's own line; what is not printable in it becomes a dot, there too. */
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
		log_send(&line, "%s (and %u lines suppressed)", child->text,
		    suppressed);
	else
		log_send(&line, "%s", child->text);
}

/* It is about to be killed: for a frame, or because it reads none. */
static void
process_say_broken(const struct process *p, const struct frame *f)
{
	event_log(EVENT_ALARM, p->about, LOG_FIELDS(PROCESS_FIELDS(p)),
	    "%s (pid %d) sent a frame that "
	    "it must not send (%s, %u bytes, consumer %u): killing it",
	    p->ops->program, p->pid, frame_name(f->hdr.type), f->hdr.length,
	    f->hdr.consumer);
}

static void
process_say_deaf(const struct process *p)
{
	event_log(EVENT_ALARM, p->about, LOG_FIELDS(PROCESS_FIELDS(p)),
	    "%s (pid %d) does not read its channel: killing it",
	    p->ops->program, p->pid);
}

static void
say_signal(const struct process *p, int signal)
{
	/* What seccomp forbids, it does not do of itself. */
	event_log(signal == SIGSYS ? EVENT_ALARM : EVENT_PROCESS_DIED, p->about,
	    LOG_FIELDS(PROCESS_FIELDS(p), LOG_NUMBER("VRNGD_SIGNAL", signal)),
	    "%s (pid %d) died of "
	    "signal %d (%s)",
	    p->ops->program, p->pid, signal, strsignal(signal));
}

/* It has ended, unless that is nothing to speak of. */
static void
process_say_end(const struct process *p, const siginfo_t *si)
{
	if (si->si_code == CLD_EXITED && si->si_status == 0)
		return;
	if (si->si_code != CLD_EXITED)
		say_signal(p, si->si_status);
	else if (si->si_status == 127)
		event_log(EVENT_PROCESS_MISSING, p->about,
		    LOG_FIELDS(PROCESS_FIELDS(p)),
		    "cannot run %s/%s: is "
		    "it installed and executable?",
		    p->env->libexec, p->ops->program);
	else
		event_log(EVENT_PROCESS_DIED, p->about,
		    LOG_FIELDS(PROCESS_FIELDS(p),
			LOG_NUMBER("VRNGD_STATUS", si->si_status)),
		    "%s (pid %d) exited "
		    "with status %d",
		    p->ops->program, p->pid, si->si_status);
}

/*
 * A signal meant for the daemon may reach its children as well (^C, a service
 * manager): the parent ends them, in order.
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

/*
 * In the new process: leaves it nothing but its ends of the channel, and
 * standard streams that lead nowhere, and becomes its program.
 */
static _Noreturn void
process_exec(const struct process *p, int channel, int up)
{
	char path[1024];
	const char *name = p->about != NULL ? p->about->name : NULL;
	char *argv[] = { path, (char *)(uintptr_t)name, NULL };
	char *envp[] = { NULL };
	int null;

	/* Out of the way of the descriptors that are set next. */
	channel = fcntl(channel, F_DUPFD, CHANNEL_UP_FD + 1);
	up = fcntl(up, F_DUPFD, CHANNEL_UP_FD + 1);
	null = open("/dev/null", O_RDWR);
	if (channel == -1 || up == -1 || null == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1)
		_exit(127);
#ifndef VRNGD_SANITIZE /* whose reports go there */
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

/* So many frames of one child, then the others' turn comes. */
#define FRAMES_AT_ONCE 16
#define LAST_FRAMES    1024		 /* of a child that has ended */
#define DYING_TIME     (500 * NS_PER_MS) /* from SIGKILL to its end */

static int channel_event(sd_event_source *, int, uint32_t, void *);
static int up_event(sd_event_source *, int, uint32_t, void *);
static int child_event(sd_event_source *, const siginfo_t *, void *);

/* A number that no process has, next after the last.  Returns 0 if none. */
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

static int
watch(struct process *p)
{
	int r;

	r = sd_event_add_io(p->env->event, &p->up_io, p->up, EPOLLIN, up_event,
	    p);
	if (r >= 0)
		r = sd_event_add_io(p->env->event, &p->io, p->channel, EPOLLOUT,
		    channel_event, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->io, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_child(p->env->event, &p->child, p->pid,
		    WEXITED, child_event, p);
	errno = -r;
	return r < 0 ? -1 : 0;
}

static void
close_fds(struct frame *f)
{
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		if (f->fds[i] != -1)
			close(f->fds[i]);
}

/* Forgets all of a process, but its number. */
static void
release(struct process *p)
{
	struct out_frame *out;

	while ((out = TAILQ_FIRST(&p->out)) != NULL) {
		TAILQ_REMOVE(&p->out, out, entry);
		close_fds(&out->frame);
		free(out);
	}
	p->nout = 0;
	p->io = sd_event_source_disable_unref(p->io);
	p->up_io = sd_event_source_disable_unref(p->up_io);
	p->child = sd_event_source_disable_unref(p->child);
	if (p->channel != -1)
		close(p->channel);
	if (p->up != -1)
		close(p->up);
	p->channel = p->up = -1;
	p->pid = 0;
}

int
process_start(struct process *p, struct process_env *env,
    const struct process_ops *ops, const struct log_subject *about,
    struct log_limit *limit, void *arg)
{
	int fds[2] = { -1, -1 }, up[2] = { -1, -1 };

	*p = (struct process){
		.env = env,
		.ops = ops,
		.arg = arg,
		.about = about,
		.log_limit = limit,
		.channel = -1,
		.up = -1,
	};
	TAILQ_INIT(&p->out);
	if ((p->number = number_take(env)) == 0) {
		log_error("cannot start %s: all %d uids are in use",
		    ops->program, UID_COUNT - 1);
		return -1;
	}
	if (channel_pair(fds) == -1)
		goto fail;
	p->channel = fds[0];
	if (channel_up_pair(up) == -1)
		goto fail;
	p->up = up[0];
	if (send_hello(p) == -1)
		goto fail;
	if ((p->pid = fork()) == 0)
		process_exec(p, fds[1], up[1]);
	if (p->pid == -1)
		goto fail;
	close(fds[1]);
	close(up[1]);
	if (watch(p) == -1) {
		log_error("cannot watch %s: %s", ops->program, strerror(errno));
		process_stop(p, clock_now());
		return -1;
	}
	return 0;
fail:
	log_error("cannot start %s: %s", ops->program, strerror(errno));
	if (fds[1] != -1)
		close(fds[1]);
	if (up[1] != -1)
		close(up[1]);
	release(p);
	number_return(env, p->number);
	return -1;
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
	/* If it has died child_event() is about to say so. */
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
		close_fds(f);
		return;
	}
	if (p->nout == p->ops->out_max) {
		process_say_deaf(p);
		close_fds(f);
		process_kill(p);
		return;
	}
	out = malloc(sizeof(*out));
	if (out == NULL)
		log_fatal("no memory for a frame");
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
	close_fds(&out->frame);
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
		close_fds(&out->frame);
		free(out);
	}
	if (!p->blocked && p->ops->writable != NULL)
		p->ops->writable(p);
}

/*
 * Reads up to `most` frames.  Returns what the last read came to.
 */
static enum channel_result
read_frames(struct process *p, unsigned int most)
{
	struct frame f;
	enum channel_result result = CHANNEL_FRAME;

	while (most-- > 0 && !p->condemned) {
		result = channel_hear(p->up, &f, p->ops->role);
		if (result == CHANNEL_FRAME && f.hdr.type == PROTO_LOG)
			process_say_line(p, &f.u.log);
		else if (result == CHANNEL_FRAME && p->ops->frame(p, &f) == -1)
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
	(void)source;
	(void)fd;
	(void)revents;
	flush(arg);
	return 0;
}

static int
up_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct process *p = arg;
	enum channel_result result;

	(void)fd;
	(void)revents;
	result = read_frames(p, FRAMES_AT_ONCE);
	/* What follows is its end, which child_event() reports. */
	if (result == CHANNEL_CLOSED || result == CHANNEL_BROKEN)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	/* Nobody would ever hear of one that goes on without it. */
	if (result == CHANNEL_CLOSED)
		process_kill(p);
	return 0;
}

static int
child_event(sd_event_source *source, const siginfo_t *si, void *arg)
{
	struct process *p = arg;

	(void)source;
	/* Its last words; somebody else may have its channel and go on. */
	read_frames(p, LAST_FRAMES);
	process_say_end(p, si);
	release(p);
	number_return(p->env, p->number);
	p->ops->ended(p, si->si_code == CLD_EXITED ? si->si_status : -1);
	return 0;
}

void
process_kill(struct process *p)
{
	p->condemned = true;
	if (p->pid == 0 || kill(p->pid, SIGKILL) == 0)
		return;
	/* Without CAP_KILL: it ends itself when its channel does. */
	sd_event_source_set_enabled(p->up_io, SD_EVENT_OFF);
	shutdown(p->channel, SHUT_RDWR);
}

void
process_hang_up(struct process *p)
{
	if (p->pid != 0)
		shutdown(p->channel, SHUT_RDWR);
}

/*
 * Waits for the end, and from the deadline on makes it.  Returns false if it is
 * not to be had: without CAP_KILL, or of one that waits for what is no matter of
 * ours, such as a file system in a user's hands.
 */
static bool
reap(const struct process *p, uint64_t deadline)
{
	bool killed = false;

	while (waitpid(p->pid, NULL, WNOHANG) == 0) {
		if (killed && clock_now() >= deadline)
			return false;
		if (!killed && clock_now() >= deadline) {
			if (kill(p->pid, SIGKILL) == -1)
				return false;
			killed = true;
			deadline = clock_now() + DYING_TIME;
		}
		usleep(1000);
	}
	return true;
}

void
process_stop(struct process *p, uint64_t deadline)
{
	pid_t pid = p->pid;

	if (pid == 0)
		return;
	p->io = sd_event_source_disable_unref(p->io);
	p->up_io = sd_event_source_disable_unref(p->up_io);
	p->child = sd_event_source_disable_unref(p->child);
	process_hang_up(p);
	if (reap(p, deadline)) {
		release(p);
		number_return(p->env, p->number);
		return;
	}
	/* Its uid stays taken. */
	release(p);
	log_about(LOG_LEVEL_ERROR, p->about,
	    "%s (pid %d) does not end: it is left alone", p->ops->program, pid);
}
