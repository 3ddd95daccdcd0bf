/*
 * Serving: sends granted bytes to waiting clients, and the demand to the
 * parent.
 */
#ifndef VRNGD_SERVE_H
#define VRNGD_SERVE_H

#include "egd/worker.h"

/* Sends available bytes to the clients, each in its turn. */
void serve_run(struct worker *);

/* Reports the demand to the parent, and counts waiting time. */
void serve_report(struct worker *);

#endif
