/*
 * Reads, prints and compares the values of each type, and applies these
 * functions to all keys of a block.  Used by build.c and, to compare
 * configurations, by sources.c and network.c.
 */
#include <arpa/inet.h>
#include <bsd/string.h>
#include <ctype.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/names.h"
#include "parent/config/reader.h"

#define NS_PER_MIN (60 * NS_PER_SEC)
#define ID_MAX	   UINT32_C(4294967294) /* the one after is "no id" */

/* Units, the larger ones first. */
static const struct unit {
	const char *name;
	uint64_t value;
} size_units[] = { { "G", UINT64_C(1) << 30 }, { "M", UINT64_C(1) << 20 },
	{ "K", UINT64_C(1) << 10 }, { "", 1 }, { NULL, 0 } },
  time_units[] = { { "min", NS_PER_MIN }, { "s", NS_PER_SEC },
	  { "ms", NS_PER_MS }, { NULL, 0 } },
  one[] = { { "", 1 }, { NULL, 0 } };

/* The form of numbers, by type. */
static const struct form {
	const char *what, *such;
	const struct unit *units;
	int base;
} forms[] = {
	[TYPE_SIZE] = { "number of bytes", ", such as 64K or 10M", size_units,
	    10 },
	[TYPE_RATE] = { "number of bytes per second", ", such as 64K or 10M",
	    size_units, 10 },
	[TYPE_TIME] = { "time", ", such as 10s or 2min", time_units, 10 },
	[TYPE_NUMBER] = { "whole number", "", one, 10 },
	[TYPE_OCTAL] = { "octal mode", ", such as 0660", one, 8 },
	[TYPE_HEX] = { "hexadecimal number", ", such as 0403", one, 16 },
	[TYPE_BITS] = { "number of bits", ", such as 7.5", one, 10 },
};

/*
 * Presets of devices.  They send noise that was whitened by simple means, which
 * is therefore tested as raw noise with a cautious min-entropy.
 */
static const struct {
	const char *init;
	uint32_t min_entropy; /* 1/1000 bit, of 8 */
} presets[] = {
	{ "", 7000 }, { "cmd0\ncmdO\n", 7000 }, /* avalanche noise; on */
};

static uint64_t
get(const struct config_key *key, const void *part)
{
	const void *field = (const char *)part + key->offset;

	return key->size == sizeof(uint64_t) ? *(const uint64_t *)field
	    : key->size == sizeof(uint32_t)  ? *(const uint32_t *)field
	    : key->size == sizeof(uint16_t)  ? *(const uint16_t *)field
					     : *(const bool *)field;
}

/* Whether a type is a number, in any form. */
static bool
is_number(const struct config_key *key)
{
	return key->type <= TYPE_GROUP;
}

static void
put(const struct config_key *key, void *part, uint64_t n)
{
	void *field = (char *)part + key->offset;

	if (!is_number(key))
		return;
	if (key->size == sizeof(uint64_t))
		*(uint64_t *)field = n;
	else if (key->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)n;
	else if (key->size == sizeof(uint16_t))
		*(uint16_t *)field = (uint16_t)n;
	else
		*(bool *)field = n != 0;
}

/*
 * Reads digits.  Returns what follows them, or NULL if there are none.  A
 * number that is too large becomes UINT64_MAX.
 */
const char *
value_digits(const char *text, int base, uint64_t *n)
{
	char *rest;

	/* strtoull(3) also accepts white space, a sign and 0x. */
	if (!isxdigit((unsigned char)text[0]) ||
	    tolower((unsigned char)text[1]) == 'x')
		return NULL;
	*n = strtoull(text, &rest, base);
	return rest == text ? NULL : rest;
}

/* Reads up to 3 decimals, as thousandths. */
static const char *
read_decimals(const char *rest, uint64_t *n)
{
	const char *end = rest;
	uint64_t decimals = 0;

	if (rest[0] == '.')
		end = value_digits(rest + 1, 10, &decimals);
	if (end == NULL || end > rest + 4)
		return rest;
	for (ptrdiff_t i = end - rest; i < 4; i++)
		decimals *= 10;
	*n = (*n < UINT32_MAX ? *n : UINT32_MAX) * 1000 + decimals;
	return end;
}

