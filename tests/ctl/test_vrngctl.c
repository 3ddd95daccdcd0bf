/*
 * The real vrngctl, of the environment variable VRNGCTL, and a made-up daemon.
 */
#include "ctl/vrngctl.h"

static void
test_status(void **state)
{
	const char *const parts[] = {
		"pool default: limit 10M/s, burst 1M\n",
		"stock 48K of 64K, 4 guests\n",
		"CLASS   MODE RATE CEIL BURST WEIGHT PRIO NOW/S BYTES GUESTS\n",
		"gold    raw    1M   5M  256K      4    1  1.5M    3G      1\n",
		"  batch drbg    -   5M",
		"vm1   gold  connected    7   1M",
		"117M 1929k  12s   3   1\n",
		"vm3   -     idle",
		"pool slow: no limit\n",
		"vm4   -     paused",
	};
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "status");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_contains(result.out, parts[i]);
	check_lines(80);
	server_stop(&s);
}

/* One guest or service, and a sentence about it. */
static void
test_one(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "why vm2");
	assert_string_equal(result.out,
	    "guest vm2 is waiting: ceiling of class batch is used up: "
	    "5242880 bytes per second\n");
	check_done(&s, "why vm1");
	assert_string_equal(result.out,
	    "guest vm1 is connected: no request waits\n");
	check_done(&s, "why vm3");
	assert_string_equal(result.out,
	    "guest vm3 is idle: no VMM is connected\n");
	check_done(&s, "why lan");
	assert_string_equal(result.out,
	    "egd lan is waiting: bytes are on their way\n");
	check_done(&s, "why stream:both");
	check_contains(result.out, "stream both is connected: ");
	check_fails(&s, "why both", 1, "use egd:both or stream:both");
	check_fails(&s, "why vm9", 1, "unknown guest or service vm9");
	check_fails(&s, "status vm9", 1, "unknown guest or service vm9");
	check_done(&s, "status vm1");
	assert_memory_equal(result.out, "guest vm1 is connected", 22);
	check_contains(result.out, "\n  vm1   gold  connected ");
	/* Its EGD socket, and no other guest. */
	check_contains(result.out, "\n  vm1     guest gold  idle ");
	assert_null(strstr(result.out, "vm2"));
	assert_null(strstr(result.out, "pool"));
	check_lines(80);
	check_done(&s, "status lan");
	check_contains(result.out, "12 of 64 clients");
	check_contains(result.out, "vrngctl status --clients lists all");
	assert_null(strstr(result.out, "GUEST"));
	check_done(&s, "status --json vm2");
	check_contains(result.out, "\"cause\": \"ceiling\",");
	assert_null(strstr(result.out, "vm1"));
	server_stop(&s);
}

static void
test_guest_list(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "guest list");
	check_contains(result.out, "pool default\n");
	check_contains(result.out, "vm1   gold  connected    7   1M");
	check_contains(result.out, "\n\npool slow\n");
	assert_null(strstr(result.out, "stock"));
	assert_null(strstr(result.out, "bronze "));
	server_stop(&s);
}

static void
test_json(void **state)
{
	struct server s = { .more_guests = 500 };
	bool checked;

	(void)state;
	server_start(&s);
	check_done(&s, "status --json");
	check_contains(result.out, "\"wait_ns\": 12345000000,");
	check_contains(result.out,
	    "\"/dev/\\\"x\\\\y\\u001b[1m\xef\xbf\xbd\xc3\xa4\"");
	checked = check_with("python3 -m json.tool");
	if (check_with("jq -e '.pools[0].guests[1].class == \"batch\" and "
		       ".pools[0].classes[2].parent == \"bronze\" and "
		       ".pools[1].limit == null and "
		       "(.pools[0].guests | length) == 504 and "
		       ".pools[0].guests[0].polling == {us: 50, "
		       "share_percent: 20, polls: 2000, hits: 1900, "
		       "misses: 90, ns: 77000000}'"))
		checked = true;
	server_stop(&s);
	if (!checked)
		program_skip("there is no python3, and no jq");
}

static void
test_top_once(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "top --once");
	check_contains(result.out, "3 of 5 guests connected, ");
	check_contains(result.out, " WHY\n");
	check_contains(result.out, " ceiling of class batch is ");
	check_contains(result.out, "\n\npool default: limit 10M/s, burst 1M\n");
	check_contains(result.out, "\n  gold    raw ");
	check_contains(result.out, "\n    batch drbg ");
	check_contains(result.out, "\n  vm1   gold  connected ");
	check_contains(result.out, "\n  vm4   -     paused ");
	check_lines(80);
	server_stop(&s);
}

