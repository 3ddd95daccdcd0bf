/*
 * Networks and addresses, as text and in the form of the services' processes.
 * Used by values.c and services.c, and by all files that run services or log
 * addresses.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "parent/config/reader.h"

#define IPV4_BEHIND 96 /* bits, of an IPv4 address mapped to IPv6 */

/* RFC 4291, 2.5.5.2. */
static const uint8_t mapped[IPV4_BEHIND / 8] = { [10] = 0xff, [11] = 0xff };

static bool
is_ipv4(const struct proto_network *network)
{
	return network->bits >= IPV4_BEHIND &&
	    memcmp(network->address, mapped, sizeof(mapped)) == 0;
}

/* Clears the bits after the prefix. */
static void
mask(struct proto_network *network)
{
	for (uint32_t i = network->bits; i < 128; i++)
		network->address[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

/* Reads an address as a network of one address. */
static bool
read_address(const char *text, struct proto_network *network)
{
	*network = (struct proto_network){ .bits = 128 };
	if (strchr(text, ':') != NULL)
		return inet_pton(AF_INET6, text, network->address) == 1;
	memcpy(network->address, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, network->address + sizeof(mapped)) == 1;
}

enum config_network_result
config_network_read(const char *text, struct proto_network *network)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	struct proto_network whole;
	const char *rest;
	uint64_t bits;
	uint32_t behind;

	snprintf(address, sizeof(address), "%.*s", (int)len, text);
	if (len >= sizeof(address) || !read_address(address, &whole))
		return CONFIG_NETWORK_BAD;
	*network = whole;
	if (text[len] == '\0')
		return CONFIG_NETWORK_GOOD;
	rest = value_digits(text + len + 1, 10, &bits);
	if (rest == NULL || rest[0] != '\0')
		return CONFIG_NETWORK_BAD;
	behind = strchr(address, ':') != NULL ? 0 : IPV4_BEHIND;
	if (bits > 128 - behind)
		return CONFIG_NETWORK_LONG;
	network->bits = behind + (uint32_t)bits;
	mask(network);
	return memcmp(whole.address, network->address, sizeof(whole.address)) ==
		0
	    ? CONFIG_NETWORK_GOOD
	    : CONFIG_NETWORK_BITS;
}

const char *
config_network_text(const struct proto_network *network,
    char buf[CONFIG_NETWORK_SIZE])
{
	bool ipv4 = is_ipv4(network);
	size_t behind = ipv4 ? IPV4_BEHIND : 0;
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(ipv4 ? AF_INET : AF_INET6, network->address + behind / 8,
	    address, sizeof(address));
	snprintf(buf, CONFIG_NETWORK_SIZE, "%s/%u", address,
	    network->bits - (unsigned int)behind);
	return buf;
}

bool
config_network_loopback(const char *address, struct proto_network *network)
{
	struct proto_network host;

	if (!read_address(address, &host))
		return false;
	config_network_read(is_ipv4(&host) ? "127.0.0.0/8" : "::1", network);
	host.bits = network->bits;
	mask(&host);
	return memcmp(&host, network, sizeof(host)) == 0;
}

/* Whether all addresses of a network are loopback addresses. */
static bool
within_loopback(const struct proto_network *network)
{
	char text[CONFIG_NETWORK_SIZE];
	struct proto_network loopback = { 0 };

	config_network_text(network, text);
	text[strcspn(text, "/")] = '\0';
	return config_network_loopback(text, &loopback) &&
	    network->bits >= loopback.bits;
}

static bool
is_remote(const struct config_socket *socket)
{
	struct proto_network loopback = { 0 };

	/* vsock, which has no address, does not leave the host. */
	return socket->transport != CONFIG_UNIX && socket->where != NULL &&
	    !config_network_loopback(socket->where, &loopback);
}

bool
config_source_remote(const struct config_source *source)
{
	return is_remote(&source->socket);
}

bool
config_service_remote(const struct config_service *service)
{
	const struct config_socket *socket = &service->socket;

	if (!socket->passed)
		return is_remote(socket);
	for (uint32_t i = 0; i < service->nallowed && i < ALLOWED_MAX; i++)
		if (!within_loopback(&service->allow[i]))
			return true;
	return false;
}

const char *
config_address_text(const char *address, uint16_t port, char *buf, size_t size)
{
	bool brackets = strchr(address, ':') != NULL;

	snprintf(buf, size, "%s%s%s:%u", brackets ? "[" : "", address,
	    brackets ? "]" : "", port);
	return buf;
}

const char *
config_socket_text(const struct config_socket *socket, char *buf, size_t size)
{
	char text[CONFIG_WHERE_SIZE];

	if (socket->cid != 0)
		snprintf(buf, size, "vsock:%u", socket->cid);
	else if (socket->transport == CONFIG_VSOCK && socket->port != 0)
		snprintf(buf, size, "vsock::%u", socket->port);
	else if (socket->where == NULL || socket->transport == CONFIG_UNIX)
		snprintf(buf, size, "%s", socket->where ?: CONFIG_PASSED);
	else
		snprintf(buf, size, "%s%s",
		    socket->transport == CONFIG_UDP ? "udp " : "",
		    config_address_text(socket->where, socket->port, text,
			sizeof(text)));
	return buf;
}

bool
config_service_same_place(const struct config_service *a,
    const struct config_service *b)
{
	return a->kind == b->kind &&
	    schema_equal(CONFIG_STREAM, a, b, KEY_PLACE) &&
	    schema_equal(CONFIG_EGD, a, b, KEY_PLACE) &&
	    a->socket.cid == b->socket.cid &&
	    (!a->socket.passed || strcmp(a->name, b->name) == 0);
}