/* Reads a number of a type with a form.  Returns whether it is valid. */
static bool
read_form(const struct config_key *key, const char *text, uint64_t *n)
{
	const struct form *form = &forms[key->type];
	const struct unit *unit = form->units;
	const char *prefix = key->prefix ?: "", *suffix = key->suffix ?: "";
	const char *rest;
	bool found = key->numbers == NULL;

	if ((key->flags & KEY_ZERO) != 0 && strcmp(text, "0") == 0) {
		*n = 0;
		return true;
	}
	if (strncmp(text, prefix, strlen(prefix)) != 0 ||
	    (rest = value_digits(text + strlen(prefix), form->base, n)) == NULL)
		return false;
	if (key->type == TYPE_BITS)
		rest = read_decimals(rest, n);
	while (unit->name != NULL &&
	    strcmp(rest, unit->name[0] != '\0' ? unit->name : suffix) != 0)
		unit++;
	if (unit->name == NULL)
		return false;
	if (__builtin_mul_overflow(*n, unit->value, n))
		*n = UINT64_MAX;
	for (size_t i = 0; i < key->nnumbers; i++)
		found = found || key->numbers[i] == *n;
	return found && *n >= key->min && *n <= key->max;
}

const char *
value_with_unit(struct config_reader *r, const char *text)
{
	static const char *const units[][2] = { { "k", "K" }, { "kb", "K" },
		{ "kib", "K" }, { "m", "M" }, { "mb", "M" }, { "mib", "M" },
		{ "g", "G" }, { "gb", "G" }, { "gib", "G" }, { "b", "" },
		{ "bytes", "" }, { "ms", "ms" }, { "msec", "ms" }, { "s", "s" },
		{ "sec", "s" }, { "seconds", "s" }, { "min", "min" },
		{ "minutes", "min" } };
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits + strspn(text + digits, " ");

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (digits > 0 && strcasecmp(unit, units[i][0]) == 0)
			return config_text(r, "%.*s%s", (int)digits, text,
			    units[i][1]);
	return NULL;
}

static const char *
read_number(struct config_reader *r, const struct config_key *key,
    const char *text, uint64_t *n)
{
	const struct form *form = &forms[key->type];
	char least[VALUE_TEXT_SIZE], most[VALUE_TEXT_SIZE];
	const char *better;

	if (read_form(key, text, n))
		return NULL;
	better = value_with_unit(r, text);
	if (better != NULL && read_form(key, better, n))
		return config_text(r, "has an unknown unit: write %s", better);
	if (key->wrong != NULL)
		return key->wrong;
	return config_text(r, "must be %s %s from %s to %s%s",
	    config_article(form->what), form->what,
	    value_text(key, key->min, least), value_text(key, key->max, most),
	    form->such);
}

static const char *
read_word(struct config_reader *r, const struct config_key *key,
    const char *text, uint64_t *n)
{
	const char *near = NULL;

	for (*n = 0; key->names[*n] != NULL; ++*n) {
		if (strcmp(text, key->names[*n]) == 0)
			return NULL;
		names_near(text, key->names[*n], &near);
	}
	if (near != NULL)
		return config_text(r, "is unknown: did you mean %s?", near);
	return config_text(r, "is unknown: must be %s",
	    config_alternatives(r, key->names, UINT32_MAX));
}

static const char *
read_bool(const char *text, uint64_t *n)
{
	*n = strcmp(text, "yes") == 0;
	return *n != 0 || strcmp(text, "no") == 0 ? NULL : "must be yes or no";
}

static const char *
read_id(const struct config_key *key, const char *text, uint64_t *n)
{
	const char *rest = value_digits(text, 10, n);
	const struct passwd *pw;
	const struct group *gr;

	if (rest != NULL && rest[0] == '\0' && *n <= ID_MAX)
		return NULL;
	if (key->type == TYPE_USER) {
		if ((pw = getpwnam(text)) == NULL)
			return "must be a user of this host, or a uid";
		*n = pw->pw_uid;
	} else {
		if ((gr = getgrnam(text)) == NULL)
			return "must be a group of this host, or a gid";
		*n = gr->gr_gid;
	}
	return NULL;
}

static bool
has_control(const char *text)
{
	while (*text != '\0' && !iscntrl((unsigned char)*text))
		text++;
	return *text != '\0';
}

static const char *
read_path(struct config_reader *r, const struct config_key *key,
    const char *text, char **path)
{
	if (text[0] == '\0')
		return "is empty: must be an absolute path";
	if (text[0] != '/')
		return "is not an absolute path: must begin with /";
	if (has_control(text))
		return "contains a control character: remove it";
	if (strlen(text) > key->max)
		return config_text(r,
		    "is longer than %" PRIu64 " bytes: shorten the path",
		    key->max);
	free(*path); /* set by another key */
	*path = config_must(strdup(text));
	return NULL;
}

/* Reads the address of a socket; systemd may pass the socket of a leaf. */
static const char *
read_address(const struct config_setting *s, const char *text,
    struct config_socket *socket)
{
	const struct config_key *key = s->key;

