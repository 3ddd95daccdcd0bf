#include <stddef.h>

#include "inflight.h"

/* "DescStateSplit" and "QueueRegionSplit" */
struct inflight_desc {
	uint8_t		inflight;
	uint8_t		padding[5];
	uint16_t	next;		/* of the same batch */
	uint64_t	counter;
};

struct inflight_region {
	uint64_t	features;
	uint16_t	version;
	uint16_t	desc_num;
	uint16_t	last_batch_head;
	uint16_t	used_idx;
	struct inflight_desc desc[];
};

#define REGION_VERSION	1
#define REGION_ALIGN	64

uint64_t
inflight_size(uint16_t num)
{
	uint64_t	size;

	size = sizeof(struct inflight_region) +
	    sizeof(struct inflight_desc) * num;
	return (size + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

int
inflight_attach(struct inflight *inf, void *start, uint64_t size, uint16_t num)
{
	if (size < sizeof(struct inflight_region) +
	    sizeof(struct inflight_desc) * num ||
	    (uintptr_t)start % _Alignof(struct inflight_region) != 0)
		return -1;
	*inf = (struct inflight){ .region = start, .num = num };
	return 0;
}

void
inflight_restart(struct inflight *inf, uint16_t used_idx)
{
	struct inflight_region	*r = inf->region;

	if (r == NULL)
		return;
	for (uint32_t i = 0; i < inf->num; i++)
		r->desc[i].inflight = 0;
	r->version = REGION_VERSION;
	r->desc_num = inf->num;
	r->used_idx = used_idx;
}

void
inflight_begin(struct inflight *inf, uint32_t head)
{
	if (inf->region == NULL || head >= inf->num)
		return;
	inf->region->desc[head].counter = inf->counter++;
	inf->region->desc[head].inflight = 1;
}

void
inflight_push(struct inflight *inf, uint32_t head)
{
	if (inf->region == NULL || head >= inf->num)
		return;
	inf->region->desc[head].next = inf->region->last_batch_head;
	inf->region->last_batch_head = (uint16_t)head;
}

void
inflight_publish(struct inflight *inf, uint16_t used_idx)
{
	struct inflight_region	*r = inf->region;
	uint16_t		 n, head;

	if (r == NULL)
		return;
	head = r->last_batch_head;
	for (n = (uint16_t)(used_idx - r->used_idx); n > 0; n--) {
		if (head >= inf->num)
			break;
		r->desc[head].inflight = 0;
		head = r->desc[head].next;
	}
	r->used_idx = used_idx;
}
