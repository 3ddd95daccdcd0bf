#include <string.h>

#include "parent/config/config_build.h"

/* The pool of the block, or NULL after telling why there is none. */
static struct config_block *
find_pool(struct config_reader *r, struct config_block *leaf)
{
	const struct config_setting *s = leaf->set[KEY_POOL];
	const char *name = s != NULL ? s->value : CONFIG_POOL_DEFAULT;
	struct config_block *block, *any = NULL;
	struct config_nearest nearest;
	size_t npools = 0;

	config_nearest_init(&nearest, name);
	TAILQ_FOREACH(block, &r->top->blocks, entry) {
		if (block->kind != CONFIG_POOL)
			continue;
		if (strcmp(block->name, name) == 0)
			return block;
		any = block;
		npools++;
		config_nearest_try(&nearest, block->name);
	}
	if (s == NULL && npools == 1)
		return any;
	if (npools == 0 || r->top->damaged || (s == NULL && leaf->damaged))
		return NULL;
	if (s == NULL)
		config_block_mistake(r, leaf, leaf->place,
		    "it names no pool, and none of the %zu pools is called "
		    "\"" CONFIG_POOL_DEFAULT "\": add pool = NAME",
		    npools);
	else if (nearest.found != NULL)
		config_block_mistake(r, leaf, s->place,
		    "there is no pool \"%s\": did you mean \"%s\"?",
		    config_shown(r, name), nearest.found);
	else
		config_block_mistake(r, leaf, s->place,
		    "there is no pool \"%s\": add it, or name one that there "
		    "is",
		    config_shown(r, name));
	return NULL;
}

/* The class, anywhere within; otherwise notes what is near. */
static struct config_block *
find_class(struct config_block *within, const char *name,
    struct config_nearest *nearest)
{
	struct config_block *block, *found;

	TAILQ_FOREACH(block, &within->blocks, entry) {
		if (block->kind != CONFIG_CLASS)
			continue;
		if (strcmp(block->name, name) == 0)
			return block;
		config_nearest_try(nearest, block->name);
		if ((found = find_class(block, name, nearest)) != NULL)
			return found;
	}
	return NULL;
}

/* Finds the block that this one is a child of: its class or the pool. */
static struct config_block *
find_parent(struct config_reader *r, struct config_block *leaf)
{
	const struct config_setting *s = leaf->set[KEY_CLASS];
	struct config_block *pool = find_pool(r, leaf), *class;
	struct config_nearest nearest;

	if (pool == NULL || s == NULL)
		return pool;
	config_nearest_init(&nearest, s->value);
	if ((class = find_class(pool, s->value, &nearest)) != NULL)
		return class;
	if (pool->damaged)
		return NULL;
	if (nearest.found != NULL)
		config_block_mistake(r, leaf, s->place,
		    "there is no class \"%s\" in %s: did you mean \"%s\"?",
		    config_shown(r, s->value), pool->title, nearest.found);
	else
		config_block_mistake(r, leaf, s->place,
		    "there is no class \"%s\" in %s: add it there, or name "
		    "another",
		    config_shown(r, s->value), pool->title);
	return NULL;
}

void
config_leaf(struct config_reader *r, struct config_block *block,
    struct config_pool **pool, struct config_class **class)
{
	block->parent = find_parent(r, block);
	if (block->parent != NULL) {
		*pool = block->parent->pool;
		*class = block->parent->class;
	}
	config_share_child(r, block);
	config_delivery(r, block);
	if (block->kind == CONFIG_GUEST)
		config_polling(r, block);
}
