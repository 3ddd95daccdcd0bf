/*
 * Blocks and settings on their way from the grammar into the structs of the
 * configuration: a block's beginning makes its struct, and each value is read
 * into that at once.  Used by the parser.
 */
#include <stdlib.h>
#include <string.h>

#include "parent/config/reader.h"

/*
 * A block outside of what it belongs to has no struct, and its values are not
 * read.  Pools, guests and services have one anywhere, since what they stand in
 * may only lack its end.
 */
void
config_block_open(struct config_parse *p, const char *keyword, const char *name,
    int line)
{
	enum config_kind kind =
	    keyword != NULL ? schema_kind(keyword) : CONFIG_IGNORED;
	struct config_block *within = p->block;

	p->block = config_block_new(p->reader, kind, name);
	p->block->place = (struct config_place){ p->file, line };
	p->block->within = within;
	if ((kind & (CONFIG_POOL | CONFIG_LEAVES)) != 0 ||
	    ((schema_block(kind)->within & within->kind) != 0 &&
		within->object != NULL))
		p->block->object = schema_new(kind, p->block->name);
}

void
config_block_drop(struct config_parse *p)
{
	struct config_block *block = p->block;

	free(block->object);
	block->object = NULL;
	block->kind = CONFIG_IGNORED;
	p->block = block->within;
	p->block->damaged = true;
}

void
config_item_add(struct config_parse *p, struct config_word word, int line)
{
	struct config_item *item = config_alloc(p->reader, sizeof(*item));

	item->word = word;
	item->place = (struct config_place){ p->file, line };
	TAILQ_INSERT_TAIL(&p->items, item, entry);
}

/* "pool, class or guest": the blocks with a key of that name, or "". */
static const char *
owners_of(struct config_reader *r, const char *name)
{
	const struct schema_block *block = schema_blocks;
	const char *words[8] = { NULL };
	size_t n = 0;

	for (; block->kind != CONFIG_TOP; block++)
		if (schema_find(block->kind, name) != NULL)
			words[n++] = block->word;
	return config_alternatives(r, words, UINT32_MAX);
}

/* A key that the block does not have, though others may. */
static void
wrong_key(const struct config_setting *s)
{
	struct config_reader *r = s->block->reader;
	enum config_kind kind = s->block->kind, opened = schema_kind(s->name);
	const char *word = schema_block(kind)->word;
	const char *owners = owners_of(r, s->name);
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

/* Whether these can be values of the setting's key. */
static bool
has_form(const struct config_setting *s, const struct config_items *items,
    bool is_list)
{
	const struct config_item *item;

	if (is_list && s->key->type != TYPE_NETWORKS) {
		setting_error(s,
		    "%s has one value, not a list: remove the { and the }",
		    s->name);
		return false;
	}
	TAILQ_FOREACH(item, items, entry)
		if (s->key->type != TYPE_BYTES &&
		    strlen(item->word.text) != item->word.len) {
			config_error(s->block->reader, s->block, item->place,
			    "%s has a NUL byte in it: remove \\x00", s->name);
			return false;
		}
	return true;
}

static void
read_values(struct config_setting *s, const struct config_items *items)
{
	struct config_block *block = s->block;
	const struct config_item *item;
	const char *wrong;

	/* Of several addresses, the first in the table is the one. */
	if (s->key->type == TYPE_ADDRESS) {
		if (block->where != NULL && block->where->key < s->key)
			return;
		block->where = s;
	}
	TAILQ_FOREACH(item, items, entry) {
		wrong = value_read(s, &item->word);
		if (wrong == NULL)
			continue;
		config_error(block->reader, block, item->place, "%s \"%s\" %s",
		    s->name, config_shown(block->reader, item->word.text),
		    wrong);
		s->bad = block->wrong = true;
	}
}

void
config_setting_add(struct config_parse *p, const char *name, bool is_list,
    int line)
{
	struct config_block *block = p->block;
	const struct config_setting *other = setting_of(block, name);
	const struct config_item *first = TAILQ_FIRST(&p->items);
	struct config_setting *s = config_alloc(p->reader, sizeof(*s));

	s->block = block;
	s->name = name;
	s->key = schema_find(block->kind, name);
	s->value = first != NULL ? first->word.text : "";
	s->shown = config_shown(p->reader, s->value);
	s->place = (struct config_place){ p->file, line };
	if (block->kind == CONFIG_IGNORED)
		return;
	if (other != NULL)
		setting_error(s, "%s is given twice, first in %s: remove one",
		    name, config_place_text(p->reader, other->place, s->place));
	else if (s->key != NULL && has_form(s, &p->items, is_list)) {
		TAILQ_INSERT_TAIL(&block->settings, s, entry);
		if (block->object != NULL)
			read_values(s, &p->items);
	} else {
		block->damaged = true;
		if (s->key == NULL)
			wrong_key(s);
	}
}
