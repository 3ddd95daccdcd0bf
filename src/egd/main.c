/*
 * The EGD worker: serves the clients of one service, over the EGD protocol or
 * with raw bytes.  Started by the parent for a service with clients.
 */
#include <unistd.h>

#include "common/child.h"
#include "common/locked.h"
#include "egd/client.h"
#include "egd/clients.h"
#include "egd/step.h"

int
main(void)
{
	static struct clients clients;
	static struct saved unsaved; /* of UDP peers */
	static struct worker w = {
		.clients = &clients,
		.saved = &unsaved,
		.protocol = &client_egd, /* until SERVE names it */
	};

	child_start(ROLE_EGD);
	/* The window first: little locked memory means few clients. */
	locked_keep(&w.window, sizeof(w.window));
	locked_keep(&clients, sizeof(clients));
	clients_init(&clients);
	worker_init(&w);
	step_start(&w);
	while (w.stage != WORKER_FINISHED)
		step(&w);
	_exit(0);
}
