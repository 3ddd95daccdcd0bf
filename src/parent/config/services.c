/*
 * Guests and services: what their keys mean together, who may connect, and
 * that no two listen at one place.  Used by build.c.
 */
#include <string.h>

#include "parent/config/reader.h"

#define LOOPBACK "127.0.0.1"

/* Whoever listens somewhere is alone there. */
static void
take_place(const struct config_block *block, const struct config_setting *s,
    const char *text)
{
	const struct config_taken *first;

	first = config_take(block, s, config_text(block->reader, "%s", text));
	if (first == NULL)
		return;
	if (first->block == block)
		setting_error(block, s,
		    "%s \"%s\" is its %s too: each needs its own", s->name,
		    text, first->setting->name);
	else
		setting_error(block, s,
		    "%s \"%s\" is that of %s too, in %s: each needs its own",
		    s->name, text, first->block->title,
		    config_place_text(block->reader, first->setting->place,
			s->place));
}

void
rules_listener(const struct config_block *block)
{
	const struct config_socket *socket =
	    schema_part(block->kind, block->object, PART_SOCKET);
	const struct config_setting *port = setting_of(block, "port");
	char text[CONFIG_WHERE_SIZE];

	if (socket->path != NULL && block->where != NULL)
		take_place(block, block->where, socket->path);
	else if (socket->address != NULL && port != NULL && !port->bad)
		take_place(block, port,
		    config_socket_text(socket, text, sizeof(text)));
}

/* Owner, group and mode are not for a socket that systemd passes. */
static void
refuse_rights(const struct config_block *block)
{
	rules_refuse(block, KEYS("owner", "group", "mode"),
	    "is set in the socket's unit, by SocketUser and others: remove it");
}

void
rules_guest(struct config_block *block)
{
	const struct config_setting *socket = setting_of(block, "socket");
	const struct config_setting *egd = setting_of(block, "egd");
	const struct config_guest *guest = block->object;

	if (socket == NULL && egd == NULL && !block->damaged)
		block_error(block,
		    "it has no socket: add socket = \"/run/vrngd/%s.sock\", or "
		    "egd = \"/run/vrngd/%s.egd\"",
		    block->name, block->name);
	if (guest->passed && egd == NULL)
		refuse_rights(block);
	if (socket != NULL && guest->socket != NULL)
		take_place(block, socket, guest->socket);
	if (egd != NULL && guest->egd != NULL)
		take_place(block, egd, guest->egd);
}

/* Without unix, tcp and udp, a port alone is one of this host. */
static void
set_address(struct config_block *block, struct config_outlet *outlet)
{
	const char *address = outlet->socket.address;
	struct proto_network host;

	rules_port(block);
	if (block->where == NULL && !block->damaged) {
		outlet->socket.transport = CONFIG_TCP;
		outlet->socket.address = config_strdup(LOOPBACK);
		if (setting_of(block, "port") == NULL)
			block_error(block,
			    "it has no address: add unix = "
			    "\"/run/vrngd/%s.sock\", or port = N for TCP "
			    "at " LOOPBACK,
			    block->name);
	}
	/* An IPv4 address has one form only, so that it can be compared. */
	if (block->where != NULL && address != NULL &&
	    strchr(address, ':') != NULL &&
	    config_network_parse(address, &host) &&
	    config_network_is_ipv4(&host))
		setting_error(block, block->where,
		    "%s \"%s\" is an IPv4 address mapped to IPv6: write %s",
		    block->where->name, block->where->shown,
		    strrchr(address, ':') + 1);
}

