/*
 * Sources by their paths: what a path alone means, and when two paths are one
 * thing.
 */
#include "unit/unit.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
/* By its path, since autoconf's has the same name. */
#include "parent/config/config.h"
#include "parent/options.h"

#define PATH_SIZE 128
#define TOLD_SIZE 1024

static char directory[] = "/tmp/vrngd-path-XXXXXX";

static void
path_in(char path[PATH_SIZE], const char *name)
{
	snprintf(path, PATH_SIZE, "%s/%s", directory, name);
}

static void
check_path(const char *path, uint32_t kind, const char *name)
{
	struct config_source *source = config_source_of_path(path);

	assert_int_equal(source->spec.kind, kind);
	assert_string_equal(source->spec.name, name);
	assert_int_equal(source->spec.number, 0);
	assert_int_equal(source->spec.timeout, 10 * NS_PER_SEC);
	if (kind == SOURCE_KERNEL)
		assert_null(source->socket.where);
	else
		assert_string_equal(source->socket.where, path);
	config_source_free(source);
}

static void
test_paths(void **state)
{
	char path[PATH_SIZE];

	(void)state;
	check_path("/dev/urandom", SOURCE_KERNEL, "kernel");
	check_path("/dev/random", SOURCE_KERNEL, "kernel");
	check_path("/dev/null", SOURCE_DEVICE, "null");
	check_path("/dev/tty", SOURCE_DEVICE, "tty");
	check_path("/dev/ptmx", SOURCE_DEVICE, "ptmx");
	check_path("/nowhere/a b\n", SOURCE_DEVICE, "a_b_");
	check_path("/nowhere/", SOURCE_DEVICE, "source");
	check_path("relative", SOURCE_DEVICE, "relative");
	/* They are absent now: their names show what they will be. */
	check_path("/dev/ttyUSB4093", SOURCE_SERIAL, "ttyUSB4093");
	check_path("/dev/serial/by-id/none", SOURCE_SERIAL, "none");
	path_in(path, "link");
	assert_int_equal(symlink("/dev/urandom", path), 0);
	check_path(path, SOURCE_KERNEL, "kernel");
	assert_int_equal(unlink(path), 0);
	path_in(path, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	check_path(path, SOURCE_DEVICE, "fifo");
	assert_int_equal(unlink(path), 0);
}

/* The first device of the kernel's serial drivers. */
static bool
serial_device(dev_t *device)
{
	char line[256], type[16];
	unsigned int major_number, minor_number;
	FILE *drivers = fopen("/proc/tty/drivers", "r");
	bool found = false;

	while (drivers != NULL && !found &&
	    fgets(line, sizeof(line), drivers) != NULL)
		if (sscanf(line, "%*s %*s %u %u%*[-0-9] %15s", &major_number,
			&minor_number, type) == 3 ||
		    sscanf(line, "%*s %*s %u %u %15s", &major_number,
			&minor_number, type) == 3)
			found = strcmp(type, "serial") == 0;
	if (drivers != NULL)
		fclose(drivers);
	if (found)
		*device = makedev(major_number, minor_number);
	return found;
}

/* A terminal is a serial line by its driver, whatever its name is. */
static void
test_serial_path(void **state)
{
	char path[PATH_SIZE];
	dev_t device;

	(void)state;
	path_in(path, "line");
	if (!serial_device(&device) ||
	    mknod(path, S_IFCHR | 0600, device) == -1)
		program_skip("no serial driver, or no right to make devices");
	check_path(path, SOURCE_SERIAL, "line");
	assert_int_equal(unlink(path), 0);
}

static void
collect(void *output, const char *text)
{
	strlcat(output, text, TOLD_SIZE);
}

/* The errors of a pool with these two sources. */
static void
read_pair(const char *a, const char *b, char output[TOLD_SIZE])
{
	char path[PATH_SIZE];
	FILE *out;

	path_in(path, "conf");
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out,
	    "pool p {\nsource a { type = device path = \"%s/%s\" }\n"
	    "source b { type = device path = \"%s/%s\" }\n}\n",
	    directory, a, directory, b);
	fclose(out);
	output[0] = '\0';
	config_free(config_read(path, collect, output));
	assert_int_equal(unlink(path), 0);
}

static void
make_names(void)
{
	char path[PATH_SIZE], other[PATH_SIZE];

	path_in(path, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	path_in(other, "hard");
	assert_int_equal(link(path, other), 0);
	path_in(other, "soft");
	assert_int_equal(symlink("fifo", other), 0);
	path_in(other, "fifo2");
	assert_int_equal(mkfifo(other, 0600), 0);
	path_in(other, "random");
	assert_int_equal(symlink("/dev/random", other), 0);
	path_in(other, "urandom");
	assert_int_equal(symlink("/dev/urandom", other), 0);
}

/* One thing by several names is found, two are not confused. */
static void
test_same(void **state)
{
	static const char *const same[][2] = { { "fifo", "soft" },
		{ "soft", "hard" }, { "fifo", "fifo" }, { "random", "urandom" },
		{ "none", "none" } };
	static const char *const other[][2] = { { "fifo", "fifo2" },
		{ "soft", "random" }, { "fifo", "none" }, { "none", "no" } };
	static const char *const names[] = { "fifo", "hard", "soft", "fifo2",
		"random", "urandom" };
	char output[TOLD_SIZE], path[PATH_SIZE];

	(void)state;
	make_names();
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		read_pair(same[i][0], same[i][1], output);
		assert_non_null(strstr(output, "is also read by source \"a\""));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		read_pair(other[i][0], other[i][1], output);
		assert_string_equal(output, "");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_in(path, names[i]);
		assert_int_equal(unlink(path), 0);
	}
}

/* What the plain command line comes to. */
static void
test_options(void **state)
{
	char vm[] = "/run/vm0.sock", *paths[] = { vm };
	struct options options = {
		.socket_paths = paths,
		.nguests = 1,
		.listen_fd = -1,
		.source = "/dev/urandom",
		.period = NS_PER_SEC,
	};
	struct config *config = options_config(&options);
	const struct config_pool *pool = TAILQ_FIRST(&config->pools);
	const struct config_source *source = TAILQ_FIRST(&pool->sources);

	(void)state;
	assert_int_equal(source->spec.kind, SOURCE_KERNEL);
	assert_null(TAILQ_NEXT(source, entry));
	assert_int_equal(pool->combine, COMBINE_FIRST);
	assert_int_equal(pool->min_sources, 1);
	assert_int_equal(pool->stock, 256 << 10);
	assert_int_equal(TAILQ_FIRST(&config->guests)->terms.delivery.mode,
	    DELIVERY_RAW);
	config_free(config);
	options.source = "/dev/hwrng";
	config = options_config(&options);
	pool = TAILQ_FIRST(&config->pools);
	source = TAILQ_FIRST(&pool->sources);
	assert_int_equal(source->spec.kind, SOURCE_DEVICE);
	assert_string_equal(source->socket.where, "/dev/hwrng");
	assert_int_equal(pool->stock, 64 << 10);
	config_free(config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_serial_path),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_options),
	};
	int status;

	if (mkdtemp(directory) == NULL)
		return 1;
	status = UNIT_MAIN("config_path", tests);
	rmdir(directory);
	return status;
}
