/*
 * Opens sockets at addresses of the configuration.  Used by source_open.c,
 * service_socket.c and the state.
 */
#include <arpa/inet.h>
#include <bsd/string.h>
#include <netinet/tcp.h>
#include <string.h>

#include "parent/pool/socket.h"

#define KEEPALIVE_IDLE	   30 /* s */
#define KEEPALIVE_INTERVAL 10 /* s */
#define KEEPALIVE_COUNT	   3

static socklen_t
set_address(union socket_address *a, enum config_transport transport,
    const char *where, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (transport == CONFIG_UNIX) {
		a->sun.sun_family = AF_UNIX;
		strlcpy(a->sun.sun_path, where, sizeof(a->sun.sun_path));
		return sizeof(a->sun);
	}
	if (transport == CONFIG_VSOCK) {
		a->svm.svm_family = AF_VSOCK;
		a->svm.svm_cid = VMADDR_CID_ANY;
		a->svm.svm_port = port;
		return sizeof(a->svm);
	}
	if (inet_pton(AF_INET, where, &a->sin.sin_addr) == 1) {
		a->sin.sin_family = AF_INET;
		a->sin.sin_port = htons(port);
		return sizeof(a->sin);
	}
	inet_pton(AF_INET6, where, &a->sin6.sin6_addr);
	a->sin6.sin6_family = AF_INET6;
	a->sin6.sin6_port = htons(port);
	return sizeof(a->sin6);
}

int
socket_make(enum config_transport transport, const char *where, uint16_t port,
    union socket_address *a, socklen_t *len)
{
	int type = transport == CONFIG_UDP ? SOCK_DGRAM : SOCK_STREAM;

	*len = set_address(a, transport, where, port);
	return socket(a->sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void
socket_keep_alive(int fd, bool reads)
{
	static const struct {
		int option;
		int value;
	} options[] = {
		{ TCP_KEEPIDLE, KEEPALIVE_IDLE },
		{ TCP_KEEPINTVL, KEEPALIVE_INTERVAL },
		{ TCP_KEEPCNT, KEEPALIVE_COUNT },
	};
	const int yes = 1,
		  limit = 1000 *
	    (KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_COUNT);

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (setsockopt(fd, IPPROTO_TCP, options[i].option,
			&options[i].value, sizeof(options[i].value)) == -1)
			return;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	if (reads)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit,
		    sizeof(limit));
}
