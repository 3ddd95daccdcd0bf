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
	struct config *config = block->reader->config;
	void *object = schema_new(block->kind, block->name);
	bool is_guest = block->kind == CONFIG_GUEST;
	struct config_guest *guest = object;
	struct config_outlet *outlet = object;
	const struct proto_delivery *delivery;
	struct alloc_share *share;

	block->object = object;
	if (is_guest)
		TAILQ_INSERT_TAIL(&config->guests, guest, entry);
	else {
		TAILQ_INSERT_TAIL(&config->outlets, outlet, entry);
		outlet->kind = block->kind == CONFIG_EGD ? CONFIG_OUTLET_EGD
							 : CONFIG_OUTLET_STREAM;
	}
	set_parent(block);
	config_values(block);
	rules_share(block);
	if (is_guest)
		rules_guest(block);
	else
		rules_service(block);
	rules_with(block);
	share = schema_part(block->kind, object, PART_SHARE);
	delivery = schema_part(block->kind, object, PART_DELIVERY);
	share->generated = delivery->mode == DELIVERY_DRBG;
}

static void
build(struct config_reader *r)
{
	struct config_block *block;

	r->top->object = r->config;
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
		config_error(r, NULL,
		    ((struct config_place){ TAILQ_FIRST(&r->files), 1 }),
		    "there is no pool: add pool \"" CONFIG_POOL_DEFAULT
		    "\" { source \"kernel\" { type = kernel } }");
}

struct config *
config_read(const char *path, config_report *report, void *arg)
{
	struct config_reader r;
	const struct config_error *e;
	struct config *config = schema_new(CONFIG_TOP, "");

	TAILQ_INIT(&config->pools);
	TAILQ_INIT(&config->guests);
	TAILQ_INIT(&config->outlets);
	config_reader_init(&r);
	r.config = config;
	config_file_read(&r, path, (struct config_place){ NULL, 0 });
	config_keys_check(&r);
	build(&r);
	TAILQ_FOREACH(e, &r.errors, entry)
		report(arg,
		    config_text(&r, "%s:%d: %s", e->place.file->path,
			e->place.line, e->text));
	if (r.nerrors > 0) {
		config_free(config);
		config = NULL;
	}
	config_reader_free(&r);
	return config;
}

/* A block with its values, and those within it. */
static void
print_block(FILE *out, int depth, enum config_kind kind, const char *name,
    const void *object)
{
	const struct config_pool *pool = object;
	const struct config_class *class = object;
	const struct config_source *source;
	const struct config_classes *classes = NULL;

	fprintf(out, "%*s%s \"%s\" {\n", depth * CONFIG_INDENT, "",
	    schema_word(kind), name);
	if (kind == CONFIG_POOL) {
		classes = &pool->classes;
		TAILQ_FOREACH(source, &pool->sources, entry)
			print_block(out, depth + 1, CONFIG_SOURCE,
			    source->spec.name, source);
	} else if (kind == CONFIG_CLASS)
		classes = &class->classes;
	schema_print(kind, object, out, depth + 1);
	if (classes != NULL)
		TAILQ_FOREACH(class, classes, entry)
			print_block(out, depth + 1, CONFIG_CLASS, class->name,
			    class);
	fprintf(out, "%*s}\n", depth * CONFIG_INDENT, "");
}

void
config_print(const struct config *config, FILE *out)
{
	const struct config_pool *pool;
	const struct config_guest *guest;
	const struct config_outlet *outlet;

	schema_print(CONFIG_TOP, config, out, 0);
	TAILQ_FOREACH(pool, &config->pools, entry)
		print_block(out, 0, CONFIG_POOL, pool->name, pool);
	TAILQ_FOREACH(guest, &config->guests, entry)
		print_block(out, 0, CONFIG_GUEST, guest->name, guest);
	TAILQ_FOREACH(outlet, &config->outlets, entry)
		print_block(out, 0,
		    outlet->kind == CONFIG_OUTLET_EGD ? CONFIG_EGD
						      : CONFIG_STREAM,
		    outlet->name, outlet);
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
