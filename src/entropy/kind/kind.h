/*
 * The kinds of sources: one file each, kind_NAME.c, behind this interface.  All
 * functions except prepare() run in the reader thread of a source, under the
 * system call filter, and may block forever.
 */
#ifndef VRNGD_KIND_H
#define VRNGD_KIND_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/sandbox.h"

/* A source, for its kind. */
struct device {
	struct proto_source spec;
	int fd;	     /* opened by the parent; -1: none, or closed */
	void *state; /* private data of the kind */
	bool unwell; /* set by read(): the device reports a fault */
};

struct source_kind {
	bool has_fd; /* started by SOURCE_OPEN, not by SOURCE_START */
	/*
	 * Events of epoll(7) to watch so that a hang-up is noticed while the
	 * source is not read.  They include EPOLLET; 0: it has no hang-up.
	 */
	uint32_t hang_up;
	int gone; /* the errno of a hang-up; 0: end of file */
	/* System calls in addition to those of all readers; NULL: none. */
	const struct sandbox_rule *rules;
	size_t nrules;
	/* Makes system calls that the filter forbids later; NULL: none. */
	void (*prepare)(struct device *);
	/*
	 * Prepares an opened source for reading, for example with its start-up
	 * sequence; NULL: none.  Returns 0 or an errno.
	 */
	int (*open)(struct device *);
	/*
	 * Waits for bytes and reads at most `size` (at least 1).  Returns their
	 * number; 0: the source has ended; -1: errno is set, and possibly
	 * `unwell`, which it does not clear.
	 */
	ssize_t (*read)(struct device *, uint8_t *buf, size_t size);
	/*
	 * Reverts open(), also after its failure, except the fd.  NULL: none.
	 */
	void (*close)(struct device *);
};

#define KIND_EXTERN(name, word) extern const struct source_kind kind_##word;
SOURCE_KIND_LIST(KIND_EXTERN)
#undef KIND_EXTERN

/* The kind with a number (enum proto_source_kind), or NULL. */
const struct source_kind *kind_find(uint32_t kind);

/* For kinds: a blocking read(2), also of a non-blocking fd. */
ssize_t kind_read(int fd, void *buf, size_t size);
/* For kinds: writes all bytes, without timeout.  Returns 0 or an errno. */
int kind_write(int fd, const void *buf, size_t size);

/* Waits until a socket is connected.  Returns 0 or an errno. */
int kind_connected(int fd);

#endif
