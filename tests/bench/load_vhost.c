/*
 * load_vhost: guests that load a vhost-user-rng server, and what came of it.
 *
 *	load_vhost [-eiPRS] [-n guests] [-l bytes] [-d depth] [-g segments]
 *	    [-t ms] [-w ms] [-I ms] [-p pid] socket
 *
 * With several guests their numbers, from 0, are appended to the socket's path.
 *
 *	-n  guests				-e  with EVENT_IDX
 *	-l  bytes of a request			-i  with indirect descriptors
 *	-d  requests that each keeps waiting	-P  guests look at the used index;
 *	-g  segments of a request		    else they wait for calls
 *	-R  with packed rings			-S  all guests connect at once
 *	-t  measure for so many ms, after -w ms of the same; 0: only connect
 *	-I  measure for so many ms without any request instead
 *	-p  the server, to report its CPU time, memory and wake-ups
 *
 * Prints lines of a name and a number.  Ends with status 1 if anything that a
 * guest could notice is wrong.
 */
#include <sys/epoll.h>
#include <sys/resource.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "common/clock.h"
#include "bench/guest_load.h"
#include "bench/usage.h"

#define EVENTS	 64
#define SPINS	 1024 /* between looks at the clock */
#define STALL_NS (10 * NS_PER_SEC)
#define STACK	 (256 * 1024) /* bytes, of each guest that connects at once */

struct load {
	struct work work;
	uint32_t nguests;
	uint64_t warm_up; /* ns */
	uint64_t time;
	uint64_t idle;
	pid_t server; /* 0: not given */
	bool storm;   /* they connect at once */
	struct guest *guests;
	uint64_t *noted; /* bytes of each at the start of a measurement */
	int epoll_fd;
	struct latency first; /* from connecting to the first completion */
	struct latency latency;
};

struct sums {
	uint64_t time;
	uint64_t requests;
	uint64_t bytes;
	uint64_t shorts;
	uint64_t kicks;
};

static void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Takes what has come and asks for more. */
static uint32_t
turn(struct load *l, struct guest *g, uint32_t depth)
{
	uint32_t n, sum = 0;

	do {
		n = guest_reap(g, &l->latency);
		sum += n;
		guest_submit(g, depth);
		if (!l->work.polls)
			guest_listen(g);
	} while (fe_pending(&g->fe) > 0 && !l->work.polls);
	return sum;
}

/* Waits at most so many ms for calls, and serves those that called. */
static uint32_t
turn_of_callers(struct load *l, uint32_t depth, int ms)
{
	struct epoll_event events[EVENTS];
	uint32_t sum = 0;
	int n;

	n = epoll_wait(l->epoll_fd, events, EVENTS, ms);
	if (n == -1 && errno != EINTR)
		err(1, "epoll_wait");
	for (int i = 0; i < n; i++)
		sum += turn(l, &l->guests[events[i].data.u32], depth);
	return sum;
}

static uint32_t
turn_of_all(struct load *l, uint32_t depth)
{
	uint32_t n = 0;

	for (int spins = 0; spins < SPINS && n == 0; spins++) {
		for (uint32_t i = 0; i < l->nguests; i++)
			n += turn(l, &l->guests[i], depth);
		if (n == 0)
			relax();
	}
	return n;
}

static bool
any_waits(const struct load *l)
{
	for (uint32_t i = 0; i < l->nguests; i++)
		if (l->guests[i].waiting > 0)
			return true;
	return false;
}

/* Keeps requests waiting until then; with depth 0, until none is. */
static void
run_until(struct load *l, uint32_t depth, uint64_t end)
{
	uint64_t now, last = clock_now();
	uint32_t n;

	while ((now = clock_now()) < end && (depth > 0 || any_waits(l))) {
		n = l->work.polls ? turn_of_all(l, depth)
				  : turn_of_callers(l, depth, 100);
		if (n > 0)
			last = now;
		else if (now - last > STALL_NS)
			errx(1, "no request was completed for 10 seconds");
	}
}

static void
guest_path(const struct load *l, const char *socket, uint32_t i, char *path,
    size_t size)
{
	if (l->nguests == 1)
		snprintf(path, size, "%s", socket);
	else
		snprintf(path, size, "%s%u", socket, i);
}

