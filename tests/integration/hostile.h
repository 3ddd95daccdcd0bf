/*
 * What the hostile tests share: guest vm0 attacks, guest vm1 must not notice,
 * and nothing may be left behind.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "integration/suite.h"

/* A guest must get an answer within this time, whatever another one does. */
#define PROMPT_MS 1000

/*
 * Setup: a daemon with vm0 and vm1; vm1 is connected and served, vm0 was and
 * is not any more, and what the daemon uses now is noted.
 */
int hostile_setup(void **);
int hostile_setup_packed(void **);

/* vm0 as QEMU connects, ring of 64. */
void hostile_up(struct suite *);

/* vm1 is served promptly. */
void hostile_other(struct suite *);

/*
 * The attack is over: vm1 is served, vm0 is closed, what the daemon uses is
 * what it was, and a new connection of vm0 works.
 */
void hostile_end(struct suite *);

/* Whether vm0's connection still answers; false if it was closed. */
bool hostile_answers(struct suite *);

/* vm0's connection is closed, or answers and serves after a fresh start. */
void hostile_closed_or_works(struct suite *);

/* A process does not use more than half a CPU. */
void hostile_not_spinning(struct suite *, const char *);

/* A new descriptor of a kind that has no business here; -1 after the last. */
int hostile_fd(int);

/*
 * A TCP connection whose last close(2) takes half a minute, since its peer
 * (`*peer`) does not read.
 */
int hostile_lingering(int *peer);

/* Deterministic numbers. */
uint32_t hostile_rand(uint64_t *);

#define HOSTILE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, hostile_setup, suite_teardown)

#define HOSTILE_PACKED(f) \
	{ \
#f "_packed", f, hostile_setup_packed, suite_teardown, NULL \
	}

#endif
