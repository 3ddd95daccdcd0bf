/*
 * Rules for sources and pools: between their keys, and that two sources of a
 * pool do not read the same device.  Used by build.c.
 */
#include "common/names.h"
#include "parent/config/reader.h"

/* Reports keys that a source of its type does not have. */
static void
check_settings(const struct config_block *block)
{
	const struct config_source *source = block->object;
	const struct config_setting *type = setting_of(block, "type"), *s;
	uint32_t kind = source->spec.kind;

	TAILQ_FOREACH(s, &block->settings, entry)
		if (s->key->sources != 0 && type != NULL && !type->bad &&
		    (s->key->sources & 1U << kind) == 0)
			setting_error(s,
			    "%s is not allowed with type = %s: remove it, or "
			    "set type = %s",
			    s->name, names_source_kind[kind],
			    config_alternatives(block->reader,
				names_source_kind, s->key->sources));
}

/* Checks the keys that its type requires. */
static void
check_type(const struct config_block *block, struct config_source *source)
{
	const struct config_setting *type = setting_of(block, "type");
	const struct config_setting *listens = setting_of(block, "listen");
	uint32_t kind = source->spec.kind;

	if (type == NULL && !block->damaged)
		block_error(block,
		    "missing type: add one, such as type = kernel");
	if (type == NULL || type->bad)
		return;
	if ((kind == SOURCE_DEVICE || kind == SOURCE_SERIAL) &&
	    setting_of(block, "path") == NULL && !block->damaged)
		setting_error(type,
		    "missing path of the %s: add path = \"/dev/...\"",
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
		    "missing address: add unix = \"/...\", or tcp%s = "
		    "\"127.0.0.1\" and port = N",
		    kind == SOURCE_STREAM ? " or udp" : "");
	rules_port(block);
	rules_confidential(block, config_source_remote(source));
	source->spec.datagrams = source->socket.transport == CONFIG_UDP;
}

/* Raw noise requires min-entropy, from the block or from a preset. */
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
		    "missing min-entropy of raw noise: add min-entropy = BITS");
}

/* Reports an earlier source of the pool that reads the same device. */
static void
check_same(const struct config_block *block)
{
	const struct config_block *pool = block->within, *other = pool;
	const struct config_source *source = block->object;
	char text[CONFIG_WHERE_SIZE];

	while ((other = TAILQ_NEXT(other, entry)) != block) {
		if (other->kind != CONFIG_SOURCE || other->within != pool ||
		    other->wrong || !config_source_same(other->object, source))
			continue;
		block_error(block, "%s is also read by %s, in %s: remove one%s",
		    config_source_text(source, text, sizeof(text)),
		    other->title,
		    config_place_text(block->reader, other->place,
			block->place),
		    source->spec.kind == SOURCE_QNG ? ", or add serial" : "");
		return;
	}
}

void
rules_source(struct config_block *block)
{
	struct config_source *source = block->object;
	size_t errors = block->reader->nerrors;

	check_settings(block);
	check_type(block, source);
	check_noise(block, &source->spec);
	rules_with(block);
	if (block->damaged || block->reader->nerrors != errors)
		block->wrong = true;
	if (source->spec.number == SOURCES_MAX)
		block_error(block,
		    "more than %d sources in a pool: remove some", SOURCES_MAX);
	else if (source->spec.number < SOURCES_MAX && !block->wrong)
		check_same(block);
	if (source->listen && !block->wrong)
		rules_listener(block);
}

void
rules_pool(struct config_block *block)
{
	const struct config_setting *min = setting_of(block, "min-sources");
	const struct config_setting *stock = setting_of(block, "stock");
	struct config_pool *pool = block->object;
	const struct config_source *last =
	    TAILQ_LAST(&pool->sources, config_sources);
	uint32_t n = last != NULL ? last->spec.number + 1 : 0;

	if (n == 0 && !block->damaged)
		block_error(block,
		    "missing source: add source \"kernel\" { ... }");
	if (stock == NULL)
		pool->stock = config_pool_stock(pool);
	if (min == NULL && pool->combine == COMBINE_XOR)
		pool->min_sources = n;
	/* In a damaged pool some sources may not have been counted. */
	if (min != NULL && !min->bad && pool->min_sources > n && n > 0 &&
	    pool->combine == COMBINE_XOR && !block->damaged)
		setting_error(min,
		    "min-sources \"%s\" must be 1 to %u, the number of sources",
		    min->shown, n);
	rules_share(block);
	rules_with(block);
}
