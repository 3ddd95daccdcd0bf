/*
 * What a health test answers, for all of them (health.h).
 */
#ifndef VRNGD_VERDICT_H
#define VRNGD_VERDICT_H

enum health_verdict {
	HEALTH_STARTING, /* may not be handed out yet: so far, so good */
	HEALTH_DOUBTED,	 /* may not, nor what was held back before: go on */
	HEALTH_OK,	 /* may, and what was held back before too */
	HEALTH_FAILING,	 /* failed; feed on to learn how badly */
	HEALTH_FAILED,	 /* so it was, and no worse */
	HEALTH_LATCHED,	 /* at a cutoff of 2^-60: no false alarm */
};

#endif
