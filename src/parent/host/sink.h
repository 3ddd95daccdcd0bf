/*
 * The parent's log sink: the journal if standard error is connected to it,
 * else standard error.
 */
#ifndef VRNGD_SINK_H
#define VRNGD_SINK_H

void sink_open(void);

#endif
