#include <sys/socket.h>

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config_tree.h"
#include "log.h"

#define POOL_DEFAULT "default"

void *
config_new(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		log_fatal("no memory for the configuration");
	return memory;
}

char *
config_strdup(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		log_fatal("no memory for the configuration");
	return copy;
}

/* The classes within a pool or a class, and theirs. */
static void
build_classes(struct config_reader *r, struct config_block *within,
    struct config_classes *classes, int depth)
{
	struct config_block *block;
	struct config_class *class;

	TAILQ_FOREACH(block, &within->blocks, entry) {
		if (block->kind != CONFIG_CLASS)
			continue;
		if (depth == CONFIG_DEPTH_MAX)
			config_block_mistake(r, block, block->place,
			    "it is the class number %d within another, where "
			    "%d are the most: move it up",
			    depth + 1, CONFIG_DEPTH_MAX);
		class = config_new(sizeof(*class));
		TAILQ_INSERT_TAIL(classes, class, entry);
		TAILQ_INIT(&class->classes);
		strlcpy(class->name, block->name, sizeof(class->name));
		class->parent = within->class;
		block->class = class;
		block->pool = within->pool;
		block->share = &class->share;
		block->delivery = &class->delivery;
		block->parent = within;
		config_share_child(r, block);
		config_delivery(r, block);
		build_classes(r, block, &class->classes, depth + 1);
	}
}

static void
build_pool(struct config_reader *r, struct config_block *block)
{
	struct config_pool *pool = config_new(sizeof(*pool));

	TAILQ_INSERT_TAIL(&r->config->pools, pool, entry);
	TAILQ_INIT(&pool->sources);
	TAILQ_INIT(&pool->classes);
	strlcpy(pool->name, block->name, sizeof(pool->name));
	block->pool = pool;
	block->share = &pool->share;
	block->delivery = &pool->delivery;
	config_sources(r, block);
	config_share_pool(r, block);
	config_delivery(r, block);
	build_classes(r, block, &pool->classes, 0);
}

/* The pool of a guest, or NULL after telling why there is none. */
static struct config_block *
find_pool(struct config_reader *r, struct config_block *guest)
{
	const struct config_setting *s = guest->set[KEY_POOL];
	const char *name = s != NULL ? s->value : POOL_DEFAULT;
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
	if (npools == 0 || r->top->damaged || (s == NULL && guest->damaged))
		return NULL;
	if (s == NULL)
		config_block_mistake(r, guest, guest->place,
		    "it names no pool, and none of the %zu pools is called "
		    "\"" POOL_DEFAULT "\": add pool = NAME",
		    npools);
	else if (nearest.found != NULL)
		config_block_mistake(r, guest, s->place,
		    "there is no pool \"%s\": did you mean \"%s\"?",
		    config_shown(r, name), nearest.found);
	else
		config_block_mistake(r, guest, s->place,
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

/* Finds the block that the guest is a child of: its class or the pool. */
static struct config_block *
find_parent(struct config_reader *r, struct config_block *guest)
{
	const struct config_setting *s = guest->set[KEY_CLASS];
	struct config_block *pool = find_pool(r, guest), *class;
	struct config_nearest nearest;

	if (pool == NULL || s == NULL)
		return pool;
	config_nearest_init(&nearest, s->value);
	if ((class = find_class(pool, s->value, &nearest)) != NULL)
		return class;
	if (pool->damaged)
		return NULL;
	if (nearest.found != NULL)
		config_block_mistake(r, guest, s->place,
		    "there is no class \"%s\" in %s: did you mean \"%s\"?",
		    config_shown(r, s->value), pool->title, nearest.found);
	else
		config_block_mistake(r, guest, s->place,
		    "there is no class \"%s\" in %s: add it there, or name "
		    "another",
		    config_shown(r, s->value), pool->title);
	return NULL;
}

static void
build_guest(struct config_reader *r, struct config_block *block)
{
	struct config_guest *guest = config_new(sizeof(*guest));

	TAILQ_INSERT_TAIL(&r->config->guests, guest, entry);
	strlcpy(guest->name, block->name, sizeof(guest->name));
	guest->rights.owner = (uid_t)-1;
	guest->rights.group = (gid_t)-1;
	block->guest = guest;
	block->share = &guest->share;
	block->delivery = &guest->delivery;
	if (block->set[KEY_SOCKET] == NULL && !block->damaged)
		config_block_mistake(r, block, block->place,
		    "it has no socket: add socket = \"/run/vrngd/%s.sock\"",
		    block->name);
	config_value_path(r, block, KEY_SOCKET, CONFIG_SOCKET_MAX,
	    &guest->socket);
	config_value_owner(r, block, &guest->rights.owner);
	config_value_group(r, block, &guest->rights.group);
	config_value_mode(r, block, &guest->rights.mode);
	block->parent = find_parent(r, block);
	if (block->parent != NULL) {
		guest->pool = block->parent->pool;
		guest->class = block->parent->class;
	}
	config_share_child(r, block);
	config_delivery(r, block);
}

static void
build(struct config_reader *r)
{
	struct config_block *block;

	TAILQ_FOREACH(block, &r->top->blocks, entry)
		if (block->kind == CONFIG_POOL)
			build_pool(r, block);
	TAILQ_FOREACH(block, &r->top->blocks, entry)
		if (block->kind == CONFIG_GUEST)
			build_guest(r, block);
	TAILQ_FOREACH(block, &r->all, all)
		if (block->kind != CONFIG_GUEST && block->share != NULL)
			config_share_sum(r, block);
	if (TAILQ_EMPTY(&r->config->pools) && !r->top->damaged)
		config_mistake(r, (struct config_place){ r->main, 1 },
		    "there is no pool: add pool \"" POOL_DEFAULT
		    "\" { source \"kernel\" { type = kernel } }");
}

struct config *
config_read(const char *path, config_report *report, void *arg)
{
	struct config_reader r;
	struct config *config = config_new(sizeof(*config));

	TAILQ_INIT(&config->pools);
	TAILQ_INIT(&config->guests);
	TAILQ_INIT(&config->outlets);
	config_tree_init(&r);
	r.config = config;
	config_file_read(&r, path);
	config_keys_check(&r);
	config_unique_check(&r);
	build(&r);
	if (r.nmistakes > 0) {
		config_tell(&r, report, arg);
		config_free(config);
		config = NULL;
	}
	config_tree_free(&r);
	return config;
}

static void
free_classes(struct config_classes *classes)
{
	struct config_class *class;

	while ((class = TAILQ_FIRST(classes)) != NULL) {
		TAILQ_REMOVE(classes, class, entry);
		free_classes(&class->classes);
		free(class);
	}
}

void
config_free(struct config *config)
{
	struct config_pool *pool;
	struct config_guest *guest;
	struct config_source *source;

	if (config == NULL)
		return;
	while ((guest = TAILQ_FIRST(&config->guests)) != NULL) {
		TAILQ_REMOVE(&config->guests, guest, entry);
		free(guest->socket);
		free(guest);
	}
	while ((pool = TAILQ_FIRST(&config->pools)) != NULL) {
		TAILQ_REMOVE(&config->pools, pool, entry);
		free_classes(&pool->classes);
		while ((source = TAILQ_FIRST(&pool->sources)) != NULL) {
			TAILQ_REMOVE(&pool->sources, source, entry);
			config_source_free(source);
		}
		free(pool);
	}
	free(config);
}
