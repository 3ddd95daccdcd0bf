#include <stdlib.h>
#include <string.h>

#include "config_tree.h"

/* What of many must differ from one another. */
struct unique {
	enum config_kind kind;
	uint32_t scope;
	const char *text;
	const struct config_block *block;
	const struct config_place *place;
};

static int
unique_order(const void *a, const void *b)
{
	const struct unique *x = a, *y = b;
	int order;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->scope != y->scope)
		return x->scope < y->scope ? -1 : 1;
	if ((order = strcmp(x->text, y->text)) != 0)
		return order;
	return x->block->order < y->block->order ? -1 : 1;
}

/* What the name of a block must be unique in. */
static uint32_t
scope_of(const struct config_block *block)
{
	if (block->kind == CONFIG_POOL || block->kind == CONFIG_GUEST)
		return 0;
	while (block->within != NULL && block->kind != CONFIG_POOL)
		block = block->within;
	return block->order;
}

static void
check_unique_names(struct config_reader *r)
{
	struct unique *names;
	const struct unique *first = NULL;
	const struct config_block *block;
	size_t n = 0;

	names = config_alloc(r, r->nblocks * sizeof(*names));
	TAILQ_FOREACH(block, &r->all, all)
		if (block->name[0] != '\0')
			names[n++] =
			    (struct unique){ block->kind, scope_of(block),
				    block->name, block, &block->place };
	qsort(names, n, sizeof(*names), unique_order);
	for (size_t i = 0; i < n; i++) {
		const struct unique *u = &names[i];

		if (first == NULL || u->kind != first->kind ||
		    u->scope != first->scope ||
		    strcmp(u->text, first->text) != 0)
			first = u;
		else if (u->kind != CONFIG_IGNORED)
			config_mistake(r, *u->place,
			    "there is a %s already, in %s: give this one "
			    "another name",
			    u->block->title,
			    config_place_text(r, *first->place, *u->place));
	}
}

static void
check_unique_sockets(struct config_reader *r)
{
	struct unique *sockets;
	const struct unique *first = NULL;
	const struct config_block *block;
	const struct config_setting *s;
	size_t n = 0;

	sockets = config_alloc(r, r->nblocks * sizeof(*sockets));
	TAILQ_FOREACH(block, &r->all, all)
		if ((s = block->set[KEY_SOCKET]) != NULL)
			sockets[n++] =
			    (struct unique){ 0, 0, s->value, block, &s->place };
	qsort(sockets, n, sizeof(*sockets), unique_order);
	for (size_t i = 0; i < n; i++) {
		const struct unique *u = &sockets[i];

		if (first == NULL || strcmp(u->text, first->text) != 0)
			first = u;
		else
			config_block_mistake(r, u->block, *u->place,
			    "socket \"%s\" is that of %s too, in %s: each "
			    "guest needs its own",
			    config_shown(r, u->text), first->block->title,
			    config_place_text(r, *first->place, *u->place));
	}
}

void
config_unique_check(struct config_reader *r)
{
	check_unique_names(r);
	check_unique_sockets(r);
}
