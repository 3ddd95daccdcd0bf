/*
 * Sources: what their keys mean together, what several make of one pool, and
 * which of them are one device.  Called by config.c, and by the pool for what
 * a source is and whether two are equal.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "parent/config/reader.h"

#define TTY_DRIVERS "/proc/tty/drivers"
#define STOCK_FAST  UINT32_C(262144) /* where a source gives that at once */

/* Of the character devices that are the kernel's generator. */
#define MEM_MAJOR     1
#define RANDOM_MINOR  8
#define URANDOM_MINOR 9

void
config_source_free(struct config_source *source)
{
	free(source->path);
	free(source->address);
	free(source);
}

const char *
config_source_text(const struct config_source *source, char *buf, size_t size)
{
	const struct proto_source *spec = &source->spec;
	char vendor[8] = "any", product[8] = "any";

	if (source->vendor != 0)
		snprintf(vendor, sizeof(vendor), "%04x", source->vendor);
	if (source->product != 0)
		snprintf(product, sizeof(product), "%04x", source->product);
	if (source->address != NULL)
		config_address_text(source->address, source->port, buf, size);
	else if (spec->kind == SOURCE_QNG)
		snprintf(buf, size, "usb %s:%s%s%s", vendor, product,
		    source->usb_serial[0] != '\0' ? " " : "",
		    source->usb_serial);
	else
		snprintf(buf, size, "%s",
		    source->path != NULL	      ? source->path
			: spec->kind == SOURCE_KERNEL ? "getrandom"
			: spec->instruction == INSTRUCTION_ANY
			? "cpu"
			: names_instruction[spec->instruction]);
	return buf;
}

bool
config_source_equal(const struct config_source *a,
    const struct config_source *b)
{
	return a->spec.number == b->spec.number &&
	    strcmp(a->spec.name, b->spec.name) == 0 &&
	    schema_equal(CONFIG_SOURCE, a, b, 0);
}

/* Whether a path is, or leads to, the kernel's generator. */
static bool
is_kernel_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return strcmp(path, "/dev/urandom") == 0 ||
		    strcmp(path, "/dev/random") == 0;
	return S_ISCHR(st.st_mode) &&
	    (st.st_rdev == makedev(MEM_MAJOR, RANDOM_MINOR) ||
		st.st_rdev == makedev(MEM_MAJOR, URANDOM_MINOR));
}

/* Whether a source reads the kernel's generator, in whatever way. */
static bool
is_kernel(const struct config_source *source)
{
	return source->spec.kind == SOURCE_KERNEL ||
	    (source->path != NULL && is_kernel_path(source->path));
}

/* Whether two paths lead to one file, or to nodes of one device. */
static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (strcmp(a, b) == 0)
		return true;
	if (stat(a, &x) == -1 || stat(b, &y) == -1)
		return false;
	if (S_ISCHR(x.st_mode) && S_ISCHR(y.st_mode))
		return x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool
same_usb(const struct config_source *a, const struct config_source *b)
{
	return (a->vendor == 0 || b->vendor == 0 || a->vendor == b->vendor) &&
	    (a->product == 0 || b->product == 0 || a->product == b->product) &&
	    (a->usb_serial[0] == '\0' || b->usb_serial[0] == '\0' ||
		strcmp(a->usb_serial, b->usb_serial) == 0);
}

/* Whether two read the same thing, as far as can be told without opening it. */
static bool
reads_same(const struct config_source *a, const struct config_source *b)
{
	if (is_kernel(a) || is_kernel(b))
		return is_kernel(a) && is_kernel(b);
	if (a->path != NULL && b->path != NULL)
		return same_file(a->path, b->path);
	if (a->address != NULL && b->address != NULL)
		return a->transport == b->transport && a->port == b->port &&
		    strcmp(a->address, b->address) == 0;
	if (a->spec.kind != b->spec.kind)
		return false;
	return a->spec.kind == SOURCE_CPU ||
	    (a->spec.kind == SOURCE_QNG && same_usb(a, b));
}

