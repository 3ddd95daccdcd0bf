/*
 * The configuration while it is read: the files as a tree of blocks and
 * settings, each with its place, before anything is known to make sense.
 * All of it lives until the reader ends.
 *
 *	config_file.c	opens files and what they include
 *	config_scan.l, config_parse.y	text to blocks
 *	config_tree.c	the tree, memory, mistakes
 *	config_key.c	which names, keys and blocks may stand where
 *	config_value.c	numbers, sizes, times, choices
 *	config_host.c	what the host knows: paths, addresses, users
 *	config_share.c	rates, their defaults and checks
 *	config_delivery.c	how guests are served
 *	config_source.c	one source
 *	config_noise.c	what it is tested for
 *	config_sources.c	a pool's sources together
 *	config_device.c	what a source is read from
 *	config_unique.c	names and sockets that must differ
 *	config.c	blocks to struct config
 */
#ifndef VRNGD_CONFIG_TREE_H
#define VRNGD_CONFIG_TREE_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define CONFIG_FILE_MAX	   (UINT32_C(1) << 24) /* bytes */
#define CONFIG_FILES_MAX   4096		       /* with all includes */
#define CONFIG_INCLUDE_MAX 8		       /* files within files */
#define CONFIG_NESTING_MAX 32		       /* blocks within blocks */

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
	CONFIG_SHARES = CONFIG_POOL | CONFIG_CLASS | CONFIG_GUEST,
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
	KEY_LISTEN,
	KEY_NOISE,
	KEY_MIN_ENTROPY,
	KEY_SAMPLE_BITS,
	KEY_ALPHA,
	KEY_TIMEOUT,
	KEY_COMBINE,
	KEY_MIN_SOURCES,
	KEY_STOCK,
	KEY_DELIVERY,
	KEY_RESEED_BYTES,
	KEY_RESEED_INTERVAL,
	KEY_PREDICTION_RESISTANCE,
	KEY_SOCKET,
	KEY_POOL,
	KEY_CLASS,
	KEY_OWNER,
	KEY_GROUP,
	KEY_MODE,
	KEY_MAX_BYTES,
	KEY_PERIOD,
	KEYS
};

/* A word of a file, or the text of a string, which may have NUL bytes in it. */
struct config_word {
	const char *text; /* followed by a NUL */
	size_t len;
};

struct config_setting {
	TAILQ_ENTRY(config_setting) entry;
	const char *key;
	const char *value; /* text, but for KEY_INIT */
	size_t len;	   /* of the value */
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

	/* What becomes of it: one of these, its share and its delivery. */
	struct config_pool *pool;
	struct config_source *source;
	struct config_class *class;
	struct config_guest *guest;
	struct alloc_share *share;
	struct proto_delivery *delivery;
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
	struct config_token last;   /* the newest, */
	struct config_token before; /* and the one before it */
};

