/*
 * Hints at restrictions of the systemd unit, which cause errors that an
 * administrator does not see outside of it.
 */
#ifndef VRNGD_UNIT_HINT_H
#define VRNGD_UNIT_HINT_H

/*
 * The text to append to an error of a device at that path, with the example to
 * use; "" outside of systemd, or if the unit is not the cause.
 */
const char *unit_hint_device(const char *path, int error);

/* Likewise for a TCP or UDP socket. */
const char *unit_hint_network(int error);

#endif
