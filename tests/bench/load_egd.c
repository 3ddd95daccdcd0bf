/*
 * load_egd: clients that load an EGD server, and what came of it.
 *
 *	load_egd [-P] [-n clients] [-l bytes] [-t ms] [-w ms] [-p pid] socket
 *	load_egd -s cpu ...
 *
 *	-n  clients, each with one request waiting
 *	-l  bytes of a request, 1 to 255 (EGD 02)
 *	-P  clients look for answers without sleeping
 *	-t  measure for so many ms, after -w ms of the same
 *	-p  the server, to report its CPU time and wake-ups
 *	-s  load a plain loop of recv(2), getrandom(2) and send(2), in a process
 *	    for each client, on that CPU, in place of a server with a socket
 *
 * Prints lines of a name and a number, as load_vhost does.  Ends with status 1
 * if the server closes a connection, does not answer for 10 seconds, or sends
 * the same bytes again.
 */
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "bench/latency.h"
#include "bench/usage.h"

#define EGD_WAIT 2   /* the command: all bytes, as soon as there are any */
#define LEN_MAX	 255 /* of a request */
#define EVENTS	 64
#define STALL_NS (10 * NS_PER_SEC)
#define SEEN	 65536 /* answers that are remembered, by 16 of their bytes */

struct client {
	int fd;
	uint32_t had;	/* bytes of the answer */
	uint64_t since; /* ns, time of the request */
	uint8_t answer[LEN_MAX];
};

struct load {
	uint32_t nclients;
	uint32_t len;
	bool polls;
	bool plain;	  /* the server is a plain loop, */
	uint32_t cpu;	  /* on that CPU */
	uint64_t warm_up; /* ns */
	uint64_t time;
	pid_t server; /* 0: not given */
	struct client *clients;
	int epoll_fd;
	bool stops; /* makes no more requests */
	uint64_t requests;
	struct latency latency;
	uint64_t seen[SEEN][2];
};

static void
request(struct load *l, struct client *c)
{
	const uint8_t command[] = { EGD_WAIT, (uint8_t)l->len };

	c->had = 0;
	c->since = clock_now();
	if (send(c->fd, command, sizeof(command), MSG_NOSIGNAL) !=
	    sizeof(command))
		err(1, "cannot send a request");
}

/* Ends the program if the answer begins as an earlier one did. */
static void
check(struct load *l, const struct client *c)
{
	uint64_t words[2], *seen;

	if (l->len < sizeof(words))
		return;
	memcpy(words, c->answer, sizeof(words));
	seen = l->seen[words[0] % SEEN];
	if (memcmp(seen, words, sizeof(words)) == 0)
		errx(1, "the same bytes came twice");
	memcpy(seen, words, sizeof(words));
}

/* Reads what has come, and makes the next request.  Returns those completed. */
static uint32_t
turn(struct load *l, struct client *c)
{
	ssize_t n =
	    recv(c->fd, c->answer + c->had, l->len - c->had, MSG_DONTWAIT);

	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		errx(1, "the server has closed a connection");
	c->had += (uint32_t)n;
	if (c->had < l->len)
		return 0;
	latency_add(&l->latency, clock_now() - c->since);
	l->requests++;
	check(l, c);
	c->since = 0;
	if (!l->stops)
		request(l, c);
	return 1;
}

static uint32_t
turn_of_waiting(struct load *l)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(l->epoll_fd, events, EVENTS, 100);
	uint32_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += turn(l, &l->clients[events[i].data.u32]);
	return sum;
}

static uint32_t
turn_of_all(struct load *l)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < l->nclients; i++)
		if (l->clients[i].since != 0)
			sum += turn(l, &l->clients[i]);
	return sum;
}

static bool
any_waits(const struct load *l)
{
	for (uint32_t i = 0; i < l->nclients; i++)
		if (l->clients[i].since != 0)
			return true;
	return false;
}

/* Until then, or until no request waits and none is made. */
static void
run_until(struct load *l, uint64_t end)
{
	uint64_t now, last = clock_now();

	while ((now = clock_now()) < end && (!l->stops || any_waits(l))) {
		if ((l->polls ? turn_of_all(l) : turn_of_waiting(l)) > 0)
			last = now;
		else if (now - last > STALL_NS)
			errx(1, "no request was completed for 10 seconds");
	}
}

static int
connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlcpy(to.sun_path, path, sizeof(to.sun_path)) >=
	    sizeof(to.sun_path))
		errx(1, "%s: too long", path);
	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1)
		err(1, "%s", path);
	return fd;
}

