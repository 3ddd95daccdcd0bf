/*
 * Decides whether and how long to poll the ring; pure.  Used by ring.c.
 */
#include <string.h>

#include "common/min.h"
#include "vhost/device/polling.h"

#define WINDOW_MIN 10000 /* ns, of a look */
/* What a wake-up adds to the time between requests, which looks would not. */
#define WAKE_UP	   50000  /* ns */
#define MISSES_MAX 8	  /* in a row, then no looks */
#define REST	   256	  /* for so many kicks */
#define CEDED_MAX  200000 /* ns, without the CPU: then no looks for */
#define PAUSE_MIN  4	  /* so many kicks, and up to REST */
#define PERCENT	   100

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
	p->misses = p->rest = p->hits = 0;
	p->pause = PAUSE_MIN;
	/* A larger share begins now. */
	p->credit = 0;
	p->credited = now;
}

/* Brings the credit up to date. */
static void
earn(struct polling *p, uint64_t now)
{
	uint64_t gone = min64(now - p->credited, POLLING_CREDIT_NS);
	int64_t most = (int64_t)(POLLING_CREDIT_NS * p->share);

	p->credit += (int64_t)(gone * p->share);
	if (p->credit > most)
		p->credit = most;
	p->credited = now;
}

/*
 * A kick was needed.  Would a longer look have seen the request?  If looks go
 * on to find nothing, it would not, however soon the kicks come.
 */
static void
learn(struct polling *p, uint64_t idle)
{
	if (p->rest > 0)
		p->rest--;
	else if (p->misses >= MISSES_MAX) {
		p->window = p->misses = 0;
		p->rest = REST;
	} else if (idle <= p->max + WAKE_UP)
		p->window =
		    min64(p->max, p->window == 0 ? WINDOW_MIN : 2 * p->window);
	else
		p->window = p->window <= WINDOW_MIN ? 0 : p->window / 2;
}

static void
begin(struct polling *p, uint64_t now)
{
	earn(p, now);
	p->looking = p->rest == 0 && p->window > 0 &&
	    p->credit >= (int64_t)(p->window * PERCENT);
	p->counters->polls += p->looking;
}

void
polling_served(struct polling *p, uint64_t now, bool kicked)
{
	uint64_t idle = now - p->since, spent = min64(idle, p->window);

	p->since = now;
	if (p->max == 0)
		return;
	if (p->looking) {
		p->counters->poll_hits++;
		p->counters->poll_ns += spent;
		p->credit -=
		    (int64_t)((spent - min64(spent, POLLING_SAVES_NS)) *
			PERCENT);
		p->hits++;
		p->misses = 0;
	} else if (kicked)
		learn(p, idle);
	begin(p, now);
}

void
polling_stop(struct polling *p, uint64_t now)
{
	/* More than its time is time without the CPU. */
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
	if (!p->looking || ns <= CEDED_MAX)
		return;
	polling_stop(p, now);
	p->pause =
	    p->hits < REST ? (uint32_t)min64(2 * p->pause, REST) : PAUSE_MIN;
	p->rest = p->pause;
	p->hits = 0;
}
