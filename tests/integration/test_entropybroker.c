/*
 * An EGD server that others wrote: the broker of Debian's entropybroker, which
 * has a stock that its stream server read from a FIFO, and its EGD service.
 * All run in the test's directory; of more it would write to /var/cache.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/peer.h"

#define STOCK	  32768
#define START_MS  10000
#define NOT_FOUND 127 /* as a shell says it */

enum {
	BROKER,
	FEEDER,
	SERVICE,
	PROGRAMS
};

struct broker {
	struct suite *s;
	char address[32];
	struct fifo stock;
	pid_t pids[PROGRAMS];
};

/* A file in the directory, which only we may read. */
static void
put(struct suite *s, const char *name, const char *text)
{
	FILE *f = fopen(daemon_path(&s->d, name), "we");

	assert_non_null(f);
	CHECK(fchmod(fileno(f), 0600));
	assert_true(fputs(text, f) >= 0);
	CHECK(fclose(f));
}

/* Starts one of the programs in the foreground, which ends with us. */
static void
run(struct broker *b, int which, const char *const argv[])
{
	pid_t self = getpid();
	int fd;

	fflush(NULL);
	b->pids[which] = fork();
	assert_int_not_equal(b->pids[which], -1);
	if (b->pids[which] != 0) {
		setpgid(b->pids[which], 0);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	fd = open("/dev/null", O_RDWR);
	if (getppid() != self || fd == -1 || chdir(b->s->d.dir) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1)
		_exit(1);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(errno == ENOENT ? NOT_FOUND : 1);
}

/*
 * Waits until the broker says so; false if it, or the program that it waits
 * for, is not there.
 */
static bool
await(struct broker *b, int which, const char *line)
{
	uint64_t deadline = fe_now() + START_MS;
	char *text;
	bool said;
	int status;

	for (;;) {
		text = daemon_text(&b->s->d, "broker.log");
		said = strstr(text, line) != NULL;
		if (!said && fe_now() >= deadline)
			print_error("# %s\n", text);
		free(text);
		if (said)
			return true;
		assert_true(fe_now() < deadline);
		if (waitpid(b->pids[which], &status, WNOHANG) != 0) {
			b->pids[which] = 0;
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), NOT_FOUND);
			return false;
		}
		usleep(20000);
	}
}

static bool
start_broker(struct broker *b)
{
	const char *const argv[] = { "entropy_broker", "-n", "-c",
		"broker.conf", "-l", "broker.log", "-L", "255", "-P",
		"broker.pid", NULL };
	char conf[512];
	struct place p;
	uint16_t port;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	port = ntohs(((struct sockaddr_in *)&p.addr)->sin_port);
	snprintf(b->address, sizeof(b->address), "127.0.0.1:%u", port);
	/*
	 * The address has to be one of IPv6, and these ciphers take any key.
	 * Its limit of a request, and its tests, which much fails, would make
	 * answers short, so that the rest of them would be waited for.
	 */
	snprintf(conf, sizeof(conf),
	    "listen_adapter = ::ffff:127.0.0.1\n"
	    "listen_port = %u\n"
	    "webserver_port = -1\n"
	    "users = %s/users\n"
	    "default_max_get_bps = 10000000\n"
	    "max_get_put_size = 32768\n"
	    "ignore_rngtest_fips140 = 1\n"
	    "ignore_rngtest_scc = 1\n"
	    "stirrer_type = aes\n"
	    "stream_cipher = 3des\n",
	    port, b->s->d.dir);
	put(b->s, "broker.conf", conf);
	put(b->s, "users", "vrngd|for-this-test-only-1234|10000000|yes\n");
	put(b->s, "login", "vrngd\nfor-this-test-only-1234\n");
	run(b, BROKER, argv);
	return await(b, BROKER, "main-loop started");
}

/* All of it, so that DIR/egd serves; false if it is not installed. */
static bool
start(struct broker *b)
{
	const char *const feeder[] = { "eb_server_stream", "-n", "-d", "fifo",
		"-I", b->address, "-X", "login", "-l", "feeder.log", "-P",
		"feeder.pid", NULL };
	const char *const service[] = { "eb_client_egd", "-n", "-I", b->address,
		"-X", "login", "-d", "egd", "-l", "service.log", "-P",
		"service.pid", NULL };

	if (!start_broker(b))
		return false;
	fifo_make(b->s, &b->stock, "fifo");
	run(b, FEEDER, feeder);
	fifo_feed(&b->stock, STOCK);
	if (!await(b, FEEDER, "mixed into pools"))
		return false;
	run(b, SERVICE, service);
	return true;
}

/* Ends them; the service has a process for each connection, of its group. */
static void
stop(struct broker *b)
{
	for (int i = PROGRAMS - 1; i >= 0; i--) {
		if (b->pids[i] == 0)
			continue;
		kill(-b->pids[i], SIGKILL);
		waitpid(b->pids[i], NULL, 0);
	}
	if (b->stock.path != NULL)
		fifo_free(&b->stock);
}

/* Guests get what it serves. */
static void
test_broker(void **state)
{
	struct suite *s = *state;
	struct broker b = { .s = s };
	uint8_t bytes[2048];
	uint64_t started = fe_now();

	if (!start(&b)) {
		stop(&b);
		suite_skip(s, "entropybroker is not installed");
	}
	peer_start(s,
	    "stock = 4K source \"egd\" { type = egd unix = \"%s/egd\" }",
	    s->d.dir);
	admin_await(s, "egd): ", 0);
	for (size_t n = 0; n < sizeof(bytes); n += 64)
		peer_receive(s, bytes + n, 64);
	suite_random(bytes, sizeof(bytes));
	suite_unique(bytes, sizeof(bytes));
	print_message("# served after %llu ms\n",
	    (unsigned long long)(fe_now() - started));
	stop(&b);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_broker) };

	return SUITE_MAIN("entropybroker", tests);
}
