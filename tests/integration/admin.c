#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/admin.h"

#define PIECE 16 /* bytes of a piece that is looked for */

void
admin_conf(struct suite *s, const char *mode, const char *fmt, ...)
{
	FILE *f = fopen(daemon_path(&s->d, "conf"), mode);
	va_list ap;

	assert_non_null(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	assert_int_equal(fclose(f), 0);
}

void
admin_conf_guest(struct suite *s, const char *name, const char *rest)
{
	admin_conf(s, "a", "guest \"%s\" { socket = \"%s/%s.sock\" %s }\n",
	    name, s->d.dir, name, rest);
}

void
admin_start(struct suite *s)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		NULL };

	suite_start(s, args);
}

int
admin_ctl(struct suite *s, char *out, size_t size, const char *fmt, ...)
{
	const char *program = getenv("VRNGCTL");
	char args[256], command[1024];
	va_list ap;
	size_t n;
	FILE *f;
	int status;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "%s -s %s/control %s 2>&1",
	    program != NULL ? program : "build/vrngctl", s->d.dir, args);
	f = popen(command, "re"); /* NOLINT(cert-env33-c): ours */
	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	status = pclose(f);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void
admin_await(struct suite *s, const char *line, size_t before)
{
	CHECK(daemon_log_wait(&s->d, line, before + 1, FE_TIMEOUT_MS));
}

void
admin_reload(struct suite *s, const char *outcome)
{
	size_t before = daemon_log_count(&s->d, outcome);

	CHECK(kill(s->d.pid, SIGHUP));
	admin_await(s, outcome, before);
}

void
fifo_make(struct suite *s, struct fifo *f, const char *name)
{
	*f = (struct fifo){ .fd = -1 };
	CHECK(mkfifo(daemon_path(&s->d, name), 0600));
	f->path = strdup(daemon_path(&s->d, name));
	f->bytes = malloc(ADMIN_FED_MAX);
	assert_non_null(f->path);
	assert_non_null(f->bytes);
}

void
fifo_free(struct fifo *f)
{
	if (f->fd != -1)
		close(f->fd);
	free((void *)(uintptr_t)f->path);
	free(f->bytes);
}

/* Writes the last `len` bytes as soon as they are read. */
static void
write_last(struct fifo *f, size_t len)
{
	uint64_t deadline = fe_now() + FE_TIMEOUT_MS;
	ssize_t n = -1;

	while (n == -1) {
		if (f->fd == -1)
			f->fd =
			    open(f->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (f->fd != -1)
			n = write(f->fd, f->bytes + f->n - len, len);
		if (n == -1) {
			assert_true(errno == ENXIO || errno == EPIPE);
			assert_true(fe_now() < deadline);
			usleep(5000);
		}
	}
	assert_int_equal(n, len);
}

void
fifo_feed(struct fifo *f, size_t len)
{
	assert_true(f->n + len <= ADMIN_FED_MAX);
	for (size_t done = 0; done < len;) {
		ssize_t n = getrandom(f->bytes + f->n + done, len - done, 0);

		assert_true(n > 0);
		done += (size_t)n;
	}
	f->n += len;
	write_last(f, len);
}

void
fifo_stick(struct fifo *f, size_t len)
{
	assert_true(f->n + len <= ADMIN_FED_MAX);
	memset(f->bytes + f->n, 0x55, len);
	f->n += len;
	write_last(f, len);
}

bool
fifo_had(const struct fifo *f, const uint8_t *bytes, size_t len)
{
	const uint8_t *at = NULL;
	size_t n;

	while (len >= PIECE) {
		/* What is before a gap may be too short to be found alone. */
		for (n = 0; n < PIECE && n + PIECE <= len; n++) {
			at = memmem(f->bytes, f->n, bytes + n, PIECE);
			if (at != NULL)
				break;
		}
		if (at == NULL || memmem(f->bytes, f->n, bytes, n) == NULL)
			return false;
		bytes += n;
		len -= n;
		for (n = 0;
		     n < len && at + n < f->bytes + f->n && at[n] == bytes[n];
		     n++)
			continue;
		bytes += n;
		len -= n;
	}
	return len == 0 || memmem(f->bytes, f->n, bytes, len) != NULL;
}
