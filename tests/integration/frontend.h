/*
 * A vhost-user frontend for tests and load generators: it plays the part of
 * the VMM (connection, messages, guest memory) and of the guest's driver
 * (split virtqueue 0 of a virtio-rng device).
 *
 * Every function returns 0 (or what it documents) on success and -1 with
 * errno set on failure; ETIMEDOUT says that the backend did not answer,
 * ECONNRESET that it closed the connection.  Nothing waits without a limit.
 * Times are milliseconds on CLOCK_MONOTONIC.
 */
#ifndef FRONTEND_H
#define FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "patience.h"

#define FE_TIMEOUT_MS  (5000 * test_patience())
#define FE_MAX_REGIONS 520
#define FE_MAX_FDS     32
#define FE_MAX_PAYLOAD 4096
#define FE_PAGE	       4096

#define FE_BIT(n) (UINT64_C(1) << (n))

/* Virtio and vhost feature bits. */
#define FE_F_LOG_ALL	 FE_BIT(26)
#define FE_F_INDIRECT	 FE_BIT(28)
#define FE_F_EVENT_IDX	 FE_BIT(29)
#define FE_F_PROTOCOL	 FE_BIT(30)
#define FE_F_VERSION_1	 FE_BIT(32)
#define FE_F_RING_PACKED FE_BIT(34)
#define FE_F_IN_ORDER	 FE_BIT(35)

/* vhost-user protocol feature bits. */
#define FE_P_MQ		   FE_BIT(0)
#define FE_P_LOG_SHMFD	   FE_BIT(1)
#define FE_P_REPLY_ACK	   FE_BIT(3)
#define FE_P_INFLIGHT	   FE_BIT(12)
#define FE_P_RESET_DEVICE  FE_BIT(13)
#define FE_P_MEM_SLOTS	   FE_BIT(15)
#define FE_P_STATUS	   FE_BIT(16)
#define FE_P_DEVICE_STATE  FE_BIT(19)
#define FE_P_BASE_INFLIGHT FE_BIT(20)
#define FE_P_ALL \
	(FE_P_MQ | FE_P_LOG_SHMFD | FE_P_REPLY_ACK | FE_P_INFLIGHT | \
	    FE_P_RESET_DEVICE | FE_P_MEM_SLOTS | FE_P_STATUS | \
	    FE_P_DEVICE_STATE)

/* Message header flags, version 1 being the only version. */
#define FE_VERSION    0x1
#define FE_REPLY      0x4
#define FE_NEED_REPLY 0x8

/* The "no file descriptor" bit of SET_VRING_KICK, CALL and ERR. */
#define FE_NOFD FE_BIT(8)

/* Flags of SET_VRING_ADDR. */
#define FE_ADDR_LOG 0x1

/* Descriptor and ring flags of the split virtqueue. */
#define FE_DESC_NEXT	      0x1
#define FE_DESC_WRITE	      0x2
#define FE_DESC_INDIRECT      0x4
#define FE_AVAIL_NO_INTERRUPT 0x1
#define FE_USED_NO_NOTIFY     0x1

enum fe_request {
	FE_GET_FEATURES = 1,
	FE_SET_FEATURES = 2,
	FE_SET_OWNER = 3,
	FE_RESET_OWNER = 4,
	FE_SET_MEM_TABLE = 5,
	FE_SET_LOG_BASE = 6,
	FE_SET_LOG_FD = 7,
	FE_SET_VRING_NUM = 8,
	FE_SET_VRING_ADDR = 9,
	FE_SET_VRING_BASE = 10,
	FE_GET_VRING_BASE = 11,
	FE_SET_VRING_KICK = 12,
	FE_SET_VRING_CALL = 13,
	FE_SET_VRING_ERR = 14,
	FE_GET_PROTOCOL_FEATURES = 15,
	FE_SET_PROTOCOL_FEATURES = 16,
	FE_GET_QUEUE_NUM = 17,
	FE_SET_VRING_ENABLE = 18,
	FE_GET_CONFIG = 24,
	FE_GET_INFLIGHT_FD = 31,
	FE_SET_INFLIGHT_FD = 32,
	FE_RESET_DEVICE = 34,
	FE_GET_MAX_MEM_SLOTS = 36,
	FE_ADD_MEM_REG = 37,
	FE_REM_MEM_REG = 38,
	FE_SET_STATUS = 39,
	FE_GET_STATUS = 40,
	FE_SET_DEVICE_STATE_FD = 42,
	FE_CHECK_DEVICE_STATE = 43
};

