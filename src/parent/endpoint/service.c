/*
 * A service: listening or connecting, and the worker that serves its clients.
 * Used by the rooms above, and by guest.c for a guest's EGD socket.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/min.h"
#include "parent/endpoint/service.h"
#include "parent/endpoint/service_socket.h"
#include "parent/host/deferred_close.h"
#include "parent/host/event.h"
#include "parent/pool/unit_hint.h"

#define KERNEL_WRITES "/dev/urandom"
#define LIFE_MIN      (1 * NS_PER_SEC) /* minimum life of a successful worker */
#define ENDS_FREE     3	  /* shorter ones in a row, without pause */
#define OUT_MAX	      128 /* unread frames to a worker */
#define ACCEPT_MOST   64  /* of max-clients, for the rate of connections */
#define ACCEPT_WAIT   (20 * NS_PER_MS) /* pause beyond that */

/*
 * The minimum window of an EGD service for any burst: one command 01 is
 * answered from it.
 */
#define EGD_WINDOW_MIN 255

static struct service *
service_of(struct endpoint *e)
{
	return (struct service *)e; /* its first member */
}

static enum proto_protocol
protocol_of(const struct config_service *cs)
{
	if (cs->kind == CONFIG_SERVICE_EGD)
		return SERVE_EGD;
	return cs->socket.transport == CONFIG_UDP ? SERVE_DATAGRAM
						  : SERVE_STREAM;
}

/* Sends the worker its configuration and allowed networks. */
static void
send_serve(struct service *s)
{
	const struct config_service *cs = &s->config;
	struct process *worker = &s->endpoint.active->worker;
	struct frame f;

	frame_init(&f, PROTO_SERVE, worker->number, 0);
	f.u.serve.protocol = protocol_of(cs);
	f.u.serve.max_clients = cs->max_clients;
	f.u.serve.idle_timeout = cs->idle_timeout;
	f.u.serve.nallowed = cs->nallowed;
	f.u.serve.connects = cs->connect;
	f.u.serve.addressed =
	    cs->socket.transport == CONFIG_UDP && !cs->connect;
	process_send(worker, &f);
	for (uint32_t i = 0; i < cs->nallowed; i++) {
		frame_init(&f, PROTO_ALLOW, worker->number, 0);
		f.u.network = cs->allow[i];
		process_send(worker, &f);
	}
}

/* Sets the target of clients' writes: none, unless the pool accepts them. */
static void
send_writes(struct service *s)
{
	const char *path = s->accept_writes ? KERNEL_WRITES : "/dev/null";
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd == -1)
		log_about(LOG_LEVEL_WARNING, s->endpoint.subject,
		    "cannot open %s for what clients write: %s", path,
		    strerror(errno));
	else
		endpoint_send_fd(&s->endpoint, PROTO_WRITES, fd);
}

/* Whether it sends and receives datagrams: its clients have no connections. */
static bool
is_datagram(const struct service *s)
{
	return s->config.socket.transport == CONFIG_UDP;
}

/* A session lasts from the first client to the end of its last worker. */
static bool
in_session(const struct service *s)
{
	return s->endpoint.active->counted.page.fd != -1;
}

/* The name of its connections in systemd's store, which is never used again. */
static const char *
stored_name(const struct service *s, char name[FDNAME_SIZE])
{
	char prefix[SERVICE_PREFIX_SIZE];

	snprintf(name, FDNAME_SIZE, "%s%" PRIu64,
	    service_stored_prefix(s, prefix), s->clients.serial);
	return name;
}

const char *
service_stored_prefix(const struct service *s, char prefix[SERVICE_PREFIX_SIZE])
{
	snprintf(prefix, SERVICE_PREFIX_SIZE, FDNAME_CLIENTS "%s+%s+",
	    s->endpoint.subject->kind, s->name);
	return prefix;
}

static void
store_clients(struct service *s)
{
	char name[FDNAME_SIZE];

	store_put(s->endpoint.store, stored_name(s, name), s->clients.deposit);
}

/* Closes the connections of all clients. */
static void
forget_clients(struct service *s)
{
	char name[FDNAME_SIZE];

	if (s->clients.deposit == -1)
		return;
	store_remove(s->endpoint.store, stored_name(s, name));
	deferred_close(s->endpoint.env->event, clients_end(&s->clients));
}

