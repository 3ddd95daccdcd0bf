/*
 * A virtual machine without a processor: has a CID by vhost_vsock, and sends
 * packets of vsock as the driver of a guest would, or as no driver would.
 *
 *	vsock_vm CID FROM PORT [REQUESTS]
 *
 * Connects from the CID "FROM" to a port of the host, requests 64 bytes by EGD,
 * once or more often, one second apart, and prints what comes: "none", if there
 * is no answer to the connection; "reset"; or the number of bytes.  Used in the
 * guest of vsock.test, whose kernel has the module.
 */
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <err.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS	  16
#define SLOT_SIZE 4096
#define WAIT	  3000 /* ms */
#define SPACE	  (UINT32_C(1) << 18)
#define BYTES	  64

enum {
	HOST_TO_GUEST,
	GUEST_TO_HOST,
	QUEUES
};

/* All of the machine's memory. */
static struct {
	uint8_t rings[QUEUES][8192];
	uint8_t slots[QUEUES][SLOTS][SLOT_SIZE];
} * memory;

static struct queue {
	struct vring ring;
	int kick;
	uint16_t seen; /* used elements */
} queues[QUEUES];

static struct virtio_vsock_hdr hdr; /* of what it sends */

static void
control(int fd, unsigned long request, void *arg)
{
	if (ioctl(fd, request, arg) == -1)
		err(1, "ioctl %#lx", request);
}

static void
start_queue(int fd, unsigned int i)
{
	struct queue *q = &queues[i];
	struct vhost_vring_state state = { .index = i, .num = SLOTS };
	struct vhost_vring_addr addr = { .index = i };
	struct vhost_vring_file file = { .index = i };

	vring_init(&q->ring, SLOTS, memory->rings[i], 4096);
	addr.desc_user_addr = (uintptr_t)q->ring.desc;
	addr.avail_user_addr = (uintptr_t)q->ring.avail;
	addr.used_user_addr = (uintptr_t)q->ring.used;
	control(fd, VHOST_SET_VRING_NUM, &state);
	state.num = 0;
	control(fd, VHOST_SET_VRING_BASE, &state);
	control(fd, VHOST_SET_VRING_ADDR, &addr);
	file.fd = q->kick = eventfd(0, EFD_CLOEXEC);
	control(fd, VHOST_SET_VRING_KICK, &file);
	file.fd = eventfd(0, EFD_CLOEXEC);
	control(fd, VHOST_SET_VRING_CALL, &file);
}

/* Makes a slot available to the host, with so many bytes. */
static void
put(unsigned int i, uint16_t slot, uint32_t len)
{
	struct queue *q = &queues[i];
	uint64_t one = 1;

	q->ring.desc[slot] = (struct vring_desc){
		.addr = (uint64_t)(memory->slots[i][slot] - (uint8_t *)memory),
		.len = len,
		.flags = i == HOST_TO_GUEST ? VRING_DESC_F_WRITE : 0,
	};
	q->ring.avail->ring[q->ring.avail->idx % SLOTS] = slot;
	__atomic_store_n(&q->ring.avail->idx, q->ring.avail->idx + 1,
	    __ATOMIC_RELEASE);
	if (write(q->kick, &one, sizeof(one)) != sizeof(one))
		err(1, "kick");
}

/* Waits until the host has used a slot; -1: it has not. */
static int
take(unsigned int i)
{
	struct queue *q = &queues[i];

	for (int ms = 0; ms < WAIT; ms++) {
		if (__atomic_load_n(&q->ring.used->idx, __ATOMIC_ACQUIRE) !=
		    q->seen)
			return (int)q->ring.used->ring[q->seen++ % SLOTS].id;
		usleep(1000);
	}
	return -1;
}

