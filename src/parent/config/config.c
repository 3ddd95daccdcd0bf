#include <sys/socket.h>

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "parent/config/config_build.h"
#include "common/log.h"

#define STATISTICS_MAX (UINT64_C(86400) * NS_PER_SEC) /* a day */

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
		block->delivery = &class->terms.delivery;
		block->polling = &class->terms.polling;
		block->parent = within;
		config_share_child(r, block);
		config_delivery(r, block);
		config_polling(r, block);
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
	block->delivery = &pool->terms.delivery;
	block->polling = &pool->terms.polling;
	config_sources(r, block);
	config_value_bool(r, block, KEY_ACCEPT_WRITES, &pool->accept_writes);
	config_share_pool(r, block);
	config_delivery(r, block);
	config_polling(r, block);
	build_classes(r, block, &pool->classes, 0);
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
	block->delivery = &guest->terms.delivery;
	block->polling = &guest->terms.polling;
	if (block->set[KEY_SOCKET] == NULL && block->set[KEY_EGD] == NULL &&
	    !block->damaged)
		config_block_mistake(r, block, block->place,
		    "it has no socket: add socket = \"/run/vrngd/%s.sock\", or "
		    "egd = \"/run/vrngd/%s.egd\"",
		    block->name, block->name);
	guest->passed = config_value_passed(block, KEY_SOCKET);
	if (!guest->passed)
		config_value_path(r, block, KEY_SOCKET, CONFIG_SOCKET_MAX,
		    &guest->socket);
	else if (block->set[KEY_EGD] == NULL)
		config_refuse_rights(r, block);
	config_value_path(r, block, KEY_EGD, CONFIG_SOCKET_MAX, &guest->egd);
	config_value_owner(r, block, &guest->rights.owner);
	config_value_group(r, block, &guest->rights.group);
	config_value_mode(r, block, &guest->rights.mode);
	config_leaf(r, block, &guest->pool, &guest->class);
}

static void
build_statistics(struct config_reader *r)
{
	const struct config_setting *s = r->top->set[KEY_STATISTICS];

	r->config->statistics = CONFIG_STATISTICS;
	if (s != NULL && strcmp(s->value, "0") == 0)
		r->config->statistics = 0;
	else
		config_value_time(r, r->top, KEY_STATISTICS, NS_PER_SEC,
		    STATISTICS_MAX, &r->config->statistics);
}

static void
build(struct config_reader *r)
{
	struct config_block *block;

	build_statistics(r);
	TAILQ_FOREACH(block, &r->top->blocks, entry)
		if (block->kind == CONFIG_POOL)
			build_pool(r, block);
	TAILQ_FOREACH(block, &r->top->blocks, entry)
		if (block->kind == CONFIG_GUEST)
			build_guest(r, block);
		else if (block->kind & CONFIG_OUTLETS)
			config_outlet(r, block);
	TAILQ_FOREACH(block, &r->all, all)
		if ((block->kind & CONFIG_LEAVES) == 0 && block->share != NULL)
			config_share_sum(r, block);
	if (TAILQ_EMPTY(&r->config->pools) && !r->top->damaged)
		config_mistake(r, (struct config_place){ r->main, 1 },
		    "there is no pool: add pool \"" CONFIG_POOL_DEFAULT
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
	config_unique_names(&r);
	build(&r);
	config_unique_sockets(&r);
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
		config_outlet_free(outlet);
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