struct fe_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct fe_msg {
	struct fe_header hdr;
	uint8_t payload[FE_MAX_PAYLOAD];
	int fds[FE_MAX_FDS]; /* owned by the receiver */
	size_t nfds;
};

/* One region as SET_MEM_TABLE and ADD_MEM_REG carry it. */
struct fe_wire_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t offset;
};

struct fe_vring_state {
	uint32_t index;
	uint32_t num;
};

struct fe_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct fe_log {
	uint64_t size;
	uint64_t offset;
};

struct fe_inflight {
	uint64_t size;
	uint64_t offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint32_t pad; /* QEMU sends these four bytes too */
};

struct fe_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct fe_used_elem {
	uint32_t id;
	uint32_t len;
};

/* Of a packed ring, and its flags. */
struct fe_packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};
#define FE_DESC_AVAIL	 0x80
#define FE_DESC_USED	 0x8000
#define FE_WRAP		 0x8000 /* of a position: the wrap counter */
#define FE_EVENT_ENABLE	 0
#define FE_EVENT_DISABLE 1
#define FE_EVENT_DESC	 2

/*
 * The driver's half of a packed ring: its chains are written to the ring, one
 * descriptor after the other, when they are published.
 */
struct fe_packed {
	struct fe_packed_desc *desc;
	uint32_t *driver; /* event suppression structures */
	uint32_t *device;
	uint16_t avail;	 /* positions: index, and wrap counter in bit 15 */
	uint16_t kicked; /* avail at the last kick */
	uint16_t used;	 /* next to pop */
	uint16_t
	    *count;   /* descriptors of the chain by the index of its first */
	uint16_t *at; /* positions of chains, by their number mod size */
};

struct fe_seg {
	uint64_t gpa;
	uint32_t len;
};

/* Guest memory: wire is the address for the backend, base our own mapping. */
struct fe_region {
	struct fe_wire_region wire;
	int fd;
	uint8_t *base;
};

/*
 * The driver's half of virtqueue 0.  Tests may write to the rings through
 * the pointers; addresses are guest physical.
 */
struct fe_ring {
	uint32_t size;
	uint64_t desc_gpa;
	uint64_t avail_gpa;
	uint64_t used_gpa;
	struct fe_desc *desc;	  /* the driver's own if the ring is packed */
	struct fe_packed *packed; /* NULL: split */
	uint16_t *avail;	  /* flags, idx, ring[size], used_event */
	uint8_t *used;		  /* the same, with avail_event */
	uint16_t avail_idx;	  /* next to publish */
	uint16_t kicked_idx;	  /* avail_idx at the last kick */
	uint16_t used_idx;	  /* next to pop */
	uint32_t base;		  /* for SET_VRING_BASE */
	uint16_t *next;		  /* shadow links, free list included */
	uint16_t *count;	  /* descriptors of the chain by head */
	uint32_t free_head;
	uint32_t nfree;
	uint64_t kicks; /* sent */
	uint64_t calls; /* received */
};

/* Makes the next rings packed, and RING_PACKED one of the features. */
extern bool fe_packed;

struct fe {
	int sock;
	uint64_t offered;   /* features of the backend */
	uint64_t poffered;  /* protocol features of the backend */
	uint64_t features;  /* to be acked by fe_start() */
	uint64_t pfeatures; /* acked */
	uint64_t queue_num; /* 0: not asked */
	uint64_t max_slots; /* 0: not asked */
	bool mem_sent;
	uint32_t addr_flags; /* for SET_VRING_ADDR */
	int kick;
	int call;
	int err;
	unsigned int memfd_flags; /* for memory, such as MFD_HUGETLB */
	struct fe_region regions[FE_MAX_REGIONS];
	size_t nregions;
	struct fe_ring ring;
	int log_fd;
	uint8_t *log;
	size_t log_size;
};

/* frontend.c: connection and messages */

/* The time now. */
uint64_t fe_now(void);

/* Prepare a frontend without connection, memory or ring. */
void fe_init(struct fe *);

/* Connect; retries while the backlog is full, until the time-out. */
int fe_connect(struct fe *, const char *);

/* Close and unmap everything; the frontend may be initialized again. */
void fe_close(struct fe *);

