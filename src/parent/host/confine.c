/*
 * The sandbox of the parent.  A compromised parent is still root with a few
 * capabilities; this filter denies it the parts of the kernel that the daemon
 * does not need, with and without systemd.  Used by main().
 *
 * It lists denied system calls, not allowed ones: libsystemd, libusb, the C
 * library and the start of all children run in it.  In addition, each child has
 * a list of allowed system calls (filter.c of each role).
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "common/log.h"
#include "parent/host/confine.h"

#ifdef VRNGD_UNCONFINED /* for sanitizers, which trace and create code */
#define UNCONFINED true
#else
#define UNCONFINED false
#endif

/* clang-format off */
static const int excluded[] = {
	/* Other processes: their memory, descriptors, code. */
#ifndef VRNGD_SANITIZE /* which looks for leaks by it */
	SCMP_SYS(ptrace),
#endif
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
	SCMP_SYS(move_pages), SCMP_SYS(migrate_pages),
	/* Parts of the kernel with a history of vulnerabilities. */
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(keyctl), SCMP_SYS(vmsplice), SCMP_SYS(lookup_dcookie),
	SCMP_SYS(remap_file_pages), SCMP_SYS(modify_ldt),
	SCMP_SYS(fanotify_init),
	/* The kernel itself, and the hardware. */
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module),
	SCMP_SYS(create_module), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(reboot), SCMP_SYS(syslog), SCMP_SYS(_sysctl),
	SCMP_SYS(nfsservctl), SCMP_SYS(uselib), SCMP_SYS(vhangup),
	/* The host: time, names, swap, accounts. */
	SCMP_SYS(settimeofday), SCMP_SYS(stime), SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname), SCMP_SYS(swapon), SCMP_SYS(swapoff),
	SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(quotactl_fd),
	/* Mounts, namespaces of others, files by handle, device nodes. */
	SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(fsopen), SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(move_mount),
	SCMP_SYS(open_tree), SCMP_SYS(mount_setattr), SCMP_SYS(setns),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(personality),
};
/* clang-format on */

/* Children may create a user namespace, for their empty root. */
static const int other_namespaces[] = { CLONE_NEWNS, CLONE_NEWCGROUP,
	CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET };

/* An action, and one condition on an argument of a call. */
static void
add(scmp_filter_ctx ctx, int error, int nr, struct scmp_arg_cmp arg)
{
	int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(error), nr, 1, &arg);

	if (r != 0)
		log_fatal("seccomp: system call %d: %s", nr, strerror(-r));
}

static void
exclude_calls(scmp_filter_ctx ctx)
{
	int r;

	for (size_t i = 0; i < sizeof(excluded) / sizeof(*excluded); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), excluded[i],
		    0);
		if (r != 0)
			log_fatal("seccomp: system call %d: %s", excluded[i],
			    strerror(-r));
	}
	/*
	 * A filter cannot check its flags; the C library falls back to clone.
	 */
	r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r != 0)
		log_fatal("seccomp: clone3: %s", strerror(-r));
}

static void
exclude_namespaces(scmp_filter_ctx ctx)
{
	uint64_t flag;

	add(ctx, EPERM, SCMP_SYS(unshare),
	    SCMP_A0_64(SCMP_CMP_NE, CLONE_NEWUSER, 0));
	add(ctx, EPERM, SCMP_SYS(clone),
	    SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	for (size_t i = 0;
	     i < sizeof(other_namespaces) / sizeof(*other_namespaces); i++) {
		flag = (uint64_t)other_namespaces[i];
		add(ctx, EPERM, SCMP_SYS(clone),
		    SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag));
	}
}

/*
 * Allows unix sockets, IPv4, IPv6, vsock, and netlink, which libusb uses to find
 * devices; and raw sockets only of netlink, which is always raw.
 */
static void
exclude_sockets(scmp_filter_ctx ctx)
{
	const int inet[] = { AF_INET, AF_INET6 };
	int r;

	add(ctx, EAFNOSUPPORT, SCMP_SYS(socket),
	    SCMP_A0_64(SCMP_CMP_GT, AF_VSOCK, 0));
	for (int family = AF_INET + 1; family < AF_VSOCK; family++)
		if (family != AF_INET6 && family != AF_NETLINK)
			add(ctx, EAFNOSUPPORT, SCMP_SYS(socket),
			    SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)family, 0));
	for (size_t i = 0; i < sizeof(inet) / sizeof(*inet); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(socket), 2,
		    SCMP_A0_64(SCMP_CMP_EQ, (uint64_t)inet[i], 0),
		    SCMP_A1_64(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW));
		if (r != 0)
			log_fatal("seccomp: socket: %s", strerror(-r));
	}
}

#ifndef VRNGD_SANITIZE /* which needs it */
/* Writable memory is never made executable. */
static void
exclude_code(scmp_filter_ctx ctx)
{
	const uint64_t both = PROT_WRITE | PROT_EXEC;

	add(ctx, EPERM, SCMP_SYS(mmap),
	    SCMP_A2_64(SCMP_CMP_MASKED_EQ, both, both));
	add(ctx, EPERM, SCMP_SYS(mprotect),
	    SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	add(ctx, EPERM, SCMP_SYS(pkey_mprotect),
	    SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	add(ctx, EPERM, SCMP_SYS(shmat),
	    SCMP_A2_64(SCMP_CMP_MASKED_EQ, 0100000 /* SHM_EXEC */, 0100000));
}
#endif

void
confine_parent(void)
{
	scmp_filter_ctx ctx;
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		log_fatal("no_new_privs: %s", strerror(errno));
	if (UNCONFINED)
		return;
	if ((ctx = seccomp_init(SCMP_ACT_ALLOW)) == NULL)
		log_fatal("seccomp: cannot create a filter");
	exclude_calls(ctx);
	exclude_namespaces(ctx);
	exclude_sockets(ctx);
#ifndef VRNGD_SANITIZE
	exclude_code(ctx);
#endif
	/* Deny system calls of other architectures, which it does not check. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	/* Saves a thousand comparisons per call. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_load(ctx);
	if (r != 0)
		log_fatal("seccomp: %s", strerror(-r));
	seccomp_release(ctx);
}
