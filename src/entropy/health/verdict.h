/*
 * The verdict of a health test, for all tests (health.h).
 */
#ifndef VRNGD_VERDICT_H
#define VRNGD_VERDICT_H

enum health_verdict {
	HEALTH_STARTING, /* passed so far: hold the bytes back */
	HEALTH_DOUBTED,	 /* wipe these bytes and those held back: feed on */
	HEALTH_OK,	 /* passed: release these bytes and those held back */
	HEALTH_FAILING,	 /* failed: feed on to find out how badly */
	HEALTH_FAILED,	 /* failed, possibly by chance */
	HEALTH_LATCHED,	 /* failed at a cutoff of 2^-60: not by chance */
};

#endif
