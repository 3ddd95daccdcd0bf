/*
 * Measures the time that a consumer waits because of its limits, and decides
 * when to log it; pure.  Used by consumer.c.
 */
#include "parent/pool/throttle.h"

void
throttle_begin(struct throttle *t, uint64_t now, uint64_t dry)
{
	t->waiting = true;
	t->since = now;
	t->dry = dry;
}

/* Counts the time that it has waited.  Returns whether to report it. */
static bool
count(struct throttle *t, uint64_t now, uint64_t dry)
{
	uint64_t waited = now < t->since ? 0 : now - t->since;
	uint64_t not_ours = dry - t->dry;
	bool quiet;

	waited -= not_ours < waited ? not_ours : waited;
	throttle_begin(t, now, dry);
	t->total += waited;
	if (now - t->span > THROTTLE_SPAN) {
		t->span = now - waited;
		t->waited = 0;
	}
	t->waited += waited;
	if (t->waited < THROTTLE_LEAST)
		return false;
	quiet = t->last == 0 || now - t->last > THROTTLE_QUIET;
	t->last = now;
	return quiet;
}

bool
throttle_go_on(struct throttle *t, uint64_t now, uint64_t dry)
{
	if (now < t->since || now - t->since < THROTTLE_LEAST)
		return false;
	return count(t, now, dry);
}

bool
throttle_end(struct throttle *t, uint64_t now, uint64_t dry)
{
	bool report = count(t, now, dry);

	t->waiting = false;
	return report;
}
