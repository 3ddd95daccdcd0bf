/*
 * Rules between the keys of a block, between a block and the class or pool that
 * it has a share of, and between the sources of a pool.  Used by build.c and
 * services.c.
 */
#include <sys/param.h>

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
    const char *name, const char **near)
{
	struct config_block *block, *found = NULL;

	TAILQ_FOREACH(block, blocks, entry) {
		if (block->kind != kind)
			continue;
		if (strcmp(block->name, name) == 0)
			return block;
		config_near(name, block->name, near);
		found = find_block(&block->blocks, kind, name, near);
		if (found != NULL)
			break;
	}
	return found;
}

/* A name that no block has. */
static void
no_such(const struct config_setting *s, const char *where, const char *near)
{
	setting_error(s, "there is no %s \"%s\"%s: %s%s%s", s->name, s->shown,
	    where, near ? "did you mean \"" : "add it, or name another",
	    near ? near : "", near ? "\"?" : "");
}

/* The pool of a leaf, or NULL after an error. */
static struct config_block *
find_pool(const struct config_block *leaf)
{
	struct config_reader *r = leaf->reader;
	const struct config_setting *s = setting_of(leaf, "pool");
	const char *name = s != NULL ? s->value : CONFIG_POOL_DEFAULT;
	const char *near = NULL;
	struct config_block *any = NULL,
			    *block =
				find_block(&r->pools, CONFIG_POOL, name, &near);
	size_t npools = 0;

	if (block != NULL)
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
		no_such(s, "", near);
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
	const char *near = NULL;

	if (pool == NULL || s == NULL)
		return pool;
	class = find_block(&pool->blocks, CONFIG_CLASS, s->value, &near);
	if (class == NULL && !pool->damaged)
		no_such(s, config_text(leaf->reader, " in %s", pool->title),
		    near);
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
	const struct config_setting *s = setting_of(block, "port");

	if (block->where == NULL)
		return;
	if (s == NULL) {
		if (socket->transport != CONFIG_UNIX && !socket->passed &&
		    !block->damaged)
			setting_error(block->where,
			    "%s needs a port: add port = N",
			    block->where->name);
	} else if (socket->transport == CONFIG_UNIX)
		setting_error(s, "a unix socket has no port: remove it");
	else if (socket->passed)
		setting_error(s,
		    "the port is said in the socket's unit: remove it");
}

