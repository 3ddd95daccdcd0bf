/*
 * The allowed networks of a service.
 */
#ifndef VRNGD_NETWORKS_H
#define VRNGD_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

struct networks {
	uint32_t n;
	struct proto_network list[ALLOWED_MAX];
};

/*
 * Adds a network.  Returns false, and adds nothing, if its prefix is too long
 * or there are ALLOWED_MAX already.
 */
bool networks_add(struct networks *, const struct proto_network *);

/* Whether an address, an IPv4 one mapped to IPv6, is in one of them. */
bool networks_have(const struct networks *, const uint8_t address[16]);

#endif
