/*
 * Reads a configuration: from files to blocks, and from blocks to the struct
 * that the rest of the daemon knows; prints it, and frees it.  Called by main.c
 * at start, at each reload and for vrngd -n.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "parent/config/reader.h"

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
			block_error(r, block,
			    "it is the class number %d within another, where "
			    "%d are the most: move it up",
			    depth + 1, CONFIG_DEPTH_MAX);
		class = schema_new(CONFIG_CLASS, block->name);
		TAILQ_INSERT_TAIL(classes, class, entry);
		TAILQ_INIT(&class->classes);
		if (within->kind == CONFIG_CLASS)
			class->parent = within->object;
		block->object = class;
		block->parent = within;
		config_values(r, block);
		rules_share(r, block);
		build_classes(r, block, &class->classes, depth + 1);
	}
}

static void
build_source(struct config_reader *r, struct config_pool *pool,
    struct config_block *block, uint32_t number)
{
	struct config_source *source = schema_new(CONFIG_SOURCE, block->name);
	size_t errors = r->nerrors;

	TAILQ_INSERT_TAIL(&pool->sources, source, entry);
	source->spec.number = number;
	block->object = source;
	config_values(r, block);
	rules_source(r, block);
	block->wrong = block->damaged || r->nerrors != errors;
	if (source->listen && !block->wrong)
		rules_listener(r, block);
}

static void
build_pool(struct config_reader *r, struct config_block *block)
{
	struct config_pool *pool = schema_new(CONFIG_POOL, block->name);
	struct config_block *source;
	uint32_t n = 0;

	TAILQ_INSERT_TAIL(&r->config->pools, pool, entry);
	TAILQ_INIT(&pool->sources);
	TAILQ_INIT(&pool->classes);
	block->object = pool;
	TAILQ_FOREACH(source, &block->blocks, entry)
		if (source->kind == CONFIG_SOURCE)
			build_source(r, pool, source, n++);
	config_pool_defaults(pool);
	config_values(r, block);
	rules_sources(r, block);
	rules_with(r, block);
	rules_share(r, block);
	build_classes(r, block, &pool->classes, 0);
}

/* The pool that a class is in, or that a block is. */
static struct config_pool *
pool_of(const struct config_block *block)
{
	while (block->kind == CONFIG_CLASS)
		block = block->parent;
	return block->object;
}

/* The pool and the class of a guest or a service, if they are known. */
static void
set_parent(const struct config_block *block, struct config_guest *guest,
    struct config_outlet *outlet)
{
	struct config_class *class = NULL;

	if (block->parent == NULL)
		return;
	if (block->parent->kind == CONFIG_CLASS)
		class = block->parent->object;
	if (guest != NULL) {
		guest->pool = pool_of(block->parent);
		guest->class = class;
	} else {
		outlet->pool = pool_of(block->parent);
		outlet->class = class;
	}
}

/* A guest or a service. */
static void
build_leaf(struct config_reader *r, struct config_block *block)
{
	struct config_guest *guest = NULL;
	struct config_outlet *outlet = NULL;
	struct alloc_share *share;
	const struct proto_delivery *delivery;

	block->object = schema_new(block->kind, block->name);
	if (block->kind == CONFIG_GUEST) {
		guest = block->object;
		TAILQ_INSERT_TAIL(&r->config->guests, guest, entry);
	} else {
		outlet = block->object;
		TAILQ_INSERT_TAIL(&r->config->outlets, outlet, entry);
	}
	block->parent = rules_parent(r, block);
	config_values(r, block);
	set_parent(block, guest, outlet);
	rules_share(r, block);
	if (guest != NULL)
		rules_guest(r, block);
	else
		rules_service(r, block);
	rules_with(r, block);
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
	config_values(r, r->top);
	TAILQ_FOREACH(block, &r->pools, entry)
		if (block->kind == CONFIG_POOL)
			build_pool(r, block);
	TAILQ_FOREACH(block, &r->top->blocks, entry)
		if (block->kind & CONFIG_LEAVES)
			build_leaf(r, block);
	TAILQ_FOREACH(block, &r->all, all)
		if ((block->kind & (CONFIG_POOL | CONFIG_CLASS)) != 0 &&
		    block->object != NULL)
			rules_sum(r, block);
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
print_classes(FILE *out, int depth, const struct config_classes *classes)
{
	const struct config_class *class;

	TAILQ_FOREACH(class, classes, entry) {
		fprintf(out, "%*sclass \"%s\" {\n", depth * CONFIG_INDENT, "",
		    class->name);
		schema_print(CONFIG_CLASS, class, out, depth + 1);
		print_classes(out, depth + 1, &class->classes);
		fprintf(out, "%*s}\n", depth * CONFIG_INDENT, "");
	}
}

static void
print_pool(FILE *out, const struct config_pool *pool)
{
	const struct config_source *source;

	fprintf(out, "pool \"%s\" {\n", pool->name);
	TAILQ_FOREACH(source, &pool->sources, entry) {
		fprintf(out, "%*ssource \"%s\" {\n", CONFIG_INDENT, "",
		    source->spec.name);
		schema_print(CONFIG_SOURCE, source, out, 2);
		fprintf(out, "%*s}\n", CONFIG_INDENT, "");
	}
	schema_print(CONFIG_POOL, pool, out, 1);
	print_classes(out, 1, &pool->classes);
	fputs("}\n", out);
}

static void
print_leaf(FILE *out, enum config_kind kind, const char *name,
    const void *object)
{
	fprintf(out, "%s \"%s\" {\n", schema_word(kind), name);
	schema_print(kind, object, out, 1);
	fputs("}\n", out);
}

void
config_print(const struct config *config, FILE *out)
{
	const struct config_pool *pool;
	const struct config_guest *guest;
	const struct config_outlet *outlet;

	schema_print(CONFIG_TOP, config, out, 0);
	TAILQ_FOREACH(pool, &config->pools, entry)
		print_pool(out, pool);
	TAILQ_FOREACH(guest, &config->guests, entry)
		print_leaf(out, CONFIG_GUEST, guest->name, guest);
	TAILQ_FOREACH(outlet, &config->outlets, entry)
		print_leaf(out,
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
