/*
 * What becomes of a guest's session when processes end, as the log tells it.
 */
#ifndef VRNGD_GUEST_EVENT_H
#define VRNGD_GUEST_EVENT_H

#include <stdint.h>

#include "log.h"

/* Its worker has died, the `deaths`th in a row; another goes on at once. */
void guest_event_restarted(const struct log_subject *, uint32_t deaths);

/*
 * The same, but it does not go on: its connection is closed, and the next one
 * accepted in `pause` ns.  `why` in words.
 */
void guest_event_cut_off(const struct log_subject *, uint32_t deaths,
    uint64_t pause, const char *why);

/*
 * A session that vrngd was given at its start goes on, as the guest's
 * `connection`th.
 */
void guest_event_resumed(const struct log_subject *, uint32_t connection);

#endif