	uint8_t parsed[sizeof(struct in6_addr)];
	char address[INET6_ADDRSTRLEN];
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	socket->transport = (enum config_transport)key->min;
	socket->passed = (s->block->kind & CONFIG_LEAVES) != 0 &&
	    strcmp(text, CONFIG_PASSED) == 0;
	if (socket->passed)
		return NULL;
	if (socket->transport == CONFIG_UNIX)
		return read_path(s->block->reader, key, text, &socket->where);
	if (socket->transport == CONFIG_VSOCK)
		return strcmp(text, "yes") == 0 ? NULL
						: "must be yes or systemd";
	if (inet_pton(family, text, parsed) != 1 ||
	    inet_ntop(family, parsed, address, sizeof(address)) == NULL)
		return "must be a numeric address, such as 127.0.0.1 or ::1";
	free(socket->where);
	socket->where = config_must(strdup(address));
	return NULL;
}

static const char *
read_text(struct config_reader *r, const struct config_key *key,
    const char *text, char *field)
{
	size_t len = strlen(text);

	if (len < key->min || len > key->max)
		return config_text(r,
		    "must be %" PRIu64 " to %" PRIu64 " bytes long", key->min,
		    key->max);
	if (has_control(text))
		return "contains a control character: remove it";
	strlcpy(field, text, key->size);
	return NULL;
}

/* Reads the bytes that start a device. */
static const char *
read_init(struct config_reader *r, const char *bytes, size_t n,
    struct proto_source *spec)
{
	if (n > SOURCE_INIT_SIZE)
		return config_text(r, "has %zu bytes: must have at most %d", n,
		    SOURCE_INIT_SIZE);
	memset(spec->init, 0, sizeof(spec->init));
	memcpy(spec->init, bytes, n);
	spec->init_size = (uint32_t)n;
	return NULL;
}

/* Sets several keys, except those that the block sets. */
static const char *
read_preset(const struct config_setting *s, const char *text,
    struct proto_source *spec)
{
	const struct config_block *block = s->block;
	uint64_t n;
	const char *wrong = read_word(block->reader, s->key, text, &n);

	if (wrong != NULL)
		return wrong;
	if (setting_of(block, "noise") == NULL)
		spec->noise = NOISE_RAW;
	if (setting_of(block, "min-entropy") == NULL)
		spec->min_entropy = presets[n].min_entropy;
	if (setting_of(block, "init") == NULL)
		read_init(block->reader, presets[n].init,
		    strlen(presets[n].init), spec);
	return NULL;
}

/* Reads a network of allow; counts those that exceed the array. */
static const char *
read_network(struct config_reader *r, const char *text,
    struct config_service *service)
{
	char good[CONFIG_NETWORK_SIZE];
	struct proto_network network;
	uint32_t n = service->nallowed++;

	switch (config_network_read(text, &network)) {
	case CONFIG_NETWORK_GOOD:
		if (n < ALLOWED_MAX)
			service->allow[n] = network;
		return NULL;
	case CONFIG_NETWORK_BITS:
		return config_text(r,
		    "has bits set after its prefix: write %s, or only %.*s",
		    config_network_text(&network, good),
		    (int)strcspn(text, "/"), text);
	case CONFIG_NETWORK_LONG:
		return config_text(r,
		    "has too long a prefix: must be at most /%d",
		    strchr(text, ':') != NULL ? 128 : 32);
	default:
		return "must be a network, such as 10.0.0.0/8 or 2001:db8::/32";
	}
}

const char *
value_read(const struct config_setting *s, const struct config_word *word)
{
	struct config_reader *r = s->block->reader;
	const struct config_key *key = s->key;
	void *part = schema_part(s->block->kind, s->block->object, key->part);
	void *field = (char *)part + key->offset;
	const char *text = word->text, *wrong;
	uint64_t n = 0;

	switch (key->type) {
	case TYPE_TEXT:
		return read_text(r, key, text, field);
	case TYPE_BYTES:
		return read_init(r, text, word->len, field);
	case TYPE_PRESET:
		return read_preset(s, text, field);
	case TYPE_PATH:
		return read_path(r, key, text, field);
	case TYPE_ADDRESS:
		return read_address(s, text, part);
	case TYPE_NETWORKS:
		return read_network(r, text, part);
	case TYPE_NAME:
		return NULL;
	case TYPE_WORD:
		wrong = read_word(r, key, text, &n);
		break;
	case TYPE_BOOL:
		wrong = read_bool(text, &n);
		n ^= (key->flags & KEY_OPPOSITE) != 0;
		break;
	case TYPE_USER:
	case TYPE_GROUP:
		wrong = read_id(key, text, &n);
		break;
	default:
		wrong = read_number(r, key, text, &n);
	}
	if (wrong == NULL)
		put(key, part, n);
	return wrong;
}

