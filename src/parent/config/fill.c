/*
 * Fills the structs of the configuration: the beginning of a block allocates
 * its struct, and each value is read into it at once.  Used by the parser.
 */
#include <stdlib.h>
#include <string.h>

#include "parent/config/reader.h"

/*
 * Whether a block gets a struct: a misplaced block does not, and its values are
 * not read.  Pools, guests and services always do, since the block before them
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

/* The blocks with a key of that name, such as "pool, class or guest", or "". */
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

/* Reports a key that the block does not have. */
static void
wrong_key(const struct config_setting *s)
{
	struct config_reader *r = s->block->reader;
	enum config_kind kind = s->block->kind, opened = schema_kind(s->name);
	const char *word = schema_block(kind)->word;
	const char *owners = owners_of(r, s->name);
	const char *near = config_nearest_key(s->name, kind);

	/* A path may be in place of the name of a service. */
	if ((opened & CONFIG_SERVICES) && s->shown[0] == '/')
		setting_error(s,
		    "%s must be a block: write %s \"NAME\" { unix = \"%s\" }",
		    s->name, s->name, s->shown);
	else if (opened != CONFIG_IGNORED)
		setting_error(s, "%s must be a block: write %s \"%s\" { ... }",
		    s->name, s->name, s->shown);
	else if (schema_find(CONFIG_ANY, s->name) == NULL)
		setting_error(s, "unknown key \"%s\": %s%s%s",
		    config_shown(r, s->name),
		    near ? "did you mean " : "see vrngd.conf(5)",
		    near ? near : "", near ? "?" : "");
	else if (kind == CONFIG_TOP)
		setting_error(s,
		    "%s is not allowed at the top level: move it to %s %s",
		    s->name, config_article(owners), owners);
	else if (owners[0] == '\0')
		setting_error(s,
		    "%s is not allowed in %s %s: move it to the top level",
		    s->name, config_article(word), word);
	else
		setting_error(s, "%s is not allowed in %s %s: move it to %s %s",
		    s->name, config_article(word), word, config_article(owners),
		    owners);
}

/*
 * Checks the form of the values: a single value or a list, without NUL bytes.
 */
static bool
has_form(const struct config_setting *s, const struct config_items *items,
    bool is_list)
{
	const struct config_item *item;

	if (is_list && s->key->type != TYPE_NETWORKS) {
		setting_error(s,
		    "%s must be a single value, not a list: remove { and }",
		    s->name);
		return false;
	}
	TAILQ_FOREACH(item, items, entry)
		if (s->key->type != TYPE_BYTES &&
		    strlen(item->word.text) != item->word.len) {
			config_error(s->block->reader, s->block, item->place,
			    "%s contains a NUL byte: remove \\x00", s->name);
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

	/* Of several addresses, the first in the table counts. */
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
		setting_error(s, "duplicate %s, first in %s: remove one", name,
		    config_place_text(p->reader, other->place, s->place));
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
