/*
 * Rules for guests and services: between their keys, for allowed networks, and
 * for unique addresses of listeners.  Used by build.c.
 */
#include <string.h>

#include "parent/config/reader.h"

#define LOOPBACK "127.0.0.1"
#define MAPPED	 "::ffff:" /* prefix of inet_ntop(3) before an IPv4 address */

#define RIGHTS_KEYS "owner", "group", "mode"

/* Reports an address at which another block listens. */
static void
take_place(const struct config_setting *s, const char *text)
{
	struct config_reader *r = s->block->reader;
	const struct config_taken *first =
	    config_take(s->block, s, config_text(r, "%s", text));

	if (first == NULL)
		return;
	if (first->block == s->block)
		setting_error(s, "%s \"%s\" is also its %s: each needs its own",
		    s->name, text, first->setting->name);
	else
		setting_error(s,
		    "%s \"%s\" is also used by %s, in %s: each needs its own",
		    s->name, text, first->block->title,
		    config_place_text(r, first->setting->place, s->place));
}

void
rules_listener(const struct config_block *block)
{
	const struct config_socket *socket =
	    schema_part(block->kind, block->object, PART_SOCKET);
	const struct config_setting *port = setting_of(block, "port");
	char text[CONFIG_WHERE_SIZE];

	if (socket->where == NULL && socket->transport != CONFIG_VSOCK)
		return;
	if (socket->transport != CONFIG_UNIX && port != NULL && !port->bad)
		take_place(port,
		    config_socket_text(socket, text, sizeof(text)));
	else if (socket->transport == CONFIG_UNIX && block->where != NULL)
		take_place(block->where, socket->where);
}

/* Rejects owner, group and mode of a socket that systemd passes. */
static void
refuse_rights(const struct config_block *block)
{
	rules_refuse(block, KEYS(RIGHTS_KEYS),
	    "is set in the socket's unit, by SocketUser and others: remove it");
}

/* The CID of a guest, which no other guest may have. */
static void
check_cid(const struct config_block *block, const struct config_setting *cid)
{
	struct config_reader *r = block->reader;
	const struct config_taken *first;

	if (setting_of(block, "egd") != NULL)
		setting_error(cid, "cid is not allowed with egd: remove one");
	if (block->where == NULL)
		rules_refuse(block, KEYS(RIGHTS_KEYS),
		    "requires socket or egd: remove it");
	if (cid->bad)
		return;
	first = config_take(cid->block, cid,
	    config_text(r, "cid %u",
		((const struct config_guest *)block->object)->cid));
	if (first != NULL)
		setting_error(cid,
		    "cid %s is also used by %s, in %s: each needs its own",
		    cid->shown, first->block->title,
		    config_place_text(r, first->setting->place, cid->place));
}

void
rules_cid(struct config_block *block)
{
	const struct config_setting *cid = setting_of(block, "cid");

	if (cid != NULL && !block->reader->vsock && block->reader->nerrors == 0)
		setting_error(cid,
		    "cid requires a service: add egd \"vsock\" { vsock = yes  "
		    "port = 1024 }");
}

void
rules_guest(struct config_block *block)
{
	const struct config_setting *egd = setting_of(block, "egd");
	const struct config_setting *cid = setting_of(block, "cid");
	const struct config_guest *guest = block->object;

	if (cid != NULL)
		check_cid(block, cid);
	else if (block->where == NULL && egd == NULL && !block->damaged)
		block_error(block,
		    "missing socket: add socket = \"/run/vrngd/%s.sock\", or "
		    "egd = \"/run/vrngd/%s.egd\"",
		    block->name, block->name);
	if (guest->socket.passed && egd == NULL)
		refuse_rights(block);
	rules_listener(block);
	if (egd != NULL && guest->egd != NULL)
		take_place(egd, guest->egd);
}

/*
 * Sets the address: a port without unix, tcp and udp is at the loopback
 * address.
 */
static void
set_address(const struct config_block *block, struct config_socket *socket)
{
	const struct config_setting *where = block->where;

	rules_port(block);
	if (where != NULL) {
		/* An IPv4 address must have one form, for comparison. */
		if (socket->where != NULL &&
		    strncmp(socket->where, MAPPED, strlen(MAPPED)) == 0 &&
		    strchr(socket->where, '.') != NULL)
			setting_error(where,
			    "%s \"%s\" is an IPv4 address mapped to IPv6: "
			    "write %s",
			    where->name, where->shown,
			    socket->where + strlen(MAPPED));
	} else if (!block->damaged) {
		socket->transport = CONFIG_TCP;
		socket->where = config_must(strdup(LOOPBACK));
		if (setting_of(block, "port") == NULL)
			block_error(block,
			    "missing address: add unix = "
			    "\"/run/vrngd/%s.sock\", or port = N for TCP "
			    "at " LOOPBACK,
			    block->name);
	}
}

