#include <ctype.h>
#include <string.h>

#include "common/clock.h"
#include "parent/host/event.h"
#include "parent/host/process_say.h"

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
	default:
		return "parent";
	}
}

/* The fields of all lines about a process. */
#define PROCESS_FIELDS(p) \
	LOG_TEXT("VRNGD_PROCESS", role_name((p)->ops->role)), \
	    LOG_NUMBER("VRNGD_PID", (p)->pid)

void
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

void
process_say_broken(const struct process *p, const struct frame *f)
{
	event_log(EVENT_ALARM, p->about, LOG_FIELDS(PROCESS_FIELDS(p)),
	    "%s (pid %d) sent a frame that "
	    "it must not send (%s, %u bytes, consumer %u): killing it",
	    p->ops->program, p->pid, frame_name(f->hdr.type), f->hdr.length,
	    f->hdr.consumer);
}

void
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

void
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
