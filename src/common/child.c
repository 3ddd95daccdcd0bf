/*
 * Starts a child: opens its channel, receives HELLO, and confines the process.
 * Used by the main() of each role.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <bsd/string.h>
#include <bsd/unistd.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/child.h"
#include "common/log.h"
#include "common/sandbox.h"

static bool
send_line(enum log_level level, const char *text)
{
	struct frame f;

	frame_init(&f, PROTO_LOG, 0, 0);
	f.u.log.level = level;
	strlcpy(f.u.log.text, text, sizeof(f.u.log.text));
	return channel_up(&f);
}

/*
 * Drops the line if the channel is full, since logging must not delay service.
 * The number of lost lines precedes the next line.
 */
static void
sink_channel(void *arg, const struct log_line *line)
{
	uint32_t *lost = arg;
	char text[LOG_TEXT_SIZE];

	if (*lost > 0) {
		snprintf(text, sizeof(text),
		    "channel was full, log lines lost: %u", *lost);
		if (send_line(LOG_LEVEL_WARNING, text))
			*lost = 0;
	}
	if (!send_line(line->level, line->text) && *lost < UINT32_MAX)
		(*lost)++;
}

/* Whether this process was started by a parent of its own kind. */
static int
have_channel(void)
{
	int type;
	socklen_t len = sizeof(type);
	struct stat st;

	return getsockopt(CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET && fstat(CHANNEL_UP_FD, &st) == 0 &&
	    S_ISFIFO(st.st_mode);
}

struct proto_hello
child_start(enum proto_role role)
{
	static uint32_t lost;
	struct frame f;
	enum channel_result result;

	if (!have_channel())
		log_fatal("only vrngd(8) can start this program");
	closefrom(CHANNEL_UP_FD + 1);
	log_open(sink_channel, &lost);
	result = channel_recv(CHANNEL_FD, &f, ROLE_PARENT, role);
	if (result != CHANNEL_FRAME)
		channel_end(result, &f);
	if (f.hdr.type != PROTO_HELLO || f.u.hello.version != PROTO_VERSION ||
	    f.u.hello.role != (uint32_t)role)
		log_fatal("unexpected protocol of the parent: %s, version %u",
		    frame_name(f.hdr.type), f.u.hello.version);
	log_set_level((enum log_level)f.u.hello.log_level);
	sandbox_confine(&f.u.hello, f.fds[0]);
	close(f.fds[0]);
	return f.u.hello;
}

void
child_ready(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile)
{
	struct pollfd pfd = { .fd = CHANNEL_UP_FD, .events = POLLOUT };
	struct frame f;

	/* Log lines may have filled the channel, and READY must not be lost. */
	while (poll(&pfd, 1, -1) == -1)
		if (errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
	sandbox_filter(rules, nrules, nofile);
	frame_init(&f, PROTO_READY, 0, 0);
	if (!channel_up(&f))
		channel_lost();
}
