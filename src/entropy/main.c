/*
 * The entropy process of a pool: reads the source that the parent opened,
 * holds the stock, hands out what the parent grants.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "child.h"
#include "delivery.h"
#include "log.h"
#include "sandbox.h"
#include "source.h"
#include "stock.h"

#define STOCK_CAPACITY ((size_t)2 * CHUNK_MAX)
#define EVENTS_MAX     32

/* Keys of epoll events; a smaller one is a consumer's number. */
#define EVENT_CHANNEL (UINT64_C(1) << 32)
#define EVENT_STOCK   (EVENT_CHANNEL + 1)

struct entropy {
	struct stock stock;
	struct source source;
	struct delivery delivery;
	int epoll_fd;
	uint64_t told; /* stock total, as the parent knows */
	bool lost;     /* the source; not yet told */
	int lost_error;
	bool untold; /* the channel was full */
};

/* System calls after set-up, by the main thread and the reader. */
static const struct sandbox_rule rules[] = {
	{ .nr = SCMP_SYS(epoll_wait), .why = "the main loop" },
	{ .nr = SCMP_SYS(epoll_pwait), .why = "the same, other machines" },
	{ .nr = SCMP_SYS(epoll_ctl), .why = "consumers that are full" },
	{ .nr = SCMP_SYS(read), .why = "the source; the stock's eventfd" },
	{ .nr = SCMP_SYS(write), .why = "the stock's eventfd" },
	{ .nr = SCMP_SYS(poll), .why = "sources that do not block" },
	{ .nr = SCMP_SYS(ppoll), .why = "the same, other machines" },
	{ .nr = SCMP_SYS(recvmsg), .why = "frames" },
	{ .nr = SCMP_SYS(sendmsg), .why = "frames and bytes" },
	{ .nr = SCMP_SYS(close), .why = "consumers and sources gone" },
	{ .nr = SCMP_SYS(futex), .why = "the lock of the stock" },
	{ .nr = SCMP_SYS(clock_gettime), .why = "where there is no vDSO" },
	{ .nr = SCMP_SYS(brk), .why = "the table of consumers" },
	{ .nr = SCMP_SYS(mmap),
	    .why = "the table of consumers",
	    .nargs = 1,
	    .arg = SCMP_A2_64(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0) },
	{ .nr = SCMP_SYS(mremap), .why = "the table of consumers" },
	{ .nr = SCMP_SYS(munmap), .why = "the table of consumers" },
	{ .nr = SCMP_SYS(rt_sigreturn), .why = "being stopped" },
	{ .nr = SCMP_SYS(restart_syscall), .why = "being continued" },
	{ .nr = SCMP_SYS(exit_group), .why = "the end" },
};

static void
watch(int epoll_fd, int op, int fd, uint32_t events, uint64_t key)
{
	struct epoll_event ev = { .events = events, .data.u64 = key };

	if (epoll_ctl(epoll_fd, op, fd, &ev) == -1)
		log_fatal("epoll_ctl: %s", strerror(errno));
}

/* Sends a frame to the parent.  Returns whether there was room for it. */
static bool
tell(const struct frame *f)
{
	if (channel_send(CHANNEL_FD, f) == 0)
		return true;
	if (errno != EAGAIN)
		channel_lost();
	return false;
}

static bool
tell_lost(struct entropy *e)
{
	struct frame f;

	if (!e->lost)
		return true;
	frame_init(&f, PROTO_SOURCE_LOST, 0, 0);
	f.u.lost.error = e->lost_error;
	e->lost = !tell(&f);
	return !e->lost;
}

static bool
tell_stock(struct entropy *e)
{
	struct frame f;
	uint64_t total;

	total = stock_total(&e->stock) + e->delivery.returned;
	if (total == e->told)
		return true;
	frame_init(&f, PROTO_STOCK, 0, 0);
	f.u.stock.total = total;
	f.u.stock.capacity = e->stock.capacity;
	if (!tell(&f))
		return false;
	e->told = total;
	return true;
}

static bool
tell_voided(struct entropy *e)
{
	struct frame f;
	uint32_t number;

	frame_init(&f, PROTO_VOID, 0, 0);
	while ((number = delivery_news(&e->delivery, &f.u.voided)) != 0) {
		f.hdr.consumer = number;
		if (!tell(&f))
			return false;
		delivery_told(&e->delivery, number);
	}
	return true;
}

/* Tells the parent what is new, now or when its channel has room again. */
static void
tell_news(struct entropy *e)
{
	bool untold;

	untold = !tell_voided(e) || !tell_stock(e) || !tell_lost(e);
	if (untold != e->untold)
		watch(e->epoll_fd, EPOLL_CTL_MOD, CHANNEL_FD,
		    EPOLLIN | (untold ? EPOLLOUT : 0), EVENT_CHANNEL);
	e->untold = untold;
}

static void
stock_event(struct entropy *e)
{
	uint64_t count;
	int error;

	if (read(e->stock.event_fd, &count, sizeof(count)) == -1 &&
	    errno != EAGAIN)
		log_fatal("eventfd: %s", strerror(errno));
	if (source_take_lost(&e->source, &error)) {
		e->lost = true;
		e->lost_error = error;
	}
	tell_news(e);
}

static int
dispatch(struct entropy *e, struct frame *f)
{
	switch (f->hdr.type) {
	case PROTO_SOURCE_OPEN:
		source_open(&e->source, f->fds[0]);
		return 0;
	case PROTO_CONSUMER:
		return delivery_add(&e->delivery, f->hdr.consumer, f->fds[0]);
	case PROTO_CONSUMER_GONE:
		return delivery_drop(&e->delivery, f->hdr.consumer);
	case PROTO_GRANT:
		return delivery_grant(&e->delivery, f->hdr.consumer,
		    f->u.grant.total);
	}
	return -1;
}

static void
channel_event(struct entropy *e)
{
	struct frame f;
	enum channel_result result;

	while ((result = channel_recv(CHANNEL_FD, &f, ROLE_PARENT,
		    ROLE_ENTROPY)) == CHANNEL_FRAME)
		if (dispatch(e, &f) == -1)
			log_fatal("%s for consumer %u makes no sense",
			    frame_name(f.hdr.type), f.hdr.consumer);
	if (result != CHANNEL_AGAIN)
		channel_end(result, &f);
	tell_news(e);
}

static void
run(struct entropy *e)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	for (;;) {
		n = epoll_wait(e->epoll_fd, events, EVENTS_MAX, -1);
		if (n == -1 && errno != EINTR)
			log_fatal("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == EVENT_CHANNEL)
				channel_event(e);
			else if (events[i].data.u64 == EVENT_STOCK)
				stock_event(e);
			else {
				delivery_resume(&e->delivery,
				    (uint32_t)events[i].data.u64);
				tell_news(e);
			}
		}
	}
}

int
main(void)
{
	static struct entropy e;

	child_start(ROLE_ENTROPY);
	if ((e.epoll_fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		log_fatal("epoll_create1: %s", strerror(errno));
	stock_init(&e.stock, STOCK_CAPACITY);
	delivery_init(&e.delivery, &e.stock, e.epoll_fd);
	source_start(&e.source, &e.stock);
	watch(e.epoll_fd, EPOLL_CTL_ADD, CHANNEL_FD, EPOLLIN, EVENT_CHANNEL);
	watch(e.epoll_fd, EPOLL_CTL_ADD, e.stock.event_fd, EPOLLIN,
	    EVENT_STOCK);
	sandbox_filter(rules, sizeof(rules) / sizeof(*rules), 0);
	child_ready();
	run(&e);
}
