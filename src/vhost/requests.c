/*
 * The table of vhost-user requests with their required form, and their
 * handlers.  Used by worker.c for each message of the session, and for the
 * parent's answer to GET_INFLIGHT_FD.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/names.h"
#include "vhost/device/inflight_packed.h"
#include "vhost/worker.h"

#define QUEUES 1

/*
 * A handler returns NULL, or the reason to reject the request.  It replaces a
 * descriptor that it keeps with -1 in the message.
 */
typedef const char *handler(struct worker *, struct message *);

#define FEATURES \
	(FEATURE(VHOST_F_LOG_ALL) | FEATURE(VIRTIO_F_INDIRECT_DESC) | \
	    FEATURE(VIRTIO_F_EVENT_IDX) | \
	    FEATURE(VHOST_USER_F_PROTOCOL_FEATURES) | \
	    FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED) | \
	    FEATURE(VIRTIO_F_IN_ORDER))

#define PROTOCOL_FEATURES \
	(FEATURE(VHOST_USER_PROTOCOL_F_MQ) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_LOG_SHMFD) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_STATUS) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_DEVICE_STATE) | \
	    FEATURE(VHOST_USER_PROTOCOL_F_BASE_INFLIGHT))

/* Replies with one number.  Returns NULL, as the result of the handler. */
static const char *
handler_reply(struct worker *w, uint64_t value)
{
	session_reply(&w->session, sizeof(value))->payload.u64 = value;
	return NULL;
}

static const char *
get_features(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, FEATURES);
}

/* Another form of the ring: what was set of it before is void. */
static void
set_form(struct worker *w, bool packed)
{
	ring_stop(w);
	w->inflight = (struct inflight){ 0 };
	mapping_close(&w->memory.inflight);
	queue_set_packed(&w->queue, packed);
	ring_update(w);
}

static const char *
set_features(struct worker *w, struct message *m)
{
	uint64_t features = m->payload.u64;
	bool packed = (features & FEATURE(VIRTIO_F_RING_PACKED)) != 0;

	if (packed != w->queue.packed)
		set_form(w, packed);
	if ((features & ~FEATURES) != 0)
		log_debug("ignoring features that were not offered: %#llx",
		    (unsigned long long)(features & ~FEATURES));
	w->features = features;
	w->memory.logging = (features & FEATURE(VHOST_F_LOG_ALL)) != 0;
	/* Without the protocol features there is no SET_VRING_ENABLE. */
	if ((features & FEATURE(VHOST_USER_F_PROTOCOL_FEATURES)) == 0)
		w->enabled = true;
	w->queue.event_idx = (features & FEATURE(VIRTIO_F_EVENT_IDX)) != 0;
	worker_expect_memory(w);
	return NULL;
}

static const char *
get_protocol_features(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, PROTOCOL_FEATURES);
}

static const char *
set_protocol_features(struct worker *w, struct message *m)
{
	w->protocol_features = m->payload.u64 & PROTOCOL_FEATURES;
	return NULL;
}

static const char *
set_owner(struct worker *w, struct message *m)
{
	(void)w, (void)m;
	return NULL;
}

/* "Recommended that back-ends use it to disable all rings." */
static const char *
reset_owner(struct worker *w, struct message *m)
{
	(void)m;
	ring_stop(w);
	w->enabled = false;
	return NULL;
}

/* Resets the state of the device; memory and eventfds stay. */
static const char *
reset_device(struct worker *w, struct message *m)
{
	uint32_t *mark = w->queue.mark;
	bool packed = w->queue.packed;

	(void)m;
	ring_stop(w);
	ring_set_kick(w, -1, 0);
	w->kick_set = w->enabled = false;
	w->status = 0;
	transfer_end(w);
	w->inflight = (struct inflight){ 0 };
	mapping_close(&w->memory.inflight);
	queue_init(&w->queue, &w->memory);
	queue_set_packed(&w->queue, packed);
	w->queue.mark = mark;
	return NULL;
}

static const char *
get_queue_num(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, QUEUES);
}

