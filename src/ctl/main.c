/*
 * vrngctl: shows what vrngd does, and changes it while it runs.
 */
#include <bsd/string.h>
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "snippet.h"
#include "status.h"
#include "term.h"
#include "top.h"

#define DEFAULT_MEMORY "512M"

/* Options, and bits of those that a command takes. */
enum option_bit {
	OPT_JSON = 1 << 8, /* beyond any character */
	OPT_ONCE = 1 << 9,
	OPT_SOCKET = 1 << 10,
	OPT_CLASS = 1 << 11,
	OPT_POOL = 1 << 12,
	OPT_MEMORY = 1 << 13,
};

static const struct option longopts[] = {
	{ "control", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "class", required_argument, NULL, OPT_CLASS },
	{ "pool", required_argument, NULL, OPT_POOL },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

struct args {
	const char *control; /* the control socket's path */
	const char *socket;  /* options' values, or NULL */
	const char *class;
	const char *pool;
	const char *memory;
	int given; /* bits of enum option_bit */
	const char *operand;
};

/* Returns 0, or -1 with the reason. */
typedef int command_function(const struct args *, struct failure *);

struct command {
	const char *name;
	const char *word;    /* the second one, or NULL */
	const char *operand; /* what it is, for messages; NULL: none */
	int options;	     /* bits that it takes */
	command_function *run;
};

static const char usage_text[] =
    "usage: vrngctl [-s SOCKET] COMMAND\n"
    "\n"
    "  status [--json]          pools, classes and guests, and what they get\n"
    "  top [--once]             the same live, with bars; q quits\n"
    "  reload                   have the daemon read its configuration again\n"
    "  guest add NAME --socket PATH [--class CLASS] [--pool POOL]\n"
    "                           serve one more guest\n"
    "  guest remove NAME        serve a guest no more\n"
    "  log LEVEL                log error, warning, info or debug and above\n"
    "  qemu-args GUEST [--memory SIZE]\n"
    "                           options for QEMU, to be pasted\n"
    "  libvirt-xml GUEST        domain XML for libvirt, to be pasted\n"
    "\n"
    "  -s, --control SOCKET     the daemon's control socket\n"
    "                           (" CONTROL_PATH ")\n"
    "  -h, --help               print this\n"
    "  -V, --version            print the version\n";

static _Noreturn void __attribute__((format(printf, 1, 2)))
usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("vrngctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (see vrngctl --help)\n", stderr);
	exit(EXIT_USAGE);
}

/* Ends the process, with success unless output could not be written. */
static _Noreturn void
finish(void)
{
	if (fflush(stdout) == EOF || ferror(stdout))
		err(EXIT_REFUSED, "cannot write to standard output");
	exit(EXIT_DONE);
}

/* Copies a name into a request, if it can be one. */
static void
set_name(char to[GUEST_NAME_SIZE], const char *what, const char *name)
{
	const char *bad = name;

	while (isascii(*bad) &&
	    (isalnum((unsigned char)*bad) || *bad == '.' || *bad == '_' ||
		*bad == '-'))
		bad++;
	if (*bad != '\0' || bad == name)
		usage_error("%s '%s': a name has letters, digits, '.', '_' "
			    "and '-' only",
		    what, name);
	if (strlcpy(to, name, GUEST_NAME_SIZE) >= GUEST_NAME_SIZE)
		usage_error("%s '%s' is longer than %d characters", what, name,
		    GUEST_NAME_SIZE - 1);
}

/* The daemon has another working directory, and wants absolute paths. */
static void
set_socket(char to[CONTROL_SOCKET_SIZE], const char *path)
{
	char directory[CONTROL_SOCKET_SIZE] = "";
	int n;

	if (path[0] == '\0')
		usage_error("--socket '' is empty");
	if (path[0] != '/' && getcwd(directory, sizeof(directory)) == NULL)
		usage_error("--socket '%s': the working directory's path is "
			    "too long: give an absolute one",
		    path);
	n = snprintf(to, CONTROL_SOCKET_SIZE, "%s%s%s", directory,
	    path[0] == '/' ? "" : "/", path);
	if (n < 0 || n >= CONTROL_SOCKET_SIZE)
		usage_error("--socket '%s' is longer than the %d bytes that a "
			    "socket address has room for",
		    path, CONTROL_SOCKET_SIZE - 1);
}