/* Rejects keys of other kinds of sockets. */
static void
check_keys(const struct config_block *block,
    const struct config_service *service)
{
	enum config_transport transport = service->socket.transport;
	bool passed = service->socket.passed, connect = service->connect;

	if (transport != CONFIG_VSOCK)
		rules_refuse(block, KEYS("accept-unknown"),
		    "requires vsock: remove it");
	if (!connect || transport != CONFIG_UDP)
		rules_refuse(block, KEYS("local-port"),
		    "requires udp and connect = yes: remove it");
	if (connect && passed)
		rules_refuse(block, KEYS("connect"),
		    "is not allowed with systemd, which listens: remove it");
	else if (connect)
		rules_refuse(block, KEYS("max-clients", "allow", RIGHTS_KEYS),
		    "is not allowed with connect = yes: remove it");
	else if (transport == CONFIG_VSOCK) {
		rules_refuse(block, KEYS(RIGHTS_KEYS),
		    "requires unix: remove it");
		rules_refuse(block, KEYS("allow"),
		    "requires tcp or udp: use cid in guests instead");
	} else if (transport != CONFIG_UNIX)
		rules_refuse(block, KEYS(RIGHTS_KEYS),
		    "requires unix: use allow instead");
	else if (passed) {
		refuse_rights(block);
		rules_refuse(block, KEYS("allow"),
		    "requires tcp or udp: remove it");
	} else if (block->where != NULL)
		rules_refuse(block, KEYS("allow"),
		    "requires tcp or udp: use owner, group and mode instead");
	if (!connect && transport == CONFIG_UDP)
		rules_refuse(block, KEYS("max-clients"),
		    "is not allowed with udp, which has one peer: remove it");
}

/* The default of allow: the loopback network, for a loopback address only. */
static void
default_allow(const struct config_block *block, struct config_service *service)
{
	const char *address = service->socket.where;
	bool passed = service->socket.passed;

	service->nallowed = address != NULL &&
	    config_network_loopback(address, &service->allow[0]);
	if (service->nallowed > 0 || block->damaged || block->where == NULL ||
	    block->where->bad)
		return;
	setting_error(block->where, "%s%s: add allow, such as allow = \"%s\"",
	    passed ? "address is set in the socket's unit" : address,
	    passed ? "" : " is reachable from other hosts",
	    !passed && strchr(address, ':') != NULL ? "2001:db8::/32"
						    : "10.0.0.0/8");
}

static void
set_allow(const struct config_block *block, struct config_service *service)
{
	const struct config_setting *s = setting_of(block, "allow");

	if (s == NULL)
		default_allow(block, service);
	else if (service->nallowed == 0)
		setting_error(s,
		    "allow is empty: add a network, such as \"10.0.0.0/8\"");
	else if (service->nallowed > ALLOWED_MAX)
		setting_error(s,
		    "allow has %u networks, more than %d: use larger ones",
		    service->nallowed, ALLOWED_MAX);
}

/* UDP has no flow control. */
static void
check_rate(const struct config_block *block, const struct alloc_share *share)
{
	const struct config_setting *s = setting_of(block, "rate");

	if (block->damaged || setting_of(block, "max-bytes") != NULL ||
	    share->rate.bytes != 0 || setting_of(block, "ceil") != NULL)
		return;
	setting_error(s != NULL ? s : block->where,
	    "udp has no flow control: %s rate = RATE, or ceil, or max-bytes",
	    s != NULL ? "set" : "add");
}

void
rules_service(struct config_block *block)
{
	struct config_service *service = block->object;
	enum config_transport transport;

	set_address(block, &service->socket);
	check_keys(block, service);
	transport = service->socket.transport;
	if (service->connect || transport == CONFIG_UDP)
		service->max_clients = 1;
	if (transport == CONFIG_VSOCK)
		block->reader->vsock = true;
	else if (!service->connect && transport != CONFIG_UNIX)
		set_allow(block, service);
	if (transport == CONFIG_UDP)
		check_rate(block, &service->share);
	rules_confidential(block, config_service_remote(service));
	/* Only a timeout detects that a peer has gone away. */
	if (!service->connect && setting_of(block, "idle-timeout") == NULL) {
		if (transport == CONFIG_UDP)
			service->idle_timeout = CONFIG_UDP_IDLE;
		else if (transport == CONFIG_VSOCK)
			service->idle_timeout = CONFIG_VSOCK_IDLE;
	}
	if (!service->connect)
		rules_listener(block);
}
