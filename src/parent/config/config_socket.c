#include <sys/socket.h>

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "parent/config/config_build.h"

const char *
config_socket_text(const char *address, uint16_t port, char *buf, size_t size)
{
	bool brackets = strchr(address, ':') != NULL;

	snprintf(buf, size, "%s%s%s:%u", brackets ? "[" : "", address,
	    brackets ? "]" : "", port);
	return buf;
}

/* The port, which goes with an address. */
static void
set_port(struct config_reader *r, struct config_block *block,
    struct config_socket *socket)
{
	const struct config_setting *s = block->set[KEY_PORT];
	uint32_t port;

	if (config_value_number(r, block, KEY_PORT, 1, UINT16_MAX, &port))
		socket->port = (uint16_t)port;
	if (socket->where == NULL)
		return;
	if (socket->transport == CONFIG_UNIX && s != NULL)
		config_block_mistake(r, block, s->place,
		    "a unix socket has no port: remove it");
	else if (socket->passed && s != NULL)
		config_block_mistake(r, block, s->place,
		    "the port is said in the socket's unit: remove it");
	if (socket->transport != CONFIG_UNIX && !socket->passed && s == NULL &&
	    !block->damaged)
		config_block_mistake(r, block, socket->where->place,
		    "%s needs a port: add port = N", socket->where->key);
}

void
config_socket(struct config_reader *r, struct config_block *block,
    struct config_socket *socket)
{
	static const enum config_key keys[] = { [CONFIG_UNIX] = KEY_UNIX,
		[CONFIG_TCP] = KEY_TCP,
		[CONFIG_UDP] = KEY_UDP };
	const struct config_setting *s, *first = NULL;

	*socket = (struct config_socket){ 0 };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if ((s = block->set[keys[i]]) == NULL)
			continue;
		if (first != NULL) {
			config_block_mistake(r, block, s->place,
			    "%s is a second address, after %s in %s: remove "
			    "one",
			    s->key, first->key,
			    config_place_text(r, first->place, s->place));
			continue;
		}
		first = s;
		socket->transport = (enum config_transport)i;
		socket->passed = config_value_passed(block, keys[i]);
		if (socket->passed)
			continue;
		if (i == CONFIG_UNIX)
			config_value_path(r, block, keys[i], CONFIG_SOCKET_MAX,
			    &socket->path);
		else
			config_value_address(r, block, keys[i],
			    &socket->address);
	}
	socket->where = first;
	set_port(r, block, socket);
}
