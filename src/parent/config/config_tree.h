/*
 * The configuration while it is read: the files as a tree of blocks and
 * settings, each with its place, before anything is known to make sense.
 * All of it lives until the reader ends.
 *
 *	config_file.c	opens files and what they include
 *	config_scan.l, config_parse.y	text to blocks
 *	config_tree.c	the tree, memory, mistakes
 *	config_key.c	which names, keys and blocks may stand where
 *	config_nearest.c	what a misspelt word was meant to be
 *
 * What becomes of it is in config_build.h.
 */
#ifndef VRNGD_CONFIG_TREE_H
#define VRNGD_CONFIG_TREE_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parent/config/config.h"

#define CONFIG_FILE_MAX	   (UINT32_C(1) << 24) /* bytes */
#define CONFIG_FILES_MAX   4096		       /* with all includes */
#define CONFIG_INCLUDE_MAX 8		       /* files within files */
#define CONFIG_NESTING_MAX 32		       /* blocks within blocks */

#define CONFIG_POOL_DEFAULT "default" /* of those who name none */

struct config_place {
	const struct config_file *file;
	int line;
};

struct config_file {
	TAILQ_ENTRY(config_file) entry;
	const char *path;
	struct config_place from; /* the include; the first has none */
	uint32_t order;		  /* of opening */
	dev_t dev;
	ino_t ino;
};

/* A bit each, so that a key can belong to several. */
enum config_kind {
	CONFIG_IGNORED = 0, /* braces that belong to nothing known */
	CONFIG_TOP = 1 << 0,
	CONFIG_POOL = 1 << 1,
	CONFIG_SOURCE = 1 << 2,
	CONFIG_CLASS = 1 << 3,
	CONFIG_GUEST = 1 << 4,
	CONFIG_EGD = 1 << 5,
	CONFIG_STREAM = 1 << 6,
	CONFIG_OUTLETS = CONFIG_EGD | CONFIG_STREAM,
	CONFIG_LEAVES = CONFIG_GUEST | CONFIG_OUTLETS,
	CONFIG_CHILDREN = CONFIG_CLASS | CONFIG_LEAVES,
	CONFIG_SHARES = CONFIG_POOL | CONFIG_CHILDREN,
	CONFIG_POLLED = CONFIG_POOL | CONFIG_CLASS | CONFIG_GUEST,
	CONFIG_ANY = CONFIG_SHARES | CONFIG_SOURCE,
};

enum config_key {
	KEY_RATE,
	KEY_CEIL,
	KEY_BURST,
	KEY_WEIGHT,
	KEY_PRIORITY,
	KEY_TYPE,
	KEY_PATH,
	KEY_REPLAY,
	KEY_PRESET,
	KEY_SPEED,
	KEY_INIT,
	KEY_VENDOR,
	KEY_PRODUCT,
	KEY_SERIAL,
	KEY_INSTRUCTION,
	KEY_UNIX,
	KEY_TCP,
	KEY_UDP,
	KEY_PORT,
	KEY_CONNECT,
	KEY_LOCAL_PORT,
	KEY_LISTEN,
	KEY_NOISE,
	KEY_MIN_ENTROPY,
	KEY_SAMPLE_BITS,
	KEY_ALPHA,
	KEY_TIMEOUT,
	KEY_COMBINE,
	KEY_MIN_SOURCES,
	KEY_STOCK,
	KEY_ACCEPT_WRITES,
	KEY_DELIVERY,
	KEY_RESEED_BYTES,
	KEY_RESEED_INTERVAL,
	KEY_PREDICTION_RESISTANCE,
	KEY_POLL_US,
	KEY_POLL_SHARE,
	KEY_SOCKET,
	KEY_EGD,
	KEY_POOL,
	KEY_CLASS,
	KEY_OWNER,
	KEY_GROUP,
	KEY_MODE,
	KEY_MAX_BYTES,
	KEY_PERIOD,
	KEY_MAX_CLIENTS,
	KEY_IDLE_TIMEOUT,
	KEY_ALLOW,
	KEY_STATISTICS,
	KEYS
};

/* A word of a file, or the text of a string, which may have NUL bytes in it. */
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
	const char *key;
	const char *value; /* text, but for KEY_INIT; the first of a list */
	size_t len;	   /* of the value */
	bool is_list;	   /* in braces; these may be empty, value is "" then */
	struct config_items items; /* all values */
	struct config_place place;
};

TAILQ_HEAD(config_blocks, config_block);

struct config_block {
	TAILQ_ENTRY(config_block) entry;
	TAILQ_ENTRY(config_block) all; /* in the reader's list */
	enum config_kind kind;
	uint32_t order;	   /* of opening */
	const char *name;  /* never NULL */
	const char *title; /* kind and name, for messages */
	struct config_place place;
	struct config_block *within; /* the braces around it */
	struct config_blocks blocks;
	TAILQ_HEAD(, config_setting) settings;
	const struct config_setting *set[KEYS]; /* the good ones */
	bool damaged;  /* something in it is lost or not known */
	bool unclosed; /* its end is missing */

