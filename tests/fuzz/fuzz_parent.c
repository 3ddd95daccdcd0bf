/*
 * The whole parent with fake children, which send anything and end at any time:
 * the input is a script of the children, of clients, of reloads, and of the
 * time.  All grants together stay within the share of the pool, and within the
 * stock that the entropy process has reported; the parent never ends.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/clock.h"
#include "fuzz/fuzz.h"
#include "parent/config/config.h"
#include "parent/control/status.h"
#include "parent/host/deferred_close.h"
#include "parent/host/timer.h"
#include "parent/state/adopt.h"
#include "parent/state/daemon.h"
#include "parent/state/reload.h"

#define CHILDREN    64
#define TIMERS	    256
#define CLIENTS	    8
#define SOCKETS	    4
#define NUMBERS	    256 /* consumers of an entropy process */
#define STEPS_MAX   256
#define FDS_MAX	    512
#define ROUNDS_MAX  2000 /* of the event loop, or timers, in one step */
#define BURST	    100000
#define CEIL	    50000 /* bytes per second */
#define SLACK	    GRANT_MIN
#define FIRST_PID   1000000000 /* more than there may be processes */
#define FIRST_TIME  (1000 * NS_PER_SEC)
#define CONFIG_SIZE 2048

/* A process that the parent believes to have started. */
struct fake {
	pid_t pid; /* 0: the place is free */
	int down, up;
	bool killed;
	uint32_t role; /* 0: has not read HELLO */
	uint32_t consumer, generation;
	sd_event_child_handler_t ended;
	void *arg;
	uint64_t stock;		   /* the largest total that it sent */
	uint64_t granted;	   /* of it */
	uint64_t totals[NUMBERS];  /* in GRANT frames */
	uint32_t numbers[NUMBERS]; /* to these consumers; 0: none */
};

static struct {
	bool running; /* the parent, with its clock and processes */
	uint64_t now;
	struct process_env env;
	struct daemon daemon;
	struct status status;
	bool monitored; /* with a status process */
	struct fake children[CHILDREN];
	pid_t last_pid;
	int down, up; /* the last pair of each kind: of the next child */
	struct {
		struct timer *timer;
		uint64_t at;
	} timers[TIMERS];
	size_t ntimers;
	int clients[CLIENTS]; /* -1: none */
	char dir[32];
	uint64_t granted;      /* bytes, in all */
	bool others[FDS_MAX];  /* descriptors of libFuzzer */
	int deferred[FDS_MAX]; /* to close */
	size_t ndeferred;
} p;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!p.running || id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = (time_t)(p.now / NS_PER_SEC);
	ts->tv_nsec = (long)(p.now % NS_PER_SEC);
	return 0;
}

/* The parent must not end. */
_Noreturn void
_exit(int status)
{
	if (p.running)
		abort();
	for (;;)
		syscall(SYS_exit_group, status);
}

/* In place of the parent's timers: those of the harness's clock. */
void
timer_init(struct timer *t, sd_event *event, timer_expired *expired, void *arg)
{
	*t = (struct timer){ .event = event, .expired = expired, .arg = arg };
}

void
timer_stop(struct timer *t)
{
	for (size_t i = 0; i < p.ntimers; i++)
		if (p.timers[i].timer == t)
			p.timers[i--] = p.timers[--p.ntimers];
	t->source = NULL;
}

void
timer_at(struct timer *t, uint64_t ns)
{
	timer_stop(t);
	CHECK(p.ntimers < TIMERS);
	p.timers[p.ntimers].timer = t;
	p.timers[p.ntimers++].at = ns;
}

void
timer_after(struct timer *t, uint64_t ns)
{
	timer_at(t, clock_now() + ns);
}

void
timer_free(struct timer *t)
{
	timer_stop(t);
}

/* In place of short-lived processes. */
void
deferred_close(sd_event *event, int fd)
{
	deferred_close_unstored(event, fd);
}

void
deferred_close_unstored(sd_event *event, int fd)
{
	(void)event;
	CHECK(p.ndeferred < FDS_MAX);
	if (fd != -1)
		p.deferred[p.ndeferred++] = fd;
}

