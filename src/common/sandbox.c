/*
 * Confines a child: root directory, uid, capabilities, limits, seccomp.  Used
 * by child.c and the main() of each role, and by main.c of the parent to find
 * the available layers.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <bsd/stdlib.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/landlock.h"
#include "common/log.h"
#include "common/sandbox.h"

static const struct {
	uint32_t layers; /* alternatives */
	const char *name;
} layer_names[] = {
	{ LAYER_UID, "a uid for each process" },
	{ LAYER_BOUNDING, "an empty capability bounding set" },
	{ LAYER_CHROOT | LAYER_USERNS, "an empty root directory" },
	{ LAYER_LANDLOCK, "Landlock" },
};

static bool
has_capability(uint32_t cap)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &hdr, data) == -1)
		return false;
	return (data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap)) != 0;
}

/* Whether user_namespaces(7) maps all of these uids, and as many gids. */
static bool
ids_mapped(const char *map_path, uint32_t base, uint32_t count)
{
	unsigned long inside, outside, length;
	bool mapped = false;
	FILE *map;

	if ((map = fopen(map_path, "re")) == NULL)
		return false;
	while (fscanf(map, "%lu %lu %lu", &inside, &outside, &length) == 3)
		if (base >= inside && base - inside + count <= length)
			mapped = true;
	fclose(map);
	return mapped;
}

/* Whether a process can create a user namespace: tried in a child. */
static bool
userns_available(void)
{
	pid_t pid;
	int status;

	if ((pid = fork()) == -1)
		return false;
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == -1 || chroot("/") == -1);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

uint32_t
sandbox_available(uint32_t uid_base, uint32_t uid_count)
{
	uint32_t layers = 0;

	if (has_capability(CAP_SETUID) && has_capability(CAP_SETGID) &&
	    ids_mapped("/proc/self/uid_map", uid_base, uid_count) &&
	    ids_mapped("/proc/self/gid_map", uid_base, uid_count))
		layers |= LAYER_UID;
	if (has_capability(CAP_SETPCAP))
		layers |= LAYER_BOUNDING;
	if (has_capability(CAP_SYS_CHROOT))
		layers |= LAYER_CHROOT;
	else if (userns_available())
		layers |= LAYER_USERNS;
	if (landlock_version() > 0)
		layers |= LAYER_LANDLOCK;
	return layers;
}

int
sandbox_missing(uint32_t layers, char *text, size_t size)
{
	size_t used = 0;
	int missing = 0, n;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(layer_names) / sizeof(*layer_names);
	     i++) {
		if ((layers & layer_names[i].layers) != 0)
			continue;
		n = snprintf(text + used, size - used, "%s%s",
		    missing ? ", " : "", layer_names[i].name);
		if (n > 0 && (size_t)n < size - used)
			used += (size_t)n;
		missing = 1;
	}
	return missing;
}

static void
enter_root(uint32_t layers, int root_fd)
{
	if ((layers & LAYER_USERNS) != 0 && unshare(CLONE_NEWUSER) == -1)
		log_fatal("cannot create a user namespace: %s",
		    strerror(errno));
	if ((layers & (LAYER_CHROOT | LAYER_USERNS)) == 0)
		return;
	if (fchdir(root_fd) == -1 || chroot(".") == -1)
		log_fatal("cannot enter the empty root: %s", strerror(errno));
}

/* Most are not in it, as the parent needs few; to read it takes less time. */
static void
drop_bounding_set(void)
{
	for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1 &&
		    errno != EINVAL)
			log_fatal("cannot drop capability %lu: %s", cap,
			    strerror(errno));
}

static void
become(uint32_t id)
{
	uid_t r, e, s;

	if (setgroups(0, NULL) == -1)
		log_fatal("setgroups: %s", strerror(errno));
	if (setresgid(id, id, id) == -1)
		log_fatal("setresgid %u: %s", id, strerror(errno));
	if (setresuid(id, id, id) == -1)
		log_fatal("setresuid %u: %s", id, strerror(errno));
	if (getresuid(&r, &e, &s) == -1 || r != id || e != id || s != id)
		log_fatal("cannot change to uid %u", id);
	if (setresuid(0, 0, 0) != -1)
		log_fatal("still able to regain uid 0");
}

static void
drop_capabilities(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		log_fatal("cannot clear ambient capabilities: %s",
		    strerror(errno));
	if (syscall(SYS_capset, &hdr, data) == -1)
		log_fatal("cannot drop capabilities: %s", strerror(errno));
}

bool
sandbox_is_off(void)
{
#ifdef VRNGD_UNCONFINED
	return strcmp(getprogname(), VRNGD_UNCONFINED) == 0;
#else
	return false;
#endif
}

