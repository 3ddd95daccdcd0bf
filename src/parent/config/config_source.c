#include <sys/socket.h>

#include <bsd/string.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "parent/config/config_build.h"

#define TIMEOUT_MIN NS_PER_SEC
#define TIMEOUT_MAX (3600 * NS_PER_SEC)

#define BIT(key) (UINT64_C(1) << (key))
_Static_assert(KEYS <= 64, "BIT() has one for each key");

static const char *const types[] = {
	[SOURCE_KERNEL] = "kernel",
	[SOURCE_DEVICE] = "device",
	[SOURCE_SERIAL] = "serial",
	[SOURCE_QNG] = "qng",
	[SOURCE_CPU] = "cpu",
	[SOURCE_EGD] = "egd",
	[SOURCE_STREAM] = "stream",
};

const struct config_choice config_types = { types, SOURCE_KINDS };

static const char *const instructions[] = {
	[INSTRUCTION_ANY] = "any",
	[INSTRUCTION_RDSEED] = "rdseed",
	[INSTRUCTION_RDRAND] = "rdrand",
};

const struct config_choice config_instructions = { instructions, 3 };

/* The keys that not all types have. */
static const uint64_t own_keys[SOURCE_KINDS] = {
	[SOURCE_DEVICE] = BIT(KEY_PATH) | BIT(KEY_REPLAY),
	[SOURCE_SERIAL] =
	    BIT(KEY_PATH) | BIT(KEY_PRESET) | BIT(KEY_SPEED) | BIT(KEY_INIT),
	[SOURCE_QNG] = BIT(KEY_VENDOR) | BIT(KEY_PRODUCT) | BIT(KEY_SERIAL),
	[SOURCE_CPU] = BIT(KEY_INSTRUCTION),
	[SOURCE_EGD] = BIT(KEY_UNIX) | BIT(KEY_TCP) | BIT(KEY_PORT),
	[SOURCE_STREAM] = BIT(KEY_UNIX) | BIT(KEY_TCP) | BIT(KEY_UDP) |
	    BIT(KEY_PORT) | BIT(KEY_CONNECT) | BIT(KEY_LISTEN),
};

static const char *const preset_names[] = { "truerng", "onerng" };
static const struct config_choice presets = { preset_names, 2 };

/*
 * What devices need to be told, and what they send: noise that was whitened by
 * simple means, and so is tested as raw, with a cautious figure for what is in
 * it.
 */
static const struct {
	const char *init;
	uint32_t min_entropy; /* 1/1000 bit, of 8 */
} preset_values[] = {
	{ "", 7000 }, { "cmd0\ncmdO\n", 7000 }, /* avalanche noise; on */
};

/* The keys that are those of another type. */
static void
check_keys(struct config_reader *r, const struct config_block *block,
    uint32_t kind)
{
	uint64_t having;

	for (enum config_key key = 0; key < KEYS; key++) {
		if (block->set[key] == NULL)
			continue;
		having = 0;
		for (uint32_t i = 0; i < SOURCE_KINDS; i++)
			if (own_keys[i] & BIT(key))
				having |= BIT(i);
		if (having != 0 && (having & BIT(kind)) == 0)
			config_block_mistake(r, block, block->set[key]->place,
			    "a source of type %s has no %s: remove it, or "
			    "write type = %s",
			    types[kind], config_key_name(key),
			    config_choice_list(r, &config_types, having));
	}
}

static void
set_path(struct config_reader *r, struct config_block *block,
    struct config_source *source)
{
	bool serial = source->spec.kind == SOURCE_SERIAL;

	if (block->set[KEY_PATH] == NULL && !block->damaged)
		config_block_mistake(r, block, block->set[KEY_TYPE]->place,
		    "a %s needs a path: add path = \"/dev/...\"",
		    serial ? "serial line" : "device");
	config_value_path(r, block, KEY_PATH, PATH_MAX - 1, &source->path);
}

static void
set_preset(struct config_reader *r, struct config_block *block,
    struct proto_source *spec)
{
	uint32_t i;

	if (!config_value_choice(r, block, KEY_PRESET, &presets, &i))
		return;
	spec->init_size = (uint32_t)strlen(preset_values[i].init);
	memcpy(spec->init, preset_values[i].init, spec->init_size);
	spec->noise = NOISE_RAW;
	spec->min_entropy = preset_values[i].min_entropy;
}

static void
set_init(struct config_reader *r, struct config_block *block,
    struct proto_source *spec)
{
	const struct config_setting *s = block->set[KEY_INIT];

	if (s == NULL)
		return;
	if (s->len > SOURCE_INIT_SIZE) {
		config_value_bad(r, block, KEY_INIT,
		    "has %zu bytes: shorten it to %d", s->len,
		    SOURCE_INIT_SIZE);
		return;
	}
	memset(spec->init, 0, sizeof(spec->init));
	memcpy(spec->init, s->value, s->len);
	spec->init_size = (uint32_t)s->len;
}