/* config_tree.c: zeroed memory, and a printf() into it. */
void *config_alloc(struct config_reader *, size_t);
char *config_text(struct config_reader *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Text fit for a message: of bounded length. */
const char *config_shown(struct config_reader *, const char *text);

void config_mistake(struct config_reader *, struct config_place,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same about a block, whose title comes first. */
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
void config_setting_add(struct config_parse *, const char *key,
    const struct config_word *value, int line);

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

/* Of the candidates tried, the one that `word` was probably meant to be. */
struct config_nearest {
	const char *word;
	const char *found; /* NULL: nothing is near */
	size_t distance;
};

void config_nearest_init(struct config_nearest *, const char *word);
void config_nearest_try(struct config_nearest *, const char *candidate);

/*
 * config_value.c: the value of a key, if it is set and good.  A bad one is
 * told, and damages the block if more than itself depends on it.
 */
void config_value_bad(struct config_reader *, struct config_block *,
    enum config_key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool config_value_size(struct config_reader *, struct config_block *,
    enum config_key, uint64_t min, uint64_t max, uint64_t *);
bool config_value_number(struct config_reader *, struct config_block *,
    enum config_key, uint32_t min, uint32_t max, uint32_t *);
bool config_value_time(struct config_reader *, struct config_block *,
    enum config_key, uint64_t min, uint64_t max, uint64_t *ns);
bool config_value_bool(struct config_reader *, struct config_block *,
    enum config_key, bool *);

/* The number of the word, of those that the key may have. */
struct config_choice {
	const char *const *words;
	uint32_t n;
};

bool config_value_choice(struct config_reader *, struct config_block *,
    enum config_key, const struct config_choice *, uint32_t *);

/* "first or xor", of those with a bit set in `which`. */
const char *config_choice_list(struct config_reader *,
    const struct config_choice *, uint64_t which);

/*
 * Reads digits.  Returns what follows them, or NULL if there are none.  A
 * number that is too large becomes UINT64_MAX.
 */
const char *config_digits(const char *text, uint64_t *);

/*
 * config_host.c: likewise; paths and addresses are allocated for config_free().
 */
bool config_value_path(struct config_reader *, struct config_block *,
    enum config_key, size_t max, char **);
bool config_value_address(struct config_reader *, struct config_block *,
    enum config_key, char **);
void config_value_owner(struct config_reader *, struct config_block *, uid_t *);
void config_value_group(struct config_reader *, struct config_block *, gid_t *);
void config_value_mode(struct config_reader *, struct config_block *, mode_t *);

/* Whether text has a character in it that would upset a terminal. */
bool config_has_control(const char *text);

/* The longest path of a socket. */
#define CONFIG_SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

#define CONFIG_SIZE_TEXT 24

/* A number of bytes, as short as it can be said exactly. */
const char *config_size_text(char buf[CONFIG_SIZE_TEXT], uint64_t bytes);

/* A time in ns, a whole number of milliseconds, likewise. */
const char *config_time_text(char buf[CONFIG_SIZE_TEXT], uint64_t ns);

/*
 * config_share.c: what a block's rates come to.  Parents go first; the parent
 * may be NULL if it is not known.
 */
void config_share_pool(struct config_reader *, struct config_block *);
void config_share_child(struct config_reader *, struct config_block *);

/* Whether the parent can guarantee what its children are. */
void config_share_sum(struct config_reader *, struct config_block *);

/*
 * config_delivery.c: how a block's guests are served, which comes from its
 * parent, or for a pool from config_pool_defaults(), but for what it says
 * itself.  Parents go first; the parent may be NULL if it is not known.
 */
extern const struct config_choice config_deliveries; /* proto_delivery_mode */
extern const struct proto_delivery config_delivery_default;
void config_delivery(struct config_reader *, struct config_block *);

/*
 * config_source.c: fills in a source as its block says.  Returns whether all
 * of that is good.
 */
extern const struct config_choice config_types;	       /* proto_source_kind */
extern const struct config_choice config_instructions; /* proto_instruction */
bool config_source(struct config_reader *, struct config_block *,
    struct config_source *);

/* config_noise.c: what is known of its samples, and how that is tested. */
extern const struct config_choice config_noises; /* proto_noise */
void config_noise(struct config_reader *, struct config_block *,
    struct proto_source *);

/* config_sources.c: a pool's sources and what is made of them. */
extern const struct config_choice config_combines; /* proto_combine */
void config_sources(struct config_reader *, struct config_block *pool);

/*
 * config_device.c: an empty source with the defaults of any kind; and whether
 * two read the same thing, as far as that can be told without opening it.
 */
struct config_source *config_source_new(void);
bool config_source_same(const struct config_source *,
    const struct config_source *);

/* config_unique.c: tells of names and sockets that are there twice. */
void config_unique_check(struct config_reader *);

/* Memory that config_free() frees, zeroed; a copy of a string in it. */
void *config_new(size_t);
char *config_strdup(const char *);

#endif
