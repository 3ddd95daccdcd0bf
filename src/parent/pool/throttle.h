/*
 * How long a consumer's requests wait because of its limits, and when that is
 * worth a line: not for each of the short waits that a limit is made of, and
 * not again and again.
 */
#ifndef VRNGD_THROTTLE_H
#define VRNGD_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define THROTTLE_LEAST (100 * NS_PER_MS) /* of waiting, in one */
#define THROTTLE_SPAN  NS_PER_SEC
#define THROTTLE_QUIET \
	(600 * NS_PER_SEC) /* without, until it is reported again */

struct throttle {
	bool waiting;	 /* for its limits */
	uint64_t since;	 /* ns, what of it has not been counted */
	uint64_t dry;	 /* ns, as it was then */
	uint64_t span;	 /* ns, when the current one began, */
	uint64_t waited; /* ns, and how long it has waited in it */
	uint64_t last;	 /* ns, when it was throttled last; 0: never */
	uint64_t total;	 /* ns, that it has waited in all */
};

/*
 * It begins to wait at `now`.  `dry` is for how long so far (ns) there has been
 * nothing that it could have been given: of such time, limits are not the cause.
 */
void throttle_begin(struct throttle *, uint64_t now, uint64_t dry);

/* It waits still.  Returns whether to report that. */
bool throttle_go_on(struct throttle *, uint64_t now, uint64_t dry);

/* It waits no more, or for something else. */
bool throttle_end(struct throttle *, uint64_t now, uint64_t dry);

#endif