/* After the round of the event loop. */
static void
close_deferred(void)
{
	while (p.ndeferred > 0)
		CHECK(close(p.deferred[--p.ndeferred]) == 0);
}

/* In place of the C library's, which note the ends of the next child. */
int
socketpair(int domain, int type, int protocol, int fds[2])
{
	int r = (int)syscall(SYS_socketpair, domain, type, protocol, fds);

	p.down = fds[1];
	return r;
}

int
pipe2(int fds[2], int flags)
{
	int r = (int)syscall(SYS_pipe2, fds, flags);

	p.up = fds[1];
	return r;
}

static struct fake *
find_fake(pid_t pid)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (p.children[i].pid == pid)
			return &p.children[i];
	return NULL;
}

/* Starts a child that only the harness knows. */
static pid_t
start_fake(void)
{
	struct fake *c = find_fake(0);

	if (c == NULL) {
		errno = EAGAIN;
		return -1;
	}
	*c = (struct fake){ .pid = FIRST_PID + ++p.last_pid };
	c->down = fcntl(p.down, F_DUPFD_CLOEXEC, 0);
	c->up = fcntl(p.up, F_DUPFD_CLOEXEC, 0);
	CHECK(c->down != -1 && c->up != -1);
	return c->pid;
}

pid_t
fork(void)
{
	return start_fake();
}

int
clone(int (*run)(void *), void *stack, int flags, void *arg, ...)
{
	(void)run, (void)stack, (void)flags, (void)arg;
	return start_fake();
}

int
kill(pid_t pid, int sig)
{
	struct fake *c = find_fake(pid);

	CHECK(pid > FIRST_PID && sig == SIGKILL);
	CHECK(c != NULL);
	c->killed = true;
	return 0;
}

static void
fake_free(struct fake *c)
{
	close(c->down);
	close(c->up);
	c->pid = 0;
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
	struct fake *c = find_fake(pid);

	(void)options;
	if (status != NULL)
		*status = 0;
	if (c != NULL)
		fake_free(c);
	return pid;
}

static int
no_event(sd_event_source *source, void *arg)
{
	(void)source, (void)arg;
	return 0;
}

int
sd_event_add_child(sd_event *event, sd_event_source **source, pid_t pid,
    int options, sd_event_child_handler_t ended, void *arg)
{
	struct fake *c = find_fake(pid);
	int r = sd_event_add_defer(event, source, no_event, NULL);

	(void)options;
	CHECK(c != NULL && r >= 0);
	c->ended = ended;
	c->arg = arg;
	return sd_event_source_set_enabled(*source, SD_EVENT_OFF);
}

/* The child ends, and is reaped when the parent has been notified. */
static void
fake_end(struct fake *c, int status)
{
	siginfo_t si = { .si_signo = SIGCHLD };

	si.si_code = c->killed || status == 255 ? CLD_KILLED : CLD_EXITED;
	si.si_status = si.si_code == CLD_KILLED ? SIGKILL : status;
	p.running = true;
	c->ended(NULL, &si, c->arg);
	p.running = false;
	fake_free(c);
}

static uint64_t *
total_of(struct fake *c, uint32_t consumer)
{
	size_t i = 0;

	while (i < NUMBERS && c->numbers[i] != consumer && c->numbers[i] != 0)
		i++;
	if (i == NUMBERS)
		return NULL;
	c->numbers[i] = consumer;
	return &c->totals[i];
}

static void
take_grant(struct fake *c, const struct frame *f)
{
	uint64_t *total = total_of(c, f->hdr.consumer);

	if (total == NULL)
		return;
	CHECK(f->u.grant.total >= *total);
	c->granted += f->u.grant.total - *total;
	p.granted += f->u.grant.total - *total;
	*total = f->u.grant.total;
	CHECK(c->granted <= c->stock);
}

