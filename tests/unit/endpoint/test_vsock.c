/*
 * To which guest a connection by vsock belongs, with a kernel of the test: it
 * accepts sockets of a pair, with any CID.  tests/guest/vsock.test has real ones.
 */
#include "unit/unit.h"

#include <sys/socket.h>

#include <errno.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <unistd.h>

#include "parent/endpoint/service.h"

#define LISTENER 1000 /* no descriptor */

/* The next connection; -1: fails with `error`. */
static struct {
	int fd, error;
	uint32_t cid;
	sa_family_t family;
} incoming;

/* As the C library declares them, which the linker then does not take. */
int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	struct sockaddr_vm *svm = (void *)address;

	assert_int_equal(fd, LISTENER);
	assert_int_equal(flags, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(*len >= sizeof(*svm));
	*len = sizeof(*svm);
	errno = incoming.error;
	if (incoming.fd == -1)
		return -1;
	*svm = (struct sockaddr_vm){ .svm_family = incoming.family,
		.svm_cid = incoming.cid };
	return incoming.fd;
}

int
getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
	return accept4(LISTENER, address, len, SOCK_CLOEXEC | SOCK_NONBLOCK) ==
		fd
	    ? 0
	    : -1;
}

struct fixture {
	sd_event *event;
	struct process_env env;
	struct log_subject subject;
	struct place place;
	struct cids cids;
	struct service listener, one, other;
	struct endpoint_active active[3];
};

/*
 * A service that only rejects, as its workers have died: what is handed to it is
 * closed, and counted.
 */
static void
init(struct fixture *f, struct service *s, struct endpoint_active *active,
    uint32_t cid)
{
	s->config.socket.transport = CONFIG_VSOCK;
	s->config.socket.cid = cid;
	s->config.max_clients = 1;
	s->endpoint.env = &f->env;
	s->endpoint.subject = &f->subject;
	s->endpoint.active = active;
	active->paused = UINT64_MAX;
	log_limit_init(&active->limit, clock_now());
	accepts_init(&s->accepts, 1);
	vsock_init(&s->vsock, &s->endpoint, cid);
	s->vsock.cids = &f->cids;
}

static void
setup(struct fixture *f)
{
	*f = (struct fixture){ .subject = { .kind = "egd", .name = "vsock" } };
	assert_true(sd_event_new(&f->event) >= 0);
	f->env.event = f->event;
	cids_init(&f->cids);
	init(f, &f->listener, &f->active[0], 0);
	f->place.listener.fd = LISTENER;
	f->listener.endpoint.place = &f->place;
	init(f, &f->one, &f->active[1], 3);
	init(f, &f->other, &f->active[2], UINT32_MAX - 1);
	vsock_add(&f->one.vsock);
	vsock_add(&f->other.vsock);
}

static void
teardown(struct fixture *f)
{
	vsock_remove(&f->listener.vsock);
	vsock_remove(&f->one.vsock);
	vsock_remove(&f->other.vsock);
	assert_null(cids_find(&f->cids, 3));
	sd_event_unref(f->event);
}

/* Whether the peer of a socket is closed or shut down. */
static bool
has_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Connects.  Returns the service that has closed the connection. */
static const struct service *
owner(struct fixture *f, uint32_t cid)
{
	struct service *all[] = { &f->listener, &f->one, &f->other };
	const struct service *found = NULL;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	incoming.fd = pair[1];
	incoming.cid = cid;
	incoming.family = AF_VSOCK;
	for (size_t i = 0; i < 3; i++)
		all[i]->endpoint.active->counted.past.turned_away = 0;
	service_incoming_vsock(&f->listener);
	for (size_t i = 0; i < 3; i++)
		if (all[i]->endpoint.active->counted.past.turned_away > 0) {
			assert_null(found);
			assert_int_equal(
			    all[i]->endpoint.active->counted.past.turned_away,
			    1);
			found = all[i];
		}
	if (found != NULL)
		assert_true(has_ended(pair[0]));
	else
		close(pair[1]);
	close(pair[0]);
	return found;
}

static void
test_owner(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_ptr_equal(owner(&f, 3), &f.one);
	assert_ptr_equal(owner(&f, UINT32_MAX - 1), &f.other);
	/* Unknown ones, and this host, are rejected. */
	for (uint32_t cid = 0; cid < 3; cid++)
		assert_ptr_equal(owner(&f, cid), &f.listener);
	assert_ptr_equal(owner(&f, 4), &f.listener);
	assert_ptr_equal(owner(&f, VMADDR_CID_ANY), &f.listener);
	/* A guest without a CID has left. */
	vsock_remove(&f.one.vsock);
	assert_ptr_equal(owner(&f, 3), &f.listener);
	vsock_add(&f.one.vsock);
	assert_ptr_equal(owner(&f, 3), &f.one);
	teardown(&f);
}

/* A flood pauses the listener; it does not pause what a guest has. */
static void
test_flood(void **state)
{
	struct fixture f;
	uint32_t n = 0;

	(void)state;
	setup(&f);
	while (owner(&f, 4) != NULL)
		assert_true(++n < 1000000);
	assert_true(n >= 4096);
	assert_int_equal(
	    sd_event_source_get_enabled(f.listener.vsock.relisten.source, NULL),
	    1);
	teardown(&f);
}

static void
test_errors(void **state)
{
	static const int errors[] = { EAGAIN, ECONNABORTED, EINTR, EMFILE,
		ENOMEM };
	struct fixture f;

	(void)state;
	setup(&f);
	incoming.fd = -1;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		incoming.error = errors[i];
		service_incoming_vsock(&f.listener);
		assert_int_equal(f.listener.vsock.relisten.source != NULL,
		    i >= 3);
		assert_int_equal(
		    f.listener.endpoint.active->counted.past.turned_away, 0);
	}
	teardown(&f);
}

/* Whether a connection of the last vrngd goes on. */
static bool
goes_on(struct service *s, sa_family_t family, uint32_t cid)
{
	int pair[2];
	bool ended;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	incoming.fd = pair[1];
	incoming.family = family;
	incoming.cid = cid;
	service_check(s, pair[1]);
	ended = has_ended(pair[0]);
	close(pair[0]);
	close(pair[1]);
	return !ended;
}

static void
test_stored(void **state)
{
	struct service local = { .config.socket.transport = CONFIG_UNIX };
	struct fixture f;

	(void)state;
	setup(&f);
	assert_true(goes_on(&f.one, AF_VSOCK, 3));
	assert_false(goes_on(&f.one, AF_VSOCK, 4));
	assert_false(goes_on(&f.one, AF_VSOCK, 1));
	assert_false(goes_on(&f.one, AF_UNIX, 3));
	/* It had a CID, and has a path now. */
	assert_true(goes_on(&local, AF_UNIX, 0));
	assert_false(goes_on(&local, AF_VSOCK, 3));
	/* An unknown one, which may have become a guest. */
	assert_false(goes_on(&f.listener, AF_VSOCK, 4));
	f.listener.config.accept_unknown = true;
	assert_true(goes_on(&f.listener, AF_VSOCK, 4));
	assert_false(goes_on(&f.listener, AF_VSOCK, 3));
	teardown(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_stored),
	};

	return UNIT_MAIN("vsock", tests);
}
