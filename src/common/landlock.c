/*
 * Denies a process access to the file system and the network by Landlock.  Used
 * by sandbox.c.
 */
#include <sys/syscall.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "common/landlock.h"

#define CREATE_RULESET_VERSION (1U << 0)

/* struct landlock_ruleset_attr of ABI 6; older kernels accept a part of it. */
struct ruleset_attr {
	uint64_t handled_access_fs;  /* ABI 1 */
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;	     /* ABI 6 */
};

/* The number of access rights to files in each ABI, as bits from 0 up. */
static const unsigned int fs_rights[] = { 0, 13, 14, 15, 15, 16 };

#define FS_RIGHTS_ABIS ((int)(sizeof(fs_rights) / sizeof(fs_rights[0])))
#define NET_RIGHTS     2 /* bind and connect over TCP */
#define SCOPES	       2 /* abstract unix sockets and signals */

int
landlock_version(void)
{
	long version;

	version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    CREATE_RULESET_VERSION);
	return version < 0 ? 0 : (int)version;
}

int
landlock_deny_all(void)
{
	struct ruleset_attr attr = { 0 };
	size_t size;
	int abi, fd, saved;

	if ((abi = landlock_version()) == 0) {
		errno = EOPNOTSUPP;
		return -1;
	}
	attr.handled_access_fs =
	    (UINT64_C(1)
		<< fs_rights[abi < FS_RIGHTS_ABIS ? abi : FS_RIGHTS_ABIS - 1]) -
	    1;
	size = offsetof(struct ruleset_attr, handled_access_net);
	if (abi >= 4) {
		attr.handled_access_net = (1 << NET_RIGHTS) - 1;
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = (1 << SCOPES) - 1;
		size = sizeof(attr);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd == -1)
		return -1;
	if (syscall(SYS_landlock_restrict_self, fd, 0) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return close(fd);
}
