/*
 * The configuration while it is read: the blocks with their structs, the places
 * of their settings, and the errors found so far.  All except the structs is
 * freed with the reader.
 *
 *	files.c			opens files and their includes
 *	scan.l, parse.y		parse text to blocks and settings
 *	reader.c		memory, errors, suggestions
 *	schema.c, values.c	keys and their values
 *	fill.c			fills the structs of blocks
 *	build.c			links the structs to a struct config
 *	rules.c			rules between keys
 *	pools.c, services.c	rules of pools and sources, guests and services
 *	circles.c		pools that would be their own sources
 *	sources.c, network.c	sources, addresses and networks
 */
#ifndef VRNGD_CONFIG_READER_H
#define VRNGD_CONFIG_READER_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parent/config/config.h"
#include "parent/config/schema.h"

#define CONFIG_FILE_MAX	   (UINT32_C(1) << 24) /* bytes */
#define CONFIG_FILES_MAX   4096		       /* with all includes */
#define CONFIG_INCLUDE_MAX 8		       /* files within files */
#define CONFIG_NESTING_MAX 32		       /* blocks within blocks */

#define CONFIG_POOL_DEFAULT "default" /* default pool of guests and services */
#define CONFIG_PASSED	    "systemd" /* in place of a path or address */

struct config_place {
	const struct config_file *file;
	int line;
};

struct config_file {
	TAILQ_ENTRY(config_file) entry;
	const char *path;
	struct config_place from; /* the include; none for the main file */
	uint32_t order, depth;	  /* in order of opening; nesting of includes */
	dev_t dev;
	ino_t ino;
};

/* A word of a file, or the text of a string, which may contain NUL bytes. */
struct config_word {
	const char *text; /* followed by a NUL */
	size_t len;
};

/* One of the values of a setting. */
struct config_item {
	TAILQ_ENTRY(config_item) entry;
	struct config_word word;
	struct config_place place;
};

TAILQ_HEAD(config_items, config_item);

struct config_setting {
	TAILQ_ENTRY(config_setting) entry;
	struct config_block *block;
	const char *name;
	const struct config_key *key;
	const char *value; /* text of the first value, "" if none, */
	const char *shown; /* and the same for messages */
	bool bad;	   /* the value is invalid */
	struct config_place place;
};

struct config_block {
	struct config_reader *reader;
	TAILQ_ENTRY(config_block) entry;
	enum config_kind kind;
	const char *name;  /* never NULL */
	const char *title; /* kind and name, for messages */
	struct config_place place;
	struct config_block *within;	       /* the enclosing block */
	TAILQ_HEAD(, config_setting) settings; /* valid settings */
	bool damaged;  /* some of its settings are lost or unknown */
	bool unclosed; /* its } is missing */
	bool wrong;    /* a source with an error */

	void *object;			    /* its struct, or NULL */
	struct config_block *parent;	    /* its class or pool */
	uint64_t guaranteed;		    /* the sum of the rates in it */
	const struct config_setting *where; /* its unix, tcp, udp or vsock */
};

struct config_error {
	TAILQ_ENTRY(config_error) entry;
	struct config_place place;
	const char *text;
};

struct config_reader {
	struct config_memory *memory;
	struct config_block *top;
	TAILQ_HEAD(, config_block) blocks;
	struct config_block *pool; /* the first */
	size_t npools;
	bool vsock; /* a service listens on vsock */
	TAILQ_HEAD(config_errors, config_error) errors, warnings;
	TAILQ_HEAD(, config_file) files; /* that could be read */
	uint32_t nfiles;
	size_t nerrors;
	void *taken; /* names and sockets, a tree of tsearch(3) */
};

struct config_token {
	int type;
	int line;
	const char *text;
};

/* The state of parsing one file. */
struct config_parse {
	struct config_reader *reader;
	const struct config_file *file;
	struct config_block *block; /* the innermost open one */
	int depth;		    /* of braces */
	int skip_line;		    /* the rest of this line is ignored */
	int error_line;	 /* line of the last syntax error, one per line */
	bool lost_brace; /* a brace is missing */
	struct config_items items;  /* of the setting being read */
	int list_line;		    /* line of the open list, */
	int list_depth;		    /* its nesting, */
	bool list_lost;		    /* and whether it is invalid */
	int single_line;	    /* line of a value that might need a list */
	struct config_token single; /* the last single value */
	struct config_token last;   /* the newest token, */
	struct config_token before; /* and the one before it */
};

