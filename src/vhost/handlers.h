/*
 * What each vhost-user request does.  By the time a handler is called its
 * message has the size and the descriptors that dispatch.c asks for.
 */
#ifndef VRNGD_HANDLERS_H
#define VRNGD_HANDLERS_H

#include "vhost/worker.h"

#define QUEUES 1

/*
 * A handler returns NULL, or why the request cannot be done.  A descriptor
 * that it keeps it takes out of the message (and puts -1 there).
 */
typedef const char *handler(struct worker *, struct message *);

/* handlers.c: the session, the device, memory */
extern handler get_features;
extern handler set_features;
extern handler get_protocol_features;
extern handler set_protocol_features;
extern handler set_owner;
extern handler reset_owner;
extern handler reset_device;
extern handler get_queue_num;
extern handler get_max_mem_slots;
extern handler set_mem_table;
extern handler add_mem_reg;
extern handler rem_mem_reg;
extern handler set_log_base;
extern handler set_log_fd;
extern handler set_status;
extern handler get_status;

/* handlers_ring.c: the ring and what is in flight in it */
extern handler set_vring_num;
extern handler set_vring_addr;
extern handler set_vring_base;
extern handler get_vring_base;
extern handler set_vring_kick;
extern handler set_vring_call;
extern handler set_vring_err;
extern handler set_vring_enable;
extern handler get_inflight_fd;
extern handler set_inflight_fd;

/* Replies with one number.  Returns NULL, for a handler to return in turn. */
const char *handler_reply(struct worker *, uint64_t value);

#endif
