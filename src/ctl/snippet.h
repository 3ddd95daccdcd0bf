/*
 * vrngctl qemu-args, libvirt-xml and firecracker-args: settings of virtual
 * machines.
 */
#ifndef VRNGCTL_SNIPPET_H
#define VRNGCTL_SNIPPET_H

#include "ctl/args.h"

int snippet_run_qemu(const struct args *, struct failure *);
int snippet_run_libvirt(const struct args *, struct failure *);
int snippet_run_firecracker(const struct args *, struct failure *);

#endif
