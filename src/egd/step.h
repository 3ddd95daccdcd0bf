/*
 * The start of a worker, and its rounds of events.
 */
#ifndef VRNGD_STEP_H
#define VRNGD_STEP_H

#include "egd/worker.h"

/*
 * Receives the service, which determines the filter, confines the process, and
 * resumes clients.
 */
void step_start(struct worker *);

/* Waits for events, and handles them: until w->stage is WORKER_FINISHED. */
void step(struct worker *);

#endif