/* The plain loop, which ends with the connection. */
static _Noreturn void
serve_plainly(int fd)
{
	uint8_t command[2], answer[LEN_MAX];

	while (recv(fd, command, sizeof(command), MSG_WAITALL) ==
		sizeof(command) &&
	    command[0] == EGD_WAIT &&
	    getrandom(answer, command[1], 0) == command[1] &&
	    send(fd, answer, command[1], MSG_NOSIGNAL) == command[1])
		continue;
	_exit(0);
}

/* Starts a process with a plain loop.  Returns the connection to it. */
static int
start_plain(uint32_t cpu)
{
	pid_t self = getpid(), pid;
	cpu_set_t cpus;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1 ||
	    (pid = fork()) == -1)
		err(1, "cannot start a server");
	if (pid != 0) {
		close(fds[1]);
		return fds[0];
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(fds[0]);
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) == -1)
		err(1, "cannot run on CPU %u", cpu);
	if (getppid() != self)
		_exit(1);
	serve_plainly(fds[1]);
}

static void
begin(struct load *l, const char *path)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct client *c;

	for (uint32_t i = 0; i < l->nclients; i++) {
		c = &l->clients[i];
		c->fd = l->plain ? start_plain(l->cpu) : connect_to(path);
		ev.data.u32 = i;
		if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) == -1)
			err(1, "epoll_ctl");
		request(l, c);
	}
}

static struct usage
take_usage(const struct load *l)
{
	struct usage u = { 0 };

	if (l->server != 0 && usage_read(l->server, false, &u) == -1)
		errx(1, "there is no process %d", (int)l->server);
	return u;
}

static void
measure(struct load *l)
{
	struct usage was, is;
	uint64_t start, before;
	double requests, seconds;

	run_until(l, clock_now() + l->warm_up);
	was = take_usage(l);
	memset(&l->latency, 0, sizeof(l->latency));
	before = l->requests;
	start = clock_now();
	run_until(l, start + l->time);
	seconds = (double)(clock_now() - start) / (double)NS_PER_SEC;
	requests = (double)(l->requests - before);
	is = take_usage(l);
	printf("requests %.0f\nrequests_per_s %.0f\n", requests,
	    requests / seconds);
	printf("mb_per_s %.2f\n", requests * l->len / seconds / 1e6);
	printf("us_p50 %.2f\n", (double)latency_at(&l->latency, 0.5) / 1e3);
	printf("us_p99 %.2f\n", (double)latency_at(&l->latency, 0.99) / 1e3);
	printf("us_p999 %.2f\n", (double)latency_at(&l->latency, 0.999) / 1e3);
	printf("us_max %.2f\n", (double)l->latency.max / 1e3);
	if (l->server != 0) {
		printf("cpu_us_per_request %.3f\n",
		    (double)(is.cpu - was.cpu) / 1e3 / requests);
		printf("switches_per_request %.3f\n",
		    (double)(is.switches - was.switches) / requests);
	}
	l->stops = true;
	run_until(l, clock_now() + STALL_NS);
	if (any_waits(l))
		errx(1, "a request was not completed");
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
	    "usage: load_egd [-P] [-n clients] [-l bytes] [-t ms] [-w ms] "
	    "[-p pid] socket\n"
	    "       load_egd -s cpu ...\n");
	exit(1);
}

static const char *
options(struct load *l, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "Ps:n:l:t:w:p:")) != -1) {
		switch (c) {
		case 'P':
			l->polls = true;
			break;
		case 's':
			l->plain = true;
			l->cpu = number(optarg, "CPU", 0, CPU_SETSIZE - 1);
			break;
		case 'n':
			l->nclients = number(optarg, "clients", 1, 4096);
			break;
		case 'l':
			l->len = number(optarg, "bytes", 1, LEN_MAX);
			break;
		case 't':
			l->time =
			    number(optarg, "time", 1, 3600000) * NS_PER_MS;
			break;
		case 'w':
			l->warm_up =
			    number(optarg, "time", 0, 3600000) * NS_PER_MS;
			break;
		case 'p':
			l->server = (pid_t)number(optarg, "pid", 1, 1 << 30);
			break;
		default:
			usage();
		}
	}
	if (optind + !l->plain != argc)
		usage();
	return l->plain ? NULL : argv[optind];
}

int
main(int argc, char **argv)
{
	static struct load l = {
		.nclients = 1,
		.len = 64,
		.warm_up = 200 * NS_PER_MS,
		.time = NS_PER_SEC,
	};
	const char *path = options(&l, argc, argv);

	l.clients = calloc(l.nclients, sizeof(*l.clients));
	l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l.clients == NULL || l.epoll_fd == -1)
		err(1, "cannot begin");
	begin(&l, path);
	measure(&l);
	for (uint32_t i = 0; i < l.nclients; i++)
		close(l.clients[i].fd);
	free(l.clients);
	return 0;
}