static const char *
get_max_mem_slots(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, VHOST_USER_MEM_SLOTS);
}

static const char *
set_mem_table(struct worker *w, struct message *m)
{
	const struct vhost_user_memory *table = &m->payload.memory;
	const char *why;

	if (table->nregions == 0 || table->nregions > VHOST_USER_FDS_MAX ||
	    m->nfds != table->nregions ||
	    m->hdr.size < offsetof(struct vhost_user_memory, regions) +
		    table->nregions * sizeof(table->regions[0]))
		return "number of regions does not match";
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

/* The ring stays where it is: existing regions do not move. */
static const char *
add_mem_reg(struct worker *w, struct message *m)
{
	const char *why;

	if (memory_add(&w->memory, &m->payload.region.region, m->fds[0],
		m->ids[0], &why) == -1)
		return why;
	ring_update(w);
	return NULL;
}

static const char *
rem_mem_reg(struct worker *w, struct message *m)
{
	int r;

	if (w->running)
		queue_shrink(&w->queue);
	ring_stop(w);
	r = memory_remove(&w->memory, &m->payload.region.region);
	ring_update(w);
	return r == -1 ? "unknown region" : NULL;
}

static const char *
set_log_base(struct worker *w, struct message *m)
{
	const struct vhost_user_log *log = &m->payload.log;
	const char *why = NULL;

	mapping_close(&w->memory.log);
	mapping_open(&w->memory.log, m->fds[0], log->offset, log->size, &why);
	w->memory.log.id = m->ids[0];
	/* Some frontends wait for the description; none reads a result. */
	if ((w->protocol_features & FEATURE(VHOST_USER_PROTOCOL_F_LOG_SHMFD)) !=
	    0)
		session_reply(&w->session, sizeof(*log))->payload.log = *log;
	return why;
}

/* The eventfd is not used: it would only notify of changes of the log. */
static const char *
set_log_fd(struct worker *w, struct message *m)
{
	(void)w, (void)m;
	return NULL;
}

static const char *
set_status(struct worker *w, struct message *m)
{
	w->status = (uint8_t)m->payload.u64;
	return NULL;
}

static const char *
get_status(struct worker *w, struct message *m)
{
	(void)m;
	return handler_reply(w, w->status);
}

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

static const char *
set_vring_num(struct worker *w, struct message *m)
{
	uint32_t num = m->payload.state.num;

	if (!queue_size_is_valid(&w->queue, num))
		return w->queue.packed
		    ? "queue size is not from 1 to 32768"
		    : "queue size is not a power of two up to 32768";
	ring_stop(w);
	queue_set_size(&w->queue, num);
	ring_update(w);
	return NULL;
}

static const char *
set_vring_addr(struct worker *w, struct message *m)
{
	ring_stop(w);
	w->queue.addr = m->payload.addr;
	w->queue.addr_set = true;
	ring_update(w);
	return NULL;
}

static const char *
set_vring_base(struct worker *w, struct message *m)
{
	int r;

	ring_stop(w);
	r = queue_set_base(&w->queue, m->payload.state.num);
	ring_update(w);
	return r == -1 ? "avail index exceeds 16 bits" : NULL;
}

/* No request is in flight: those that were read ahead are in the ring. */
static void
clear_record(struct worker *w)
{
	if (w->inflight.packed != NULL)
		inflight_packed_stop(&w->inflight);
	else
		inflight_stop(&w->inflight);
}

/* The base of a stopped ring, with requests on record that are in flight. */
static uint32_t
base_behind(const struct worker *w)
{
	const struct queue *q = &w->queue;

	if (!w->inflight.started)
		return queue_base(q, q->next);
	return queue_base(q,
	    w->inflight.packed != NULL
		? inflight_packed_behind(&w->inflight, q)
		: (uint16_t)(q->next + inflight_count(&w->inflight)));
}

/*
 * Stops the ring.  With GET_VRING_BASE_INFLIGHT, requests in flight stay on
 * record, for the next start by this backend or another one.
 */
static const char *
get_vring_base(struct worker *w, struct message *m)
{
	bool keep = (w->protocol_features &
			FEATURE(VHOST_USER_PROTOCOL_F_BASE_INFLIGHT)) != 0;
	struct message *reply;

	ring_stop(w);
	if (!keep)
		clear_record(w);
	ring_set_kick(w, -1, 0);
	w->kick_set = false;
	reply = session_reply(&w->session, sizeof(reply->payload.state));
	reply->payload.state.index = m->payload.state.index;
	reply->payload.state.num =
	    keep ? base_behind(w) : queue_base(&w->queue, w->queue.next);
	return NULL;
}

static const char *
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

static const char *
set_vring_call(struct worker *w, struct message *m)
{
	ring_set_call(w, take_fd(m, 0), m->ids[0]);
	return NULL;
}

static const char *
set_vring_err(struct worker *w, struct message *m)
{
	ring_set_err(w, take_fd(m, 0), m->ids[0]);
	return NULL;
}

static const char *
set_vring_enable(struct worker *w, struct message *m)
{
	if (m->payload.state.num > 1)
		return "value is not 0 or 1";
	ring_stop(w);
	w->enabled = m->payload.state.num == 1;
	ring_update(w);
	return NULL;
}

/*
 * The device has no configuration space, and does not offer CONFIG: but some
 * frontends ask when a guest reads there, and wait for as many bytes.
 */
static const char *
get_config(struct worker *w, struct message *m)
{
	const struct vhost_user_config *config = &m->payload.config;

	session_reply(&w->session, m->hdr.size)->payload.config = *config;
	return NULL;
}

/* Bytes of memory for the record of a queue in its form. */
static uint64_t
record_size(const struct worker *w, uint16_t num)
{
	return w->queue.packed ? inflight_packed_size(num) : inflight_size(num);
}

/* The parent creates the memory; worker_inflight() replies. */
static const char *
get_inflight_fd(struct worker *w, struct message *m)
{
	const struct vhost_user_inflight *ask = &m->payload.inflight;
	struct frame f;

	if (ask->num_queues != QUEUES || ask->queue_size == 0 ||
	    ask->queue_size > VHOST_USER_QUEUE_SIZE_MAX) {
		session_reply(&w->session, m->hdr.size);
		return "not exactly one queue of at most 32768 entries";
	}
	frame_init(&f, PROTO_INFLIGHT_ASK, w->rng.window.consumer, 0);
	f.u.inflight.size = record_size(w, ask->queue_size);
	if (channel_tell(CHANNEL_UP_FD, &f) == -1) {
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
		.mmap_size = record_size(w, ask->queue_size),
		.num_queues = ask->num_queues,
		.queue_size = ask->queue_size,
	};
	reply->fds[0] = fd;
	reply->nfds = 1;
	save_fds(w, reply);
}

static int
attach(struct worker *w, void *start, uint64_t size, uint16_t num)
{
	return w->queue.packed
	    ? inflight_packed_attach(&w->inflight, start, size, num)
	    : inflight_attach(&w->inflight, start, size, num);
}

static const char *
set_inflight_fd(struct worker *w, struct message *m)
{
	const struct vhost_user_inflight *in = &m->payload.inflight;
	struct mapping *map = &w->memory.inflight;
	const char *why = NULL;

	if (in->num_queues != QUEUES)
		return "not exactly one queue";
	ring_stop(w);
	w->inflight = (struct inflight){ 0 };
	mapping_close(map);
	if (mapping_open(map, m->fds[0], in->mmap_offset, in->mmap_size,
		&why) == 0 &&
	    attach(w, map->start, map->size, in->queue_size) == -1) {
		mapping_close(map);
		why = "too small for its queue";
	}
	map->id = m->ids[0];
	ring_update(w);
	return why;
}

static const char *
set_device_state_fd(struct worker *w, struct message *m)
{
	const char *why;

	why = transfer_start(w, &m->payload.transfer, take_fd(m, 0));
	if (why == NULL)
		handler_reply(w, VHOST_USER_TRANSFER_NOFD);
	return why;
}

static const char *
check_device_state(struct worker *w, struct message *m)
{
	const char *why = transfer_check(w);

	(void)m;
	if (why == NULL)
		handler_reply(w, 0);
	return why;
}

/* The beginning of the payload, to check the index of its queue. */
enum payload_kind {
	PAYLOAD_OTHER,
	PAYLOAD_STATE,	  /* a vring_state or _addr, with an index */
	PAYLOAD_VRING_FD, /* a u64 with an index and NOFD */
};

struct rule {
	const char *name;
	handler *handle;
	uint32_t size_min;
	uint32_t size_max;
	size_t fds_min;
	size_t fds_max;
	enum payload_kind kind;
	bool replies; /* has a reply without REPLY_ACK */
};

#define RULE(request, handle, size, fds, kind, replies) \
	[VHOST_USER_##request] = { #request, handle, size, size, fds, fds, \
		kind, replies }
#define STATE_SIZE  sizeof(struct vhost_user_vring_state)
#define REGION_SIZE sizeof(struct vhost_user_single_region)

static const struct rule rules[VHOST_USER_REQUESTS] = {
	RULE(GET_FEATURES, get_features, 0, 0, PAYLOAD_OTHER, true),
	RULE(SET_FEATURES, set_features, 8, 0, PAYLOAD_OTHER, false),
	RULE(SET_OWNER, set_owner, 0, 0, PAYLOAD_OTHER, false),
	RULE(RESET_OWNER, reset_owner, 0, 0, PAYLOAD_OTHER, false),
	[VHOST_USER_SET_MEM_TABLE] = { "SET_MEM_TABLE", set_mem_table, 8,
	    sizeof(struct vhost_user_memory), 1, VHOST_USER_FDS_MAX,
	    PAYLOAD_OTHER, false },
	RULE(SET_LOG_BASE, set_log_base, sizeof(struct vhost_user_log), 1,
	    PAYLOAD_OTHER, false),
	RULE(SET_LOG_FD, set_log_fd, 0, 1, PAYLOAD_OTHER, false),
	RULE(SET_VRING_NUM, set_vring_num, STATE_SIZE, 0, PAYLOAD_STATE, false),
	RULE(SET_VRING_ADDR, set_vring_addr,
	    sizeof(struct vhost_user_vring_addr), 0, PAYLOAD_STATE, false),
	RULE(SET_VRING_BASE, set_vring_base, STATE_SIZE, 0, PAYLOAD_STATE,
	    false),
	RULE(GET_VRING_BASE, get_vring_base, STATE_SIZE, 0, PAYLOAD_STATE,
	    true),
	[VHOST_USER_SET_VRING_KICK] = { "SET_VRING_KICK", set_vring_kick, 8, 8,
	    0, 1, PAYLOAD_VRING_FD, false },
	[VHOST_USER_SET_VRING_CALL] = { "SET_VRING_CALL", set_vring_call, 8, 8,
	    0, 1, PAYLOAD_VRING_FD, false },
	[VHOST_USER_SET_VRING_ERR] = { "SET_VRING_ERR", set_vring_err, 8, 8, 0,
	    1, PAYLOAD_VRING_FD, false },
	RULE(GET_PROTOCOL_FEATURES, get_protocol_features, 0, 0, PAYLOAD_OTHER,
	    true),
	RULE(SET_PROTOCOL_FEATURES, set_protocol_features, 8, 0, PAYLOAD_OTHER,
	    false),
	RULE(GET_QUEUE_NUM, get_queue_num, 0, 0, PAYLOAD_OTHER, true),
	RULE(SET_VRING_ENABLE, set_vring_enable, STATE_SIZE, 0, PAYLOAD_STATE,
	    false),
	[VHOST_USER_GET_CONFIG] = { "GET_CONFIG", get_config,
	    sizeof(struct vhost_user_config),
	    sizeof(struct vhost_user_config) + VHOST_USER_CONFIG_MAX, 0, 0,
	    PAYLOAD_OTHER, true },
	[VHOST_USER_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", get_inflight_fd,
	    VHOST_USER_INFLIGHT_MIN, sizeof(struct vhost_user_inflight), 0, 0,
	    PAYLOAD_OTHER, true },
	[VHOST_USER_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", set_inflight_fd,
	    VHOST_USER_INFLIGHT_MIN, sizeof(struct vhost_user_inflight), 1, 1,
	    PAYLOAD_OTHER, false },
	RULE(RESET_DEVICE, reset_device, 0, 0, PAYLOAD_OTHER, false),
	RULE(GET_MAX_MEM_SLOTS, get_max_mem_slots, 0, 0, PAYLOAD_OTHER, true),
	RULE(ADD_MEM_REG, add_mem_reg, REGION_SIZE, 1, PAYLOAD_OTHER, false),
	/* Older frontends send the descriptor of the region again. */
	[VHOST_USER_REM_MEM_REG] = { "REM_MEM_REG", rem_mem_reg, REGION_SIZE,
	    REGION_SIZE, 0, 1, PAYLOAD_OTHER, false },
	RULE(SET_STATUS, set_status, 8, 0, PAYLOAD_OTHER, false),
	RULE(GET_STATUS, get_status, 0, 0, PAYLOAD_OTHER, true),
	RULE(SET_DEVICE_STATE_FD, set_device_state_fd,
	    sizeof(struct vhost_user_transfer), 1, PAYLOAD_OTHER, true),
	RULE(CHECK_DEVICE_STATE, check_device_state, 0, 0, PAYLOAD_OTHER, true),
};

/* Checks a message against its rule.  Returns what is wrong, or NULL. */
static const char *
check(const struct rule *rule, const struct message *m)
{
	uint64_t u64 = m->payload.u64;

	if (m->hdr.size < rule->size_min || m->hdr.size > rule->size_max)
		return "wrong payload size";
	if (m->nfds < rule->fds_min || m->nfds > rule->fds_max)
		return "wrong number of file descriptors";
	if (rule->kind == PAYLOAD_STATE && m->payload.state.index >= QUEUES)
		return "unknown queue";
	if (rule->kind == PAYLOAD_VRING_FD &&
	    (u64 & VHOST_USER_VRING_INDEX_MASK) >= QUEUES)
		return "unknown queue";
	if (rule->kind == PAYLOAD_VRING_FD &&
	    ((u64 & VHOST_USER_VRING_NOFD) != 0) != (m->nfds == 0))
		return "descriptor does not match the NOFD flag";
	return NULL;
}

/* The number in the reply to a rejected request. */
static uint64_t
rejection(uint32_t request)
{
	if (request == VHOST_USER_SET_DEVICE_STATE_FD)
		return VHOST_USER_TRANSFER_NOFD | 1;
	return request == VHOST_USER_CHECK_DEVICE_STATE;
}

void
worker_handle(struct worker *w)
{
	struct message *m = &w->session.in;
	const struct rule *rule = NULL;
	const char *why;

	if (m->hdr.request < VHOST_USER_REQUESTS &&
	    rules[m->hdr.request].handle != NULL)
		rule = &rules[m->hdr.request];
	if (rule == NULL)
		why = "unknown request";
	else if ((why = check(rule, m)) == NULL)
		why = rule->handle(w, m);
	if (why != NULL)
		log_warning("vhost-user request rejected: %s (%u): %s",
		    rule == NULL ? "-" : rule->name, m->hdr.request, why);
	if (rule != NULL && rule->replies) {
		/*
		 * The frontend waits for a reply, even to a rejected request.
		 */
		if (w->session.out_len == 0 && !w->asked_inflight)
			session_reply(&w->session,
			    rule->size_max > 8 ? rule->size_max : 8)
			    ->payload.u64 = rejection(m->hdr.request);
		return;
	}
	if (w->session.out_len == 0 &&
	    (m->hdr.flags & VHOST_USER_NEED_REPLY) != 0 &&
	    (w->protocol_features & FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK)) !=
		0)
		handler_reply(w, why != NULL);
}
