/*
 * vrngd, the parent: opens sources and listeners, starts and supervises the
 * other processes, and allocates bytes.  It sees no random byte and reads no
 * input of guests.  Started by systemd or an administrator.
 */
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "parent/config/config.h"
#include "parent/host/confine.h"
#include "parent/host/event.h"
#include "parent/control/notify.h"
#include "parent/options.h"
#include "parent/host/privilege.h"
#include "parent/host/process.h"
#include "common/sandbox.h"
#include "parent/pool/source_open.h"
#include "parent/pool/usb.h"
#include "parent/state/reload.h"
#include "parent/state/adopt.h"
#include "parent/state/statistics.h"
#include "parent/control/commands.h"
#include "parent/control/status.h"
#include "parent/host/sdnotify.h"
#include "parent/host/log_output.h"

#define CONTROL_DIR "/run/vrngd"
#define STOP_TIME   (500 * NS_PER_MS) /* for all children to exit */

/* Changes that a reload reports, and of these the ones it logs. */
#define CHANGES_MAX    500
#define CHANGES_LOGGED 20

struct vrngd {
	struct options opt;
	struct process_env env;
	struct daemon daemon;
	struct statistics statistics;
	struct commands control;
	struct status status;
	struct notify notify;
	bool controlled; /* the control socket is open */
	bool monitored;	 /* the monitoring socket is open */
};

/* Logs where the first guests listen, unless there are many. */
static void
log_sockets(const struct daemon *d)
{
	const struct guest *g;

	if (d->nguests > TALLY_SHOWN)
		return;
	TAILQ_FOREACH(g, &d->guests, entry)
		if (!g->added && guest_path(g) != NULL)
			log_about(LOG_LEVEL_INFO, &g->subject, "listens at %s",
			    guest_path(g));
}

static void
daemon_ready(void *arg)
{
	struct vrngd *v = arg;
	const struct daemon *s = &v->daemon;
	const struct daemon_pool *first = TAILQ_FIRST(&s->pools);
	bool one = TAILQ_NEXT(first, entry) == NULL;

	event_log(EVENT_READY, NULL,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_GUESTS", s->nguests),
		LOG_TEXT("VRNGD_VERSION", PACKAGE_VERSION)),
	    "ready: %zu guest%s, %s%s", s->nguests, s->nguests == 1 ? "" : "s",
	    one ? "source " : "several pools",
	    one ? TAILQ_FIRST(&first->pool.setup.sources)->text : "");
	log_sockets(s);
	notify_ready(&v->notify);
}

static void
daemon_failed(void *arg)
{
	struct vrngd *v = arg;

	if (!v->notify.ready)
		sd_event_exit(v->env.event, 1);
}

static void
consumer_throttled(struct pool *pool, struct consumer *c, void *arg)
{
	(void)arg;
	statistics_throttled(pool, c);
}

static void
pool_active_again(struct pool *pool, void *arg)
{
	struct vrngd *v = arg;

	(void)pool;
	statistics_begin(&v->statistics);
}

static const struct daemon_ops daemon_ops = {
	.ready = daemon_ready,
	.failed = daemon_failed,
	.throttled = consumer_throttled,
	.active = pool_active_again,
};

