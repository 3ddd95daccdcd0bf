/*
 * Sources that are changed while a guest is served.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "admin.h"

static void
conf_kernel(struct suite *s, int i)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"k%d\" { type = kernel } }\n", i);
	admin_conf_guest(s, "vm0", "");
}

/*
 * Other sources are there at once, however often that happens and even if
 * those before hang.
 */
static void
test_often(void **state)
{
	struct suite *s = *state;
	char line[64];

	conf_kernel(s, 0);
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	for (int i = 1; i <= 8; i++) {
		conf_kernel(s, i);
		if (i == 8)
			CHECK(kill(daemon_child(&s->d, ROLE_ENTROPY, NULL),
			    SIGSTOP));
		admin_reload(s, "was read again");
		snprintf(line, sizeof(line), "source k%d (getrandom): healthy",
		    i);
		CHECK(daemon_log_wait(&s->d, line, 1, 3000));
		suite_served(&s->fe);
	}
	assert_int_equal(daemon_log_count(&s->d, "starting another"), 0);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_often),
	};

	return SUITE_MAIN("change", tests);
}
