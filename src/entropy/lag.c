#include <stdlib.h>
#include <string.h>

#include "lag.h"
#include "log.h"

/*
 * A hash is a polynomial of the values modulo 2^64 at this odd number, which
 * has no meaning: adding a value and dropping the oldest takes the time of two
 * multiplications, however long the sequence.  The upper bits depend on all
 * values: the first say where in the table, and 16 more are kept there, so that
 * few of those that are found have to be compared.
 */
#define HASH_BASE    UINT64_C(0xd1342543de82ef95)
#define PIECE	     512 /* bytes searched at once */
#define DISTANCE_MAX 8

size_t
lag_length(uint32_t sample_bits, uint32_t min_entropy, uint32_t alpha)
{
	uint32_t bits = (alpha + LAG_CHOICES) * 1000 * sample_bits;
	uint32_t per_byte = 8 * min_entropy;

	return (bits + per_byte - 1) / per_byte;
}

/* What there is to look back at from the first byte of a piece to its last. */
static size_t
lag_ring_size(size_t look_back, size_t latch)
{
	size_t size = look_back;

	while (size < look_back + latch + DISTANCE_MAX + PIECE)
		size *= 2;
	return size;
}

static void *
lag_allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		log_fatal("no memory for health tests");
	return memory;
}

void
lag_init(struct lag *lag, size_t look_back, size_t length, size_t latch,
    bool differences)
{
	struct lag_sequence *seq;
	size_t i;

	memset(lag, 0, sizeof(*lag));
	lag->look_back = look_back;
	lag->shift = 64 - (uint32_t)__builtin_ctzl(look_back);
	lag->length = length;
	lag->latch = latch;
	lag->power = 1;
	for (i = 0; i < length; i++)
		lag->power *= HASH_BASE;
	lag->size = lag_ring_size(look_back, latch);
	lag->ring = lag_allocate(lag->size);
	lag->nsequences = differences ? LAG_SEQUENCES : 1;
	for (i = 0; i < lag->nsequences; i++) {
		seq = &lag->sequences[i];
		seq->distance = i == 0 ? 0 : (size_t)1 << (i - 1);
		seq->table = lag_allocate(look_back * sizeof(uint32_t));
	}
}

void
lag_restart(struct lag *lag)
{
	size_t i;

	for (i = 0; i < lag->nsequences; i++) {
		explicit_bzero(lag->sequences[i].table,
		    lag->look_back * sizeof(uint32_t));
		lag->sequences[i].hash = 0;
	}
	explicit_bzero(lag->ring, lag->size);
	lag->seen = 0;
	lag->alike = 0;
}

void
lag_free(struct lag *lag)
{
	size_t i;

	lag_restart(lag);
	for (i = 0; i < lag->nsequences; i++)
		free(lag->sequences[i].table);
	free(lag->ring);
}

/*
 * The value at a position, of the bytes or of their differences at a distance.
 * Before the first byte all are 0, as the ring is: a hash begins with these, a
 * match does not reach so far.
 */
static inline uint8_t
lag_value(const uint8_t *ring, size_t mask, size_t distance, size_t at)
{
	uint8_t byte = ring[at & mask];

	if (distance == 0)
		return byte;
	return (uint8_t)(byte - ring[(at - distance) & mask]);
}

/* Whether the value at a position is the same so many bytes back. */
static bool
lag_same(const struct lag *lag, size_t distance, size_t at, size_t back)
{
	const size_t mask = lag->size - 1;

	return lag_value(lag->ring, mask, distance, at) ==
	    lag_value(lag->ring, mask, distance, at - back);
}

/*
 * Whether the values up to a position are the same so many bytes back, in
 * sufficient number.
 */
