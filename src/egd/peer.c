/*
 * Formats the address of a socket's other end, for the log.  Used by
 * admission.c, resume.c and datagram.c.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <bsd/string.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>

#include "egd/peer.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

void
peer_at(struct peer *p, const struct sockaddr_storage *at)
{
	const struct sockaddr_in6 *in6 = (const void *)at;
	const struct sockaddr_in *in = (const void *)at;
	char text[INET6_ADDRSTRLEN] = "?";

	*p = (struct peer){ .inet = true };
	if (at->ss_family == AF_INET) {
		memcpy(p->address, mapped, sizeof(mapped));
		memcpy(p->address + sizeof(mapped), &in->sin_addr, 4);
		p->port = ntohs(in->sin_port);
	} else {
		memcpy(p->address, &in6->sin6_addr, sizeof(p->address));
		p->port = ntohs(in6->sin6_port);
	}
	if (memcmp(p->address, mapped, sizeof(mapped)) == 0) {
		inet_ntop(AF_INET, p->address + sizeof(mapped), text,
		    sizeof(text));
		snprintf(p->text, sizeof(p->text), "%s:%u", text, p->port);
	} else {
		inet_ntop(AF_INET6, p->address, text, sizeof(text));
		snprintf(p->text, sizeof(p->text), "[%s]:%u", text, p->port);
	}
}

bool
peer_of(struct peer *p, int fd)
{
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	struct sockaddr_vm svm;
	struct ucred cred;
	socklen_t len = sizeof(at);

	if (getpeername(fd, (struct sockaddr *)&at, &len) == -1)
		return false;
	if (at.ss_family == AF_INET || at.ss_family == AF_INET6) {
		peer_at(p, &at);
		return true;
	}
	*p = (struct peer){ .vsock = at.ss_family == AF_VSOCK };
	if (p->vsock) {
		memcpy(&svm, &at, sizeof(svm));
		snprintf(p->text, sizeof(p->text), "vsock:%u:%u", svm.svm_cid,
		    svm.svm_port);
		return true;
	}
	len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		snprintf(p->text, sizeof(p->text), "pid %d, uid %u",
		    (int)cred.pid, cred.uid);
	else
		strlcpy(p->text, "unknown peer", sizeof(p->text));
	return true;
}

bool
peer_same(const struct peer *a, const struct peer *b)
{
	return a->port == b->port &&
	    memcmp(a->address, b->address, sizeof(a->address)) == 0;
}
