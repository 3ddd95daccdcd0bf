/*
 * What systemd passes: the first byte is the number of descriptors, the rest
 * LISTEN_FDNAMES.
 */
#include <systemd/sd-daemon.h>

#include <bsd/unistd.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "parent/host/listen_fds.h"

#define PASSED_MAX 12

static int passed;

/* In place of libsystemd's. */
int
sd_listen_fds(int unset)
{
	CHECK(unset != 0);
	unsetenv("LISTEN_FDNAMES");
	return passed;
}

static int
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void
pass(int n)
{
	static bool ready;
	int null;

	/* What the tests' runner has open. */
	if (!ready)
		closefrom(SD_LISTEN_FDS_START);
	ready = true;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(null != -1);
	for (int i = 0; i < n; i++)
		CHECK(null == SD_LISTEN_FDS_START + i ||
		    (!is_open(SD_LISTEN_FDS_START + i) &&
			dup2(null, SD_LISTEN_FDS_START + i) != -1));
	if (null >= SD_LISTEN_FDS_START + n)
		close(null);
	passed = n;
}

/* Takes one away by its name, and another by its kind. */
static void
take_some(struct listen_fds *p)
{
	const struct listen_fd *last = TAILQ_LAST(&p->fds, listen_fd_list);
	char name[FDNAME_SIZE];
	int fd;

	if (last == NULL)
		return;
	CHECK(strlen(last->name) < FDNAME_SIZE);
	listen_fds_is_stored(last->name);
	snprintf(name, sizeof(name), "%s", last->name);
	fd = listen_fds_claim(p, "", name);
	CHECK(fd >= SD_LISTEN_FDS_START && is_open(fd));
	close(fd);
	CHECK(listen_fds_claim(p, "", name) == -1);
	if ((fd = listen_fds_take(p, FDNAME_GUEST, name)) != -1) {
		CHECK(strlen(name) > 0 && strchr(name, '/') == NULL);
		close(fd);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct listen_fds p;
	char *names;

	if (len == 0 ||
	    (names = strndup((const char *)bytes + 1, len - 1)) == NULL)
		return 0;
	fuzz_quiet();
	pass(bytes[0] % (PASSED_MAX + 1));
	setenv("LISTEN_FDNAMES", names, 1);
	free(names);
	if (listen_fds_read(&p) == 0) {
		take_some(&p);
		listen_fds_close(&p);
		for (int i = 0; i < passed; i++)
			CHECK(!is_open(SD_LISTEN_FDS_START + i));
	} else {
		CHECK(TAILQ_EMPTY(&p.fds));
		for (int i = 0; i < passed; i++)
			close(SD_LISTEN_FDS_START + i);
	}
	return 0;
}