/* Whether a line of TTY_DRIVERS is about serial lines, this one among them. */
static bool
is_driver_of(const char *line, dev_t device)
{
	/* The driver's name, in which anything may stand, goes before. */
	const char *path = strstr(line, " /");
	unsigned int major_number, first, last;
	char type[16];
	int n;

	if (path == NULL)
		return false;
	n = sscanf(path, " %*s %u %u-%u %15s", &major_number, &first, &last,
	    type);
	if (n == 2) {
		last = first;
		n = sscanf(path, " %*s %*u %*u %15s", type) == 1 ? 4 : 0;
	}
	return n == 4 && strcmp(type, "serial") == 0 &&
	    major(device) == major_number && minor(device) >= first &&
	    minor(device) <= last;
}

/* Whether the device is a terminal at the end of a serial line. */
static bool
is_serial(const char *path)
{
	char line[256];
	struct stat st;
	bool found = false;
	FILE *drivers;

	if (stat(path, &st) == -1 || !S_ISCHR(st.st_mode) ||
	    (drivers = fopen(TTY_DRIVERS, "re")) == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), drivers) != NULL)
		found = is_driver_of(line, st.st_rdev);
	fclose(drivers);
	return found;
}

struct config_source *
config_source_of_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	struct config_source *source;

	if (is_kernel_path(path))
		return schema_new(CONFIG_SOURCE, "kernel");
	source = schema_new(CONFIG_SOURCE, name[0] != '\0' ? name : "source");
	names_make_valid(source->spec.name);
	source->spec.kind = is_serial(path) ? SOURCE_SERIAL : SOURCE_DEVICE;
	source->path = config_strdup(path);
	return source;
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
		    "it has no type: add type = kernel, or type = device and "
		    "path = \"/dev/...\"");
	if (type == NULL || type->bad)
		return;
	if ((kind == SOURCE_DEVICE || kind == SOURCE_SERIAL) &&
	    setting_of(block, "path") == NULL && !block->damaged)
		setting_error(block, type,
		    "a %s needs a path: add path = \"/dev/...\"",
		    kind == SOURCE_SERIAL ? "serial line" : "device");
	if (kind != SOURCE_EGD && kind != SOURCE_STREAM)
		return;
	if (kind == SOURCE_STREAM && listens != NULL &&
	    setting_of(block, "connect") != NULL)
		setting_error(block, listens,
		    "listen and connect are opposites: remove one");
	if (block->where == NULL && setting_of(block, "udp") == NULL &&
	    !block->damaged)
		setting_error(block, type,
		    "it has no address: add unix = \"/...\", or tcp%s = "
		    "\"127.0.0.1\" and port = N",
		    kind == SOURCE_STREAM ? " or udp" : "");
	rules_port(block);
	source->spec.datagrams = source->transport == CONFIG_UDP;
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
		setting_error(block, bits,
		    "min-entropy \"%s\" must be 0.001 to %u for %u-bit samples",
		    bits->shown, spec->sample_bits, spec->sample_bits);
	if (bits == NULL && !block->damaged &&
	    (setting_of(block, "preset") == NULL || width != NULL))
		setting_error(block, noise != NULL ? noise : width,
		    "raw noise needs a figure for the entropy in a sample: add "
		    "min-entropy = BITS");
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
		    !reads_same(other->object, source))
			continue;
		block_error(block,
		    "what it reads (%s) is read by %s too, in %s: remove "
		    "one%s",
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
config_pool_defaults(struct config_pool *pool)
{
	const struct config_source *source;

	schema_defaults(CONFIG_POOL, pool);
	TAILQ_FOREACH(source, &pool->sources, entry)
		if (is_kernel(source) || source->spec.kind == SOURCE_CPU)
			pool->stock = STOCK_FAST;
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
			    "it is the source number %u of %s, where %d are "
			    "the most: remove some",
			    n, block->title, SOURCES_MAX);
		if (!source->wrong && n <= SOURCES_MAX)
			check_same(block, source);
	}
	if (n == 0 && !block->damaged)
		block_error(block,
		    "it has no source: add source \"kernel\" { type = kernel "
		    "}");
	if (min == NULL && pool->combine == COMBINE_XOR)
		pool->min_sources = n;
	/* In a damaged pool, not all may have been counted. */
	if (min != NULL && !min->bad && pool->min_sources > n && n > 0 &&
	    pool->combine == COMBINE_XOR && !block->damaged)
		setting_error(block, min,
		    "min-sources \"%s\" must be 1 to %u, the number of sources",
		    min->shown, n);
}
