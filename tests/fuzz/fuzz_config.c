/*
 * The whole configuration parser: the input is the file, which is also what
 * each of its includes finds.
 */
#include <sys/mman.h>

#include <glob.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "parent/config/config.h"

static char path[32];

/* In place of the C library's, for no file of the host is read. */
int
glob(const char *pattern, int flags, int (*error)(const char *, int),
    glob_t *found)
{
	static char *paths[] = { path, NULL };

	(void)flags, (void)error;
	*found = (glob_t){ 0 };
	if (pattern[strlen(pattern) - 1] == '*')
		return GLOB_NOMATCH;
	found->gl_pathc = 1;
	found->gl_pathv = paths;
	return 0;
}

void
globfree(glob_t *found)
{
	found->gl_pathc = 0;
}

static void
count(void *arg, const char *text)
{
	size_t *errors = arg;

	/* One line, with its place. */
	CHECK(strchr(text, ':') != NULL && strchr(text, '\n') == NULL);
	(*errors)++;
}

static struct config *
read_bytes(const void *bytes, size_t len)
{
	size_t errors = 0;
	struct config *config;
	int fd = memfd_create("config", MFD_CLOEXEC);

	CHECK(fd != -1 && write(fd, bytes, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_read(path, count, &errors);
	CHECK((config == NULL) == (errors > 0));
	close(fd);
	return config;
}

/* A change between the two, of which there are none. */
static void
no_change(void *arg, const struct config_changed *change)
{
	(void)arg;
	CHECK(change == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct config *config, *again;
	char *first, *second;

	fuzz_quiet();
	if ((config = read_bytes(bytes, len)) == NULL)
		return 0;
	/* What is printed can be read, and is the same. */
	first = config_printed(config);
	again = read_bytes(first, strlen(first));
	CHECK(again != NULL);
	second = config_printed(again);
	CHECK(strcmp(first, second) == 0);
	config_changes(first, second, no_change, NULL);
	free(first);
	free(second);
	config_free(config);
	config_free(again);
	return 0;
}
