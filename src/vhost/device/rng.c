/*
 * Fills requests from the window and completes them.  Used by ring.c, and by
 * worker.c when bytes have arrived.
 */
#include <stddef.h>
#include <string.h>

#include "common/clock.h"
#include "common/min.h"
#include "vhost/device/inflight_packed.h"
#include "vhost/device/rng.h"

#define SHORT_WAIT  (2 * NS_PER_MS)
#define PIECE_WAIT  (50 * NS_PER_MS)
#define BATCHES_MAX 8 /* rounds of PENDING_MAX requests, before other events */

void
rng_init(struct rng *r, struct queue *queue, struct inflight *inflight,
    struct counters *counters)
{
	memset(r, 0, offsetof(struct rng, window));
	r->queue = queue;
	r->inflight = inflight;
	r->counters = counters;
	window_init(&r->window);
	log_limit_init(&r->log_limit, clock_now());
}

/* The number of bytes that complete a request. */
static uint32_t
target(const struct rng *r, const struct request *req)
{
	return min32(req->len, r->window.request_max);
}

/* Reads a request that was in flight at the start.  Returns if there was one. */
static bool
read_again(struct rng *r, struct request *req)
{
	int head;

	if (r->inflight->resubmit == 0)
		return false;
	if (r->inflight->packed != NULL)
		return inflight_packed_resubmit(r->inflight, r->queue->mem,
		    req);
	if ((head = inflight_resubmit(r->inflight)) == -1)
		return false;
	queue_read(r->queue, (uint16_t)head, req);
	return true;
}

/* Records a request from the place `next` of the ring as being in flight. */
static void
record(struct rng *r, uint16_t next, struct request *req)
{
	if (r->inflight->packed != NULL)
		inflight_packed_begin(r->inflight, r->queue, next, req);
	else
		inflight_begin(r->inflight, req->head);
}

/* Returns a request to the ring, and takes it off the record. */
static void
push(struct rng *r, const struct request *req, uint32_t n)
{
	if (r->inflight->packed != NULL)
		inflight_packed_push(r->inflight, r->queue, req);
	queue_push(r->queue, req, n);
	if (r->inflight->packed != NULL)
		inflight_packed_done(r->inflight, req);
	else
		inflight_push(r->inflight, req->head);
}

/*
 * Reads requests ahead, as many as there is room for.  To the outside they are
 * still in the avail ring.  A request whose memory the frontend may have just
 * removed, to add it again with another size, waits for that.
 */
static enum rng_state
fetch(struct rng *r)
{
	enum queue_state state = QUEUE_EMPTY;
	struct request *req;
	struct inflight inflight;
	uint16_t next;
	bool again;

	r->held_back = false;
	while (r->npending < PENDING_MAX) {
		req = &r->pending[(r->first + r->npending) % PENDING_MAX];
		inflight = *r->inflight;
		next = r->queue->next;
		again = read_again(r, req);
		if (!again &&
		    (state = queue_pop(r->queue, req)) != QUEUE_REQUEST)
			break;
		if (r->queue->mem->shrunk && req->fault == chain_outside &&
		    (again || queue_is_older(r->queue, next))) {
			*r->inflight = inflight;
			r->queue->next = next;
			r->held_back = true;
			break;
		}
		if (!again)
			record(r, next, req);
		r->npending++;
	}
	return state == QUEUE_BROKEN ? RNG_BROKEN : RNG_WAITING;
}

static void
log_refused(struct rng *r, const struct request *req)
{
	uint32_t suppressed;

	if (log_limit_pass(&r->log_limit, clock_now(), &suppressed))
		log_warning("request %s: %s: descriptor %u (suppressed: %u)",
		    req->len == 0 ? "rejected" : "shortened", req->fault,
		    req->head, suppressed);
}

/* Moves `n` bytes from the window into a request. */
static void
take(struct rng *r, const struct request *req, uint32_t n)
{
	const uint8_t *from = window_bytes(&r->window);
	uint32_t done = 0, len;

	for (uint32_t i = 0; done < n; i++) {
		len = min32(req->segments[i].len, n - done);
		memcpy(req->segments[i].host, from + done, len);
		memory_dirty(r->queue->mem, req->segments[i].guest_addr, len);
		done += len;
	}
	window_drop(&r->window, n);
}