/* The first request of a guest, as soon as it is connected. */
static void
guest_begin(struct load *l, uint32_t i, const char *path)
{
	struct guest *g = &l->guests[i];
	struct latency ignored = { 0 };
	uint64_t start = clock_now();

	if (guest_connect(g, path) == -1)
		err(1, "%s", path);
	guest_submit(g, 1);
	while (guest_reap(g, &ignored) == 0) {
		if (clock_now() - start > STALL_NS)
			errx(1, "%s: the first request was not completed",
			    path);
		relax();
	}
	latency_add(&l->first, clock_now() - start);
}

/* A guest of many that connect at once, in a thread of its own. */
struct starter {
	pthread_t thread;
	struct load *load;
	pthread_barrier_t *gate;
	pthread_mutex_t *lock;
	const uint64_t *start; /* ns, of all */
	uint32_t number;
	char path[256];
};

static void *
starter_run(void *arg)
{
	struct starter *s = arg;
	struct load *l = s->load;
	struct guest *g = &l->guests[s->number];
	struct pollfd pfd = { .fd = -1, .events = POLLIN };
	struct latency ignored = { 0 };
	uint64_t start, calls;
	uint32_t n = 0;

	pthread_barrier_wait(s->gate); /* all threads are there */
	pthread_barrier_wait(s->gate);
	start = *s->start;
	if (guest_connect(g, s->path) == -1)
		err(1, "%s", s->path);
	guest_submit(g, 1);
	pfd.fd = g->fe.call;
	while (n == 0) {
		if (clock_now() - start > STALL_NS)
			errx(1, "%s: the first request was not completed",
			    s->path);
		if (poll(&pfd, 1, l->work.polls ? 0 : 100) == 1 &&
		    read(pfd.fd, &calls, sizeof(calls)) == -1 &&
		    errno != EAGAIN)
			err(1, "read");
		pthread_mutex_lock(s->lock);
		n = guest_reap(g, &ignored);
		if (n > 0)
			latency_add(&l->first, clock_now() - start);
		pthread_mutex_unlock(s->lock);
	}
	return NULL;
}

/* All guests connect at once, and wait for the first completion. */
static void
begin_storm(struct load *l, const char *socket)
{
	struct starter *starters = calloc(l->nguests, sizeof(*starters)), *s;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_barrier_t gate;
	pthread_attr_t attr;
	uint64_t start;

	if (starters == NULL || pthread_attr_init(&attr) != 0 ||
	    pthread_attr_setstacksize(&attr, STACK) != 0 ||
	    pthread_barrier_init(&gate, NULL, l->nguests + 1) != 0)
		errx(1, "cannot begin");
	for (uint32_t i = 0; i < l->nguests; i++) {
		s = &starters[i];
		*s = (struct starter){
			.load = l,
			.gate = &gate,
			.lock = &lock,
			.start = &start,
			.number = i,
		};
		guest_path(l, socket, i, s->path, sizeof(s->path));
		if (pthread_create(&s->thread, &attr, starter_run, s) != 0)
			errx(1, "cannot start thread %u", i);
	}
	pthread_barrier_wait(&gate);
	start = clock_now();
	pthread_barrier_wait(&gate);
	for (uint32_t i = 0; i < l->nguests; i++)
		pthread_join(starters[i].thread, NULL);
	pthread_barrier_destroy(&gate);
	pthread_attr_destroy(&attr);
	free(starters);
}

static void
begin(struct load *l, const char *socket)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	char path[256];

	for (uint32_t i = 0; i < l->nguests; i++)
		if (guest_prepare(&l->guests[i], &l->work) == -1)
			err(1, "guest %u", i);
	if (l->storm)
		begin_storm(l, socket);
	for (uint32_t i = 0; i < l->nguests; i++) {
		if (!l->storm) {
			guest_path(l, socket, i, path, sizeof(path));
			guest_begin(l, i, path);
		}
		if (!l->work.polls)
			guest_listen(&l->guests[i]);
		ev.data.u32 = i;
		if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->guests[i].fe.call,
			&ev) == -1)
			err(1, "epoll_ctl");
	}
}

static struct usage
take_usage(const struct load *l, bool memory)
{
	struct usage u = { 0 };

	if (l->server != 0 && usage_read(l->server, memory, &u) == -1)
		errx(1, "there is no process %d", (int)l->server);
	return u;
}

