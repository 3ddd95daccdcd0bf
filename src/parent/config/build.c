/*
 * Reads a configuration: from files to blocks, and from blocks to the struct
 * that the rest of the daemon knows; prints it, and frees it.  Used by main.c
 * at start, at each reload and for vrngd -n.
 */
#include <stdlib.h>
#include <string.h>

#include "parent/config/reader.h"

/* The classes within a pool or a class, and theirs. */
static void
build_classes(struct config_block *within, struct config_classes *classes,
    int depth)
{
	struct config_block *block;
	struct config_class *class;

	TAILQ_FOREACH(block, &within->blocks, entry) {
		if (block->kind != CONFIG_CLASS)
			continue;
		if (depth == CONFIG_DEPTH_MAX)
			block_error(block,
			    "classes nest at most %d deep: move it up",
			    CONFIG_DEPTH_MAX);
		class = schema_new(CONFIG_CLASS, block->name);
		TAILQ_INSERT_TAIL(classes, class, entry);
		TAILQ_INIT(&class->classes);
		if (within->kind == CONFIG_CLASS)
			class->parent = within->object;
		block->object = class;
		block->parent = within;
		config_values(block);
		rules_share(block);
		build_classes(block, &class->classes, depth + 1);
	}
}

static void
build_source(struct config_pool *pool, struct config_block *block,
    uint32_t number)
{
	struct config_source *source = schema_new(CONFIG_SOURCE, block->name);
	struct config_reader *r = block->reader;
	size_t errors = r->nerrors;

	TAILQ_INSERT_TAIL(&pool->sources, source, entry);
	source->spec.number = number;
	block->object = source;
	config_values(block);
	rules_source(block);
	block->wrong = block->damaged || r->nerrors != errors;
	if (source->listen && !block->wrong)
		rules_listener(block);
}

static void
build_pool(struct config_block *block)
{
	struct config_pool *pool = schema_new(CONFIG_POOL, block->name);
	struct config_block *source;
	uint32_t n = 0;

	TAILQ_INSERT_TAIL(&block->reader->config->pools, pool, entry);
	TAILQ_INIT(&pool->sources);
	TAILQ_INIT(&pool->classes);
	block->object = pool;
	TAILQ_FOREACH(source, &block->blocks, entry)
		if (source->kind == CONFIG_SOURCE)
			build_source(pool, source, n++);
	config_pool_defaults(pool);
	config_values(block);
	rules_sources(block);
	rules_with(block);
	rules_share(block);
	build_classes(block, &pool->classes, 0);
}

/* Where a struct keeps what a key names: its pool, or its class. */
static void
set_link(const struct config_block *block, const char *name, void *link)
{
	const struct config_key *key = schema_find(block->kind, name);

	memcpy((char *)block->object + key->offset, &link, sizeof(link));
}

/* The pool and the class of a guest or a service, if they are known. */
static void
set_parent(struct config_block *block)
{
	struct config_block *pool;

	block->parent = pool = rules_parent(block);
	if (pool == NULL)
		return;
	if (pool->kind == CONFIG_CLASS)
		set_link(block, "class", pool->object);
	while (pool->kind == CONFIG_CLASS)
		pool = pool->parent;
	set_link(block, "pool", pool->object);
}

/* A guest or a service. */
static void
build_leaf(struct config_block *block)
{
	struct config_guest *guest;
	struct config_outlet *outlet;
	const struct proto_delivery *delivery;
	struct alloc_share *share;
	struct config *config = block->reader->config;

	block->object = schema_new(block->kind, block->name);
	if (block->kind == CONFIG_GUEST) {
		guest = block->object;
		TAILQ_INSERT_TAIL(&config->guests, guest, entry);
	} else {
		outlet = block->object;
		TAILQ_INSERT_TAIL(&config->outlets, outlet, entry);
	}
	set_parent(block);
	config_values(block);
	rules_share(block);
	if (block->kind == CONFIG_GUEST)
		rules_guest(block);
	else
		rules_service(block);
	rules_with(block);
	share = schema_part(block->kind, block->object, PART_SHARE);
	delivery = schema_part(block->kind, block->object, PART_DELIVERY);
	share->generated = delivery->mode == DELIVERY_DRBG;
}

