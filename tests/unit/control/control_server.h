/*
 * A control socket served by a process of its own, with a made-up daemon
 * behind it; and a client.
 */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef VRNGD_SANITIZE
#include <sanitizer/lsan_interface.h>
#endif

#include "common/clock.h"
#include "parent/control/control.h"
#include "unit/unit.h"

#define SERVER_GROUP 4242

struct server {
	/* Set before server_start(). */
	bool open;	 /* to all users, with or without rights */
	uint32_t errors; /* in the configuration, a line each */
	/* Of the status, for tests of vrngctl. */
	uint32_t more_guests;  /* than the usual ones */
	uint32_t more_clients; /* of one of the services */
	bool no_outlets;
	const char *odd;      /* JSON, at the end of the last */
	const char *odd_list; /* list that has this name; NULL: none */
	const char *reply;    /* in place of the status; NULL: that */

	char dir[32];
	char path[64];
	pid_t pid;
};

struct fake {
	const struct server *server;
	struct control ctl;
	sd_event *event;
};

static void
fake_log(void *arg, const struct log_line *line)
{
	(void)arg;
	(void)line;
}

/* Guest "taken" cannot be added; else the arguments are said. */
static int
fake_guest_add(struct control_answer *a, const struct control_request *req)
{
	if (strcmp(req->name, "taken") == 0) {
		control_say(a, "guest %s: there is one of that name",
		    req->name);
		return EEXIST;
	}
	control_say(a, "%s %s '%s' '%s'", req->name, req->socket, req->class,
	    req->pool);
	return 0;
}

/* What came with it is bound to that path. */
static int
fake_guest_adopt(struct control_answer *a, const struct control_request *req,
    int *fd)
{
	struct sockaddr_un sun = { 0 };
	socklen_t len = sizeof(sun);

	if (getsockname(*fd, (struct sockaddr *)&sun, &len) == -1) {
		control_say(a, "no socket came with it");
		return EINVAL;
	}
	control_say(a, "%s %s '%s' '%s'", req->name, sun.sun_path, req->class,
	    req->pool);
	close(*fd);
	*fd = -1;
	return 0;
}

/* Guest "fds" reports the number of descriptors; others do not exist. */
static int
fake_guest_remove(struct control_answer *a, const char *name)
{
	if (strcmp(name, "fds") != 0)
		return ENOENT;
	control_say(a, "%zu", unit_count_fds());
	return 0;
}

/* Both pools have a source "both", and "slow" alone has "hw". */
static int
fake_source_retest(struct control_answer *a, const char *name, const char *pool)
{
	if (strcmp(name, "both") == 0 && pool[0] == '\0') {
		control_say(a,
		    "source both: pools default and slow have one: say which");
		return EEXIST;
	}
	if (strcmp(name, "both") == 0 ||
	    (strcmp(name, "hw") == 0 &&
		(pool[0] == '\0' || strcmp(pool, "slow") == 0)))
		return 0;
	control_say(a, "pool %s has no source %s",
	    pool[0] == '\0' ? "(any)" : pool, name);
	return ENOENT;
}

static int
fake_handle(struct control_answer *a, const struct control_request *req,
    int *fd, void *arg)
{
	const struct server *s = ((struct fake *)arg)->server;

	switch (req->command) {
	case CONTROL_RELOAD:
		for (uint32_t i = 1; i <= s->errors; i++)
			control_say(a,
			    "vrngd.conf:%u: unknown key 'rat' (rate?)", i);
		return s->errors == 0 ? 0 : EINVAL;
	case CONTROL_GUEST_ADD:
		return fake_guest_add(a, req);
	case CONTROL_GUEST_ADOPT:
		return fake_guest_adopt(a, req, fd);
	case CONTROL_GUEST_REMOVE:
		return fake_guest_remove(a, req->name);
	case CONTROL_SOURCE_RETEST:
		return fake_source_retest(a, req->name, req->pool);
	case CONTROL_LOG_LEVEL:
		control_say(a, "level %u", req->log_level);
		return 0;
	}
	return EINVAL;
}

/* The process: serves until SIGTERM, leaves nothing. */
static _Noreturn void
server_run(struct server *s, int ready)
{
	struct fake fake = { .server = s };
	sigset_t set;
	int r;

	log_open(fake_log, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* With a timer the loop has all its descriptors from the start. */
	if (sd_event_new(&fake.event) < 0 ||
	    sd_event_add_time(fake.event, NULL, CLOCK_MONOTONIC, UINT64_MAX, 0,
		NULL, NULL) < 0 ||
	    sd_event_add_signal(fake.event, NULL, SIGTERM, NULL, NULL) < 0 ||
	    control_open(&fake.ctl, fake.event, s->path, (uid_t)-1, fake_handle,
		&fake) == -1 ||
	    (s->open && chmod(s->path, 0666) == -1))
		_exit(1);
#ifdef SERVER_ALSO /* of the including file */
	SERVER_ALSO(s, fake.event);
#endif
	if (write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	r = sd_event_loop(fake.event);
	control_close(&fake.ctl);
	sd_event_unref(fake.event);
#ifdef VRNGD_SANITIZE
	if (__lsan_do_recoverable_leak_check() != 0)
		_exit(1);
#endif
	_exit(r == 0 ? 0 : 1);
}

static void
server_start(struct server *s)
{
	int ready[2];
	char c;

	strlcpy(s->dir, "/tmp/control-XXXXXX", sizeof(s->dir));
	assert_non_null(mkdtemp(s->dir));
	assert_int_equal(chmod(s->dir, 0755), 0);
	snprintf(s->path, sizeof(s->path), "%s/control", s->dir);
	assert_int_equal(pipe(ready), 0);
	s->pid = fork();
	assert_int_not_equal(s->pid, -1);
	if (s->pid == 0) {
		/* A test that fails does not stop it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		server_run(s, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
}

/* Ends it, and fails unless it ends well and removes its socket. */
static void
server_stop(struct server *s)
{
	int status;

	assert_int_equal(kill(s->pid, SIGTERM), 0);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_int_equal(status, 0);
	snprintf(s->path, sizeof(s->path), "%s/status", s->dir);
	unlink(s->path);
	assert_int_equal(rmdir(s->dir), 0);
}

#endif
