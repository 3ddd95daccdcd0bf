/*
 * vrngctl: shows the status of a running vrngd, and changes it.  Started by
 * administrators and, for reloads and guest units, by systemd.
 */
#include <bsd/string.h>
#include <err.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/journal_stream.h"
#include "ctl/change.h"
#include "ctl/metrics.h"
#include "ctl/monitor.h"
#include "ctl/snippet.h"
#include "ctl/status.h"
#include "ctl/top.h"
#include "ctl/why.h"
#include "common/names.h"

#define DEFAULT_MEMORY "512M"

static const struct option longopts[] = {
	{ "control", required_argument, NULL, 's' },
	{ "status", required_argument, NULL, OPT_STATUS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "class", required_argument, NULL, OPT_CLASS },
	{ "pool", required_argument, NULL, OPT_POOL },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "clients", no_argument, NULL, OPT_CLIENTS },
	{ "egd", no_argument, NULL, OPT_EGD },
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "openmetrics", no_argument, NULL, OPT_OPENMETRICS },
	{ "guests", no_argument, NULL, OPT_GUESTS },
	{ "http", no_argument, NULL, OPT_HTTP },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

struct command {
	const char *name;
	const char *word;    /* the subcommand, or NULL */
	const char *operand; /* for messages; NULL: none */
	int options;	     /* bits of the options it accepts */
	command_function *run;
};

static const char usage_text[] =
    "usage: vrngctl [-s SOCKET] [--status SOCKET] COMMAND\n"
    "\n"
    "  status [NAME] [--json] [--clients]\n"
    "                           show pools, sources, classes, guests, services\n"
    "                           and clients (by default ten of each service),\n"
    "                           or one guest or service\n"
    "  why NAME                 print why a guest or service waits\n"
    "  top [--once]             show the status once per second; q quits\n"
    "  metrics [--openmetrics | --http] [--guests]\n"
    "                           print metrics for Prometheus, or answer a\n"
    "                           request of HTTP; with --guests, of each guest\n"
    "  monitor [NAME] [--pool POOL] [--json]\n"
    "                           print events as they happen, of all, or of one\n"
    "                           guest, service or pool\n"
    "  reload [--dry-run]       reload the configuration, or only show what\n"
    "                           would change\n"
    "  guest list               show the guests\n"
    "  guest add NAME --socket PATH [--class CLASS] [--pool POOL]\n"
    "                           add a guest\n"
    "  guest adopt NAME [--class CLASS] [--pool POOL]\n"
    "                           add a guest with a socket from systemd\n"
    "  guest remove NAME        remove a guest\n"
    "  guest release NAME       remove a guest with a socket from systemd\n"
    "  source retest NAME [--pool POOL]\n"
    "                           test a failed source again\n"
    "  log LEVEL                set the log level: error, warning, info, debug\n"
    "  qemu-args GUEST [--egd] [--memory SIZE]\n"
    "  qemu-args --service NAME [--memory SIZE]\n"
    "                           print options for QEMU\n"
    "  libvirt-xml GUEST [--egd]\n"
    "  libvirt-xml --service NAME\n"
    "                           print domain XML for libvirt\n"
    "  firecracker-args GUEST   print the vsock device for Firecracker\n"
    "\n"
    "  -s, --control SOCKET     control socket of the daemon\n"
    "                           (" CONTROL_PATH ")\n"
    "      --status SOCKET      monitoring socket of the daemon (path of the\n"
    "                           control socket, with \"status\" for \"control\")\n"
    "  -h, --help               print this help\n"
    "  -V, --version            print the version\n";

void
usage_error(const char *fmt, ...)
{
	va_list ap;

	/* The journal of a unit has a warning. */
	if (journal_stream_is_stderr())
		fputs(SD_WARNING, stderr);
	fputs("vrngctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (see vrngctl --help)\n", stderr);
	exit(EXIT_USAGE);
}

/* Exits, with success unless the output could not be written. */
static _Noreturn void
finish(void)
{
	if (fflush(stdout) == EOF || ferror(stdout))
		err(EXIT_REFUSED, "cannot write to standard output");
	exit(EXIT_DONE);
}