/* Prints in the largest unit that gives a whole number. */
static const char *
number_text(const struct unit *unit, uint64_t n, char text[VALUE_TEXT_SIZE])
{
	while (n % unit->value != 0)
		unit++;
	snprintf(text, VALUE_TEXT_SIZE, "%" PRIu64 "%s", n / unit->value,
	    n != 0 ? unit->name : "");
	return text;
}

/* Prints 1/1000 bits, without trailing zeros. */
static const char *
bits_text(uint64_t n, char text[VALUE_TEXT_SIZE])
{
	char *end;

	snprintf(text, VALUE_TEXT_SIZE, "%" PRIu64 ".%03" PRIu64, n / 1000,
	    n % 1000);
	for (end = text + strlen(text); end[-1] == '0'; end--)
		;
	end[end[-1] == '.' ? -1 : 0] = '\0';
	return text;
}

const char *
value_size_text(uint64_t bytes, char text[VALUE_TEXT_SIZE])
{
	return number_text(size_units, bytes, text);
}

const char *
value_text(const struct config_key *key, uint64_t n, char text[VALUE_TEXT_SIZE])
{
	switch (key->type) {
	case TYPE_BOOL:
		return n != 0 ? "yes" : "no";
	case TYPE_WORD:
		return key->names[n];
	case TYPE_BITS:
		return bits_text(n, text);
	case TYPE_OCTAL:
		snprintf(text, VALUE_TEXT_SIZE, "%04" PRIo64, n);
		return text;
	case TYPE_HEX:
		snprintf(text, VALUE_TEXT_SIZE, "%04" PRIx64, n);
		return text;
	case TYPE_NUMBER:
	case TYPE_USER:
	case TYPE_GROUP:
		snprintf(text, VALUE_TEXT_SIZE, "%s%" PRIu64 "%s",
		    key->prefix ?: "", n, key->suffix ?: "");
		return text;
	default:
		return number_text(forms[key->type].units, n, text);
	}
}

