/*
 * Guests under load.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "integration/load.h"

#define MAX_LOADS 32

/* Each slot of the ring has its own buffer; single descriptors only. */
static uint64_t
buffer_of(const struct load *l, uint32_t id)
{
	return FE_BUF_GPA + (uint64_t)id * l->len;
}

/* Make as many requests as are missing; their ids name their buffers. */
static void
fill(struct load *l)
{
	struct fe_ring *r = &l->fe->ring;
	uint32_t id;

	if (r->size - r->nfree >= l->depth)
		return;
	while (r->size - r->nfree < l->depth) {
		id = r->free_head;
		assert_int_equal(fe_add_one(l->fe, buffer_of(l, id), l->len),
		    id);
	}
	fe_kick(l->fe);
}

/* Keep what came, as far as there is room for it. */
static void
keep(struct load *l, const struct fe_used_elem *elem)
{
	size_t n = elem->len;

	if (l->data == NULL || l->bytes >= l->size)
		return;
	if (n > l->size - l->bytes)
		n = l->size - l->bytes;
	CHECK(
	    fe_mem_read(l->fe, buffer_of(l, elem->id), l->data + l->bytes, n));
}

uint64_t
load_poll(struct load *l, struct record *rec)
{
	struct fe_used_elem elem;
	uint64_t bytes = 0;

	while (fe_pop(l->fe, &elem) == 1) {
		assert_in_range(elem.len, 1, l->len);
		keep(l, &elem);
		l->bytes += elem.len;
		l->requests++;
		l->shorts += elem.len < l->len;
		bytes += elem.len;
	}
	if (bytes > 0 && rec != NULL) {
		assert_true(rec->n < rec->max);
		rec->events[rec->n++] = (struct arrival){ fe_now(), bytes };
	}
	return bytes;
}

static bool
all_full(const struct load *loads, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!loads[i].stop || loads[i].bytes < loads[i].size)
			return false;
	return true;
}

void
load_run(struct load *loads, size_t n, int ms, struct record *rec)
{
	struct pollfd pfds[MAX_LOADS];
	uint64_t now, end = fe_now() + (uint64_t)ms;
	struct fe *fe;
	size_t i;
	bool idle;

	while ((now = fe_now()) < end && !all_full(loads, n)) {
		idle = true;
		for (i = 0; i < n; i++) {
			fe = loads[i].fe;
			fill(&loads[i]);
			fe_used_event_set(fe, fe->ring.used_idx);
			if (load_poll(&loads[i], rec) > 0)
				idle = false;
			pfds[i] = (struct pollfd){ fe->call, POLLIN, 0 };
		}
		if (!idle)
			continue;
		poll(pfds, (nfds_t)n, (int)(end - now));
		for (i = 0; i < n; i++)
			if (pfds[i].revents & POLLIN)
				fe_drain_call(loads[i].fe);
	}
}

void
record_check(const struct record *rec, uint64_t burst, uint64_t rate,
    uint64_t delay)
{
	uint64_t sum, limit;
	size_t i, j;

	for (i = 0; i < rec->n; i++) {
		for (j = i, sum = 0; j < rec->n; j++) {
			sum += rec->events[j].bytes;
			limit = burst +
			    rate *
				(rec->events[j].time - rec->events[i].time +
				    delay) /
				1000;
			if (sum > limit)
				fail_msg("%ju bytes in %ju ms, limit %ju",
				    (uintmax_t)sum,
				    (uintmax_t)(rec->events[j].time -
					rec->events[i].time),
				    (uintmax_t)limit);
		}
	}
}

void
record_init(struct record *rec, size_t max)
{
	rec->events = calloc(max, sizeof(*rec->events));
	assert_non_null(rec->events);
	rec->n = 0;
	rec->max = max;
}

void
record_free(struct record *rec)
{
	free(rec->events);
}
