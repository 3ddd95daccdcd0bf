/*
 * What vrngctl shows of services, guests' EGD sockets and the clients of both,
 * and what it prints for virtual machines that use them.
 */
#include "ctl/vrngctl.h"

static void
test_status(void **state)
{
	const char *const parts[] = {
		"  vm5   gold  waiting ",
		"\n\n  SERVICE KIND   CLASS  STATE      RATE CEIL NOW/S BYTES  "
		"REQS WAIT CUT BAD\n"
		"  local   egd    bronze connected   64K   1M     0     0     "
		"0    0   0   0\n"
		"    at /run/vrngd/egd.sock: 2 of 64 clients, 17 accepted\n"
		"  lan     egd    bronze waiting     64K   1M  512K  117M "
		"1929k  12s   4   2\n"
		"    at 0.0.0.0:7000: 12 of 64 clients, 1929 accepted, 5 "
		"rejected\n"
		"  legacy  stream gold   idle ",
		"\n  vm7     stream gold   connecting ",
		"\n    connects to /run/qemu/a,b <'&'> c: 0 connections\n",
		"\n    at udp 127.0.0.1:1025: 1 of 64 clients, 1 accepted\n",
		"\n  vm5     guest  gold   waiting ",
		"\n    at /run/vrngd/vm5.egd: 1 of 64 clients, 1 accepted\n"
		"\n  SERVICE KIND   STATE     FOR BYTES REQS CLIENT\n"
		"  local   egd    connected 61s    4K   64 pid 4000, uid 107\n"
		"  local   egd    waiting   62s    4K   65 pid 4001, uid 107\n"
		"  lan     egd    connected 61s    4K   64 10.0.0.1:4000\n",
		"  lan     egd    waiting   70s    4K   73 10.0.0.1:4009\n"
		"    2 more of lan: vrngctl status --clients lists all\n"
		"  udp     stream connected 61s    4K   64 10.0.0.1:4000\n"
		"  vm5     guest  connected 61s    4K   64 pid 4000, uid 107\n"
		"\npool slow: ",
		"\n  both    egd    -     paused ",
		"\n  both    stream connected 61s    4K   64 10.0.0.1:4000\n",
	};
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "status");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_contains(result.out, parts[i]);
	check_lines(80);
	assert_null(strstr(result.out, "10.0.0.1:4010"));
	server_stop(&s);
}

static void
test_clients(void **state)
{
	struct server s = { .more_clients = CLIENTS_MAX - 12 };

	(void)state;
	server_start(&s);
	check_done(&s, "status");
	check_contains(result.out, "\n    4086 more of lan: ");
	check_done(&s, "status --clients");
	check_contains(result.out, " 10.0.0.1:4010\n");
	check_contains(result.out, " 10.0.0.1:8095\n  udp ");
	assert_null(strstr(result.out, "more of"));
	server_stop(&s);
}

/* Without services, nothing is said of them. */
static void
test_none(void **state)
{
	struct server s = { .no_outlets = true };

	(void)state;
	server_start(&s);
	check_done(&s, "status");
	assert_null(strstr(result.out, "SERVICE"));
	check_contains(result.out, "  vm5   gold  waiting ");
	check_done(&s, "top --once");
	check_contains(result.out, "3 of 5 guests connected\n");
	check_fails(&s, "qemu-args --service lan", 1,
	    "vrngctl: unknown service lan\n");
	server_stop(&s);
}

/* Tables fit a terminal. */
static void
test_narrow(void **state)
{
	struct server s = { 0 };
	size_t len = 0;
	pid_t pid;
	int fd;

	(void)state;
	server_start(&s);
	pid = start_command(&s, "status", 80, 24, &fd);
	read_until(fd,
	    "  feed    stream connected 61s    4K   64 10.0.0.1:4000");
	assert_int_equal(wait_for(pid), 0);
	close(fd);
	for (const char *c = result.out; *c != '\0'; c++)
		if (*c != '\r')
			result.out[len++] = *c;
	result.out[len] = '\0';
	check_lines(80);
	server_stop(&s);
}

/* Every number in its place, words and keys as they are documented. */
static void
test_json(void **state)
{
	static const char query[] =
	    "jq -e '"
	    "(.pools[0].services | length) == 7 and "
	    "(.pools[0].services[0] | .where == \"/run/vrngd/egd.sock\" and "
	    ".transport == \"unix\" and .clients[1].peer == "
	    "\"pid 4001, uid 107\") and "
	    "(.pools[0].services[1] | .name == \"lan\" and .kind == \"egd\" "
	    "and .class == \"bronze\" and .where == \"0.0.0.0:7000\" and "
	    ".transport == \"tcp\" and .connects == false and "
	    ".state == \"waiting\" and .rate.bytes == 65536 and "
	    ".ceil.bytes == 1048576 and .burst == 4096 and .weight == 1 and "
	    ".priority == 0 and .bytes == 123456789 and "
	    ".bytes_per_second == 524288 and .requests == 1929012 and "
	    ".short_answers == 4 and .malformed == 2 and "
	    ".wait_ns == 12345000000 and .connections == 1929 and "
	    ".turned_away == 5 and .clients_connected == 12 and "
	    ".max_clients == 64 and .delivery == \"drbg\" and "
	    ".worker_pid == 4713 and (.clients | length) == 12 and "
	    ".clients[11] == {peer: \"10.0.0.1:4011\", "
	    "connected_ns: 72000000000, bytes: 4107, requests: 75, "
	    "waiting: true}) and "
	    "(.pools[0].services[3] | .kind == \"stream\" and "
	    ".connects == true and .state == \"connecting\" and "
	    ".worker_pid == null and .clients == []) and "
	    ".pools[0].services[4].transport == \"udp\" and "
	    ".pools[0].services[6].kind == \"guest\" and "
	    ".pools[1].services[0].class == null and "
	    "(.pools[1].services | length) == 3 and "
	    "(.pools[0].guests[0] | .egd_socket == \"/run/vrngd/vm1.egd\" and "
	    ".egd_clients == 0 and .state == \"connected\") and "
	    ".pools[0].guests[1].egd_socket == null and "
	    "(.pools[0].guests[3] | .socket == null and .egd_clients == 1 "
	    "and .state == \"waiting\")'";
	struct server s = { 0 };
	bool checked;

	(void)state;
	server_start(&s);
	check_done(&s, "status --json");
	check_contains(result.out, "\"peer\": \"10.0.0.1:4011\"");
	checked = check_with(query);
	server_stop(&s);
	if (!checked)
		program_skip("there is no jq");
}

/* What gets the most comes first, and nothing is said of single clients. */
static void
test_top(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "top --once");
	check_contains(result.out,
	    "3 of 5 guests connected, 17 clients of 8 services\n");
	check_contains(result.out,
	    " WHY\n  lan     egd    bronze waiting     512K ");
	check_contains(result.out, "\n  vm7     stream gold   connecting ");
	check_contains(result.out, "\n  both    egd    - ");
	assert_null(strstr(result.out, "10.0.0.1"));
	check_lines(80);
	server_stop(&s);
}

static void
test_names(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "names services");
	assert_string_equal(result.out,
	    "local\nlan\nlegacy\nvm7\nudp\nboth\nboth\nfeed\n");
	server_stop(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_names),
	};

	return UNIT_MAIN("vrngctl services", tests);
}
