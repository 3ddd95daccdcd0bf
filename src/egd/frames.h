/*
 * The parent's frames.
 */
#ifndef VRNGD_FRAMES_H
#define VRNGD_FRAMES_H

#include "common/channel.h"
#include "egd/worker.h"

/* Takes the first frame, a SERVE. */
void frames_serve(struct worker *, const struct frame *);

/*
 * Reads the frames that have come, and does what they say; up to CLIENTS or
 * SOCKET, after which the worker is confined.
 */
void frames_read(struct worker *);

#endif
