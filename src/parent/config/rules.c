/*
 * Rules for the place and the name of a block, between its keys, and between a
 * block and its class or pool.  Used by build.c, pools.c and services.c.
 */
#include <sys/param.h>

#include <string.h>

#include "common/clock.h"
#include "common/names.h"
#include "parent/config/reader.h"

#define PERIOD_DEFAULT (65536 * NS_PER_MS) /* QEMU's */
#define BURST_SHARE    10		   /* of a second at ceil */

_Static_assert(CONFIG_BURST_MAX <= UINT64_MAX / NS_PER_SEC,
    "exceeds() would overflow");

static struct alloc_share *
share_of(const struct config_block *block)
{
	return schema_part(block->kind, block->object, PART_SHARE);
}

/*
 * The text for a name that must be unique, among all of its kind or in a pool.
 */
static const char *
scoped(struct config_reader *r, const struct config_block *pool,
    enum config_kind kind, const char *name)
{
	return config_text(r, "%p %s %s", (const void *)pool,
	    schema_block(kind)->word, name);
}

/* The pool of a source or class; the top level if it is misplaced. */
static const struct config_block *
scope_of(const struct config_block *block)
{
	if (block->kind & (CONFIG_POOL | CONFIG_LEAVES))
		return NULL;
	while (block->within != NULL && block->kind != CONFIG_POOL)
		block = block->within;
	return block;
}

static void
check_name(struct config_block *block)
{
	const char *word = schema_block(block->kind)->word;
	const struct config_taken *first;

	if (block->name[0] == '\0') {
		config_error(block->reader, NULL, block->place,
		    "missing name of %s: write %s \"NAME\" {", word, word);
		return;
	}
	if (strnlen(block->name, CONFIG_NAME_SIZE) == CONFIG_NAME_SIZE)
		block_error(block, "name is longer than %d bytes: shorten it",
		    CONFIG_NAME_SIZE - 1);
	else if (!names_valid(block->name))
		block_error(block,
		    "names may contain only letters, digits, . _ and -");
	first = config_take(block, NULL,
	    scoped(block->reader, scope_of(block), block->kind, block->name));
	if (first != NULL)
		config_error(block->reader, NULL, block->place,
		    "duplicate %s, first in %s: rename one", block->title,
		    config_place_text(block->reader, first->block->place,
			block->place));
}

/* Checks the place of the block. */
static void
check_place(const struct config_block *block)
{
	const struct schema_block *row = schema_block(block->kind);
	const struct config_block *within = block->within;

	if (!within->unclosed && within->kind != CONFIG_IGNORED &&
	    (row->within & within->kind) == 0)
		block_error(block, "not allowed %s%s: it belongs %s",
		    within->kind == CONFIG_TOP ? "at the top level" : "in ",
		    within->kind == CONFIG_TOP ? "" : within->title,
		    row->place);
}

void
rules_block(struct config_block *block)
{
	check_place(block);
	check_name(block);
}

/* Reports an unknown name, with a similar one of the pool, or of all. */
static void
no_such(const struct config_setting *s, const char *where,
    const struct config_block *pool)
{
	enum config_kind kind = (enum config_kind)s->key->min;
	const struct config_block *block;
	const char *near = NULL;

	TAILQ_FOREACH(block, &s->block->reader->blocks, entry)
		if (block->kind == kind && block->object != NULL &&
		    scope_of(block) == pool)
			names_near(s->value, block->name, &near);
	setting_error(s, "unknown %s \"%s\"%s: %s%s%s", s->name, s->shown,
	    where, near ? "did you mean \"" : "add it, or use another",
	    near ? near : "", near ? "\"?" : "");
}

