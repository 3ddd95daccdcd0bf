/*
 * The state of a session in its deposit, from which the next worker can resume
 * it (deposit.h).
 *
 * The memory file has two copies of the state, and a counter that selects the
 * valid one: to save, fill the other copy and then increment the counter.  The
 * state is saved with every message, before the message is consumed.  Requests
 * do not change it: they are completed in order, so that the next entry of the
 * avail ring follows from used.idx in the guest's memory.  A packed ring has no
 * such index: where it is stands in the mark (packed.h).
 */
#ifndef VRNGD_SAVED_H
#define VRNGD_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/deposit.h"
#include "vhost/device/memory.h"
#include "common/proto.h"
#include "vhost/protocol/session.h"

#define SAVE_VERSION	    4
#define SAVE_VERSION_PACKED 5 /* with a packed ring, which 4 did not have */

/* A mapped part of a file, or an eventfd. */
struct saved_place {
	uint32_t id; /* in the deposit; 0: none */
	uint32_t unused;
	uint64_t offset;
	uint64_t size;
};

struct saved_region {
	struct vhost_user_region desc;
	uint32_t id;
	uint32_t unused;
};

enum saved_reply {
	REPLY_NONE,
	REPLY_OWED,
	REPLY_SENDING, /* it may have been sent */
};

/* Flags of struct saved_state. */
enum saved_flag {
	SAVED_KICK_SET = 1 << 0,
	SAVED_ENABLED = 1 << 1,
	SAVED_RUNNING = 1 << 2,
	SAVED_ADDR_SET = 1 << 3,
	SAVED_MEMORY_SHRUNK = 1 << 4, /* memory.h */
};

struct saved_state {
	uint64_t features;
	uint64_t protocol_features;
	uint32_t status;
	uint32_t flags;
	struct vhost_user_vring_addr addr;
	uint32_t num;
	uint16_t next; /* avail entry to read; SAVED_RUNNING: minus used.idx */
	uint16_t shrunk; /* queue.h */
	struct saved_place log;
	struct saved_place inflight;
	uint32_t inflight_num; /* entries of its queue */
	uint32_t kick_id;
	uint32_t call_id;
	uint32_t err_id;
	uint32_t next_id; /* next free id */
	uint32_t consume; /* bytes of the handled message */
	uint32_t reply;	  /* enum saved_reply, its reply */
	uint32_t reply_len;
	uint32_t reply_id; /* id of its descriptor */
	uint32_t nregions;
	struct vhost_user_header reply_hdr;
	uint32_t unused;
	uint8_t reply_payload[24]; /* all but zeros at the end of it */
	struct saved_region regions[VHOST_USER_MEM_SLOTS];
};

/* The memory file; zeroed at first. */
struct saved {
	uint32_t version;   /* one of the above; 0: nothing saved yet */
	uint32_t abandoned; /* 1: the deposit is incomplete */
	uint64_t count; /* number of saves; copies[count % 2] is the last one */
	struct saved_state copies[2];
	uint32_t mark; /* of a packed ring that runs */
};

_Static_assert(offsetof(struct saved, mark) ==
	16 + 2 * (200 + 40 * VHOST_USER_MEM_SLOTS),
    "sessions that were saved before there was a mark can be resumed");
_Static_assert(sizeof(struct saved) <= DEPOSIT_STATE_SIZE,
    "the parent makes the file large enough");

struct save {
	int deposit; /* fd */
	struct saved *file;
	uint32_t next_id;
	uint32_t messages; /* in the deposit */
	int reply_fd;	   /* of a saved reply; -1: none */
};

#endif
