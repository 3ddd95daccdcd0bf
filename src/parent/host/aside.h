/*
 * Closing what others have left descriptors in.  The process that closes the
 * last copy of one may wait for as long as its owner wishes: a TCP connection with
 * SO_LINGER set is such a one.
 */
#ifndef VRNGD_ASIDE_H
#define VRNGD_ASIDE_H

#include <systemd/sd-event.h>

/*
 * Closes a socket, of which a process of its own closes the last copy, by its
 * end: one for all that are closed in the same round of the event loop.  If it
 * is in systemd's store, it has to be taken out of that before.  When the loop
 * has ended, the end of this process closes it.  -1 is ignored.
 */
void aside_close(sd_event *, int fd);

/* The same for one that has never been in the store. */
void aside_close_unstored(sd_event *, int fd);

#endif
