/*
 * Reads the descriptors that systemd passed.  Used by main.c through the state,
 * which adopts them, and by store.c.
 */
#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/host/listen_fds.h"
#include "common/proto.h"

static const struct {
	const char *prefix;
	size_t max; /* characters after it */
	const char
	    *extra; /* in names, in addition to letters, digits, `.` and `_` */
} kinds[] = {
	{ FDNAME_GUEST, GUEST_NAME_SIZE - 1, "-" },
	{ FDNAME_EGD, GUEST_NAME_SIZE - 1, "-" },
	{ FDNAME_STREAM, GUEST_NAME_SIZE - 1, "-" },
	{ FDNAME_LISTENER, FDNAME_SIZE - 1, "-+" },
	{ FDNAME_ADDED, FDNAME_SIZE - 1, "-+" },
	{ FDNAME_SESSION, FDNAME_SIZE - 1, "-+" },
	{ FDNAME_CLIENTS, FDNAME_SIZE - 1, "-+" },
};

static bool
is_known(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);
		const char *c = name + n;

		if (strncmp(name, kinds[i].prefix, n) != 0)
			continue;
		while (isascii(*c) &&
		    (isalnum((unsigned char)*c) || *c == '.' || *c == '_' ||
			(*c != '\0' && strchr(kinds[i].extra, *c) != NULL)))
			c++;
		n = (size_t)(c - name) - n;
		return *c == '\0' && n > 0 && n <= kinds[i].max &&
		    strlen(name) < FDNAME_SIZE;
	}
	return false;
}

/*
 * Closes a descriptor; unprintable characters of its name are logged as dots.
 */
static void
refuse(int fd, char *name, const char *why)
{
	for (char *c = name; *c != '\0'; c++)
		if (!isascii(*c) || !isprint((unsigned char)*c))
			*c = '.';
	log_error("closing a descriptor from systemd, %s: %d, \"%.64s\"", why,
	    fd, name);
	close(fd);
}

static struct listen_fd *
find(const struct listen_fds *p, const char *prefix, const char *name)
{
	size_t n = strlen(prefix);
	struct listen_fd *one;

	TAILQ_FOREACH(one, &p->fds, entry)
		if (strncmp(one->name, prefix, n) == 0 &&
		    (name == NULL || strcmp(one->name + n, name) == 0))
			break;
	return one;
}

static void
add(struct listen_fds *p, int fd, char *name)
{
	struct listen_fd *one;

	if (!is_known(name)) {
		refuse(fd, name, "unknown name");
		return;
	}
	if (find(p, "", name) != NULL) {
		refuse(fd, name, "duplicate name");
		return;
	}
	if ((one = calloc(1, sizeof(*one))) == NULL)
		log_fatal("out of memory for descriptors from systemd");
	strlcpy(one->name, name, sizeof(one->name));
	one->fd = fd;
	TAILQ_INSERT_TAIL(&p->fds, one, entry);
}

/* The number of names separated by colons. */
static int
count_names(const char *names)
{
	int n = 1;

	while ((names = strchr(names, ':')) != NULL) {
		names++;
		n++;
	}
	return n;
}

/*
 * Splits the names itself: sd_listen_fds_with_names(3) drops backslashes, which
 * the instance name of a unit may contain, so that two names could become
 * equal.
 */
int
listen_fds_read(struct listen_fds *p)
{
	const char *env = getenv("LISTEN_FDNAMES");
	char *names = NULL, *rest, *name;
	int fd = SD_LISTEN_FDS_START, n;

	TAILQ_INIT(&p->fds);
	if (env != NULL && (names = strdup(env)) == NULL)
		log_fatal("out of memory for descriptors from systemd");
	if ((n = sd_listen_fds(1)) > 0 &&
	    (names == NULL || count_names(names) != n))
		n = -EINVAL;
	if (n < 0)
		log_error("numbers of descriptors and names from systemd "
			  "differ, check socket units for a colon in the name "
			  "or FileDescriptorName=: %s",
		    strerror(-n));
	rest = names;
	while (n > 0 && (name = strsep(&rest, ":")) != NULL)
		add(p, fd++, name);
	free(names);
	return n < 0 ? -1 : 0;
}

int
listen_fds_take(struct listen_fds *p, const char *prefix,
    char name[FDNAME_SIZE])
{
	struct listen_fd *one = find(p, prefix, NULL);
	int fd;

	if (one == NULL)
		return -1;
	strlcpy(name, one->name + strlen(prefix), FDNAME_SIZE);
	fd = one->fd;
	TAILQ_REMOVE(&p->fds, one, entry);
	free(one);
	return fd;
}

int
listen_fds_claim(struct listen_fds *p, const char *prefix, const char *name)
{
	struct listen_fd *one = find(p, prefix, name);
	int fd;

	if (one == NULL)
		return -1;
	fd = one->fd;
	TAILQ_REMOVE(&p->fds, one, entry);
	free(one);
	return fd;
}

bool
listen_fds_is_stored(const char *name)
{
	static const char *const prefixes[] = { FDNAME_LISTENER, FDNAME_ADDED,
		FDNAME_SESSION, FDNAME_CLIENTS };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

void
listen_fds_close(struct listen_fds *p)
{
	struct listen_fd *one;

	while ((one = TAILQ_FIRST(&p->fds)) != NULL) {
		TAILQ_REMOVE(&p->fds, one, entry);
		close(one->fd);
		free(one);
	}
}