static enum health_verdict
lag_compare(struct lag *lag, size_t distance, size_t at, size_t back)
{
	size_t n = 0;

	if (back > lag->look_back)
		return HEALTH_OK;
	while (n < lag->latch && n + back + distance <= at &&
	    lag_same(lag, distance, at - n, back))
		n++;
	if (n < lag->length)
		return HEALTH_OK;
	lag->distance = distance;
	lag->back = back;
	lag->alike = n;
	return n < lag->latch ? HEALTH_FAILING : HEALTH_LATCHED;
}

/*
 * Looks for sequences that end at positions from `at` to before `end`, up to
 * one that was there before, and tells how far it came.  Each position is put
 * into the table, in place of the one that it had for such a hash.  If that
 * one had the rest of the hash too it is 1 to 65,536 bytes back, or would be if
 * it were no older, which comparing will show.
 */
static inline __attribute__((always_inline)) size_t
lag_search(struct lag *lag, struct lag_sequence *seq, size_t distance,
    size_t at, size_t end, enum health_verdict *verdict)
{
	const uint8_t *const ring = lag->ring;
	const size_t mask = lag->size - 1, length = lag->length;
	const uint64_t power = lag->power;
	const uint32_t shift = lag->shift;
	uint32_t *const table = seq->table, entry, before;
	uint64_t hash = seq->hash;
	uint8_t in, out;

	while (at < end) {
		in = lag_value(ring, mask, distance, at);
		out = lag_value(ring, mask, distance, at - length);
		hash = hash * HASH_BASE + (in - out * power);
		entry = (uint32_t)(hash >> 16) & UINT32_C(0xffff0000);
		entry |= at & 0xffff;
		before = table[hash >> shift];
		table[hash >> shift] = entry;
		at++;
		if ((entry ^ before) >> 16 != 0)
			continue;
		*verdict = lag_compare(lag, distance, at - 1,
		    ((entry - before - 1) & 0xffff) + 1);
		if (*verdict != HEALTH_OK)
			break;
	}
	seq->hash = hash;
	return at;
}

/*
 * Looks for sequences in a piece, of which all goes to the ring at once.  The
 * first that ends counts; of others, and in the ring, there may be bytes from
 * behind it then, but nothing is searched any more.
 */
static size_t
lag_piece(struct lag *lag, const uint8_t *bytes, size_t n,
    enum health_verdict *verdict)
{
	size_t i, at, start = lag->seen, end = start + n, limit = end;
	enum health_verdict found;
	struct lag_sequence *seq;

	for (i = 0; i < n; i++)
		lag->ring[(start + i) & (lag->size - 1)] = bytes[i];
	for (i = 0; i < lag->nsequences; i++) {
		found = HEALTH_OK;
		seq = &lag->sequences[i];
		/* The compiler makes a faster one of the first. */
		at = seq->distance == 0
		    ? lag_search(lag, seq, 0, start, limit, &found)
		    : lag_search(lag, seq, seq->distance, start, limit, &found);
		if (found == HEALTH_OK)
			continue;
		*verdict = found;
		end = at;
		limit = at - 1;
	}
	lag->seen = end;
	return end - start;
}

/* The next byte after HEALTH_FAILING. */
static enum health_verdict
lag_follow(struct lag *lag, uint8_t byte)
{
	size_t at = lag->seen++;

	lag->ring[at & (lag->size - 1)] = byte;
	if (!lag_same(lag, lag->distance, at, lag->back))
		return HEALTH_FAILED;
	return ++lag->alike < lag->latch ? HEALTH_FAILING : HEALTH_LATCHED;
}

size_t
lag_feed(struct lag *lag, const uint8_t *bytes, size_t n,
    enum health_verdict *verdict)
{
	size_t done = 0, part;

	*verdict = HEALTH_OK;
	while (done < n && *verdict == HEALTH_OK) {
		if (lag->alike > 0) {
			*verdict = lag_follow(lag, bytes[done]);
			done++;
			continue;
		}
		part = n - done < PIECE ? n - done : PIECE;
		done += lag_piece(lag, bytes + done, part, verdict);
	}
	return done;
}
