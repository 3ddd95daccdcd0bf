/*
 * Reads a configuration: parses the files, links the structs of their blocks,
 * and applies the rules; prints it, and frees it.  Used by main.c at start, at
 * each reload and for vrngd -n.
 */
#include <stdlib.h>
#include <string.h>

#include "parent/config/reader.h"

static void
build_source(struct config_block *block)
{
	struct config_source *source = block->object, *last;
	struct config_pool *pool = block->within->object;

	last = TAILQ_LAST(&pool->sources, config_sources);
	source->spec.number = last != NULL ? last->spec.number + 1 : 0;
	TAILQ_INSERT_TAIL(&pool->sources, source, entry);
	rules_source(block);
}

static void
build_pool(struct config_block *block)
{
	struct config *config = block->reader->top->object;
	struct config_pool *pool = block->object;

	TAILQ_INIT(&pool->sources);
	TAILQ_INIT(&pool->classes);
	TAILQ_INSERT_TAIL(&config->pools, pool, entry);
	if (block->reader->npools++ == 0)
		block->reader->pool = block;
}

static void
build_class(struct config_block *block)
{
	struct config_block *parent = block->parent = block->within;
	struct config_class *class = block->object;
	struct config_pool *pool = parent->object;
	int depth = 0;

	class->parent = parent->kind == CONFIG_CLASS ? parent->object : NULL;
	TAILQ_INIT(&class->classes);
	TAILQ_INSERT_TAIL(class->parent != NULL ? &class->parent->classes
						: &pool->classes,
	    class, entry);
	for (; parent->kind == CONFIG_CLASS; parent = parent->parent)
		depth++;
	if (depth == CONFIG_DEPTH_MAX)
		block_error(block,
		    "class is nested more than %d deep: move it up",
		    CONFIG_DEPTH_MAX);
	schema_inherit(block);
	rules_share(block);
}

/* A guest or a service. */
static void
build_leaf(struct config_block *block)
{
	struct config *config = block->reader->top->object;
	struct config_guest *guest = block->object;
	struct config_service *service = block->object;
	const struct proto_delivery *delivery;
	struct config_block *parent = block->parent = rules_parent(block);
	struct config_class *class = NULL;
	struct config_pool *pool = NULL;
	struct alloc_share *share;

	if (parent != NULL) {
		schema_inherit(block);
		if (parent->kind == CONFIG_CLASS)
			class = parent->object;
		while (parent->kind != CONFIG_POOL)
			parent = parent->parent;
		pool = parent->object;
	}
	rules_share(block);
	if (block->kind == CONFIG_GUEST) {
		guest->pool = pool;
		guest->class = class;
		TAILQ_INSERT_TAIL(&config->guests, guest, entry);
		rules_guest(block);
	} else {
		service->pool = pool;
		service->class = class;
		TAILQ_INSERT_TAIL(&config->services, service, entry);
		service->kind = block->kind == CONFIG_EGD
		    ? CONFIG_SERVICE_EGD
		    : CONFIG_SERVICE_STREAM;
		rules_service(block);
	}
	rules_with(block);
	share = schema_part(block->kind, block->object, PART_SHARE);
	delivery = schema_part(block->kind, block->object, PART_DELIVERY);
	share->generated = delivery->mode == DELIVERY_DRBG;
}

/* All blocks of these kinds, those around others first. */
static void
each(struct config_reader *r, unsigned int kinds,
    void (*step)(struct config_block *))
{
	struct config_block *block;

	TAILQ_FOREACH(block, &r->blocks, entry)
		if ((block->kind & kinds) != 0 && block->object != NULL)
			step(block);
}

static void
build(struct config_reader *r)
{
	struct config_block *block;

	TAILQ_FOREACH(block, &r->blocks, entry)
		if (block->kind != CONFIG_TOP && block->kind != CONFIG_IGNORED)
			rules_block(block);
	each(r, CONFIG_POOL, build_pool);
	each(r, CONFIG_SOURCE, build_source);
	each(r, CONFIG_POOL, rules_pool);
	each(r, CONFIG_CLASS, build_class);
	each(r, CONFIG_LEAVES, build_leaf);
	each(r, CONFIG_GUEST, rules_cid);
	each(r, CONFIG_POOL | CONFIG_CLASS, rules_sum);
	rules_circles(r);
	if (r->npools == 0 && !r->top->damaged)
		config_error(r, NULL,
		    ((struct config_place){ TAILQ_FIRST(&r->files), 1 }),
		    "missing pool: add pool \"" CONFIG_POOL_DEFAULT
		    "\" { source \"kernel\" { type = kernel } }");
}

