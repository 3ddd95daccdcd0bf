/*
 * What an administrator does: writes a configuration, runs vrngctl, and feeds
 * FIFOs that are sources.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "integration/suite.h"

#define ADMIN_FED_MAX (1 << 20)

/* Write DIR/conf anew ("w") or add to it ("a"). */
void admin_conf(struct suite *, const char *mode, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a guest, with its socket in DIR and what else is said. */
void admin_conf_guest(struct suite *, const char *name, const char *rest);

/* Start the daemon with DIR/conf and a control socket. */
void admin_start(struct suite *);

/*
 * Run vrngctl (of the environment variable VRNGCTL): its exit status, and in
 * `out` what it printed.
 */
int admin_ctl(struct suite *, char *out, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Have the configuration read again, and wait for that line in the log. */
void admin_reload(struct suite *, const char *outcome);

/* Wait until a line stands in the log (again), since `before` times. */
void admin_await(struct suite *, const char *line, size_t before);

/* A FIFO that is a source, and all that was written to it. */
struct fifo {
	const char *path;
	int fd;
	uint8_t *bytes;
	size_t n;
};

/* Make DIR/name; its end for writing is opened with the first byte. */
void fifo_make(struct suite *, struct fifo *, const char *name);
void fifo_free(struct fifo *);

/* Write fresh random bytes, or `len` times the same. */
void fifo_feed(struct fifo *, size_t len);
void fifo_stick(struct fifo *, size_t len);

/*
 * Whether all of the bytes were written to the FIFO; they come in pieces that
 * may be anywhere in what was.
 */
bool fifo_had(const struct fifo *, const uint8_t *bytes, size_t len);

#endif
