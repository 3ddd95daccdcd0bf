/*
 * Drops capabilities that the parent does not need, and creates the empty root
 * of the children.  Used by main.c at the start.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/host/privilege.h"

static const uint32_t kept[] = {
	CAP_SETUID,	      /* children change their uids */
	CAP_SETGID,	      /* and gids, and drop groups */
	CAP_SETPCAP,	      /* children empty their bounding sets */
	CAP_SYS_CHROOT,	      /* children enter the empty root */
	CAP_KILL,	      /* children that do not end are killed */
	CAP_DAC_OVERRIDE,     /* sources and sockets of other owners */
	CAP_CHOWN,	      /* sockets get the owners that are configured */
	CAP_NET_BIND_SERVICE, /* services listen at ports below 1024, too */
};

static bool
is_kept(uint32_t cap)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

void
privilege_reduce(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	bool bounding;

	if (syscall(SYS_capget, &hdr, data) == -1)
		log_fatal("cannot read capabilities: %s", strerror(errno));
	bounding = (data[CAP_TO_INDEX(CAP_SETPCAP)].effective &
		       CAP_TO_MASK(CAP_SETPCAP)) != 0;
	for (uint32_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (is_kept(cap))
			continue;
		data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
		data[CAP_TO_INDEX(cap)].permitted &= ~CAP_TO_MASK(cap);
		data[CAP_TO_INDEX(cap)].inheritable &= ~CAP_TO_MASK(cap);
		if (bounding && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1 &&
		    errno != EINVAL)
			log_fatal("cannot drop capability %u: %s", cap,
			    strerror(errno));
	}
	if (syscall(SYS_capset, &hdr, data) == -1)
		log_fatal("cannot drop capabilities: %s", strerror(errno));
}

int
privilege_deposit(uid_t uid, int deposit, const struct deposit_parts *parts)
{
	const uid_t own = getuid();
	int r, error;

	if (uid == (uid_t)-1)
		return deposit_put(deposit, parts);
	if (setreuid(uid, (uid_t)-1) == -1)
		return -1;
	r = deposit_put(deposit, parts);
	error = errno;
	if (setreuid(own, (uid_t)-1) == -1)
		log_fatal("setreuid %u: %s", own, strerror(errno));
	errno = error;
	return r;
}

int
privilege_empty_root(void)
{
	static const char *const places[] = { "/run", "/tmp", "/var/tmp" };
	char path[64];
	int fd;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		strlcpy(path, places[i], sizeof(path));
		strlcat(path, "/vrngd-empty-XXXXXX", sizeof(path));
		if (mkdtemp(path) == NULL)
			continue;
		fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (rmdir(path) == 0 && fd != -1)
			return fd;
		if (fd != -1)
			close(fd);
	}
	log_error(
	    "cannot create an empty directory in /run, /tmp or /var/tmp: %s",
	    strerror(errno));
	return -1;
}