static void
test_changes(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "guest add vm9 --socket /run/s --class gold --pool p");
	assert_string_equal(result.out, "vm9 /run/s 'gold' 'p'\n");
	check_done(&s, "guest --socket=/run/s add vm8");
	assert_string_equal(result.out, "vm8 /run/s '' ''\n");
	check_done(&s, "log debug");
	assert_string_equal(result.out, "level 3\n");
	check_done(&s, "reload");
	assert_string_equal(result.out, "");
	/* The daemon is somewhere else: its paths are absolute. */
	check_done(&s, "guest add vm9 --socket some.sock");
	check_contains(result.out, "/some.sock '' ''\n");
	assert_memory_equal(result.out, "vm9 /", 5);
	server_stop(&s);
}

static void
test_refused(void **state)
{
	struct server s = { .errors = 20 };

	(void)state;
	server_start(&s);
	check_fails(&s, "guest add taken --socket /s", 1,
	    "vrngctl: guest taken: there is one of that name\n");
	check_fails(&s, "guest remove vm9", 1, "No such file or directory\n");
	check_fails(&s, "reload", 1, "vrngctl: vrngd.conf:1: unknown");
	check_contains(result.err, "\nvrngctl: vrngd.conf:20: unknown");
	check_fails(&s, "qemu-args vm9", 1,
	    "unknown guest vm9 (there are vm1, vm2, vm3, vm5, vm4)\n");
	check_fails(&s, "libvirt-xml vm3", 1, "unknown path of its socket\n");
	server_stop(&s);
}

static void
test_usage(void **state)
{
	const char *const rows[][2] = {
		{ "nonsense", "unknown command 'nonsense'" },
		{ "relod", "unknown command 'relod': did you mean 'reload'?" },
		{ "libvirt", "unknown command 'libvirt' (see" },
		{ "guest",
		    "guest: missing subcommand (list or add or adopt or remove "
		    "or release)" },
		{ "source", "source: missing subcommand (retest)" },
		{ "source examine hw", "source: unknown subcommand (retest)" },
		{ "source test hw",
		    "unknown subcommand 'test': did you mean 'retest'?" },
		{ "guest ad vm1",
		    "unknown subcommand 'ad': did you mean 'add'?" },
		{ "reload --json", "--json is not allowed" },
		{ "status --dry-run", "--dry-run is not allowed" },
		{ "source retest", "missing operand (source name)" },
		{ "source retest hw slow", "unexpected argument 'slow'" },
		{ "source retest h/w", "letters, digits" },
		{ "source retest hw --pool a/b", "letters, digits" },
		{ "source retest hw --class x", "--class is not allowed" },
		{ "guest add", "missing operand (guest name)" },
		{ "guest add vm9", "guest add: missing --socket" },
		{ "guest add vm9 --socket", "missing value of --socket" },
		{ "guest add v/m --socket /s", "letters, digits" },
		{ "guest adopt", "missing operand (guest name)" },
		{ "guest adopt v:m", "letters, digits" },
		{ "guest adopt vm9 --socket /s", "--socket is not allowed" },
		{ "guest add vm9 --socket /s --class a/b", "letters, digits" },
		{ "guest remove", "missing operand (guest name)" },
		{ "guest remove vm1 vm2", "unexpected argument 'vm2'" },
		{ "guest remove vm1 --class x", "--class is not allowed" },
		{ "status --once", "--once is not allowed" },
		{ "status vm1 vm2", "unexpected argument 'vm2'" },
		{ "why", "missing operand (guest or service)" },
		{ "why vm1 --json", "--json is not allowed" },
		{ "status --jsn",
		    "unknown option '--jsn': did you mean '--json'?" },
		{ "status --xyzzy", "unknown option '--xyzzy' (see" },
		{ "status -x", "unknown option -x" },
		{ "log loud", "error, warning, info or debug" },
		{ "log", "missing operand (level)" },
		{ "qemu-args vm1 --memory 5X", "such as 512M" },
		{ "qemu-args vm1 --memory 0", "such as 512M" },
	};
	struct server s = { 0 };
	char words[256];

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_fails(&s, rows[i][0], 2, rows[i][1]);
		check_contains(result.err, " (see vrngctl --help)\n");
	}
	strlcpy(words, "guest remove ", sizeof(words));
	memset(words + 13, 'x', 64);
	words[13 + 64] = '\0';
	check_fails(&s, words, 2, "longer than 63 characters");
	strlcpy(words, "guest add vm9 --socket /", sizeof(words));
	memset(words + 24, 'x', 107);
	words[24 + 107] = '\0';
	check_fails(&s, words, 2, "longer than 107 bytes");
	check_done(&s, "--help");
	check_contains(result.out, "usage: vrngctl ");
	check_lines(80);
	check_done(&s, "--version");
	assert_memory_equal(result.out, "vrngctl ", 8);
	server_stop(&s);
}

