/*
 * A guest: its listener and the beginning and end of its sessions.  Used by
 * the rooms above, which add, change and remove guests.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/host/aside.h"
#include "parent/endpoint/guest_session.h"
#include "common/log.h"
#include "common/names.h"

#define ACCEPT_PAUSE NS_PER_SEC /* without fds or memory */
#define DEATHS_FREE  3		/* in a row, before a pause */

void
guest_name(char name[GUEST_NAME_SIZE], const char *path)
{
	const char *base = strrchr(path, '/');
	size_t len;

	base = base == NULL ? path : base + 1;
	len = strlen(base);
	if (len > 5 && strcmp(base + len - 5, ".sock") == 0)
		len -= 5;
	if (len >= GUEST_NAME_SIZE)
		len = GUEST_NAME_SIZE - 1;
	strlcpy(name, base, len + 1);
	names_make_valid(name);
}

bool
guest_may_log(struct guest *g)
{
	uint32_t suppressed;

	if (!log_limit_pass(&g->log_limit, clock_now(), &suppressed))
		return false;
	if (suppressed > 0)
		log_about(LOG_LEVEL_INFO, &g->subject,
		    "%u lines about its connections suppressed", suppressed);
	return true;
}

void
guest_listen_after(struct guest *g, uint64_t ns)
{
	if (g->listen_io == NULL)
		return;
	if (ns == 0) {
		sd_event_source_set_enabled(g->listen_io, SD_EVENT_ON);
		return;
	}
	sd_event_source_set_enabled(g->listen_io, SD_EVENT_OFF);
	sd_event_source_set_time_relative(g->timer, ns / 1000);
	sd_event_source_set_enabled(g->timer, SD_EVENT_ONESHOT);
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	guest_listen_after(arg, 0);
	return 0;
}

static int
listen_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct guest *g = arg;
	int conn;

	(void)source;
	(void)revents;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn == -1) {
		if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
			return 0;
		if (guest_may_log(g))
			log_about(LOG_LEVEL_ERROR, &g->subject,
			    "cannot accept a connection: %s", strerror(errno));
		guest_listen_after(g, ACCEPT_PAUSE);
		return 0;
	}
	/* A second connection waits until this one is gone. */
	sd_event_source_set_enabled(g->listen_io, SD_EVENT_OFF);
	if (guest_session_open(g, conn) == -1)
		guest_listen_after(g, ACCEPT_PAUSE);
	return 0;
}

void
guest_init(struct guest *g, const char *name, struct process_env *env,
    struct store *store, struct pool *pool, struct alloc_node *parent,
    const struct alloc_share *share, const struct config_terms *terms)
{
	*g = (struct guest){ .env = env, .store = store, .pool = pool };
	g->listener.fd = -1;
	strlcpy(g->name, name, sizeof(g->name));
	g->subject = (struct log_subject){
		.kind = "guest",
		.name = g->name,
		.pool = pool->name,
	};
	guest_session_init(g, parent, share, &terms->delivery);
	g->polling = terms->polling;
	log_limit_init(&g->log_limit, clock_now());
	log_limit_init(&g->worker_limit, clock_now());
}

void
guest_change(struct guest *g, struct alloc_node *parent,
    const struct alloc_share *share, const struct config_terms *terms)
{
	const struct alloc_share none = alloc_no_share(share->generated);

	g->polling = terms->polling;
	if (g->egd != NULL) {
		alloc_change(&g->pool->alloc, g->node, parent, share,
		    clock_now());
		consumer_change(g->pool, &g->egd->consumer, g->node, &none,
		    &terms->delivery);
		outlet_limit(g->egd);
		parent = g->node;
		share = &none;
	}
	consumer_change(g->pool, &g->consumer, parent, share, &terms->delivery);
	guest_session_limit(g);
}

struct alloc_node *
guest_node(struct guest *g)
{
	return g->node != NULL ? g->node : &g->consumer.leaf;
}

uint64_t
guest_throttled(const struct guest *g)
{
	return g->consumer.throttle.total +
	    (g->egd == NULL ? 0 : g->egd->consumer.throttle.total);
}

void
guest_add_egd(struct guest *g, const struct config_outlet *co)
{
	const struct alloc_share none =
	    alloc_no_share(g->consumer.leaf.share.generated);

	g->egd = calloc(1, sizeof(*g->egd));
	g->node = calloc(1, sizeof(*g->node));
	if (g->egd == NULL || g->node == NULL)
		log_fatal("no memory for an EGD socket");
	consumer_share(g->pool, &g->consumer, g->node);
	outlet_init(g->egd, co, g->env, g->pool, g->node, &none,
	    &g->consumer.delivery, &g->subject);
}

void
guest_remove_egd(struct guest *g, uint64_t deadline)
{
	outlet_stop(g->egd, deadline);
	g->consumer.throttle.total += g->egd->consumer.throttle.total;
	consumer_unshare(g->pool, &g->consumer);
	free(g->egd);
	free(g->node);
	g->egd = NULL;
	g->node = NULL;
}

void
guest_unlisten(struct guest *g)
{
	int fd;

	g->listen_io = sd_event_source_disable_unref(g->listen_io);
	g->timer = sd_event_source_disable_unref(g->timer);
	/* Connections may wait there, with what was sent. */
	if ((fd = listener_release(&g->listener)) != -1)
		aside_close(g->env->event, fd);
}

int
guest_listen(struct guest *g)
{
	sd_event *event = g->env->event;
	int r;

	r = sd_event_add_io(event, &g->listen_io, g->listener.fd, EPOLLIN,
	    listen_event, g);
	if (r >= 0)
		r = sd_event_add_time(event, &g->timer, CLOCK_MONOTONIC, 0, 1,
		    timer_event, g);
	if (r >= 0)
		r = sd_event_source_set_enabled(g->timer, SD_EVENT_OFF);
	/* A second connection waits until the first is gone. */
	if (r >= 0 && g->deposit != -1)
		r = sd_event_source_set_enabled(g->listen_io, SD_EVENT_OFF);
	if (r < 0)
		log_about(LOG_LEVEL_ERROR, &g->subject, "cannot listen: %s",
		    strerror(-r));
	return r < 0 ? -1 : 0;
}

struct counters
guest_counters(struct guest *g)
{
	struct counters sum = { 0 }, own;

	if (g->egd != NULL)
		sum = outlet_counters(g->egd);
	own = counted_total(&g->counted);
	counters_add(&sum, &own);
	return sum;
}

void
guest_report(struct guest *g)
{
	if (g->egd != NULL)
		outlet_report(g->egd);
	if (process_running(&g->worker))
		guest_session_log(g, false);
	else
		log_about(LOG_LEVEL_INFO, &g->subject, "not connected");
}

void
guest_hang_up(struct guest *g)
{
	if (g->egd != NULL)
		outlet_hang_up(g->egd);
	guest_session_hang_up(g);
	/* What it is closed by is the end of this process. */
	listener_release(&g->listener);
}

void
guest_stop(struct guest *g, uint64_t deadline)
{
	guest_session_stop(g, deadline);
	if (g->egd != NULL)
		guest_remove_egd(g, deadline);
	consumer_remove(g->pool, &g->consumer);
	guest_unlisten(g);
	free(g->path);
}
