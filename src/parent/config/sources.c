/*
 * Names of sources in messages, the source for a path, and comparison of
 * sources and devices.  Used by pools.c, by options.c for a command line
 * without configuration, and by the pool.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "parent/config/reader.h"

#define TTY_DRIVERS "/proc/tty/drivers"
#define STOCK_FAST  UINT32_C(262144) /* default stock of a fast source */

/* Minor numbers of the kernel's generator. */
#define MEM_MAJOR     1
#define RANDOM_MINOR  8
#define URANDOM_MINOR 9

void
config_source_free(struct config_source *source)
{
	free(source->socket.where);
	free(source);
}

const char *
config_source_text(const struct config_source *source, char *buf, size_t size)
{
	const struct proto_source *spec = &source->spec;
	char vendor[8] = "any", product[8] = "any";
	const char *text = source->socket.where;

	if (text != NULL && source->socket.transport != CONFIG_UNIX)
		return config_address_text(text, source->socket.port, buf,
		    size);
	if (spec->kind == SOURCE_QNG) {
		if (source->vendor != 0)
			snprintf(vendor, sizeof(vendor), "%04x",
			    source->vendor);
		if (source->product != 0)
			snprintf(product, sizeof(product), "%04x",
			    source->product);
		snprintf(buf, size, "usb %s:%s%s%s", vendor, product,
		    source->usb_serial[0] != '\0' ? " " : "",
		    source->usb_serial);
		return buf;
	}
	if (text == NULL)
		text = spec->kind == SOURCE_KERNEL ? "getrandom"
		    : spec->instruction == INSTRUCTION_ANY
		    ? "cpu"
		    : names_instruction[spec->instruction];
	snprintf(buf, size, "%s", text);
	return buf;
}

bool
config_source_equal(const struct config_source *a,
    const struct config_source *b)
{
	struct config_source other = *b;

	other.socket.confidential = a->socket.confidential;
	return a->spec.number == b->spec.number &&
	    strcmp(a->spec.name, b->spec.name) == 0 &&
	    schema_equal(CONFIG_SOURCE, a, &other, 0);
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

/* Whether it reads the kernel's generator, by system call or device. */
static bool
is_kernel(const struct config_source *source)
{
	return source->spec.kind == SOURCE_KERNEL ||
	    (source->socket.where != NULL &&
		source->socket.transport == CONFIG_UNIX &&
		is_kernel_path(source->socket.where));
}

bool
config_file_same(const char *a, const char *b)
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
config_source_same(const struct config_source *a, const struct config_source *b)
{
	const struct config_socket *x = &a->socket, *y = &b->socket;

	if (is_kernel(a) || is_kernel(b))
		return is_kernel(a) && is_kernel(b);
	if (x->where != NULL && y->where != NULL)
		return x->transport == y->transport &&
		    (x->transport == CONFIG_UNIX
			    ? config_file_same(x->where, y->where)
			    : x->port == y->port &&
				strcmp(x->where, y->where) == 0);
	if (a->spec.kind != b->spec.kind)
		return false;
	return a->spec.kind == SOURCE_CPU ||
	    (a->spec.kind == SOURCE_QNG && same_usb(a, b));
}

/* Whether a line of TTY_DRIVERS describes serial lines including this one. */
static bool
is_driver_of(const char *line, dev_t device)
{
	/* Skips the name of the driver, which may contain any characters. */
	const char *path = strstr(line, " /");
	unsigned int major_number, first, last;
	char minors[32], type[16];
	int n;

	if (path == NULL ||
	    sscanf(path, " %*s %u %31s %15s", &major_number, minors, type) !=
		3 ||
	    (n = sscanf(minors, "%u-%u", &first, &last)) < 1)
		return false;
	return strcmp(type, "serial") == 0 && major(device) == major_number &&
	    minor(device) >= first && minor(device) <= (n == 1 ? first : last);
}

/* Whether it is the name of a serial line, for a device that is absent. */
static bool
is_serial_name(const char *path)
{
	return strncmp(path, "/dev/tty", strlen("/dev/tty")) == 0 ||
	    strncmp(path, "/dev/serial/", strlen("/dev/serial/")) == 0;
}

/* Whether the device is the terminal of a serial line. */
static bool
is_serial(const char *path)
{
	char line[256];
	struct stat st;
	bool found = false;
	FILE *drivers;

	if (stat(path, &st) == -1)
		return is_serial_name(path);
	if (!S_ISCHR(st.st_mode) ||
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
	source->socket.where = config_must(strdup(path));
	return source;
}

uint32_t
config_pool_stock(const struct config_pool *pool)
{
	const struct config_source *source;

	TAILQ_FOREACH(source, &pool->sources, entry)
		if (is_kernel(source) || source->spec.kind == SOURCE_CPU)
			return STOCK_FAST;
	return pool->stock;
}

void
config_pool_defaults(struct config_pool *pool)
{
	schema_defaults(CONFIG_POOL, pool);
	pool->stock = config_pool_stock(pool);
}
