/*
 * vrngd, the parent: opens the source and the listeners, starts and supervises
 * the other processes, decides who gets how much.  It sees no random byte and
 * reads nothing that comes from a guest.
 */
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "guest.h"
#include "log.h"
#include "options.h"
#include "pool.h"
#include "privilege.h"
#include "process.h"
#include "sandbox.h"
#include "sink.h"

#define STOP_TIME (500 * NS_PER_MS) /* for all children to end by themselves */

struct vrngd {
	struct options opt;
	struct process_env env;
	struct pool pool;
	struct guest *guests;
	bool ready;
};

static void
pool_ready(struct pool *pool, void *arg)
{
	struct vrngd *v = arg;

	(void)pool;
	if (v->ready)
		return;
	v->ready = true;
	log_info("ready: %zu guest%s, source %s", v->opt.nguests,
	    v->opt.nguests == 1 ? "" : "s", v->opt.source);
	sd_notify(0, "READY=1");
}

static void
pool_failed(struct pool *pool, void *arg)
{
	struct vrngd *v = arg;

	(void)pool;
	log_error("the entropy process could not be set up");
	sd_event_exit(v->env.event, 1);
}

static void
pool_rewire(struct member *m, int fd)
{
	guest_rewire(guest_of_member(m), fd);
}

static void
pool_ask(struct member *m)
{
	guest_ask(guest_of_member(m));
}

static const struct pool_ops pool_ops = {
	.ready = pool_ready,
	.failed = pool_failed,
	.rewire = pool_rewire,
	.ask = pool_ask,
};

static int
signal_stop(sd_event_source *source, const struct signalfd_siginfo *si,
    void *arg)
{
	struct vrngd *v = arg;

	(void)source;
	log_info("%s: ending", strsignal((int)si->ssi_signo));
	return sd_event_exit(v->env.event, 0);
}

static int
signal_report(sd_event_source *source, const struct signalfd_siginfo *si,
    void *arg)
{
	struct vrngd *v = arg;

	(void)source;
	(void)si;
	for (size_t i = 0; i < v->opt.nguests; i++)
		guest_report(&v->guests[i]);
	return 0;
}

/* Each guest takes up to three descriptors, and more on the way. */
static void
raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		log_warning("cannot raise the limit of open files: %s",
		    strerror(errno));
}

/* nohup(1) and the like have asked for it. */
static bool
is_ignored(int sig)
{
	struct sigaction sa;

	return sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

static int
open_event(struct vrngd *v)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&set, signals[i]);
	/* What reads the log may go away, or have had enough. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return -1;
	r = sd_event_default(&v->env.event);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (r >= 0 && !is_ignored(signals[i]))
			r = sd_event_add_signal(v->env.event, NULL, signals[i],
			    signal_stop, v);
	if (r >= 0)
		r = sd_event_add_signal(v->env.event, NULL, SIGUSR1,
		    signal_report, v);
	errno = -r;
	return r < 0 ? -1 : 0;
}

static int
open_env(struct vrngd *v)
{
	char missing[256];

	if (open_event(v) == -1) {
		log_error("cannot make an event loop: %s", strerror(errno));
		return -1;
	}
	if ((v->env.root_fd = privilege_empty_root()) == -1)
		return -1;
	v->env.libexec = v->opt.libexec;
	v->env.uid_base = v->opt.uid_base;
	v->env.log_level =
	    v->opt.verbose > 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	log_set_level(v->env.log_level);
	v->env.layers = sandbox_available(v->opt.uid_base, UID_COUNT);
	if (sandbox_missing(v->env.layers, missing, sizeof(missing)))
		log_warning("running without these layers of isolation: %s "
			    "(they need root, or a newer kernel)",
		    missing);
	return 0;
}

/* A name for the guest at `path` that no guest before `i` has. */
static void
name_guest(struct vrngd *v, size_t i, char name[GUEST_NAME_SIZE])
{
	if (v->opt.listen_fd != -1) {
		snprintf(name, GUEST_NAME_SIZE, "fd%d", v->opt.listen_fd);
		return;
	}
	guest_name(name, v->opt.socket_paths[i]);
	for (size_t j = 0; j < i; j++)
		if (strcmp(v->guests[j].name, name) == 0) {
			snprintf(name, GUEST_NAME_SIZE, "guest-%zu", i);
			return;
		}
}

static int
open_guests(struct vrngd *v)
{
	const struct alloc_share share = {
		.rate.period = 1,
		.ceil = { v->opt.max_bytes, v->opt.period },
		.burst = v->opt.max_bytes,
		.weight = 1,
	};
	char name[GUEST_NAME_SIZE];
	int r;

	pool_init(&v->pool, &v->env, v->opt.source, &share, &pool_ops, v);
	for (size_t i = 0; i < v->opt.nguests; i++) {
		name_guest(v, i, name);
		guest_init(&v->guests[i], name, &v->env, &v->pool);
	}
	for (size_t i = 0; i < v->opt.nguests; i++) {
		if (v->opt.listen_fd != -1)
			r = listener_adopt(&v->guests[i].listener,
			    v->opt.listen_fd);
		else
			r = listener_open(&v->guests[i].listener,
			    v->opt.socket_paths[i]);
		if (r == -1 || guest_listen(&v->guests[i]) == -1)
			return -1;
	}
	return 0;
}

static void
stop(struct vrngd *v)
{
	uint64_t deadline = clock_now() + STOP_TIME;

	sd_notify(0, "STOPPING=1");
	for (size_t i = 0; i < v->opt.nguests; i++)
		guest_hang_up(&v->guests[i]);
	for (size_t i = 0; i < v->opt.nguests; i++)
		guest_stop(&v->guests[i], deadline);
	pool_stop(&v->pool, deadline);
}

static int
run(struct vrngd *v)
{
	int r, status = 1;

	privilege_reduce();
	if (pool_start(&v->pool) == 0) {
		r = sd_event_loop(v->env.event);
		if (r < 0)
			log_error("the event loop failed: %s", strerror(-r));
		status = r < 0 ? 1 : r;
	}
	return status;
}

int
main(int argc, char **argv)
{
	static struct vrngd v;
	int status = 1;

	options_parse(&v.opt, argc, argv);
	sink_open();
	raise_nofile();
	v.guests = calloc(v.opt.nguests, sizeof(*v.guests));
	if (v.guests == NULL)
		log_fatal("no memory for %zu guests", v.opt.nguests);
	if (open_env(&v) == -1)
		return 1;
	if (open_guests(&v) == 0)
		status = run(&v);
	stop(&v);
	return status;
}
