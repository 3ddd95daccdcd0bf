/*
 * A service: its listener or its connecting, and when it has a worker.  Used
 * by the rooms above, and by guest.c for its EGD socket.
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/host/event.h"
#include "parent/endpoint/outlet.h"
#include "parent/endpoint/outlet_socket.h"
#include "parent/endpoint/outlet_worker.h"
#include "parent/pool/unit_hint.h"

#define DEATHS_FREE 3 /* in a row, before a pause */

static int io_event(sd_event_source *, int, uint32_t, void *);

/* Goes on from the beginning, in a while. */
static void
again_after(struct outlet *o, uint64_t ns)
{
	sd_event_source_set_time_relative(o->timer, ns / 1000);
	sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
}

/* Connecting has failed: said once, as long as it is for the same reason. */
static void
connect_failed(struct outlet *o, int error)
{
	char text[CONFIG_WHERE_SIZE];

	if (error != o->failure && outlet_may_log(o))
		event_log(EVENT_UNREACHABLE, o->subject,
		    LOG_FIELDS(LOG_NUMBER("VRNGD_ERRNO", error)),
		    "cannot connect to %s: %s%s: trying again",
		    config_outlet_text(&o->config, text, sizeof(text)),
		    strerror(error),
		    o->config.transport == CONFIG_UNIX
			? ""
			: unit_hint_network(error));
	o->failure = error;
	again_after(o, backoff_failed(&o->backoff, clock_now(), 0, 1));
}

/* Serves a connection that was made. */
static void
serve_connection(struct outlet *o, int fd)
{
	o->failure = 0;
	if (outlet_worker_start(o, fd, SOCKET_CONNECTED) == -1)
		again_after(o, backoff_failed(&o->backoff, clock_now(), 0, 1));
}

static void
connect_now(struct outlet *o)
{
	bool pending;
	int fd, r;

	if ((fd = outlet_socket_connect(&o->config, &pending)) == -1) {
		connect_failed(o, errno);
		return;
	}
	if (!pending) {
		serve_connection(o, fd);
		return;
	}
	r = sd_event_add_io(o->env->event, &o->io, fd, EPOLLOUT, io_event, o);
	if (r < 0) {
		close(fd);
		connect_failed(o, -r);
	} else
		o->pending = fd;
}

/* The connection that was on its way has been made, or not. */
static void
connect_done(struct outlet *o)
{
	int fd = o->pending, error = outlet_socket_error(fd);

	o->io = sd_event_source_disable_unref(o->io);
	o->pending = -1;
	if (error == 0) {
		serve_connection(o, fd);
		return;
	}
	close(fd);
	connect_failed(o, error);
}

/* Somebody has come: the worker accepts, and has the listener until it ends. */
static void
serve_listener(struct outlet *o)
{
	int fd = fcntl(o->listener.fd, F_DUPFD_CLOEXEC, CHANNEL_FD + 1);

	sd_event_source_set_enabled(o->io, SD_EVENT_OFF);
	if (fd != -1 &&
	    outlet_worker_start(o, fd,
		o->config.transport == CONFIG_UDP ? SOCKET_BOUND
						  : SOCKET_LISTENING) == 0)
		return;
	if (fd == -1 && outlet_may_log(o))
		log_about(LOG_LEVEL_ERROR, o->subject, "cannot listen: %s",
		    strerror(errno));
	again_after(o, backoff_failed(&o->backoff, clock_now(), 0, 1));
}

static int
io_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct outlet *o = arg;

	(void)source;
	(void)fd;
	(void)revents;
	if (o->config.connect)
		connect_done(o);
	else
		serve_listener(o);
	return 0;
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct outlet *o = arg;

	(void)source;
	(void)usec;
	if (o->config.connect)
		connect_now(o);
	else
		sd_event_source_set_enabled(o->io, SD_EVENT_ON);
	return 0;
}

void
outlet_go_on(struct outlet *o, bool clean)
{
	uint64_t pause = 0;

	if (!clean || o->config.connect)
		pause = backoff_failed(&o->backoff, clock_now(),
		    o->config.connect ? 0 : DEATHS_FREE, 1);
	if (!clean && pause > 0 && outlet_may_log(o))
		event_log(EVENT_WORKERS_DIE, o->subject,
		    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", "egd"),
			LOG_NUMBER("VRNGD_DEATHS", o->backoff.failures),
			LOG_NUMBER("VRNGD_PAUSE_NS", pause)),
		    "%u workers died in a row: going on in %" PRIu64 " ms",
		    o->backoff.failures, pause / NS_PER_MS);
	again_after(o, pause);
}

