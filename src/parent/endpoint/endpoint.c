/*
 * The common part of guests' sockets and services: listener, worker and
 * consumer.  Used by vhost.c and service.c, which implement endpoint_ops, and
 * by the rooms above to stop them.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/endpoint/endpoint.h"
#include "parent/host/event.h"

#define ACCEPT_RATE  4	/* accepted connections per second, */
#define ACCEPT_BURST 16 /* and at once, for each client */

static struct endpoint *
endpoint_of(struct consumer *c)
{
	return c->arg;
}

const char *
endpoint_state_text(enum endpoint_state state)
{
	static const char *const names[] = {
		[ENDPOINT_IDLE] = "idle",
		[ENDPOINT_PAUSED] = "paused",
		[ENDPOINT_CONNECTING] = "connecting",
		[ENDPOINT_CONNECTED] = "connected",
		[ENDPOINT_WAITING] = "waiting",
	};

	return names[state];
}

bool
endpoint_may_log(struct endpoint *e)
{
	uint32_t suppressed;

	if (!log_limit_pass(&e->active->limit, clock_now(), &suppressed))
		return false;
	if (suppressed > 0)
		log_about(LOG_LEVEL_INFO, e->subject,
		    "%u lines about connections suppressed", suppressed);
	return true;
}

/* A worker without a byte channel receives no grants. */
static void
rewire(struct consumer *c, int fd)
{
	struct endpoint *e = endpoint_of(c);

	if (fd == -1)
		process_kill(&e->active->worker);
	else
		endpoint_send_fd(e, PROTO_BYTES, fd);
}

static void
ask(struct consumer *c)
{
	struct endpoint *e = endpoint_of(c);
	struct frame f;

	frame_init(&f, PROTO_WANT_ASK, e->active->worker.number,
	    e->pool->generation);
	process_send(&e->active->worker, &f);
}

/* A client can block the worker, and so its other clients. */
static void
granted(struct consumer *c)
{
	process_expect(&endpoint_of(c)->active->worker);
}

static const struct consumer_ops own_ops = {
	.rewire = rewire,
	.ask = ask,
};

static const struct consumer_ops shared_ops = {
	.rewire = rewire,
	.ask = ask,
	.granted = granted,
};

static void
pause_over(void *arg)
{
	struct endpoint *e = arg;

	e->ops->proceed(e);
}

void
endpoint_init(struct endpoint *e, const struct endpoint_ops *ops,
    const struct log_subject *subject, struct process_env *env,
    struct store *store, struct pool *pool)
{
	*e = (struct endpoint){
		.ops = ops,
		.subject = subject,
		.env = env,
		.store = store,
		.pool = pool,
		.created = clock_now(),
	};
}

struct endpoint_active *
endpoint_activate(struct endpoint *e)
{
	struct endpoint_active *a = e->active;

	if (a != NULL)
		return a;
	if ((a = e->active = calloc(1, sizeof(*a))) == NULL)
		log_fatal("out of memory for a connection");
	timer_init(&a->timer, e->env->event, pause_over, e);
	consumer_activate(&e->consumer, &a->flow);
	counted_init(&a->counted, e->ops->worker.role, &e->consumer);
	a->counted.since = e->created;
	log_limit_init(&a->limit, clock_now());
	log_limit_init(&a->worker_limit, clock_now());
	return a;
}

bool
endpoint_running(const struct endpoint *e)
{
	return e->active != NULL && process_running(&e->active->worker);
}

struct counters
endpoint_counters(struct endpoint *e)
{
	if (e->active == NULL)
		return (struct counters){ 0 };
	return counted_total(&e->active->counted);
}

uint64_t
endpoint_counting(const struct endpoint *e)
{
	return e->active == NULL ? e->created : e->active->counted.since;
}

void
endpoint_join(struct endpoint *e, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	consumer_init(e->pool, &e->consumer, parent, share, delivery,
	    e->ops->worker.role == ROLE_EGD ? &shared_ops : &own_ops, e);
	e->consumer.about = e->subject;
}

