#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/config/config_build.h"

#define SOCKET_TEXT 128 /* holds any path of a socket */

/* What of many must differ from one another. */
struct unique {
	enum config_kind kind;
	uint32_t scope;
	const char *text;
	const struct config_block *block;
	const struct config_place *place;
	const char *key; /* of sockets: what says where it is */
	size_t number;	 /* of being found */
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
	if (x->block->order != y->block->order)
		return x->block->order < y->block->order ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* What the name of a block must be unique in. */
static uint32_t
scope_of(const struct config_block *block)
{
	if (block->kind & (CONFIG_POOL | CONFIG_LEAVES))
		return 0;
	while (block->within != NULL && block->kind != CONFIG_POOL)
		block = block->within;
	return block->order;
}

void
config_unique_names(struct config_reader *r)
{
	struct unique *names;
	const struct unique *first = NULL;
	const struct config_block *block;
	size_t n = 0;

	names = config_alloc(r, r->nblocks * sizeof(*names));
	TAILQ_FOREACH(block, &r->all, all)
		if (block->name[0] != '\0')
			names[n++] = (struct unique){
				.kind = block->kind,
				.scope = scope_of(block),
				.text = block->name,
				.block = block,
				.place = &block->place,
			};
	qsort(names, n, sizeof(*names), unique_order);
	for (size_t i = 0; i < n; i++) {
		const struct unique *u = &names[i];

		if (first == NULL || u->kind != first->kind ||
		    u->scope != first->scope ||
		    strcmp(u->text, first->text) != 0)
			first = u;
		else if (u->kind != CONFIG_IGNORED)
			config_mistake(r, *u->place,
			    "there is %s %s already, in %s: give this one "
			    "another name",
			    config_article(u->block->title), u->block->title,
			    config_place_text(r, *first->place, *u->place));
	}
}

/* Who listens there, if anybody does, and what says so. */
static void
add_socket(struct config_reader *r, struct unique *sockets, size_t *n,
    const struct config_block *block, enum config_key key, const char *text)
{
	if (text == NULL)
		return;
	sockets[*n] = (struct unique){
		.text = config_text(r, "%s", text),
		.block = block,
		.place = &block->set[key]->place,
		.key = config_key_name(key),
		.number = *n,
	};
	(*n)++;
}

static void
add_outlet(struct config_reader *r, struct unique *sockets, size_t *n,
    const struct config_block *block)
{
	const struct config_outlet *outlet = block->outlet;
	char text[SOCKET_TEXT];
	enum config_key key =
	    outlet->transport == CONFIG_UNIX ? KEY_UNIX : KEY_PORT;

	if (!outlet->connect &&
	    (outlet->path != NULL ||
		(outlet->address != NULL && outlet->port != 0)))
		add_socket(r, sockets, n, block, key,
		    config_outlet_text(outlet, text, sizeof(text)));
}

static void
add_source(struct config_reader *r, struct unique *sockets, size_t *n,
    const struct config_block *block)
{
	const struct config_source *source = block->source;
	char where[SOCKET_TEXT], text[SOCKET_TEXT + 4];
	enum config_key key =
	    source->transport == CONFIG_UNIX ? KEY_UNIX : KEY_PORT;

	if (!source->listen)
		return;
	snprintf(text, sizeof(text), "%s%s",
	    source->transport == CONFIG_UDP ? "udp " : "",
	    config_source_text(source, where, sizeof(where)));
	add_socket(r, sockets, n, block, key, text);
}

void
config_unique_sockets(struct config_reader *r)
{
	struct unique *sockets;
	const struct unique *first = NULL;
	const struct config_block *block;
	size_t n = 0;

	sockets = config_alloc(r, r->nblocks * 2 * sizeof(*sockets));
	TAILQ_FOREACH(block, &r->all, all) {
		if (block->guest != NULL) {
			add_socket(r, sockets, &n, block, KEY_SOCKET,
			    block->guest->socket);
			add_socket(r, sockets, &n, block, KEY_EGD,
			    block->guest->egd);
		}
		if (block->outlet != NULL)
			add_outlet(r, sockets, &n, block);
		if (block->source != NULL)
			add_source(r, sockets, &n, block);
	}
	qsort(sockets, n, sizeof(*sockets), unique_order);
	for (size_t i = 0; i < n; i++) {
		const struct unique *u = &sockets[i];

		if (first == NULL || strcmp(u->text, first->text) != 0)
			first = u;
		else if (first->block == u->block)
			config_block_mistake(r, u->block, *u->place,
			    "%s \"%s\" is its %s too: each needs its own",
			    u->key, config_shown(r, u->text), first->key);
		else
			config_block_mistake(r, u->block, *u->place,
			    "%s \"%s\" is that of %s too, in %s: each needs "
			    "its own",
			    u->key, config_shown(r, u->text),
			    first->block->title,
			    config_place_text(r, *first->place, *u->place));
	}
}
