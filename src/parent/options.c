/*
 * Parses the command line, and builds a configuration from it if there is no
 * configuration file.  Used by main.c.
 */
#include <sys/un.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/endpoint/guest.h"
#include "parent/options.h"
#include "parent/host/process.h"

#define DEFAULT_CONFIG	  "/etc/vrngd/vrngd.conf"
#define DEFAULT_SOURCE	  "/dev/urandom"
#define DEFAULT_PERIOD_MS 65536
#define DEFAULT_UID_BASE  1879048192   /* 0x70000000: UIDS-GIDS */
#define LAST_UID	  4294967294LL /* the one after is "no uid" */

enum {
	OPT_CONTROL = 256,
	OPT_CONTROL_GROUP,
	OPT_CONTROL_OWNER,
	OPT_FD,
	OPT_FILENAME,
	OPT_LIBEXEC,
	OPT_POLL_US,
	OPT_STATUS,
	OPT_UID_BASE,
	OPT_PRINT_CAPABILITIES,
};

static const struct option longopts[] = {
	{ "config", required_argument, NULL, 'C' },
	{ "check", no_argument, NULL, 'n' },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "control-group", required_argument, NULL, OPT_CONTROL_GROUP },
	{ "control-owner", required_argument, NULL, OPT_CONTROL_OWNER },
	{ "socket-path", required_argument, NULL, 's' },
	{ "socket-count", required_argument, NULL, 'c' },
	{ "rng-source", required_argument, NULL, 'f' },
	{ "filename", required_argument, NULL, OPT_FILENAME },
	{ "max-bytes", required_argument, NULL, 'm' },
	{ "period", required_argument, NULL, 'p' },
	{ "status", required_argument, NULL, OPT_STATUS },
	{ "poll-us", required_argument, NULL, OPT_POLL_US },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "libexec", required_argument, NULL, OPT_LIBEXEC },
	{ "uid-base", required_argument, NULL, OPT_UID_BASE },
	{ "print-capabilities", no_argument, NULL, OPT_PRINT_CAPABILITIES },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static const char usage_text[] =
    "usage: vrngd [-nv] [-C FILE]\n"
    "       vrngd -s PATH [-c COUNT] [-f FILE] [-m BYTES] [-p MS] [-v]\n"
    "       vrngd --fd FDNUM [-f FILE] [-m BYTES] [-p MS] [-v]\n"
    "\n"
    "  -C, --config FILE        configuration file, without -s and --fd\n"
    "                           (/etc/vrngd/vrngd.conf)\n"
    "  -n, --check              check the configuration, print it with all\n"
    "                           defaults, and exit\n"
    "      --control PATH       control socket, for changes by vrngctl\n"
    "                           (/run/vrngd/control)\n"
    "      --control-group NAME group that may query the status\n"
    "      --control-owner USER owner of the control socket\n"
    "      --status PATH        monitoring socket (path of the control socket,\n"
    "                           with \"status\" for \"control\")\n"
    "  -s, --socket-path PATH   listen at PATH0 to PATHn-1; the number replaces\n"
    "                           a %d in PATH; if given several times, each PATH\n"
    "                           is used unchanged\n"
    "  -c, --socket-count N     number of guests (1)\n"
    "      --fd FDNUM           serve one guest on this listening socket\n"
    "  -f, --rng-source FILE    source: a device, serial line or FIFO\n"
    "                           (/dev/urandom); also --filename\n"
    "  -m, --max-bytes BYTES    limit for all guests together per period (no\n"
    "                           limit)\n"
    "  -p, --period MS          length of a period in milliseconds (65536)\n"
    "      --poll-us US         maximum busy-poll time for the next request, in\n"
    "                           microseconds (0)\n"
    "      --uid-base N         first uid for child processes (1879048192)\n"
    "      --libexec DIR        directory of the child programs\n"
    "      --print-capabilities print the backend's capabilities as JSON\n"
    "  -v, --verbose            log debug messages\n"
    "  -h, --help               print this help\n"
    "  -V, --version            print the version\n";

