/*
 * What vrngctl shows of sources, and has done with them; and what it makes of
 * a daemon that tells nonsense.
 */
#include "ctl/vrngctl.h"

static void
test_status(void **state)
{
	const char *const parts[] = {
		"  combine first, 1 of 3 serving: a fallback\n",
		"\n  SOURCE KIND   STATE   SINCE NOW/S BYTES FAILS WHAT\n"
		"  hwrng  device failed   2.1s     0    3M     4 /dev/hwrng\n"
		"    last failure 2m ago: the repetition count test found 0x00 "
		"41 times\n"
		"    alarms: repetition count 3, device's own 1; "
		"start-up tests passed: 3\n"
		"    FIPS 140-2: 77/800 blocks failed "
		"(expected about 0: 1 in 1300)\n"
		"* kernel kernel ok         4d  310K   12G     0 getrandom(2)\n"
		"    FIPS 140-2: 12/15600 blocks failed "
		"(expected about 12: 1 in 1300)\n"
		"  trng   serial waiting     0     0     0     0 "
		"/dev/serial/by-id/usb-",
		"  combine xor, min-sources 2, 0 of 2 serving: guests will "
		"wait\n",
		" lost        0     0     0     2 /dev/\"x\\y?[1m???\n"
		"    last failure 15ms ago: /dev/\"x\\y?[1m???\n"
		"  upstream egd    latched     0     0     0     0 -\n",
	};
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "status");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_contains(result.out, parts[i]);
	server_stop(&s);
}

/* What a status looks like on a terminal: each line fits. */
static void
run_narrow(const struct server *s, unsigned short columns)
{
	size_t len = 0;
	pid_t pid;
	int fd;

	pid = start_command(s, "status", columns, 24, &fd);
	read_until(fd, "paused"); /* of vm4, in the last row */
	assert_int_equal(wait_for(pid), 0);
	close(fd);
	for (const char *c = result.out; *c != '\0'; c++)
		if (*c != '\r')
			result.out[len++] = *c;
	result.out[len] = '\0';
	check_lines(columns);
}

static void
test_narrow(void **state)
{
	const char *const parts[] = {
		" waiting     0     0     0     0 /dev/serial/by-~\n",
		"\n    last failure 2m ago: the repetition count test found "
		"0x00 41\n      times\n",
		"\n    FIPS 140-2: 12/15600 blocks failed (expected about 12: "
		"1 in\n      1300)\n",
	};
	struct server s = { .no_outlets = true };

	(void)state;
	server_start(&s);
	run_narrow(&s, 80);
	run_narrow(&s, 64);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_contains(result.out, parts[i]);
	server_stop(&s);
}

/* Every number in its place, words and keys as they are documented. */
static void
test_json(void **state)
{
	static const char query[] =
	    "jq -e '"
	    ".pools[0].combine == \"first\" and "
	    ".pools[0].sources_serving == 1 and "
	    ".pools[0].sources_total == 3 and "
	    ".pools[1].combine == \"xor\" and .pools[1].min_sources == 2 and "
	    ".pools[0].classes[2].delivery == \"drbg\" and "
	    ".pools[0].guests[0].delivery == \"raw\" and "
	    "(.pools[0].sources[0] | .name == \"hwrng\" and "
	    ".kind == \"device\" and .what == \"/dev/hwrng\" and "
	    ".noise == \"raw\" and .state == \"failed\" and "
	    ".since_ns == 2100000000 and .serving == false and "
	    ".bytes == 3145728 and .bytes_per_second == 0 and "
	    ".failures == 4 and .last_failure.ago_ns == 125000000000 and "
	    "(.last_failure.reason | startswith(\"the repetition\")) and "
	    ".health == {bytes_tested: 2097152, startups_passed: 3, "
	    "alarms: {repetition: 3, proportion: 0, lag: 0, stuck: 0, "
	    "device: 1, combined: 0}, fips_blocks: 800, fips_failed: 77}) and "
	    "(.pools[0].sources[1] | .serving == true and "
	    ".noise == \"conditioned\" and .last_failure == null) and "
	    "(.pools[1].sources | length) == 2 and "
	    ".pools[1].sources[1].what == null'";
	struct server s = { 0 };
	bool checked;

	(void)state;
	server_start(&s);
	check_done(&s, "status --json");
	check_contains(result.out, "\"state\": \"latched\"");
	checked = check_with(query);
	server_stop(&s);
	if (!checked)
		program_skip("there is no jq");
}