int
endpoint_listen(struct endpoint *e, struct place *p)
{
	if (e->place == p)
		return 0;
	endpoint_unlisten(e);
	if (p->owner != NULL)
		endpoint_unlisten(p->owner);
	if (!e->shared && endpoint_paused(e))
		p->suspended = true;
	else if (listeners_watch(p, true) == -1) {
		log_about(LOG_LEVEL_ERROR, e->subject, "cannot listen: %s",
		    strerror(errno));
		return -1;
	}
	p->owner = e;
	e->place = p;
	return 0;
}

void
endpoint_incoming(struct endpoint *e)
{
	endpoint_activate(e);
	e->ops->incoming(e);
}

int
endpoint_bind_again(struct listeners *ls)
{
	struct place *p;
	int r = 0, done;

	RB_FOREACH(p, places, &ls->places) {
		if (p->origin == PLACE_ADDED && p->owner == NULL)
			continue;
		done = listeners_bind_again(ls, p);
		if (done == 1 && p->owner != NULL &&
		    p->owner->ops->worker.role == ROLE_EGD)
			(void)listen(p->listener.fd, SOMAXCONN);
		r = done == -1 ? -1 : r;
	}
	return r;
}

void
endpoint_unlisten(struct endpoint *e)
{
	if (e->place == NULL)
		return;
	endpoint_suspend(e);
	e->place->suspended = false;
	e->place->owner = NULL;
	e->place = NULL;
}