/* Those that termios(3) has names for. */
static void
set_speed(struct config_reader *r, struct config_block *block,
    struct proto_source *spec)
{
	static const uint32_t speeds[] = { 0, 300, 600, 1200, 1800, 2400, 4800,
		9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000,
		576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000,
		3000000, 3500000, 4000000 };
	const struct config_setting *s = block->set[KEY_SPEED];
	const char *rest;
	uint64_t n;

	if (s == NULL)
		return;
	rest = config_digits(s->value, &n);
	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (rest != NULL && rest[0] == '\0' && n == speeds[i]) {
			spec->speed = speeds[i];
			return;
		}
	config_value_bad(r, block, KEY_SPEED,
	    "is no speed of serial lines: it may be one such as 9600 or "
	    "115200, or 0 to leave it as it is");
}

static void
set_usb_id(struct config_reader *r, struct config_block *block,
    enum config_key key, uint16_t *id)
{
	const struct config_setting *s = block->set[key];
	unsigned long n;

	if (s == NULL)
		return;
	n = strtoul(s->value, NULL, 16);
	if (strspn(s->value, "0123456789abcdefABCDEF") != s->len ||
	    s->len > 4 || n == 0)
		config_value_bad(r, block, key,
		    "is not a hexadecimal number from 0001 to ffff, such as "
		    "0403");
	else
		*id = (uint16_t)n;
}

static void
set_usb(struct config_reader *r, struct config_block *block,
    struct config_source *source)
{
	const struct config_setting *s = block->set[KEY_SERIAL];

	set_usb_id(r, block, KEY_VENDOR, &source->vendor);
	set_usb_id(r, block, KEY_PRODUCT, &source->product);
	if (s == NULL)
		return;
	if (s->len == 0 || s->len >= sizeof(source->usb_serial))
		config_value_bad(r, block, KEY_SERIAL,
		    "is not 1 to %zu bytes long: write it as the device has it",
		    sizeof(source->usb_serial) - 1);
	else if (config_has_control(s->value))
		config_value_bad(r, block, KEY_SERIAL,
		    "has a control character in it: remove that");
	else
		strlcpy(source->usb_serial, s->value,
		    sizeof(source->usb_serial));
}

static void
set_address(struct config_reader *r, struct config_block *block,
    struct config_source *source)
{
	bool stream = source->spec.kind == SOURCE_STREAM;
	struct config_socket socket;

	config_socket(r, block, &socket);
	if (socket.where == NULL && !block->damaged)
		config_block_mistake(r, block, block->set[KEY_TYPE]->place,
		    "it has no address: add unix = \"/...\", or tcp%s = "
		    "\"127.0.0.1\" and port = N",
		    stream ? " or udp" : "");
	source->transport = socket.transport;
	source->path = socket.path;
	source->address = socket.address;
	source->port = socket.port;
	source->spec.datagrams = source->transport == CONFIG_UDP;
}

/* Which end makes the connection. */
static void
set_direction(struct config_reader *r, struct config_block *block,
    struct config_source *source)
{
	const struct config_setting *s = block->set[KEY_LISTEN];
	bool connect;

	if (s != NULL && block->set[KEY_CONNECT] != NULL)
		config_block_mistake(r, block, s->place,
		    "listen and connect are opposites: remove one");
	config_value_bool(r, block, KEY_LISTEN, &source->listen);
	if (config_value_bool(r, block, KEY_CONNECT, &connect))
		source->listen = !connect;
}

static void
set_keys(struct config_reader *r, struct config_block *block,
    struct config_source *source)
{
	check_keys(r, block, source->spec.kind);
	switch (source->spec.kind) {
	case SOURCE_DEVICE:
		set_path(r, block, source);
		config_value_bool(r, block, KEY_REPLAY, &source->replay);
		break;
	case SOURCE_SERIAL:
		set_path(r, block, source);
		set_speed(r, block, &source->spec);
		set_init(r, block, &source->spec);
		break;
	case SOURCE_QNG:
		set_usb(r, block, source);
		break;
	case SOURCE_CPU:
		config_value_choice(r, block, KEY_INSTRUCTION,
		    &config_instructions, &source->spec.instruction);
		break;
	case SOURCE_STREAM:
		set_direction(r, block, source);
		set_address(r, block, source);
		break;
	case SOURCE_EGD:
		set_address(r, block, source);
		break;
	default:
		break;
	}
}

bool
config_source(struct config_reader *r, struct config_block *block,
    struct config_source *source)
{
	size_t mistakes = r->nmistakes;

	strlcpy(source->spec.name, block->name, sizeof(source->spec.name));
	set_preset(r, block, &source->spec);
	if (config_value_choice(r, block, KEY_TYPE, &config_types,
		&source->spec.kind))
		set_keys(r, block, source);
	else if (block->set[KEY_TYPE] == NULL && !block->damaged)
		config_block_mistake(r, block, block->place,
		    "it has no type: add type = kernel, or type = device and "
		    "path = \"/dev/...\"");
	config_noise(r, block, &source->spec);
	config_value_time(r, block, KEY_TIMEOUT, TIMEOUT_MIN, TIMEOUT_MAX,
	    &source->spec.timeout);
	return r->nmistakes == mistakes && !block->damaged;
}