/* Reads all frames of a child. */
static void
fake_read(struct fake *c)
{
	static const enum proto_role roles[] = { ROLE_ENTROPY, ROLE_VHOST,
		ROLE_EGD, ROLE_STATUS };
	struct frame f;

	while (channel_recv(c->down, &f, ROLE_PARENT,
		   c->role == 0 ? ROLE_VHOST : (enum proto_role)c->role) ==
	    CHANNEL_FRAME) {
		for (size_t i = 0; i < FRAME_FDS_MAX; i++)
			if (f.fds[i] != -1)
				close(f.fds[i]);
		if (f.hdr.type == PROTO_HELLO)
			for (size_t i = 0; i < 4; i++)
				if (f.u.hello.role == roles[i])
					c->role = roles[i];
		CHECK(c->role != 0);
		if (f.hdr.consumer != 0)
			c->consumer = f.hdr.consumer;
		if (f.hdr.generation != 0)
			c->generation = f.hdr.generation;
		if (f.hdr.type == PROTO_GRANT)
			take_grant(c, &f);
	}
}

static void
check_bound(void)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (p.children[i].pid != 0)
			fake_read(&p.children[i]);
	CHECK(p.granted <=
	    BURST + SLACK + (p.now - FIRST_TIME) * CEIL / NS_PER_SEC);
}

/* Handles all events that there are now. */
static void
run(void)
{
	int rounds = 0;

	p.running = true;
	while (sd_event_run(p.env.event, 0) > 0) {
		CHECK(rounds++ < ROUNDS_MAX);
		close_deferred();
	}
	close_deferred();
	p.running = false;
	check_bound();
}

/* Moves the clock, and ends timers on the way. */
static void
advance(uint64_t ns)
{
	uint64_t end = p.now + ns;
	struct timer *t;
	size_t first;
	int rounds = 0;

	for (;;) {
		first = 0;
		for (size_t i = 1; i < p.ntimers; i++)
			if (p.timers[i].at < p.timers[first].at)
				first = i;
		if (p.ntimers == 0 || p.timers[first].at > end)
			break;
		CHECK(rounds++ < ROUNDS_MAX);
		t = p.timers[first].timer;
		if (p.timers[first].at > p.now)
			p.now = p.timers[first].at;
		timer_stop(t);
		p.running = true;
		t->expired(t->arg);
		p.running = false;
		run();
	}
	p.now = end;
}

static uint64_t
number(struct input *in, uint64_t near)
{
	uint8_t how = input_u8(in);

	if (how % 4 == 0)
		return near;
	if (how % 4 == 1)
		return near + input_u16(in);
	if (how % 4 == 2)
		return near + ((uint64_t)input_u32(in) << how / 4 % 32);
	return input_u8(in);
}

/* A frame that the child may send, or not. */
static void
fake_send(struct fake *c, struct input *in)
{
	static const enum proto_type usual[] = { PROTO_READY, PROTO_STOCK,
		PROTO_WANT, PROTO_VOID, PROTO_SOURCE_STATE, PROTO_CLIENT_GONE,
		PROTO_PONG, PROTO_BUSY, PROTO_LOG, PROTO_INFLIGHT_ASK };
	uint8_t n = input_u8(in);
	enum proto_type type = n < 200
	    ? usual[n % (sizeof(usual) / sizeof(usual[0]))]
	    : n < 210 ? PROTO_STATUS_ASK
	    : n < 220 ? PROTO_EVENTS_ASK
		      : (enum proto_type)(n % PROTO_TYPES);
	uint64_t *total;
	struct frame f;

	frame_init(&f, type, c->consumer, c->generation);
	total = c->role == ROLE_ENTROPY ? total_of(c, c->consumer) : NULL;
	if (type == PROTO_STOCK) {
		f.u.stock.total = c->granted + input_u16(in);
		f.u.stock.capacity = 65536;
		if (f.u.stock.total > c->stock)
			c->stock = f.u.stock.total;
	} else if (type == PROTO_WANT) {
		f.u.want.received = number(in, 0);
		f.u.want.need = number(in, f.u.want.received);
		f.u.want.room = number(in, f.u.want.need);
		f.u.want.held = number(in, 0);
	} else if (type == PROTO_VOID) {
		f.u.voided.total = number(in, total == NULL ? 0 : *total);
		f.u.voided.blocked = input_u8(in) % 2;
	} else
		input_copy(in, &f.u, n % 32 <= in->left ? n % 32 : 0);
	if (n >= 240)
		f.hdr.consumer = input_u8(in);
	if (n >= 248)
		f.hdr.length ^= input_u8(in);
	/* A full pipe. */
	if (channel_tell(c->up, &f) == -1)
		errno = 0;
}

