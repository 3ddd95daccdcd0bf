/*
 * Opens the files of a configuration.  Used by build.c for the main file, and
 * by the parser for each include.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "parent/config/reader.h"

/*
 * Returns the reason to reject a file that was read before, or NULL.
 */
static const char *
read_before(struct config_reader *r, const struct config_file *file)
{
	const struct config_file *other;

	TAILQ_FOREACH(other, &r->files, entry)
		if (other->dev == file->dev && other->ino == file->ino)
			break;
	if (other == NULL)
		return NULL;
	if (other->from.file == NULL)
		return "already read as the main file: remove this include";
	return config_text(r, "already included in %s: remove this include",
	    config_place_text(r, other->from, file->from));
}

/*
 * Reads a file and its includes, without blocking on FIFOs and devices.
 * Returns NULL, or the error.
 */
static const char *
load(struct config_reader *r, struct config_file *file, int fd)
{
	struct config_parse p = { .reader = r, .file = file, .block = r->top };
	struct stat st;
	const char *why;
	size_t skip = 0;
	char *text;
	ssize_t n;

	if (fd == -1 || fstat(fd, &st) == -1)
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return "is a directory: use a file, or in an include a pattern "
		       "such as DIRECTORY/*.conf";
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_size > CONFIG_FILE_MAX)
		return "larger than 16M: split it";
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	text = config_alloc(r, (size_t)st.st_size + 1);
	if ((n = read(fd, text, (size_t)st.st_size)) == -1)
		return strerror(errno);
	if ((why = read_before(r, file)) != NULL)
		return why;
	if (n >= 2 &&
	    (memcmp(text, "\xff\xfe", 2) == 0 ||
		memcmp(text, "\xfe\xff", 2) == 0))
		return "UTF-16 text: save it as UTF-8";
	/* The byte order mark of an editor. */
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		skip = 3;
	TAILQ_INSERT_TAIL(&r->files, file, entry);
	TAILQ_INIT(&p.items);
	config_scan_text(&p, text + skip, (size_t)n - skip);
	return NULL;
}

/* An error in an include, or in place of the first file. */
#define file_error(r, place, ...) \
	do { \
		config_error(r, NULL, place, __VA_ARGS__); \
		(r)->top->damaged = true; \
	} while (0)

void
config_file_read(struct config_reader *r, const char *path,
    struct config_place from)
{
	struct config_file *file = config_alloc(r, sizeof(*file));
	const char *why;
	int fd;

	file->path = config_text(r, "%s", path);
	file->order = r->nfiles++;
	file->from = from;
	file->depth = from.file != NULL ? from.file->depth + 1 : 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if ((why = load(r, file, fd)) != NULL)
		file_error(r,
		    (from.file != NULL ? from
				       : (struct config_place){ file, 1 }),
		    "cannot read \"%s\": %s", config_shown(r, path), why);
	if (fd != -1)
		close(fd);
}

/* A missing directory is not an error: no file matches. */
static int
glob_error(const char *path, int error)
{
	(void)path;
	errno = error;
	return error != ENOENT && error != ENOTDIR;
}

/* Reads the matching files, relative to the directory of the including file. */
static void
read_matches(struct config_reader *r, const char *pattern,
    struct config_place where)
{
	const char *slash = strrchr(where.file->path, '/'), *path = pattern;
	glob_t found;
	int status;

	if (pattern[0] != '/' && slash != NULL)
		path = config_text(r, "%.*s%s",
		    (int)(slash + 1 - where.file->path), where.file->path,
		    pattern);
	errno = 0;
	status = glob(path, GLOB_NOMAGIC, glob_error, &found);
	if (status == GLOB_NOSPACE || status == GLOB_ABORTED)
		file_error(r, where, "cannot list \"%s\": %s",
		    config_shown(r, path),
		    errno != 0 ? strerror(errno) : "cannot be read");
	for (size_t i = 0; status == 0 && i < found.gl_pathc; i++) {
		if (r->nfiles >= CONFIG_FILES_MAX) {
			file_error(r, where,
			    "more than %d files are included: use fewer",
			    CONFIG_FILES_MAX);
			break;
		}
		config_file_read(r, found.gl_pathv[i], where);
	}
	globfree(&found);
}

void
config_file_include(struct config_parse *p, const char *pattern, int line)
{
	struct config_place where = { p->file, line };
	struct config_reader *r = p->reader;

	if (p->block->kind != CONFIG_TOP) {
		p->block->damaged = true;
		config_error(r, p->block, where,
		    "include is not allowed in a block: move it out");
	} else if (pattern[0] == '\0')
		file_error(r, where,
		    "include \"\" is empty: must be a file or a pattern");
	else if (p->file->depth >= CONFIG_INCLUDE_MAX)
		file_error(r, where,
		    "include \"%s\" is nested more than %d deep: include it "
		    "further up",
		    config_shown(r, pattern), CONFIG_INCLUDE_MAX);
	else
		read_matches(r, pattern, where);
}