static void
transmit(uint16_t op, const void *bytes, uint32_t len)
{
	uint8_t *slot = memory->slots[GUEST_TO_HOST][0];

	hdr.op = op;
	hdr.len = len;
	memcpy(slot, &hdr, sizeof(hdr));
	if (len > 0)
		memcpy(slot + sizeof(hdr), bytes, len);
	put(GUEST_TO_HOST, 0, (uint32_t)sizeof(hdr) + len);
	if (take(GUEST_TO_HOST) == -1)
		errx(1, "the host takes no packets");
}

/*
 * Receives a packet of this connection.  Returns its operation, or -1; counts its
 * bytes.  The host resets connections of the last machine with this CID up to 8 s
 * after that has ended.
 */
static int
receive(uint32_t *bytes)
{
	struct virtio_vsock_hdr got;
	int slot;

	do {
		if ((slot = take(HOST_TO_GUEST)) == -1)
			return -1;
		memcpy(&got, memory->slots[HOST_TO_GUEST][slot], sizeof(got));
		put(HOST_TO_GUEST, (uint16_t)slot, SLOT_SIZE);
	} while (got.dst_port != hdr.src_port);
	if (got.op == VIRTIO_VSOCK_OP_RW)
		*bytes += got.len;
	hdr.fwd_cnt = *bytes;
	return got.op;
}

static void
start(uint64_t cid)
{
	struct vhost_memory *map =
	    calloc(1, sizeof(*map) + sizeof(map->regions[0]));
	uint64_t features = UINT64_C(1) << VIRTIO_F_VERSION_1;
	int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC), running = 1;

	if (fd == -1)
		err(1, "/dev/vhost-vsock");
	memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == NULL || memory == MAP_FAILED)
		err(1, "memory");
	map->nregions = 1;
	map->regions[0].memory_size = sizeof(*memory);
	map->regions[0].userspace_addr = (uintptr_t)memory;
	control(fd, VHOST_SET_OWNER, NULL);
	control(fd, VHOST_SET_FEATURES, &features);
	control(fd, VHOST_SET_MEM_TABLE, map);
	free(map);
	for (unsigned int i = 0; i < QUEUES; i++)
		start_queue(fd, i);
	if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == -1)
		err(1, "CID %llu", (unsigned long long)cid);
	control(fd, VHOST_VSOCK_SET_RUNNING, &running);
	for (uint16_t slot = 0; slot < SLOTS; slot++)
		put(HOST_TO_GUEST, slot, SLOT_SIZE);
}

int
main(int argc, char **argv)
{
	static const uint8_t request[] = { 2, BYTES };
	uint32_t bytes = 0, wanted = 0;
	int op, n;

	if (argc != 4 && argc != 5)
		errx(2, "usage: vsock_vm CID FROM PORT [REQUESTS]");
	n = argc == 5 ? atoi(argv[4]) : 1;
	start(strtoull(argv[1], NULL, 10));
	hdr = (struct virtio_vsock_hdr){
		.src_cid = strtoull(argv[2], NULL, 10),
		.dst_cid = 2,
		.src_port = 2000 + (uint32_t)getpid(),
		.dst_port = (uint32_t)strtoul(argv[3], NULL, 10),
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.buf_alloc = SPACE,
	};
	transmit(VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
	op = receive(&bytes);
	for (int i = 0; i < n && op == VIRTIO_VSOCK_OP_RESPONSE; i++) {
		if (i > 0)
			sleep(1);
		transmit(VIRTIO_VSOCK_OP_RW, request, sizeof(request));
		wanted += BYTES;
		while (bytes < wanted && (op = receive(&bytes)) != -1 &&
		    op != VIRTIO_VSOCK_OP_RST && op != VIRTIO_VSOCK_OP_SHUTDOWN)
			;
		op = bytes == wanted ? VIRTIO_VSOCK_OP_RESPONSE : op;
	}
	if (bytes > 0)
		printf("%u\n", bytes);
	else
		puts(op == -1 ? "none" : "reset");
	return 0;
}