/* Removes closed connections from the deposit and from systemd's store. */
static int
renew_clients(struct service *s)
{
	struct endpoint *e = &s->endpoint;
	char name[FDNAME_SIZE];
	int old;

	stored_name(s, name);
	if ((old = clients_renew(&s->clients, e->active->counted.page.fd)) ==
	    -1)
		return -1;
	/* In this order, if there is room: one of them is always stored. */
	if (e->store->n >= e->store->max)
		store_remove(e->store, name);
	store_clients(s);
	store_remove(e->store, name);
	deferred_close(e->env->event, old);
	return 0;
}

/* Begins a session.  Returns 0, or -1 after logging the error. */
static int
begin(struct service *s)
{
	struct endpoint *e = &s->endpoint;

	if (counted_begin(&e->active->counted) == -1 ||
	    (!is_datagram(s) &&
		clients_begin(&s->clients, e->active->counted.page.fd) == -1)) {
		if (endpoint_may_log(e))
			log_about(LOG_LEVEL_ERROR, e->subject,
			    "cannot create memory for clients: %s",
			    strerror(errno));
		counted_end(&e->active->counted);
		return -1;
	}
	if (!is_datagram(s))
		store_clients(s);
	endpoint_begin(e);
	return 0;
}

static void
send_socket(struct service *s, int fd)
{
	struct process *worker = &s->endpoint.active->worker;
	struct frame f;

	frame_init(&f, PROTO_SOCKET, worker->number, 0);
	f.u.socket.kind = s->config.connect ? SOCKET_CONNECTED : SOCKET_BOUND;
	f.fds[0] = fd;
	process_send(worker, &f);
}

/* Sends a datagram service's socket, or the connections of all clients. */
static int
send_clients(struct service *s)
{
	struct process *worker = &s->endpoint.active->worker;
	struct frame f;
	int fd;

	if (is_datagram(s)) {
		fd = fcntl(s->config.connect ? s->conn
					     : s->endpoint.place->listener.fd,
		    F_DUPFD_CLOEXEC, CHANNEL_UP_FD + 1);
		if (fd != -1)
			send_socket(s, fd);
		return fd == -1 ? -1 : 0;
	}
	frame_init(&f, PROTO_CLIENTS, worker->number, 0);
	f.fds[0] = fcntl(s->clients.state, F_DUPFD_CLOEXEC, CHANNEL_UP_FD + 1);
	if (f.fds[0] == -1)
		return -1;
	if ((f.fds[1] = clients_copy(&s->clients)) == -1) {
		close(f.fds[0]);
		return -1;
	}
	process_send(worker, &f);
	return 0;
}

static int
serve(struct endpoint *e, int bytes)
{
	struct service *s = service_of(e);

	send_serve(s);
	endpoint_limit(e);
	endpoint_send_fd(e, PROTO_BYTES, bytes);
	if (s->accept_writes)
		send_writes(s);
	return send_clients(s);
}

/* Adds a client by its connection, which is closed here. */
static void
add_client(struct service *s, int conn)
{
	struct endpoint *e = &s->endpoint;
	struct frame f;
	int place;

	if (!in_session(s) && begin(s) == -1) {
		deferred_close_unstored(e->env->event, conn);
		endpoint_pause(e, ACCEPT_PAUSE);
		return;
	}
	place = clients_add(&s->clients, conn);
	/* The deposit is full, perhaps of closed connections. */
	if (place == -1 && errno == EAGAIN && renew_clients(s) == 0)
		place = clients_add(&s->clients, conn);
	if (place == -1) {
		if (endpoint_may_log(e))
			log_about(LOG_LEVEL_ERROR, e->subject,
			    "cannot keep a connection: %s", strerror(errno));
		deferred_close_unstored(e->env->event, conn);
		endpoint_pause(e, ACCEPT_PAUSE);
	} else if (endpoint_running(e)) {
		frame_init(&f, PROTO_CLIENT, e->active->worker.number, 0);
		f.u.client.place = (uint32_t)place;
		f.fds[0] = conn;
		process_send(&e->active->worker, &f);
	} else {
		/* The deposit has another copy. */
		close(conn);
		endpoint_serve(e);
	}
}

static void
log_counters(struct service *s, bool ended)
{
	const struct log_line line = {
		.level = ended ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		.about = s->endpoint.subject,
		.id = ended ? event_type(EVENT_SERVED)->id : NULL,
	};

	counted_log(&s->endpoint.active->counted, &line,
	    ended ? "served" : "serving", s->endpoint.active->since);
}

/* Closes a pending connection, or that of datagrams. */
static void
close_conn(struct service *s)
{
	struct endpoint *e = &s->endpoint;

	if (s->conn == -1)
		return;
	s->io = sd_event_source_disable_unref(s->io);
	deferred_close_unstored(e->env->event, s->conn);
	s->conn = -1;
}