/* Prints text in quotes with escapes, and bytes in ASCII. */
static void
print_quoted(FILE *out, const void *text, size_t n, bool is_text)
{
	static const char special[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
	const uint8_t *bytes = text;
	const char *found;

	fputc('"', out);
	for (size_t i = 0; i < n; i++) {
		found = memchr(special, bytes[i], sizeof(special) - 1);
		if (found != NULL)
			fprintf(out, "\\%c", letters[found - special]);
		else if (bytes[i] < ' ' || bytes[i] == 0x7f ||
		    (bytes[i] > 0x7f && !is_text))
			fprintf(out, "\\x%02x", bytes[i]);
		else
			fputc(bytes[i], out);
	}
	fputc('"', out);
}

/* The text of a value, or NULL. */
static const char *
text_of(const struct config_key *key, const void *part)
{
	const char *field = (const char *)part + key->offset;
	const struct config_socket *socket = part;
	const char *named;
	const struct passwd *pw;
	const struct group *gr;

	switch (key->type) {
	case TYPE_USER:
		pw = getpwuid((uid_t)get(key, part));
		return pw != NULL ? pw->pw_name : NULL;
	case TYPE_GROUP:
		gr = getgrgid((gid_t)get(key, part));
		return gr != NULL ? gr->gr_name : NULL;
	case TYPE_TEXT:
		return field[0] != '\0' ? field : NULL;
	case TYPE_ADDRESS:
		if (socket->transport != (enum config_transport)key->min)
			return NULL;
		return socket->passed	       ? CONFIG_PASSED
		    : key->min == CONFIG_VSOCK ? "yes"
					       : socket->where;
	case TYPE_PATH:
		return *(char *const *)(const void *)field;
	case TYPE_NAME:
		memcpy(&named, field, sizeof(named));
		return named != NULL
		    ? named + schema_block((enum config_kind)key->min)->name
		    : NULL;
	default:
		return NULL;
	}
}

static void
print(const struct config_key *key, const void *part, FILE *out, int depth,
    bool by_name)
{
	const struct config_service *service = part;
	const struct config_source *source = part;
	const char *word = NULL;
	char text[VALUE_TEXT_SIZE];

	if (is_number(key) && (key->flags & KEY_HIDDEN) != 0 &&
	    get(key, part) == key->value)
		return;
	if (by_name || !is_number(key))
		word = text_of(key, part);
	if (key->type == TYPE_NETWORKS
		? service->nallowed == 0
		: !is_number(key) && word == NULL && key->type != TYPE_BYTES)
		return;
	fprintf(out, "%*s%s = ", depth * CONFIG_INDENT, "", key->name);
	if (word != NULL &&
	    (strcmp(word, CONFIG_PASSED) == 0 ||
		(key->type == TYPE_ADDRESS && key->min == CONFIG_VSOCK)))
		fputs(word, out);
	else if (word != NULL)
		print_quoted(out, word, strlen(word), true);
	else if (key->type == TYPE_BYTES)
		print_quoted(out, source->spec.init, source->spec.init_size,
		    false);
	else if (key->type == TYPE_NETWORKS) {
		fputc('{', out);
		for (uint32_t i = 0; i < service->nallowed; i++)
			fprintf(out, " \"%s\"",
			    config_network_text(&service->allow[i], text));
		fputs(" }", out);
	} else
		fputs(value_text(key, get(key, part), text), out);
	fputc('\n', out);
}

static bool
is_equal(const struct config_key *key, const void *a, const void *b)
{
	const char *x, *y;

	if (key->type == TYPE_PATH || key->type == TYPE_ADDRESS ||
	    key->type == TYPE_NAME) {
		x = text_of(key, a);
		y = text_of(key, b);
		return x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
	}
	return memcmp((const char *)a + key->offset,
		   (const char *)b + key->offset, key->size) == 0;
}

/* A part of a const struct. */
static const void *
part_of(enum config_kind kind, const void *object, enum config_part part)
{
	return (const char *)object + schema_block(kind)->parts[part];
}

void
schema_defaults(enum config_kind kind, void *object)
{
	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if (k->blocks & kind)
			put(k, schema_part(kind, object, k->part), k->value);
}

void *
schema_new(enum config_kind kind, const char *name)
{
	const struct schema_block *k = schema_block(kind);
	char *object = config_must(calloc(1, k->size));

	if (k->name != 0)
		strlcpy(object + k->name, name, CONFIG_NAME_SIZE);
	schema_defaults(kind, object);
	return object;
}

void
schema_inherit(const struct config_block *block)
{
	const struct config_block *parent = block->parent;
	const struct config_setting *s;

	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if ((k->flags & KEY_INHERITED) != 0 &&
		    (k->blocks & block->kind) != 0 &&
		    ((s = setting_of(block, k->name)) == NULL || s->bad))
			put(k, schema_part(block->kind, block->object, k->part),
			    get(k,
				part_of(parent->kind, parent->object,
				    k->part)));
}

bool
schema_equal(enum config_kind kind, const void *a, const void *b,
    unsigned int flags)
{
	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if ((k->blocks & kind) != 0 &&
		    (flags == 0 || (k->flags & flags) != 0) &&
		    !is_equal(k, part_of(kind, a, k->part),
			part_of(kind, b, k->part)))
			return false;
	return true;
}

bool
schema_goes(const struct config_key *key, enum config_kind kind,
    const void *object)
{
	const struct config_key *with;

	if (key->with == NULL ||
	    ((key->flags & KEY_INHERITED) != 0 && (kind & CONFIG_LEAVES) == 0))
		return true;
	with = schema_find(kind, key->with);
	return with == NULL ||
	    get(with, part_of(kind, object, with->part)) == key->with_value;
}

/* Whether the key applies to the struct with its other values. */
static bool
is_shown(const struct config_key *key, enum config_kind kind,
    const void *object)
{
	const struct config_source *source = object;
	const struct config_service *service = object;
	const struct alloc_share *share = part_of(kind, object, PART_SHARE);
	unsigned int flags = key->flags;

	if (kind == CONFIG_SOURCE && key->sources != 0 &&
	    (key->sources & 1U << source->spec.kind) == 0)
		return false;
	if ((flags & KEY_CLIENTS) != 0 &&
	    (service->connect || service->socket.transport == CONFIG_UDP))
		return false;
	if ((flags & (KEY_PLAIN | KEY_RATES)) != 0 &&
	    ((flags & KEY_PLAIN) != 0) == (share->ceil.period == NS_PER_SEC))
		return false;
	return (flags & KEY_OPPOSITE) == 0 && schema_goes(key, kind, object);
}

void
schema_print(enum config_kind kind, const void *object, FILE *out, int depth,
    bool by_name)
{
	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if ((k->blocks & kind) != 0 && is_shown(k, kind, object))
			print(k, part_of(kind, object, k->part), out, depth,
			    by_name);
}