void
sandbox_confine(const struct proto_hello *hello, int root_fd)
{
	if (sandbox_is_off()) {
		log_warning("NOT CONFINED: built for debugging, with "
			    "--enable-unconfined; unsafe with real guests");
		return;
	}
	enter_root(hello->layers, root_fd);
	if ((hello->layers & LAYER_BOUNDING) != 0)
		drop_bounding_set();
	if ((hello->layers & LAYER_UID) != 0)
		become(hello->uid);
	drop_capabilities();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		log_fatal("no_new_privs: %s", strerror(errno));
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		log_fatal("cannot disable core dumps: %s", strerror(errno));
	if ((hello->layers & LAYER_LANDLOCK) != 0 && landlock_deny_all() == -1)
		log_fatal("Landlock: %s", strerror(errno));
}

static void
set_limit(int resource, const char *name, rlim_t value)
{
	struct rlimit limit;

	/* A hard limit that is lower already cannot be raised. */
	if (getrlimit(resource, &limit) == -1)
		log_fatal("rlimit %s: %s", name, strerror(errno));
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(resource, &limit) == -1)
		log_fatal("rlimit %s: %s", name, strerror(errno));
}

static void
set_limits(unsigned long nofile)
{
	set_limit(RLIMIT_CORE, "core", 0);
	set_limit(RLIMIT_NPROC, "nproc", 0);
	if (nofile != 0)
		set_limit(RLIMIT_NOFILE, "nofile", nofile);
#ifndef VRNGD_SANITIZE /* their reports may go to a file */
	set_limit(RLIMIT_FSIZE, "fsize", 0);
#endif
	/*
	 * A guest may pass any descriptor as an eventfd: fail without SIGPIPE.
	 */
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		log_fatal("signal: %s", strerror(errno));
}

#ifdef VRNGD_SANITIZE
/* System calls of the sanitizers' runtime. */
static const struct sandbox_rule sanitizer_rules[] = {
	{ .nr = SCMP_SYS(sigaltstack), .why = "signal stack" },
	{ .nr = SCMP_SYS(rt_sigaction), .why = "reporting" },
	{ .nr = SCMP_SYS(rt_sigprocmask), .why = "reporting" },
	{ .nr = SCMP_SYS(rt_sigreturn), .why = "reporting" },
	{ .nr = SCMP_SYS(getpid), .why = "reporting" },
	{ .nr = SCMP_SYS(gettid), .why = "reporting" },
	{ .nr = SCMP_SYS(madvise), .why = "shadow memory" },
	{ .nr = SCMP_SYS(mmap), .why = "shadow memory" },
	{ .nr = SCMP_SYS(munmap), .why = "shadow memory" },
	{ .nr = SCMP_SYS(mprotect), .why = "shadow memory" },
	{ .nr = SCMP_SYS(sched_yield), .why = "locks" },
	{ .nr = SCMP_SYS(futex), .why = "locks" },
	{ .nr = SCMP_SYS(openat), .why = "symbols: fails in an empty root" },
	{ .nr = SCMP_SYS(readlink), .why = "symbols: fails in an empty root" },
	{ .nr = SCMP_SYS(pipe), .why = "probing memory before it is read" },
	{ .nr = SCMP_SYS(pipe2), .why = "probing memory before it is read" },
};
#endif

static void
add_rule(scmp_filter_ctx ctx, const struct sandbox_rule *rule)
{
	int error;

	error = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr,
	    rule->nargs, rule->args);
	if (error != 0)
		log_fatal("seccomp: system call %d (%s): %s", rule->nr,
		    rule->why, strerror(-error));
}

#ifndef __GLIBC__
static const struct sandbox_rule musl_rules[] = {
	{ .nr = SCMP_SYS(madvise), .why = "free(3)" },
	{ .nr = SCMP_SYS(munmap), .why = "free(3), in seccomp_load(3) too" },
};
#endif

void
sandbox_filter(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile)
{
	scmp_filter_ctx ctx;
	int error;

	if (sandbox_is_off())
		return;
	set_limits(nofile);
	if ((ctx = seccomp_init(SCMP_ACT_KILL_PROCESS)) == NULL)
		log_fatal("seccomp: cannot create a filter");
	for (size_t i = 0; i < nrules; i++)
		add_rule(ctx, &rules[i]);
#ifdef VRNGD_SANITIZE
	for (size_t i = 0;
	     i < sizeof(sanitizer_rules) / sizeof(*sanitizer_rules); i++)
		add_rule(ctx, &sanitizer_rules[i]);
#endif
#ifndef __GLIBC__
	for (size_t i = 0; i < sizeof(musl_rules) / sizeof(*musl_rules); i++)
		add_rule(ctx, &musl_rules[i]);
#endif
	/* So does a system call of another architecture. */
	error = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	if (error == 0)
		error = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (error == 0)
		error = seccomp_load(ctx);
	if (error != 0)
		log_fatal("seccomp: %s", strerror(-error));
	seccomp_release(ctx);
}