	/* What becomes of it: one of these, its share, delivery, polling. */
	struct config_pool *pool;
	struct config_source *source;
	struct config_class *class;
	struct config_guest *guest;
	struct config_outlet *outlet;
	struct alloc_share *share;
	struct proto_delivery *delivery;
	struct config_polling *polling;
	struct config_block *parent; /* whose share it has part in */
	uint64_t guaranteed;	     /* the sum of its children's rates */
};

struct config_mistake {
	TAILQ_ENTRY(config_mistake) entry;
	struct config_place place;
	size_t order; /* of being found */
	const char *text;
};

struct config_memory {
	struct config_memory *next;
	max_align_t data[];
};

struct config_reader {
	struct config_memory *memory;
	struct config_block *top;
	struct config_blocks all;
	TAILQ_HEAD(, config_mistake) mistakes;
	TAILQ_HEAD(, config_file) files; /* that could be read */
	const struct config_file *main;
	uint32_t nfiles;
	uint32_t nblocks;
	size_t nmistakes;
	struct config *config;
};

struct config_token {
	int type;
	int line;
	const char *text;
};

/* One file's text on its way into the tree. */
struct config_parse {
	struct config_reader *reader;
	const struct config_file *file;
	struct config_block *block; /* the innermost open one */
	int depth;		    /* of braces */
	int skip_line;		    /* whose rest is not understood */
	int error_line;		    /* one syntax error a line is told */
	bool lost_brace;	    /* the count of braces is not right */
	struct config_items items;  /* of the setting being read */
	int list_line;		    /* where the open list begins, */
	int list_depth;		    /* the braces that it is within, */
	bool list_lost;		    /* and whether it is none after all */
	int single_line; /* of the last value of what might have been a list */
	struct config_token last;   /* the newest, */
	struct config_token before; /* and the one before it */
	uint64_t tokens;	    /* so far, */
	uint64_t failed;	    /* and at the last error */
};

/* config_tree.c: zeroed memory, and a printf() into it. */
void *config_alloc(struct config_reader *, size_t);
char *config_text(struct config_reader *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Text fit for a message: of bounded length. */
const char *config_shown(struct config_reader *, const char *text);

void config_mistake(struct config_reader *, struct config_place,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same about a block, whose title, if it has one, comes first. */
void config_block_mistake(struct config_reader *, const struct config_block *,
    struct config_place, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* "line 3", or "FILE:3" seen from another file. */
const char *config_place_text(struct config_reader *, struct config_place,
    struct config_place from);

void config_tree_init(struct config_reader *);
void config_tree_free(struct config_reader *);

/* Tells the mistakes, in the order of files and lines. */
void config_tell(struct config_reader *, config_report *, void *arg);

/* A block opens, with NULL as keyword an ignored one; the last one closes. */
void config_block_open(struct config_parse *, const char *keyword,
    const char *name, int line);
void config_block_close(struct config_parse *);

/* A setting, whose values were added before. */
void config_item_add(struct config_parse *, const struct config_word *,
    int line);
void config_setting_add(struct config_parse *, const char *key, bool is_list,
    int line);

/* config_file.c: reads `path`, or what `pattern` says, into the tree. */
void config_file_read(struct config_reader *, const char *path);
void config_file_include(struct config_parse *, const char *pattern, int line);

/* config_scan.l: scans and parses a text. */
void config_scan_text(struct config_parse *, const char *text, size_t len);

/* The kind of block that a word opens, or CONFIG_IGNORED; and its word. */
enum config_kind config_kind_find(const char *word);
const char *config_kind_word(enum config_kind);

/* "", or ": did you mean guest?" for the block meant by `word`. */
const char *config_kind_hint(struct config_reader *, const char *word);

/*
 * config_key.c: looks at names, keys and the places of all blocks, and fills
 * in what each has set.
 */
void config_keys_check(struct config_reader *);
const char *config_key_name(enum config_key);

/* Whether blocks of that kind, or of any of them, have such a key. */
bool config_key_is(enum config_kind, const char *word);

/* Whether a key of that name may have several values. */
bool config_key_has_list(const char *word);

/* "a" or "an", as it goes before the word. */
const char *config_article(const char *word);

/*
 * config_nearest.c: of the candidates tried, the one that `word` was probably
 * meant to be.
 */
struct config_nearest {
	const char *word;
	const char *found; /* NULL: nothing is near */
	size_t distance;
};

void config_nearest_init(struct config_nearest *, const char *word);
void config_nearest_try(struct config_nearest *, const char *candidate);

#endif