/* Close the connection only, keeping memory and ring. */
void fe_disconnect(struct fe *);

/* Send bytes as they are, with nfds descriptors on the first of them. */
int fe_send_raw(struct fe *, const void *, size_t, const int *, size_t);

/* Send one message; FE_VERSION is added to flags.  Expects no reply. */
int fe_send(struct fe *, uint32_t, uint32_t, const void *, size_t, const int *,
    size_t);

/* Receive one message.  The caller owns the fds that came with it. */
int fe_recv(struct fe *, struct fe_msg *, int);

/* Close the fds of a received message. */
void fe_msg_close(struct fe_msg *);

/*
 * Send a request that has no reply of its own.  With REPLY_ACK negotiated it
 * requests an acknowledgement and returns 1 if that reports a failure.
 */
int fe_set(struct fe *, uint32_t, const void *, size_t, const int *, size_t);
int fe_set_u64(struct fe *, uint32_t, uint64_t);
int fe_set_state(struct fe *, uint32_t, uint32_t);

/* SET_VRING_KICK, CALL or ERR; fd -1 sends the NOFD bit. */
int fe_set_fd(struct fe *, uint32_t, int);

/* Send a request with a u64 reply. */
int fe_get_u64(struct fe *, uint32_t, uint64_t *);

/* Send a request and receive its reply, which must be of the same type. */
int fe_ask(struct fe *, uint32_t, const void *, size_t, struct fe_msg *);

/* Returns 1 if the backend closes within the time, 0 if not. */
int fe_wait_closed(struct fe *, int);

/* frontend_setup.c: what QEMU does, in QEMU's order */

/*
 * What QEMU sends when the device is realized.  Acks those of the protocol
 * features that are offered; without any and without FE_F_PROTOCOL among the
 * features, protocol features are not spoken of.
 */
int fe_handshake(struct fe *, uint64_t, uint64_t);

/* What QEMU sends at DRIVER_OK, or to resume: features, memory and ring. */
int fe_start(struct fe *);

/* The ring's part of fe_start(), NUM to ENABLE. */
int fe_start_ring(struct fe *);

/* Send the addresses of the ring (SET_VRING_ADDR). */
int fe_send_addr(struct fe *);

/*
 * Stop the ring; returns the base, which is the next avail index.  A packed
 * ring's used index must be the same, and is not in what is returned.
 */
int fe_stop(struct fe *);

/* What the base has to be, by the requests that were completed. */
int fe_next(const struct fe *);

/* GET_VRING_BASE alone; the base is kept for the next start. */
int fe_get_base(struct fe *);

/* Connect, default memory, ring of that size, handshake, start. */
int fe_up(struct fe *, const char *, uint32_t, uint64_t, uint64_t);

/* Directions of a state's transfer. */
#define FE_SAVE 0
#define FE_LOAD 1

/*
 * SET_DEVICE_STATE_FD, which must not answer with a descriptor of its own:
 * returns 1 if it is rejected.
 */
int fe_state_fd(struct fe *, uint32_t, int);

/* CHECK_DEVICE_STATE: returns 1 if the transfer failed. */
int fe_state_check(struct fe *);

/*
 * Save the device's state over a pipe, or load it, with the check, as VMMs do.
 * Saving returns how many bytes came (at most the size of the buffer), loading
 * 0.  EREMOTEIO: the backend says that it failed.
 */
ssize_t fe_state_save(struct fe *, void *, size_t);
int fe_state_load(struct fe *, const void *, size_t);

/* SET_LOG_BASE with a bitmap for all of the guest's memory. */
int fe_log_start(struct fe *);
bool fe_log_dirty(const struct fe *, uint64_t);
size_t fe_log_count(const struct fe *);
void fe_log_clear(struct fe *);

/* frontend_mem.c: guest memory */

/* Where fe_mem_default() puts things. */
#define FE_RING_GPA  UINT64_C(0x10000)
#define FE_SPLIT_GPA UINT64_C(0x200000) /* region 0 | 1 */
#define FE_BUF_GPA   UINT64_C(0x280000)
#define FE_TABLE_GPA UINT64_C(0x380000) /* indirect tables */
#define FE_MEM_END   UINT64_C(0x400000)
#define FE_UVA_BASE  UINT64_C(0x7f1200000000)

