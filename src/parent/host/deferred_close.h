/*
 * Closes sockets that may contain descriptors from outsiders.  Closing the last
 * copy of such a descriptor may block for as long as its owner likes, for
 * example of a TCP connection with SO_LINGER.
 */
#ifndef VRNGD_DEFERRED_CLOSE_H
#define VRNGD_DEFERRED_CLOSE_H

#include <systemd/sd-event.h>

/*
 * Closes a socket; a short-lived process closes the last copy by its exit, one
 * process for all sockets closed in the same round of the event loop.  Remove a
 * socket from systemd's store first.  After the end of the loop, the exit of
 * this process closes it.  -1 is ignored.
 */
void deferred_close(sd_event *, int fd);

/* The same for a socket that was never in the store. */
void deferred_close_unstored(sd_event *, int fd);

#endif
