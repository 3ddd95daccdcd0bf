/*
 * Serving: granted bytes go to the clients that wait, and the demand for more
 * goes to the parent.
 */
#ifndef VRNGD_SERVE_H
#define VRNGD_SERVE_H

#include "egd/worker.h"

/* Gives the clients what there is for them, each in its turn. */
void serve_run(struct worker *);

/* Reports to the parent what is wanted, and counts the time of waiting. */
void serve_report(struct worker *);

#endif
