#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_tree.h"

#define NEAR_MAX 2 /* letters to change */

static const struct {
	const char *name;
	unsigned int kinds; /* of blocks that have it */
} keys[KEYS] = {
	[KEY_RATE] = { "rate", CONFIG_SHARES },
	[KEY_CEIL] = { "ceil", CONFIG_CLASS | CONFIG_GUEST },
	[KEY_BURST] = { "burst", CONFIG_SHARES },
	[KEY_WEIGHT] = { "weight", CONFIG_CLASS | CONFIG_GUEST },
	[KEY_PRIORITY] = { "priority", CONFIG_CLASS | CONFIG_GUEST },
	[KEY_TYPE] = { "type", CONFIG_SOURCE },
	[KEY_PATH] = { "path", CONFIG_SOURCE },
	[KEY_REPLAY] = { "replay", CONFIG_SOURCE },
	[KEY_PRESET] = { "preset", CONFIG_SOURCE },
	[KEY_SPEED] = { "speed", CONFIG_SOURCE },
	[KEY_INIT] = { "init", CONFIG_SOURCE },
	[KEY_VENDOR] = { "vendor", CONFIG_SOURCE },
	[KEY_PRODUCT] = { "product", CONFIG_SOURCE },
	[KEY_SERIAL] = { "serial", CONFIG_SOURCE },
	[KEY_INSTRUCTION] = { "instruction", CONFIG_SOURCE },
	[KEY_UNIX] = { "unix", CONFIG_SOURCE },
	[KEY_TCP] = { "tcp", CONFIG_SOURCE },
	[KEY_UDP] = { "udp", CONFIG_SOURCE },
	[KEY_PORT] = { "port", CONFIG_SOURCE },
	[KEY_CONNECT] = { "connect", CONFIG_SOURCE },
	[KEY_LISTEN] = { "listen", CONFIG_SOURCE },
	[KEY_NOISE] = { "noise", CONFIG_SOURCE },
	[KEY_MIN_ENTROPY] = { "min-entropy", CONFIG_SOURCE },
	[KEY_SAMPLE_BITS] = { "sample-bits", CONFIG_SOURCE },
	[KEY_ALPHA] = { "alpha", CONFIG_SOURCE },
	[KEY_TIMEOUT] = { "timeout", CONFIG_SOURCE },
	[KEY_COMBINE] = { "combine", CONFIG_POOL },
	[KEY_MIN_SOURCES] = { "min-sources", CONFIG_POOL },
	[KEY_STOCK] = { "stock", CONFIG_POOL },
	[KEY_DELIVERY] = { "delivery", CONFIG_SHARES },
	[KEY_RESEED_BYTES] = { "reseed-bytes", CONFIG_SHARES },
	[KEY_RESEED_INTERVAL] = { "reseed-interval", CONFIG_SHARES },
	[KEY_PREDICTION_RESISTANCE] = { "prediction-resistance",
	    CONFIG_SHARES },
	[KEY_SOCKET] = { "socket", CONFIG_GUEST },
	[KEY_POOL] = { "pool", CONFIG_GUEST },
	[KEY_CLASS] = { "class", CONFIG_GUEST },
	[KEY_OWNER] = { "owner", CONFIG_GUEST },
	[KEY_GROUP] = { "group", CONFIG_GUEST },
	[KEY_MODE] = { "mode", CONFIG_GUEST },
	[KEY_MAX_BYTES] = { "max-bytes", CONFIG_GUEST },
	[KEY_PERIOD] = { "period", CONFIG_GUEST },
};