/* The pause after a worker has ended cleanly, ns. */
static uint64_t
pace(struct service *s)
{
	struct endpoint *e = &s->endpoint;
	uint64_t now = clock_now();

	/*
	 * Without clients a worker waits before it ends, unless it connected.
	 */
	if (!s->config.connect && now - e->active->since >= LIFE_MIN)
		return 0;
	return backoff_failed(&e->active->backoff, now,
	    s->config.connect ? 0 : ENDS_FREE, 1);
}

static void
end(struct endpoint *e, const char *why, uint64_t pause)
{
	struct service *s = service_of(e);

	/* Clients have connected since the worker decided to end. */
	if (why == NULL && s->clients.n > 0 &&
	    deaths_free(&e->active->deaths, clock_now())) {
		endpoint_serve(e);
		return;
	}
	log_counters(s, true);
	counted_end(&e->active->counted);
	forget_clients(s);
	close_conn(s);
	/* The pause limits these lines, not that of restarts before. */
	if (why == NULL)
		pause = pace(s);
	else
		event_log(EVENT_WORKERS_DIE, e->subject,
		    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", "egd"),
			LOG_NUMBER("VRNGD_DEATHS", e->active->died),
			LOG_NUMBER("VRNGD_PAUSE_NS", pause)),
		    "all clients closed: %s; new connections accepted in "
		    "%" PRIu64 " ms",
		    why, pause / NS_PER_MS);
	endpoint_pause(e, pause);
}

static void
limits(const struct endpoint *e, struct proto_limits *limits)
{
	const struct service *s = (const struct service *)e;

	if (s->config.kind != CONFIG_SERVICE_EGD)
		return;
	if (limits->window < EGD_WINDOW_MIN)
		limits->window = EGD_WINDOW_MIN;
	limits->poll_us = s->config.polling.us;
	limits->poll_share = s->config.polling.share;
}

/* A worker has closed a connection. */
static int
frame(struct endpoint *e, struct frame *f)
{
	struct service *s = service_of(e);

	if (f->hdr.type != PROTO_CLIENT_GONE ||
	    !clients_remove(&s->clients, f->u.client.place))
		return -1;
	if (clients_sparse(&s->clients))
		(void)renew_clients(s); /* or with the next one */
	if (s->config.connect)
		endpoint_pause(e, pace(s));
	return 0;
}

/* Connecting has failed: logged once for the same reason. */
static void
connect_failed(struct service *s, int error)
{
	struct endpoint *e = &s->endpoint;
	char text[CONFIG_WHERE_SIZE];

	if (error != s->failure && endpoint_may_log(e))
		event_log(EVENT_UNREACHABLE, e->subject,
		    LOG_FIELDS(LOG_NUMBER("VRNGD_ERRNO", error)),
		    "cannot connect to %s: %s%s; retrying",
		    config_socket_text(&s->config.socket, text, sizeof(text)),
		    strerror(error),
		    s->config.socket.transport == CONFIG_UNIX
			? ""
			: unit_hint_network(error));
	s->failure = error;
	endpoint_pause(e,
	    backoff_failed(&e->active->backoff, clock_now(), 0, 1));
}

static void
connected(struct service *s, int fd)
{
	s->failure = 0;
	if (!is_datagram(s)) {
		add_client(s, fd);
		return;
	}
	s->conn = fd;
	if (begin(s) == 0)
		endpoint_serve(&s->endpoint);
	else
		endpoint_pause(&s->endpoint, ACCEPT_PAUSE);
}

/* A pending connection was established or has failed. */
static int
connect_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct service *s = arg;
	int error = service_socket_error(fd);

	(void)source;
	(void)revents;
	s->io = sd_event_source_disable_unref(s->io);
	s->conn = -1;
	if (error == 0)
		connected(s, fd);
	else {
		close(fd);
		connect_failed(s, error);
	}
	return 0;
}

static void
connect_now(struct service *s)
{
	bool pending;
	int fd, r;

	close_conn(s);
	if ((fd = service_socket_connect(&s->config, &pending)) == -1) {
		connect_failed(s, errno);
		return;
	}
	if (!pending) {
		connected(s, fd);
		return;
	}
	r = sd_event_add_io(s->endpoint.env->event, &s->io, fd, EPOLLOUT,
	    connect_event, s);
	if (r < 0) {
		close(fd);
		connect_failed(s, -r);
	} else
		s->conn = fd;
}

/*
 * Whether another client may connect now.  Their rate is limited, since each
 * takes time of this process, which serves all pools.
 */