static size_t
config_text(char *text, uint8_t which)
{
	const char *keys[] = { "rate = 20000 burst = 5000", "weight = 3",
		"max-bytes = 10K period = 1s", "priority = 1 rate = 1K" };
	int n = snprintf(text, CONFIG_SIZE,
	    "pool default {\n"
	    "	source k { type = kernel }\n%s"
	    "	rate = %d burst = %d\n"
	    "	class c { %s }\n"
	    "}\n"
	    "guest a { socket = \"%s/0\" class = c }\n"
	    "guest b { socket = \"%s/1\" %s }\n"
	    "egd e { unix = \"%s/2\" max-clients = 3 }\n"
	    "stream s { unix = \"%s/3\" %s }\n",
	    which % 2 == 0 ? "" : "	source c { type = cpu }\n", CEIL, BURST,
	    which / 2 % 2 == 0 ? "rate = 1000 ceil = 40000"
			       : "rate = 20000 weight = 2",
	    p.dir, p.dir, keys[which / 4 % 4], p.dir, p.dir,
	    which / 16 % 2 == 0 ? "" : "rate = 1000 idle-timeout = 5s");

	CHECK(n > 0 && n < CONFIG_SIZE);
	return (size_t)n;
}

static void
print_error(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static void
no_line(void *arg, const char *line)
{
	(void)arg;
	CHECK(strchr(line, '\n') == NULL);
}

/* Reloads the configuration, or only lists what that would change. */
static void
configure(uint8_t which)
{
	char text[CONFIG_SIZE], path[32];
	struct config *config;
	int fd = memfd_create("config", MFD_CLOEXEC);
	size_t n = config_text(text, which);

	CHECK(fd != -1 && write(fd, text, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_read(path, print_error, NULL);
	CHECK(config != NULL);
	close(fd);
	p.running = true;
	if (p.daemon.running != NULL)
		reload_changes(&p.daemon, config, no_line, NULL);
	if (which < 128)
		CHECK(reload_apply(&p.daemon, config) == RELOAD_DONE);
	p.running = false;
	config_free(config);
}

static void
client_close(int *client)
{
	if (*client != -1)
		close(*client);
	*client = -1;
}

static void
client_connect(int *client, uint8_t to)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	client_close(client);
	*client =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(*client != -1);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%d", p.dir,
	    to % SOCKETS);
	if (connect(*client, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		client_close(client);
}

/* An operator adds a guest, or removes one, or has the source tested. */
static void
operate(struct input *in)
{
	static const char *const names[] = { "a", "b", "x", "y" };
	static const char *const classes[] = { "", "c", "d" };
	uint8_t n = input_u8(in);
	const char *name = names[n % 4], *class = classes[n / 4 % 3], *why;
	struct pool *pool = &TAILQ_FIRST(&p.daemon.pools)->pool;
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", p.dir, name);
	p.running = true;
	switch (n / 16 % 4) {
	case 0:
		(void)adopt_add(&p.daemon, name, path, "", class, &why);
		break;
	case 1:
		(void)adopt_remove(&p.daemon, name);
		break;
	case 2:
		adopt_release(&p.daemon, name);
		break;
	default:
		(void)pool_source_retest(TAILQ_FIRST(&pool->setup.sources),
		    &why);
		break;
	}
	p.running = false;
}

/* One of the children that there are, or NULL. */
static struct fake *
choose(uint8_t n)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (p.children[(n + i) % CHILDREN].pid != 0)
			return &p.children[(n + i) % CHILDREN];
	return NULL;
}

static void
act_child(struct input *in, uint8_t action)
{
	struct fake *c = choose(input_u8(in));
	uint8_t bytes[64];

	if (c == NULL)
		return;
	switch (action) {
	case 5:
		fake_end(c, input_u8(in));
		break;
	case 6:
		input_copy(in, bytes, sizeof(bytes));
		if (write(c->up, bytes, bytes[0] % sizeof(bytes)) == -1)
			errno = 0;
		break;
	case 7: /* it closes its channel, and lives on */
		close(c->up);
		close(c->down);
		c->up = c->down = open("/dev/null", O_RDWR | O_CLOEXEC);
		c->up = fcntl(c->up, F_DUPFD_CLOEXEC, 0);
		break;
	default:
		fake_send(c, in);
		break;
	}
}

static void
act(struct input *in)
{
	uint8_t action = input_u8(in);

	switch (action % 16) {
	case 0:
	case 1:
		client_connect(&p.clients[input_u8(in) % CLIENTS], action / 16);
		break;
	case 2:
		client_close(&p.clients[input_u8(in) % CLIENTS]);
		break;
	case 3:
		advance(input_u16(in) * NS_PER_MS / 16);
		break;
	case 4:
		configure(input_u8(in));
		break;
	case 13:
		operate(in);
		break;
	case 14:
		advance(input_u8(in) * NS_PER_SEC);
		break;
	case 15:
		run();
		break;
	default:
		act_child(in, action % 16);
		break;
	}
	if (action < 128)
		run();
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
no_throttled(struct pool *pool, struct consumer *c, void *arg)
{
	(void)pool, (void)c, (void)arg;
}

static void
no_active(struct pool *pool, void *arg)
{
	(void)pool, (void)arg;
}

static const struct daemon_ops ops = { nothing, nothing, no_throttled,
	no_active };

static void
begin(uint8_t which)
{
	char path[64];

	fuzz_quiet();
	signal(SIGPIPE, SIG_IGN);
	memset(&p, 0, sizeof(p));
	for (int fd = 0; fd < FDS_MAX; fd++)
		p.others[fd] = fcntl(fd, F_GETFD) != -1;
	p.now = FIRST_TIME;
	for (int i = 0; i < CLIENTS; i++)
		p.clients[i] = -1;
	strlcpy(p.dir, "/tmp/vrngd-fuzz.XXXXXX", sizeof(p.dir));
	CHECK(mkdtemp(p.dir) != NULL);
	p.env.root_fd = open("/", O_PATH | O_CLOEXEC);
	p.env.libexec = "/nonexistent";
	CHECK(sd_event_new(&p.env.event) >= 0);
	p.running = true;
	daemon_init(&p.daemon, &p.env, &ops, NULL);
	p.running = false;
	configure(which % 128);
	p.monitored = which >= 128;
	snprintf(path, sizeof(path), "%s/status", p.dir);
	p.running = true;
	if (p.monitored)
		CHECK(status_open(&p.status, &p.daemon, path, (gid_t)-1) == 0);
	if (p.monitored)
		status_start(&p.status);
	p.running = false;
	run();
}

static void
finish(void)
{
	for (int i = 0; i < CLIENTS; i++)
		client_close(&p.clients[i]);
	p.running = true;
	if (p.monitored)
		status_close(&p.status, p.now);
	daemon_stop(&p.daemon, p.now);
	process_finish(&p.env, p.now);
	close_deferred();
	p.running = false;
	for (size_t i = 0; i < CHILDREN; i++)
		CHECK(p.children[i].pid == 0);
	close(p.env.root_fd);
	sd_event_unref(p.env.event);
	CHECK(rmdir(p.dir) == 0);
}

/*
 * Checks that the parent has closed all descriptors but its listeners and the
 * deposits of guests, which its exit would close.
 */
static void
check_fds(void)
{
	int listens, type;
	socklen_t len;

	for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++) {
		if (p.others[fd] || fcntl(fd, F_GETFD) == -1)
			continue;
		len = sizeof(listens);
		CHECK(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens,
			  &len) == 0 &&
		    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0);
		CHECK(listens == 1 || type == SOCK_DGRAM);
		close(fd);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };

	begin(input_u8(&in));
	for (int i = 0; in.left > 0 && i < STEPS_MAX; i++)
		act(&in);
	run();
	finish();
	check_fds();
	return 0;
}
