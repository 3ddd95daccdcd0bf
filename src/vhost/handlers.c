/*
 * The requests about the session, the device and memory.
 */
#include <stddef.h>

#include "vhost/handlers.h"
#include "common/log.h"

#define FEATURES \
	(FEATURE(VHOST_F_LOG_ALL) | FEATURE(VIRTIO_F_INDIRECT_DESC) | \
	    FEATURE(VIRTIO_F_EVENT_IDX) | \
	    FEATURE(VHOST_USER_F_PROTOCOL_FEATURES) | \
	    FEATURE(VIRTIO_F_VERSION_1))

#define PROTOCOL_FEATURES \
	(FEATURE(VHOST_USER_PROTOCOL_F_MQ) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_LOG_SHMFD) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_STATUS))

const char *
handler_reply(struct worker *w, uint64_t value)
{
	session_reply(&w->session, sizeof(value))->payload.u64 = value;
	return NULL;
}

const char *
get_features(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, FEATURES);
}

const char *
set_features(struct worker *w, struct message *m)
{
	uint64_t features = m->payload.u64;

	if ((features & FEATURE(VIRTIO_F_RING_PACKED)) != 0) {
		w->finished =
		    (w->protocol_features &
			FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK)) == 0 ||
		    (m->hdr.flags & VHOST_USER_NEED_REPLY) == 0;
		return "packed rings are not offered (packed=on must go)";
	}
	if ((features & ~FEATURES) != 0)
		log_debug("features that were not offered: %#llx",
		    (unsigned long long)(features & ~FEATURES));
	w->features = features;
	w->memory.logging = (features & FEATURE(VHOST_F_LOG_ALL)) != 0;
	/* Without the protocol features there is no SET_VRING_ENABLE. */
	if ((features & FEATURE(VHOST_USER_F_PROTOCOL_FEATURES)) == 0)
		w->enabled = true;
	w->queue.event_idx = (features & FEATURE(VIRTIO_F_EVENT_IDX)) != 0;
	return NULL;
}

const char *
get_protocol_features(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, PROTOCOL_FEATURES);
}

const char *
set_protocol_features(struct worker *w, struct message *m)
{
	w->protocol_features = m->payload.u64 & PROTOCOL_FEATURES;
	return NULL;
}

const char *
set_owner(struct worker *w, struct message *m)
{
	(void)w;
	(void)m;
	return NULL;
}

/* "Recommended that back-ends use it to disable all rings." */
const char *
reset_owner(struct worker *w, struct message *m)
{
	(void)m;
	ring_stop(w);
	w->enabled = false;
	return NULL;
}

/* The state of the device as it was at first; memory and eventfds stay. */
const char *
reset_device(struct worker *w, struct message *m)
{
	(void)m;
	ring_stop(w);
	ring_set_kick(w, -1, 0);
	w->kick_set = w->enabled = false;
	w->status = 0;
	w->inflight = (struct inflight){ 0 };
	queue_init(&w->queue, &w->memory);
	return NULL;
}

const char *
get_queue_num(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, QUEUES);
}

const char *
get_max_mem_slots(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, VHOST_USER_MEM_SLOTS);
}

const char *
set_mem_table(struct worker *w, struct message *m)
{
	const struct vhost_user_memory *table = &m->payload.memory;
	const char *why;

	if (table->nregions == 0 || table->nregions > VHOST_USER_FDS_MAX ||
	    m->nfds != table->nregions ||
	    m->hdr.size < offsetof(struct vhost_user_memory, regions) +
		    table->nregions * sizeof(table->regions[0]))
		return "its regions are not as many as it says";
	ring_stop(w);
	memory_clear(&w->memory);
	for (uint32_t i = 0; i < table->nregions; i++)
		if (memory_add(&w->memory, &table->regions[i], m->fds[i],
			m->ids[i], &why) == -1) {
			memory_clear(&w->memory);
			return why;
		}
	ring_update(w);
	return NULL;
}

/* The ring goes on in what it had: no region that it lies in has moved. */
const char *
add_mem_reg(struct worker *w, struct message *m)
{
	const char *why;

	if (memory_add(&w->memory, &m->payload.region.region, m->fds[0],
		m->ids[0], &why) == -1)
		return why;
	ring_update(w);
	return NULL;
}

const char *
rem_mem_reg(struct worker *w, struct message *m)
{
	int r;

	if (w->running)
		queue_shrink(&w->queue);
	ring_stop(w);
	r = memory_remove(&w->memory, &m->payload.region.region);
	ring_update(w);
	return r == -1 ? "there is no such region" : NULL;
}

const char *
set_log_base(struct worker *w, struct message *m)
{
	const struct vhost_user_log *log = &m->payload.log;
	const char *why = NULL;

	mapping_close(&w->memory.log);
	mapping_open(&w->memory.log, m->fds[0], log->offset, log->size, &why);
	w->memory.log.id = m->ids[0];
	/* A reply without payload, unless it is to carry the outcome. */
	if ((w->protocol_features & FEATURE(VHOST_USER_PROTOCOL_F_LOG_SHMFD)) !=
		0 &&
	    (m->hdr.flags & VHOST_USER_NEED_REPLY) == 0)
		session_reply(&w->session, 0);
	return why;
}

/* Nothing is ever written to it: what it would tell is in the log itself. */
const char *
set_log_fd(struct worker *w, struct message *m)
{
	(void)w;
	(void)m;
	return NULL;
}

const char *
set_status(struct worker *w, struct message *m)
{
	w->status = (uint8_t)m->payload.u64;
	return NULL;
}

const char *
get_status(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, w->status);
}
