/*
 * Logging to the journal: where lines go, and what no text can do to them.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "integration/journal.h"

/* What a worker says that has been taken over. */
#define FORGED \
	"x\nVRNGD_GUEST=vm1\nMESSAGE_ID=00000000000000000000000000000000\n" \
	"PRIORITY=0\nVRNGD_PROCESS\n\x01"

static void
test_fields(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", NULL };
	struct suite *s = *state;
	struct journal_record r;
	char *text;
	int fd = journal_open(s);

	s->d.journal = true;
	CHECK(daemon_spawn(&s->d, args));
	journal_expect(fd, "MESSAGE", "ready: 1 guest, ", &r);
	journal_is(&r, "PRIORITY", "6");
	journal_is(&r, "VRNGD_PROCESS", "parent");
	journal_is(&r, "VRNGD_GUEST", NULL);
	suite_up_qemu(s, &s->fe, "vm0");
	journal_expect(fd, "MESSAGE", "guest vm0: connected", &r);
	journal_is(&r, "PRIORITY", "6");
	journal_is(&r, "VRNGD_GUEST", "vm0");
	journal_is(&r, "SYSLOG_IDENTIFIER", "vrngd");
	assert_int_equal(fe_set_u64(&s->fe, 0x41, 0), 1);
	do
		assert_true(journal_next(fd, &r, FE_TIMEOUT_MS));
	while (strstr(journal_value(&r, "MESSAGE"), "rejected") == NULL);
	journal_is(&r, "PRIORITY", "4");
	journal_is(&r, "VRNGD_GUEST", "vm0");
	journal_is(&r, "VRNGD_POOL", "default");
	journal_is(&r, "VRNGD_PROCESS", "vhost");
	journal_is(&r, "MESSAGE_ID", NULL);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	/* There, and there only. */
	text = daemon_text(&s->d, "log");
	assert_string_equal(text, "");
	free(text);
	close(fd);
	suite_pass(s);
}

/* This program in the place of a vhost worker. */
static _Noreturn void
forge(void)
{
	struct pollfd pfd = { .fd = CHANNEL_FD };
	struct frame f;

	frame_init(&f, PROTO_LOG, 0, 0);
	strlcpy(f.u.log.text, FORGED, sizeof(f.u.log.text));
	channel_tell(CHANNEL_UP_FD, &f);
	/* Without an end, too. */
	memset(f.u.log.text, '\n', sizeof(f.u.log.text));
	f.u.log.level = UINT32_MAX;
	channel_tell(CHANNEL_UP_FD, &f);
	poll(&pfd, 1, -1);
	_exit(0);
}

/* A directory of programs, of which the one for guests is this one. */
static void
replace_worker(struct suite *s)
{
	const char *const others[] = { "vrngd-entropy", "vrngd-egd" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->d.libexec, others[i]);
		CHECK(symlink(path, daemon_path(&s->d, others[i])));
	}
	assert_non_null(realpath("/proc/self/exe", path));
	CHECK(symlink(path, daemon_path(&s->d, "vrngd-vhost")));
	strlcpy(s->d.libexec, s->d.dir, sizeof(s->d.libexec));
}

static void
test_forged(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-v", NULL };
	struct suite *s = *state;
	struct journal_record r;
	int fd = journal_open(s);

	s->d.journal = true;
	replace_worker(s);
	CHECK(daemon_spawn(&s->d, args));
	journal_expect(fd, "MESSAGE", "ready: ", &r);
	CHECK(fe_connect(&s->fe, daemon_path(&s->d, "vm0.sock")));
	journal_expect(fd, "MESSAGE", "guest vm0: x", &r);
	journal_is(&r, "MESSAGE",
	    "guest vm0: x.VRNGD_GUEST=vm1.MESSAGE_ID="
	    "00000000000000000000000000000000.PRIORITY=0.VRNGD_PROCESS..");
	journal_is(&r, "VRNGD_GUEST", "vm0");
	journal_is(&r, "MESSAGE_ID", NULL);
	journal_is(&r, "PRIORITY", "3");
	journal_is(&r, "VRNGD_PROCESS", "vhost");
	journal_expect(fd, "MESSAGE", "guest vm0: ....", &r);
	journal_is(&r, "VRNGD_GUEST", "vm0");
	journal_is(&r, "PRIORITY", "7");
	close(fd);
	suite_pass(s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_fields),
		SUITE_EMPTY(test_forged),
	};

	if (argc > 0 && strcmp(basename(argv[0]), "vrngd-vhost") == 0)
		forge();
	return SUITE_MAIN("journal", tests);
}
