/*
 * Matches addresses against the networks that may use a service; pure.  Used
 * by admission.c and frames.c.
 */
#include <string.h>

#include "egd/networks.h"

#define ADDRESS_BITS 128

bool
networks_add(struct networks *ns, const struct proto_network *network)
{
	if (ns->n == ALLOWED_MAX || network->bits > ADDRESS_BITS)
		return false;
	ns->list[ns->n++] = *network;
	return true;
}

static bool
is_in(const struct proto_network *network, const uint8_t address[16])
{
	uint32_t whole = network->bits / 8, rest = network->bits % 8;
	uint8_t differ;

	if (memcmp(network->address, address, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	differ = network->address[whole] ^ address[whole];
	return differ >> (8 - rest) == 0;
}

bool
networks_have(const struct networks *ns, const uint8_t address[16])
{
	for (uint32_t i = 0; i < ns->n; i++)
		if (is_in(&ns->list[i], address))
			return true;
	return false;
}
