/*
 * Sources of kind device: readable files.  Used by kind.c's table.
 */
#include "entropy/kind/kind.h"

static ssize_t
device_read(struct device *d, uint8_t *buf, size_t size)
{
	return kind_read(d->fd, buf, size);
}

const struct source_kind kind_device = {
	.has_fd = true,
	.read = device_read,
};
