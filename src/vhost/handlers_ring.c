/*
 * The requests about the ring and what is in flight in it.
 */
#include <errno.h>
#include <string.h>

#include "common/channel.h"
#include "vhost/handlers.h"

static int
take_fd(struct message *m, size_t i)
{
	int fd;

	if (i >= m->nfds)
		return -1;
	fd = m->fds[i];
	m->fds[i] = -1;
	return fd;
}

const char *
set_vring_num(struct worker *w, struct message *m)
{
	uint32_t num = m->payload.state.num;

	if (num == 0 || num > VHOST_USER_QUEUE_SIZE_MAX ||
	    (num & (num - 1)) != 0)
		return "a queue size is a power of two up to 32768";
	ring_stop(w);
	w->queue.num = num;
	ring_update(w);
	return NULL;
}

const char *
set_vring_addr(struct worker *w, struct message *m)
{
	ring_stop(w);
	w->queue.addr = m->payload.addr;
	w->queue.addr_set = true;
	ring_update(w);
	return NULL;
}

const char *
set_vring_base(struct worker *w, struct message *m)
{
	if (m->payload.state.num > UINT16_MAX)
		return "an index has 16 bits";
	ring_stop(w);
	w->queue.next = (uint16_t)m->payload.state.num;
	ring_update(w);
	return NULL;
}

/* Stops the ring. */
const char *
get_vring_base(struct worker *w, struct message *m)
{
	struct message *reply;

	ring_stop(w);
	inflight_stop(&w->inflight);
	ring_set_kick(w, -1, 0);
	w->kick_set = false;
	reply = session_reply(&w->session, sizeof(reply->payload.state));
	reply->payload.state.index = m->payload.state.index;
	reply->payload.state.num = w->queue.next;
	return NULL;
}

const char *
set_vring_kick(struct worker *w, struct message *m)
{
	ring_stop(w);
	w->kick_set = false;
	if (ring_set_kick(w, take_fd(m, 0), m->ids[0]) == -1)
		return strerror(errno);
	w->kick_set = true;
	ring_update(w);
	return NULL;
}

const char *
set_vring_call(struct worker *w, struct message *m)
{
	ring_set_call(w, take_fd(m, 0), m->ids[0]);
	return NULL;
}

const char *
set_vring_err(struct worker *w, struct message *m)
{
	ring_set_err(w, take_fd(m, 0), m->ids[0]);
	return NULL;
}

const char *
set_vring_enable(struct worker *w, struct message *m)
{
	if (m->payload.state.num > 1)
		return "a ring is enabled (1) or not (0)";
	ring_stop(w);
	w->enabled = m->payload.state.num == 1;
	ring_update(w);
	return NULL;
}

/* The parent makes the memory; worker_inflight() replies. */
const char *
get_inflight_fd(struct worker *w, struct message *m)
{
	const struct vhost_user_inflight *ask = &m->payload.inflight;
	struct frame f;

	if (ask->num_queues != QUEUES || ask->queue_size == 0 ||
	    ask->queue_size > VHOST_USER_QUEUE_SIZE_MAX) {
		session_reply(&w->session, m->hdr.size);
		return "it is not about one queue of at most 32768 entries";
	}
	frame_init(&f, PROTO_INFLIGHT_ASK, w->rng.window.consumer, 0);
	f.u.inflight.size = inflight_size(ask->queue_size);
	if (channel_send(CHANNEL_FD, &f) == -1) {
		session_reply(&w->session, m->hdr.size);
		return strerror(errno);
	}
	w->asked_inflight = true;
	return NULL;
}

void
worker_inflight(struct worker *w, int fd)
{
	const struct vhost_user_inflight *ask = &w->session.in.payload.inflight;
	struct message *reply;

	w->asked_inflight = false;
	reply = session_reply(&w->session, w->session.in.hdr.size);
	reply->payload.inflight = (struct vhost_user_inflight){
		.mmap_size = inflight_size(ask->queue_size),
		.num_queues = ask->num_queues,
		.queue_size = ask->queue_size,
	};
	reply->fds[0] = fd;
	reply->nfds = 1;
	save_fds(w, reply);
}

const char *
set_inflight_fd(struct worker *w, struct message *m)
{
	const struct vhost_user_inflight *in = &m->payload.inflight;
	struct mapping *map = &w->memory.inflight;
	const char *why = NULL;

	if (in->num_queues != QUEUES)
		return "it is not about one queue";
	ring_stop(w);
	w->inflight = (struct inflight){ 0 };
	mapping_close(map);
	if (mapping_open(map, m->fds[0], in->mmap_offset, in->mmap_size,
		&why) == 0 &&
	    inflight_attach(&w->inflight, map->start, map->size,
		in->queue_size) == -1) {
		mapping_close(map);
		why = "it is too small for its queue";
	}
	map->id = m->ids[0];
	ring_update(w);
	return why;
}
