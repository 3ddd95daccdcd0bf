#include <sys/un.h>

#include <bsd/string.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/peer.h"

#define AT_ONCE_MS 1000
#define QUIET_MS   200
#define TEXT_MAX   2048

void
place_unix(struct suite *s, struct place *p, const char *name)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&p->addr;

	*p = (struct place){ .type = SOCK_STREAM,
		.len = sizeof(*sun),
		.fd = -1 };
	sun->sun_family = AF_UNIX;
	strlcpy(sun->sun_path, daemon_path(&s->d, name), sizeof(sun->sun_path));
	snprintf(p->text, sizeof(p->text), "unix = \"%s\"", sun->sun_path);
}

/* Returns 0, or -1 with errno. */
static int
bind_to(struct place *p, int family)
{
	const int yes = 1;

	p->addr.ss_family = (sa_family_t)family;
	p->fd = socket(family, p->type | SOCK_CLOEXEC, 0);
	if (p->fd == -1)
		return -1;
	CHECK(setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)));
	if (bind(p->fd, (struct sockaddr *)&p->addr, p->len) == 0)
		return getsockname(p->fd, (struct sockaddr *)&p->addr, &p->len);
	place_leave(p);
	return -1;
}

void
place_inet(struct place *p, int type, bool old)
{
	const char *how = type == SOCK_DGRAM ? "udp" : "tcp";
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&p->addr;
	struct sockaddr_in *sin = (struct sockaddr_in *)&p->addr;

	*p = (struct place){ .type = type, .len = sizeof(*sin6), .fd = -1 };
	sin6->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	if (!old && bind_to(p, AF_INET6) == 0) {
		snprintf(p->text, sizeof(p->text), "%s = ::1 port = %u", how,
		    ntohs(sin6->sin6_port));
		return;
	}
	memset(&p->addr, 0, sizeof(p->addr));
	p->len = sizeof(*sin);
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind_to(p, AF_INET));
	snprintf(p->text, sizeof(p->text), "%s = 127.0.0.1 port = %u", how,
	    ntohs(sin->sin_port));
}

void
place_listen(struct place *p)
{
	if (p->fd == -1)
		CHECK(bind_to(p, p->addr.ss_family));
	CHECK(listen(p->fd, 8));
}

void
place_leave(struct place *p)
{
	if (p->fd != -1)
		close(p->fd);
	p->fd = -1;
}

int
place_accept(struct place *p)
{
	struct pollfd pfd = { p->fd, POLLIN, 0 };
	int fd;

	assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
	fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(fd, -1);
	return fd;
}

int
place_connect(const struct place *p)
{
	int fd = socket(p->addr.ss_family, p->type | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	CHECK(connect(fd, (const struct sockaddr *)&p->addr, p->len));
	return fd;
}

void
peer_make(struct fifo *f, int fd)
{
	*f = (struct fifo){ .fd = fd, .bytes = malloc(ADMIN_FED_MAX) };
	assert_non_null(f->bytes);
}

void
peer_hang_up(struct fifo *f)
{
	CHECK(close(f->fd));
	f->fd = -1;
}

void
peer_start(struct suite *s, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	admin_conf(s, "w",
	    "pool \"default\" {\n%s\n}\n"
	    "pool \"other\" { source \"kernel\" { type = kernel } }\n",
	    text);
	admin_conf_guest(s, "vm0", "pool = default");
	admin_conf_guest(s, "vm1", "pool = other");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
}

/* The other pool's guest does not wait, whatever goes on. */
static void
other_served(struct suite *s)
{
	uint64_t start = fe_now();

	suite_served(&s->other);
	assert_true(fe_now() - start < AT_ONCE_MS);
}

/* Takes an answer of that many bytes, if `buf` is not NULL to there. */
static void
take_answer(struct fe *fe, uint8_t *buf, uint32_t len)
{
	struct fe_used_elem elem;

	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	assert_int_equal(fe_pop(fe, &elem), 1);
	assert_int_equal(elem.len, len);
	if (buf != NULL)
		CHECK(fe_mem_read(fe, FE_BUF_GPA, buf, len));
}

void
peer_receive(struct suite *s, uint8_t *buf, uint32_t len)
{
	fe_add_one(&s->fe, FE_BUF_GPA, len);
	fe_kick(&s->fe);
	take_answer(&s->fe, buf, len);
	other_served(s);
}

void
peer_serves(struct suite *s, const struct fifo *f)
{
	uint8_t buf[64];

	peer_receive(s, buf, sizeof(buf));
	assert_true(fifo_had(f, buf, sizeof(buf)));
}

void
peer_serves_since(struct suite *s, const struct fifo *f, size_t from)
{
	const struct fifo late = { .bytes = f->bytes + from, .n = f->n - from };
	uint8_t buf[64];

	for (int i = 0; i < 1000; i++) {
		peer_receive(s, buf, sizeof(buf));
		if (fifo_had(&late, buf, sizeof(buf)))
			return;
	}
	fail_msg("what was fed of late does not come");
}

void
peer_waits(struct suite *s)
{
	fe_add_one(&s->fe, FE_BUF_GPA, 64);
	fe_kick(&s->fe);
	assert_int_equal(fe_wait(&s->fe, 1, QUIET_MS), -1);
	other_served(s);
}

void
peer_answered(struct suite *s)
{
	take_answer(&s->fe, NULL, 64);
	other_served(s);
}
