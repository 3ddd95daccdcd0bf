/*
 * What the unit has to do with an error.  Under systemd much is not to be seen
 * or done that an administrator sees and does, and the error does not say so.
 */
#ifndef VRNGD_UNIT_HINT_H
#define VRNGD_UNIT_HINT_H

/*
 * What to add to the text of an errno, of a device at that path: which example
 * helps; "" if this is no service of systemd's, or the path or error no such.
 */
const char *unit_hint_device(const char *path, int error);

/* Likewise of a socket of TCP or UDP. */
const char *unit_hint_network(int error);

#endif
