/*
 * Blocks and settings against the schema: names, places, keys that do not
 * exist or do not belong here, and then values.  Used by build.c.
 */
#include <string.h>

#include "common/names.h"
#include "parent/config/reader.h"

const char *
config_nearest_key(const char *word, enum config_kind kind)
{
	const char *found = NULL, *block;

	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if (kind == CONFIG_IGNORED || (k->blocks & kind) != 0)
			config_near(word, k->name, &found);
	for (size_t i = 0;
	     kind == CONFIG_IGNORED && (block = schema_kinds(i)) != NULL; i++)
		config_near(word, block, &found);
	return found;
}

/* "pool, class or guest": the blocks with a key of that name, or "". */
static const char *
owners_of(struct config_reader *r, const char *name)
{
	const char *words[8] = { NULL };
	unsigned int which = 0;

	for (size_t i = 0; (words[i] = schema_kinds(i)) != NULL; i++)
		if (schema_find(schema_kind(words[i]), name) != NULL)
			which |= 1U << i;
	return config_alternatives(r, words, which);
}

/* A key that the block does not have, though others may. */
static void
wrong_key(const struct config_setting *s)
{
	struct config_reader *r = s->block->reader;
	enum config_kind kind = s->block->kind, opened = schema_kind(s->name);
	const char *word = schema_word(kind), *owners = owners_of(r, s->name);
	const char *near = config_nearest_key(s->name, kind);

	/* A service may have its path in place of its name. */
	if ((opened & CONFIG_SERVICES) && s->shown[0] == '/')
		setting_error(s,
		    "%s is a block here: write %s \"NAME\" { unix = \"%s\" }",
		    s->name, s->name, s->shown);
	else if (opened != CONFIG_IGNORED)
		setting_error(s, "%s is a block here: write %s \"%s\" { ... }",
		    s->name, s->name, s->shown);
	else if (schema_find(CONFIG_ANY, s->name) == NULL)
		setting_error(s, "unknown key \"%s\": %s%s%s",
		    config_shown(r, s->name),
		    near ? "did you mean " : "see vrngd.conf(5)",
		    near ? near : "", near ? "?" : "");
	else if (kind == CONFIG_TOP)
		setting_error(s,
		    "\"%s\" stands outside of any block: move it into %s",
		    s->name, owners);
	else if (owners[0] == '\0')
		setting_error(s,
		    "%s %s has no %s: that stands outside of all blocks",
		    config_article(word), word, s->name);
	else
		setting_error(s, "%s %s has no %s: that goes in %s %s",
		    config_article(word), word, s->name, config_article(owners),
		    owners);
}

/* Whether the setting has what can be a value of the key. */
static bool
check_form(const struct config_setting *s, const struct config_key *key)
{
	const struct config_item *item;

	if (s->is_list && key->type != TYPE_NETWORKS) {
		setting_error(s,
		    "%s has one value, not a list: remove the { and the }",
		    s->name);
		return false;
	}
	TAILQ_FOREACH(item, &s->items, entry)
		if (key->type != TYPE_BYTES &&
		    strlen(item->word.text) != item->word.len) {
			config_error(s->block->reader, s->block, item->place,
			    "%s has a NUL byte in it: remove \\x00", s->name);
			return false;
		}
	return true;
}

static void
check_key(struct config_setting *s)
{
	const struct config_key *key = schema_find(s->block->kind, s->name);
	const struct config_setting *other = setting_of(s->block, s->name);

	if (other != NULL) {
		setting_error(s, "%s is given twice, first in %s: remove one",
		    s->name,
		    config_place_text(s->block->reader, other->place,
			s->place));
		return;
	}
	if (key != NULL && check_form(s, key)) {
		s->key = key;
		return;
	}
	s->block->damaged = true;
	if (key == NULL)
		wrong_key(s);
}

static void
check_name(const struct config_block *block)
{
	const char *word = schema_word(block->kind);
	const struct config_block *scope = block;
	const struct config_taken *first;

	if (block->name[0] == '\0') {
		config_error(block->reader, NULL, block->place,
		    "%s needs a name: write %s \"NAME\" {", word, word);
		return;
	}
	if (strnlen(block->name, CONFIG_NAME_SIZE) == CONFIG_NAME_SIZE)
		block_error(block,
		    "the name is longer than %d bytes: shorten it",
		    CONFIG_NAME_SIZE - 1);
	else if (!names_valid(block->name))
		block_error(block,
		    "a name is made of letters, digits, . _ and - only");
	/* It is unique in its pool, or else among all of its kind. */
	while (scope->within != NULL && scope->kind != CONFIG_POOL)
		scope = scope->within;
	if (block->kind & (CONFIG_POOL | CONFIG_LEAVES))
		scope = NULL;
	first = config_take(block, NULL,
	    config_text(block->reader, "%p %s %s", (const void *)scope, word,
		block->name));
	if (first != NULL)
		config_error(block->reader, NULL, block->place,
		    "there is %s %s already, in %s: give this one another name",
		    config_article(word), block->title,
		    config_place_text(block->reader, first->block->place,
			block->place));
}

