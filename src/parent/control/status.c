/*
 * Supervises the status process and answers its queries.  Used by main.c.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd_passing.h"
#include "parent/control/status.h"
#include "parent/host/deferred_close.h"
#include "parent/host/event.h"

#define INTERVAL (NS_PER_SEC / STATUS_RATE)

static int status_frame(struct process *, struct frame *);
static void status_ended(struct process *, int);

static const struct process_ops status_ops = {
	.role = ROLE_STATUS,
	.program = "vrngd-status",
	.out_max = 8, /* it sends one query at a time */
	.frame = status_frame,
	.ended = status_ended,
};

static void
start_again(struct status *st, uint64_t now)
{
	if (!deaths_free(&st->deaths, now))
		now += backoff_failed(&st->backoff, now, 0, 1);
	timer_at(&st->retry, now);
}

void
status_start(struct status *st)
{
	struct frame f;

	if (st->listener.fd == -1)
		return;
	if (process_start(&st->process, st->env, &status_ops, NULL, &st->limit,
		st) == -1) {
		start_again(st, clock_now());
		return;
	}
	frame_init(&f, PROTO_SOCKET, 0, 0);
	f.u.socket.kind = SOCKET_LISTENING;
	if ((f.fds[0] = fcntl(st->listener.fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		log_error("status: cannot pass the socket on: %s",
		    strerror(errno));
		process_kill(&st->process);
		return;
	}
	process_send(&st->process, &f);
}

static void
retry(void *arg)
{
	status_start(arg);
}

/* Drops a status that is being written. */
static void
stop_writing(struct status *st)
{
	if (st->fd != -1)
		close(st->fd);
	st->fd = -1;
	timer_stop(&st->writer);
}

static void
status_ended(struct process *p, int code)
{
	struct status *st = p->arg;

	(void)code;
	stop_writing(st);
	monitor_stop(&st->monitor);
	st->asked = false;
	start_again(st, clock_now());
}

/* The earliest time of the next status, by a token bucket. */
static uint64_t
earliest(struct status *st, uint64_t now)
{
	const uint64_t ahead = (STATUS_BURST - 1) * INTERVAL;

	if (st->next_write < now)
		st->next_write = now;
	return st->next_write > now + ahead ? st->next_write - ahead : now;
}

static int
status_frame(struct process *p, struct frame *f)
{
	struct status *st = p->arg;

	if (f->hdr.type == PROTO_READY)
		return 0;
	if (f->hdr.type == PROTO_EVENTS_ASK) {
		monitor_ask(&st->monitor, &f->u.events_ask);
		return 0;
	}
	if (f->hdr.type != PROTO_STATUS_ASK || st->asked)
		return -1;
	st->asked = true;
	timer_at(&st->writer, earliest(st, clock_now()));
	return 0;
}

/* An empty file has no memory and no size yet. */
static void
begin(struct status *st)
{
	st->next_write += INTERVAL;
	st->fd = memfd_create("status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (st->fd != -1)
		status_json_start(&st->json, st->fd);
}

static void
answer(struct status *st)
{
	struct frame f;

	frame_init(&f, PROTO_STATUS, 0, 0);
	f.u.status.size = st->json.json.size;
	f.fds[0] = st->fd;
	st->fd = -1;
	st->asked = false;
	process_send(&st->process, &f);
}

/* Out of memory: the query is answered later. */
static void
give_up(struct status *st, int error)
{
	uint32_t suppressed;

	if (log_limit_pass(&st->limit, clock_now(), &suppressed))
		log_error("cannot write the status: %s", strerror(error));
	stop_writing(st);
	timer_at(&st->writer, clock_now() + NS_PER_SEC);
}

static void
write_slice(void *arg)
{
	struct status *st = arg;
	uint64_t now = clock_now();
	bool done;

	if (st->fd == -1)
		begin(st);
	if (st->fd == -1) {
		give_up(st, errno);
		return;
	}
	done = status_json_write(&st->json, now + STATUS_SLICE);
	if (st->json.json.error != 0)
		give_up(st, st->json.json.error);
	else if (!done)
		timer_at(&st->writer, now);
	else if (fcntl(st->fd, F_ADD_SEALS, JSON_SEALS) == -1)
		give_up(st, errno);
	else
		answer(st);
}

/* Clients cannot pass it descriptors. */
static void
refuse_fds(const struct status *st)
{
	if (fd_passing_refuse(st->listener.fd) == -1)
		log_warning(
		    "status socket %s: cannot disable SO_PASSRIGHTS: %s",
		    st->path, strerror(errno));
}

int
status_open(struct status *st, struct daemon *s, const char *path, gid_t group)
{
	uint64_t now = clock_now();

	*st = (struct status){
		.daemon = s,
		.env = s->env,
		.listener.fd = -1,
		.rights = {
			.owner = (uid_t)-1,
			.group = group,
			.mode = group == (gid_t)-1 ? 0600 : 0660,
		},
		.process.channel = -1,
		.fd = -1,
	};
	log_limit_init(&st->limit, now);
	deaths_init(&st->deaths, now);
	status_json_init(&st->json, s);
	timer_init(&st->retry, st->env->event, retry, st);
	timer_init(&st->writer, st->env->event, write_slice, st);
	monitor_init(&st->monitor, st->env->event, &st->process);
	if ((st->path = strdup(path)) == NULL) {
		log_error("status socket %s: %s", path, strerror(errno));
		return -1;
	}
	if (listener_open(&st->listener, st->path, SOCK_STREAM, &st->rights) ==
	    -1)
		return -1;
	refuse_fds(st);
	return 0;
}

int
status_bind_again(struct status *st)
{
	int old;

	if (listener_file(&st->listener, st->path) == LISTENER_FILE_PRESENT)
		return 0;
	old = listener_bind_again(&st->listener, SOCK_STREAM, &st->rights);
	if (old == -1)
		return -1;
	deferred_close_unstored(st->env->event, old);
	refuse_fds(st);
	/* Another process receives the new socket. */
	process_stop(&st->process, clock_now() + NS_PER_SEC);
	stop_writing(st);
	monitor_stop(&st->monitor);
	st->asked = false;
	timer_stop(&st->retry);
	status_start(st);
	return 0;
}

void
status_close(struct status *st, uint64_t deadline)
{
	if (st->listener.fd == -1)
		return;
	process_stop(&st->process, deadline);
	stop_writing(st);
	monitor_free(&st->monitor);
	timer_free(&st->retry);
	timer_free(&st->writer);
	/* Clients with descriptors may be waiting there. */
	deferred_close_unstored(st->env->event,
	    listener_release(&st->listener));
	free(st->path);
}
