/*
 * What a virtual machine must be told, to be pasted.
 */
#ifndef VRNGCTL_SNIPPET_H
#define VRNGCTL_SNIPPET_H

#include <stdio.h>

#include "ctl/place.h"

/*
 * Options for QEMU's command line, as for a shell, of a guest's vhost-user
 * device; `memory` is the guest's memory as -m takes it.  Returns 0, or -1 with
 * the reason.
 */
int snippet_qemu(struct json_object *guest, const char *memory, FILE *,
    struct failure *);

/* The parts of libvirt's domain XML, within a <domain>.  Likewise. */
int snippet_libvirt(struct json_object *guest, FILE *, struct failure *);

/*
 * The same for a device that QEMU feeds from an EGD socket or a stream; `id`
 * makes its ids differ from those of others, and `memory` may be NULL.
 */
void snippet_qemu_egd(const struct place *, const char *id, const char *memory,
    FILE *);
void snippet_libvirt_egd(const struct place *, FILE *);

#endif
