/*
 * The clients of an earlier worker.
 */
#ifndef VRNGD_EGD_RESUME_H
#define VRNGD_EGD_RESUME_H

#include "egd/worker.h"

/* Resumes the clients of CLIENTS; they are served later. */
void resume_clients(struct worker *);

#endif
