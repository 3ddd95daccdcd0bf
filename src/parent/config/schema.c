/*
 * The table of keys and the table of blocks.  Used by the rest of this folder.
 */
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/serial.h"
#include "parent/config/schema.h"

#define KIB	   (UINT64_C(1) << 10)
#define MIB	   (UINT64_C(1) << 20)
#define GIB	   (UINT64_C(1) << 30)
#define MINUTE	   (60 * NS_PER_SEC)
#define SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* The location of a value: the part of the struct, and the field in it. */
#define FIELD(type, field) \
	.offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)
#define TOP(field)    PART_WHOLE, FIELD(struct config, field)
#define POOL(field)   PART_WHOLE, FIELD(struct config_pool, field)
#define SOURCE(field) PART_WHOLE, FIELD(struct config_source, field)
#define GUEST(field)  PART_WHOLE, FIELD(struct config_guest, field)
#define LINK(type, field) \
	PART_WHOLE, .offset = offsetof(struct type, field), \
		    .size = sizeof(void *)
#define SERVICE(field)	PART_WHOLE, FIELD(struct config_service, field)
#define SOCKET(field)	PART_SOCKET, FIELD(struct config_socket, field)
#define SHARE(field)	PART_SHARE, FIELD(struct alloc_share, field)
#define DELIVERY(field) PART_DELIVERY, FIELD(struct proto_delivery, field)
#define POLLING(field)	PART_POLLING, FIELD(struct config_polling, field)
#define RIGHTS(field)	PART_RIGHTS, FIELD(struct listener_rights, field)

#define ONLY(kind) (1U << SOURCE_##kind)
#define SOCKETS	   (ONLY(EGD) | ONLY(STREAM))

#define WITH(name, value) .with = (name), .with_value = (value)

static names preset_names = { "truerng", "onerng", NULL };

#define SPEED(baud) (baud),
static const uint32_t speeds[] = { 0, SERIAL_SPEEDS(SPEED) };
static const uint32_t sample_bits[] = { 1, 2, 4, 8 };
#define NUMBERS(list) \
	.numbers = (list), .nnumbers = sizeof(list) / sizeof((list)[0])