static void
test_unreachable(void **state)
{
	struct server s = { .dir = "/tmp/control-XXXXXX" };
	struct server running = { 0 };
	char words[128];

	(void)state;
	assert_non_null(mkdtemp(s.dir));
	snprintf(s.path, sizeof(s.path), "%s/control", s.dir);
	snprintf(words, sizeof(words), "%s/status: start vrngd", s.dir);
	check_fails(&s, "status", 3, words);
	check_fails(&s, "top", 3, "with --status");
	check_fails(&s, "reload", 3, s.path);
	check_contains(result.err, "start vrngd, or set its socket with -s");
	strlcpy(s.path, "/dev/null", sizeof(s.path));
	check_fails(&s, "reload", 3, "/dev/null");
	check_fails(&s, "status", 3, "/dev/null.status");
	assert_int_equal(rmdir(s.dir), 0);
	if (geteuid() != 0)
		program_skip("other users are tried as root");
	/* The sockets are there, and closed to others. */
	server_start(&running);
	run_as(&running, 1234, "status");
	assert_int_equal(result.status, 3);
	check_contains(result.err, "no permission to connect to ");
	snprintf(words, sizeof(words), "run as root or in group %d\n",
	    SERVER_GROUP);
	check_contains(result.err, words);
	run_as(&running, 1234, "reload");
	assert_int_equal(result.status, 3);
	check_contains(result.err, "control: run as root\n");
	server_stop(&running);
}

/* A member of the group gets the status and nothing else. */
static void
test_rights(void **state)
{
	struct server s = { 0 };

	(void)state;
	if (geteuid() != 0)
		program_skip("other users are tried as root");
	server_start(&s);
	run_as(&s, SERVER_GROUP, "status");
	assert_int_equal(result.status, 0);
	run_as(&s, SERVER_GROUP, "log info");
	assert_int_equal(result.status, 3);
	check_contains(result.err, "control: run as root\n");
	server_stop(&s);
	/* Access to the control socket alone gives no right. */
	s = (struct server){ .open = true };
	server_start(&s);
	run_as(&s, SERVER_GROUP, "source retest hw");
	assert_int_equal(result.status, 1);
	assert_string_equal(result.out, "");
	check_contains(result.err, "permission denied: run as root\n");
	server_stop(&s);
}

/* The monitoring socket is beside the control socket, or anywhere. */
static void
test_sockets(void **state)
{
	struct server s = { 0 }, other = { 0 };
	char words[128];

	(void)state;
	server_start(&s);
	server_start(&other);
	snprintf(words, sizeof(words), "names --status %s/status pools",
	    other.dir);
	server_stop(&s);
	assert_int_equal(mkdir(s.dir, 0700), 0);
	check_done(&s, words);
	assert_string_equal(result.out, "default\nslow\n");
	assert_int_equal(rmdir(s.dir), 0);
	server_stop(&other);
}

static void
test_qemu(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_vhost(&s, "qemu-args vm1");
	assert_string_equal(result.out,
	    "-m 512M \\\n"
	    "-object memory-backend-memfd,id=vrngd-memory,size=512M,"
	    "share=on \\\n"
	    "-machine memory-backend=vrngd-memory \\\n"
	    "-chardev socket,id=vrngd-vm1,path=/run/vrngd/vm1.sock \\\n"
	    "-device vhost-user-rng-pci,chardev=vrngd-vm1\n");
	check_lines(80);
	check_vhost(&s, "qemu-args --memory 2G vm2");
	check_contains(result.out, "size=2G,");
	check_contains(result.out,
	    "'socket,id=vrngd-vm2,path=/run/vrngd/a,,b <'\\''&'\\''> c'");
	server_stop(&s);
}