static char *
copy(const char *text)
{
	char *s = text == NULL ? NULL : strdup(text);

	if (s == NULL && text != NULL)
		log_fatal("no memory for an outlet");
	return s;
}

static void
init(struct outlet *o, const struct config_outlet *co, struct process_env *env,
    struct pool *pool)
{
	*o = (struct outlet){ .env = env, .pool = pool, .config = *co };
	o->config.path = copy(co->path);
	o->config.address = copy(co->address);
	o->config.pool = NULL;
	o->config.class = NULL;
	o->listener.fd = o->pending = -1;
	strlcpy(o->name, co->name, sizeof(o->name));
	log_limit_init(&o->worker_limit, clock_now());
	log_limit_init(&o->log_limit, clock_now());
}

void
outlet_init(struct outlet *o, const struct config_outlet *co,
    struct process_env *env, struct pool *pool, struct alloc_node *parent)
{
	init(o, co, env, pool);
	o->subject = &o->own_subject;
	o->own_subject = (struct log_subject){
		.kind = co->kind == CONFIG_OUTLET_EGD ? "egd" : "stream",
		.name = o->name,
		.pool = pool->name,
	};
	member_init(pool, &o->own, parent, &co->share, &co->delivery);
	o->own.about = o->subject;
	o->member = &o->own;
	tap_init(&o->tap, o->member, &outlet_tap_ops, o);
	counted_init(&o->counted, ROLE_EGD, &o->tap);
}

void
outlet_init_guest(struct outlet *o, const struct config_outlet *co,
    struct process_env *env, struct pool *pool, struct member *m,
    const struct log_subject *subject)
{
	init(o, co, env, pool);
	o->subject = subject;
	o->member = m;
	tap_init(&o->tap, m, &outlet_tap_ops, o);
	counted_init(&o->counted, ROLE_EGD, &o->tap);
}

int
outlet_start(struct outlet *o, struct listener *made)
{
	sd_event *event = o->env->event;
	int r;

	o->listener = *made;
	if (made->path != NULL)
		o->listener.path = o->config.path;
	made->fd = -1;
	r = sd_event_add_time(event, &o->timer, CLOCK_MONOTONIC, 0, 1,
	    timer_event, o);
	if (r >= 0)
		r = sd_event_source_set_enabled(o->timer, SD_EVENT_OFF);
	if (r >= 0 && !o->config.connect)
		r = sd_event_add_io(event, &o->io, o->listener.fd, EPOLLIN,
		    io_event, o);
	if (r < 0) {
		log_about(LOG_LEVEL_ERROR, o->subject, "cannot begin: %s",
		    strerror(-r));
		return -1;
	}
	if (o->config.connect)
		connect_now(o);
	return 0;
}

void
outlet_change(struct outlet *o, const struct config_outlet *co,
    struct alloc_node *parent)
{
	o->config.rights = co->rights;
	o->config.max_clients = co->max_clients;
	o->config.idle_timeout = co->idle_timeout;
	memcpy(o->config.allow, co->allow, sizeof(o->config.allow));
	o->config.nallowed = co->nallowed;
	if (o->listener.path != NULL)
		listener_protect(&o->listener, &co->rights);
	if (o->member == &o->own)
		member_change(o->pool, o->member, parent, &co->share,
		    &co->delivery);
	outlet_worker_change(o);
}

void
outlet_hang_up(struct outlet *o)
{
	process_hang_up(&o->worker);
}

void
outlet_stop(struct outlet *o, uint64_t deadline)
{
	outlet_worker_stop(o, deadline);
	if (o->member == &o->own)
		member_remove(o->pool, o->member);
	o->io = sd_event_source_disable_unref(o->io);
	o->timer = sd_event_source_disable_unref(o->timer);
	if (o->pending != -1)
		close(o->pending);
	listener_close(&o->listener);
	free(o->config.path);
	free(o->config.address);
}
