/*
 * The time that a consumer's requests wait because of its limits, and when to
 * log it: not for each of the short waits by which a limit works, and not
 * repeatedly.
 */
#ifndef VRNGD_THROTTLE_H
#define VRNGD_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define THROTTLE_LEAST (100 * NS_PER_MS) /* of one wait, to be reported */
#define THROTTLE_SPAN  NS_PER_SEC
#define THROTTLE_QUIET \
	(600 * NS_PER_SEC) /* without, until it is reported again */

struct throttle {
	bool waiting;	 /* because of its limits */
	uint64_t since;	 /* ns, start of the part not counted yet */
	uint64_t dry;	 /* ns, at that time */
	uint64_t span;	 /* ns, start of the current wait */
	uint64_t waited; /* ns, length of the current wait */
	uint64_t last;	 /* ns, end of the last throttled wait; 0: none */
	uint64_t total;	 /* ns, total */
};

/*
 * It begins to wait at `now`.  `dry` is the total time (ns) without available
 * bytes so far, which is not caused by limits.
 */
void throttle_begin(struct throttle *, uint64_t now, uint64_t dry);

/* It still waits.  Returns whether to report that. */
bool throttle_go_on(struct throttle *, uint64_t now, uint64_t dry);

/* Its wait is over, or has another cause. */
bool throttle_end(struct throttle *, uint64_t now, uint64_t dry);

#endif
