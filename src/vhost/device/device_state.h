/*
 * The state of the device that a frontend saves and loads with a snapshot
 * (vhost-user, "Migrating back-end state").
 *
 * The rings and the memory are the frontend's, the limits are those of the
 * guest's name, and random bytes are never saved: what is left is the device
 * status.
 */
#ifndef VRNGD_DEVICE_STATE_H
#define VRNGD_DEVICE_STATE_H

#include <stddef.h>
#include <stdint.h>

#define DEVICE_STATE_MAX 4096 /* bytes, of any version */

struct device_state {
	uint8_t status; /* virtio's device status */
};

/* Writes the state.  Returns the number of bytes. */
size_t device_state_write(const struct device_state *,
    uint8_t bytes[DEVICE_STATE_MAX]);

/*
 * Reads a state of `n` bytes, which may be anything.  Returns NULL, or what is
 * wrong; the state is unchanged then.
 */
const char *device_state_read(struct device_state *, const uint8_t *bytes,
    size_t n);

#endif
