#include <string.h>

#include "common/names.h"
#include "parent/config/config_tree.h"

static const struct {
	const char *name;
	unsigned int kinds; /* of blocks that have it */
} keys[KEYS] = {
	[KEY_RATE] = { "rate", CONFIG_SHARES },
	[KEY_CEIL] = { "ceil", CONFIG_CHILDREN },
	[KEY_BURST] = { "burst", CONFIG_SHARES },
	[KEY_WEIGHT] = { "weight", CONFIG_CHILDREN },
	[KEY_PRIORITY] = { "priority", CONFIG_CHILDREN },
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
	[KEY_UNIX] = { "unix", CONFIG_SOURCE | CONFIG_OUTLETS },
	[KEY_TCP] = { "tcp", CONFIG_SOURCE | CONFIG_OUTLETS },
	[KEY_UDP] = { "udp", CONFIG_SOURCE | CONFIG_STREAM },
	[KEY_PORT] = { "port", CONFIG_SOURCE | CONFIG_OUTLETS },
	[KEY_LOCAL_PORT] = { "local-port", CONFIG_STREAM },
	[KEY_CONNECT] = { "connect", CONFIG_SOURCE | CONFIG_STREAM },
	[KEY_LISTEN] = { "listen", CONFIG_SOURCE },
	[KEY_NOISE] = { "noise", CONFIG_SOURCE },
	[KEY_MIN_ENTROPY] = { "min-entropy", CONFIG_SOURCE },
	[KEY_SAMPLE_BITS] = { "sample-bits", CONFIG_SOURCE },
	[KEY_ALPHA] = { "alpha", CONFIG_SOURCE },
	[KEY_TIMEOUT] = { "timeout", CONFIG_SOURCE },
	[KEY_COMBINE] = { "combine", CONFIG_POOL },
	[KEY_MIN_SOURCES] = { "min-sources", CONFIG_POOL },
	[KEY_STOCK] = { "stock", CONFIG_POOL },
	[KEY_ACCEPT_WRITES] = { "accept-writes", CONFIG_POOL },
	[KEY_DELIVERY] = { "delivery", CONFIG_SHARES },
	[KEY_RESEED_BYTES] = { "reseed-bytes", CONFIG_SHARES },
	[KEY_RESEED_INTERVAL] = { "reseed-interval", CONFIG_SHARES },
	[KEY_PREDICTION_RESISTANCE] = { "prediction-resistance",
	    CONFIG_SHARES },
	[KEY_POLL_US] = { "poll-us", CONFIG_POLLED },
	[KEY_POLL_SHARE] = { "poll-share", CONFIG_POLLED },
	[KEY_SOCKET] = { "socket", CONFIG_GUEST },
	[KEY_EGD] = { "egd", CONFIG_GUEST },
	[KEY_POOL] = { "pool", CONFIG_LEAVES },
	[KEY_CLASS] = { "class", CONFIG_LEAVES },
	[KEY_OWNER] = { "owner", CONFIG_LEAVES },
	[KEY_GROUP] = { "group", CONFIG_LEAVES },
	[KEY_MODE] = { "mode", CONFIG_LEAVES },
	[KEY_MAX_BYTES] = { "max-bytes", CONFIG_LEAVES },
	[KEY_PERIOD] = { "period", CONFIG_LEAVES },
	[KEY_MAX_CLIENTS] = { "max-clients", CONFIG_OUTLETS },
	[KEY_IDLE_TIMEOUT] = { "idle-timeout", CONFIG_OUTLETS },
	[KEY_ALLOW] = { "allow", CONFIG_OUTLETS },
	[KEY_STATISTICS] = { "statistics", CONFIG_TOP },
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
	{ "egd", CONFIG_EGD, CONFIG_TOP,
	    "at the top level, with class = NAME" },
	{ "stream", CONFIG_STREAM, CONFIG_TOP,
	    "at the top level, with class = NAME" },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *
config_key_name(enum config_key key)
{
	return keys[key].name;
}

/* The key of that name, or KEYS. */
static enum config_key
find_key(const char *word)
{
	enum config_key key = 0;

	while (key < KEYS && strcmp(word, keys[key].name) != 0)
		key++;
	return key;
}

bool
config_key_is(enum config_kind kind, const char *word)
{
	enum config_key key = find_key(word);

	return key < KEYS && (keys[key].kinds & kind) != 0;
}

bool
config_key_has_list(const char *word)
{
	return find_key(word) == KEY_ALLOW;
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

const char *
config_article(const char *word)
{
	return strchr("aeiou", word[0]) != NULL ? "an" : "a";
}

/* A word that opens blocks is used as a key. */
static void
block_as_key(struct config_reader *r, struct config_block *block,
    const struct config_setting *s)
{
	const char *value = config_shown(r, s->value), *text;

	/* Where the service is, in place of its name. */
	if ((config_kind_find(s->key) & CONFIG_OUTLETS) && value[0] == '/')
		text = config_text(r,
		    "%s is a block here: write %s \"NAME\" { unix = \"%s\" }",
		    s->key, s->key, value);
	else
		text = config_text(r,
		    "%s is a block here: write %s \"%s\" { ... }", s->key,
		    s->key, value);
	if (block->kind == CONFIG_TOP)
		config_mistake(r, s->place, "%s", text);
	else
		config_block_mistake(r, block, s->place, "%s", text);
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
		block_as_key(r, block, s);
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
		    "unknown key \"%s\": see vrngd.conf(5) for those that %s "
		    "%s has",
		    shown, config_article(config_kind_word(block->kind)),
		    config_kind_word(block->kind));
}

/* A key at the top level that has no place there, known or not. */
static void
key_outside(struct config_reader *r, struct config_block *top,
    const struct config_setting *s, enum config_key key)
{
	struct config_nearest nearest;

	config_nearest_init(&nearest, s->key);
	config_nearest_try(&nearest, keys[KEY_STATISTICS].name);
	top->damaged = true;
	if (config_kind_find(s->key) != CONFIG_IGNORED)
		block_as_key(r, top, s);
	else if (nearest.found != NULL)
		config_mistake(r, s->place,
		    "unknown key \"%s\": did you mean %s?",
		    config_shown(r, s->key), nearest.found);
	else
		config_mistake(r, s->place,
		    "\"%s\" stands outside of any block: move it into %s",
		    config_shown(r, s->key),
		    key < KEYS ? owners_of(r, key) : "the one it is for");
}

/* A known key that stands in a block of another kind. */
static void
misplaced_key(struct config_reader *r, struct config_block *block,
    const struct config_setting *s, enum config_key key)
{
	const char *word = config_kind_word(block->kind);
	const char *owners = owners_of(r, key);

	block->damaged = true;
	if (key == KEY_SOCKET && (block->kind & CONFIG_OUTLETS))
		config_block_mistake(r, block, s->place,
		    "%s %s has no socket: write unix = \"%s\"",
		    config_article(word), word, config_shown(r, s->value));
	else if (keys[key].kinds == CONFIG_TOP)
		config_block_mistake(r, block, s->place,
		    "%s %s has no %s: that stands outside of all blocks",
		    config_article(word), word, s->key);
	else
		config_block_mistake(r, block, s->place,
		    "%s %s has no %s: that goes in %s %s", config_article(word),
		    word, s->key, config_article(owners), owners);
}

/* Whether the setting has what can be a value of the key. */
static bool
check_form(struct config_reader *r, struct config_block *block,
    const struct config_setting *s, enum config_key key)
{
	const struct config_item *item;

	if (s->is_list && !config_key_has_list(s->key)) {
		config_block_mistake(r, block, s->place,
		    "%s has one value, not a list: remove the { and the }",
		    s->key);
		return false;
	}
	TAILQ_FOREACH(item, &s->items, entry)
		if (key != KEY_INIT &&
		    strlen(item->word.text) != item->word.len) {
			config_block_mistake(r, block, item->place,
			    "%s has a NUL byte in it: remove \\x00", s->key);
			return false;
		}
	return true;
}

static void
check_key(struct config_reader *r, struct config_block *block,
    const struct config_setting *s)
{
	enum config_key key = find_key(s->key);
	const struct config_setting *other;

	if (block->kind == CONFIG_TOP &&
	    (key == KEYS || (keys[key].kinds & CONFIG_TOP) == 0))
		key_outside(r, block, s, key);
	else if (key == KEYS ||
	    ((keys[key].kinds & block->kind) == 0 &&
		config_kind_find(s->key) != CONFIG_IGNORED)) {
		unknown_key(r, block, s);
	} else if ((keys[key].kinds & block->kind) == 0) {
		misplaced_key(r, block, s, key);
	} else if ((other = block->set[key]) != NULL) {
		config_block_mistake(r, block, s->place,
		    "%s is given twice, first in %s: remove one", s->key,
		    config_place_text(r, other->place, s->place));
	} else if (check_form(r, block, s, key))
		block->set[key] = s;
	else
		block->damaged = true;
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
	if (!names_valid(c))
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
	config_block_mistake(r, block, block->place,
	    "%s %s stands %s, not %s%s", config_article(kinds[i].word),
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
