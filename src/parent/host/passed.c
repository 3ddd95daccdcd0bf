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
#include "parent/host/passed.h"
#include "common/proto.h"

static const struct {
	const char *prefix;
	size_t max; /* characters after it */
	const char
	    *extra; /* in names, in addition to letters, digits, `.` and `_` */
} kinds[] = {
	{ PASSED_GUEST, GUEST_NAME_SIZE - 1, "-" },
	{ PASSED_EGD, GUEST_NAME_SIZE - 1, "-" },
	{ PASSED_STREAM, GUEST_NAME_SIZE - 1, "-" },
	{ PASSED_LISTENER, PASSED_NAME_SIZE - 1, "-+" },
	{ PASSED_SESSION, PASSED_NAME_SIZE - 1, "-+" },
	{ PASSED_CLIENTS, PASSED_NAME_SIZE - 1, "-+" },
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
		    strlen(name) < PASSED_NAME_SIZE;
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

static struct passed_fd *
find(const struct passed *p, const char *prefix, const char *name)
{
	size_t n = strlen(prefix);
	struct passed_fd *one;

	TAILQ_FOREACH(one, &p->fds, entry)
		if (strncmp(one->name, prefix, n) == 0 &&
		    (name == NULL || strcmp(one->name + n, name) == 0))
			break;
	return one;
}

static void
add(struct passed *p, int fd, char *name)
{
	struct passed_fd *one;

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
passed_read(struct passed *p)
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
passed_take(struct passed *p, const char *prefix, char name[PASSED_NAME_SIZE])
{
	struct passed_fd *one = find(p, prefix, NULL);
	int fd;

	if (one == NULL)
		return -1;
	strlcpy(name, one->name + strlen(prefix), PASSED_NAME_SIZE);
	fd = one->fd;
	TAILQ_REMOVE(&p->fds, one, entry);
	free(one);
	return fd;
}

int
passed_find(const struct passed *p, const char *prefix, const char *name)
{
	const struct passed_fd *one = find(p, prefix, name);

	return one == NULL ? -1 : one->fd;
}

int
passed_claim(struct passed *p, const char *prefix, const char *name)
{
	struct passed_fd *one = find(p, prefix, name);
	int fd;

	if (one == NULL)
		return -1;
	fd = one->fd;
	TAILQ_REMOVE(&p->fds, one, entry);
	free(one);
	return fd;
}

bool
passed_is_stored(const char *name)
{
	static const char *const prefixes[] = { PASSED_LISTENER, PASSED_SESSION,
		PASSED_CLIENTS };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

void
passed_close(struct passed *p)
{
	struct passed_fd *one;

	while ((one = TAILQ_FIRST(&p->fds)) != NULL) {
		TAILQ_REMOVE(&p->fds, one, entry);
		close(one->fd);
		free(one);
	}
}
