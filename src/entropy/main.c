/*
 * The entropy process: starts, and serves its pool.  Started by the parent for
 * each pool.
 */
#include <malloc.h>

#include "common/child.h"
#include "entropy/drbg/drbg.h"
#include "entropy/entropy.h"
#include "entropy/filter.h"

static void
confine(const struct entropy *e)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	uint32_t kinds = 0;
	size_t n;

	for (uint32_t i = 0; i < e->pool.nsources; i++)
		kinds |= 1U << e->sources[i].dev.spec.kind;
	n = entropy_filter(rules, kinds);
	child_ready(rules, n, 0);
}

int
main(void)
{
	static struct entropy e;

	child_start(ROLE_ENTROPY);
#ifdef M_ARENA_MAX /* glibc: no separate heaps for readers */
	mallopt(M_ARENA_MAX, 1);
#endif
	entropy_init(&e);
	/* After the stock, which needs the locked memory first. */
	drbg_start();
	confine(&e);
	for (;;)
		entropy_step(&e);
}
