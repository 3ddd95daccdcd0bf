/*
 * The names of guests, and the command line as far as it is good; the
 * integration suite makes the errors.
 */
#include "unit/unit.h"

#include <bsd/string.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "parent/endpoint/guest.h"
#include "parent/options.h"

static void
test_names(void **state)
{
	const char *const rows[][2] = {
		{ "/run/vrngd/vm1.sock", "vm1" },
		{ "vm1", "vm1" },
		{ "./a.b-c_d0", "a.b-c_d0" },
		{ "/x/.sock", ".sock" },
		{ "/x/vm1.sock.sock", "vm1.sock" },
		{ "/x/vm1.sock0", "vm1.sock0" },
		{ "/x/with space\n\033[1m", "with_space___1m" },
		{ "/x/b\xc3\xa4h", "b__h" },
	};
	char name[GUEST_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		guest_name(name, rows[i][0]);
		assert_string_equal(name, rows[i][1]);
	}
}

static void
test_long_name(void **state)
{
	char path[300], name[GUEST_NAME_SIZE];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	guest_name(name, path);
	assert_int_equal(strlen(name), GUEST_NAME_SIZE - 1);
}

/* The ending goes also where it is what makes the name too long. */
static void
test_long_ending(void **state)
{
	char path[GUEST_NAME_SIZE + 5], name[GUEST_NAME_SIZE];

	(void)state;
	for (size_t len = GUEST_NAME_SIZE - 6; len < GUEST_NAME_SIZE; len++) {
		memset(path, 'x', len);
		memcpy(path + len, ".sock", sizeof(".sock"));
		guest_name(name, path);
		path[len] = '\0';
		assert_string_equal(name, path);
	}
}

/* Parses up to eight arguments. */
static struct options
parse(const char *const args[8])
{
	static char copies[9][64] = { "vrngd" };
	struct options opt;
	char *argv[10] = { copies[0] };
	int argc = 1;

	for (int i = 0; i < 8 && args[i] != NULL; i++) {
		argv[argc] = copies[argc];
		strlcpy(argv[argc++], args[i], sizeof(copies[0]));
	}
	optind = 0; /* getopt_long(3): start again */
	options_parse(&opt, argc, argv);
	return opt;
}

static void
options_free(struct options *opt, size_t allocated)
{
	for (size_t i = 0; i < allocated; i++)
		free(opt->socket_paths[i]);
	free(opt->socket_paths);
}

static void
test_defaults(void **state)
{
	const char *const args[8] = { "-s", "/run/vm" };
	struct options opt = parse(args);

	(void)state;
	assert_int_equal(opt.nguests, 1);
	assert_string_equal(opt.socket_paths[0], "/run/vm0");
	assert_int_equal(opt.listen_fd, -1);
	assert_string_equal(opt.source, "/dev/urandom");
	assert_int_equal(opt.max_bytes, 0);
	assert_int_equal(opt.period, 65536 * NS_PER_MS);
	assert_int_equal(opt.uid_base, 1879048192);
	assert_int_equal(opt.verbose, 0);
	options_free(&opt, 1);
}

static void
test_paths(void **state)
{
	const char *const suffixed[8] = { "--socket-path=/r/vm",
		"--socket-count=3" };
	const char *const marked[8] = { "-s", "/r/%d.sock", "-c2" };
	const char *const exact[8] = { "-s", "/r/a", "-s", "/r/b%d" };
	struct options opt = parse(suffixed);

	(void)state;
	assert_int_equal(opt.nguests, 3);
	assert_string_equal(opt.socket_paths[0], "/r/vm0");
	assert_string_equal(opt.socket_paths[2], "/r/vm2");
	options_free(&opt, 3);
	opt = parse(marked);
	assert_int_equal(opt.nguests, 2);
	assert_string_equal(opt.socket_paths[1], "/r/1.sock");
	options_free(&opt, 2);
	opt = parse(exact);
	assert_int_equal(opt.nguests, 2);
	assert_string_equal(opt.socket_paths[0], "/r/a");
	assert_string_equal(opt.socket_paths[1], "/r/b%d");
	options_free(&opt, 0);
}

static void
test_values(void **state)
{
	const char *const args[8] = { "--fd=5", "-m", "4096", "--period=10",
		"--filename=/dev/hwrng", "-vv", "--uid-base", "70000" };
	const char *const alias[8] = { "--fd", "5", "--rng-source", "/f" };
	struct options opt = parse(args);

	(void)state;
	assert_int_equal(opt.nguests, 1);
	assert_int_equal(opt.listen_fd, 5);
	assert_null(opt.socket_paths);
	assert_int_equal(opt.max_bytes, 4096);
	assert_int_equal(opt.period, 10 * NS_PER_MS);
	assert_string_equal(opt.source, "/dev/hwrng");
	assert_int_equal(opt.verbose, 2);
	assert_int_equal(opt.uid_base, 70000);
	opt = parse(alias);
	assert_string_equal(opt.source, "/f");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_long_ending),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_values),
	};

	return UNIT_MAIN("guest", tests);
}
