/*
 * Frames of the parent.
 */
#ifndef VRNGD_FRAMES_H
#define VRNGD_FRAMES_H

#include "common/channel.h"
#include "egd/worker.h"

/* Receives the first frame, SERVE. */
void frames_serve(struct worker *, const struct frame *);

/*
 * Reads and handles received frames, up to CLIENTS or SOCKET, after which the
 * worker is confined.
 */
void frames_read(struct worker *);

#endif
