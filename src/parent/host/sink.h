/*
 * The parent's log sink: the journal if standard error is connected to it,
 * else standard error.  Writing never waits for the reader: lines that cannot
 * be written at once wait in a bounded queue (log_queue.h), and how many of them
 * were lost is reported when there is room again.
 */
#ifndef VRNGD_SINK_H
#define VRNGD_SINK_H

#include <systemd/sd-event.h>

/* Has all that is logged from now on written there. */
void sink_open(void);

/*
 * Has the event loop write what waits, as soon as there is room.  Before, and
 * without, lines that wait are tried again with the next line.
 */
void sink_watch(sd_event *);

/* Writes what waits; gives up after a tenth of a second. */
void sink_flush(void);

#endif
