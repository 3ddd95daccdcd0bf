#include "parent/config/config_build.h"

#define STOCK_DEFAULT UINT32_C(65536)
#define STOCK_FAST    UINT32_C(262144) /* where a source gives that at once */

static const char *const combines[] = {
	[COMBINE_FIRST] = "first",
	[COMBINE_XOR] = "xor",
};

const struct config_choice config_combines = { combines, 2 };

/* Whether nothing before this one reads what it reads. */
static void
check_same(struct config_reader *r, const struct config_block *pool,
    const struct config_block *block)
{
	const struct config_block *other;
	char text[128];

	TAILQ_FOREACH(other, &pool->blocks, entry) {
		if (other == block)
			return;
		if (other->source == NULL ||
		    !config_source_same(other->source, block->source))
			continue;
		config_block_mistake(r, block, block->place,
		    "what it reads (%s) is read by %s too, in %s: remove "
		    "one%s",
		    config_source_text(block->source, text, sizeof(text)),
		    other->title,
		    config_place_text(r, other->place, block->place),
		    block->source->spec.kind == SOURCE_QNG
			? ", or tell them apart by serial"
			: "");
		return;
	}
}

/* Reads the sources; returns how many there are. */
static uint32_t
build(struct config_reader *r, struct config_block *pool)
{
	struct config_block *block;
	struct config_source *source;
	uint32_t n = 0;

	TAILQ_FOREACH(block, &pool->blocks, entry) {
		if (block->kind != CONFIG_SOURCE)
			continue;
		source = config_source_new();
		TAILQ_INSERT_TAIL(&pool->pool->sources, source, entry);
		source->spec.number = n++;
		if (config_source(r, block, source))
			block->source = source;
		if (n == SOURCES_MAX + 1)
			config_block_mistake(r, block, block->place,
			    "it is the source number %u of %s, where %d are "
			    "the most: remove some",
			    n, pool->title, SOURCES_MAX);
	}
	return n;
}

static void
set_combine(struct config_reader *r, struct config_block *block, uint32_t n)
{
	const struct config_setting *s = block->set[KEY_MIN_SOURCES];
	struct config_pool *pool = block->pool;
	bool known = true;

	if (block->set[KEY_COMBINE] != NULL)
		known = config_value_choice(r, block, KEY_COMBINE,
		    &config_combines, &pool->combine);
	if (known && pool->combine == COMBINE_XOR) {
		pool->min_sources = n;
		/* In a damaged pool, not all may have been counted. */
		config_value_number(r, block, KEY_MIN_SOURCES, 1,
		    block->damaged ? SOURCES_MAX : n, &pool->min_sources);
	} else if (known && s != NULL && !block->damaged)
		config_block_mistake(r, block, s->place,
		    "min-sources goes with combine = xor: add that, or remove "
		    "min-sources");
}

void
config_pool_defaults(struct config_pool *pool)
{
	const struct config_source *source;

	pool->combine = COMBINE_FIRST;
	pool->min_sources = 1;
	pool->terms.delivery = config_delivery_default;
	pool->terms.polling = config_polling_default;
	pool->stock = STOCK_DEFAULT;
	TAILQ_FOREACH(source, &pool->sources, entry)
		if (config_source_is_kernel(source) ||
		    source->spec.kind == SOURCE_CPU)
			pool->stock = STOCK_FAST;
}

void
config_sources(struct config_reader *r, struct config_block *pool)
{
	const struct config_block *block;
	uint32_t n = build(r, pool);
	uint64_t stock;

	if (n == 0 && !pool->damaged)
		config_block_mistake(r, pool, pool->place,
		    "it has no source: add source \"kernel\" { type = kernel "
		    "}");
	if (n <= SOURCES_MAX)
		TAILQ_FOREACH(block, &pool->blocks, entry)
			if (block->source != NULL)
				check_same(r, pool, block);
	config_pool_defaults(pool->pool);
	if (n > 0)
		set_combine(r, pool, n);
	if (config_value_size(r, pool, KEY_STOCK, STOCK_SIZE_MIN,
		STOCK_SIZE_MAX, &stock))
		pool->pool->stock = (uint32_t)stock;
}