/* What goes with another kind of socket. */
static void
check_keys(const struct config_block *block, const struct config_outlet *outlet)
{
	enum config_transport transport = outlet->socket.transport;
	bool passed = outlet->socket.passed;

	if (!outlet->connect || transport != CONFIG_UDP)
		rules_refuse(block, KEYS("local-port"),
		    "is for udp with connect = yes: remove it");
	if (outlet->connect && passed)
		rules_refuse(block, KEYS("connect"),
		    "does not go with systemd, which only listens: remove it");
	else if (outlet->connect)
		rules_refuse(block,
		    KEYS("max-clients", "allow", "owner", "group", "mode"),
		    "does not go with connect = yes: remove it");
	else if (transport == CONFIG_UNIX && passed) {
		refuse_rights(block);
		rules_refuse(block, KEYS("allow"),
		    "is for tcp and udp: remove it");
	} else if (transport == CONFIG_UNIX && block->where != NULL)
		rules_refuse(block, KEYS("allow"),
		    "is for tcp and udp: use owner, group and mode instead");
	else if (transport != CONFIG_UNIX)
		rules_refuse(block, KEYS("owner", "group", "mode"),
		    "is for unix sockets: use allow instead");
	if (!outlet->connect && transport == CONFIG_UDP)
		rules_refuse(block, KEYS("max-clients"),
		    "does not go with udp, which serves one peer: remove it");
}

/* Without allow: the host itself, for an address that nobody else reaches. */
static void
default_allow(const struct config_block *block, struct config_outlet *outlet)
{
	const char *address = outlet->socket.address;
	bool ipv6 = address != NULL && strchr(address, ':') != NULL;

	if (address != NULL &&
	    config_network_loopback(address, &outlet->allow[0])) {
		outlet->nallowed = 1;
		return;
	}
	if (block->damaged || block->where == NULL || block->where->bad)
		return;
	setting_error(block, block->where,
	    "%s%s: add allow = { \"NETWORK/BITS\" }, such as \"%s\", for those "
	    "that may %s",
	    outlet->socket.passed ? "its address is said in the socket's unit"
				  : address,
	    outlet->socket.passed ? "" : " can be reached from other hosts",
	    ipv6 ? "2001:db8::/32" : "10.0.0.0/8",
	    outlet->socket.transport == CONFIG_UDP ? "be sent to" : "connect");
}

static void
set_allow(struct config_block *block, struct config_outlet *outlet)
{
	const struct config_setting *s = setting_of(block, "allow");
	const struct config_item *item;
	uint32_t n = 0;

	if (s == NULL) {
		default_allow(block, outlet);
		return;
	}
	TAILQ_FOREACH(item, &s->items, entry)
		n++;
	if (n == 0)
		setting_error(block, s,
		    "allow is empty: name a network, such as \"10.0.0.0/8\"");
	if (n > ALLOWED_MAX)
		setting_error(block, s,
		    "allow has %u networks, but at most %d fit: name larger ones",
		    n, ALLOWED_MAX);
}

/* UDP has no flow control. */
static void
check_rate(const struct config_block *block, const struct config_outlet *outlet)
{
	const struct config_setting *s = setting_of(block, "rate");

	if (block->damaged || setting_of(block, "max-bytes") != NULL ||
	    outlet->share.rate.bytes != 0 || setting_of(block, "ceil") != NULL)
		return;
	setting_error(block, s != NULL ? s : block->where,
	    "udp has no flow control: %s rate = RATE, or ceil, or max-bytes",
	    s != NULL ? "write" : "add");
}

void
rules_service(struct config_block *block)
{
	struct config_outlet *outlet = block->object;

	outlet->kind = block->kind == CONFIG_EGD ? CONFIG_OUTLET_EGD
						 : CONFIG_OUTLET_STREAM;
	set_address(block, outlet);
	check_keys(block, outlet);
	if (outlet->connect || outlet->socket.transport == CONFIG_UDP)
		outlet->max_clients = 1;
	if (!outlet->connect && outlet->socket.transport != CONFIG_UNIX)
		set_allow(block, outlet);
	if (outlet->socket.transport == CONFIG_UDP)
		check_rate(block, outlet);
	if (!outlet->connect)
		rules_listener(block);
}
