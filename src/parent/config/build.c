/*
 * Reads a configuration: from files to blocks, which are checked against the
 * schema, and from blocks to the struct that the rest of the daemon knows;
 * prints it, and frees it.  Used by main.c at start, at each reload and for
 * vrngd -n.
 */
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "parent/config/reader.h"

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

/* Whether the setting has what can be a value of the key. */
static bool
check_form(const struct config_setting *s, const struct config_key *key)
{
	const struct config_item *item;

	if (s->is_list && key->type != TYPE_NETWORKS) {
		setting_error(s,
		    "%s has one value, not a list: remove the { and the }",
		    s->name);
		return false;
	}
	TAILQ_FOREACH(item, &s->items, entry)
		if (key->type != TYPE_BYTES &&
		    strlen(item->word.text) != item->word.len) {
			config_error(s->block->reader, s->block, item->place,
			    "%s has a NUL byte in it: remove \\x00", s->name);
			return false;
		}
	return true;
}

static void
check_key(struct config_setting *s)
{
	const struct config_key *key = schema_find(s->block->kind, s->name);
	const struct config_setting *other = setting_of(s->block, s->name);

	if (other != NULL) {
		setting_error(s, "%s is given twice, first in %s: remove one",
		    s->name,
		    config_place_text(s->block->reader, other->place,
			s->place));
		return;
	}
	if (key != NULL && check_form(s, key)) {
		s->key = key;
		return;
	}
	s->block->damaged = true;
	if (key == NULL)
		wrong_key(s);
}

static void
check_name(const struct config_block *block)
{
	const char *word = schema_block(block->kind)->word;
	const struct config_block *scope = block;
	const struct config_taken *first;

	if (block->name[0] == '\0') {
		config_error(block->reader, NULL, block->place,
		    "%s needs a name: write %s \"NAME\" {", word, word);
		return;
	}
	if (strnlen(block->name, CONFIG_NAME_SIZE) == CONFIG_NAME_SIZE)
		block_error(block,
		    "the name is longer than %d bytes: shorten it",
		    CONFIG_NAME_SIZE - 1);
	else if (!names_valid(block->name))
		block_error(block,
		    "a name is made of letters, digits, . _ and - only");
	/* It is unique in its pool, or else among all of its kind. */
	while (scope->within != NULL && scope->kind != CONFIG_POOL)
		scope = scope->within;
	if (block->kind & (CONFIG_POOL | CONFIG_LEAVES))
		scope = NULL;
	first = config_take(block, NULL,
	    config_text(block->reader, "%p %s %s", (const void *)scope, word,
		block->name));
	if (first != NULL)
		config_error(block->reader, NULL, block->place,
		    "there is %s %s already, in %s: give this one another name",
		    config_article(word), block->title,
		    config_place_text(block->reader, first->block->place,
			block->place));
}

/* Whether the block may stand where it does. */
static void
check_place(const struct config_block *block)
{
	const struct schema_block *row = schema_block(block->kind);
	const struct config_block *within = block->within;

	if (!within->unclosed && within->kind != CONFIG_IGNORED &&
	    (row->within & within->kind) == 0)
		block_error(block, "%s %s stands %s, not %s%s",
		    config_article(row->word), row->word, row->place,
		    within->kind == CONFIG_TOP ? "at the top level" : "in ",
		    within->kind == CONFIG_TOP ? "" : within->title);
}

/* Names, keys and the places of all blocks. */
static void
check_all(struct config_reader *r)
{
	struct config_setting *s;
	struct config_block *block;

	TAILQ_FOREACH(block, &r->all, all) {
		if (block->kind == CONFIG_IGNORED)
			continue;
		if (block->kind != CONFIG_TOP) {
			check_place(block);
			check_name(block);
		}
		TAILQ_FOREACH(s, &block->settings, entry)
			check_key(s);
	}
}

/* Whether the source, as far as its type is known, has the key. */
static bool
is_of_type(const struct config_setting *s)
{
	const struct config_source *source = s->block->object;
	const struct config_setting *type = setting_of(s->block, "type");
	uint32_t kind = source->spec.kind;

	if (s->key->sources == 0 || type == NULL || type->bad ||
	    (s->key->sources & 1U << kind) != 0)
		return true;
	setting_error(s,
	    "a source of type %s has no %s: remove it, or write type = %s",
	    names_source_kind[kind], s->name,
	    config_alternatives(s->block->reader, names_source_kind,
		s->key->sources));
	return false;
}

