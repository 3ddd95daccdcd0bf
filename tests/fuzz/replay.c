/*
 * Replays the corpus of a harness as a test, or the files that are arguments.
 * Linked with each harness where libFuzzer is not.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

#define INPUT_MAX (1 << 20) /* bytes */

static void
replay(const char *path)
{
	uint8_t *bytes = malloc(INPUT_MAX), *input;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 || bytes == NULL ? -1 : read(fd, bytes, INPUT_MAX);

	/* Of its own size, so that a sanitizer sees where it ends. */
	if (n == -1 || (input = malloc((size_t)n + (n == 0))) == NULL) {
		perror(path);
		exit(1);
	}
	close(fd);
	memcpy(input, bytes, (size_t)n);
	free(bytes);
	LLVMFuzzerTestOneInput(input, (size_t)n);
	free(input);
}

static int
is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int
main(int argc, char *argv[])
{
	const char *name = strrchr(argv[0], '/');
	struct dirent **entries;
	char path[512];
	int n;

	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc > 1)
		return 0;
	name = name == NULL ? argv[0] : name + 1;
	snprintf(path, sizeof(path), "%s/%s", CORPUS_DIR, name);
	if ((n = scandir(path, &entries, is_file, alphasort)) <= 0) {
		printf("Bail out! no corpus: %s\n", path);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", CORPUS_DIR, name,
		    entries[i]->d_name);
		/* Which it was, if it ends the process. */
		printf("# %s\n", entries[i]->d_name);
		fflush(stdout);
		replay(path);
		printf("ok %d - %s\n", i + 1, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
