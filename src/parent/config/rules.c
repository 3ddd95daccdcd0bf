/*
 * Rules between the keys of a block, and between a block and the class or pool
 * that it has a share of.  Used by build.c, sources.c and services.c.
 */
#include <string.h>

#include "common/clock.h"
#include "parent/config/reader.h"

#define PERIOD_DEFAULT (65536 * NS_PER_MS) /* QEMU's */
#define BURST_SHARE    10		   /* of a second at ceil */

_Static_assert(CONFIG_BURST_MAX <= UINT64_MAX / NS_PER_SEC,
    "exceeds() counts on it");

static struct alloc_share *
share_of(const struct config_block *block)
{
	return schema_part(block->kind, block->object, PART_SHARE);
}

/* The block of that kind and name, anywhere within; or else what is near. */
static struct config_block *
find_block(struct config_blocks *blocks, enum config_kind kind,
    const char *name, struct config_nearest *nearest)
{
	struct config_block *block, *found;

	TAILQ_FOREACH(block, blocks, entry) {
		if (block->kind != kind)
			continue;
		if (strcmp(block->name, name) == 0)
			return block;
		config_nearest_try(nearest, block->name);
		if ((found = find_block(&block->blocks, kind, name, nearest)) !=
		    NULL)
			return found;
	}
	return NULL;
}

/* A name that no block has. */
static void
no_such(const struct config_block *leaf, const struct config_setting *s,
    const struct config_nearest *nearest, const char *where)
{
	if (nearest->found != NULL)
		setting_error(leaf, s,
		    "there is no %s \"%s\"%s: did you mean \"%s\"?", s->name,
		    s->shown, where, nearest->found);
	else
		setting_error(leaf, s,
		    "there is no %s \"%s\"%s: add it, or name another", s->name,
		    s->shown, where);
}

/* The pool of a leaf, or NULL after an error. */
static struct config_block *
find_pool(struct config_block *leaf)
{
	struct config_reader *r = leaf->reader;
	const struct config_setting *s = setting_of(leaf, "pool");
	const char *name = s != NULL ? s->value : CONFIG_POOL_DEFAULT;
	struct config_block *block, *any = NULL;
	struct config_nearest nearest;
	size_t npools = 0;

	config_nearest_init(&nearest, name);
	if ((block = find_block(&r->pools, CONFIG_POOL, name, &nearest)) !=
	    NULL)
		return block;
	TAILQ_FOREACH(block, &r->pools, entry)
		if (block->kind == CONFIG_POOL) {
			any = block;
			npools++;
		}
	if (s == NULL && npools == 1)
		return any;
	if (npools == 0 || r->top->damaged || (s == NULL && leaf->damaged))
		return NULL;
	if (s != NULL)
		no_such(leaf, s, &nearest, "");
	else
		block_error(leaf,
		    "it names no pool, and none of the %zu pools is called "
		    "\"" CONFIG_POOL_DEFAULT "\": add pool = NAME",
		    npools);
	return NULL;
}

struct config_block *
rules_parent(struct config_block *leaf)
{
	const struct config_setting *s = setting_of(leaf, "class");
	struct config_block *pool = find_pool(leaf), *class;
	struct config_nearest nearest;

	if (pool == NULL || s == NULL)
		return pool;
	config_nearest_init(&nearest, s->value);
	class = find_block(&pool->blocks, CONFIG_CLASS, s->value, &nearest);
	if (class == NULL && !pool->damaged)
		no_such(leaf, s, &nearest,
		    config_text(leaf->reader, " in %s", pool->title));
	return class;
}

void
rules_refuse(const struct config_block *block, const char *const keys[],
    const char *why)
{
	const struct config_setting *s;

	for (; *keys != NULL; keys++)
		if ((s = setting_of(block, *keys)) != NULL)
			setting_error(block, s, "%s %s", s->name, why);
}

void
rules_port(const struct config_block *block)
{
	const struct config_socket *socket =
	    schema_part(block->kind, block->object, PART_SOCKET);
	const struct config_setting *s = setting_of(block, "port");

	if (block->where == NULL)
		return;
	if (socket->transport == CONFIG_UNIX && s != NULL)
		setting_error(block, s, "a unix socket has no port: remove it");
	else if (socket->passed && s != NULL)
		setting_error(block, s,
		    "the port is said in the socket's unit: remove it");
	if (socket->transport != CONFIG_UNIX && !socket->passed && s == NULL &&
	    !block->damaged)
		setting_error(block, block->where,
		    "%s needs a port: add port = N", block->where->name);
}

/* 100 ms at the ceil, within bounds, but no more than the parent's. */
static uint64_t
default_burst(const struct bucket_rate *ceil, const struct config_block *parent)
{
	uint64_t burst = ceil->bytes / BURST_SHARE;

	if (ceil->bytes == 0)
		return 0;
	if (burst < CONFIG_BURST_DEFAULT)
		burst = CONFIG_BURST_DEFAULT;
	if (burst > CONFIG_BURST_MAX)
		burst = CONFIG_BURST_MAX;
	if (parent != NULL && share_of(parent)->burst != 0 &&
	    share_of(parent)->burst < burst)
		burst = share_of(parent)->burst;
	return burst;
}

/* A burst needs a ceil, of its own or of its parent. */
static void
check_burst(struct config_block *block)
{
	const struct config_setting *s = setting_of(block, "burst");
	const struct config_block *parent = block->parent;
	struct alloc_share *share = share_of(block);

	if (s == NULL || s->bad)
		share->burst = default_burst(&share->ceil, parent);
	else if (share->ceil.bytes == 0 && !block->damaged &&
	    (block->kind == CONFIG_POOL ||
		(parent != NULL && !parent->damaged)))
		setting_error(block, s,
		    "burst needs a limit: add %s, or remove burst",
		    block->kind == CONFIG_POOL ? "rate" : "ceil");
}

