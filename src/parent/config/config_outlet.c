#include <sys/socket.h>

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "parent/config/config_build.h"

#define LOOPBACK	 "127.0.0.1"
#define IDLE_TIMEOUT_MIN NS_PER_SEC
#define IDLE_TIMEOUT_MAX (30 * 86400 * NS_PER_SEC)

const char *
config_outlet_text(const struct config_outlet *outlet, char *buf, size_t size)
{
	size_t n = 0;

	if (outlet->path == NULL && outlet->address == NULL)
		snprintf(buf, size, "systemd");
	else if (outlet->transport == CONFIG_UNIX)
		snprintf(buf, size, "%s", outlet->path);
	else {
		if (outlet->transport == CONFIG_UDP)
			n = strlcpy(buf, "udp ", size);
		if (n < size)
			config_socket_text(outlet->address, outlet->port,
			    buf + n, size - n);
	}
	return buf;
}

bool
config_outlet_same_place(const struct config_outlet *a,
    const struct config_outlet *b)
{
	if (a->kind != b->kind || a->transport != b->transport ||
	    a->connect != b->connect || a->passed != b->passed)
		return false;
	if (a->passed)
		return strcmp(a->name, b->name) == 0;
	if (a->transport == CONFIG_UNIX)
		return strcmp(a->path, b->path) == 0;
	return a->port == b->port && a->local_port == b->local_port &&
	    strcmp(a->address, b->address) == 0;
}

void
config_outlet_free(struct config_outlet *outlet)
{
	free(outlet->path);
	free(outlet->address);
	free(outlet);
}

/* An IPv4 address has one form only, so that it can be compared. */
static void
check_address(struct config_reader *r, const struct config_block *block,
    const struct config_setting *s, const char *address)
{
	struct proto_network host;

	if (strchr(address, ':') != NULL &&
	    config_network_parse(address, &host) &&
	    config_network_is_ipv4(&host))
		config_block_mistake(r, block, s->place,
		    "%s \"%s\" is an IPv4 address mapped to IPv6: write %s",
		    s->key, config_shown(r, s->value),
		    strrchr(address, ':') + 1);
}

/* Where it is, as far as that is known: unix, or an address and a port. */
static void
set_socket(struct config_reader *r, struct config_block *block,
    struct config_outlet *outlet)
{
	struct config_socket socket;

	config_socket(r, block, &socket);
	outlet->transport = socket.transport;
	outlet->passed = socket.passed;
	outlet->path = socket.path;
	outlet->address = socket.address;
	outlet->port = socket.port;
	if (socket.where == NULL && !block->damaged) {
		outlet->transport = CONFIG_TCP;
		outlet->address = config_strdup(LOOPBACK);
		if (block->set[KEY_PORT] == NULL)
			config_block_mistake(r, block, block->place,
			    "it has no address: add unix = "
			    "\"/run/vrngd/%s.sock\", or port = N for TCP "
			    "at " LOOPBACK,
			    config_shown(r, block->name));
	}
	if (socket.where != NULL && outlet->address != NULL)
		check_address(r, block, socket.where, outlet->address);
}

/* Tells of keys that make no sense here, and why. */
static void
refuse_keys(struct config_reader *r, const struct config_block *block,
    const enum config_key *keys, size_t n, const char *why)
{
	const struct config_setting *s;

	for (size_t i = 0; i < n; i++)
		if ((s = block->set[keys[i]]) != NULL)
			config_block_mistake(r, block, s->place, "%s %s",
			    s->key, why);
}

void
config_refuse_rights(struct config_reader *r, const struct config_block *block)
{
	static const enum config_key rights[] = { KEY_OWNER, KEY_GROUP,
		KEY_MODE };

	refuse_keys(r, block, rights, 3,
	    "is said in the socket's unit, as SocketUser, SocketGroup or "
	    "SocketMode: remove it");
}

