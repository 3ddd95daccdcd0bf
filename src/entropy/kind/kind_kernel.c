/*
 * Sources of kind kernel: getrandom(2).  Used by kind.c's table.
 */
#include <sys/syscall.h>

#include <errno.h>
#include <unistd.h>

#include "entropy/kind/kind.h"

/*
 * The system call itself, which waits until the kernel's generator is seeded:
 * the C library's function may use a generator in this process.
 */
static ssize_t
kernel_read(struct device *d, uint8_t *buf, size_t size)
{
	ssize_t n;

	(void)d;
	do
		n = syscall(SYS_getrandom, buf, size, 0);
	while (n == -1 && errno == EINTR);
	return n;
}

static const struct sandbox_rule rules[] = {
	{ .nr = SCMP_SYS(getrandom), .why = "sources of kind kernel" },
};

const struct source_kind kind_kernel = {
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(*rules),
	.read = kernel_read,
};