static void
complete(struct rng *r, const struct request *req, uint32_t n)
{
	take(r, req, n);
	push(r, req, n);
	if (req->fault != NULL)
		log_refused(r, req);
	r->counters->requests++;
	r->counters->bytes += n;
	r->counters->short_answers += n != 0 && n < req->len;
	r->counters->malformed += n == 0;
}

/*
 * Whether `n` bytes complete a request for `want`.  Bytes that have just arrived
 * were granted to it: fewer are enough where waiting for the rest could take
 * forever.  They wait for more for a while, so that a share that is large enough
 * completes whole requests, and are not single bytes.  But many guests that wait
 * for more hold what the next one waits for: after PIECE_WAIT, GRANT_MIN is enough.
 */
static bool
is_enough(struct rng *r, uint32_t n, uint32_t want)
{
	uint64_t now;

	if (n == want)
		return true;
	if (n == 0 || (r->short_due == 0 && !r->window.fresh))
		return false;
	now = clock_now();
	if (r->short_due == 0)
		r->short_due =
		    now + (r->window.request_min == 1 ? 0 : SHORT_WAIT);
	return now >= r->short_due &&
	    (n >= r->window.request_min ||
		(n >= GRANT_MIN && now >= r->short_due + PIECE_WAIT));
}

/* Completes requests in order while there are bytes.  Returns their number. */
static uint32_t
serve(struct rng *r)
{
	const struct request *req;
	uint32_t served = 0, want, n;

	while (r->npending > 0) {
		req = &r->pending[r->first];
		want = target(r, req);
		n = min32(want, r->window.held);
		if (!is_enough(r, n, want))
			break;
		complete(r, req, n);
		r->first = (r->first + 1) % PENDING_MAX;
		r->npending--;
		r->short_due = 0;
		served++;
	}
	/* Usually few requests wait: the pages of the others stay unused. */
	if (r->npending == 0)
		r->first = 0;
	r->window.fresh = false;
	return served;
}

/* Counts the time during which at least one request waits. */
static void
keep_time(struct rng *r)
{
	if (r->npending > 0 && r->waiting == 0)
		r->waiting = clock_now();
	else if (r->npending == 0 && r->waiting != 0) {
		r->counters->wait_ns += clock_now() - r->waiting;
		r->waiting = 0;
	}
}

/* Whether there are requests, and room to read them ahead. */
static bool
has_more(const struct rng *r)
{
	if (r->npending == PENDING_MAX || r->held_back)
		return false;
	return r->inflight->resubmit > 0 ||
	    queue_peek(r->queue) == QUEUE_REQUEST;
}

enum rng_state
rng_run(struct rng *r, bool *call)
{
	enum rng_state state;
	uint32_t served;

	*call = false;
	for (int i = 0; i < BATCHES_MAX; i++) {
		state = fetch(r);
		served = serve(r);
		if (served > 0) {
			*call |= queue_publish(r->queue);
			inflight_publish(r->inflight, r->queue->published);
		}
		queue_arm(r->queue);
		if (state != RNG_WAITING || !has_more(r)) {
			keep_time(r);
			return state;
		}
	}
	return RNG_MORE;
}

uint16_t
rng_next(const struct rng *r)
{
	return queue_before(r->queue, r->npending + r->inflight->resubmit);
}

void
rng_rewind(struct rng *r)
{
	r->queue->next = rng_next(r);
	r->inflight->resubmit = 0;
	r->first = r->npending = 0;
	r->short_due = 0;
	keep_time(r);
}

uint64_t
rng_short_due(const struct rng *r)
{
	if (r->short_due == 0 || r->window.held >= r->window.request_min)
		return r->short_due;
	/* With fewer it waits for bytes, not for that time. */
	return r->window.held < GRANT_MIN ? 0 : r->short_due + PIECE_WAIT;
}

/* The bytes that waiting requests need, up to the limit of a WANT. */
static uint64_t
missing(const struct rng *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->npending && sum < r->window.held + NEED_MAX;
	     i++)
		sum += target(r, &r->pending[(r->first + i) % PENDING_MAX]);
	if (sum <= r->window.held)
		return 0;
	return sum - r->window.held < NEED_MAX ? sum - r->window.held
					       : NEED_MAX;
}

bool
rng_want(struct rng *r)
{
	return window_want(&r->window, missing(r), r->npending > 0);
}