static const char *
line_of(struct config_reader *r, const struct config_error *e,
    const char *severity)
{
	return config_text(r, "%s:%d: %s%s", e->place.file->path, e->place.line,
	    severity, e->text);
}

/* Copies the warnings, which outlive the reader. */
static void
keep_warnings(struct config_reader *r, struct config *config)
{
	const struct config_error *e;
	struct config_warning *w;
	const char *text;

	TAILQ_FOREACH(e, &r->warnings, entry) {
		text = line_of(r, e, "warning: ");
		w = config_must(malloc(sizeof(*w) + strlen(text) + 1));
		memcpy(w->text, text, strlen(text) + 1);
		TAILQ_INSERT_TAIL(&config->warnings, w, entry);
	}
}

struct config *
config_read(const char *path, config_report *report, void *arg)
{
	struct config_reader r;
	const struct config_error *e;
	struct config *config = schema_new(CONFIG_TOP, "");

	TAILQ_INIT(&config->pools);
	TAILQ_INIT(&config->guests);
	TAILQ_INIT(&config->services);
	TAILQ_INIT(&config->warnings);
	config_reader_init(&r);
	r.top->object = config;
	config_file_read(&r, path, (struct config_place){ NULL, 0 });
	build(&r);
	TAILQ_FOREACH(e, &r.errors, entry)
		report(arg, line_of(&r, e, ""));
	keep_warnings(&r, config);
	if (r.nerrors > 0) {
		config_free(config);
		config = NULL;
	}
	config_reader_free(&r);
	return config;
}

/* A block with its values, and those within it. */
static void
print_block(FILE *out, int depth, bool by_name, enum config_kind kind,
    const void *object)
{
	const struct schema_block *row = schema_block(kind);
	const struct config_pool *pool = object;
	const struct config_class *class = object;
	const struct config_source *source;
	const struct config_classes *classes = NULL;

	fprintf(out, "%*s%s \"%s\" {\n", depth * CONFIG_INDENT, "", row->word,
	    (const char *)object + row->name);
	if (kind == CONFIG_POOL) {
		classes = &pool->classes;
		TAILQ_FOREACH(source, &pool->sources, entry)
			print_block(out, depth + 1, by_name, CONFIG_SOURCE,
			    source);
	} else if (kind == CONFIG_CLASS)
		classes = &class->classes;
	schema_print(kind, object, out, depth + 1, by_name);
	if (classes != NULL)
		TAILQ_FOREACH(class, classes, entry)
			print_block(out, depth + 1, by_name, CONFIG_CLASS,
			    class);
	fprintf(out, "%*s}\n", depth * CONFIG_INDENT, "");
}

void
config_print(const struct config *config, FILE *out, bool by_name)
{
	const struct config_pool *pool;
	const struct config_guest *guest;
	const struct config_service *o;

	schema_print(CONFIG_TOP, config, out, 0, by_name);
	TAILQ_FOREACH(pool, &config->pools, entry)
		print_block(out, 0, by_name, CONFIG_POOL, pool);
	TAILQ_FOREACH(guest, &config->guests, entry)
		print_block(out, 0, by_name, CONFIG_GUEST, guest);
	TAILQ_FOREACH(o, &config->services, entry)
		print_block(out, 0, by_name,
		    o->kind == CONFIG_SERVICE_EGD ? CONFIG_EGD : CONFIG_STREAM,
		    o);
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
	struct config_service *service;
	struct config_source *source;
	struct config_warning *warning;

	if (config == NULL)
		return;
	while ((warning = TAILQ_FIRST(&config->warnings)) != NULL) {
		TAILQ_REMOVE(&config->warnings, warning, entry);
		free(warning);
	}
	while ((guest = TAILQ_FIRST(&config->guests)) != NULL) {
		TAILQ_REMOVE(&config->guests, guest, entry);
		free(guest->socket.where);
		free(guest->egd);
		free(guest);
	}
	while ((service = TAILQ_FIRST(&config->services)) != NULL) {
		TAILQ_REMOVE(&config->services, service, entry);
		free(service->socket.where);
		free(service);
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
