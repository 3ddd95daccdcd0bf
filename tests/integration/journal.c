#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration/journal.h"

#define SOCKET_DIR "/run/systemd/journal"
#define RECORD_MS  (20000 * test_patience()) /* for the next record */

int
journal_open(struct suite *s)
{
	struct sockaddr_un sun = {
		.sun_family = AF_UNIX,
		.sun_path = SOCKET_DIR "/socket",
	};
	int fd;

	if (unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) == -1)
		suite_skip(s, "no right to a mount namespace");
	CHECK(mkdir("/run/systemd", 0755));
	CHECK(mkdir(SOCKET_DIR, 0755));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	CHECK(bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

/*
 * Takes one field of the journal's native format: NAME=VALUE and a newline or,
 * where there are newlines in the value, NAME, a newline, the value's length as
 * 64 bits, the value and a newline.  Returns what follows.
 */
static const char *
take_field(struct journal_record *r, const char *at, const char *end)
{
	struct journal_field *f = &r->fields[r->nfields];
	const char *name = at, *value, *nl = memchr(at, '\n', end - at);
	size_t name_len, len;
	uint64_t size;

	assert_non_null(nl);
	assert_true(r->nfields < JOURNAL_FIELDS);
	value = memchr(at, '=', nl - at);
	if (value != NULL) {
		name_len = (size_t)(value++ - name);
		len = (size_t)(nl - value);
	} else {
		name_len = (size_t)(nl - name);
		assert_true((size_t)(end - nl) > sizeof(size) + 1);
		memcpy(&size, nl + 1, sizeof(size));
		value = nl + 1 + sizeof(size);
		len = le64toh(size);
		assert_true(len < (size_t)(end - value) && value[len] == '\n');
	}
	assert_true(name_len < sizeof(f->name));
	strlcpy(f->name, name, name_len + 1);
	strlcpy(f->value, value,
	    len < sizeof(f->value) ? len + 1 : sizeof(f->value));
	r->nfields++;
	return value + len + 1;
}

bool
journal_next(int fd, struct journal_record *r, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	static char data[65536];
	const char *at = data;
	ssize_t n;

	r->nfields = 0;
	if (poll(&pfd, 1, ms) != 1)
		return false;
	n = recv(fd, data, sizeof(data) - 1, 0);
	assert_true(n > 0);
	data[n] = '\0';
	while (at < data + n)
		at = take_field(r, at, data + n);
	return true;
}

const char *
journal_value(const struct journal_record *r, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < r->nfields; i++)
		if (strcmp(r->fields[i].name, name) == 0) {
			if (found != NULL)
				fail_msg("%s is there twice", name);
			found = r->fields[i].value;
		}
	return found;
}

/* Shows a record that is not as it should be. */
static void
show(const struct journal_record *r)
{
	for (size_t i = 0; i < r->nfields; i++)
		print_message("# %s=%s\n", r->fields[i].name,
		    r->fields[i].value);
}

uint64_t
journal_number(const struct journal_record *r, const char *name)
{
	const char *value = journal_value(r, name);
	char *end = NULL;
	uint64_t n = 0;

	if (value != NULL)
		n = strtoull(value, &end, 10);
	if (value == NULL || end == value || *end != '\0') {
		show(r);
		fail_msg("%s is no number", name);
	}
	return n;
}

void
journal_is(const struct journal_record *r, const char *name, const char *value)
{
	const char *found = journal_value(r, name);

	if (found != NULL && value != NULL && strcmp(found, value) == 0)
		return;
	if (found == NULL && value == NULL)
		return;
	show(r);
	fail_msg("%s is not %s", name, value == NULL ? "left out" : value);
}

void
journal_expect(int fd, const char *name, const char *value,
    struct journal_record *r)
{
	const char *found;

	do {
		if (!journal_next(fd, r, RECORD_MS))
			fail_msg("no record with %s=%s", name, value);
		found = journal_value(r, name);
	} while (found == NULL || strncmp(found, value, strlen(value)) != 0);
}
