/*
 * Where a service or a guest's EGD socket is, as a client of it must know.
 */
#ifndef VRNGCTL_PLACE_H
#define VRNGCTL_PLACE_H

#include <arpa/inet.h>

#include <stdbool.h>

#include "ctl/snapshot.h"

#define PLACE_SIZE 256 /* with the NUL */

enum place_transport {
	PLACE_UNIX,
	PLACE_TCP,
	PLACE_UDP,
};

struct place {
	enum place_transport transport;
	bool client_listens;
	char path[PLACE_SIZE];	     /* of PLACE_UNIX; no control characters */
	char host[INET6_ADDRSTRLEN]; /* of the others, a numeric address */
	char port[6];
	uint32_t local_port; /* of PLACE_UDP: ours; 0: any */
	bool any; /* it was any address; `host` is now that of this host */
};

/* Both return 0, or -1 with the reason. */
int place_of_guest(struct place *, struct json_object *guest, struct failure *);
int place_of_service(struct place *, struct json_object *service,
    struct failure *);

#endif
