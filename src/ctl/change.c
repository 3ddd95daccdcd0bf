/*
 * The commands that change something in the daemon.  Used by main.c.
 */
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/names.h"
#include "ctl/change.h"

#define SOCKET_TIME (10 * NS_PER_SEC) /* for the daemon to create its socket */
#define SOCKET_POLL 20000	      /* us */

/* Copies a name into a request, or exits if it is invalid. */
static void
set_name(char to[GUEST_NAME_SIZE], const char *what, const char *name)
{
	if (name[0] == '\0' || !names_valid(name))
		usage_error("%s '%s': names may contain only letters, digits, "
			    "'.', '_' and '-'",
		    what, name);
	if (strlcpy(to, name, GUEST_NAME_SIZE) >= GUEST_NAME_SIZE)
		usage_error("%s '%s' is longer than %d characters", what, name,
		    GUEST_NAME_SIZE - 1);
}

/* Makes a path absolute: the daemon has another working directory. */
static void
set_socket(char to[CONTROL_SOCKET_SIZE], const char *path)
{
	char directory[CONTROL_SOCKET_SIZE] = "";
	int n;

	if (path[0] == '\0')
		usage_error("--socket '' is empty");
	if (path[0] != '/' && getcwd(directory, sizeof(directory)) == NULL)
		usage_error("--socket '%s': path of the working directory is "
			    "too long, use an absolute path",
		    path);
	n = snprintf(to, CONTROL_SOCKET_SIZE, "%s%s%s", directory,
	    path[0] == '/' ? "" : "/", path);
	if (n < 0 || n >= CONTROL_SOCKET_SIZE)
		usage_error("--socket '%s' is longer than %d bytes", path,
		    CONTROL_SOCKET_SIZE - 1);
}

/* Says on a terminal that it is done; scripts need only the exit status. */
static int
done(const char *what, const char *name, const char *how)
{
	if (isatty(STDOUT_FILENO))
		printf("%s %s: %s\n", what, name, how);
	return 0;
}

/* The daemon's process in ExecReload= of its unit; 0: there is none. */
static pid_t
main_pid(void)
{
	const char *pid = getenv("MAINPID");

	return pid == NULL || getenv("INVOCATION_ID") == NULL
	    ? 0
	    : (pid_t)strtonum(pid, 2, INT32_MAX, NULL);
}

/*
 * If the control socket was removed, `systemctl reload` first makes the daemon
 * create it again.
 */
int
change_reload(const struct args *args, struct failure *why)
{
	const bool dry_run = (args->given & OPT_DRY_RUN) != 0;
	const struct control_request req =
	    connect_request(dry_run ? CONTROL_RELOAD_DRY_RUN : CONTROL_RELOAD);
	const uint64_t deadline = clock_now() + SOCKET_TIME;
	int r = connect_ask(args->control, &req, -1, why);

	if (r == 0 || dry_run || why->status != EXIT_UNREACHABLE ||
	    main_pid() == 0 || kill(main_pid(), SIGHUP) == -1)
		return r;
	while (r == -1 && why->status == EXIT_UNREACHABLE &&
	    clock_now() < deadline) {
		usleep(SOCKET_POLL);
		r = connect_ask(args->control, &req, -1, why);
	}
	return r;
}

int
change_guest_add(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_GUEST_ADD);

	set_name(req.name, "guest", args->operand);
	if (args->socket == NULL)
		usage_error("guest add: missing --socket");
	set_socket(req.socket, args->socket);
	req.directory = control_directory(req.socket);
	if (args->class != NULL)
		set_name(req.class, "--class", args->class);
	if (args->pool != NULL)
		set_name(req.pool, "--pool", args->pool);
	if (connect_ask(args->control, &req, -1, why) == -1)
		return -1;
	return done("guest", req.name, "added");
}

/* Copies the name from an option or, for units, from the environment. */
static void
set_place(char to[GUEST_NAME_SIZE], const char *what, const char *name,
    const char *variable)
{
	const char *value = getenv(variable);

	if (name != NULL)
		set_name(to, what, name);
	else if (value != NULL && value[0] != '\0')
		set_name(to, variable, value);
}

int
change_guest_adopt(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_GUEST_ADOPT);
	int n;

	set_name(req.name, "guest", args->operand);
	set_place(req.class, "--class", args->class, "VRNGD_CLASS");
	set_place(req.pool, "--pool", args->pool, "VRNGD_POOL");
	n = sd_listen_fds(0);
	if (n < 0)
		return fail(why, EXIT_REFUSED, "LISTEN_FDS: %s", strerror(-n));
	if (n != 1)
		return fail(why, EXIT_REFUSED,
		    "guest %s: systemd passed %d sockets, expected 1: start "
		    "vrngd-guest@%s.socket",
		    req.name, n, req.name);
	if (connect_ask(args->control, &req, SD_LISTEN_FDS_START, why) == -1)
		return -1;
	return done("guest", req.name, "added");
}

int
change_guest_remove(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_GUEST_REMOVE);

	set_name(req.name, "guest", args->operand);
	if (connect_ask(args->control, &req, -1, why) == -1)
		return -1;
	return done("guest", req.name, "removed");
}

int
change_guest_release(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_GUEST_RELEASE);

	/* The unit of an invalid name was rejected, and stops. */
	if (!names_valid(args->operand) ||
	    strlen(args->operand) >= GUEST_NAME_SIZE)
		return 0;
	set_name(req.name, "guest", args->operand);
	return connect_ask(args->control, &req, -1, why);
}

int
change_source_retest(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_SOURCE_RETEST);

	set_name(req.name, "source", args->operand);
	if (args->pool != NULL)
		set_name(req.pool, "--pool", args->pool);
	if (connect_ask(args->control, &req, -1, why) == -1)
		return -1;
	printf("source %s: retest started\n", req.name);
	return 0;
}

int
change_log_level(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_LOG_LEVEL);

	while (strcmp(names_log_level[req.log_level], args->operand) != 0)
		if (names_log_level[++req.log_level] == NULL)
			usage_error("log '%s': level must be error, warning, "
				    "info or debug",
			    args->operand);
	if (connect_ask(args->control, &req, -1, why) == -1)
		return -1;
	return done("log", "level", args->operand);
}