/* The pool of a leaf, or NULL after an error. */
static struct config_block *
find_pool(const struct config_block *leaf)
{
	struct config_reader *r = leaf->reader;
	const struct config_setting *s = setting_of(leaf, "pool");
	struct config_block *pool = config_named(r,
	    scoped(r, NULL, CONFIG_POOL,
		s != NULL ? s->value : CONFIG_POOL_DEFAULT));

	if (pool != NULL)
		return pool;
	if (s == NULL && r->npools == 1)
		return r->pool;
	if (r->npools == 0 || r->top->damaged || (s == NULL && leaf->damaged))
		return NULL;
	if (s != NULL)
		no_such(s, "", NULL);
	else
		block_error(leaf,
		    "missing pool, as none of the %zu pools is named "
		    "\"" CONFIG_POOL_DEFAULT "\": add pool = NAME",
		    r->npools);
	return NULL;
}

struct config_block *
rules_parent(struct config_block *leaf)
{
	struct config_reader *r = leaf->reader;
	const struct config_setting *s = setting_of(leaf, "class");
	struct config_block *pool = find_pool(leaf), *class;

	if (pool == NULL || s == NULL)
		return pool;
	class = config_named(r, scoped(r, pool, CONFIG_CLASS, s->value));
	if (class == NULL && !pool->damaged)
		no_such(s, config_text(r, " in %s", pool->title), pool);
	return class;
}

void
rules_refuse(const struct config_block *block, const char *const keys[],
    const char *why)
{
	const struct config_setting *s;

	for (; *keys != NULL; keys++)
		if ((s = setting_of(block, *keys)) != NULL)
			setting_error(s, "%s %s", s->name, why);
}

void
rules_port(const struct config_block *block)
{
	const struct config_socket *socket =
	    schema_part(block->kind, block->object, PART_SOCKET);
	const struct config_setting *where = block->where, *s;

	if (where == NULL)
		return;
	TAILQ_FOREACH(s, &block->settings, entry)
		if (s->key->type == TYPE_ADDRESS && s != where)
			setting_error(s,
			    "%s is a second address, after %s in %s: remove "
			    "one",
			    s->name, where->name,
			    config_place_text(block->reader, where->place,
				s->place));
	if ((s = setting_of(block, "port")) == NULL) {
		if (socket->transport != CONFIG_UNIX && !socket->passed &&
		    !block->damaged)
			setting_error(where, "missing port of %s: add port = N",
			    where->name);
	} else if (socket->transport == CONFIG_UNIX)
		setting_error(s, "port is not allowed with unix: remove it");
	else if (socket->passed)
		setting_error(s, "port is set in the socket's unit: remove it");
}

void
rules_confidential(const struct config_block *block, bool remote)
{
	const struct config_setting *s = setting_of(block, "confidential");
	const struct config_socket *socket =
	    schema_part(block->kind, block->object, PART_SOCKET);

	if (s == NULL && remote && !block->damaged)
		config_warning_add(block, block->where,
		    config_text(block->reader,
			"bytes may cross the network in clear: add "
			"confidential = tls, wireguard or none"));
	else if (s != NULL && !s->bad && socket->transport == CONFIG_UDP &&
	    socket->confidential == CONFIDENTIAL_TLS)
		setting_error(s,
		    "confidential = tls requires tcp or unix: use wireguard "
		    "or none");
}

/*
 * Checks or sets the burst.  It requires a ceil, of the block or of its parent.
 * The default is 100 ms at ceil, within bounds, and at most the burst of the
 * parent.
 */
static void
check_burst(const struct config_block *block)
{
	const struct config_setting *s = setting_of(block, "burst");
	const struct config_block *parent = block->parent;
	struct alloc_share *share = share_of(block);
	uint64_t ceil = share->ceil.bytes;
	bool is_pool = block->kind == CONFIG_POOL;

	if (s == NULL || s->bad) {
		share->burst = ceil == 0
		    ? 0
		    : MIN(MAX(ceil / BURST_SHARE, CONFIG_BURST_DEFAULT),
			  CONFIG_BURST_MAX);
		if (parent != NULL && share_of(parent)->burst != 0)
			share->burst =
			    MIN(share->burst, share_of(parent)->burst);
	} else if (ceil == 0 && !block->damaged &&
	    (is_pool || (parent != NULL && !parent->damaged)))
		setting_error(s,
		    "burst requires a limit: add %s, or remove burst",
		    is_pool ? "rate" : "ceil");
}