/* Prints an error of the configuration at the start. */
static void
print_error(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

/* Reports errors to the log and, after a request, to its sender. */
struct reporter {
	config_report *report;
	void *arg;
};

static void
report_error(void *arg, const char *text)
{
	const struct reporter *m = arg;

	log_error("%s", text);
	if (m->report != NULL)
		m->report(m->arg, text);
}

/* Logs warnings about a configuration, and sends them to the client. */
static void
report_warnings(const struct config *config, bool logged,
    const struct reporter *reporter)
{
	const struct config_warning *w;

	TAILQ_FOREACH(w, &config->warnings, entry) {
		if (logged)
			log_warning("%s", w->text);
		if (reporter->report != NULL)
			reporter->report(reporter->arg, w->text);
	}
}

static void
say_reloaded(const struct vrngd *v, enum reload_result r)
{
	const char *file = v->opt.config;
	size_t n = v->daemon.nguests;
	const struct log_field *fields = LOG_FIELDS(
	    LOG_TEXT("VRNGD_CONFIG", file), LOG_NUMBER("VRNGD_GUESTS", n));

	if (r == RELOAD_UNCHANGED)
		event_log(EVENT_RELOAD_REFUSED, NULL, fields,
		    "%s: rejected, keeping the running configuration", file);
	else if (r == RELOAD_PARTLY)
		event_log(EVENT_RELOAD_PARTLY, NULL, fields,
		    "%s: partially applied: fix the errors above and reload",
		    file);
	else
		event_log(EVENT_RELOADED, NULL, fields,
		    "%s: reloaded, %zu guest%s", file, n, n == 1 ? "" : "s");
}

/*
 * Frees a configuration that has been applied, and returns its free memory to
 * the kernel.
 */
static void
drop_config(struct config **config)
{
	config_free(*config);
	*config = NULL;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static enum reload_result
apply(struct vrngd *v, const struct config *config)
{
	enum reload_result r = reload_apply(&v->daemon, config);

	if (r != RELOAD_UNCHANGED)
		statistics_set(&v->statistics, config->statistics);
	return r;
}

/* The changes of a reload, until it is done. */
struct changes {
	FILE *out;
	char *text; /* lines, each with its newline */
	size_t size;
	size_t n, left_out;
};

static void
collect_change(void *arg, const char *line)
{
	struct changes *c = arg;

	if (c->n < CHANGES_MAX)
		fprintf(c->out, "%s\n", line);
	else
		c->left_out++;
	c->n++;
}

static void
collect_changes(struct vrngd *v, const struct config *config, struct changes *c)
{
	*c = (struct changes){ 0 };
	c->out = daemon_must(open_memstream(&c->text, &c->size));
	reload_changes(&v->daemon, config, collect_change, c);
	if (c->left_out > 0)
		fprintf(c->out, "and %zu more changes\n", c->left_out);
	fclose(c->out);
	daemon_must(c->text);
}

/* Logs the changes that were made, and sends them to the client. */
static void
report_changes(const struct vrngd *v, struct changes *c, bool made,
    const struct reporter *reporter)
{
	char *line, *rest = c->text;
	size_t n = 0;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		if (made && n++ < CHANGES_LOGGED)
			log_info("%s: %s", v->opt.config, line);
		if (reporter->report != NULL)
			reporter->report(reporter->arg, line);
	}
	if (made && c->n > CHANGES_LOGGED)
		log_info("%s: and %zu more changes", v->opt.config,
		    c->n - CHANGES_LOGGED);
}

/* The sockets for vrngctl, if their files were removed or replaced. */
static int
bind_again(struct vrngd *v)
{
	int control = v->controlled ? commands_bind_again(&v->control) : 0;
	int status = v->monitored ? status_bind_again(&v->status) : 0;

	return control == -1 || status == -1 ? -1 : 0;
}

/* Reads the file and applies it, except in a dry run. */
static enum reload_result
apply_again(struct vrngd *v, bool dry_run, struct reporter *reporter)
{
	enum reload_result r = RELOAD_UNCHANGED;
	struct config *config;
	struct changes changes;

	config = config_read(v->opt.config, report_error, reporter);
	if (config != NULL) {
		collect_changes(v, config, &changes);
		r = dry_run ? RELOAD_DONE : apply(v, config);
		if (r != RELOAD_UNCHANGED) {
			report_changes(v, &changes, !dry_run, reporter);
			report_warnings(config, !dry_run, reporter);
		}
		free(changes.text);
		drop_config(&config);
	}
	if (dry_run)
		return r;
	if (bind_again(v) == -1 && r == RELOAD_DONE)
		r = RELOAD_PARTLY;
	say_reloaded(v, r);
	return r;
}

static enum reload_result
reload(void *arg, bool dry_run, config_report *report, void *report_arg)
{
	struct vrngd *v = arg;
	struct reporter reporter = { report, report_arg };
	enum reload_result r;

	if (v->opt.config == NULL) {
		report_error(&reporter,
		    "no configuration to reload: vrngd was started without one");
		return RELOAD_UNCHANGED;
	}
	if (dry_run)
		return apply_again(v, true, &reporter);
	notify_reload(&v->notify);
	r = apply_again(v, false, &reporter);
	notify_reloaded(&v->notify);
	return r;
}

static int
signal_reload(sd_event_source *source, const struct signalfd_siginfo *si,
    void *arg)
{
	(void)source, (void)si;
	reload(arg, false, NULL, NULL);
	return 0;
}

static int
signal_stop(sd_event_source *source, const struct signalfd_siginfo *si,
    void *arg)
{
	struct vrngd *v = arg;

	(void)source;
	event_log(EVENT_STOPPING, NULL,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_SIGNAL", si->ssi_signo)),
	    "stopping: %s", strsignal((int)si->ssi_signo));
	statistics_finish(&v->statistics);
	return sd_event_exit(v->env.event, 0);
}

static int
signal_report(sd_event_source *source, const struct signalfd_siginfo *si,
    void *arg)
{
	struct vrngd *v = arg;

	(void)source, (void)si;
	daemon_report(&v->daemon);
	return 0;
}

/* Each guest needs up to four descriptors, and more for a moment. */
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

/*
 * Whether SIGHUP is ignored, as nohup(1) requests.  With a configuration SIGHUP
 * always means a reload.
 */
static bool
hangup_ignored(const struct vrngd *v)
{
	struct sigaction sa;

	if (v->opt.config != NULL)
		return signal(SIGHUP, SIG_DFL) == SIG_ERR;
	return sigaction(SIGHUP, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
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
	/* The reader of the log may exit, or its file reach a size limit. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return -1;
	r = sd_event_default(&v->env.event);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (r >= 0 && (signals[i] != SIGHUP || !hangup_ignored(v)))
			r = sd_event_add_signal(v->env.event, NULL, signals[i],
			    signals[i] == SIGHUP && v->opt.config != NULL
				? signal_reload
				: signal_stop,
			    v);
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
		log_error("cannot create an event loop: %s", strerror(errno));
		return -1;
	}
	if ((v->env.root_fd = privilege_empty_root()) == -1)
		return -1;
	process_reserve(&v->env);
	log_output_watch(v->env.event);
	v->env.libexec = v->opt.libexec;
	v->env.uid_base = v->opt.uid_base;
	v->env.log_level =
	    v->opt.verbose > 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	log_set_level(v->env.log_level);
	v->env.layers = sandbox_available(v->opt.uid_base, UID_COUNT);
	if (sandbox_missing(v->env.layers, missing, sizeof(missing)))
		event_log(EVENT_LAYERS_MISSING, NULL,
		    LOG_FIELDS(LOG_TEXT("VRNGD_LAYERS", missing)),
		    "missing isolation layers, which need root or a newer "
		    "kernel: %s",
		    missing);
	return 0;
}

/* The configuration from the file or from the options. */
static struct config *
read_config(const struct vrngd *v)
{
	if (v->opt.config == NULL)
		return options_config(&v->opt);
	return config_read(v->opt.config, print_error, NULL);
}

/* For --check: sources that a missing program would read. */
static void
report_unread(const struct vrngd *v, const struct config *config)
{
	const struct config_pool *cp;
	const struct config_source *cs;
	char why[SOURCE_WHY_SIZE];

	TAILQ_FOREACH(cp, &config->pools, entry)
		TAILQ_FOREACH(cs, &cp->sources, entry)
			if (cs->spec.kind == SOURCE_QNG &&
			    !usb_installed(v->opt.libexec, why, sizeof(why)))
				fprintf(stderr,
				    "warning: pool %s: source %s: %s\n",
				    cp->name, cs->spec.name, why);
}

/*
 * Opens the monitoring socket: that of the option or, by default, the one that
 * belongs to the control socket at `control` (NULL: none).
 */
static int
open_status(struct vrngd *v, const char *control)
{
	char path[CONTROL_PATH_SIZE];

	if (v->opt.status != NULL)
		strlcpy(path, v->opt.status, sizeof(path));
	else if (control != NULL)
		control_status_path(control, path, sizeof(path));
	else
		return 0;
	if (status_open(&v->status, &v->daemon, path, v->opt.control_group) ==
	    -1)
		return v->opt.status == NULL && v->opt.control == NULL &&
			errno != EADDRINUSE
		    ? 0
		    : -1;
	v->monitored = true;
	return 0;
}

/*
 * Makes sure that no other vrngd of this user has the default sockets, whose
 * files may have been removed.  The lock lasts as long as the process.
 */
static int
lock_default(void)
{
	int fd = open(CONTROL_DIR "/lock",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	/* Without permission, there is no default socket either. */
	if (fd == -1 || flock(fd, LOCK_EX | LOCK_NB) == 0 ||
	    errno != EWOULDBLOCK)
		return 0;
	log_error("another vrngd runs with the sockets in " CONTROL_DIR
		  ": stop it, or start this one with --control");
	close(fd);
	return -1;
}

/*
 * Opens the sockets for vrngctl: those of the options or, with a configuration,
 * the default ones, if their directory exists.
 */
static int
open_control(struct vrngd *v)
{
	const char *path =
	    v->opt.control != NULL ? v->opt.control : CONTROL_PATH;

	if (v->opt.control == NULL &&
	    (v->opt.config == NULL || access(CONTROL_DIR, F_OK) == -1))
		return open_status(v, NULL);
	if (v->opt.control == NULL && lock_default() == -1)
		return -1;
	if (commands_open(&v->control, &v->daemon, path, v->opt.control_owner,
		reload, v) == -1)
		return v->opt.control == NULL && errno != EADDRINUSE ? 0 : -1;
	v->controlled = true;
	return open_status(v, path);
}

/*
 * Reads the sockets from systemd; without a configuration, only --fd is used.
 */
static int
open_passed(struct vrngd *v)
{
	struct daemon *s = &v->daemon;

	if (v->opt.config == NULL)
		return 0;
	if (listen_fds_read(&s->listen_fds) == -1)
		return -1;
	store_init(&s->store, &s->listen_fds);
	return 0;
}

static int
open_daemon(struct vrngd *v, const struct config *config)
{
	char name[GUEST_NAME_SIZE];
	const struct adoption a = {
		.name = name,
		.pool = "",
		.class = "",
		.fd = v->opt.listen_fd,
	};
	const char *why;

	adopt_places(&v->daemon);
	if (apply(v, config) != RELOAD_DONE)
		return -1;
	adopt_guests(&v->daemon);
	if (v->opt.listen_fd == -1)
		return 0;
	snprintf(name, sizeof(name), "fd%d", v->opt.listen_fd);
	if (adopt_guest(&v->daemon, &a, &why) == 0)
		return 0;
	log_error("fd %d: %s", v->opt.listen_fd, why);
	return -1;
}

static int
run(struct vrngd *v, struct config **config)
{
	uint64_t deadline;
	int r = 1;

	daemon_init(&v->daemon, &v->env, &daemon_ops, v);
	v->daemon.config = v->opt.config;
	statistics_init(&v->statistics, &v->daemon);
	if (open_passed(v) == -1)
		return 1;
	if (notify_open(&v->notify, v->env.event, &v->daemon) == -1) {
		log_error("cannot start notifications to systemd: %s",
		    strerror(errno));
		return 1;
	}
	if (open_control(v) == -1)
		return 1;
	privilege_reduce();
	if (v->monitored)
		status_start(&v->status);
	if (open_daemon(v, *config) == 0) {
		drop_config(config);
		r = sd_event_loop(v->env.event);
		if (r < 0)
			log_error("event loop failed: %s", strerror(-r));
	}
	notify_close(&v->notify);
	if (v->controlled)
		commands_close(&v->control);
	deadline = clock_now() + STOP_TIME;
	if (v->monitored)
		status_close(&v->status, deadline);
	statistics_end(&v->statistics);
	daemon_stop(&v->daemon, deadline);
	process_finish(&v->env, deadline);
	return r < 0 ? 1 : r;
}

int
main(int argc, char **argv)
{
	static struct vrngd v;
	struct config *config;
	int status;

	options_parse(&v.opt, argc, argv);
	if ((config = read_config(&v)) == NULL)
		return 1;
	if (v.opt.check) {
		report_warnings(config, false,
		    &(struct reporter){ print_error, NULL });
		report_unread(&v, config);
		config_print(config, stdout, true);
		config_free(config);
		return fflush(stdout) == EOF ? 1 : 0;
	}
	log_output_open();
	report_warnings(config, true, &(struct reporter){ 0 });
	raise_nofile();
	confine_parent();
	status = open_env(&v) == -1 ? 1 : run(&v, &config);
	config_free(config);
	sdnotify_flush();
	log_output_flush();
	return status;
}