static bool
may_accept(struct service *s)
{
	return s->endpoint.active->worker.nout < OUT_MAX / 2 &&
	    accepts_pass(&s->accepts,
		min32(s->config.max_clients, ACCEPT_MOST));
}

static void
reject(struct service *s, int conn)
{
	/* A connection of vsock, which does not linger. */
	close(conn);
	s->endpoint.active->counted.past.turned_away++;
}

/* Adds a client of vsock, or rejects it. */
static void
hand_to(struct service *s, int conn)
{
	struct endpoint *e = &s->endpoint;

	if (!endpoint_paused(e) && may_accept(s)) {
		add_client(s, conn);
		return;
	}
	reject(s, conn);
	if (endpoint_may_log(e))
		log_about(LOG_LEVEL_WARNING, e->subject, "client rejected: %s",
		    endpoint_paused(e)
			? "its worker is restarted later"
			: "too many connections in a short time");
}

/* The service for a CID, or NULL. */
static struct service *
owner_of(struct service *s, uint32_t cid)
{
	struct vsock *guest = cids_find(s->vsock.cids, cid);

	if (guest != NULL)
		return service_of(guest->endpoint);
	return s->config.accept_unknown ? s : NULL;
}

void
service_incoming_vsock(struct service *s)
{
	struct endpoint *e = &s->endpoint;
	struct service *owner;
	uint32_t cid;
	int conn = vsock_accept(&s->vsock, &cid);

	if (conn == -1)
		return;
	if ((owner = owner_of(s, cid)) != NULL) {
		hand_to(owner, conn);
		return;
	}
	reject(s, conn);
	if (endpoint_may_log(e))
		log_about(LOG_LEVEL_WARNING, e->subject,
		    cid < CONFIG_CID_MIN
			? "client of this host rejected, CID %u: set "
			  "accept-unknown = yes"
			: "client rejected, unknown CID %u: add a guest with "
			  "this cid",
		    cid);
}

void
service_check(void *service, int conn)
{
	struct service *s = service;
	bool is_vsock = s->config.socket.transport == CONFIG_VSOCK, same;
	uint32_t cid;

	if (!vsock_peer(conn, &cid))
		/* If it has failed, the worker closes it. */
		same = !is_vsock;
	else if (s->vsock.cid != 0)
		same = s->vsock.cid == cid;
	else
		same = is_vsock && owner_of(s, cid) == s;
	if (!same)
		shutdown(conn, SHUT_RDWR);
}

/* A client connects, or sends a datagram. */
static void
incoming(struct endpoint *e)
{
	struct service *s = service_of(e);
	int conn;

	if (is_datagram(s)) {
		endpoint_suspend(e);
		if (begin(s) == 0)
			endpoint_serve(e);
		else
			endpoint_pause(e, ACCEPT_PAUSE);
		return;
	}
	if (s->config.socket.transport == CONFIG_VSOCK)
		service_incoming_vsock(s);
	else if (!may_accept(s))
		endpoint_pause(e, ACCEPT_WAIT);
	else if ((conn = endpoint_accept(e)) != -1)
		add_client(s, conn);
}

static void
proceed(struct endpoint *e)
{
	struct service *s = service_of(e);

	if (in_session(s) && !endpoint_running(e)) {
		endpoint_serve(e);
		/* If that was not possible, the next pause has begun. */
		if (!endpoint_running(e))
			return;
	}
	if (is_datagram(s) && in_session(s))
		return;
	if (!s->config.connect)
		endpoint_proceed(e);
	else if (s->clients.n == 0)
		connect_now(s);
}

static const struct endpoint_ops service_ops = {
	.worker = {
		.role = ROLE_EGD,
		.program = "vrngd-egd",
		.out_max = OUT_MAX,
		.frame = endpoint_frame,
		.ended = endpoint_ended,
	},
	.incoming = incoming,
	.proceed = proceed,
	.serve = serve,
	.frame = frame,
	.end = end,
	.limits = limits,
};

static char *
copy(const char *text)
{
	char *s = text == NULL ? NULL : strdup(text);

	if (s == NULL && text != NULL)
		log_fatal("out of memory for a service");
	return s;
}