static void
test_top(void **state)
{
	struct server s = { 0 };
	pid_t pid;
	int fd;

	(void)state;
	server_start(&s);
	check_done(&s, "top --once");
	check_contains(result.out,
	    "\n! on a fallback: hwrng failed, *kernel ok, trng waiting\n");
	check_contains(result.out,
	    "\n! no source serves: hw lost, upstream latched\n");
	/* What is marked on a screen is plain text elsewhere. */
	assert_null(strpbrk(result.out, "\a\033"));
	pid = start_top(&s, 80, 24, &fd);
	read_until(fd, "vm4");
	check_contains(result.out, "\033[1;31m! on a fallback: hwrng ");
	check_contains(result.out, "\033[1;31m! no source serves: hw lost");
	check_contains(result.out, " latched\033[m");
	assert_null(strchr(result.out, '\a'));
	assert_int_equal(write(fd, "q", 1), 1);
	read_until(fd, "\033[?1049l");
	assert_int_equal(wait_for(pid), 0);
	close(fd);
	server_stop(&s);
}

static void
test_retest(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_done(&s, "source retest hw");
	assert_memory_equal(result.out, "source hw is tested again", 25);
	check_done(&s, "source retest --pool slow both");
	check_contains(result.out, "source both is tested again");
	check_done(&s, "source --pool=default retest both");
	check_fails(&s, "source retest both", 1,
	    "pools default and slow have one");
	check_fails(&s, "source retest hw --pool default", 1,
	    "vrngctl: pool default has no source hw\n");
	check_fails(&s, "source retest nothing", 1, "has no source nothing\n");
	server_stop(&s);
}

/* A reply of that kind: strings in order, and all bits of numbers are 1. */
static struct control_reply
odd_reply(enum control_kind kind)
{
	struct control_reply r;

	memset(&r, 0xff, sizeof(r));
	r.kind = kind;
	switch (kind) {
	case CONTROL_POOL:
		strlcpy(r.u.pool.name, "odd", sizeof(r.u.pool.name));
		break;
	case CONTROL_SOURCE:
		strlcpy(r.u.source.pool, "slow", sizeof(r.u.source.pool));
		strlcpy(r.u.source.name, "\033odd", sizeof(r.u.source.name));
		strlcpy(r.u.source.what, "\033]0;odd\a",
		    sizeof(r.u.source.what));
		memset(r.u.source.failure, '\n', CONTROL_FAILURE_SIZE - 1);
		r.u.source.failure[CONTROL_FAILURE_SIZE - 1] = '\0';
		break;
	case CONTROL_CLASS:
		strlcpy(r.u.class.pool, "slow", sizeof(r.u.class.pool));
		strlcpy(r.u.class.name, "odd", sizeof(r.u.class.name));
		strlcpy(r.u.class.parent, "odd", sizeof(r.u.class.parent));
		break;
	case CONTROL_GUEST:
		strlcpy(r.u.guest.pool, "slow", sizeof(r.u.guest.pool));
		strlcpy(r.u.guest.name, "odd", sizeof(r.u.guest.name));
		strlcpy(r.u.guest.class, "odd", sizeof(r.u.guest.class));
		r.u.guest.socket[0] = '\0';
		r.u.guest.egd[0] = '\0';
		break;
	case CONTROL_OUTLET:
		strlcpy(r.u.outlet.pool, "slow", sizeof(r.u.outlet.pool));
		strlcpy(r.u.outlet.name, "\033odd", sizeof(r.u.outlet.name));
		r.u.outlet.class[0] = '\0';
		strlcpy(r.u.outlet.where, "\033]0;odd\a",
		    sizeof(r.u.outlet.where));
		break;
	case CONTROL_CLIENT:
		strlcpy(r.u.client.peer, "\033odd", sizeof(r.u.client.peer));
		break;
	default:
		fail();
	}
	return r;
}