/* Notes the setting that says where the block's socket is: the first. */
static bool
is_only_address(const struct config_setting *s)
{
	const struct config_setting *first = s->block->where;

	if (first == NULL) {
		s->block->where = s;
		return true;
	}
	setting_error(s, "%s is a second address, after %s in %s: remove one",
	    s->name, first->name,
	    config_place_text(s->block->reader, first->place, s->place));
	return false;
}

/* Whether the socket is one that systemd passes, which only leaves have. */
static bool
is_passed(const struct config_setting *s, void *part)
{
	struct config_socket *socket = part;

	if ((s->block->kind & CONFIG_LEAVES) == 0 ||
	    s->key->type != TYPE_ADDRESS ||
	    strcmp(s->value, CONFIG_PASSED) != 0)
		return false;
	socket->transport = (enum config_transport)s->key->min;
	return socket->passed = true;
}

static void
read_setting(struct config_setting *s)
{
	struct config_block *block = s->block;
	void *part = schema_part(block->kind, block->object, s->key->part);
	const struct config_item *item;
	const char *wrong;

	if ((block->kind == CONFIG_SOURCE && !is_of_type(s)) ||
	    (s->key->type == TYPE_ADDRESS && !is_only_address(s)) ||
	    is_passed(s, part))
		return;
	TAILQ_FOREACH(item, &s->items, entry) {
		wrong = value_read(block->reader, s->key, &item->word, part);
		if (wrong == NULL)
			continue;
		config_error(block->reader, block, item->place, "%s \"%s\" %s",
		    s->name, config_shown(block->reader, item->word.text),
		    wrong);
		s->bad = true;
		if (s->key->flags & KEY_DEPENDED)
			block->damaged = true;
	}
}

/* Reads the values of a block into its struct. */
static void
read_values(struct config_block *block)
{
	const struct config_block *parent = block->parent;
	struct config_setting *s;

	if (parent != NULL)
		schema_inherit(block->kind, block->object, parent->kind,
		    parent->object);
	/* In the order of the table: what kind of source it is goes first. */
	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if ((k->blocks & block->kind) != 0 &&
		    (s = setting_of(block, k->name)) != NULL)
			read_setting(s);
}

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
		read_values(block);
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
	read_values(block);
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
	read_values(block);
	rules_sources(block);
	rules_with(block);
	rules_share(block);
	build_classes(block, &pool->classes, 0);
}

/* The class of a guest or a service, if it has one, and the pool. */
static void
set_parent(struct config_block *block)
{
	const struct config_key *key;
	struct config_block *parent = block->parent = rules_parent(block);

	for (; parent != NULL; parent = parent->parent) {
		if (parent != block->parent && parent->kind != CONFIG_POOL)
			continue;
		key =
		    schema_find(block->kind, schema_block(parent->kind)->word);
		memcpy((char *)block->object + key->offset, &parent->object,
		    sizeof(parent->object));
	}
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
	read_values(block);
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
	read_values(r->top);
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
	check_all(&r);
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
print_block(FILE *out, int depth, enum config_kind kind, const void *object)
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
			print_block(out, depth + 1, CONFIG_SOURCE, source);
	} else if (kind == CONFIG_CLASS)
		classes = &class->classes;
	schema_print(kind, object, out, depth + 1);
	if (classes != NULL)
		TAILQ_FOREACH(class, classes, entry)
			print_block(out, depth + 1, CONFIG_CLASS, class);
	fprintf(out, "%*s}\n", depth * CONFIG_INDENT, "");
}

void
config_print(const struct config *config, FILE *out)
{
	const struct config_pool *pool;
	const struct config_guest *guest;
	const struct config_outlet *o;

	schema_print(CONFIG_TOP, config, out, 0);
	TAILQ_FOREACH(pool, &config->pools, entry)
		print_block(out, 0, CONFIG_POOL, pool);
	TAILQ_FOREACH(guest, &config->guests, entry)
		print_block(out, 0, CONFIG_GUEST, guest);
	TAILQ_FOREACH(o, &config->outlets, entry)
		print_block(out, 0,
		    o->kind == CONFIG_OUTLET_EGD ? CONFIG_EGD : CONFIG_STREAM,
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
	struct config_outlet *outlet;
	struct config_source *source;

	if (config == NULL)
		return;
	while ((guest = TAILQ_FIRST(&config->guests)) != NULL) {
		TAILQ_REMOVE(&config->guests, guest, entry);
		free(guest->socket.where);
		free(guest->egd);
		free(guest);
	}
	while ((outlet = TAILQ_FIRST(&config->outlets)) != NULL) {
		TAILQ_REMOVE(&config->outlets, outlet, entry);
		free(outlet->socket.where);
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
