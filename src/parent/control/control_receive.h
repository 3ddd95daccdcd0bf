/*
 * Receiving a control request, with the descriptor that may come with it.
 */
#ifndef VRNGD_CONTROL_RECEIVE_H
#define VRNGD_CONTROL_RECEIVE_H

#include <sys/types.h>

#include "common/control_proto.h"

/*
 * Receives what is there, without waiting; bytes that a frame does not have
 * are 0.  Returns its size, which may be larger than a request's; 0: the end;
 * -1: errno.  `*passed` is the one descriptor that came with it, which is the
 * caller's; -1: there was none, or more than one: those are closed.
 */
ssize_t control_receive(int fd, struct control_request *, int *passed);

#endif
