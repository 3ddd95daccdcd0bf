#include "common/clock.h"
#include "parent/config/config_build.h"

#define PERIOD_DEFAULT (65536 * NS_PER_MS) /* QEMU's */
#define BURST_SHARE    10		   /* of a second at ceil */

_Static_assert(CONFIG_BURST_MAX <= UINT64_MAX / NS_PER_SEC,
    "exceeds() counts on it");

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
	if (parent != NULL && parent->share->burst != 0 &&
	    parent->share->burst < burst)
		burst = parent->share->burst;
	return burst;
}

/* Takes the key, or else the default, which there is none of without a ceil. */
static void
set_burst(struct config_reader *r, struct config_block *block,
    const struct config_block *parent)
{
	struct alloc_share *share = block->share;
	const char *limit = block->kind == CONFIG_POOL ? "rate" : "ceil";
	uint64_t burst;

	share->burst = default_burst(&share->ceil, parent);
	if (!config_value_size(r, block, KEY_BURST, CONFIG_BURST_MIN,
		CONFIG_BURST_MAX, &burst))
		return;
	if (share->ceil.bytes != 0)
		share->burst = burst;
	else if (!block->damaged &&
	    (block->kind == CONFIG_POOL ||
		(parent != NULL && !parent->damaged)))
		config_block_mistake(r, block, block->set[KEY_BURST]->place,
		    "burst has no meaning without a limit: add %s, or remove "
		    "burst",
		    limit);
}

void
config_share_pool(struct config_reader *r, struct config_block *block)
{
	struct alloc_share *share = block->share;
	uint64_t rate = 0;

	config_value_size(r, block, KEY_RATE, 1, CONFIG_RATE_MAX, &rate);
	share->rate = (struct bucket_rate){ rate, NS_PER_SEC };
	share->ceil = share->rate;
	share->weight = 1;
	set_burst(r, block, NULL);
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

/* The block's limit, as `key` gives it, must be within that of its parent. */
static void
check_ceil(struct config_reader *r, const struct config_block *block,
    enum config_key key)
{
	const struct config_block *parent = block->parent;
	const char *limit;
	char text[CONFIG_SIZE_TEXT];

	if (block->set[key] == NULL || parent == NULL || parent->damaged ||
	    parent->share->ceil.bytes == 0 ||
	    !exceeds(&block->share->ceil, &parent->share->ceil))
		return;
	/* What stands there; the parent may have it from its own. */
	limit = parent->kind == CONFIG_POOL  ? "rate"
	    : parent->set[KEY_CEIL] != NULL  ? "ceil"
	    : parent->share->rate.bytes != 0 ? "rate"
					     : "inherited ceil";
	config_block_mistake(r, block, block->set[key]->place,
	    "%s %s%s is above the %s %s of %s: lower the one or raise the "
	    "other",
	    config_key_name(key), config_shown(r, block->set[key]->value),
	    key == KEY_MAX_BYTES ? " in its period" : "", limit,
	    config_size_text(text, parent->share->ceil.bytes), parent->title);
}

/* Rate, ceil and burst. */
static void
set_rates(struct config_reader *r, struct config_block *block)
{
	const struct config_block *parent = block->parent;
	struct alloc_share *share = block->share;
	char rate_text[CONFIG_SIZE_TEXT], ceil_text[CONFIG_SIZE_TEXT];
	uint64_t rate = 0, ceil;

	config_value_size(r, block, KEY_RATE, 0, CONFIG_RATE_MAX, &rate);
	share->rate.bytes = rate;
	if (config_value_size(r, block, KEY_CEIL, 1, CONFIG_RATE_MAX, &ceil)) {
		share->ceil.bytes = ceil;
		if (rate > ceil)
			config_block_mistake(r, block,
			    block->set[KEY_RATE]->place,
			    "rate %s is above its ceil %s: lower rate or "
			    "raise ceil",
			    config_size_text(rate_text, rate),
			    config_size_text(ceil_text, ceil));
		check_ceil(r, block, KEY_CEIL);
	} else if (rate != 0) {
		share->ceil.bytes = rate;
		if (block->set[KEY_CEIL] == NULL)
			check_ceil(r, block, KEY_RATE);
	} else if (parent != NULL)
		share->ceil = parent->share->ceil;
	set_burst(r, block, parent);
}

/* The plain form of a guest or service: max-bytes in each period. */
static void
set_plain(struct config_reader *r, struct config_block *block)
{
	static const enum config_key others[] = { KEY_RATE, KEY_CEIL,
		KEY_BURST };
	const struct config_setting *s;
	struct alloc_share *share = block->share;
	uint64_t bytes, period = PERIOD_DEFAULT;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if ((s = block->set[others[i]]) != NULL)
			config_block_mistake(r, block, s->place,
			    "%s cannot stand with max-bytes: use either "
			    "max-bytes and period, or rate, ceil and burst",
			    s->key);
	config_value_time(r, block, KEY_PERIOD, NS_PER_MS,
	    CONFIG_PERIOD_MAX_MS * NS_PER_MS, &period);
	if (!config_value_size(r, block, KEY_MAX_BYTES, CONFIG_BURST_MIN,
		CONFIG_BURST_MAX, &bytes))
		return;
	share->ceil = (struct bucket_rate){ bytes, period };
	share->burst = bytes;
	if (!block->damaged)
		check_ceil(r, block, KEY_MAX_BYTES);
}

void
config_share_child(struct config_reader *r, struct config_block *block)
{
	struct alloc_share *share = block->share;

	share->rate.period = NS_PER_SEC;
	share->ceil.period = NS_PER_SEC;
	share->weight = 1;
	config_value_number(r, block, KEY_WEIGHT, 1, CONFIG_WEIGHT_MAX,
	    &share->weight);
	config_value_number(r, block, KEY_PRIORITY, 0, CONFIG_PRIORITY_MAX,
	    &share->priority);
	if (block->set[KEY_MAX_BYTES] != NULL)
		set_plain(r, block);
	else {
		if (block->set[KEY_PERIOD] != NULL && !block->damaged)
			config_block_mistake(r, block,
			    block->set[KEY_PERIOD]->place,
			    "period goes with max-bytes: add that, or remove "
			    "period");
		set_rates(r, block);
	}
	if (block->parent != NULL)
		block->parent->guaranteed += share->rate.bytes;
}

void
config_share_sum(struct config_reader *r, struct config_block *block)
{
	const struct config_setting *s = block->set[KEY_RATE];
	char sum[CONFIG_SIZE_TEXT], rate[CONFIG_SIZE_TEXT];

	if (block->damaged || block->guaranteed <= block->share->rate.bytes)
		return;
	config_size_text(sum, block->guaranteed);
	config_size_text(rate, block->share->rate.bytes);
	if (block->share->rate.bytes != 0)
		config_block_mistake(r, block, s->place,
		    "the rates within it come to %s, but its own rate is %s: "
		    "raise this or lower those",
		    sum, rate);
	else if (block->kind == CONFIG_CLASS)
		config_block_mistake(r, block,
		    s != NULL ? s->place : block->place,
		    "the rates within it come to %s, but it has no rate "
		    "itself: %s rate = %s or remove those",
		    sum, s != NULL ? "write" : "add", sum);
}
