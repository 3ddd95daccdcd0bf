/*
 * The in-flight record of the ring.  Used by rng.c for each request, and by
 * requests.c and resume.c, which attach it.
 */
#include <stddef.h>

#include "vhost/device/inflight.h"
#include "vhost/protocol/vhost_user.h"

/* "DescStateSplit" and "QueueRegionSplit" */
struct inflight_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next; /* of the same batch */
	uint64_t counter;
};

struct inflight_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct inflight_desc desc[];
};

#define REGION_VERSION 1
#define REGION_ALIGN   64

uint64_t
inflight_size(uint16_t num)
{
	uint64_t size;

	size =
	    sizeof(struct inflight_region) + sizeof(struct inflight_desc) * num;
	return (size + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

int
inflight_attach(struct inflight *inf, void *start, uint64_t size, uint16_t num)
{
	if (num == 0 || num > VHOST_USER_QUEUE_SIZE_MAX ||
	    size < sizeof(struct inflight_region) +
		    sizeof(struct inflight_desc) * num ||
	    (uintptr_t)start % _Alignof(struct inflight_region) != 0)
		return -1;
	*inf = (struct inflight){ .region = start, .num = num };
	return 0;
}

/*
 * Clears the marks of the requests that became visible since the region's
 * used_idx.  The backend before may have died before it did this itself.
 */
static void
finish_batch(struct inflight *inf, uint16_t used_idx)
{
	struct inflight_region *r = inf->region;
	uint16_t n, head = r->last_batch_head;

	for (n = (uint16_t)(used_idx - r->used_idx); n > 0; n--) {
		if (head >= inf->num)
			break;
		r->desc[head].inflight = 0;
		head = r->desc[head].next;
	}
	r->used_idx = used_idx;
}

uint16_t
inflight_count(const struct inflight *inf)
{
	uint16_t n = 0;

	for (uint16_t i = 0; inf->region != NULL && i < inf->num; i++)
		if (inf->region->desc[i].inflight != 0)
			n++;
	return n;
}

void
inflight_stop(struct inflight *inf)
{
	if (inf->region == NULL)
		return;
	for (uint16_t i = 0; i < inf->num; i++)
		inf->region->desc[i].inflight = 0;
}

/* Initializes memory that was unused, or used for another queue. */
static void
format(struct inflight *inf, uint16_t used_idx)
{
	struct inflight_region *r = inf->region;

	inflight_stop(inf);
	r->version = REGION_VERSION;
	r->desc_num = inf->num;
	r->used_idx = used_idx;
}

uint16_t
inflight_start(struct inflight *inf, uint16_t used_idx)
{
	struct inflight_region *r = inf->region;
	uint64_t counter;

	if (r == NULL)
		return 0;
	if (r->version != REGION_VERSION || r->desc_num != inf->num)
		format(inf, used_idx);
	finish_batch(inf, used_idx);
	inf->counter = inf->from_counter = 0;
	inf->resubmit = inf->from_head = 0;
	inf->started = true;
	for (uint16_t i = 0; i < inf->num; i++) {
		if (r->desc[i].inflight == 0)
			continue;
		inf->resubmit++;
		counter = r->desc[i].counter;
		if (counter >= inf->counter)
			inf->counter = counter + 1;
	}
	return inf->resubmit;
}

/*
 * Searches the whole region each time: this happens once in the life of a
 * backend, for the few requests that a guest has in flight.
 */
int
inflight_resubmit(struct inflight *inf)
{
	struct inflight_desc *desc;
	uint64_t counter, least = UINT64_MAX;
	int head = -1;

	if (inf->resubmit == 0)
		return -1;
	desc = inf->region->desc;
	for (uint16_t i = 0; i < inf->num; i++) {
		counter = desc[i].counter;
		if (desc[i].inflight != 0 && counter < least &&
		    (counter > inf->from_counter ||
			(counter == inf->from_counter &&
			    i >= inf->from_head))) {
			least = counter;
			head = i;
		}
	}
	/* None if the frontend has changed the region meanwhile. */
	inf->resubmit = head == -1 ? 0 : inf->resubmit - 1;
	inf->from_counter = least;
	inf->from_head = (uint16_t)(head + 1);
	return head;
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
	if (inf->region != NULL)
		finish_batch(inf, used_idx);
}
