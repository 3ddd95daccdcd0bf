/*
 * Decides whether and how long to poll for the next request; pure, apart from
 * polling_cede().  Used by the vhost and EGD workers.
 */
#include <sched.h>
#include <string.h>

#include "common/clock.h"
#include "common/min.h"
#include "common/polling.h"

#define FEW	8   /* misses in a row, and wake-ups of a pause then, */
#define MANY	256 /* and at most */
#define PERCENT 100

void
polling_init(struct polling *p, struct counters *counters)
{
	memset(p, 0, sizeof(*p));
	p->counters = counters;
}

void
polling_limit(struct polling *p, const struct proto_limits *limits,
    uint64_t now)
{
	p->max = min64(limits->poll_us, POLL_US_MAX) * UINT64_C(1000);
	p->share = min64(limits->poll_share, PERCENT);
	p->window = min64(p->window, p->max);
	p->misses = p->hits = p->pause = 0;
	p->next_pause = FEW;
	/* A larger share applies from now on. */
	p->credit = 0;
	p->credited = now;
}

/* Updates the credit. */
static void
earn(struct polling *p, uint64_t now)
{
	uint64_t gone = min64(now - p->credited, POLLING_CREDIT);
	int64_t most = (int64_t)(POLLING_CREDIT * p->share);

	p->credit += (int64_t)(gone * p->share);
	if (p->credit > most)
		p->credit = most;
	p->credited = now;
}

/* Stops polling for a number of wake-ups, which doubles until many polls hit. */
static void
back_off(struct polling *p)
{
	if (p->hits >= MANY)
		p->next_pause = FEW;
	p->pause = p->next_pause;
	p->next_pause = (uint32_t)min64(2 * p->pause, MANY);
	p->misses = p->hits = 0;
}

/*
 * A wake-up was needed.  Would a longer poll have found the request, without
 * it?  If polls keep missing, it would not, even if wake-ups follow each other
 * closely.
 */
static void
learn(struct polling *p, uint64_t idle)
{
	if (p->pause > 0)
		p->pause--;
	else if (p->misses >= FEW)
		back_off(p);
	else if (idle <= p->max + 2 * POLLING_WAKE_UP)
		p->window = min64(p->max,
		    p->window == 0 ? POLLING_LOOK_MIN : 2 * p->window);
	else
		p->window = p->window <= POLLING_LOOK_MIN ? 0 : p->window / 2;
}

static void
begin(struct polling *p, uint64_t now)
{
	earn(p, now);
	p->looking = p->pause == 0 && p->window > 0 &&
	    p->credit >= (int64_t)(p->window * PERCENT);
	p->counters->polls += p->looking;
}

void
polling_served(struct polling *p, uint64_t now, bool woken)
{
	uint64_t idle = now - p->since, spent = min64(idle, p->window);

	p->since = now;
	if (p->max == 0)
		return;
	if (p->looking) {
		p->counters->poll_hits++;
		p->counters->poll_ns += spent;
		p->credit -= (int64_t)((spent - min64(spent, POLLING_WAKE_UP)) *
		    PERCENT);
		p->hits++;
		p->misses = 0;
	} else if (woken)
		learn(p, idle);
	begin(p, now);
}

void
polling_stop(struct polling *p, uint64_t now)
{
	/* Time beyond its end was time without the CPU. */
	uint64_t spent = min64(now - p->since, p->window);

	if (!p->looking)
		return;
	p->looking = false;
	earn(p, now);
	p->credit -= (int64_t)(spent * PERCENT);
	p->counters->poll_ns += spent;
}

void
polling_idle(struct polling *p, uint64_t now)
{
	if (!p->looking || now - p->since < p->window)
		return;
	p->counters->poll_misses++;
	p->misses++;
	polling_stop(p, now);
}

void
polling_ceded(struct polling *p, uint64_t now, uint64_t ns)
{
	if (!p->looking || ns <= POLLING_CEDED_MAX)
		return;
	polling_stop(p, now);
	back_off(p);
}

void
polling_cede(struct polling *p, uint64_t now)
{
	uint64_t later;

	sched_yield();
	later = clock_now();
	polling_ceded(p, later, later - now);
}