/* Whether the one allows more in the long run than the other, per second. */
static bool
exceeds(const struct bucket_rate *a, const struct bucket_rate *b)
{
	uint64_t bytes;

	if (a->period == NS_PER_SEC)
		return a->bytes > b->bytes;
	bytes = a->bytes * NS_PER_SEC;
	return bytes / a->period > b->bytes ||
	    (bytes / a->period == b->bytes && bytes % a->period != 0);
}

/* The block's limit, as the setting gives it, must be within its parent's. */
static void
check_ceil(const struct config_block *block, const struct config_setting *s)
{
	const struct config_block *parent = block->parent;
	const char *limit;
	char text[VALUE_TEXT_SIZE];

	if (s == NULL || s->bad || parent == NULL || parent->damaged ||
	    share_of(parent)->ceil.bytes == 0 ||
	    !exceeds(&share_of(block)->ceil, &share_of(parent)->ceil))
		return;
	/* What stands there; the parent may have it from its own. */
	limit = parent->kind == CONFIG_POOL	 ? "rate"
	    : setting_of(parent, "ceil") != NULL ? "ceil"
	    : share_of(parent)->rate.bytes != 0	 ? "rate"
						 : "inherited ceil";
	setting_error(block, s,
	    "%s %s%s is above the %s %s of %s: lower it or raise that", s->name,
	    s->shown, s->key->flags & KEY_PLAIN ? " in its period" : "", limit,
	    value_size_text(share_of(parent)->ceil.bytes, text), parent->title);
}

/* The plain form of a guest or service: max-bytes in each period. */
static void
set_plain(struct config_block *block, const struct config_setting *max_bytes)
{
	struct alloc_share *share = share_of(block);
	const struct config_setting *period = setting_of(block, "period");

	rules_refuse(block, KEYS("rate", "ceil", "burst"),
	    "cannot stand with max-bytes, which has period only: remove one");
	if (period == NULL || period->bad)
		share->ceil.period = PERIOD_DEFAULT;
	share->burst = share->ceil.bytes;
	if (!block->damaged)
		check_ceil(block, max_bytes);
}

/* Rate, ceil and burst. */
static void
set_rates(struct config_block *block)
{
	const struct config_setting *rate = setting_of(block, "rate");
	const struct config_setting *ceil = setting_of(block, "ceil");
	struct alloc_share *share = share_of(block);

	if (share->ceil.bytes != 0) {
		if (share->rate.bytes > share->ceil.bytes)
			setting_error(block, rate,
			    "rate %s is above ceil %s: lower it, or raise ceil",
			    rate->value, ceil->value);
		check_ceil(block, ceil);
	} else if (share->rate.bytes != 0) {
		share->ceil.bytes = share->rate.bytes;
		if (ceil == NULL)
			check_ceil(block, rate);
	} else if (block->parent != NULL)
		share->ceil = share_of(block->parent)->ceil;
	check_burst(block);
}

void
rules_share(struct config_block *block)
{
	const struct config_setting *max_bytes = setting_of(block, "max-bytes");
	const struct config_setting *period = setting_of(block, "period");
	struct alloc_share *share = share_of(block);

	share->rate.period = NS_PER_SEC;
	if (period == NULL)
		share->ceil.period = NS_PER_SEC;
	if (block->kind == CONFIG_POOL) {
		share->weight = 1;
		share->ceil = share->rate;
		check_burst(block);
	} else if (max_bytes != NULL)
		set_plain(block, max_bytes);
	else {
		if (period != NULL && !block->damaged)
			setting_error(block, period,
			    "period needs max-bytes: add it, or remove period");
		set_rates(block);
	}
	if (block->parent != NULL)
		block->parent->guaranteed += share->rate.bytes;
}

/*
 * Whether what a block inherits is what it seems: nothing that it could come
 * from was lost to another error.
 */
static bool
is_known(const struct config_block *block)
{
	while (!block->damaged && block->parent != NULL)
		block = block->parent;
	return !block->damaged &&
	    (block->kind & (CONFIG_POOL | CONFIG_SOURCE)) != 0;
}

void
rules_with(const struct config_block *block)
{
	const struct config_setting *s, *with;
	const char *name;

	TAILQ_FOREACH(s, &block->settings, entry) {
		if (s->key == NULL || !is_known(block) ||
		    schema_goes(s->key, block->kind, block->object))
			continue;
		with = setting_of(block, s->key->with);
		if (with != NULL && with->bad)
			continue;
		name = schema_find(block->kind, s->key->with)
			   ->names[s->key->with_value];
		setting_error(block, s,
		    "%s goes with %s = %s: add that, or remove %s", s->name,
		    s->key->with, name, s->name);
	}
}

void
rules_sum(const struct config_block *block)
{
	const struct config_setting *s = setting_of(block, "rate");
	uint64_t own = share_of(block)->rate.bytes;
	char sum[VALUE_TEXT_SIZE];

	if (block->damaged || block->guaranteed <= own ||
	    (own == 0 && block->kind == CONFIG_POOL))
		return;
	value_size_text(block->guaranteed, sum);
	config_error(block->reader, block, s != NULL ? s->place : block->place,
	    "the rates within it come to %s: %s rate = %s, or lower those", sum,
	    s != NULL ? "write" : "add", sum);
}