void
service_init(struct service *s, const struct config_service *cs,
    const struct log_subject *subject, struct process_env *env,
    struct store *store, struct pool *pool, struct alloc_node *parent)
{
	*s = (struct service){ .config = *cs, .conn = -1 };
	s->config.socket.where = copy(cs->socket.where);
	s->config.pool = NULL;
	s->config.class = NULL;
	strlcpy(s->name, cs->name, sizeof(s->name));
	s->subject = (struct log_subject){
		.kind = cs->kind == CONFIG_SERVICE_EGD ? "egd" : "stream",
		.name = s->name,
		.pool = pool->name,
	};
	clients_init(&s->clients, process_spare_uid(env));
	accepts_init(&s->accepts, min32(cs->max_clients, ACCEPT_MOST));
	endpoint_init(&s->endpoint, &service_ops,
	    subject == NULL ? &s->subject : subject, env, store, pool);
	endpoint_join(&s->endpoint, parent, &cs->share, &cs->delivery);
	endpoint_activate(&s->endpoint);
	if (cs->socket.transport == CONFIG_VSOCK)
		vsock_init(&s->vsock, &s->endpoint, cs->socket.cid);
}

int
service_start(struct service *s, struct place *p)
{
	char text[CONFIG_WHERE_SIZE];

	if (s->vsock.cid != 0) {
		vsock_add(&s->vsock);
		return 0;
	}
	if (s->config.connect) {
		/* A session from before a restart has the connection. */
		if (s->clients.n == 0)
			connect_now(s);
		return 0;
	}
	if (s->config.socket.passed)
		service_socket_adopt(&s->config, p->listener.fd);
	else if (s->config.socket.transport == CONFIG_UNIX)
		/*
		 * Many clients may connect at once; surplus ones are rejected.
		 */
		(void)listen(p->listener.fd, SOMAXCONN);
	if (endpoint_listen(&s->endpoint, p) == -1)
		return -1;
	/* A guest is logged with its sockets. */
	if (s->endpoint.subject == &s->subject)
		log_about(LOG_LEVEL_INFO, &s->subject, "listens at %s",
		    p->where != NULL ? p->where
				     : config_socket_text(&s->config.socket,
					   text, sizeof(text)));
	return 0;
}

struct counters
service_resume(struct service *s, int stored, uint64_t serial)
{
	struct endpoint *e = &s->endpoint;
	const struct counters none = { 0 };
	char name[FDNAME_SIZE];
	int page;

	s->clients.serial = serial - 1;
	if (is_datagram(s) ||
	    (page = clients_resume(&s->clients, stored, service_check, s)) ==
		-1) {
		s->clients.serial = serial;
		store_remove(e->store, stored_name(s, name));
		deferred_close(e->env->event, stored);
		return none;
	}
	return endpoint_resume(e, page);
}

void
service_change(struct service *s, const struct config_service *cs,
    struct alloc_node *parent)
{
	struct endpoint *e = &s->endpoint;

	s->config.rights = cs->rights;
	s->config.max_clients = cs->max_clients;
	s->config.idle_timeout = cs->idle_timeout;
	memcpy(s->config.allow, cs->allow, sizeof(s->config.allow));
	s->config.nallowed = cs->nallowed;
	s->config.socket.confidential = cs->socket.confidential;
	s->config.polling = cs->polling;
	if (parent != NULL)
		consumer_change(e->pool, &e->consumer, parent, &cs->share,
		    &cs->delivery);
	if (endpoint_running(e)) {
		send_serve(s);
		endpoint_limit(e);
	}
}

void
service_accept_writes(struct service *s, bool yes)
{
	if (s->accept_writes == yes)
		return;
	s->accept_writes = yes;
	if (endpoint_running(&s->endpoint))
		send_writes(s);
}

enum endpoint_state
service_state(const struct service *s)
{
	const struct endpoint *e = &s->endpoint;

	if (consumer_waits(&e->consumer))
		return ENDPOINT_WAITING;
	if (counted_nclients(&e->active->counted) > 0)
		return ENDPOINT_CONNECTED;
	/* Without clients, a worker waits a little for the next. */
	if (endpoint_running(e))
		return ENDPOINT_IDLE;
	if (s->config.connect)
		return ENDPOINT_CONNECTING;
	if (s->config.socket.transport == CONFIG_VSOCK)
		return endpoint_paused(e) ? ENDPOINT_PAUSED : ENDPOINT_IDLE;
	return endpoint_listening(e) ? ENDPOINT_IDLE : ENDPOINT_PAUSED;
}

void
service_report(struct service *s)
{
	if (endpoint_running(&s->endpoint))
		log_counters(s, false);
	else
		log_about(LOG_LEVEL_INFO, s->endpoint.subject, "no clients");
}

void
service_stop(struct service *s, uint64_t deadline)
{
	struct endpoint *e = &s->endpoint;

	vsock_remove(&s->vsock);
	endpoint_stop(e, deadline);
	forget_clients(s);
	close_conn(s);
	free(s->config.socket.where);
}