/* Whether the block may stand where it does. */
static void
check_place(const struct config_block *block)
{
	const struct config_block *within = block->within;
	const char *word = schema_word(block->kind), *place;

	if (within->unclosed || within->kind == CONFIG_IGNORED)
		return;
	if ((place = schema_misplaced(block->kind, within->kind)) != NULL)
		block_error(block, "%s %s stands %s, not %s%s",
		    config_article(word), word, place,
		    within->kind == CONFIG_TOP ? "at the top level" : "in ",
		    within->kind == CONFIG_TOP ? "" : within->title);
}

void
config_keys_check(struct config_reader *r)
{
	struct config_setting *s;
	struct config_block *block;

	TAILQ_FOREACH(block, &r->all, all) {
		if (block->kind == CONFIG_IGNORED)
			continue;
		if (block->kind != CONFIG_TOP) {
			check_place(block);
			check_name(block);
		}
		TAILQ_FOREACH(s, &block->settings, entry)
			check_key(s);
	}
}

/* Whether the source, as far as its type is known, has the key. */
static bool
is_of_type(const struct config_setting *s)
{
	const struct config_source *source = s->block->object;
	const struct config_setting *type = setting_of(s->block, "type");
	uint32_t kind = source->spec.kind;

	if (s->key->sources == 0 || type == NULL || type->bad ||
	    (s->key->sources & 1U << kind) != 0)
		return true;
	setting_error(s,
	    "a source of type %s has no %s: remove it, or write type = %s",
	    names_source_kind[kind], s->name,
	    config_alternatives(s->block->reader, names_source_kind,
		s->key->sources));
	return false;
}

/* Notes the setting that says where the block's socket is: the first. */
static bool
is_only_address(const struct config_setting *s)
{
	const struct config_setting *first = s->block->where;

	if (first == NULL) {
		s->block->where = s;
		return true;
	}
	setting_error(s, "%s is a second address, after %s in %s: remove one",
	    s->name, first->name,
	    config_place_text(s->block->reader, first->place, s->place));
	return false;
}

/* Whether the socket is one that systemd passes, which only leaves have. */
static bool
is_passed(const struct config_setting *s, void *part)
{
	struct config_guest *guest = part;
	struct config_socket *socket = part;

	if ((s->block->kind & CONFIG_LEAVES) == 0 ||
	    strcmp(s->value, CONFIG_PASSED) != 0)
		return false;
	if (s->key->type == TYPE_SOCKET)
		return guest->passed = true;
	if (s->key->type != TYPE_ADDRESS)
		return false;
	socket->transport = (enum config_transport)s->key->min;
	return socket->passed = true;
}

static void
read_setting(struct config_setting *s)
{
	struct config_block *block = s->block;
	void *part = schema_part(block->kind, block->object, s->key->part);
	const struct config_item *item;
	const char *wrong;

	if ((block->kind == CONFIG_SOURCE && !is_of_type(s)) ||
	    (s->key->type == TYPE_ADDRESS && !is_only_address(s)) ||
	    is_passed(s, part))
		return;
	TAILQ_FOREACH(item, &s->items, entry) {
		wrong = value_read(block->reader, s->key, &item->word, part);
		if (wrong == NULL)
			continue;
		config_error(block->reader, block, item->place, "%s \"%s\" %s",
		    s->name, config_shown(block->reader, item->word.text),
		    wrong);
		s->bad = true;
		if (s->key->flags & KEY_DEPENDED)
			block->damaged = true;
	}
}

void
config_values(struct config_block *block)
{
	const struct config_block *parent = block->parent;
	struct config_setting *s;

	if (parent != NULL)
		schema_inherit(block->kind, block->object, parent->kind,
		    parent->object);
	/* In the order of the table: what kind of source it is goes first. */
	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if ((k->blocks & block->kind) != 0 &&
		    (s = setting_of(block, k->name)) != NULL)
			read_setting(s);
}