static const char capabilities_text[] = "{\n"
					"  \"type\": \"rng\"\n"
					"}\n";

static _Noreturn void __attribute__((format(printf, 1, 2)))
usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("vrngd: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (see vrngd --help)\n", stderr);
	_exit(2);
}

static _Noreturn void
print_and_exit(const char *text)
{
	fputs(text, stdout);
	if (fflush(stdout) == EOF) {
		fputs("vrngd: cannot write to standard output\n", stderr);
		exit(1);
	}
	exit(0);
}

static long long
number(const char *option, const char *value, long long low, long long high)
{
	const char *error;
	long long n;

	n = strtonum(value, low, high, &error);
	if (error != NULL)
		usage_error("%s '%s' is %s: must be %lld to %lld", option,
		    value, error, low, high);
	return n;
}

/* Units of a value, with their size; without one, the value is in the first. */
struct scale {
	const char *unit;
	uint64_t value;
};

static const struct scale byte_units[] = {
	{ "", 1 },
	{ "K", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 },
	{ NULL, 0 },
};

static const struct scale time_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "min", 60000 },
	{ NULL, 0 },
};

/* A number with a unit, or without one, as number(). */
static uint64_t
scaled(const char *option, const char *value, const struct scale *scale,
    const char *such, uint64_t high)
{
	size_t digits = strspn(value, "0123456789");
	const char *unit = value + digits;
	uint64_t n;

	if (digits == 0 || unit[0] == '\0')
		return (uint64_t)number(option, value, 1, (long long)high);
	while (scale->unit != NULL && strcmp(unit, scale->unit) != 0)
		scale++;
	n = strtoull(value, NULL, 10);
	if (scale->unit == NULL)
		usage_error("%s '%s' is invalid: write %s", option, value,
		    such);
	if (__builtin_mul_overflow(n, scale->value, &n) || n < 1 || n > high)
		usage_error("%s '%s' is out of range: must be 1 to %" PRIu64,
		    option, value, high);
	return n;
}

static uid_t
user(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		usage_error("--control-owner '%s': unknown user", name);
	return pw->pw_uid;
}

static gid_t
group(const char *name)
{
	const struct group *gr = getgrnam(name);

	if (gr == NULL)
		usage_error("--control-group '%s': unknown group", name);
	return gr->gr_gid;
}

/* The path of guest `i` from `pattern`.  The caller frees it. */
static char *
numbered_path(const char *pattern, size_t i)
{
	const char *mark = strstr(pattern, "%d");
	char *path;
	int n;

	if (mark != NULL)
		n = asprintf(&path, "%.*s%zu%s", (int)(mark - pattern), pattern,
		    i, mark + 2);
	else
		n = asprintf(&path, "%s%zu", pattern, i);
	if (n == -1)
		usage_error("--socket-path: out of memory");
	return path;
}

static void
check_path(const char *path)
{
	struct sockaddr_un sun;

	if (strlen(path) >= sizeof(sun.sun_path))
		usage_error("--socket-path '%s' is longer than %zu bytes", path,
		    sizeof(sun.sun_path) - 1);
}

/*
 * Sets the path of each guest from the arguments of -s: a single argument is a
 * pattern, several are exact.
 */
static void
set_paths(struct options *opt, char **args, size_t nargs, size_t count)
{
	if (nargs > 1 && count != 0)
		usage_error("--socket-count '%zu' is not allowed with several "
			    "--socket-path",
		    count);
	opt->nguests = nargs > 1 ? nargs : count == 0 ? 1 : count;
	opt->socket_paths = calloc(opt->nguests, sizeof(char *));
	if (opt->socket_paths == NULL)
		usage_error("--socket-count: out of memory");
	for (size_t i = 0; i < opt->nguests; i++) {
		opt->socket_paths[i] =
		    nargs > 1 ? args[i] : numbered_path(args[0], i);
		check_path(opt->socket_paths[i]);
		for (size_t j = 0; nargs > 1 && j < i; j++)
			if (strcmp(args[i], args[j]) == 0)
				usage_error("duplicate --socket-path '%s'",
				    args[i]);
	}
}

