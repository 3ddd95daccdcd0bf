/*
 * The vhost-user protocol (QEMU docs/interop/vhost-user.rst), as far as the
 * entropy device uses it.  All integers are in host byte order.
 */
#ifndef VRNGD_VHOST_USER_H
#define VRNGD_VHOST_USER_H

#include <stdint.h>

#define VHOST_USER_VERSION	1
#define VHOST_USER_VERSION_MASK 0x3
#define VHOST_USER_REPLY	(1 << 2)
#define VHOST_USER_NEED_REPLY	(1 << 3)

#define VHOST_USER_PAYLOAD_MAX	  1024 /* the longest known one: 268 */
#define VHOST_USER_FDS_MAX	  8    /* regions of SET_MEM_TABLE */
#define VHOST_USER_MEM_SLOTS	  509
#define VHOST_USER_QUEUE_SIZE_MAX 32768

/* Feature bits: those of the device, and of vhost itself. */
#define VHOST_F_LOG_ALL		       26
#define VIRTIO_F_INDIRECT_DESC	       28
#define VIRTIO_F_EVENT_IDX	       29
#define VHOST_USER_F_PROTOCOL_FEATURES 30
#define VIRTIO_F_VERSION_1	       32
#define VIRTIO_F_ACCESS_PLATFORM       33
#define VIRTIO_F_RING_PACKED	       34
#define VIRTIO_F_IN_ORDER	       35

/* Protocol feature bits. */
#define VHOST_USER_PROTOCOL_F_MQ		  0
#define VHOST_USER_PROTOCOL_F_LOG_SHMFD		  1
#define VHOST_USER_PROTOCOL_F_REPLY_ACK		  3
#define VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD	  12
#define VHOST_USER_PROTOCOL_F_RESET_DEVICE	  13
#define VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS 15
#define VHOST_USER_PROTOCOL_F_STATUS		  16
#define VHOST_USER_PROTOCOL_F_DEVICE_STATE	  19
#define VHOST_USER_PROTOCOL_F_BASE_INFLIGHT	  20 /* GET_VRING_BASE_... */

#define FEATURE(bit) (UINT64_C(1) << (bit))

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_SET_DEVICE_STATE_FD = 42,
	VHOST_USER_CHECK_DEVICE_STATE = 43,
	VHOST_USER_REQUESTS,
};

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload, bytes */
};

/* "A vring state description" */
struct vhost_user_vring_state {
	uint32_t index;
	uint32_t num;
};

/* "A vring address description" */
struct vhost_user_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc; /* in the frontend's address space */
	uint64_t used;
	uint64_t avail;
	uint64_t log; /* guest address */
};
#define VHOST_VRING_F_LOG (1 << 0)

/* "Memory region description" */
struct vhost_user_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct vhost_user_memory {
	uint32_t nregions;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_FDS_MAX];
};

/* "Single memory region description" */
struct vhost_user_single_region {
	uint64_t padding;
	struct vhost_user_region region;
};

/* "Log description" */
struct vhost_user_log {
	uint64_t size;
	uint64_t offset;
};

/* "Virtio device config space", without its bytes */
struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
};
#define VHOST_USER_CONFIG_MAX 256 /* bytes */

/* "Inflight description"; some frontends send the compiler's padding too. */
struct vhost_user_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint8_t padding[4];
};
#define VHOST_USER_INFLIGHT_MIN 20

/* "Device state transfer parameters" */
struct vhost_user_transfer {
	uint32_t direction;
	uint32_t phase;
};
#define VHOST_USER_TRANSFER_SAVE    0 /* direction: to the frontend */
#define VHOST_USER_TRANSFER_LOAD    1
#define VHOST_USER_TRANSFER_STOPPED 0 /* phase: all rings are stopped */

/* Reply to SET_DEVICE_STATE_FD: bits 0 to 7 are an error, and this flag. */
#define VHOST_USER_TRANSFER_NOFD (1 << 8)

/* Payload of SET_VRING_KICK, _CALL and _ERR. */
#define VHOST_USER_VRING_INDEX_MASK 0xff
#define VHOST_USER_VRING_NOFD	    (1 << 8)

union vhost_user_payload {
	uint64_t u64;
	struct vhost_user_vring_state state;
	struct vhost_user_vring_addr addr;
	struct vhost_user_memory memory;
	struct vhost_user_single_region region;
	struct vhost_user_log log;
	struct vhost_user_inflight inflight;
	struct vhost_user_config config;
	struct vhost_user_transfer transfer;
	uint8_t bytes[VHOST_USER_PAYLOAD_MAX];
};

#endif