static void
ignore_reply(void *arg, const struct control_reply *reply)
{
	(void)arg;
	(void)reply;
}

static int
run_status(const struct args *args, struct failure *why)
{
	size_t columns = 0, lines;
	struct snapshot snap;

	if (snapshot_take(&snap, args->control, why) == -1)
		return -1;
	if (isatty(STDOUT_FILENO))
		term_size(&columns, &lines);
	if ((args->given & OPT_JSON) != 0)
		status_print_json(&snap, stdout);
	else
		status_print(&snap, stdout, columns);
	snapshot_free(&snap);
	return 0;
}

static int
run_top(const struct args *args, struct failure *why)
{
	return top_run(args->control, (args->given & OPT_ONCE) != 0, why);
}

static int
run_reload(const struct args *args, struct failure *why)
{
	const struct control_request req = connect_request(CONTROL_RELOAD);

	return connect_ask(args->control, &req, ignore_reply, NULL, why);
}

static int
run_guest_add(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_GUEST_ADD);

	set_name(req.name, "guest", args->operand);
	if (args->socket == NULL)
		usage_error("guest add needs --socket");
	set_socket(req.socket, args->socket);
	if (args->class != NULL)
		set_name(req.class, "--class", args->class);
	if (args->pool != NULL)
		set_name(req.pool, "--pool", args->pool);
	return connect_ask(args->control, &req, ignore_reply, NULL, why);
}

static int
run_guest_remove(const struct args *args, struct failure *why)
{
	struct control_request req = connect_request(CONTROL_GUEST_REMOVE);

	set_name(req.name, "guest", args->operand);
	return connect_ask(args->control, &req, ignore_reply, NULL, why);
}

static int
run_log(const struct args *args, struct failure *why)
{
	static const char *const levels[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};
	struct control_request req = connect_request(CONTROL_LOG_LEVEL);

	while (strcmp(levels[req.log_level], args->operand) != 0)
		if (++req.log_level > LOG_LEVEL_DEBUG)
			usage_error("log '%s': error, warning, info or debug "
				    "is wanted",
			    args->operand);
	return connect_ask(args->control, &req, ignore_reply, NULL, why);
}

/* Runs one of the snippets for the guest that the operand names. */
static int
run_snippet(const struct args *args, struct failure *why, bool qemu)
{
	const struct control_guest *guest;
	struct snapshot snap;
	int r = -1;

	if (snapshot_take(&snap, args->control, why) == -1)
		return -1;
	guest = snapshot_guest(&snap, args->operand, why);
	if (guest != NULL && qemu)
		r = snippet_qemu(guest, args->memory, stdout, why);
	else if (guest != NULL)
		r = snippet_libvirt(guest, stdout, why);
	snapshot_free(&snap);
	return r;
}

static int
run_qemu(const struct args *args, struct failure *why)
{
	size_t digits = strspn(args->memory, "0123456789");
	const char *unit = args->memory + digits;

	if (digits == 0 || args->memory[0] == '0' || strlen(unit) > 1 ||
	    (unit[0] != '\0' && strchr("MGT", unit[0]) == NULL))
		usage_error("--memory '%s': a size as for QEMU's -m is wanted, "
			    "such as 512M",
		    args->memory);
	return run_snippet(args, why, true);
}

static int
run_libvirt(const struct args *args, struct failure *why)
{
	return run_snippet(args, why, false);
}

/* Not in the manual: for the completion of command lines. */
static int
run_names(const struct args *args, struct failure *why)
{
	struct snapshot snap;

	if (snapshot_take(&snap, args->control, why) == -1)
		return -1;
	if (strcmp(args->operand, "guests") == 0)
		status_print_guests(&snap, stdout);
	else if (strcmp(args->operand, "classes") == 0)
		status_print_classes(&snap, stdout);
	else if (strcmp(args->operand, "pools") == 0)
		status_print_pools(&snap, stdout);
	snapshot_free(&snap);
	return 0;
}

