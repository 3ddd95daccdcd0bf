/*
 * The vhost worker: starts, and serves the connection of one guest.  Started by
 * the parent for each connection.
 */
#include <unistd.h>

#include "common/child.h"
#include "common/locked.h"
#include "vhost/filter.h"
#include "vhost/worker.h"

/*
 * The limit of descriptors.  A message passes 8 and a deposit 64 at once; the
 * limit also applies to descriptors of this uid in deposits: 509 regions, and
 * old ones.
 */
#define NOFILE 16384

int
main(void)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	static struct worker w;
	size_t n;

	child_start(ROLE_VHOST);
	locked_keep(&w.rng.window, sizeof(w.rng.window));
	worker_init(&w);
	n = vhost_filter(rules);
	child_ready(rules, n, NOFILE);
	while (worker_step(&w))
		;
	_exit(0);
}