/* reader.c: zeroed memory, and a printf() into it. */
void *config_alloc(struct config_reader *, size_t);
char *config_text(struct config_reader *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends the process if `p`, the result of malloc(3) and others, is NULL. */
void *config_must(void *);

/* Text of limited length for a message. */
const char *config_shown(struct config_reader *, const char *text);

/* Adds an error at a place, about the block if it is not NULL. */
void config_error_add(struct config_reader *, const struct config_block *,
    struct config_place, char *text);
#define config_error(r, block, place, ...) \
	config_error_add(r, block, place, config_text(r, __VA_ARGS__))

/* Adds an error at the place of a block or a setting. */
#define block_error(block, ...) \
	config_error((block)->reader, block, (block)->place, __VA_ARGS__)
#define setting_error(s, ...) \
	config_error((s)->block->reader, (s)->block, (s)->place, __VA_ARGS__)

/* Adds a syntax error, if it is the first one of its line. */
bool config_syntax_damaged(struct config_parse *, int line);
#define config_syntax_error(p, at, ...) \
	do { \
		if (config_syntax_damaged(p, at)) \
			config_error((p)->reader, NULL, \
			    ((struct config_place){ (p)->file, at }), \
			    __VA_ARGS__); \
	} while (0)

/* Adds a warning at the place of a setting; of NULL, of the block. */
void config_warning_add(const struct config_block *,
    const struct config_setting *, char *text);

/* "line 3", or "FILE:3" for a place in another file. */
const char *config_place_text(struct config_reader *, struct config_place,
    struct config_place from);

/* "first, second or third": the names whose bits are set. */
const char *config_alternatives(struct config_reader *,
    const char *const names[], unsigned int which);

/* The article of a word, "a" or "an". */
const char *config_article(const char *word);

void config_reader_init(struct config_reader *);
void config_reader_free(struct config_reader *);

struct config_block *config_block_new(struct config_reader *, enum config_kind,
    const char *name);

/* The setting of that name that the block has, or NULL. */
struct config_setting *setting_of(const struct config_block *,
    const char *name);

/*
 * The key of that kind of block that is most similar to a word; for
 * CONFIG_IGNORED, any key or keyword of blocks.  Or NULL.
 */
const char *config_nearest_key(const char *word, enum config_kind);

/*
 * Records a text that must be unique.  Returns NULL, or the block that has it
 * already.
 */
struct config_taken {
	const char *text;
	struct config_block *block;
	const struct config_setting *setting; /* NULL: the name of the block */
};
const struct config_taken *config_take(struct config_block *,
    const struct config_setting *, const char *text);

/* The block that has a name, and a struct; or NULL. */
struct config_block *config_named(struct config_reader *, const char *text);

/*
 * fill.c: opens a block, with NULL as keyword an ignored one; drops the open
 * block.
 */
void config_block_open(struct config_parse *, const char *keyword,
    const char *name, int line);
void config_block_drop(struct config_parse *);

/* Adds a value of the current setting; and the setting. */
void config_item_add(struct config_parse *, struct config_word, int line);
void config_setting_add(struct config_parse *, const char *name, bool is_list,
    int line);

/* files.c: reads the file at `path`, or the files of an include. */
void config_file_read(struct config_reader *, const char *path,
    struct config_place from);
void config_file_include(struct config_parse *, const char *pattern, int line);

/* scan.l: scans and parses a text. */
void config_scan_text(struct config_parse *, const char *text, size_t len);

/*
 * rules.c: checks the place and name of a block.  For pools, classes, guests
 * and services, parents first: finds the pool and class of a leaf; sets the
 * share; checks required keys; and then the sum of guaranteed rates.
 */
void rules_block(struct config_block *);
struct config_block *rules_parent(struct config_block *leaf);
void rules_share(struct config_block *);
void rules_with(const struct config_block *);
void rules_sum(struct config_block *);

/* Reports all of these keys that the block has. */
#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })
void rules_refuse(const struct config_block *, const char *const keys[],
    const char *why);

/* Checks for a single address, and for the port. */
void rules_port(const struct config_block *);

/* Checks `confidential`; warns if it is missing and the socket is remote. */
void rules_confidential(const struct config_block *, bool remote);

/* pools.c: a source, and then its pool. */
void rules_source(struct config_block *);
void rules_pool(struct config_block *);

/* circles.c: that no pool is its own source, when all blocks are linked. */
void rules_circles(struct config_reader *);

/*
 * services.c: guests and services; that a listener's address is unique; and,
 * when all blocks are linked, that a guest with a CID is served.
 */
void rules_guest(struct config_block *);
void rules_cid(struct config_block *);
void rules_service(struct config_block *);
void rules_listener(const struct config_block *);

#endif
