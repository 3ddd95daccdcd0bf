/*
 * Emulates a kernel without SO_PASSRIGHTS by a system call filter.  Used by
 * tests of unrequested descriptors.
 */
#include <sys/socket.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <seccomp.h>
#include <unistd.h>

#include "integration/old_kernel.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* In the daemon's process, before the program is run. */
static void
hide_option(void *arg)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	(void)arg;
	closefrom(3);
	/* By root: the daemon must not find out by no_new_privs. */
	if (geteuid() == 0)
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	if (filter == NULL ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOPROTOOPT),
		SCMP_SYS(setsockopt), 2, SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET, 0),
		SCMP_A2_32(SCMP_CMP_EQ, SO_PASSRIGHTS, 0)) != 0 ||
	    seccomp_load(filter) != 0)
		_exit(126);
	seccomp_release(filter);
}

void
old_kernel(struct suite *s)
{
	s->d.prepare = hide_option;
}