static struct sums
take_sums(const struct load *l)
{
	struct sums s = { .time = clock_now() };

	for (uint32_t i = 0; i < l->nguests; i++) {
		s.requests += l->guests[i].requests;
		s.bytes += l->guests[i].bytes;
		s.shorts += l->guests[i].shorts;
		s.kicks += l->guests[i].fe.ring.kicks;
	}
	return s;
}

static void
print_latency(const char *name, const struct latency *l, double unit)
{
	printf("%s_p50 %.2f\n", name, (double)latency_at(l, 0.5) / unit);
	printf("%s_p99 %.2f\n", name, (double)latency_at(l, 0.99) / unit);
	printf("%s_p999 %.2f\n", name, (double)latency_at(l, 0.999) / unit);
	printf("%s_max %.2f\n", name, (double)l->max / unit);
}

/* Every request that was made has been completed, once. */
static void
finish(struct load *l)
{
	run_until(l, 0, clock_now() + STALL_NS);
	for (uint32_t i = 0; i < l->nguests; i++)
		if (l->guests[i].requests != l->guests[i].made)
			errx(1, "guest %u: %ju requests, %ju completions", i,
			    (uintmax_t)l->guests[i].made,
			    (uintmax_t)l->guests[i].requests);
}

static void
begin_load(struct load *l)
{
	for (uint32_t i = 0; i < l->nguests; i++)
		guest_submit(&l->guests[i], l->work.depth);
	run_until(l, l->work.depth, clock_now() + l->warm_up);
}

/* Requests completed outside of a measurement do not count. */
static void
catch_up(struct load *l)
{
	uint32_t n = 0, some = 1;

	for (; some > 0 && n < l->nguests; n += some)
		some = l->work.polls ? turn_of_all(l, l->work.depth)
				     : turn_of_callers(l, l->work.depth, 0);
}

/* Between the readings none of the server's processes may come or go. */
static void
check_same(const struct usage *a, const struct usage *b)
{
	if (a->workers != b->workers)
		errx(1, "the server had %ju children, and now it has %ju",
		    (uintmax_t)a->workers, (uintmax_t)b->workers);
}

/* Notes how much each guest has had so far. */
static void
note_bytes(struct load *l)
{
	for (uint32_t i = 0; i < l->nguests; i++)
		l->noted[i] = l->guests[i].bytes;
}

/* The largest difference from an equal share since then. */
static void
print_share_error(const struct load *l)
{
	double equal = 0, most = 0, had;

	for (uint32_t i = 0; i < l->nguests; i++)
		equal += (double)(l->guests[i].bytes - l->noted[i]);
	equal /= l->nguests;
	for (uint32_t i = 0; i < l->nguests; i++) {
		had = (double)(l->guests[i].bytes - l->noted[i]);
		had = had < equal ? equal - had : had - equal;
		most = had > most ? had : most;
	}
	if (equal > 0)
		printf("share_error_percent %.3f\n", 100 * most / equal);
}

static void
measure(struct load *l)
{
	struct usage was, is;
	struct sums a, b;
	double requests, seconds;

	begin_load(l);
	was = take_usage(l, false);
	catch_up(l);
	memset(&l->latency, 0, sizeof(l->latency));
	a = take_sums(l);
	note_bytes(l);
	run_until(l, l->work.depth, a.time + l->time);
	b = take_sums(l);
	is = take_usage(l, false);
	check_same(&was, &is);
	seconds = (double)(b.time - a.time) / (double)NS_PER_SEC;
	requests = (double)(b.requests - a.requests);
	print_share_error(l);
	finish(l);
	printf("requests %.0f\nrequests_per_s %.0f\n", requests,
	    requests / seconds);
	printf("mb_per_s %.2f\n", (double)(b.bytes - a.bytes) / seconds / 1e6);
	printf("shorts %ju\n", (uintmax_t)(b.shorts - a.shorts));
	if (b.bytes > a.bytes)
		printf("completions_per_kib %.3f\n",
		    (double)(b.requests - a.requests) * 1024 /
			(double)(b.bytes - a.bytes));
	printf("kicks_per_request %.3f\n",
	    (double)(b.kicks - a.kicks) / requests);
	print_latency("us", &l->latency, 1e3);
	if (l->server == 0)
		return;
	printf("cpu_us_per_request %.3f\n",
	    (double)(is.cpu - was.cpu) / 1e3 / requests);
	printf("switches_per_request %.3f\n",
	    (double)(is.switches - was.switches) / requests);
}