/* Prints the capabilities, regardless of other options, as QEMU expects. */
static void
answer_capabilities(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--print-capabilities") == 0)
			print_and_exit(capabilities_text);
}

static _Noreturn void
bad_option(int option, char **argv)
{
	const char *arg = argv[optind - 1];

	if (option == ':')
		usage_error("missing value of %s", arg);
	if (optopt != 0 && optopt < 256)
		usage_error("unknown option -%c", optopt);
	usage_error("unknown option %s", arg);
}

/* Sets one option other than -s and -c. */
static void
set_option(struct options *opt, int option, char **argv)
{
	switch (option) {
	case 'C':
		opt->config = optarg;
		break;
	case 'n':
		opt->check = true;
		break;
	case OPT_CONTROL:
		opt->control = optarg;
		break;
	case OPT_STATUS:
		opt->status = optarg;
		break;
	case OPT_CONTROL_GROUP:
		opt->control_group = group(optarg);
		break;
	case OPT_CONTROL_OWNER:
		opt->control_owner = user(optarg);
		break;
	case 'f':
	case OPT_FILENAME:
		opt->source = optarg;
		break;
	case 'm':
		opt->max_bytes = scaled("--max-bytes", optarg, byte_units,
		    "a number of bytes, such as 65536, 64K or 1M", INT64_MAX);
		break;
	case 'p':
		opt->period = scaled("--period", optarg, time_units,
				  "milliseconds, such as 1000, or 1s",
				  CONFIG_PERIOD_MAX_MS) *
		    NS_PER_MS;
		break;
	case OPT_POLL_US:
		opt->poll_us =
		    (uint32_t)number("--poll-us", optarg, 0, POLL_US_MAX);
		break;
	case OPT_FD:
		opt->listen_fd = (int)number("--fd", optarg, 0, INT32_MAX);
		break;
	case OPT_LIBEXEC:
		opt->libexec = optarg;
		break;
	case OPT_UID_BASE:
		opt->uid_base = (uint32_t)number("--uid-base", optarg, 1,
		    LAST_UID - UID_COUNT);
		break;
	case 'v':
		opt->verbose++;
		break;
	case 'h':
		print_and_exit(usage_text);
	case 'V':
		print_and_exit("vrngd " VERSION "\n");
	default:
		bad_option(option, argv);
	}
}

/* Rejects the options of guests, which the configuration file replaces. */
static void
set_config(struct options *opt, size_t count)
{
	const char *surplus = NULL;

	if (opt->source != NULL)
		surplus = "--rng-source";
	if (opt->max_bytes != 0)
		surplus = "--max-bytes";
	if (opt->period != 0)
		surplus = "--period";
	if (opt->poll_us != 0)
		surplus = "--poll-us";
	if (count != 0)
		surplus = "--socket-count";
	if (surplus != NULL)
		usage_error("%s requires --socket-path or --fd", surplus);
	if (opt->config != NULL)
		return;
	if (access(DEFAULT_CONFIG, F_OK) == -1)
		usage_error("missing --socket-path, --fd, or configuration "
			    "file %s",
		    DEFAULT_CONFIG);
	opt->config = DEFAULT_CONFIG;
}

