/*
 * The schema of the configuration: each key has a row with its blocks, its
 * values and their location.  Reading, printing, comparing, inheriting and
 * suggestions work on these rows; only rules between keys are code (rules.c,
 * pools.c, services.c).
 *
 * CONTRIBUTING.md describes how to add a key.
 */
#ifndef VRNGD_CONFIG_SCHEMA_H
#define VRNGD_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "parent/config/config.h"

/* A bit each, so that a key can belong to several. */
enum config_kind {
	CONFIG_IGNORED = 0, /* braces of an unknown block */
	CONFIG_TOP = 1 << 0,
	CONFIG_POOL = 1 << 1,
	CONFIG_SOURCE = 1 << 2,
	CONFIG_CLASS = 1 << 3,
	CONFIG_GUEST = 1 << 4,
	CONFIG_EGD = 1 << 5,
	CONFIG_STREAM = 1 << 6,
	CONFIG_SERVICES = CONFIG_EGD | CONFIG_STREAM,
	CONFIG_LEAVES = CONFIG_GUEST | CONFIG_SERVICES,
	CONFIG_CHILDREN = CONFIG_CLASS | CONFIG_LEAVES,
	CONFIG_SHARES = CONFIG_POOL | CONFIG_CHILDREN,
	CONFIG_POLLED = CONFIG_SHARES & ~CONFIG_STREAM,
	CONFIG_ANY = CONFIG_TOP | CONFIG_SHARES | CONFIG_SOURCE,
};

enum config_type {
	TYPE_SIZE,   /* bytes */
	TYPE_RATE,   /* bytes per second */
	TYPE_TIME,   /* ns */
	TYPE_NUMBER, /* with a prefix and a suffix, if the row has them */
	TYPE_OCTAL,
	TYPE_HEX,
	TYPE_BITS, /* 1/1000 bit */
	TYPE_WORD, /* an index into the names of the row */
	TYPE_BOOL,
	TYPE_USER,
	TYPE_GROUP,
	TYPE_TEXT,     /* in an array */
	TYPE_BYTES,    /* init of a proto_source */
	TYPE_PATH,     /* allocated; of up to `max` bytes */
	TYPE_ADDRESS,  /* of a config_socket; the transport is `min` */
	TYPE_NETWORKS, /* of a config_service: several */
	TYPE_PRESET,   /* several keys of a config_source at once */
	TYPE_NAME,     /* of a block, found by rules.c; its kind is `min` */
};

/* Parts that the structs of several kinds of blocks contain. */
enum config_part {
	PART_WHOLE, /* the struct itself */
	PART_SOCKET,
	PART_SHARE,
	PART_DELIVERY,
	PART_POLLING,
	PART_RIGHTS,
	PARTS
};

/* Flags of keys. */
#define KEY_INHERITED (1 << 0) /* inherited from the class or pool */
#define KEY_HIDDEN    (1 << 1) /* not printed with its default */
#define KEY_DEPENDED  (1 << 2) /* other checks depend on it */
#define KEY_PLACE     (1 << 3) /* the address of a service */
#define KEY_ZERO      (1 << 4) /* 0 is allowed, and means none */
#define KEY_OPPOSITE  (1 << 5) /* the inverse of another key's bool */
#define KEY_RATES     (1 << 6) /* a limit per second */
#define KEY_PLAIN     (1 << 7) /* a limit per period */
#define KEY_CLIENTS   (1 << 8) /* of a service with several clients */

struct config_key {
	const char *name;
	unsigned int blocks; /* enum config_kind, several */
	enum config_type type;
	enum config_part part;
	size_t offset, size;	  /* offset of the value in that part */
	uint64_t min, max, value; /* the last is the default */
	const char *const *names; /* of TYPE_WORD and TYPE_PRESET */
	unsigned int flags;
	unsigned int sources; /* bits of proto_source_kind; 0: all */
	/*
	 * It requires this value of this key, in the same block; an inherited
	 * key only in leaves.
	 */
	const char *with;
	uint32_t with_value;
	/* TYPE_NUMBER: prefix and suffix; allowed values and their error. */
	const char *prefix, *suffix;
	const uint32_t *numbers;
	size_t nnumbers;
	const char *wrong;
	const char
	    *initial; /* the default as text, if it is not `value` or none */
};

extern const struct config_key schema_keys[]; /* the last has no name */

/* The key of that name that blocks of the kinds have, or NULL. */
const struct config_key *schema_find(unsigned int kinds, const char *name);

/* Whether a key of that name may have several values. */
bool schema_has_list(const char *name);

/* The blocks: the last two are the top level and ignored blocks. */
struct schema_block {
	const char *word;
	enum config_kind kind;
	unsigned int within; /* kinds of enclosing blocks, */
	const char *place;   /* and the same as text */
	/* Offsets in their structs; 0: no name, or no such part. */
	size_t size, name, parts[PARTS];
};

extern const struct schema_block schema_blocks[];
const struct schema_block *schema_block(enum config_kind);

/* The kind of block that a word opens, or CONFIG_IGNORED. */
enum config_kind schema_kind(const char *word);

/* A part of a block's struct, which must contain it. */
void *schema_part(enum config_kind, void *object, enum config_part);

/*
 * values.c: reads a value into the struct of the setting's block.  Returns
 * NULL, or the error, which follows the value in a message.
 */
struct config_reader;
struct config_setting;
struct config_word;
const char *value_read(const struct config_setting *,
    const struct config_word *);

/* A number as it is written for the key. */
#define VALUE_TEXT_SIZE 64
const char *value_text(const struct config_key *, uint64_t,
    char text[VALUE_TEXT_SIZE]);
const char *value_size_text(uint64_t bytes, char text[VALUE_TEXT_SIZE]);

/*
 * A number with the unit of the configuration, for one with a common unit, such
 * as "1M" for "1 MB"; NULL: it is not known.
 */
const char *value_with_unit(struct config_reader *, const char *text);

/* Reads digits; returns what follows them, or NULL if there are none. */
const char *value_digits(const char *text, int base, uint64_t *);

/* The struct of a block with all defaults, freed with the configuration. */
void *schema_new(enum config_kind, const char *name);
void schema_defaults(enum config_kind, void *object);

/* Copies inherited values from the parent, except those set in the block. */
struct config_block;
void schema_inherit(const struct config_block *);

/* Whether two are equal in the keys with one of the flags, or in all keys. */
bool schema_equal(enum config_kind, const void *a, const void *b,
    unsigned int flags);

/* Whether the key that this one requires, if any, has the required value. */
bool schema_goes(const struct config_key *, enum config_kind,
    const void *object);

#define CONFIG_INDENT 4 /* spaces per level */

/*
 * Prints the keys with their values, one per line; users and groups by name, or
 * by number, which cannot wait for a directory service.
 */
void schema_print(enum config_kind, const void *object, FILE *, int depth,
    bool by_name);

#endif