int
endpoint_accept(struct endpoint *e)
{
	int conn = accept4(e->place->listener.fd, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (conn != -1 || errno == EAGAIN || errno == ECONNABORTED ||
	    errno == EINTR)
		return conn;
	if (endpoint_may_log(e))
		log_about(LOG_LEVEL_ERROR, e->subject,
		    "cannot accept a connection: %s", strerror(errno));
	endpoint_pause(e, ACCEPT_PAUSE);
	return -1;
}

void
accepts_init(struct accepts *a, uint32_t clients)
{
	a->updated = clock_now();
	bucket_init(&a->bucket, (struct bucket_rate){ 0, NS_PER_SEC },
	    clients * ACCEPT_BURST);
}

bool
accepts_pass(struct accepts *a, uint32_t clients)
{
	uint64_t now = clock_now();

	a->bucket.rate.bytes = clients * ACCEPT_RATE;
	bucket_refill(&a->bucket, now - a->updated, clients * ACCEPT_BURST);
	a->updated = now;
	if (bucket_wait(&a->bucket, 1) != 0)
		return false;
	a->bucket.tokens--;
	return true;
}

bool
endpoint_listening(const struct endpoint *e)
{
	return e->place != NULL && !e->place->suspended;
}

bool
endpoint_paused(const struct endpoint *e)
{
	return e->active != NULL && clock_now() < e->active->paused;
}

void
endpoint_suspend(struct endpoint *e)
{
	if (endpoint_listening(e))
		(void)listeners_watch(e->place, false);
}

void
endpoint_relisten(struct endpoint *e)
{
	if (e->place != NULL && e->place->suspended)
		(void)listeners_watch(e->place, true);
}

void
endpoint_proceed(struct endpoint *e)
{
	timer_stop(&e->active->timer);
	e->active->paused = 0;
	endpoint_relisten(e);
}

void
endpoint_pause(struct endpoint *e, uint64_t ns)
{
	if (!e->shared)
		endpoint_suspend(e);
	e->active->paused = clock_now() + ns;
	timer_after(&e->active->timer, ns);
}

void
endpoint_begin(struct endpoint *e)
{
	e->active->since = clock_now();
	e->active->died = 0;
	deaths_init(&e->active->deaths, e->active->since);
}

void
endpoint_serve(struct endpoint *e)
{
	int bytes;

	if (process_start(&e->active->worker, e->env, &e->ops->worker,
		e->subject, &e->active->worker_limit, e) == -1) {
		endpoint_pause(e, ACCEPT_PAUSE);
		return;
	}
	bytes = consumer_join(e->pool, &e->consumer, e->active->worker.number);
	if (bytes != -1 &&
	    page_give(&e->active->counted.page, &e->active->worker) == -1) {
		close(bytes);
		bytes = -1;
	}
	if (bytes == -1 || e->ops->serve(e, bytes) == -1)
		process_kill(&e->active->worker);
}

struct counters
endpoint_resume(struct endpoint *e, int page)
{
	if (counted_resume(&endpoint_activate(e)->counted, page) == -1)
		log_about(LOG_LEVEL_ERROR, e->subject,
		    "cannot create memory for counters: %s", strerror(errno));
	endpoint_begin(e);
	endpoint_serve(e);
	event_log(EVENT_RESUMED, e->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WORKER_PID", e->active->worker.pid)),
	    "session resumed: worker is pid %d", e->active->worker.pid);
	return e->active->counted.counters;
}

void
endpoint_set_limits(const struct endpoint *e, struct proto_limits *limits)
{
	const struct alloc_node *leaf = &e->consumer.leaf;

	limits->window = alloc_window(leaf, e->pool->setup.spec.stock);
	limits->request_min = alloc_request_min(leaf);
	limits->request_max = alloc_request_max(leaf);
	if (e->ops->limits != NULL)
		e->ops->limits(e, limits);
}

void
endpoint_limit(struct endpoint *e)
{
	struct frame f;

	if (!endpoint_running(e))
		return;
	frame_init(&f, PROTO_LIMITS, e->active->worker.number,
	    e->pool->generation);
	endpoint_set_limits(e, &f.u.limits);
	process_send(&e->active->worker, &f);
}

void
endpoint_send_fd(struct endpoint *e, enum proto_type type, int fd)
{
	struct frame f;

	frame_init(&f, type, e->active->worker.number, e->pool->generation);
	f.fds[0] = fd;
	process_send(&e->active->worker, &f);
}

int
endpoint_frame(struct process *p, struct frame *f)
{
	struct endpoint *e = p->arg;

	switch (f->hdr.type) {
	case PROTO_READY:
		return 0;
	case PROTO_WANT:
		return consumer_want(e->pool, &e->consumer, f);
	default:
		return e->ops->frame(e, f);
	}
}

/* Starts another worker for the session. */
static void
replace_worker(struct endpoint *e)
{
	endpoint_serve(e);
	if (!endpoint_running(e) || !endpoint_may_log(e))
		return;
	event_log(EVENT_WORKER_RESTARTED, e->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WORKER_PID", e->active->worker.pid),
		LOG_NUMBER("VRNGD_DEATHS", e->active->died)),
	    "session resumed by worker pid %d", e->active->worker.pid);
}

static void
close_session(struct endpoint *e, const char *why)
{
	e->ops->end(e, why,
	    backoff_failed(&e->active->backoff, clock_now(), 0, 1));
}

void
endpoint_ended(struct process *p, int status)
{
	struct endpoint *e = p->arg;

	consumer_leave(e->pool, &e->consumer);
	e->active->died += status != 0;
	if (status == 0)
		e->ops->end(e, NULL, 0);
	else if (status == EXIT_SESSION_LOST)
		close_session(e, "cannot resume session");
	else if (!deaths_free(&e->active->deaths, clock_now()))
		close_session(e, "workers die repeatedly");
	else
		replace_worker(e);
}

void
endpoint_hang_up(struct endpoint *e)
{
	if (e->active != NULL)
		process_hang_up(&e->active->worker);
}

void
endpoint_stop(struct endpoint *e, uint64_t deadline)
{
	struct endpoint_active *a = e->active;

	if (a != NULL) {
		process_stop(&a->worker, deadline);
		consumer_leave(e->pool, &e->consumer);
		counted_end(&a->counted);
		timer_free(&a->timer);
	}
	consumer_remove(e->pool, &e->consumer);
	endpoint_unlisten(e);
}

void
endpoint_free(struct endpoint *e)
{
	free(e->active);
	e->active = NULL;
}