/* Numbers that stand for nothing are shown, as such, and harm nothing. */
static void
test_odd_numbers(void **state)
{
	const enum control_kind kinds[] = { CONTROL_POOL, CONTROL_SOURCE,
		CONTROL_CLASS, CONTROL_GUEST, CONTROL_OUTLET, CONTROL_CLIENT };
	struct control_reply odd;
	struct server s = { .odd = &odd };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		odd = odd_reply(kinds[i]);
		server_start(&s);
		check_done(&s, "status");
		check_contains(result.out, "odd");
		if (kinds[i] != CONTROL_GUEST && kinds[i] != CONTROL_CLIENT)
			check_contains(result.out, "unknown");
		assert_null(strpbrk(result.out, "\a\033"));
		check_lines(200);
		check_done(&s, "status --json");
		if (kinds[i] != CONTROL_CLIENT)
			check_contains(result.out, "\"unknown\"");
		assert_null(strpbrk(result.out, "\a\033"));
		check_with("python3 -m json.tool");
		check_done(&s, "top --once");
		assert_null(strpbrk(result.out, "\a\033"));
		server_stop(&s);
	}
}

/* A string without an end is not looked at. */
static void
test_endless_strings(void **state)
{
	struct control_reply odd;
	struct {
		enum control_kind kind;
		char *text;
		size_t size;
	} rows[] = {
		{ CONTROL_POOL, odd.u.pool.name, GUEST_NAME_SIZE },
		{ CONTROL_SOURCE, odd.u.source.pool, GUEST_NAME_SIZE },
		{ CONTROL_SOURCE, odd.u.source.name, GUEST_NAME_SIZE },
		{ CONTROL_SOURCE, odd.u.source.what, CONTROL_PATH_SIZE },
		{ CONTROL_SOURCE, odd.u.source.failure, CONTROL_FAILURE_SIZE },
		{ CONTROL_CLASS, odd.u.class.pool, GUEST_NAME_SIZE },
		{ CONTROL_CLASS, odd.u.class.name, GUEST_NAME_SIZE },
		{ CONTROL_CLASS, odd.u.class.parent, GUEST_NAME_SIZE },
		{ CONTROL_GUEST, odd.u.guest.name, GUEST_NAME_SIZE },
		{ CONTROL_GUEST, odd.u.guest.pool, GUEST_NAME_SIZE },
		{ CONTROL_GUEST, odd.u.guest.class, GUEST_NAME_SIZE },
		{ CONTROL_GUEST, odd.u.guest.socket, CONTROL_SOCKET_SIZE },
		{ CONTROL_GUEST, odd.u.guest.egd, CONTROL_SOCKET_SIZE },
		{ CONTROL_OUTLET, odd.u.outlet.name, GUEST_NAME_SIZE },
		{ CONTROL_OUTLET, odd.u.outlet.pool, GUEST_NAME_SIZE },
		{ CONTROL_OUTLET, odd.u.outlet.class, GUEST_NAME_SIZE },
		{ CONTROL_OUTLET, odd.u.outlet.where, CONTROL_PATH_SIZE },
		{ CONTROL_CLIENT, odd.u.client.peer, CLIENT_TEXT_SIZE },
	};
	struct server s = { .odd = &odd };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		odd = odd_reply(rows[i].kind);
		memset(rows[i].text, 'x', rows[i].size);
		server_start(&s);
		check_fails(&s, "status", 1, "a frame that makes no sense\n");
		server_stop(&s);
	}
}

/* A daemon of another release, whose frames have another size. */
static void
test_other_version(void **state)
{
	const uint32_t reply[4] = { CONTROL_VERSION - 1, CONTROL_RESULT, 0, 0 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct server s = { .dir = "/tmp/control-XXXXXX" };
	char request[4096];
	pid_t pid;
	int fd, conn;

	(void)state;
	assert_non_null(mkdtemp(s.dir));
	snprintf(s.path, sizeof(s.path), "%s/control", s.dir);
	strlcpy(sun.sun_path, s.path, sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		alarm(30);
		conn = accept(fd, NULL, NULL);
		_exit(recv(conn, request, sizeof(request), 0) <= 0 ||
		    send(conn, reply, sizeof(reply), 0) != sizeof(reply));
	}
	close(fd);
	check_fails(&s, "status", 1, "start the daemon again\n");
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(unlink(s.path), 0);
	assert_int_equal(rmdir(s.dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_retest),
		cmocka_unit_test(test_odd_numbers),
		cmocka_unit_test(test_endless_strings),
		cmocka_unit_test(test_other_version),
	};

	return UNIT_MAIN("vrngctl sources", tests);
}