static const struct {
	const char *word;
	enum config_kind kind;
	unsigned int within; /* kinds of blocks */
	const char *place;
} kinds[] = {
	{ "pool", CONFIG_POOL, CONFIG_TOP, "at the top level" },
	{ "source", CONFIG_SOURCE, CONFIG_POOL, "in a pool" },
	{ "class", CONFIG_CLASS, CONFIG_POOL | CONFIG_CLASS,
	    "in a pool or in another class" },
	{ "guest", CONFIG_GUEST, CONFIG_TOP,
	    "at the top level, with class = NAME" },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *
config_key_name(enum config_key key)
{
	return keys[key].name;
}

enum config_kind
config_kind_find(const char *word)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(word, kinds[i].word) == 0)
			return kinds[i].kind;
	return CONFIG_IGNORED;
}

const char *
config_kind_word(enum config_kind kind)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].kind == kind)
			return kinds[i].word;
	return "block";
}

/* How many letters must be changed, added or removed to get from a to b. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[CONFIG_NAME_SIZE], before, saved, best;
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		before = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			saved = row[j + 1];
			best = before + (a[i] != b[j]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (saved + 1 < best)
				best = saved + 1;
			row[j + 1] = best;
			before = saved;
		}
	}
	return row[n];
}

void
config_nearest_init(struct config_nearest *nearest, const char *word)
{
	size_t len = strnlen(word, CONFIG_NAME_SIZE);

	*nearest = (struct config_nearest){
		.word = len < CONFIG_NAME_SIZE ? word : "",
		/* Of a short word, not all letters may be wrong. */
		.distance = len / 2 < NEAR_MAX ? len / 2 + 1 : NEAR_MAX + 1,
	};
}

void
config_nearest_try(struct config_nearest *nearest, const char *candidate)
{
	size_t d;

	if (strnlen(candidate, CONFIG_NAME_SIZE) == CONFIG_NAME_SIZE)
		return;
	d = distance(nearest->word, candidate);
	if (d < nearest->distance) {
		nearest->distance = d;
		nearest->found = candidate;
	}
}

const char *
config_kind_hint(struct config_reader *r, const char *word)
{
	struct config_nearest nearest;

	config_nearest_init(&nearest, word);
	for (size_t i = 0; i < KEYS; i++)
		config_nearest_try(&nearest, keys[i].name);
	for (size_t i = 0; i < KINDS; i++)
		config_nearest_try(&nearest, kinds[i].word);
	if (nearest.found == NULL ||
	    config_kind_find(nearest.found) == CONFIG_IGNORED)
		return "";
	return config_text(r, ": did you mean %s?", nearest.found);
}

/* "pool, class or guest": the blocks that have the key. */
static const char *
owners_of(struct config_reader *r, enum config_key key)
{
	const char *list = "", *separator;
	unsigned int left = keys[key].kinds;

	for (size_t i = 0; i < KINDS; i++) {
		if ((left & kinds[i].kind) == 0)
			continue;
		left &= ~(unsigned int)kinds[i].kind;
		separator = list[0] == '\0' ? "" : left == 0 ? " or " : ", ";
		list = config_text(r, "%s%s%s", list, separator, kinds[i].word);
	}
	return list;
}

/* A key that the block does not have. */
static void
unknown_key(struct config_reader *r, struct config_block *block,
    const struct config_setting *s)
{
	struct config_nearest nearest;
	const char *shown = config_shown(r, s->key);

	block->damaged = true;
	if (config_kind_find(s->key) != CONFIG_IGNORED) {
		config_block_mistake(r, block, s->place,
		    "%s is a block here: write %s \"%s\" { ... }", s->key,
		    s->key, config_shown(r, s->value));
		return;
	}
	config_nearest_init(&nearest, s->key);
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].kinds & block->kind)
			config_nearest_try(&nearest, keys[i].name);
	if (nearest.found != NULL)
		config_block_mistake(r, block, s->place,
		    "unknown key \"%s\": did you mean %s?", shown,
		    nearest.found);
	else
		config_block_mistake(r, block, s->place,
		    "unknown key \"%s\": see vrngd.conf(5) for those that a "
		    "%s has",
		    shown, config_kind_word(block->kind));
}