/* Of guests that have had much, and now want nothing. */
static void
measure_idle(struct load *l)
{
	struct usage was, is;

	begin_load(l);
	finish(l);
	/* Whatever the requests have left to do is done. */
	poll(NULL, 0, 1000);
	was = take_usage(l, false);
	poll(NULL, 0, (int)(l->idle / NS_PER_MS));
	is = take_usage(l, false);
	check_same(&was, &is);
	printf("idle_wakeups %ju\n", (uintmax_t)(is.switches - was.switches));
	printf("idle_cpu_us %.1f\n", (double)(is.cpu - was.cpu) / 1e3);
	is = take_usage(l, true);
	if (!is.memory)
		return;
	printf("pss_kib_per_guest %.1f\n", (double)is.pss / (double)l->nguests);
	printf("processes %ju\n", (uintmax_t)is.workers + 1);
}

/* How long it takes until each guest is served, and the CPU time of it. */
static void
connect_all(struct load *l, const char *socket)
{
	uint64_t before = take_usage(l, false).cpu;

	begin(l, socket);
	print_latency("first_ms", &l->first, 1e6);
	if (l->server != 0)
		printf("connect_cpu_us %.0f\n",
		    (double)(take_usage(l, false).cpu - before) / 1e3 /
			(double)l->nguests);
}

static uint32_t
number(const char *text, const char *what, uint32_t min, uint32_t max)
{
	const char *why;
	long long n = strtonum(text, min, max, &why);

	if (why != NULL)
		errx(1, "%s %s: %s", what, text, why);
	return (uint32_t)n;
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: load_vhost [-eiPRS] [-n guests] [-l bytes] "
	    "[-d depth] [-g segments]\n\t[-t ms] [-w ms] [-I ms] "
	    "[-p pid] socket\n");
	exit(1);
}

static uint64_t
milliseconds(const char *text)
{
	return number(text, "time", 0, 3600000) * NS_PER_MS;
}

static const char *
options(struct load *l, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "ePRSin:l:d:g:t:w:I:p:")) != -1) {
		switch (c) {
		case 'e':
			l->work.event_idx = true;
			break;
		case 'i':
			l->work.indirect = true;
			break;
		case 'R':
			fe_packed = true;
			break;
		case 'S':
			l->storm = true;
			break;
		case 'P':
			l->work.polls = true;
			break;
		case 'n':
			l->nguests = number(optarg, "guests", 1, 10000);
			break;
		case 'l':
			l->work.len = number(optarg, "bytes", 1, 1 << 20);
			break;
		case 'd':
			l->work.depth = number(optarg, "depth", 1, 1024);
			break;
		case 'g':
			l->work.segments = number(optarg, "segments", 1, 64);
			break;
		case 't':
			l->time = milliseconds(optarg);
			break;
		case 'w':
			l->warm_up = milliseconds(optarg);
			break;
		case 'I':
			l->idle = milliseconds(optarg);
			break;
		case 'p':
			l->server = (pid_t)number(optarg, "pid", 1, 1 << 30);
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc)
		usage();
	if (l->work.len < l->work.segments)
		errx(1, "a segment has a byte at least");
	return argv[optind];
}

/* Six descriptors for each guest. */
static void
allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "setrlimit");
}

int
main(int argc, char **argv)
{
	static struct load l = {
		.work = { .len = 64, .depth = 1, .segments = 1 },
		.nguests = 1,
		.warm_up = 200 * NS_PER_MS,
		.time = NS_PER_SEC
	};
	const char *socket = options(&l, argc, argv);

	allow_files();
	l.guests = calloc(l.nguests, sizeof(*l.guests));
	l.noted = calloc(l.nguests, sizeof(*l.noted));
	l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l.guests == NULL || l.noted == NULL || l.epoll_fd == -1)
		err(1, "cannot begin");
	connect_all(&l, socket);
	if (l.idle > 0)
		measure_idle(&l);
	else if (l.time > 0)
		measure(&l);
	for (uint32_t i = 0; i < l.nguests; i++)
		guest_close(&l.guests[i]);
	free(l.guests);
	free(l.noted);
	return 0;
}