/* Whether rate `a` is higher than `b`, which is per second. */
static bool
exceeds(const struct bucket_rate *a, const struct bucket_rate *b)
{
	uint64_t most;

	if (a->period == NS_PER_SEC)
		return a->bytes > b->bytes;
	return !__builtin_mul_overflow(b->bytes, a->period, &most) &&
	    a->bytes * NS_PER_SEC > most;
}

/* Checks the limit of the block, from the setting, against its parent's. */
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
	/* The key that set it, which may be inherited. */
	limit = parent->kind == CONFIG_POOL	 ? "rate"
	    : setting_of(parent, "ceil") != NULL ? "ceil"
	    : share_of(parent)->rate.bytes != 0	 ? "rate"
						 : "inherited ceil";
	setting_error(s,
	    "%s %s%s exceeds the %s %s of %s: lower it, or raise that", s->name,
	    s->shown, s->key->flags & KEY_PLAIN ? " per period" : "", limit,
	    value_size_text(share_of(parent)->ceil.bytes, text), parent->title);
}

/* Rate, ceil and burst. */
static void
set_rates(const struct config_block *block, struct alloc_share *share)
{
	const struct config_setting *rate = setting_of(block, "rate");
	const struct config_setting *ceil = setting_of(block, "ceil");

	if (share->ceil.bytes != 0) {
		if (share->rate.bytes > share->ceil.bytes)
			setting_error(rate,
			    "rate %s exceeds ceil %s: lower it, or raise ceil",
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
	const struct config_setting *period = setting_of(block, "period"), *s;
	struct alloc_share *share = share_of(block);

	TAILQ_FOREACH(s, &block->settings, entry)
		if (s->bad && (s->key->flags & KEY_DEPENDED) != 0)
			block->damaged = true;
	share->rate.period = NS_PER_SEC;
	if (period == NULL || period->bad)
		share->ceil.period =
		    max_bytes != NULL ? PERIOD_DEFAULT : NS_PER_SEC;
	if (block->kind == CONFIG_POOL) {
		share->weight = 1;
		share->ceil = share->rate;
		check_burst(block);
	} else if (max_bytes != NULL) {
		rules_refuse(block, KEYS("rate", "ceil", "burst"),
		    "is not allowed with max-bytes: remove one");
		share->burst = share->ceil.bytes;
		if (!block->damaged)
			check_ceil(block, max_bytes);
	} else {
		if (period != NULL && !block->damaged)
			setting_error(period,
			    "period requires max-bytes: add it, or remove "
			    "period");
		set_rates(block, share);
	}
	if (block->parent != NULL)
		block->parent->guaranteed += share->rate.bytes;
}

/*
 * Whether the inherited values of a block are valid: the blocks around it have
 * no lost settings.
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
	const struct config_key *key;

	if (!is_known(block))
		return;
	TAILQ_FOREACH(s, &block->settings, entry) {
		if (schema_goes(s->key, block->kind, block->object))
			continue;
		with = setting_of(block, s->key->with);
		key = schema_find(block->kind, s->key->with);
		if (with == NULL || !with->bad)
			setting_error(s,
			    "%s requires %s = %s: add that, or remove %s",
			    s->name, key->name, key->names[s->key->with_value],
			    s->name);
	}
}

void
rules_sum(struct config_block *block)
{
	const struct config_setting *s = setting_of(block, "rate");
	uint64_t own = share_of(block)->rate.bytes;
	char sum[VALUE_TEXT_SIZE];

	if (block->damaged || block->guaranteed <= own ||
	    (own == 0 && block->kind == CONFIG_POOL))
		return;
	value_size_text(block->guaranteed, sum);
	config_error(block->reader, block, s != NULL ? s->place : block->place,
	    "rates in it add up to %s: %s rate = %s, or lower them", sum,
	    s != NULL ? "set" : "add", sum);
}