static const struct command commands[] = {
	{ "status", NULL, NULL, OPT_JSON, run_status },
	{ "top", NULL, NULL, OPT_ONCE, run_top },
	{ "reload", NULL, NULL, 0, run_reload },
	{ "guest", "add", "a name", OPT_SOCKET | OPT_CLASS | OPT_POOL,
	    run_guest_add },
	{ "guest", "remove", "a guest's name", 0, run_guest_remove },
	{ "log", NULL, "a level", 0, run_log },
	{ "qemu-args", NULL, "a guest's name", OPT_MEMORY, run_qemu },
	{ "libvirt-xml", NULL, "a guest's name", 0, run_libvirt },
	{ "names", NULL, "guests, classes or pools", 0, run_names },
};

/* Takes one option.  Those that a command takes or not are noted. */
static void
set_option(struct args *args, int option, char **argv)
{
	switch (option) {
	case 's':
		args->control = optarg;
		return;
	case 'h':
		fputs(usage_text, stdout);
		finish();
	case 'V':
		puts("vrngctl " VERSION);
		finish();
	case OPT_SOCKET:
		args->socket = optarg;
		break;
	case OPT_CLASS:
		args->class = optarg;
		break;
	case OPT_POOL:
		args->pool = optarg;
		break;
	case OPT_MEMORY:
		args->memory = optarg;
		break;
	case OPT_JSON:
	case OPT_ONCE:
		break;
	case ':':
		usage_error("%s needs a value", argv[optind - 1]);
	default:
		if (optopt > 0 && optopt < OPT_JSON)
			usage_error("unknown option -%c", optopt);
		usage_error("unknown option %s", argv[optind - 1]);
	}
	args->given |= option;
}

/* The command that the words name.  `*used` is how many of them. */
static const struct command *
find_command(char **words, int nwords, int *used)
{
	bool known = false;

	if (nwords == 0)
		usage_error("which command?");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *cmd = &commands[i];

		if (strcmp(cmd->name, words[0]) != 0)
			continue;
		known = true;
		*used = cmd->word == NULL ? 1 : 2;
		if (*used == 1 ||
		    (nwords > 1 && strcmp(cmd->word, words[1]) == 0))
			return cmd;
	}
	if (known)
		usage_error("%s what? add or remove", words[0]);
	usage_error("unknown command '%s'", words[0]);
}

static void
check_options(const struct command *cmd, int given)
{
	for (const struct option *o = longopts; o->name != NULL; o++)
		if (o->val >= OPT_JSON && (o->val & given) != 0 &&
		    (o->val & cmd->options) == 0)
			usage_error("%s%s%s takes no --%s", cmd->name,
			    cmd->word != NULL ? " " : "",
			    cmd->word != NULL ? cmd->word : "", o->name);
}

static const struct command *
parse(struct args *args, int argc, char **argv)
{
	const struct command *cmd;
	int option, used = 0;

	*args = (struct args){
		.control = CONTROL_PATH,
		.memory = DEFAULT_MEMORY,
	};
	opterr = 0;
	while (
	    (option = getopt_long(argc, argv, ":s:hV", longopts, NULL)) != -1)
		set_option(args, option, argv);
	cmd = find_command(argv + optind, argc - optind, &used);
	check_options(cmd, args->given);
	optind += used;
	if (cmd->operand != NULL && optind == argc)
		usage_error("%s needs %s", argv[optind - 1], cmd->operand);
	if (cmd->operand != NULL)
		args->operand = argv[optind++];
	if (optind < argc)
		usage_error("unexpected argument '%s'", argv[optind]);
	return cmd;
}

/* Says why, with the program's name before each line. */
static enum exit_status
tell_failure(struct failure *why)
{
	char *line, *rest = why->text;

	fflush(stdout);
	if (rest == NULL)
		warnx("no memory");
	while ((line = strsep(&rest, "\n")) != NULL)
		fprintf(stderr, "vrngctl: %s\n", line);
	free(why->text);
	return why->status;
}

int
main(int argc, char **argv)
{
	struct failure why = { 0 };
	struct args args;
	const struct command *cmd = parse(&args, argc, argv);

	if (cmd->run(&args, &why) == -1)
		return tell_failure(&why);
	finish();
}
