/*
 * The walk of a virtqueue, in memory that the guest fills with anything: the
 * input is a script of its driver.
 */
#include <sys/mman.h>

#include <endian.h>
#include <unistd.h>

#include "common/proto.h"
#include "fuzz/fuzz.h"
#include "vhost/device/queue.h"

/* Two regions that are neighbours in the guest's addresses only. */
#define LOW_GPA	  UINT64_C(0x10000)
#define LOW_SIZE  UINT64_C(0x10000)
#define HIGH_GPA  (LOW_GPA + LOW_SIZE)
#define HIGH_SIZE UINT64_C(0x4000)
#define HIGH_PART (LOW_SIZE + 0x1000) /* of the file */
#define FILE_SIZE (HIGH_PART + HIGH_SIZE)
#define USER	  UINT64_C(0x7f0000000000)

#define DESC_PART  0
#define AVAIL_PART 0x8000
#define USED_PART  0xa000
#define NUM_BITS   10 /* the largest queue has 1024 entries */

static struct guest {
	struct memory mem;
	struct queue q;
	uint8_t *file;
	int fd;
} guest;

static void
map_high(void)
{
	const struct vhost_user_region high = { HIGH_GPA, HIGH_SIZE,
		USER + (1 << 20), HIGH_PART };
	const char *why;

	CHECK(memory_add(&guest.mem, &high, guest.fd, 2, &why) == 0);
}

/* Once per process: SIGBUS. */
static void
guest_start(void)
{
	const struct vhost_user_region low = { LOW_GPA, LOW_SIZE, USER, 0 };
	const char *why;

	fuzz_quiet();
	guest.fd = memfd_create("guest", MFD_CLOEXEC);
	CHECK(guest.fd != -1 && ftruncate(guest.fd, FILE_SIZE) == 0);
	guest.file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    guest.fd, 0);
	CHECK(guest.file != MAP_FAILED);
	memory_init(&guest.mem);
	CHECK(memory_add(&guest.mem, &low, guest.fd, 1, &why) == 0);
	map_high();
}

static void
poke16(size_t offset, uint16_t value)
{
	value = htole16(value);
	memcpy(guest.file + offset, &value, sizeof(value));
}

/* A descriptor, of the queue or of a table at `offset` of the low region. */
static void
poke_desc(struct input *in, size_t offset)
{
	uint8_t far = input_u8(in);
	uint64_t addr = ((far & 3U) << 16) + input_u16(in);
	uint32_t len = input_u16(in);
	uint8_t flags = input_u8(in);

	if ((far & 0x80) != 0)
		addr |= UINT64_C(0xffffffff) << 32;
	if ((far & 0x40) != 0)
		len |= (uint32_t)input_u16(in) << 16;
	addr = htole64(addr);
	len = htole32(len);
	memcpy(guest.file + offset, &addr, sizeof(addr));
	memcpy(guest.file + offset + 8, &len, sizeof(len));
	poke16(offset + 12, flags);
	poke16(offset + 14, input_u16(in));
}

/* All segments are memory of the guest. */
static void
check_request(const struct request *req)
{
	const struct segment *s;
	uint64_t sum = 0, n;

	CHECK(req->nsegments <= REQUEST_SEGMENTS);
	for (uint32_t i = 0; i < req->nsegments; i++) {
		s = &req->segments[i];
		n = s->len;
		CHECK(n > 0);
		CHECK(memory_guest(&guest.mem, s->guest_addr, &n) == s->host);
		CHECK(n == s->len);
		s->host[0] ^= 1;
		s->host[n - 1] ^= 1;
		sum += n;
	}
	CHECK(sum == req->len && req->len <= REQUEST_MAX);
	CHECK(req->fault != NULL || req->len > 0);
}

/* The device's side, up to a round of the ring. */
static void
serve(uint32_t most)
{
	struct queue *q = &guest.q;
	static struct request req;
	uint32_t n = 0;
	uint16_t head;

	while (n < most && queue_peek(q) == QUEUE_REQUEST) {
		head = queue_pop(q);
		queue_read(q, head, &req);
		CHECK(req.head == head);
		check_request(&req);
		queue_is_older(q, q->next);
		queue_push(q, head, req.len);
		n++;
	}
	if (n > 0)
		queue_publish(q);
	queue_arm(q);
}

static void
change_memory(void)
{
	const struct vhost_user_region high = { HIGH_GPA, HIGH_SIZE,
		USER + (1 << 20), HIGH_PART };

	queue_shrink(&guest.q);
	if (memory_remove(&guest.mem, &high) == -1)
		map_high();
}

/* One step of the script. */
static void
act(struct input *in)
{
	uint32_t num = guest.q.num, i;
	uint8_t *idx = guest.file + AVAIL_PART + 2;
	uint16_t value, n;

	switch (input_u8(in) % 8) {
	case 0:
		poke_desc(in, DESC_PART + input_u16(in) % num * 16);
		break;
	case 1:
		poke_desc(in, LOW_SIZE - 4096 + input_u8(in) * 16U);
		break;
	case 2: /* offers a chain */
		memcpy(&value, idx, sizeof(value));
		value = le16toh(value);
		poke16(AVAIL_PART + 4 + value % num * 2, input_u16(in));
		poke16(AVAIL_PART + 2, value + 1);
		break;
	case 3:
		serve(input_u8(in));
		break;
	case 4:
		change_memory();
		break;
	case 5:
		queue_watch(&guest.q, (input_u8(in) & 1) != 0);
		break;
	case 6: /* anything, in the rings or elsewhere */
		i = input_u16(in);
		n = input_u8(in);
		input_copy(in, guest.file + i % (LOW_SIZE - n), n);
		break;
	case 7:
		guest.q.event_idx = !guest.q.event_idx;
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	const char *why;

	if (guest.file == NULL)
		guest_start();
	memset(guest.file, 0, FILE_SIZE);
	if (guest.mem.nregions == 1)
		map_high();
	queue_init(&guest.q, &guest.mem);
	guest.q.num = 1U << input_u8(&in) % (NUM_BITS + 1);
	guest.q.addr.desc = USER + DESC_PART;
	guest.q.addr.avail = USER + AVAIL_PART;
	guest.q.addr.used = USER + USED_PART;
	CHECK(queue_map(&guest.q, &why) == 0);
	while (in.left > 0)
		act(&in);
	serve(guest.q.num);
	CHECK(!guest.mem.lost);
	return 0;
}
