/*
 * What a guest's virtual machine must be told, to be pasted.
 */
#ifndef VRNGCTL_SNIPPET_H
#define VRNGCTL_SNIPPET_H

#include <stdio.h>

#include "connect.h"

/*
 * Options for QEMU's command line, as for a shell; `memory` is the guest's
 * memory as -m takes it.  Returns 0, or -1 with the reason.
 */
int snippet_qemu(const struct control_guest *, const char *memory, FILE *,
    struct failure *);

/* The parts of libvirt's domain XML, within a <domain>.  Likewise. */
int snippet_libvirt(const struct control_guest *, FILE *, struct failure *);

#endif
