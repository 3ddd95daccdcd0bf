/*
 * Closing what others have left descriptors in.  Whoever closes the last copy
 * of one may wait for as long as its owner wishes: a TCP connection with
 * SO_LINGER set is such a one.
 */
#ifndef VRNGD_ASIDE_H
#define VRNGD_ASIDE_H

#include <systemd/sd-event.h>

/*
 * Closes a socket, which listens or sends to itself, and has a process of its
 * own take what lies in it and close that, by its end.
 */
void aside_close(sd_event *, int fd);

#endif
