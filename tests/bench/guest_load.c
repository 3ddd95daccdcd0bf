#include <bsd/string.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "bench/guest_load.h"

#define PIECE  16    /* bytes that are looked at, */
#define STRIDE 4096  /* so often, and the last ones of a request */
#define SEEN   65536 /* pieces that are remembered */

#define ROUND(n, to) (((n) + (to)-1) / (to) * (to))

struct piece {
	uint64_t words[PIECE / sizeof(uint64_t)];
};

/* Of all guests.  A piece has one place, where the last one is kept. */
static struct piece seen[SEEN];
static const struct piece unwritten = { { 0x6465747469727775,
    0x6e65747469727775 } };

static uint32_t
ring_size(const struct work *w)
{
	uint32_t size = 4, need = w->depth * (w->indirect ? 1 : w->segments);

	while (size < need)
		size *= 2;
	return size;
}

static uint64_t
tables_gpa(const struct guest *g)
{
	return ROUND(fe_ring_bytes(ring_size(g->work)), FE_PAGE);
}

static uint64_t
buffer_gpa(const struct guest *g, uint32_t id)
{
	const struct work *w = g->work;
	uint64_t tables =
	    (uint64_t)ring_size(w) * w->segments * sizeof(struct fe_desc);

	return tables_gpa(g) + ROUND(tables, FE_PAGE) +
	    (uint64_t)id * ROUND(w->len, 64);
}

int
guest_prepare(struct guest *g, const struct work *w)
{
	uint32_t size = ring_size(w);

	memset(g, 0, sizeof(*g));
	fe_init(&g->fe);
	g->work = w;
	if ((g->slots = calloc(size, sizeof(*g->slots))) == NULL ||
	    fe_mem_add(&g->fe, 0, ROUND(buffer_gpa(g, size), FE_PAGE), 0) == -1)
		return -1;
	return fe_ring_init(&g->fe, size, 0);
}

int
guest_connect(struct guest *g, const char *path)
{
	const struct work *w = g->work;
	uint64_t features = FE_F_PROTOCOL | FE_F_VERSION_1 |
	    (w->indirect ? FE_F_INDIRECT : 0) |
	    (w->event_idx ? FE_F_EVENT_IDX : 0);

	if (fe_connect(&g->fe, path) == -1 ||
	    fe_handshake(&g->fe, features, FE_P_ALL) == -1)
		return -1;
	if (features & ~g->fe.offered)
		errx(1, "the server lacks features %#jx",
		    (uintmax_t)(features & ~g->fe.offered));
	/* The question is answered when all before it has been handled. */
	if (fe_start(&g->fe) == -1 ||
	    fe_get_u64(&g->fe, FE_GET_FEATURES, &g->fe.offered) == -1)
		return -1;
	if (w->polls && !w->event_idx)
		fe_avail_flags_set(&g->fe, FE_AVAIL_NO_INTERRUPT);
	return 0;
}

void
guest_close(struct guest *g)
{
	fe_close(&g->fe);
	free(g->slots);
	g->slots = NULL;
}

/* The places of a request's bytes that are looked at: the n-th, or NULL. */
static uint8_t *
piece_at(uint8_t *buffer, uint32_t len, uint32_t n)
{
	uint64_t offset = (uint64_t)n * STRIDE;

	if (len < PIECE || offset >= (uint64_t)len + STRIDE)
		return NULL;
	return buffer + (offset + PIECE > len ? len - PIECE : offset);
}

static void
mark_unwritten(uint8_t *buffer, uint32_t len)
{
	uint8_t *p;

	for (uint32_t i = 0; (p = piece_at(buffer, len, i)) != NULL; i++)
		memcpy(p, &unwritten, PIECE);
}

