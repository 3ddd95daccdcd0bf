/*
 * Logs what happens to a guest's session.  Used by guest.c and
 * guest_session.c.
 */
#include <sys/socket.h>

#include <inttypes.h>

#include "parent/host/event.h"
#include "parent/endpoint/guest_event.h"

void
guest_event_connected(struct guest *g, int conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!guest_may_log(g))
		return;
	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		cred = (struct ucred){ .pid = 0, .uid = (uid_t)-1 };
	event_log(EVENT_CONNECTED, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_PEER_PID", cred.pid),
		LOG_NUMBER("VRNGD_PEER_UID", cred.uid),
		LOG_NUMBER("VRNGD_WORKER_PID", g->worker.pid),
		LOG_NUMBER("VRNGD_CONNECTIONS", g->connections)),
	    "connected by pid %d, uid %u; worker is pid %d", cred.pid, cred.uid,
	    g->worker.pid);
}

void
guest_event_stats(struct guest *g, bool ended)
{
	const struct counters *c = counted_read(&g->counted);
	uint64_t served = clock_now() - g->connected;
	const struct log_line line = {
		.level = LOG_LEVEL_INFO,
		.about = &g->subject,
		.id = ended ? event_type(EVENT_DISCONNECTED)->id : NULL,
		.fields = LOG_FIELDS(REQUEST_COUNTERS(EVENT_COUNTER)
			LOG_NUMBER("VRNGD_SERVED_NS", served)),
	};

	log_send(&line,
	    "%s, %" PRIu64 " bytes in %" PRIu64 " requests (%" PRIu64
	    " short, %" PRIu64 " malformed), %" PRIu64 " ms of %" PRIu64
	    " ms with a request waiting",
	    ended ? "disconnected" : "connected", c->bytes, c->requests,
	    c->short_answers, c->malformed, c->wait_ns / NS_PER_MS,
	    served / NS_PER_MS);
}

void
guest_event_resumed(const struct guest *g)
{
	event_log(EVENT_RESUMED, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WORKER_PID", g->worker.pid)),
	    "its session goes on: worker is pid %d", g->worker.pid);
}

void
guest_event_restarted(const struct guest *g)
{
	event_log(EVENT_WORKER_RESTARTED, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WORKER_PID", g->worker.pid),
		LOG_NUMBER("VRNGD_DEATHS", g->died)),
	    "its session goes on with worker pid %d", g->worker.pid);
}

void
guest_event_cut_off(const struct guest *g, const char *why, uint64_t pause)
{
	event_log(EVENT_CUT_OFF, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_DEATHS", g->died),
		LOG_NUMBER("VRNGD_PAUSE_NS", pause),
		LOG_TEXT("VRNGD_REASON", why)),
	    "%s: its connection is cut off, and the next may come in %" PRIu64
	    " ms",
	    why, pause / NS_PER_MS);
}
