/*
 * The kinds of sources: one file each, kind_NAME.c, behind this interface.
 * Everything but prepare() runs in the reader's thread of its source, under
 * the system call filter, and may wait there for ever: it holds up nobody.
 */
#ifndef VRNGD_KIND_H
#define VRNGD_KIND_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/sandbox.h"

/* A source as its kind sees it. */
struct device {
	struct proto_source spec;
	int fd;	     /* that the parent opened; -1: none, or closed */
	void *state; /* the kind's own */
	bool unwell; /* read() found that the device says so itself */
};

struct source_kind {
	const char *name; /* as in vrngd.conf(5) */
	bool has_fd;	  /* SOURCE_OPEN starts it, not SOURCE_START */
	/* System calls beyond those of any reader; NULL: none. */
	const struct sandbox_rule *rules;
	size_t nrules;
	/* What needs system calls that are not allowed later; NULL: nothing. */
	void (*prepare)(struct device *);
	/*
	 * Makes an opened source ready to be read, such as by its start-up
	 * sequence; NULL: nothing to do.  Returns 0 or an errno.
	 */
	int (*open)(struct device *);
	/*
	 * Waits for bytes and reads at most `size` (1 or more) of them.
	 * Returns how many; 0: the source has ended; -1: errno says why, and
	 * perhaps `unwell`, which it does not clear.
	 */
	ssize_t (*read)(struct device *, uint8_t *buf, size_t size);
	/* Undoes open(), whatever it returned; not the fd.  NULL: nothing. */
	void (*close)(struct device *);
};

extern const struct source_kind kind_kernel;
extern const struct source_kind kind_device;
extern const struct source_kind kind_serial;
extern const struct source_kind kind_qng;
extern const struct source_kind kind_cpu;
extern const struct source_kind kind_egd;
extern const struct source_kind kind_stream;

/* The kind of a number (enum proto_source_kind), or NULL. */
const struct source_kind *kind_find(uint32_t kind);

/* For kinds: read(2) that waits, also where the fd does not. */
ssize_t kind_read(int fd, void *buf, size_t size);
/* For kinds: writes all of it, however long that takes.  0 or an errno. */
int kind_write(int fd, const void *buf, size_t size);

/* Waits until a socket that is being connected is.  Returns 0 or an errno. */
int kind_connected(int fd);

#endif
