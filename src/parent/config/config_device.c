#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/names.h"
#include "parent/config/config_build.h"

#define TTY_DRIVERS "/proc/tty/drivers"

/* Of the character devices that are the kernel's generator. */
#define MEM_MAJOR     1
#define RANDOM_MINOR  8
#define URANDOM_MINOR 9

struct config_source *
config_source_new(void)
{
	struct config_source *source = config_new(sizeof(*source));

	source->spec.noise = NOISE_CONDITIONED;
	source->spec.sample_bits = 8;
	source->spec.min_entropy = 8000;
	source->spec.alpha = 40;
	source->spec.timeout = 10 * NS_PER_SEC;
	return source;
}

void
config_source_free(struct config_source *source)
{
	free(source->path);
	free(source->address);
	free(source);
}

static const char *
usb_text(const struct config_source *source, char *buf, size_t size)
{
	char vendor[8] = "any", product[8] = "any";

	if (source->vendor != 0)
		snprintf(vendor, sizeof(vendor), "%04x", source->vendor);
	if (source->product != 0)
		snprintf(product, sizeof(product), "%04x", source->product);
	snprintf(buf, size, "usb %s:%s%s%s", vendor, product,
	    source->usb_serial[0] != '\0' ? " " : "", source->usb_serial);
	return buf;
}

const char *
config_source_text(const struct config_source *source, char *buf, size_t size)
{
	const char *text = "cpu";

	if (source->address != NULL)
		return config_socket_text(source->address, source->port, buf,
		    size);
	if (source->spec.kind == SOURCE_QNG)
		return usb_text(source, buf, size);
	if (source->path != NULL)
		text = source->path;
	else if (source->spec.kind == SOURCE_KERNEL)
		text = "getrandom";
	else if (source->spec.instruction != INSTRUCTION_ANY)
		text = config_instructions.words[source->spec.instruction];
	snprintf(buf, size, "%s", text);
	return buf;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
config_source_equal(const struct config_source *a,
    const struct config_source *b)
{
	_Static_assert(sizeof(a->spec) ==
		10 * sizeof(uint32_t) + sizeof(uint64_t) + SOURCE_INIT_SIZE +
		    GUEST_NAME_SIZE,
	    "a proto_source has no padding");

	return memcmp(&a->spec, &b->spec, sizeof(a->spec)) == 0 &&
	    same_text(a->path, b->path) && same_text(a->address, b->address) &&
	    a->port == b->port && a->transport == b->transport &&
	    a->listen == b->listen && a->replay == b->replay &&
	    a->vendor == b->vendor && a->product == b->product &&
	    strcmp(a->usb_serial, b->usb_serial) == 0;
}

/* Whether a path is, or leads to, the kernel's generator. */
static bool
is_kernel(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return strcmp(path, "/dev/urandom") == 0 ||
		    strcmp(path, "/dev/random") == 0;
	return S_ISCHR(st.st_mode) &&
	    (st.st_rdev == makedev(MEM_MAJOR, RANDOM_MINOR) ||
		st.st_rdev == makedev(MEM_MAJOR, URANDOM_MINOR));
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

bool
config_source_is_kernel(const struct config_source *source)
{
	return source->spec.kind == SOURCE_KERNEL ||
	    (source->path != NULL && is_kernel(source->path));
}

bool
config_source_same(const struct config_source *a, const struct config_source *b)
{
	bool kernel = config_source_is_kernel(a);

	if (kernel || config_source_is_kernel(b))
		return kernel && config_source_is_kernel(b);
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

/* Names it after the last part of the path. */
static void
set_name(struct proto_source *spec, const char *path)
{
	const char *base = strrchr(path, '/');

	base = base == NULL ? path : base + 1;
	strlcpy(spec->name, base[0] != '\0' ? base : "source",
	    sizeof(spec->name));
	names_make_valid(spec->name);
}

struct config_source *
config_source_of_path(const char *path)
{
	struct config_source *source = config_source_new();

	if (is_kernel(path)) {
		source->spec.kind = SOURCE_KERNEL;
		set_name(&source->spec, "kernel");
		return source;
	}
	source->spec.kind = is_serial(path) ? SOURCE_SERIAL : SOURCE_DEVICE;
	source->path = config_strdup(path);
	set_name(&source->spec, path);
	return source;
}
