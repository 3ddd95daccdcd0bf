/*
 * The configuration, vrngd.conf(5): what the administrator wrote, checked and
 * with all defaults filled in.
 */
#ifndef VRNGD_CONFIG_H
#define VRNGD_CONFIG_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "alloc.h"
#include "proto.h"

#define CONFIG_NAME_SIZE     GUEST_NAME_SIZE
#define CONFIG_RATE_MAX	     (UINT64_C(1) << 40) /* bytes per second */
#define CONFIG_BURST_MIN     64			 /* bytes */
#define CONFIG_BURST_MAX     (UINT64_C(1) << 32) /* bytes */
#define CONFIG_BURST_DEFAULT 4096 /* bytes, or 100 ms at ceil if more */
#define CONFIG_WEIGHT_MAX    10000
#define CONFIG_PRIORITY_MAX  7 /* 0 comes first */
#define CONFIG_PERIOD_MAX_MS UINT32_MAX
#define CONFIG_DEPTH_MAX     8 /* classes within classes */

struct config_class {
	TAILQ_ENTRY(config_class) entry;
	char name[CONFIG_NAME_SIZE];
	struct alloc_share share;
	struct config_class *parent; /* NULL: the pool itself */
	TAILQ_HEAD(config_classes, config_class) classes; /* within it */
};

enum config_source_type {
	CONFIG_SOURCE_KERNEL, /* /dev/urandom */
	CONFIG_SOURCE_DEVICE, /* `path` */
};

struct config_source {
	char name[CONFIG_NAME_SIZE];
	enum config_source_type type;
	char *path; /* allocated; of the kernel's source too */
};

struct config_pool {
	TAILQ_ENTRY(config_pool) entry;
	char name[CONFIG_NAME_SIZE];
	struct config_source source;
	struct alloc_share share;
	struct config_classes classes;
};

struct config_guest {
	TAILQ_ENTRY(config_guest) entry;
	char name[CONFIG_NAME_SIZE];
	char *socket; /* path, allocated */
	struct config_pool *pool;
	struct config_class *class; /* NULL: the pool itself */
	struct alloc_share share;
	uid_t owner; /* of the socket; -1: ours */
	gid_t group; /* -1: ours */
	mode_t mode; /* 0: as umask(2) says */
};

TAILQ_HEAD(config_pools, config_pool);
TAILQ_HEAD(config_guests, config_guest);

struct config {
	struct config_pools pools;
	struct config_guests guests;
};

/*
 * Reads and checks the file and what it includes.  Each mistake is told to
 * `report`, one line without a newline, that begins with FILE:LINE.  Returns
 * the configuration, to be freed with config_free(), or NULL after at least
 * one mistake.
 */
typedef void config_report(void *arg, const char *text);
struct config *config_read(const char *path, config_report *report, void *arg);

/* Prints it as a file that says everything, defaults too: for vrngd -n. */
void config_print(const struct config *, FILE *);

void config_free(struct config *);

#endif