/*
 * A burst needs a ceil, of its own or of its parent.  Without one it is 100 ms
 * at the ceil, within bounds, but no more than the parent's.
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
		setting_error(s, "burst needs a limit: add %s, or remove burst",
		    is_pool ? "rate" : "ceil");
}

/* Whether the one allows more in the long run than the other, per second. */
static bool
exceeds(const struct bucket_rate *a, const struct bucket_rate *b)
{
	uint64_t most;

	if (a->period == NS_PER_SEC)
		return a->bytes > b->bytes;
	return !__builtin_mul_overflow(b->bytes, a->period, &most) &&
	    a->bytes * NS_PER_SEC > most;
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
	setting_error(s,
	    "%s %s%s is above the %s %s of %s: lower it or raise that", s->name,
	    s->shown, s->key->flags & KEY_PLAIN ? " in its period" : "", limit,
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
	if (period == NULL || period->bad)
		share->ceil.period =
		    max_bytes != NULL ? PERIOD_DEFAULT : NS_PER_SEC;
	if (block->kind == CONFIG_POOL) {
		share->weight = 1;
		share->ceil = share->rate;
		check_burst(block);
	} else if (max_bytes != NULL) {
		rules_refuse(block, KEYS("rate", "ceil", "burst"),
		    "cannot stand with max-bytes, which has period only: "
		    "remove one");
		share->burst = share->ceil.bytes;
		if (!block->damaged)
			check_ceil(block, max_bytes);
	} else {
		if (period != NULL && !block->damaged)
			setting_error(period,
			    "period needs max-bytes: add it, or remove period");
		set_rates(block, share);
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
	const struct config_key *key;

	TAILQ_FOREACH(s, &block->settings, entry) {
		if (s->key == NULL || !is_known(block) ||
		    schema_goes(s->key, block->kind, block->object))
			continue;
		with = setting_of(block, s->key->with);
		key = schema_find(block->kind, s->key->with);
		if (with == NULL || !with->bad)
			setting_error(s,
			    "%s goes with %s = %s: add that, or remove %s",
			    s->name, key->name, key->names[s->key->with_value],
			    s->name);
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

/* What its type needs. */
static void
check_type(const struct config_block *block, struct config_source *source)
{
	const struct config_setting *type = setting_of(block, "type");
	const struct config_setting *listens = setting_of(block, "listen");
	uint32_t kind = source->spec.kind;

	if (type == NULL && !block->damaged)
		block_error(block,
		    "it has no type: add one, such as type = kernel");
	if (type == NULL || type->bad)
		return;
	if ((kind == SOURCE_DEVICE || kind == SOURCE_SERIAL) &&
	    setting_of(block, "path") == NULL && !block->damaged)
		setting_error(type,
		    "a %s needs a path: add path = \"/dev/...\"",
		    kind == SOURCE_SERIAL ? "serial line" : "device");
	if (kind != SOURCE_EGD && kind != SOURCE_STREAM)
		return;
	if (kind == SOURCE_STREAM && listens != NULL &&
	    setting_of(block, "connect") != NULL)
		setting_error(listens,
		    "listen and connect are opposites: remove one");
	if (block->where == NULL && setting_of(block, "udp") == NULL &&
	    !block->damaged)
		setting_error(type,
		    "it has no address: add unix = \"/...\", or tcp%s = "
		    "\"127.0.0.1\" and port = N",
		    kind == SOURCE_STREAM ? " or udp" : "");
	rules_port(block);
	source->spec.datagrams = source->socket.transport == CONFIG_UDP;
}

/* Raw noise needs a figure, by the block's own words or by a preset's. */
static void
check_noise(const struct config_block *block, struct proto_source *spec)
{
	const struct config_setting *noise = setting_of(block, "noise");
	const struct config_setting *width = setting_of(block, "sample-bits");
	const struct config_setting *bits = setting_of(block, "min-entropy");

	if (noise != NULL && noise->bad)
		return;
	if (spec->noise == NOISE_CONDITIONED) {
		spec->min_entropy = UINT32_C(1000) * spec->sample_bits;
		return;
	}
	if (bits != NULL && !bits->bad && (width == NULL || !width->bad) &&
	    spec->min_entropy > UINT32_C(1000) * spec->sample_bits)
		setting_error(bits,
		    "min-entropy \"%s\" must be 0.001 to %u for %u-bit samples",
		    bits->shown, spec->sample_bits, spec->sample_bits);
	if (bits == NULL && !block->damaged &&
	    (setting_of(block, "preset") == NULL || width != NULL))
		setting_error(noise != NULL ? noise : width,
		    "raw noise needs an estimate: add min-entropy = BITS");
}

void
rules_source(struct config_block *block)
{
	struct config_source *source = block->object;

	check_type(block, source);
	check_noise(block, &source->spec);
	rules_with(block);
}

/* Whether nothing before this one reads what it reads. */
static void
check_same(const struct config_block *pool, const struct config_block *block)
{
	const struct config_source *source = block->object;
	const struct config_block *other;
	char text[CONFIG_WHERE_SIZE];

	TAILQ_FOREACH(other, &pool->blocks, entry) {
		if (other == block)
			return;
		if (other->kind != CONFIG_SOURCE || other->wrong ||
		    !config_source_same(other->object, source))
			continue;
		block_error(block, "%s is read by %s too, in %s: remove one%s",
		    config_source_text(source, text, sizeof(text)),
		    other->title,
		    config_place_text(block->reader, other->place,
			block->place),
		    source->spec.kind == SOURCE_QNG
			? ", or tell them apart by serial"
			: "");
		return;
	}
}

void
rules_sources(struct config_block *block)
{
	const struct config_setting *min = setting_of(block, "min-sources");
	struct config_pool *pool = block->object;
	const struct config_block *source;
	uint32_t n = 0;

	TAILQ_FOREACH(source, &block->blocks, entry) {
		if (source->kind != CONFIG_SOURCE)
			continue;
		if (++n == SOURCES_MAX + 1)
			block_error(source,
			    "a pool has at most %d sources: remove some",
			    SOURCES_MAX);
		if (!source->wrong && n <= SOURCES_MAX)
			check_same(block, source);
	}
	if (n == 0 && !block->damaged)
		block_error(block,
		    "it has no source: add source \"kernel\" { ... }");
	if (min == NULL && pool->combine == COMBINE_XOR)
		pool->min_sources = n;
	/* In a damaged pool, not all may have been counted. */
	if (min != NULL && !min->bad && pool->min_sources > n && n > 0 &&
	    pool->combine == COMBINE_XOR && !block->damaged)
		setting_error(min,
		    "min-sources \"%s\" must be 1 to %u, the number of sources",
		    min->shown, n);
}