/* What goes with another kind of socket. */
static void
check_keys(struct config_reader *r, const struct config_block *block,
    const struct config_outlet *outlet)
{
	static const enum config_key listening[] = { KEY_MAX_CLIENTS, KEY_ALLOW,
		KEY_OWNER, KEY_GROUP, KEY_MODE };
	static const enum config_key clients[] = { KEY_MAX_CLIENTS };
	static const enum config_key allow[] = { KEY_ALLOW };
	static const enum config_key local[] = { KEY_LOCAL_PORT };
	static const enum config_key rights[] = { KEY_OWNER, KEY_GROUP,
		KEY_MODE };
	static const enum config_key connect[] = { KEY_CONNECT };

	if (!outlet->connect || outlet->transport != CONFIG_UDP)
		refuse_keys(r, block, local, 1,
		    "is for udp with connect = yes: remove it");
	if (outlet->connect && outlet->passed)
		refuse_keys(r, block, connect, 1,
		    "has no meaning with systemd, which only listens: remove "
		    "it");
	else if (outlet->connect)
		refuse_keys(r, block, listening, 5,
		    "has no meaning with connect = yes: remove it");
	else if (outlet->transport == CONFIG_UNIX) {
		if (outlet->passed) {
			config_refuse_rights(r, block);
			refuse_keys(r, block, allow, 1,
			    "is for tcp and udp: remove it");
		} else if (block->set[KEY_UNIX] != NULL)
			refuse_keys(r, block, allow, 1,
			    "is for tcp and udp: remove it, and say with "
			    "owner, group and mode who may connect");
	} else {
		refuse_keys(r, block, rights, 3,
		    "is for unix sockets: remove it, and say with allow who "
		    "may connect");
		if (outlet->transport == CONFIG_UDP)
			refuse_keys(r, block, clients, 1,
			    "has no meaning with udp, where only the sender of "
			    "the last datagram is served: remove it");
	}
}

/* One of the networks of allow. */
static void
add_network(struct config_reader *r, struct config_block *block,
    const struct config_item *item, struct config_outlet *outlet)
{
	const char *value = config_shown(r, item->word.text);
	char text[CONFIG_NETWORK_SIZE];
	struct proto_network network;

	switch (config_network_read(item->word.text, &network)) {
	case CONFIG_NETWORK_GOOD:
		/* Too many are told of by their number. */
		if (outlet->nallowed < ALLOWED_MAX)
			outlet->allow[outlet->nallowed++] = network;
		break;
	case CONFIG_NETWORK_BITS:
		config_block_mistake(r, block, item->place,
		    "allow \"%s\" has bits set behind its prefix: write %s, or "
		    "%.*s for that address alone",
		    value, config_network_text(&network, text),
		    (int)strcspn(value, "/"), value);
		break;
	case CONFIG_NETWORK_LONG:
		config_block_mistake(r, block, item->place,
		    "allow \"%s\" has a prefix that is longer than an address: "
		    "lower it to %d or less",
		    value, strchr(value, ':') != NULL ? 128 : 32);
		break;
	default:
		config_block_mistake(r, block, item->place,
		    "allow \"%s\" is not a network: write it like 10.0.0.0/8, "
		    "192.0.2.1, 2001:db8::/32 or ::1, and several within { }",
		    value);
		break;
	}
}

/* Without allow: the host itself, for who is reached by nobody else. */
static void
default_allow(struct config_reader *r, struct config_block *block,
    struct config_outlet *outlet)
{
	bool ipv6 = strchr(outlet->address, ':') != NULL;
	bool udp = outlet->transport == CONFIG_UDP;

	if (config_network_loopback(outlet->address, &outlet->allow[0]))
		outlet->nallowed = 1;
	else if (!block->damaged)
		config_block_mistake(r, block,
		    block->set[udp ? KEY_UDP : KEY_TCP]->place,
		    "%s can be reached from other hosts: add allow = { "
		    "\"NETWORK/BITS\" }, such as \"%s\", for those that may "
		    "%s",
		    outlet->address, ipv6 ? "2001:db8::/32" : "10.0.0.0/8",
		    udp ? "be sent to" : "connect");
}

/* Nor is it known here who is reached by a socket that systemd listens at. */
static void
refuse_default_allow(struct config_reader *r, struct config_block *block,
    const struct config_outlet *outlet)
{
	bool udp = outlet->transport == CONFIG_UDP;

	if (!block->damaged)
		config_block_mistake(r, block,
		    block->set[udp ? KEY_UDP : KEY_TCP]->place,
		    "its address is said in the socket's unit: add allow = { "
		    "\"NETWORK/BITS\" }, such as \"10.0.0.0/8\", for those "
		    "that may %s",
		    udp ? "be sent to" : "connect");
}

