#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/place.h"
#include "ctl/quote.h"

#define UDP_PREFIX "udp "

/*
 * Takes a numeric address.  A client cannot connect to any address, which one
 * may listen at: this host's own stands for it.
 */
static bool
take_host(struct place *p, const char *host)
{
	struct in6_addr in6;
	struct in_addr in;

	if (inet_pton(AF_INET, host, &in) == 1) {
		p->any = !p->client_listens && in.s_addr == INADDR_ANY;
		if (p->any)
			in.s_addr = htonl(INADDR_LOOPBACK);
		return inet_ntop(AF_INET, &in, p->host, sizeof(p->host)) !=
		    NULL;
	}
	if (inet_pton(AF_INET6, host, &in6) != 1)
		return false;
	p->any = !p->client_listens && IN6_IS_ADDR_UNSPECIFIED(&in6);
	if (p->any)
		in6 = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	return inet_ntop(AF_INET6, &in6, p->host, sizeof(p->host)) != NULL;
}

/* Takes "127.0.0.1:7000" or "[::1]:7000". */
static bool
take_address(struct place *p, const char *where)
{
	char host[PLACE_SIZE];
	const char *colon = strrchr(where, ':'), *error;
	size_t len;
	long long port;

	if (colon == NULL)
		return false;
	port = strtonum(colon + 1, 1, UINT16_MAX, &error);
	if (error != NULL)
		return false;
	snprintf(p->port, sizeof(p->port), "%lld", port);
	len = (size_t)(colon - where);
	if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, where, len);
	host[len] = '\0';
	return take_host(p, host);
}

int
place_of_guest(struct place *p, struct json_object *guest, struct failure *why)
{
	const char *name = snapshot_text(guest, "name");
	const char *egd = snapshot_text(guest, "egd_socket");

	*p = (struct place){ .transport = PLACE_UNIX };
	if (egd[0] == '\0')
		return fail(why, EXIT_REFUSED,
		    "guest %s has no EGD socket: configure one, egd = PATH",
		    name);
	if (!quote_possible(egd))
		return fail(why, EXIT_REFUSED,
		    "guest %s: the path of its EGD socket has control "
		    "characters",
		    name);
	strlcpy(p->path, egd, sizeof(p->path));
	return 0;
}

/*
 * A sender whose address or port is any reaches no socket of QEMU's for
 * datagrams: it is connected to one, and deaf after the first error from there.
 */
static int
check_sender(const struct place *p, const char *name, struct failure *why)
{
	if (p->transport != PLACE_UDP || !p->client_listens)
		return 0;
	if (p->local_port == 0)
		return fail(why, EXIT_REFUSED,
		    "service %s: QEMU hears datagrams only from a port that it "
		    "was told, and vrngd sends from any: add local-port = PORT "
		    "to the stream, or remove connect, so that QEMU sends "
		    "first",
		    name);
	if (strncmp(p->host, "127.", 4) == 0 || strcmp(p->host, "::1") == 0)
		return 0;
	return fail(why, EXIT_REFUSED,
	    "service %s: it is not known which address of this host %s is sent "
	    "datagrams from: give it to QEMU as host, with port=%u,"
	    "localaddr=%s,localport=%s",
	    name, p->host, p->local_port, p->host, p->port);
}

int
place_of_service(struct place *p, struct json_object *service,
    struct failure *why)
{
	const char *name = snapshot_text(service, "name");
	const char *where = snapshot_text(service, "where");
	const char *transport = snapshot_text(service, "transport");
	char text[PLACE_SIZE], word[PLACE_SIZE];
	bool good = false;

	*p = (struct place){
		.client_listens = snapshot_bool(service, "connects"),
		.local_port = (uint32_t)snapshot_number(service, "local_port"),
	};
	format_text(text, sizeof(text), where);
	if (strcmp(transport, "unix") == 0) {
		p->transport = PLACE_UNIX;
		good = where[0] == '/' && quote_possible(where);
		strlcpy(p->path, where, sizeof(p->path));
	} else if (strcmp(transport, "tcp") == 0) {
		p->transport = PLACE_TCP;
		good = take_address(p, where);
	} else if (strcmp(transport, "udp") == 0) {
		p->transport = PLACE_UDP;
		if (strncmp(where, UDP_PREFIX, strlen(UDP_PREFIX)) == 0)
			where += strlen(UDP_PREFIX);
		good = take_address(p, where);
	}
	if (!good)
		return fail(why, EXIT_REFUSED,
		    "service %s: '%s' is no %s socket that a client could use",
		    name, text, format_text(word, sizeof(word), transport));
	return check_sender(p, name, why);
}