static const struct command commands[] = {
	{ "status", NULL, "guest or service",
	    OPT_JSON | OPT_CLIENTS | OPT_NO_OPERAND, status_run },
	{ "why", NULL, "guest or service", 0, why_run },
	{ "top", NULL, NULL, OPT_ONCE, top_run },
	{ "metrics", NULL, NULL, OPT_OPENMETRICS | OPT_GUESTS | OPT_HTTP,
	    metrics_run },
	{ "monitor", NULL, "guest or service",
	    OPT_JSON | OPT_POOL | OPT_NO_OPERAND, monitor_run },
	{ "reload", NULL, NULL, OPT_DRY_RUN, change_reload },
	{ "guest", "list", NULL, 0, status_run_guests },
	{ "guest", "add", "guest name", OPT_SOCKET | OPT_CLASS | OPT_POOL,
	    change_guest_add },
	{ "guest", "adopt", "guest name", OPT_CLASS | OPT_POOL,
	    change_guest_adopt },
	{ "guest", "remove", "guest name", 0, change_guest_remove },
	{ "guest", "release", "guest name", 0, change_guest_release },
	{ "source", "retest", "source name", OPT_POOL, change_source_retest },
	{ "log", NULL, "level", 0, change_log_level },
	{ "qemu-args", NULL, "guest name", OPT_MEMORY | OPT_EGD | OPT_SERVICE,
	    snippet_run_qemu },
	{ "libvirt-xml", NULL, "guest name", OPT_EGD | OPT_SERVICE,
	    snippet_run_libvirt },
	{ "firecracker-args", NULL, "guest name", 0, snippet_run_firecracker },
	{ "names", NULL, "guests, classes, pools, sources or services", 0,
	    status_run_names },
};

/* Reports a word that there is not, with the most similar one if any is. */
static _Noreturn void
fail_word(const char *what, const char *word, const char *mark,
    const char *near)
{
	if (near != NULL)
		usage_error("unknown %s '%s': did you mean '%s%s'?", what, word,
		    mark, near);
	usage_error("unknown %s '%s'", what, word);
}

/* Reports an option that there is not. */
static _Noreturn void
fail_option(const char *word)
{
	const char *near = NULL;

	if (optopt > 0 && optopt < OPT_JSON)
		usage_error("unknown option -%c", optopt);
	for (const struct option *o = longopts; o->name != NULL; o++)
		names_near(word + strspn(word, "-"), o->name, &near);
	fail_word("option", word, "--", near);
}

/* Parses one option, and records those that only some commands accept. */
static void
set_option(struct args *args, int option, char **argv)
{
	switch (option) {
	case 's':
		args->control = optarg;
		return;
	case OPT_STATUS:
		strlcpy(args->status, optarg, sizeof(args->status));
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
	case OPT_SERVICE:
		args->service = optarg;
		break;
	case OPT_JSON:
	case OPT_ONCE:
	case OPT_CLIENTS:
	case OPT_EGD:
	case OPT_DRY_RUN:
	case OPT_OPENMETRICS:
	case OPT_GUESTS:
	case OPT_HTTP:
		break;
	case ':':
		usage_error("missing value of %s", argv[optind - 1]);
	default:
		fail_option(argv[optind - 1]);
	}
	args->given |= option;
}

/* Finds the command that the words name.  `*used` is the number of words. */
static const struct command *
find_command(char **words, int nwords, int *used)
{
	char wanted[64] = "";
	const char *near = NULL, *near_word = NULL;

	if (nwords == 0)
		usage_error("missing command");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *cmd = &commands[i];

		names_near(words[0], cmd->name, &near);
		if (strcmp(cmd->name, words[0]) != 0)
			continue;
		*used = cmd->word == NULL ? 1 : 2;
		if (*used == 1 ||
		    (nwords > 1 && strcmp(cmd->word, words[1]) == 0))
			return cmd;
		if (nwords > 1)
			names_near(words[1], cmd->word, &near_word);
		if (wanted[0] != '\0')
			strlcat(wanted, " or ", sizeof(wanted));
		strlcat(wanted, cmd->word, sizeof(wanted));
	}
	if (near_word != NULL)
		usage_error("%s: unknown subcommand '%s': did you mean '%s'?",
		    words[0], words[1], near_word);
	if (wanted[0] != '\0')
		usage_error("%s: %s subcommand (%s)", words[0],
		    nwords > 1 ? "unknown" : "missing", wanted);
	fail_word("command", words[0], "", near);
}

static void
check_options(const struct command *cmd, int given)
{
	for (const struct option *o = longopts; o->name != NULL; o++)
		if (o->val >= OPT_JSON && (o->val & given) != 0 &&
		    (o->val & cmd->options) == 0)
			usage_error("%s%s%s: --%s is not allowed", cmd->name,
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
	if (args->status[0] == '\0')
		control_status_path(args->control, args->status,
		    sizeof(args->status));
	cmd = find_command(argv + optind, argc - optind, &used);
	check_options(cmd, args->given);
	optind += used;
	if (cmd->operand != NULL && args->service == NULL &&
	    (optind < argc || (cmd->options & OPT_NO_OPERAND) == 0)) {
		if (optind == argc)
			usage_error("%s: missing operand (%s)",
			    argv[optind - 1], cmd->operand);
		args->operand = argv[optind++];
	}
	if (optind < argc)
		usage_error("unexpected argument '%s'", argv[optind]);
	return cmd;
}

/* Prints the reason, with the program's name before each line. */
static enum exit_status
report_failure(struct failure *why)
{
	char *line, *rest = why->text;

	fflush(stdout);
	if (rest == NULL)
		warnx("out of memory");
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
		return report_failure(&why);
	finish();
}
