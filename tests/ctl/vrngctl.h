/*
 * The real vrngctl, of the environment variable VRNGCTL, run on a made-up
 * daemon, and what it printed.
 */
#ifndef TEST_VRNGCTL_H
#define TEST_VRNGCTL_H

#include "unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>

struct server;
struct sd_event;
static void status_listen(struct server *, struct sd_event *);
#define SERVER_ALSO status_listen
#include "ctl/status_server.h"

#define OUTPUT_SIZE (1 << 20)
#define ARGS	    12

/* What a run of vrngctl left. */
struct run {
	int status; /* as of waitpid(2) */
	char out[OUTPUT_SIZE];
	char err[OUTPUT_SIZE];
};

static struct run result;

static inline const char *
vrngctl(void)
{
	const char *path = getenv("VRNGCTL");

	return path != NULL ? path : "./vrngctl";
}

static inline void
read_file(const char *path, char *text)
{
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	text[fread(text, 1, OUTPUT_SIZE - 1, f)] = '\0';
	fclose(f);
}

/*
 * The program may be where the user cannot look it up, so it is opened first.
 */
static inline _Noreturn void
run_child(char *const *argv, const char *dir, uid_t uid)
{
	int program = open(argv[0], O_RDONLY | O_CLOEXEC);
	char path[64];

	alarm(30);
	for (int i = 1; i <= 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir,
		    i == 1 ? "out" : "err");
		dup2(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), i);
	}
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	if (uid != 0 &&
	    (setgroups(0, NULL) == -1 || setresgid(uid, uid, uid) == -1 ||
		setresuid(uid, uid, uid) == -1))
		_exit(99);
	fexecve(program, argv, environ);
	_exit(98);
}

/* Runs vrngctl with words split at spaces, as a user (0: our own). */
static inline void
run_as(const struct server *s, uid_t uid, const char *words)
{
	char copy[512], path[64], *rest = copy, *argv[ARGS + 3];
	size_t n = 0;
	pid_t pid;

	strlcpy(copy, words, sizeof(copy));
	argv[n++] = (char *)(uintptr_t)vrngctl();
	argv[n++] = (char *)(uintptr_t) "-s";
	argv[n++] = (char *)(uintptr_t)s->path;
	while (rest != NULL && n < ARGS)
		argv[n++] = strsep(&rest, " ");
	argv[n] = NULL;
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		run_child(argv, s->dir, uid);
	assert_int_equal(waitpid(pid, &result.status, 0), pid);
	snprintf(path, sizeof(path), "%s/out", s->dir);
	read_file(path, result.out);
	unlink(path);
	snprintf(path, sizeof(path), "%s/err", s->dir);
	read_file(path, result.err);
	unlink(path);
	result.status =
	    WIFEXITED(result.status) ? WEXITSTATUS(result.status) : -1;
}

static inline void
run(const struct server *s, const char *words)
{
	run_as(s, 0, words);
}

static inline void
check_contains(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return;
	print_error("# '%s' is not in:\n%s\n", part, text);
	fail();
}

/* Exit status 0 and nothing on standard error. */
static inline void
check_done(const struct server *s, const char *words)
{
	run(s, words);
	if (result.status != 0 || result.err[0] != '\0')
		print_error("# %s: %d: %s\n", words, result.status, result.err);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.err, "");
}

/* The snippet for vhost-user: exit status 0 and the note about migration. */
static inline void
check_vhost(const struct server *s, const char *words)
{
	run(s, words);
	assert_int_equal(result.status, 0);
	check_contains(result.err, "vrngctl: QEMU cannot migrate or save ");
}

/* That exit status, and a message that begins with the program's name. */
static inline void
check_fails(const struct server *s, const char *words, int status,
    const char *message)
{
	run(s, words);
	if (result.status != status)
		print_error("# %s: %d: %s\n", words, result.status, result.err);
	assert_int_equal(result.status, status);
	assert_string_equal(result.out, "");
	assert_memory_equal(result.err, "vrngctl: ", 9);
	check_contains(result.err, message);
}

/* No line of standard output is longer than `most`, none ends in a space. */
static inline void
check_lines(size_t most)
{
	const char *line = result.out;
	size_t len;

	while (*line != '\0') {
		len = strcspn(line, "\n");
		if (len > most || (len > 0 && line[len - 1] == ' '))
			print_error("# %.*s\n", (int)len, line);
		assert_in_range(len, 0, most);
		assert_true(len == 0 || line[len - 1] != ' ');
		line += len;
		line += *line == '\n';
	}
}

/*
 * Has our output read by a program, a command of the shell; it must find that
 * in order.  Returns false if there is no such program.
 */
static inline bool
check_with(const char *command)
{
	FILE *input = tmpfile();
	int status, null;
	pid_t pid;

	assert_non_null(input);
	assert_int_not_equal(fputs(result.out, input), EOF);
	assert_int_equal(fflush(input), 0);
	rewind(input);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		dup2(fileno(input), STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	fclose(input);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 127)
		return false;
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

/*
 * Reads what a terminal is sent, `most` bytes at a time, until it has `part`;
 * for 10 s at most.
 */
static inline void
read_part(int fd, const char *part, size_t most)
{
	const uint64_t deadline = clock_now() + 10 * NS_PER_SEC;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	result.out[0] = '\0';
	while (strstr(result.out, part) == NULL) {
		assert_true(clock_now() < deadline);
		if (poll(&pfd, 1, 100) != 1)
			continue;
		n = read(fd, result.out + len,
		    most < OUTPUT_SIZE - 1 - len ? most
						 : OUTPUT_SIZE - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		result.out[len] = '\0';
	}
	check_contains(result.out, part);
}

static inline void
read_until(int fd, const char *part)
{
	read_part(fd, part, OUTPUT_SIZE);
}

/* Starts vrngctl with a command on a terminal of its own, of that size. */
static inline pid_t
start_command(const struct server *s, const char *command,
    unsigned short columns, unsigned short lines, int *fd)
{
	const struct winsize size = { .ws_col = columns, .ws_row = lines };
	pid_t pid = forkpty(fd, NULL, NULL, &size);

	if (pid == -1)
		program_skip("there are no terminals");
	if (pid == 0) {
		alarm(30);
		setenv("TERM", "vt100", 1);
		execl(vrngctl(), vrngctl(), "-s", s->path, command, NULL);
		_exit(98);
	}
	return pid;
}

/* The same with top, until it has taken over the terminal. */
static inline pid_t
start_top(const struct server *s, unsigned short columns, unsigned short lines,
    int *fd)
{
	pid_t pid = start_command(s, "top", columns, lines, fd);

	/* And no more than that. */
	read_part(*fd, "\033[?1049h", 1);
	return pid;
}

static inline int
wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