static void
build(struct config_reader *r)
{
	struct config_block *block;

	r->top->object = r->config;
	schema_defaults(CONFIG_TOP, r->config);
	config_values(r->top);
	TAILQ_FOREACH(block, &r->pools, entry)
		if (block->kind == CONFIG_POOL)
			build_pool(block);
	TAILQ_FOREACH(block, &r->top->blocks, entry)
		if (block->kind & CONFIG_LEAVES)
			build_leaf(block);
	TAILQ_FOREACH(block, &r->all, all)
		if ((block->kind & (CONFIG_POOL | CONFIG_CLASS)) != 0 &&
		    block->object != NULL)
			rules_sum(block);
	if (TAILQ_EMPTY(&r->config->pools) && !r->top->damaged)
		config_error(r, NULL, (struct config_place){ r->main, 1 },
		    "there is no pool: add pool \"" CONFIG_POOL_DEFAULT
		    "\" { source \"kernel\" { type = kernel } }");
}

struct config *
config_read(const char *path, config_report *report, void *arg)
{
	struct config_reader r;
	struct config *config = schema_new(CONFIG_TOP, "");

	TAILQ_INIT(&config->pools);
	TAILQ_INIT(&config->guests);
	TAILQ_INIT(&config->outlets);
	config_reader_init(&r);
	r.config = config;
	config_file_read(&r, path);
	config_keys_check(&r);
	build(&r);
	if (r.nerrors > 0) {
		config_reader_report(&r, report, arg);
		config_free(config);
		config = NULL;
	}
	config_reader_free(&r);
	return config;
}

static void
print_end(FILE *out, int depth)
{
	fprintf(out, "%*s}\n", depth * CONFIG_INDENT, "");
}

/* A block with what its keys come to; the last brace is the caller's. */
static void
print_block(FILE *out, int depth, enum config_kind kind, const char *name,
    const void *object)
{
	const struct config_source *source;
	const struct config_pool *pool = object;

	fprintf(out, "%*s%s \"%s\" {\n", depth * CONFIG_INDENT, "",
	    schema_word(kind), name);
	if (kind == CONFIG_POOL)
		TAILQ_FOREACH(source, &pool->sources, entry) {
			print_block(out, 1, CONFIG_SOURCE, source->spec.name,
			    source);
			print_end(out, 1);
		}
	schema_print(kind, object, out, depth + 1);
}

static void
print_classes(FILE *out, int depth, const struct config_classes *classes)
{
	const struct config_class *class;

	TAILQ_FOREACH(class, classes, entry) {
		print_block(out, depth, CONFIG_CLASS, class->name, class);
		print_classes(out, depth + 1, &class->classes);
		print_end(out, depth);
	}
}

void
config_print(const struct config *config, FILE *out)
{
	const struct config_pool *pool;
	const struct config_guest *guest;
	const struct config_outlet *outlet;

	schema_print(CONFIG_TOP, config, out, 0);
	TAILQ_FOREACH(pool, &config->pools, entry) {
		print_block(out, 0, CONFIG_POOL, pool->name, pool);
		print_classes(out, 1, &pool->classes);
		print_end(out, 0);
	}
	TAILQ_FOREACH(guest, &config->guests, entry) {
		print_block(out, 0, CONFIG_GUEST, guest->name, guest);
		print_end(out, 0);
	}
	TAILQ_FOREACH(outlet, &config->outlets, entry) {
		print_block(out, 0,
		    outlet->kind == CONFIG_OUTLET_EGD ? CONFIG_EGD
						      : CONFIG_STREAM,
		    outlet->name, outlet);
		print_end(out, 0);
	}
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
	struct config_outlet *outlet;
	struct config_source *source;

	if (config == NULL)
		return;
	while ((guest = TAILQ_FIRST(&config->guests)) != NULL) {
		TAILQ_REMOVE(&config->guests, guest, entry);
		free(guest->socket);
		free(guest->egd);
		free(guest);
	}
	while ((outlet = TAILQ_FIRST(&config->outlets)) != NULL) {
		TAILQ_REMOVE(&config->outlets, outlet, entry);
		free(outlet->path);
		free(outlet->address);
		free(outlet);
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
