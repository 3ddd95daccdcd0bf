/*
 * The files of a configuration: opening them, and those that they include.
 * Used by build.c for the first, and by the parser for each include.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "parent/config/reader.h"

/*
 * Opens a file, FIFOs and devices without waiting, and reads all of it into
 * memory of the reader.  Returns NULL, and why, if that is not possible.
 */
static char *
load(struct config_reader *r, struct config_file *file, size_t *len,
    const char **why)
{
	struct stat st;
	char *text = NULL;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = -1;

	if (fd == -1 || fstat(fd, &st) == -1)
		*why = strerror(errno);
	else if (S_ISDIR(st.st_mode))
		*why = "it is a directory: name a file, or a pattern such as "
		       "DIRECTORY/*.conf in an include";
	else if (!S_ISREG(st.st_mode))
		*why = "it is not a regular file: name one";
	else if (st.st_size > CONFIG_FILE_MAX)
		*why = "it is larger than 16M: split it";
	else {
		file->dev = st.st_dev;
		file->ino = st.st_ino;
		text = config_alloc(r, (size_t)st.st_size + 1);
		if ((n = read(fd, text, (size_t)st.st_size)) == -1)
			*why = strerror(errno);
		*len = n > 0 ? (size_t)n : 0;
	}
	if (fd != -1)
		close(fd);
	return n == -1 ? NULL : text;
}

/*
 * Why the file may not be read: it was already, here or in a file that this
 * one is included by, and so on.
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
		return "it is the file that was read first: remove this "
		       "include";
	return config_text(r, "it is included in %s already: remove this one",
	    config_place_text(r, other->from, file->from));
}

static void
parse(struct config_reader *r, const struct config_file *file, const char *text,
    size_t len)
{
	struct config_parse p = { .reader = r, .file = file, .block = r->top };

	TAILQ_INIT(&p.items);
	config_scan_text(&p, text, len);
}

/* Reads a file, that `where` is the mention of; NULL for the first. */
static void
read_file(struct config_reader *r, const char *path,
    const struct config_place *where)
{
	struct config_file *file = config_alloc(r, sizeof(*file));
	struct config_place place = { file, 1 };
	const char *why = NULL;
	char *text;
	size_t len;

	file->path = config_text(r, "%s", path);
	file->order = r->nfiles++;
	if (r->main == NULL)
		r->main = file;
	if (where != NULL)
		file->from = place = *where;
	text = load(r, file, &len, &why);
	if (text != NULL && (why = read_before(r, file)) == NULL) {
		TAILQ_INSERT_TAIL(&r->files, file, entry);
		parse(r, file, text, len);
	} else {
		config_error(r, NULL, place, "cannot read \"%s\": %s",
		    config_shown(r, path), why);
		r->top->damaged = true;
	}
}

void
config_file_read(struct config_reader *r, const char *path)
{
	read_file(r, path, NULL);
}

/* A directory that is not there has no files that match. */
static int
glob_error(const char *path, int error)
{
	(void)path;
	errno = error;
	return error != ENOENT && error != ENOTDIR;
}

/* A path as seen from the directory of the file that it stands in. */
static const char *
seen_from(struct config_reader *r, const struct config_file *file,
    const char *path)
{
	const char *slash = strrchr(file->path, '/');

	if (path[0] == '/' || slash == NULL)
		return path;
	return config_text(r, "%.*s%s", (int)(slash + 1 - file->path),
	    file->path, path);
}

/* How many files this one is within. */
static int
depth_of(const struct config_file *file)
{
	int depth = 0;

	while ((file = file->from.file) != NULL)
		depth++;
	return depth;
}

static void
read_matches(struct config_reader *r, const char *pattern,
    const struct config_place *where)
{
	const char *path = seen_from(r, where->file, pattern);
	glob_t found;
	int status;

	errno = 0;
	status = glob(path, GLOB_NOMAGIC, glob_error, &found);
	if (status == GLOB_NOSPACE || status == GLOB_ABORTED) {
		config_error(r, NULL, *where, "cannot list \"%s\": %s",
		    config_shown(r, path),
		    errno != 0 ? strerror(errno) : "it cannot be read");
		r->top->damaged = true;
	}
	for (size_t i = 0; status == 0 && i < found.gl_pathc; i++) {
		if (r->nfiles >= CONFIG_FILES_MAX) {
			config_error(r, NULL, *where,
			    "more than %d files are "
			    "included: use fewer",
			    CONFIG_FILES_MAX);
			r->top->damaged = true;
			break;
		}
		read_file(r, found.gl_pathv[i], where);
	}
	globfree(&found);
}

void
config_file_include(struct config_parse *p, const char *pattern, int line)
{
	struct config_place where = { p->file, line };

	if (p->block->kind != CONFIG_TOP) {
		p->block->damaged = true;
		config_error(p->reader, p->block, where,
		    "include stands within the block: move it out");
		return;
	}
	if (pattern[0] == '\0')
		config_error(p->reader, NULL, where,
		    "include needs the name of a "
		    "file or a pattern, not \"\"");
	else if (depth_of(p->file) >= CONFIG_INCLUDE_MAX)
		config_error(p->reader, NULL, where,
		    "\"%s\" would be the file number %d that is included by "
		    "another: include it further up",
		    config_shown(p->reader, pattern), CONFIG_INCLUDE_MAX + 1);
	else {
		read_matches(p->reader, pattern, &where);
		return;
	}
	p->reader->top->damaged = true;
}