static void
test_libvirt(void **state)
{
	const char *const guests[] = { "vm1", "vm2" };
	struct server s = { 0 };
	char words[64];
	bool checked = false;

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < 2; i++) {
		snprintf(words, sizeof(words), "libvirt-xml %s", guests[i]);
		check_vhost(&s, words);
		check_contains(result.out, "<access mode='shared'/>");
		checked = check_with("xmllint --noout -") ||
		    check_with("python3 -c 'import sys, xml.dom.minidom as d; "
			       "d.parseString(sys.stdin.buffer.read())'");
	}
	check_contains(result.out,
	    "value='socket,id=vrngd-vm2,"
	    "path=/run/vrngd/a,,b &lt;&apos;&amp;&apos;&gt; c'/>");
	server_stop(&s);
	if (!checked)
		program_skip("there is no xmllint, and no python3");
}

static void
test_names(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "names guests");
	assert_string_equal(result.out, "vm1\nvm2\nvm3\nvm5\nvm4\n");
	check_done(&s, "names classes");
	assert_string_equal(result.out, "gold\nbronze\nbatch\n");
	check_done(&s, "names pools");
	assert_string_equal(result.out, "default\nslow\n");
	check_done(&s, "names sources");
	assert_string_equal(result.out, "hwrng\nkernel\ntrng\nhw\nupstream\n");
	server_stop(&s);
}

static void
test_top(void **state)
{
	const struct winsize size = { .ws_col = 132, .ws_row = 60 };
	struct termios before, after;
	struct server s = { 0 };
	pid_t pid;
	int fd;

	(void)state;
	server_start(&s);
	pid = start_top(&s, 80, 6, &fd);
	assert_int_equal(tcgetattr(fd, &before), 0);
	assert_int_equal(before.c_lflag & ECHO, 0);
	/* The sixth line is the last that there is room for. */
	read_until(fd, "combine");
	assert_null(strstr(result.out, "kernel"));
	assert_int_equal(write(fd, "jjj\033[B", 6), 6);
	read_until(fd, "hwrng");
	assert_int_equal(write(fd, "          ", 10), 10);
	read_until(fd, "feed");
	assert_int_equal(write(fd, "\033[A", 3), 3);
	read_until(fd, "vm4");
	assert_int_equal(write(fd, "\033[5~bbbbbbbbb", 13), 13);
	read_until(fd, "pool default");
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
	read_until(fd, "vm4");
	assert_int_equal(write(fd, "q", 1), 1);
	read_until(fd, "\033[?1049l");
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(tcgetattr(fd, &after), 0);
	assert_int_not_equal(after.c_lflag & ECHO, 0);
	assert_int_not_equal(after.c_lflag & ICANON, 0);
	close(fd);
	server_stop(&s);
}

/* Help, the order, and a filter. */
static void
test_top_keys(void **state)
{
	struct server s = { 0 };
	char *first;
	pid_t pid;
	int fd;

	(void)state;
	server_start(&s);
	pid = start_top(&s, 80, 60, &fd);
	read_until(fd, "vm4");
	/* The one that waits is the first, though another has a higher rate. */
	first = strstr(result.out, "GUEST");
	assert_non_null(first);
	assert_true(strstr(first, "vm2") < strstr(first, "vm1"));
	assert_int_equal(write(fd, "s", 1), 1);
	read_until(fd, ", by rate");
	read_until(fd, "vm4");
	first = strstr(result.out, "GUEST");
	assert_non_null(first);
	assert_true(strstr(first, "vm1") < strstr(first, "vm2"));
	assert_int_equal(write(fd, "?", 1), 1);
	read_until(fd, "this help, and back");
	assert_int_equal(write(fd, "?", 1), 1);
	read_until(fd, "vm4");
	/* A q is a part of the text. */
	assert_int_equal(write(fd, "/qvm\177\177\177BATCH", 12), 12);
	read_until(fd, "filter: BATCH_");
	assert_int_equal(write(fd, "\n", 1), 1);
	read_until(fd, "filter: BATCH");
	read_until(fd, "pool slow");
	read_until(fd, "guests connected");
	read_until(fd, "pool slow");
	assert_non_null(strstr(result.out, "vm2"));
	assert_null(strstr(result.out, "vm1 "));
	assert_int_equal(write(fd, "/\033", 2), 2);
	read_until(fd, "vm1 ");
	assert_int_equal(write(fd, "q", 1), 1);
	read_until(fd, "\033[?1049l");
	assert_int_equal(wait_for(pid), 0);
	close(fd);
	server_stop(&s);
}

