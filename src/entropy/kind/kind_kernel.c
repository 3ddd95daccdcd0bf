/*
 * Sources of kind kernel: the kernel's generator, by its vDSO (getrandom(2),
 * vdso(7)) where it has one, which needs no system call, else by getrandom(2).
 * Used by kind.c's table.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "entropy/kind/kind.h"

/*
 * The vDSO's function, of Linux 6.11 and later: getrandom(2) with a state, which
 * is of a thread's own; SIZE_MAX as its size asks for `params`.
 */
typedef ssize_t vdso_getrandom(void *buf, size_t size, unsigned int flags,
    void *state, size_t state_size);

struct vdso_params {
	uint32_t size; /* of a state, bytes */
	uint32_t prot; /* for mmap(2) */
	uint32_t flags;
	uint32_t reserved[13];
};

struct kernel {
	vdso_getrandom *read;
	void *state;
	size_t size; /* of the state, bytes */
};

/* NULL if there is none. */
static vdso_getrandom *
find_function(void)
{
	vdso_getrandom *function = NULL;
	void *vdso, *symbol;

	/* It is mapped from the start, or not at all: no file is opened. */
	if ((vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD)) == NULL)
		return NULL;
	if ((symbol = dlsym(vdso, "__vdso_getrandom")) == NULL)
		symbol = dlsym(vdso, "__kernel_getrandom");
	memcpy(&function, &symbol, sizeof(function));
	return function;
}

/*
 * Sets d->state, if there is such a function.  The kernel says how to map its
 * state: in memory that is never swapped out, dumped or inherited.  Its pages may
 * be dropped at any time, which the function notices.
 */
static void
kernel_prepare(struct device *d)
{
	struct vdso_params params;
	struct kernel kernel = { .read = find_function() };
	struct kernel *k;

	if (kernel.read == NULL ||
	    kernel.read(NULL, 0, 0, &params, SIZE_MAX) != 0)
		return;
	kernel.size = params.size;
	kernel.state =
	    mmap(NULL, params.size, (int)params.prot, (int)params.flags, -1, 0);
	if (kernel.state == MAP_FAILED)
		return;
	if ((k = malloc(sizeof(*k))) == NULL)
		log_fatal("out of memory for a source");
	*k = kernel;
	d->state = k;
}

/* Both ways wait until the kernel's generator is seeded. */
static ssize_t
kernel_read(struct device *d, uint8_t *buf, size_t size)
{
	const struct kernel *k = d->state;
	ssize_t n;

	do {
		if (k == NULL) {
			n = syscall(SYS_getrandom, buf, size, 0);
		} else if ((n = k->read(buf, size, 0, k->state, k->size)) < 0) {
			errno = (int)-n;
			n = -1;
		}
	} while (n == -1 && errno == EINTR);
	return n;
}

static const struct sandbox_rule rules[] = {
	{ .nr = SCMP_SYS(getrandom), .why = "sources of kind kernel" },
};

const struct source_kind kind_kernel = {
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(*rules),
	.prepare = kernel_prepare,
	.read = kernel_read,
};
