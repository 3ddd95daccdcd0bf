/*
 * The EGD worker's beginning, and its log.  Used by all
 * files of this folder.
 */
#include <sys/resource.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "egd/worker.h"

#define FDS_FEW 16 /* enough for WORKER_FDS, if there are not many */

/*
 * The maximum number of clients, which leaves descriptors for frames of the
 * parent.
 */
static uint32_t
most_clients(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		log_fatal("getrlimit: %s", strerror(errno));
	if (limit.rlim_max >= CLIENTS_MAX + WORKER_FDS)
		return CLIENTS_MAX;
	return limit.rlim_max > 2 * FDS_FEW ? (uint32_t)limit.rlim_max - FDS_FEW
					    : FDS_FEW;
}

void
worker_init(struct worker *w)
{
	loop_init(&w->loop, ROLE_EGD);
	w->page = loop_counters(&w->loop);
	/* An earlier worker may have had it. */
	w->page->nclients = w->page->nplaces = 0;
	w->now = clock_now();
	w->pid = getpid();
	w->most = most_clients();
	w->writes_fd = w->deposit = w->socket.fd = -1;
	window_init(&w->window);
	polling_init(&w->polling, &w->page->counters);
	log_limit_init(&w->log_clients, w->now);
	log_limit_init(&w->log_refused, w->now);
}

void
worker_log(struct worker *w, struct log_limit *limit, const char *fmt, ...)
{
	char text[LOG_TEXT_SIZE];
	uint32_t suppressed;
	va_list ap;

	if (!log_limit_pass(limit, w->now, &suppressed))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (suppressed > 0)
		log_info("%s (suppressed: %u)", text, suppressed);
	else
		log_info("%s", text);
}