/* The rates of the last seconds, as the terminal can show them. */
static void
test_top_history(void **state)
{
	static const char *const locales[][2] = { { "C.UTF-8", "██" },
		{ "C", "##" } };
	struct server s = { 0 };
	pid_t pid;
	int fd;

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(setenv("LC_ALL", locales[i][0], 1), 0);
		pid = start_top(&s, 132, 60, &fd);
		read_until(fd, "LAST 12 S");
		read_until(fd, locales[i][1]);
		assert_int_equal(write(fd, "q", 1), 1);
		read_until(fd, "\033[?1049l");
		assert_int_equal(wait_for(pid), 0);
		close(fd);
	}
	assert_int_equal(unsetenv("LC_ALL"), 0);
	server_stop(&s);
}

/* Columns are left out before names are truncated; the current rate stays. */
static void
test_top_narrow(void **state)
{
	struct server s = { 0 };
	pid_t pid;
	int fd;

	(void)state;
	server_start(&s);
	pid = start_top(&s, 46, 60, &fd);
	read_until(fd, "vm4");
	check_contains(result.out, "GUEST");
	check_contains(result.out, " NOW/S");
	check_contains(result.out, " BYTES");
	assert_null(strstr(result.out, "PRIO"));
	assert_int_equal(write(fd, "q", 1), 1);
	read_until(fd, "\033[?1049l");
	assert_int_equal(wait_for(pid), 0);
	close(fd);
	server_stop(&s);
}

/* Signals give the terminal back, too. */
static void
test_top_signals(void **state)
{
	const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct server s = { 0 };
	struct termios after;
	pid_t pid;
	int fd, status;

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < 3; i++) {
		pid = start_top(&s, 80, 60, &fd);
		read_until(fd, "vm4");
		if (i == 1)
			assert_int_equal(write(fd, "\003", 1), 1);
		else
			kill(pid, signals[i]);
		read_until(fd, "\033[?1049l");
		status = wait_for(pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_int_equal(tcgetattr(fd, &after), 0);
		assert_int_not_equal(after.c_lflag & ECHO, 0);
		close(fd);
	}
	server_stop(&s);
}

/* Stopped and continued, the terminal is given back and taken again. */
static void
test_top_stopped(void **state)
{
	struct server s = { 0 };
	struct termios mode;
	pid_t pid;
	int fd, status;

	(void)state;
	server_start(&s);
	pid = start_top(&s, 80, 60, &fd);
	read_until(fd, "vm4");
	kill(pid, SIGTSTP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	read_until(fd, "\033[?1049l");
	assert_int_equal(tcgetattr(fd, &mode), 0);
	assert_int_not_equal(mode.c_lflag & ECHO, 0);
	kill(pid, SIGCONT);
	read_until(fd, "\033[?1049h");
	read_until(fd, "vm4");
	assert_int_equal(write(fd, "q", 1), 1);
	read_until(fd, "\033[?1049l");
	assert_int_equal(wait_for(pid), 0);
	close(fd);
	server_stop(&s);
}

/* The daemon may end and come back while top runs. */
static void
test_top_daemon_ends(void **state)
{
	struct server s = { 0 };
	pid_t pid;
	int fd;

	(void)state;
	server_start(&s);
	pid = start_top(&s, 80, 60, &fd);
	read_until(fd, "vm4");
	server_stop(&s);
	read_until(fd, "no daemon listens");
	assert_int_equal(write(fd, "q", 1), 1);
	read_until(fd, "\033[?1049l");
	assert_int_equal(wait_for(pid), 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_guest_list),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_top_once),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_qemu),
		cmocka_unit_test(test_libvirt),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_top_keys),
		cmocka_unit_test(test_top_history),
		cmocka_unit_test(test_top_narrow),
		cmocka_unit_test(test_top_signals),
		cmocka_unit_test(test_top_stopped),
		cmocka_unit_test(test_top_daemon_ends),
	};

	return UNIT_MAIN("vrngctl", tests);
}