/* Map fresh shared memory at the guest address; size 0 mod 4096. */
int fe_mem_add(struct fe *, uint64_t, uint64_t, uint64_t);

/* Two regions of 2 MiB, adjacent for the guest and nowhere else. */
int fe_mem_default(struct fe *);

/* Send all regions, as slots if negotiated, else as one table. */
int fe_mem_send(struct fe *);

/* Send one region with ADD_MEM_REG or REM_MEM_REG. */
int fe_mem_slot(struct fe *, uint32_t, const struct fe_region *);

/* Our address of guest memory; NULL if not within one region. */
void *fe_ptr(const struct fe *, uint64_t, size_t);

/* The frontend's address of guest memory as sent to the backend, or 0. */
uint64_t fe_uva(const struct fe *, uint64_t);

/* Copy out of guest memory, across regions. */
int fe_mem_read(const struct fe *, uint64_t, void *, size_t);
int fe_mem_fill(struct fe *, uint64_t, uint8_t, size_t);

/* frontend_ring.c: the driver */

/* Lay out a fresh ring of that many entries at the guest address. */
int fe_ring_init(struct fe *, uint32_t, uint64_t);

/* Use a copy of the ring at another address; the backend is not notified. */
int fe_ring_move(struct fe *, uint64_t);
void fe_ring_free(struct fe *);

/* Start the indices elsewhere (both rings), as after a long run. */
void fe_ring_set_idx(struct fe *, uint16_t);

/* Bytes that a ring of that size takes, with its parts aligned. */
size_t fe_ring_bytes(uint32_t);

/* Write one descriptor as it is. */
void fe_desc_set(struct fe *, uint32_t, uint64_t, uint32_t, uint16_t, uint16_t);

/* A descriptor of an indirect table, in the form that the ring has. */
struct fe_desc fe_entry(const struct fe *, uint64_t, uint32_t, uint16_t,
    uint16_t);

/* Put a head into the avail ring, valid or not. */
void fe_publish(struct fe *, uint16_t);

/* Write avail.idx as it is. */
void fe_avail_idx_set(struct fe *, uint16_t);
void fe_avail_flags_set(struct fe *, uint16_t);
void fe_used_event_set(struct fe *, uint16_t);
uint16_t fe_used_flags(const struct fe *);
uint16_t fe_used_idx(const struct fe *);
uint16_t fe_avail_event(const struct fe *);

/*
 * Make a chain of writable segments available; returns its head, or -1 with
 * ENOSPC.  The indirect one writes its table at the guest address given.
 */
int fe_add(struct fe *, const struct fe_seg *, size_t);
int fe_add_indirect(struct fe *, uint64_t, const struct fe_seg *, size_t);
int fe_add_one(struct fe *, uint64_t, uint32_t);

/* Notify if the backend wants it; returns 1 if it did. */
int fe_kick(struct fe *);
void fe_kick_always(struct fe *);

/* Completions that wait to be popped. */
unsigned int fe_pending(const struct fe *);

/*
 * Wait until n completions can be popped, asking for an interrupt at the
 * n-th (EVENT_IDX).  An interrupt that never comes is a time-out.
 */
int fe_wait(struct fe *, unsigned int, int);

/* The same by looking at the ring alone. */
int fe_wait_polling(struct fe *, unsigned int, int);

/* Pop one completion: 1, or 0 if there is none. */
int fe_pop(struct fe *, struct fe_used_elem *);

/* Drain the call eventfd; returns how many signals there were. */
uint64_t fe_drain_call(struct fe *);

/*
 * One request of len bytes at FE_BUF_GPA, copied to buf if that is not NULL;
 * returns how many bytes came.
 */
int fe_read(struct fe *, void *, uint32_t, int);

/* frontend_packed.c: the same of a packed ring, for frontend_ring.c */
int fe_packed_init(struct fe *);
void fe_packed_free(struct fe *);
void fe_packed_set_idx(struct fe *, uint16_t);
void fe_packed_publish(struct fe *, uint16_t);
void fe_packed_jump(struct fe *, uint16_t);
uint16_t fe_packed_used_idx(const struct fe *, uint16_t *);
uint16_t fe_packed_avail_event(const struct fe *);
void fe_packed_used_event_set(struct fe *, uint16_t);
bool fe_packed_wants_kick(struct fe *);
void fe_packed_pop(struct fe *, struct fe_used_elem *);

#endif