static void
set_allow(struct config_reader *r, struct config_block *block,
    struct config_outlet *outlet)
{
	const struct config_setting *s = block->set[KEY_ALLOW];
	const struct config_item *item;
	uint32_t n = 0;

	if (s == NULL) {
		if (outlet->passed)
			refuse_default_allow(r, block, outlet);
		else if (outlet->address != NULL)
			default_allow(r, block, outlet);
		return;
	}
	TAILQ_FOREACH(item, &s->items, entry) {
		add_network(r, block, item, outlet);
		n++;
	}
	if (n == 0)
		config_block_mistake(r, block, s->place,
		    "allow is an empty list: write a network in it, such as "
		    "\"10.0.0.0/8\"");
	if (n > ALLOWED_MAX)
		config_block_mistake(r, block, s->place,
		    "allow has %u networks, where %d are the most: write fewer "
		    "and larger ones",
		    n, ALLOWED_MAX);
}

/* What goes with listening, which is for who does not connect. */
static void
set_clients(struct config_reader *r, struct config_block *block,
    struct config_outlet *outlet)
{
	outlet->max_clients = 1;
	if (outlet->connect)
		return;
	if (outlet->transport == CONFIG_UNIX && !outlet->passed) {
		config_value_owner(r, block, &outlet->rights.owner);
		config_value_group(r, block, &outlet->rights.group);
		config_value_mode(r, block, &outlet->rights.mode);
	} else if (outlet->transport != CONFIG_UNIX)
		set_allow(r, block, outlet);
	if (outlet->transport == CONFIG_UDP)
		return;
	outlet->max_clients = CONFIG_CLIENTS;
	config_value_number(r, block, KEY_MAX_CLIENTS, 1, CLIENTS_MAX,
	    &outlet->max_clients);
}

/* Where datagrams come from, for a peer that takes them from there only. */
static void
set_local_port(struct config_reader *r, struct config_block *block,
    struct config_outlet *outlet)
{
	uint32_t port;

	if (config_value_number(r, block, KEY_LOCAL_PORT, 1, UINT16_MAX, &port))
		outlet->local_port = (uint16_t)port;
}

/* Nobody who is sent datagrams too fast can say so. */
static void
check_rate(struct config_reader *r, const struct config_block *block)
{
	const struct config_setting *s = block->set[KEY_RATE];

	if (block->damaged || block->set[KEY_MAX_BYTES] != NULL ||
	    block->share->rate.bytes != 0 || block->set[KEY_CEIL] != NULL)
		return;
	config_block_mistake(r, block,
	    s != NULL ? s->place : block->set[KEY_UDP]->place,
	    "udp has nothing to slow it down, so it would take all that the "
	    "pool has: %s rate = RATE (or ceil, or max-bytes and period)",
	    s != NULL ? "write" : "add");
}

void
config_outlet(struct config_reader *r, struct config_block *block)
{
	struct config_outlet *outlet = config_new(sizeof(*outlet));

	TAILQ_INSERT_TAIL(&r->config->outlets, outlet, entry);
	strlcpy(outlet->name, block->name, sizeof(outlet->name));
	outlet->kind = block->kind == CONFIG_EGD ? CONFIG_OUTLET_EGD
						 : CONFIG_OUTLET_STREAM;
	outlet->rights.owner = (uid_t)-1;
	outlet->rights.group = (gid_t)-1;
	block->outlet = outlet;
	block->share = &outlet->share;
	block->delivery = &outlet->delivery;
	set_socket(r, block, outlet);
	if (block->set[KEY_CONNECT] != NULL &&
	    !config_value_bool(r, block, KEY_CONNECT, &outlet->connect))
		block->damaged = true;
	check_keys(r, block, outlet);
	set_local_port(r, block, outlet);
	set_clients(r, block, outlet);
	config_value_time(r, block, KEY_IDLE_TIMEOUT, IDLE_TIMEOUT_MIN,
	    IDLE_TIMEOUT_MAX, &outlet->idle_timeout);
	config_leaf(r, block, &outlet->pool, &outlet->class);
	if (outlet->transport == CONFIG_UDP)
		check_rate(r, block);
}