void
options_parse(struct options *opt, int argc, char **argv)
{
	char **paths;
	size_t npaths = 0, count = 0;
	int option;

	*opt = (struct options){
		.listen_fd = -1,
		.control_group = (gid_t)-1,
		.control_owner = (uid_t)-1,
		.libexec = LIBEXECDIR,
		.uid_base = DEFAULT_UID_BASE,
	};
	answer_capabilities(argc, argv);
	if ((paths = calloc((size_t)argc, sizeof(char *))) == NULL)
		usage_error("out of memory");
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":C:ns:c:f:m:p:vhV", longopts,
		    NULL)) != -1) {
		if (option == 's' && optarg[0] == '\0')
			usage_error("--socket-path '' is empty");
		if (option == 's')
			paths[npaths++] = optarg;
		else if (option == 'c')
			count = (size_t)number("--socket-count", optarg, 1,
			    GUESTS_MAX);
		else
			set_option(opt, option, argv);
	}
	if (optind < argc)
		usage_error("unexpected argument '%s'", argv[optind]);
	if (opt->listen_fd != -1 && count != 0)
		usage_error("--fd '%d' serves one guest: --socket-count '%zu' "
			    "is not allowed",
		    opt->listen_fd, count);
	if (opt->source != NULL && opt->source[0] == '\0')
		usage_error("--rng-source '' is empty");
	if ((opt->config != NULL || opt->check) &&
	    (opt->listen_fd != -1 || npaths > 0))
		usage_error("--%s is not allowed with --socket-path or --fd",
		    opt->check ? "check" : "config");
	if (opt->listen_fd != -1 && npaths > 0)
		usage_error("--fd '%d' is not allowed with --socket-path '%s'",
		    opt->listen_fd, paths[0]);
	if (opt->listen_fd != -1)
		opt->nguests = 1;
	else if (npaths == 0)
		set_config(opt, count);
	else
		set_paths(opt, paths, npaths, count);
	if (opt->source == NULL)
		opt->source = DEFAULT_SOURCE;
	if (opt->period == 0)
		opt->period = DEFAULT_PERIOD_MS * NS_PER_MS;
	free(paths);
}

static void *
must_alloc(void *p)
{
	if (p == NULL)
		usage_error("out of memory");
	return p;
}

/* Adds a guest named after its socket, or by its number if the name exists. */
static void
add_guest(struct config *config, struct config_pool *pool, const char *path,
    size_t i)
{
	struct config_guest *g = must_alloc(calloc(1, sizeof(*g))), *other;

	g->socket.where = must_alloc(strdup(path));
	g->pool = pool;
	g->terms = pool->terms;
	g->rights.owner = (uid_t)-1;
	g->rights.group = (gid_t)-1;
	g->share = (struct alloc_share){
		.rate.period = 1,
		.ceil.period = 1,
		.weight = 1,
	};
	guest_name(g->name, path);
	TAILQ_FOREACH(other, &config->guests, entry)
		if (strcmp(other->name, g->name) == 0) {
			snprintf(g->name, sizeof(g->name), "guest-%zu", i);
			break;
		}
	TAILQ_INSERT_TAIL(&config->guests, g, entry);
}

struct config *
options_config(const struct options *opt)
{
	struct config *config = must_alloc(calloc(1, sizeof(*config)));
	struct config_pool *pool = must_alloc(calloc(1, sizeof(*pool)));
	struct config_source *source = config_source_of_path(opt->source);

	config->statistics = CONFIG_STATISTICS;
	TAILQ_INIT(&config->pools);
	TAILQ_INIT(&config->guests);
	TAILQ_INIT(&config->services);
	TAILQ_INIT(&config->warnings);
	TAILQ_INIT(&pool->sources);
	TAILQ_INIT(&pool->classes);
	strlcpy(pool->name, "default", sizeof(pool->name));
	TAILQ_INSERT_TAIL(&pool->sources, source, entry);
	config_pool_defaults(pool);
	pool->terms.polling.us = opt->poll_us;
	pool->share = (struct alloc_share){
		.rate.period = 1,
		.ceil = { opt->max_bytes, opt->period },
		.burst = opt->max_bytes,
		.weight = 1,
	};
	TAILQ_INSERT_TAIL(&config->pools, pool, entry);
	for (size_t i = 0; opt->listen_fd == -1 && i < opt->nguests; i++)
		add_guest(config, pool, opt->socket_paths[i], i);
	return config;
}
