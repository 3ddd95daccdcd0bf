/*
 * The walk of a virtqueue, in memory that the guest fills with anything: the
 * input is a script of its driver.
 */
#include <sys/mman.h>

#include <endian.h>
#include <unistd.h>

#include "common/proto.h"
#include "fuzz/fuzz.h"
#include "vhost/device/inflight_packed.h"
#include "vhost/device/packed.h"
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
#define RECORD	   0x4000 /* of requests in flight, of small packed rings */
#define RECORD_NUM 64
#define NUM_BITS   10 /* the largest queue has 1024 entries */

static struct guest {
	struct memory mem;
	struct queue q;
	struct inflight inflight; /* of a packed ring */
	uint32_t mark;
	uint16_t at; /* where its driver is */
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

/* Reads and completes the next request.  Returns whether there was one. */
static bool
serve_one(void)
{
	struct queue *q = &guest.q;
	struct inflight *inf = &guest.inflight;
	static struct request req;
	uint16_t next = q->next;

	if (inf->packed == NULL ||
	    !inflight_packed_resubmit(inf, &guest.mem, &req)) {
		if (queue_pop(q, &req) != QUEUE_REQUEST)
			return false;
		if (inf->packed != NULL)
			inflight_packed_begin(inf, q, next, &req);
		CHECK(!q->packed || (req.count > 0 && req.count <= q->num));
	}
	check_request(&req);
	queue_is_older(q, q->next);
	if (inf->packed != NULL)
		inflight_packed_push(inf, q, &req);
	queue_push(q, &req, req.len);
	if (inf->packed != NULL)
		inflight_packed_done(inf, &req);
	return true;
}

/* The device's side, up to a round of the ring. */
static void
serve(uint32_t most)
{
	struct queue *q = &guest.q;
	uint32_t n = 0;

	while (n < most && serve_one())
		n++;
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

/* The driver of a packed ring offers a descriptor, or one that is not next. */
static void
offer_packed(uint16_t flags)
{
	uint16_t at = guest.at & (PACKED_WRAP - 1);

	flags =
	    (flags & 7) | ((guest.at & PACKED_WRAP) != 0 ? 1 << 7 : 1 << 15);
	poke16(DESC_PART + at * 16U + 14, flags);
	guest.at = packed_advance(&guest.q, guest.at, 1);
}

/* The next worker starts, after this one has died. */
static void
restart(void)
{
	struct queue *q = &guest.q;
	const char *why;
	int position;

	if (!q->packed)
		return;
	position = packed_settle(q, guest.mark);
	CHECK(position != -1);
	q->next = (uint16_t)position;
	queue_unmap(q);
	CHECK(queue_map(q, &why) == 0);
	if (guest.inflight.packed == NULL)
		return;
	inflight_packed_start(&guest.inflight, q);
	inflight_packed_behind(&guest.inflight, q);
}

/* A packed ring, with or without a record, which may have anything in it. */
static void
start_packed(struct input *in)
{
	uint8_t how = input_u8(in);

	queue_set_packed(&guest.q, true);
	guest.q.num = 1U + input_u16(in) % (1 << NUM_BITS);
	guest.q.mark = &guest.mark;
	guest.q.addr.flags = how & VHOST_VRING_F_LOG;
	guest.at = PACKED_START;
	if ((how & 2) == 0)
		return;
	guest.q.num = 1 + guest.q.num % RECORD_NUM;
	if ((how & 4) != 0)
		input_copy(in, guest.file + RECORD, input_u8(in));
	CHECK(inflight_packed_attach(&guest.inflight, guest.file + RECORD,
		  inflight_packed_size((uint16_t)guest.q.num),
		  (uint16_t)guest.q.num) == 0);
}

/* One step of the script. */
static void
act(struct input *in)
{
	uint32_t num = guest.q.num, i;
	uint8_t *idx = guest.file + AVAIL_PART + 2;
	uint16_t value, n;

	switch (input_u8(in) % (guest.q.packed ? 9 : 8)) {
	case 0:
		poke_desc(in, DESC_PART + input_u16(in) % num * 16);
		break;
	case 1:
		poke_desc(in, LOW_SIZE - 4096 + input_u8(in) * 16U);
		break;
	case 2: /* offers a chain */
		if (guest.q.packed) {
			offer_packed(input_u16(in));
			break;
		}
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
	case 8:
		restart();
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	const char *why;
	uint8_t size;

	if (guest.file == NULL)
		guest_start();
	memset(guest.file, 0, FILE_SIZE);
	if (guest.mem.nregions == 1)
		map_high();
	queue_init(&guest.q, &guest.mem);
	guest.inflight = (struct inflight){ 0 };
	size = input_u8(&in);
	guest.q.num = 1U << size % (NUM_BITS + 1);
	if (size == UINT8_MAX)
		start_packed(&in);
	guest.q.addr.desc = USER + DESC_PART;
	guest.q.addr.avail = USER + AVAIL_PART;
	guest.q.addr.used = USER + USED_PART;
	CHECK(queue_map(&guest.q, &why) == 0);
	if (guest.inflight.packed != NULL)
		inflight_packed_start(&guest.inflight, &guest.q);
	while (in.left > 0)
		act(&in);
	serve(guest.q.num);
	if (guest.inflight.packed != NULL)
		inflight_packed_stop(&guest.inflight);
	CHECK(!guest.mem.lost);
	return 0;
}
