/*
 * The configuration while it is read: the blocks with their structs, the places
 * of their settings, and the errors found so far.  All but the structs lives
 * until the reader ends.
 *
 *	files.c			opens files and what they include
 *	scan.l, parse.y		text to blocks and settings
 *	reader.c		memory, errors, what a misspelt word means
 *	schema.c, values.c	keys and their values
 *	fill.c			blocks and settings, into their structs
 *	build.c			the structs, to struct config
 *	rules.c			what ties keys together
 *	pools.c, services.c	and what is special to pools, and to leaves
 *	sources.c, network.c	what is read, and where sockets are
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

#define CONFIG_POOL_DEFAULT "default" /* of those who name none */
#define CONFIG_PASSED	    "systemd" /* in place of a path or address */

struct config_place {
	const struct config_file *file;
	int line;
};

struct config_file {
	TAILQ_ENTRY(config_file) entry;
	const char *path;
	struct config_place from; /* the include; the first has none */
	uint32_t order, depth;	  /* of opening; of files around it */
	dev_t dev;
	ino_t ino;
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
	struct config_block *block;
	const char *name;
	const struct config_key *key;
	const char *value; /* text of the first, "" if none, */
	const char *shown; /* and as it is fit for a message */
	bool bad;	   /* the value */
	struct config_place place;
};

struct config_block {
	struct config_reader *reader;
	TAILQ_ENTRY(config_block) entry;
	enum config_kind kind;
	const char *name;  /* never NULL */
	const char *title; /* kind and name, for messages */
	struct config_place place;
	struct config_block *within;	       /* the braces around it */
	TAILQ_HEAD(, config_setting) settings; /* that are good here */
	bool damaged;  /* something in it is lost or not known */
	bool unclosed; /* its end is missing */
	bool wrong;    /* a source that is not what it seems */

	void *object;		     /* its struct, or NULL */
	struct config_block *parent; /* whose share it has part in */
	uint64_t guaranteed;	     /* the sum of its children's rates */
	const struct config_setting *where; /* its unix, tcp or udp */
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
	TAILQ_HEAD(config_errors, config_error) errors;
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

/* One file's text on its way into blocks. */
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
};

/* reader.c: zeroed memory, and a printf() into it. */
void *config_alloc(struct config_reader *, size_t);
char *config_text(struct config_reader *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* For what malloc(3) and others return: ends the process if that is NULL. */
void *config_must(void *);

/* Text fit for a message: of bounded length. */
const char *config_shown(struct config_reader *, const char *text);

/* Adds an error there, about the block, if it is not NULL. */
void config_error_add(struct config_reader *, const struct config_block *,
    struct config_place, char *text);
#define config_error(r, block, place, ...) \
	config_error_add(r, block, place, config_text(r, __VA_ARGS__))

/* The same about a block, or one of its settings, where that stands. */
#define block_error(block, ...) \
	config_error((block)->reader, block, (block)->place, __VA_ARGS__)
#define setting_error(s, ...) \
	config_error((s)->block->reader, (s)->block, (s)->place, __VA_ARGS__)

/* An error in what is being parsed, the first of its line. */
bool config_syntax_damaged(struct config_parse *, int line);
#define config_syntax_error(p, at, ...) \
	do { \
		if (config_syntax_damaged(p, at)) \
			config_error((p)->reader, NULL, \
			    ((struct config_place){ (p)->file, at }), \
			    __VA_ARGS__); \
	} while (0)

/* "line 3", or "FILE:3" seen from another file. */
const char *config_place_text(struct config_reader *, struct config_place,
    struct config_place from);

/* "first, second or third": those names that have a bit set. */
const char *config_alternatives(struct config_reader *,
    const char *const names[], unsigned int which);

/* "a" or "an", as it goes before the word. */
const char *config_article(const char *word);

void config_reader_init(struct config_reader *);
void config_reader_free(struct config_reader *);

struct config_block *config_block_new(struct config_reader *, enum config_kind,
    const char *name);

/* The setting of that name that the block has, or NULL. */
struct config_setting *setting_of(const struct config_block *,
    const char *name);

/*
 * Takes the candidate for what `word` was probably meant to be, if it is nearer
 * to that than `*found`, which is NULL at first.
 */
void config_near(const char *word, const char *candidate, const char **found);

/*
 * The key of that kind of block that a word was probably meant to be; for
 * CONFIG_IGNORED, any key or word that opens blocks.  Or NULL.
 */
const char *config_nearest_key(const char *word, enum config_kind);

/*
 * Whether a text is the first of its like; otherwise returns what had it
 * before.
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
 * fill.c: a block opens, with NULL as keyword an ignored one; or is none after
 * all.
 */
void config_block_open(struct config_parse *, const char *keyword,
    const char *name, int line);
void config_block_drop(struct config_parse *);

/* A value of the setting that is being read; and that setting. */
void config_item_add(struct config_parse *, struct config_word, int line);
void config_setting_add(struct config_parse *, const char *name, bool is_list,
    int line);

/* files.c: reads the file at `path`, or those that an include there means. */
void config_file_read(struct config_reader *, const char *path,
    struct config_place from);
void config_file_include(struct config_parse *, const char *pattern, int line);

/* scan.l: scans and parses a text. */
void config_scan_text(struct config_parse *, const char *text, size_t len);

/*
 * rules.c: where a block stands, and its name.  Of pools, classes, guests and
 * services, parents first: the pool and class of a leaf; the share; what goes
 * with what; then whether a parent can guarantee what its children are.
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

/* One address is enough; and a port is for tcp and udp. */
void rules_port(const struct config_block *);

/* pools.c: a source, and then its pool. */
void rules_source(struct config_block *);
void rules_pool(struct config_block *);

/* services.c: guests and services; and whether one listens alone at a place. */
void rules_guest(struct config_block *);
void rules_service(struct config_block *);
void rules_listener(const struct config_block *);

#endif