/* In the order in which they are printed. */
/* clang-format off */
const struct config_key schema_keys[] = {
/*	name, blocks, type, where,	least, most, default */

	{ "statistics", CONFIG_TOP, TYPE_TIME, TOP(statistics),
		NS_PER_SEC, 1440 * MINUTE, CONFIG_STATISTICS,
		.flags = KEY_ZERO },

	{ "type", CONFIG_SOURCE, TYPE_WORD, SOURCE(spec.kind),
		.names = names_source_kind, .initial = "required" },
	{ "preset", CONFIG_SOURCE, TYPE_PRESET, SOURCE(spec),
		.names = preset_names, .sources = ONLY(SERIAL) },
	{ "path", CONFIG_SOURCE, TYPE_PATH, SOCKET(where), 0, PATH_MAX - 1,
		.sources = ONLY(DEVICE) | ONLY(SERIAL), .initial = "required" },
	{ "replay", CONFIG_SOURCE, TYPE_BOOL, SOURCE(replay),
		.sources = ONLY(DEVICE) },
	{ "speed", CONFIG_SOURCE, TYPE_NUMBER, SOURCE(spec.speed), 0, 4000000,
		.sources = ONLY(SERIAL), NUMBERS(speeds),
		.wrong = "must be a standard speed, such as 9600, or 0" },
	{ "init", CONFIG_SOURCE, TYPE_BYTES, SOURCE(spec), 0, SOURCE_INIT_SIZE,
		.sources = ONLY(SERIAL), .initial = "nothing" },
	{ "vendor", CONFIG_SOURCE, TYPE_HEX, SOURCE(vendor), 1, 0xffff,
		.flags = KEY_HIDDEN, .sources = ONLY(QNG), .initial = "any" },
	{ "product", CONFIG_SOURCE, TYPE_HEX, SOURCE(product), 1, 0xffff,
		.flags = KEY_HIDDEN, .sources = ONLY(QNG), .initial = "any" },
	{ "serial", CONFIG_SOURCE, TYPE_TEXT, SOURCE(usb_serial),
		1, CONFIG_SERIAL_SIZE - 1,
		.sources = ONLY(QNG), .initial = "any" },
	{ "instruction", CONFIG_SOURCE, TYPE_WORD, SOURCE(spec.instruction),
		.names = names_instruction, .sources = ONLY(CPU) },

	{ "unix", CONFIG_SOURCE | CONFIG_SERVICES, TYPE_ADDRESS, SOCKET(where),
		CONFIG_UNIX, SOCKET_MAX, .flags = KEY_PLACE, .sources = SOCKETS },
	{ "tcp", CONFIG_SOURCE | CONFIG_SERVICES, TYPE_ADDRESS, SOCKET(where),
		CONFIG_TCP, .flags = KEY_PLACE, .sources = SOCKETS },
	{ "udp", CONFIG_SOURCE | CONFIG_STREAM, TYPE_ADDRESS, SOCKET(where),
		CONFIG_UDP, .flags = KEY_PLACE, .sources = ONLY(STREAM) },
	{ "vsock", CONFIG_EGD, TYPE_ADDRESS, SOCKET(where),
		CONFIG_VSOCK, .flags = KEY_PLACE },
	{ "port", CONFIG_SOURCE | CONFIG_SERVICES, TYPE_NUMBER, SOCKET(port),
		1, UINT16_MAX, .flags = KEY_PLACE | KEY_HIDDEN,
		.sources = SOCKETS, .initial = "required with an address" },
	{ "connect", CONFIG_SOURCE, TYPE_BOOL, SOURCE(listen),
		.flags = KEY_OPPOSITE, .sources = ONLY(STREAM),
		.initial = "yes" },
	{ "connect", CONFIG_STREAM, TYPE_BOOL, SERVICE(connect),
		.flags = KEY_PLACE | KEY_DEPENDED },
	{ "listen", CONFIG_SOURCE, TYPE_BOOL, SOURCE(listen),
		.sources = ONLY(STREAM) },
	{ "local-port", CONFIG_STREAM, TYPE_NUMBER, SERVICE(local_port),
		1, UINT16_MAX, .flags = KEY_PLACE | KEY_HIDDEN,
		.initial = "any" },

	{ "confidential", CONFIG_SOURCE | CONFIG_SERVICES, TYPE_WORD,
		SOCKET(confidential), .value = CONFIDENTIAL_UNSET,
		.names = names_confidential, .flags = KEY_HIDDEN,
		.sources = SOCKETS, .initial = "unset, with a warning" },

	{ "noise", CONFIG_SOURCE, TYPE_WORD, SOURCE(spec.noise),
		.value = NOISE_CONDITIONED, .names = names_noise },
	{ "min-entropy", CONFIG_SOURCE, TYPE_BITS, SOURCE(spec.min_entropy),
		1, 8000, 8000, WITH("noise", NOISE_RAW),
		.initial = "required with noise = raw" },
	{ "sample-bits", CONFIG_SOURCE, TYPE_NUMBER, SOURCE(spec.sample_bits),
		1, 8, 8, WITH("noise", NOISE_RAW),
		NUMBERS(sample_bits), .wrong = "must be 1, 2, 4 or 8" },
	{ "alpha", CONFIG_SOURCE, TYPE_NUMBER, SOURCE(spec.alpha),
		ALPHA_MIN, ALPHA_MAX, 40, .prefix = "2^-",
		WITH("noise", NOISE_RAW) },
	{ "timeout", CONFIG_SOURCE, TYPE_TIME, SOURCE(spec.timeout),
		NS_PER_SEC, 60 * MINUTE, 10 * NS_PER_SEC },

	{ "combine", CONFIG_POOL, TYPE_WORD, POOL(combine),
		.value = COMBINE_FIRST, .names = names_combine },
	{ "min-sources", CONFIG_POOL, TYPE_NUMBER, POOL(min_sources),
		1, SOURCES_MAX, 1, WITH("combine", COMBINE_XOR),
		.initial = "all" },
	{ "stock", CONFIG_POOL, TYPE_SIZE, POOL(stock),
		STOCK_SIZE_MIN, STOCK_SIZE_MAX, 64 * KIB,
		.initial = "64K or 256K" },
	{ "accept-writes", CONFIG_POOL, TYPE_BOOL, POOL(accept_writes) },

	{ "socket", CONFIG_GUEST, TYPE_ADDRESS, SOCKET(where),
		CONFIG_UNIX, SOCKET_MAX },
	{ "egd", CONFIG_GUEST, TYPE_PATH, GUEST(egd), 0, SOCKET_MAX },
	{ "cid", CONFIG_GUEST, TYPE_NUMBER, GUEST(cid),
		CONFIG_CID_MIN, CONFIG_CID_MAX, .flags = KEY_HIDDEN,
		.initial = "none" },

	{ "pool", CONFIG_GUEST, TYPE_NAME, LINK(config_guest, pool),
		CONFIG_POOL, .initial = "default, or the only one" },
	{ "pool", CONFIG_SERVICES, TYPE_NAME, LINK(config_service, pool),
		CONFIG_POOL, .initial = "default, or the only one" },
	{ "class", CONFIG_GUEST, TYPE_NAME, LINK(config_guest, class),
		CONFIG_CLASS },
	{ "class", CONFIG_SERVICES, TYPE_NAME, LINK(config_service, class),
		CONFIG_CLASS },
	{ "owner", CONFIG_LEAVES, TYPE_USER, RIGHTS(owner),
		.value = UINT32_MAX, .flags = KEY_HIDDEN,
		.initial = "vrngd's" },
	{ "group", CONFIG_LEAVES, TYPE_GROUP, RIGHTS(group),
		.value = UINT32_MAX, .flags = KEY_HIDDEN,
		.initial = "vrngd's" },
	{ "mode", CONFIG_LEAVES, TYPE_OCTAL, RIGHTS(mode), 1, 0777,
		.flags = KEY_HIDDEN, .initial = "by umask" },
	{ "allow", CONFIG_SERVICES, TYPE_NETWORKS, SERVICE(allow),
		.initial = "the loopback network" },
	{ "accept-unknown", CONFIG_EGD, TYPE_BOOL, SERVICE(accept_unknown),
		.flags = KEY_PLACE | KEY_HIDDEN },
	{ "max-clients", CONFIG_SERVICES, TYPE_NUMBER, SERVICE(max_clients),
		1, CLIENTS_MAX, CONFIG_CLIENTS, .flags = KEY_CLIENTS },
	{ "idle-timeout", CONFIG_SERVICES, TYPE_TIME, SERVICE(idle_timeout),
		NS_PER_SEC, 43200 * MINUTE,
		.flags = KEY_HIDDEN, .initial = "none, 1min with udp, 10min with vsock" },

	{ "rate", CONFIG_POOL, TYPE_RATE, SHARE(rate.bytes),
		1, CONFIG_RATE_MAX, .flags = KEY_HIDDEN | KEY_DEPENDED,
		.initial = "no limit" },
	{ "rate", CONFIG_CHILDREN, TYPE_RATE, SHARE(rate.bytes),
		0, CONFIG_RATE_MAX, .flags = KEY_RATES | KEY_DEPENDED },
	{ "ceil", CONFIG_CHILDREN, TYPE_RATE, SHARE(ceil.bytes),
		1, CONFIG_RATE_MAX,
		.flags = KEY_RATES | KEY_HIDDEN | KEY_DEPENDED,
		.initial = "rate, or the parent's" },
	{ "max-bytes", CONFIG_LEAVES, TYPE_SIZE, SHARE(ceil.bytes),
		CONFIG_BURST_MIN, CONFIG_BURST_MAX,
		.flags = KEY_PLAIN | KEY_DEPENDED, .initial = "none" },
	{ "period", CONFIG_LEAVES, TYPE_TIME, SHARE(ceil.period),
		NS_PER_MS, CONFIG_PERIOD_MAX_MS * NS_PER_MS, NS_PER_SEC,
		.flags = KEY_PLAIN | KEY_DEPENDED, .initial = "65536ms" },
	{ "burst", CONFIG_SHARES, TYPE_SIZE, SHARE(burst),
		CONFIG_BURST_MIN, CONFIG_BURST_MAX,
		.flags = KEY_RATES | KEY_HIDDEN | KEY_DEPENDED,
		.initial = "100ms at ceil" },
	{ "weight", CONFIG_CHILDREN, TYPE_NUMBER, SHARE(weight),
		1, CONFIG_WEIGHT_MAX, 1 },
	{ "priority", CONFIG_CHILDREN, TYPE_NUMBER, SHARE(priority),
		0, CONFIG_PRIORITY_MAX, 0 },

	{ "delivery", CONFIG_SHARES, TYPE_WORD, DELIVERY(mode),
		.value = DELIVERY_RAW, .names = names_delivery,
		.flags = KEY_INHERITED | KEY_DEPENDED },
	{ "reseed-bytes", CONFIG_SHARES, TYPE_SIZE, DELIVERY(reseed_bytes),
		64 * KIB, GIB, MIB, .flags = KEY_INHERITED,
		WITH("delivery", DELIVERY_DRBG) },
	{ "reseed-interval", CONFIG_SHARES, TYPE_TIME,
		DELIVERY(reseed_interval), NS_PER_SEC, 1440 * MINUTE, MINUTE,
		.flags = KEY_INHERITED,
		WITH("delivery", DELIVERY_DRBG) },
	{ "prediction-resistance", CONFIG_SHARES, TYPE_BOOL,
		DELIVERY(prediction_resistance), .flags = KEY_INHERITED,
		WITH("delivery", DELIVERY_DRBG) },
	{ "poll-us", CONFIG_POLLED, TYPE_NUMBER, POLLING(us),
		0, POLL_US_MAX, 0, .flags = KEY_INHERITED },
	{ "poll-share", CONFIG_POLLED, TYPE_NUMBER, POLLING(share),
		1, 100, 50, .suffix = "%", .flags = KEY_INHERITED },
	{ .name = NULL },
};

