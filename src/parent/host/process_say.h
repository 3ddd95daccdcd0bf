/*
 * What the log says of child processes, and for them.
 */
#ifndef VRNGD_PROCESS_SAY_H
#define VRNGD_PROCESS_SAY_H

#include <signal.h>

#include "parent/host/process.h"

/* A child's own line; what is not printable in it becomes a dot, there too. */
void process_say_line(const struct process *, struct proto_log *);

/* It is about to be killed: for a frame, or because it reads none. */
void process_say_broken(const struct process *, const struct frame *);
void process_say_deaf(const struct process *);

/* It has ended, unless that is nothing to speak of. */
void process_say_end(const struct process *, const siginfo_t *);

#endif
