/*
 * The status process: starts, and serves the monitoring socket.  Started by the
 * parent, once.
 */
#include "common/child.h"
#include "status/filter.h"
#include "status/status.h"

#define NOFILE (CLIENTS_LIMIT + 16)

static struct status status;

/* The parent watches this process while clients may block it. */
static void
busy(void)
{
	loop_busy(&status.loop);
}

int
main(void)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	size_t n;

	child_start(ROLE_STATUS);
	status_init(&status, busy);
	n = status_filter(rules);
	child_ready(rules, n, NOFILE);
	for (;;)
		status_step(&status);
}
