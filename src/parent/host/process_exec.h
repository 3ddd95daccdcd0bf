/*
 * What a child does between fork(2) and its own program.
 */
#ifndef VRNGD_PROCESS_EXEC_H
#define VRNGD_PROCESS_EXEC_H

#include "parent/host/process.h"

/*
 * In the new process: leaves it nothing but its end of the channel, and
 * standard streams that lead nowhere, and becomes its program.
 */
_Noreturn void process_exec(const struct process *, int channel);

#endif