/* A key at the top level, known or not. */
static void
key_outside(struct config_reader *r, struct config_block *top,
    const struct config_setting *s, enum config_key key)
{
	top->damaged = true;
	if (config_kind_find(s->key) != CONFIG_IGNORED)
		config_mistake(r, s->place,
		    "%s is a block here: write %s \"%s\" { ... }", s->key,
		    s->key, config_shown(r, s->value));
	else
		config_mistake(r, s->place,
		    "\"%s\" stands outside of any block: move it into %s",
		    config_shown(r, s->key),
		    key < KEYS ? owners_of(r, key) : "the one it is for");
}

static void
check_key(struct config_reader *r, struct config_block *block,
    const struct config_setting *s)
{
	enum config_key key = 0;
	const struct config_setting *other;

	while (key < KEYS && strcmp(s->key, keys[key].name) != 0)
		key++;
	if (block->kind == CONFIG_TOP)
		key_outside(r, block, s, key);
	else if (key == KEYS ||
	    ((keys[key].kinds & block->kind) == 0 &&
		config_kind_find(s->key) != CONFIG_IGNORED)) {
		unknown_key(r, block, s);
	} else if ((keys[key].kinds & block->kind) == 0) {
		block->damaged = true;
		config_block_mistake(r, block, s->place,
		    "a %s has no %s: that goes in a %s",
		    config_kind_word(block->kind), s->key, owners_of(r, key));
	} else if ((other = block->set[key]) != NULL) {
		config_block_mistake(r, block, s->place,
		    "%s is given twice, first in %s: remove one", s->key,
		    config_place_text(r, other->place, s->place));
	} else if (key != KEY_INIT && strlen(s->value) != s->len) {
		config_block_mistake(r, block, s->place,
		    "%s has a NUL byte in it: remove \\x00", s->key);
		block->damaged = true;
	} else
		block->set[key] = s;
}

static bool
is_name_character(unsigned char c)
{
	return (c < 0x80 && isalnum(c)) || c == '.' || c == '_' || c == '-';
}

static void
check_name(struct config_reader *r, struct config_block *block)
{
	const char *c = block->name;
	const char *word = config_kind_word(block->kind);

	if (*c == '\0') {
		config_mistake(r, block->place,
		    "%s needs a name: write %s \"NAME\" {", word, word);
		return;
	}
	if (strnlen(c, CONFIG_NAME_SIZE) == CONFIG_NAME_SIZE) {
		config_block_mistake(r, block, block->place,
		    "the name is longer than %d bytes: shorten it",
		    CONFIG_NAME_SIZE - 1);
		return;
	}
	while (is_name_character((unsigned char)*c))
		c++;
	if (*c != '\0')
		config_block_mistake(r, block, block->place,
		    "a name is made of letters, digits, . _ and - only");
}

/* Whether the block may stand where it does. */
static void
check_place(struct config_reader *r, struct config_block *block)
{
	const struct config_block *within = block->within;
	size_t i = 0;

	while (kinds[i].kind != block->kind)
		i++;
	if ((kinds[i].within & within->kind) != 0 || within->unclosed ||
	    within->kind == CONFIG_IGNORED)
		return;
	config_block_mistake(r, block, block->place, "a %s stands %s, not %s%s",
	    kinds[i].word, kinds[i].place,
	    within->kind == CONFIG_TOP ? "at the top level" : "in ",
	    within->kind == CONFIG_TOP ? "" : within->title);
}

void
config_keys_check(struct config_reader *r)
{
	const struct config_setting *s;
	struct config_block *block;

	TAILQ_FOREACH(block, &r->all, all) {
		if (block->kind == CONFIG_IGNORED)
			continue;
		if (block->kind != CONFIG_TOP) {
			check_place(r, block);
			check_name(r, block);
		}
		TAILQ_FOREACH(s, &block->settings, entry)
			check_key(r, block, s);
	}
}