/* The offset of a part in the struct of a block. */
#define PART(PART, type, field) [PART_##PART] = offsetof(struct type, field)
#define BLOCK(type, name) sizeof(struct type), offsetof(struct type, name)
#define LEAF_PLACE CONFIG_TOP, "at the top level, with class = NAME"
#define SERVICE_BLOCK \
	LEAF_PLACE, BLOCK(config_service, name), \
		{ PART(SHARE, config_service, share), \
		  PART(DELIVERY, config_service, delivery), \
		  PART(POLLING, config_service, polling), \
		  PART(SOCKET, config_service, socket), \
		  PART(RIGHTS, config_service, rights) }
#define TERMS(type) \
	PART(SHARE, type, share), PART(DELIVERY, type, terms.delivery), \
	PART(POLLING, type, terms.polling)

const struct schema_block schema_blocks[] = {
	{ "pool", CONFIG_POOL, CONFIG_TOP, "at the top level",
		BLOCK(config_pool, name), { TERMS(config_pool) } },
	{ "source", CONFIG_SOURCE, CONFIG_POOL, "in a pool",
		BLOCK(config_source, spec.name),
		{ PART(SOCKET, config_source, socket) } },
	{ "class", CONFIG_CLASS, CONFIG_POOL | CONFIG_CLASS,
		"in a pool or in another class",
		BLOCK(config_class, name), { TERMS(config_class) } },
	{ "guest", CONFIG_GUEST, LEAF_PLACE, BLOCK(config_guest, name),
		{ TERMS(config_guest), PART(SOCKET, config_guest, socket),
		  PART(RIGHTS, config_guest, rights) } },
	{ "egd", CONFIG_EGD, SERVICE_BLOCK },
	{ "stream", CONFIG_STREAM, SERVICE_BLOCK },
	{ "block", CONFIG_TOP, .size = sizeof(struct config) },
	{ .word = "block", .kind = CONFIG_IGNORED },
};
/* clang-format on */

const struct schema_block *
schema_block(enum config_kind kind)
{
	const struct schema_block *block = schema_blocks;

	while (block->kind != kind)
		block++;
	return block;
}

enum config_kind
schema_kind(const char *word)
{
	const struct schema_block *block = schema_blocks;

	while (block->kind != CONFIG_TOP && strcmp(word, block->word) != 0)
		block++;
	return block->kind != CONFIG_TOP ? block->kind : CONFIG_IGNORED;
}

const struct config_key *
schema_find(unsigned int blocks, const char *name)
{
	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if ((k->blocks & blocks) != 0 && strcmp(name, k->name) == 0)
			return k;
	return NULL;
}

bool
schema_has_list(const char *name)
{
	const struct config_key *key = schema_find(CONFIG_ANY, name);

	return key != NULL && key->type == TYPE_NETWORKS;
}

void *
schema_part(enum config_kind kind, void *object, enum config_part part)
{
	return (char *)object + schema_block(kind)->parts[part];
}
