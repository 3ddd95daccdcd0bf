/*
 * The whole configuration parser: the input is the file and, after bytes 1e,
 * those that its includes find: the last character of a pattern selects one, or
 * all of them if it is "*".
 */
#include <sys/mman.h>

#include <glob.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "parent/config/config.h"

#define FILES_MAX 16
#define SEPARATOR 0x1e

static struct {
	size_t n;
	int fds[FILES_MAX];
	char paths[FILES_MAX][32];
} files;

/* In place of the C library's, for no file of the host is read. */
int
glob(const char *pattern, int flags, int (*error)(const char *, int),
    glob_t *found)
{
	static char *paths[FILES_MAX + 1];
	char last = pattern[strlen(pattern) - 1];
	size_t first = (uint8_t)last % (files.n + 1);

	(void)flags, (void)error;
	*found = (glob_t){ 0 };
	if (last == '!')
		return GLOB_ABORTED;
	found->gl_pathc = last == '*' ? files.n : first < files.n;
	if (found->gl_pathc == 0)
		return GLOB_NOMATCH;
	for (size_t i = 0; i < files.n; i++)
		paths[i] = files.paths[i];
	found->gl_pathv = paths + (last == '*' ? 0 : first);
	return 0;
}

void
globfree(glob_t *found)
{
	found->gl_pathc = 0;
}

static void
add_file(const uint8_t *bytes, size_t len)
{
	int fd = memfd_create("config", MFD_CLOEXEC);

	CHECK(fd != -1 && write(fd, bytes, len) == (ssize_t)len);
	files.fds[files.n] = fd;
	snprintf(files.paths[files.n], sizeof(files.paths[0]),
	    "/proc/self/fd/%d", fd);
	files.n++;
}

static void
count(void *arg, const char *text)
{
	size_t *errors = arg;

	/* One line, with its place. */
	CHECK(strchr(text, ':') != NULL && strchr(text, '\n') == NULL);
	(*errors)++;
}

/* Reads the first file. */
static struct config *
read_files(void)
{
	size_t errors = 0;
	struct config *config = config_read(files.paths[0], count, &errors);

	CHECK((config == NULL) == (errors > 0));
	while (files.n > 0)
		close(files.fds[--files.n]);
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
	char *first, *second, *folded, *unfolded;
	const uint8_t *end;
	size_t n;

	fuzz_quiet();
	while (len > 0 && files.n + 1 < FILES_MAX &&
	    (end = memchr(bytes, SEPARATOR, len)) != NULL) {
		n = (size_t)(end - bytes);
		add_file(bytes, n);
		bytes += n + 1;
		len -= n + 1;
	}
	add_file(bytes, len);
	if ((config = read_files()) == NULL)
		return 0;
	/* What is printed can be read, and is the same. */
	first = config_printed(config);
	add_file((const uint8_t *)first, strlen(first));
	again = read_files();
	CHECK(again != NULL);
	second = config_printed(again);
	CHECK(strcmp(first, second) == 0);
	config_changes(first, second, no_change, NULL);
	folded = config_fold(first);
	unfolded = config_unfold(folded);
	CHECK(strcmp(first, unfolded) == 0 && strlen(folded) <= strlen(first));
	free(folded);
	free(unfolded);
	free(first);
	free(second);
	config_free(config);
	config_free(again);
	return 0;
}
