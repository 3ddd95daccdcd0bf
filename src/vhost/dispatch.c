/*
 * The table of vhost-user requests: what each must look like, and who does it.
 */
#include "vhost/handlers.h"
#include "common/log.h"

/* What the payload begins with, to check the queue that it is about. */
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
	bool replies; /* not by REPLY_ACK, but itself */
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
	[VHOST_USER_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", get_inflight_fd,
	    VHOST_USER_INFLIGHT_MIN, sizeof(struct vhost_user_inflight), 0, 0,
	    PAYLOAD_OTHER, true },
	[VHOST_USER_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", set_inflight_fd,
	    VHOST_USER_INFLIGHT_MIN, sizeof(struct vhost_user_inflight), 1, 1,
	    PAYLOAD_OTHER, false },
	RULE(RESET_DEVICE, reset_device, 0, 0, PAYLOAD_OTHER, false),
	RULE(GET_MAX_MEM_SLOTS, get_max_mem_slots, 0, 0, PAYLOAD_OTHER, true),
	RULE(ADD_MEM_REG, add_mem_reg, REGION_SIZE, 1, PAYLOAD_OTHER, false),
	/* Older frontends send the region's descriptor once more. */
	[VHOST_USER_REM_MEM_REG] = { "REM_MEM_REG", rem_mem_reg, REGION_SIZE,
	    REGION_SIZE, 0, 1, PAYLOAD_OTHER, false },
	RULE(SET_STATUS, set_status, 8, 0, PAYLOAD_OTHER, false),
	RULE(GET_STATUS, get_status, 0, 0, PAYLOAD_OTHER, true),
};

/* Checks a message against its rule.  Returns what is wrong, or NULL. */
static const char *
check(const struct rule *rule, const struct message *m)
{
	uint64_t u64 = m->payload.u64;

	if (m->hdr.size < rule->size_min || m->hdr.size > rule->size_max)
		return "its payload has the wrong size";
	if (m->nfds < rule->fds_min || m->nfds > rule->fds_max)
		return "it has the wrong number of file descriptors";
	if (rule->kind == PAYLOAD_STATE && m->payload.state.index >= QUEUES)
		return "there is no such queue";
	if (rule->kind == PAYLOAD_VRING_FD &&
	    (u64 & VHOST_USER_VRING_INDEX_MASK) >= QUEUES)
		return "there is no such queue";
	if (rule->kind == PAYLOAD_VRING_FD &&
	    ((u64 & VHOST_USER_VRING_NOFD) != 0) != (m->nfds == 0))
		return "it has a descriptor, or none, against its own word";
	return NULL;
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
		why = "it is unknown";
	else if ((why = check(rule, m)) == NULL)
		why = rule->handle(w, m);
	if (why != NULL)
		log_warning("vhost-user request %u (%s) refused: %s",
		    m->hdr.request, rule == NULL ? "-" : rule->name, why);
	if (rule != NULL && rule->replies) {
		/* The frontend waits for one, whatever it asked. */
		if (w->session.out_len == 0 && !w->asked_inflight)
			session_reply(&w->session,
			    rule->size_max > 8 ? rule->size_max : 8);
		return;
	}
	if ((m->hdr.flags & VHOST_USER_NEED_REPLY) != 0 &&
	    (w->protocol_features & FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK)) !=
		0)
		handler_reply(w, why != NULL);
}
