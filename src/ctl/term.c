/*
 * The terminal: size, screen, keys and signals.  Used by top.c and, for the
 * size, by status.c.
 */
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/table.h"
#include "ctl/term.h"

/* The alternate screen, the cursor (ECMA-48, and xterm's private modes). */
#define ENTER	     "\033[?1049h\033[?25l\033[2J"
#define LEAVE	     "\033[?25h\033[?1049l"
#define HOME	     "\033[H"
#define CLEAR_LINE   "\033[K"
#define CLEAR_BELOW  "\033[J"
#define ALERT	     "\033[1;31m" /* bold and red */
#define PLAIN	     "\033[m"
#define COLUMNS_USED 80
#define LINES_USED   24

static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP,
	SIGWINCH };

bool
term_usable(void)
{
	const char *type = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && type != NULL &&
	    type[0] != '\0' && strcmp(type, "dumb") != 0;
}

void
term_size(size_t *columns, size_t *lines)
{
	struct winsize size;

	*columns = COLUMNS_USED;
	*lines = LINES_USED;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1)
		return;
	if (size.ws_col > 0)
		*columns = size.ws_col;
	if (size.ws_row > 0)
		*lines = size.ws_row;
}

static void
watched_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		sigaddset(set, watched[i]);
}

/* Reads keys one by one without echo; keys for signals still send these. */
static int
enter(const struct term *t)
{
	struct termios raw = t->saved;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == -1)
		return -1;
	fputs(ENTER, stdout);
	return fflush(stdout) == EOF ? -1 : 0;
}

static void
leave(const struct term *t)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
}

int
term_open(struct term *t, struct failure *why)
{
	sigset_t set;

	setlocale(LC_CTYPE, "");
	watched_set(&set);
	if (tcgetattr(STDIN_FILENO, &t->saved) == -1 ||
	    (t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1)
		return fail(why, EXIT_REFUSED, "the terminal: %s",
		    strerror(errno));
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (enter(t) == -1) {
		fail(why, EXIT_REFUSED, "the terminal: %s", strerror(errno));
		term_close(t);
		return -1;
	}
	return 0;
}

void
term_close(struct term *t)
{
	sigset_t set;

	leave(t);
	close(t->signals);
	watched_set(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int
take_signal(struct term *t)
{
	struct signalfd_siginfo si;

	if (read(t->signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return TERM_TIME;
	switch (si.ssi_signo) {
	case SIGWINCH:
		return TERM_REDRAW;
	case SIGTSTP:
		leave(t);
		kill(getpid(), SIGSTOP);
		return enter(t) == -1 ? TERM_END : TERM_REDRAW;
	}
	/* Exit as if the signal had not been blocked. */
	signal((int)si.ssi_signo, SIG_DFL);
	kill(getpid(), (int)si.ssi_signo);
	term_close(t);
	exit(EXIT_REFUSED);
}

int
term_wait(struct term *t, uint64_t ns)
{
	struct pollfd fds[] = {
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	unsigned char key;

	if (poll(fds, 2, (int)(ns / NS_PER_MS)) <= 0)
		return TERM_TIME;
	if (fds[0].revents != 0)
		return take_signal(t);
	return read(STDIN_FILENO, &key, 1) == 1 ? key : TERM_END;
}

/* The number of lines after the first. */
static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n == 0 ? 0 : n - 1;
}

/* Draws the levels of a sparkline as blocks, or as letters of that height. */
static void
put_char(char c)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇",
		"█" };
	static const char letters[] = "_.-:=+*#";
	const size_t level = (unsigned char)c;

	if (level < 1 || level > HISTORY_LEVELS)
		putchar(c);
	else if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
		fputs(blocks[level - 1], stdout);
	else
		putchar(letters[level - 1]);
}

static const char *
put_line(const char *text, size_t columns, bool first)
{
	const bool alert = text[0] == '!';
	size_t len = strcspn(text, "\n");

	fprintf(stdout, "%s%s", first ? HOME : "\r\n", alert ? ALERT : "");
	for (size_t i = 0; i < len && i < columns; i++)
		put_char(text[i]);
	fprintf(stdout, "%s" CLEAR_LINE, alert ? PLAIN : "");
	return text[len] == '\n' ? text + len + 1 : text + len;
}

void
term_show(const char *text, size_t *from)
{
	size_t columns, lines, total = count_lines(text), room;

	term_size(&columns, &lines);
	room = lines > 1 ? lines - 1 : 0;
	if (*from + room > total)
		*from = total > room ? total - room : 0;
	text = put_line(text, columns, true);
	for (size_t i = 0; i < *from; i++)
		text += strcspn(text, "\n") + 1;
	for (size_t i = 0; i < room && *text != '\0'; i++)
		text = put_line(text, columns, false);
	fputs(CLEAR_BELOW, stdout);
	fflush(stdout);
}
