#include <stdio.h>
#include <string.h>

#include "parent/config/config_build.h"

#define SHARE_MAX 100 /* percent: a CPU */

const struct config_polling config_polling_default = {
	.us = 0,
	.share = 50,
};

static void
set_share(struct config_reader *r, struct config_block *block)
{
	const struct config_setting *s = block->set[KEY_POLL_SHARE];
	const char *rest;
	uint64_t n;

	if (s == NULL)
		return;
	rest = config_digits(s->value, &n);
	if (rest == NULL || strcmp(rest, "%") != 0 || n == 0 || n > SHARE_MAX)
		config_value_bad(r, block, KEY_POLL_SHARE,
		    "is not a share of a CPU: write it like 20%%, 1%% to %d%%",
		    SHARE_MAX);
	else
		block->polling->share = (uint32_t)n;
}

void
config_polling(struct config_reader *r, struct config_block *block)
{
	if (block->kind != CONFIG_POOL)
		*block->polling = block->parent != NULL
		    ? *block->parent->polling
		    : config_polling_default;
	config_value_number(r, block, KEY_POLL_US, 0, POLL_US_MAX,
	    &block->polling->us);
	set_share(r, block);
}
