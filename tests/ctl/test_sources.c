/*
 * What vrngctl shows of sources, and has done with them; and what it makes of
 * a daemon with invalid answers.
 */
#include "ctl/vrngctl.h"

static void
test_status(void **state)
{
	const char *const parts[] = {
		"  combine first, 1 of 3 serving (fallback)\n",
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
		"  combine xor, min-sources 2, 0 of 2 serving: guests wait\n",
		" lost        0     0     0     2 /dev/\"x\\y?[1m?????\n"
		"    last failure 15ms ago: /dev/\"x\\y?[1m?????\n"
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
	    "\n! combine first, 1 of 3 serving (fallback)\n");
	check_contains(result.out,
	    "\n! combine xor, min-sources 2, 0 of 2 serving: guests wait\n");
	check_contains(result.out, "\n* kernel kernel ok ");
	assert_null(strstr(result.out, "last failure"));
	/* What is marked on a screen is plain text elsewhere. */
	assert_null(strpbrk(result.out, "\a\033"));
	pid = start_top(&s, 80, 60, &fd);
	read_until(fd, "vm4");
	check_contains(result.out, "\033[1;31m! combine first, 1 of 3 ");
	check_contains(result.out, "\033[1;31m! combine xor, min-sources 2");
	check_contains(result.out, ": guests wait\033[m");
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
	assert_string_equal(result.out, "source hw: retest started\n");
	check_done(&s, "source retest --pool slow both");
	check_contains(result.out, "source both: retest started\n");
	check_done(&s, "source --pool=default retest both");
	check_fails(&s, "source retest both", 1,
	    "pools default and slow have one");
	check_fails(&s, "source retest hw --pool default", 1,
	    "vrngctl: pool default has no source hw\n");
	check_fails(&s, "source retest nothing", 1, "has no source nothing\n");
	server_stop(&s);
}

#define ODD "\"\\u001b]0;odd\\u0007\\n\\u00e9\""

/* Invalid text and numbers are shown, and do no harm. */
static void
test_odd_values(void **state)
{
	static const char all[] =
	    "{\"name\":" ODD ",\"kind\":" ODD ",\"what\":" ODD ",\"state\":" ODD
	    ",\"class\":" ODD ",\"parent\":" ODD ",\"where\":" ODD
	    ",\"transport\":" ODD ",\"peer\":" ODD ",\"delivery\":" ODD
	    ",\"combine\":" ODD
	    ",\"last_failure\":{\"ago_ns\":1,\"reason\":" ODD "},"
	    "\"health\":{\"alarms\":{" ODD ":18446744073709551615},"
	    "\"fips_blocks\":18446744073709551615},"
	    "\"rate\":{\"bytes\":18446744073709551615,\"period_ns\":1},"
	    "\"ceil\":{\"bytes\":1,\"period_ns\":18446744073709551615},"
	    "\"limit\":{\"bytes\":1,\"period_ns\":0},"
	    "\"burst\":18446744073709551615,\"depth\":18446744073709551615,"
	    "\"bytes\":-1,\"requests\":1e300,\"since_ns\":\"x\","
	    "\"polling\":{\"us\":1,\"polls\":1,"
	    "\"hits\":18446744073709551615},"
	    "\"sources\":[7],\"guests\":{},\"clients\":[[]],"
	    "\"services\":[null],\"classes\":\"x\"}";
	static const char *const odd[] = { all, "{}", "[]", "7", "null",
		"\"\"" };
	static const char *const lists[] = { "pools", "sources", "classes",
		"guests", "services", "clients" };
	struct server s;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 6; k++) {
			s = (struct server){
				.odd = odd[i],
				.odd_list = lists[k],
			};
			server_start(&s);
			check_done(&s, "status");
			if (i == 0)
				check_contains(result.out, "odd");
			assert_null(strpbrk(result.out, "\a\033"));
			check_lines(300);
			check_done(&s, "status --json");
			assert_null(strpbrk(result.out, "\a\033"));
			check_with("python3 -m json.tool");
			check_done(&s, "top --once");
			assert_null(strpbrk(result.out, "\a\033"));
			server_stop(&s);
		}
}

/* Answers that are none. */
static void
test_nonsense(void **state)
{
	static const char *const replies[] = { "", "{", "[]", "7", "{}",
		"{\"parameters\":{}}", "{\"parameters\":{\"status\":[]}}" };
	struct server s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		s = (struct server){ .reply = replies[i] };
		server_start(&s);
		check_fails(&s, "status", 1,
		    "vrngctl: invalid answer from the daemon at ");
		server_stop(&s);
	}
	s = (struct server){
		.reply = "{\"error\":\"org.varlink.service.MethodNotFound\"}",
	};
	server_start(&s);
	check_fails(&s, "status", 1,
	    "rejected the request: org.varlink.service.Method");
	server_stop(&s);
	s = (struct server){ .reply = "{\"parameters\":{\"status\":{}}}" };
	server_start(&s);
	check_done(&s, "status");
	assert_string_equal(result.out, "");
	server_stop(&s);
}

/* A daemon of another release, whose frames have another size. */
static void
test_other_version(void **state)
{
	const uint32_t reply[4] = { CONTROL_VERSION - 1, 1, 0, 0 };
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
	check_fails(&s, "reload", 1, "update both and restart the daemon\n");
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
		cmocka_unit_test(test_odd_values),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_other_version),
	};

	return UNIT_MAIN("vrngctl sources", tests);
}