static void
check_piece(const uint8_t *p, bool again)
{
	static const struct piece zero;
	struct piece piece, *last;

	memcpy(&piece, p, PIECE);
	if (memcmp(&piece, &unwritten, PIECE) == 0)
		errx(1, "a request was completed and its bytes not written");
	if (memcmp(&piece, &zero, PIECE) == 0)
		errx(1, "a request was completed with zeroes");
	if (again)
		return;
	last = &seen[piece.words[0] % SEEN];
	if (memcmp(&piece, last, PIECE) == 0)
		errx(1, "the same bytes came twice");
	*last = piece;
}

static void
check_bytes(uint8_t *buffer, uint32_t len)
{
	const uint8_t *p, *before = NULL;

	for (uint32_t i = 0; (p = piece_at(buffer, len, i)) != NULL; i++) {
		/* In a short request the last may be the first. */
		check_piece(p, p == before);
		before = p;
	}
}

static void
submit_one(struct guest *g, uint64_t now)
{
	const struct work *w = g->work;
	struct fe_seg segments[64];
	uint32_t id = g->fe.ring.free_head, part = w->len / w->segments, n;
	uint64_t gpa = buffer_gpa(g, id);
	int head;

	mark_unwritten(fe_ptr(&g->fe, gpa, w->len), w->len);
	for (n = 0; n < w->segments; n++)
		segments[n] = (struct fe_seg){ gpa + (uint64_t)n * part, part };
	segments[n - 1].len += w->len % w->segments;
	if (w->indirect)
		head = fe_add_indirect(&g->fe,
		    tables_gpa(g) + (uint64_t)id * n * sizeof(struct fe_desc),
		    segments, n);
	else
		head = fe_add(&g->fe, segments, n);
	if (head != (int)id)
		errx(1, "there is no room for a request");
	g->slots[id].since = now;
	g->waiting++;
	g->made++;
}

void
guest_submit(struct guest *g, uint32_t depth)
{
	uint64_t now;

	if (g->waiting >= depth)
		return;
	now = clock_now();
	while (g->waiting < depth)
		submit_one(g, now);
	fe_kick(&g->fe);
}

static void
reap_one(struct guest *g, const struct fe_used_elem *e, uint64_t now,
    struct latency *latency)
{
	const struct work *w = g->work;
	struct slot *slot;

	if (e->id >= g->fe.ring.size || g->slots[e->id].since == 0)
		errx(1, "request %u was completed and does not wait", e->id);
	if (e->len == 0 || e->len > w->len)
		errx(1, "a request for %u bytes was completed with %u", w->len,
		    e->len);
	slot = &g->slots[e->id];
	check_bytes(fe_ptr(&g->fe, buffer_gpa(g, e->id), w->len), e->len);
	latency_add(latency, now - slot->since);
	slot->since = 0;
	g->waiting--;
	g->requests++;
	g->bytes += e->len;
	g->shorts += e->len < w->len;
}

/* Puts off the call of those who look themselves. */
static void
stay_deaf(struct guest *g)
{
	uint16_t used = g->fe.ring.used_idx;

	if (!g->work->polls || !g->work->event_idx ||
	    (uint16_t)(g->deaf_until - used) > 0x4000)
		return;
	g->deaf_until = (uint16_t)(used + 0x8000);
	fe_used_event_set(&g->fe, g->deaf_until);
}

uint32_t
guest_reap(struct guest *g, struct latency *latency)
{
	struct fe_used_elem e;
	uint32_t n = 0;
	uint64_t now;

	stay_deaf(g);
	if (fe_pending(&g->fe) == 0)
		return 0;
	if (fe_pending(&g->fe) > g->waiting)
		errx(1, "more requests were completed than wait");
	now = clock_now();
	while (fe_pop(&g->fe, &e) == 1) {
		reap_one(g, &e, now, latency);
		n++;
	}
	return n;
}

void
guest_listen(struct guest *g)
{
	if (g->work->event_idx)
		fe_used_event_set(&g->fe, g->fe.ring.used_idx);
}
