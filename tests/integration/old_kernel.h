/*
 * A daemon on a kernel before Linux 6.16, which cannot refuse descriptors that
 * are sent to a socket.
 */
#ifndef OLD_KERNEL_H
#define OLD_KERNEL_H

#include "integration/suite.h"

/* Has the next daemon of a suite, and its children, run as on such a kernel. */
void old_kernel(struct suite *);

#endif
