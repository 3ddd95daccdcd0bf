/*
 * A worker's work: its beginning, and its rounds of events.
 */
#ifndef VRNGD_STEP_H
#define VRNGD_STEP_H

#include "egd/worker.h"

/*
 * Receives what it is to serve, on which it depends how far its filter goes,
 * and gets ready: confines itself and resumes clients.
 */
void step_start(struct worker *);

/* Waits for events, and handles them: until w->stage is WORKER_FINISHED. */
void step(struct worker *);

#endif
