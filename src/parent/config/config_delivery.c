#include "common/clock.h"
#include "parent/config/config_build.h"

#define RESEED_BYTES_MIN    (UINT64_C(64) << 10)
#define RESEED_BYTES_MAX    (UINT64_C(1) << 30)
#define RESEED_INTERVAL_MIN NS_PER_SEC
#define RESEED_INTERVAL_MAX (86400 * NS_PER_SEC)

static const char *const modes[] = {
	[DELIVERY_RAW] = "raw",
	[DELIVERY_DRBG] = "drbg",
};

const struct config_choice config_deliveries = { modes, 2 };

const struct proto_delivery config_delivery_default = {
	.mode = DELIVERY_RAW,
	.reseed_bytes = UINT64_C(1) << 20,
	.reseed_interval = 60 * NS_PER_SEC,
};

/*
 * Whether the delivery of a block is what it seems: nothing that it could come
 * from was lost to another mistake.
 */
static bool
is_known(const struct config_block *block)
{
	while (!block->damaged && block->parent != NULL)
		block = block->parent;
	return !block->damaged && block->kind == CONFIG_POOL;
}

/* A class without a DRBG may have guests with one; a leaf has nobody. */
static void
check_leaf(struct config_reader *r, const struct config_block *leaf)
{
	static const enum config_key keys[] = { KEY_RESEED_BYTES,
		KEY_RESEED_INTERVAL, KEY_PREDICTION_RESISTANCE };
	const struct config_setting *s;

	if (leaf->delivery->mode != DELIVERY_RAW || !is_known(leaf))
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if ((s = leaf->set[keys[i]]) != NULL)
			config_block_mistake(r, leaf, s->place,
			    "%s has no meaning where delivery is raw: write "
			    "delivery = drbg, or remove %s",
			    s->key, s->key);
}

void
config_delivery(struct config_reader *r, struct config_block *block)
{
	struct proto_delivery *delivery = block->delivery;
	bool resistance;

	if (block->kind != CONFIG_POOL)
		*delivery = block->parent != NULL ? *block->parent->delivery
						  : config_delivery_default;
	config_value_choice(r, block, KEY_DELIVERY, &config_deliveries,
	    &delivery->mode);
	config_value_size(r, block, KEY_RESEED_BYTES, RESEED_BYTES_MIN,
	    RESEED_BYTES_MAX, &delivery->reseed_bytes);
	config_value_time(r, block, KEY_RESEED_INTERVAL, RESEED_INTERVAL_MIN,
	    RESEED_INTERVAL_MAX, &delivery->reseed_interval);
	if (config_value_bool(r, block, KEY_PREDICTION_RESISTANCE, &resistance))
		delivery->prediction_resistance = resistance;
	if ((block->kind & CONFIG_LEAVES) == 0)
		return;
	block->share->generated = delivery->mode == DELIVERY_DRBG;
	check_leaf(r, block);
}
