/*
 * The listener for vsock, and the CIDs of guests.  Used by service.c, which hands
 * a connection to the guest that has its CID, and by the state, which owns the
 * CIDs.
 */
#include <sys/socket.h>

#include <errno.h>
#include <linux/vm_sockets.h>
#include <string.h>

#include "parent/endpoint/vsock.h"

/*
 * All guests share the backlog of the listener.  Connections above a guest's own
 * rate are closed at once, so that this rate is higher than that of any guest.
 */
#define INCOMING      256 /* clients, whose rate it is */
#define INCOMING_WAIT (20 * NS_PER_MS)

static int
compare(const struct vsock *a, const struct vsock *b)
{
	return a->cid < b->cid ? -1 : a->cid > b->cid;
}

RB_PROTOTYPE(cid_tree, vsock, entry, compare)
RB_GENERATE(cid_tree, vsock, entry, compare)

void
cids_init(struct cids *cids)
{
	RB_INIT(&cids->tree);
}

struct vsock *
cids_find(struct cids *cids, uint32_t cid)
{
	struct vsock wanted = { .cid = cid };

	return RB_FIND(cid_tree, &cids->tree, &wanted);
}

static void
listen_again(void *arg)
{
	const struct vsock *v = arg;

	endpoint_relisten(v->endpoint);
}

void
vsock_init(struct vsock *v, struct endpoint *e, uint32_t cid)
{
	*v = (struct vsock){ .endpoint = e, .cid = cid };
	/* A pause of the clients of a service is none of the guests. */
	e->shared = true;
	accepts_init(&v->incoming, INCOMING);
	timer_init(&v->relisten, e->env->event, listen_again, v);
}

void
vsock_add(struct vsock *v)
{
	if (RB_INSERT(cid_tree, &v->cids->tree, v) != NULL)
		log_fatal("two guests with CID %u", v->cid);
}

void
vsock_remove(struct vsock *v)
{
	if (v->endpoint == NULL)
		return;
	timer_free(&v->relisten);
	if (v->cids != NULL && cids_find(v->cids, v->cid) == v)
		RB_REMOVE(cid_tree, &v->cids->tree, v);
}

static void
pause_listener(struct vsock *v, uint64_t ns)
{
	endpoint_suspend(v->endpoint);
	timer_after(&v->relisten, ns);
}

int
vsock_accept(struct vsock *v, uint32_t *cid)
{
	struct endpoint *e = v->endpoint;
	struct sockaddr_vm from = { .svm_cid = VMADDR_CID_HYPERVISOR };
	socklen_t len = sizeof(from);
	int conn;

	if (!accepts_pass(&v->incoming, INCOMING)) {
		pause_listener(v, INCOMING_WAIT);
		return -1;
	}
	conn = accept4(e->place->listener.fd, (struct sockaddr *)&from, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	*cid = from.svm_cid;
	if (conn != -1 || errno == EAGAIN || errno == ECONNABORTED ||
	    errno == EINTR)
		return conn;
	if (endpoint_may_log(e))
		log_about(LOG_LEVEL_ERROR, e->subject,
		    "cannot accept a connection: %s", strerror(errno));
	pause_listener(v, ACCEPT_PAUSE);
	return -1;
}

bool
vsock_peer(int conn, uint32_t *cid)
{
	struct sockaddr_vm from = { .svm_family = AF_UNSPEC };
	socklen_t len = sizeof(from);

	if (getpeername(conn, (struct sockaddr *)&from, &len) == -1 ||
	    from.svm_family != AF_VSOCK)
		return false;
	*cid = from.svm_cid;
	return true;
}
