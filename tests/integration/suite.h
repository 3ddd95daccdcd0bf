/*
 * What the integration tests share: a daemon for each test, guests connected
 * to it, and checks.
 */
#ifndef SUITE_H
#define SUITE_H

#include "program.h"

#include <errno.h>
#include <string.h>

#include "integration/daemon.h"
#include "integration/frontend.h"

/* The features that QEMU acks for this device. */
#define QEMU_FEATURES \
	(FE_F_VERSION_1 | FE_F_EVENT_IDX | FE_F_INDIRECT | FE_F_PROTOCOL)
#define PLAIN_FEATURES (FE_F_VERSION_1 | FE_F_PROTOCOL)
#define QEMU_PFEATURES FE_P_ALL

struct suite {
	struct daemon d;
	struct fe fe;	    /* vm0 */
	struct fe other;    /* vm1 */
	struct usage usage; /* what suite_usage() saw */
	bool passed;
};

/* A check that says which errno there was. */
#define CHECK(expr) \
	do { \
		errno = 0; \
		if ((expr) != 0) { \
			print_error("# %s: %s\n", #expr, strerror(errno)); \
			fail(); \
		} \
	} while (0)

/* Setup: guests vm0 and vm1 with no limits; nothing is connected. */
int suite_setup(void **);

/* Setup: a directory and nothing else; the test starts the daemon. */
int suite_setup_empty(void **);

/*
 * Teardown: closes the guests, stops the daemon with SIGTERM and fails unless
 * that ends well.  If suite_pass() was not called it shows the log.
 */
int suite_teardown(void **);

/* The last statement of every test. */
void suite_pass(struct suite *);

/* Skips the test, for that reason; there is nothing to be seen in the log. */
#define suite_skip(s, reason) \
	do { \
		suite_pass(s); \
		program_skip(reason); \
	} while (0)

/* Start the daemon with a NULL-terminated list of arguments. */
void suite_start(struct suite *, const char *const *);

/* Connect a guest as QEMU does, with a ring of that size. */
void suite_up(struct suite *, struct fe *, const char *, uint32_t, uint64_t,
    uint64_t);

/* suite_up() with 64 entries and everything that QEMU negotiates. */
void suite_up_qemu(struct suite *, struct fe *, const char *);

/* One request must be served in full with bytes that look random. */
void suite_served(struct fe *);

/* No two of the 64-byte blocks may be the same. */
void suite_unique(const uint8_t *, size_t);

/* Bytes that look random: no long run of one value. */
void suite_random(const uint8_t *, size_t);

/* Run the tests as one TAP group, within a time limit for all of them. */
int suite_main(const char *, const struct CMUnitTest *, size_t);

#define SUITE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, suite_setup, suite_teardown)
#define SUITE_EMPTY(f) \
	cmocka_unit_test_setup_teardown(f, suite_setup_empty, suite_teardown)

/* The same with packed rings, before any other setup. */
int suite_setup_packed(void **);
int suite_setup_empty_packed(void **);
#define SUITE_PACKED(f) \
	{ \
#f "_packed", f, suite_setup_packed, suite_teardown, NULL \
	}
#define SUITE_EMPTY_PACKED(f) \
	{ \
#f "_packed", f, suite_setup_empty_packed, suite_teardown, \
		    NULL \
	}
#define SUITE_MAIN(name, tests) \
	suite_main(name, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
