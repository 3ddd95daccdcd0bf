/*
 * A made-up monitoring socket: 2 pools with sources, classes, guests, services
 * and their clients, as JSON.
 */
#ifndef STATUS_SERVER_H
#define STATUS_SERVER_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "common/clock.h"
#include "unit/control/control_server.h"

/* A path that shows who does not take care with text; in JSON. */
#define ODD_PATH "/dev/\\\"x\\\\y\\u001b[1m\\ufffd\xc3\xa4"

#define RATE(bytes) "{\"bytes\":" #bytes ",\"period_ns\":1000000000}"

/* Whether `what` is the list at the end of which something odd stands. */
static void
put_odd(FILE *f, const struct server *s, const char *list, bool first)
{
	if (s->odd_list != NULL && strcmp(s->odd_list, list) == 0)
		fprintf(f, "%s%s", first ? "" : ",", s->odd);
}

static void
put_class(FILE *f, const char *name, const char *parent, unsigned int depth,
    const char *rate, const char *mode)
{
	fprintf(f,
	    "{\"name\":\"%s\",\"parent\":%s,\"depth\":%u,\"rate\":%s,"
	    "\"ceil\":" RATE(5242880) ",\"burst\":262144,\"weight\":4,"
				      "\"priority\":1,\"bytes\":3221225472,"
				      "\"bytes_per_second\":1572864,"
				      "\"guests\":1,\"delivery\":\"%s\"}",
	    name, parent, depth, rate, mode);
}

/* Why a guest waits, as it may. */
static const char *
reason(const char *name, const char *state)
{
	if (strcmp(name, "vm2") == 0)
		return "\"cause\":\"ceiling\",\"why\":\"ceiling of class batch "
		       "is used up: 5242880 bytes per second\"";
	if (strcmp(state, "idle") == 0)
		return "\"cause\":\"not-connected\",\"why\":\"no VMM is "
		       "connected\"";
	return "\"cause\":null,\"why\":null";
}

static void
put_guest(FILE *f, const char *name, const char *class, const char *socket,
    const char *state)
{
	bool vm1 = strcmp(name, "vm1") == 0, vm5 = strcmp(name, "vm5") == 0;
	bool idle = strcmp(state, "idle") == 0 || vm5;
	char egd[64] = "null";

	if (vm1 || vm5)
		snprintf(egd, sizeof(egd), "\"/run/vrngd/%s.egd\"", name);
	fprintf(f,
	    "{\"name\":\"%s\",\"class\":%s,\"socket\":%s,\"egd_socket\":%s,"
	    "\"egd_clients\":%d,\"state\":\"%s\",%s,\"rate\":{\"bytes\":512,"
	    "\"period_ns\":65536000000},\"ceil\":" RATE(
		1048576) ","
			 "\"burst\":4096,\"weight\":1,\"priority\":0,"
			 "\"bytes\":123456789,\"bytes_per_second\":524288,"
			 "\"requests\":1929012,\"short_answers\":3,\"malformed\":1,"
			 "\"wait_ns\":12345000000,\"connected_ns\":%" PRIu64 ","
			 "\"connections\":2,\"delivery\":\"raw\",\"polling\":%s,"
			 "\"worker_pid\":%s}",
	    name, class, socket, egd, vm5, state, reason(name, state),
	    idle ? 0 : 61 * NS_PER_SEC,
	    vm1 ? "{\"us\":50,\"share_percent\":20,\"polls\":2000,"
		  "\"hits\":1900,\"misses\":90,\"ns\":77000000}"
		: "{\"us\":0,\"share_percent\":50,\"polls\":0,\"hits\":0,"
		  "\"misses\":0,\"ns\":0}",
	    idle ? "null" : "4711");
}

/* A source; `health` is what stands in that object but for the tests. */
static void
put_source(FILE *f, const char *name, const char *kind, const char *what,
    const char *state, const char *rest)
{
	fprintf(f,
	    "{\"name\":\"%s\",\"kind\":\"%s\",\"what\":%s,\"state\":\"%s\",%s}",
	    name, kind, what, state, rest);
}

#define NO_ALARMS \
	"\"alarms\":{\"repetition\":0,\"proportion\":0,\"lag\":0,\"stuck\":0," \
	"\"device\":0,\"combined\":0}"
#define NO_HEALTH \
	"\"health\":{\"bytes_tested\":0,\"startups_passed\":0," NO_ALARMS \
	",\"fips_blocks\":0,\"fips_failed\":0}"
#define NOTHING(failures) \
	"\"noise\":\"conditioned\",\"since_ns\":0,\"serving\":false," \
	"\"bytes\":0,\"bytes_per_second\":0,\"failures\":" #failures ","

/* The first pool is served by a fallback. */
static void
put_sources(FILE *f, const struct server *s, bool slow)
{
	if (slow) {
		put_source(f, "hw", "device", "\"" ODD_PATH "\"", "lost",
		    NOTHING(2) "\"last_failure\":{\"ago_ns\":15000000,"
			       "\"reason\":\"" ODD_PATH "\"}," NO_HEALTH);
		fputc(',', f);
		put_source(f, "upstream", "egd", "null", "latched",
		    NOTHING(0) "\"last_failure\":null," NO_HEALTH);
		put_odd(f, s, "sources", false);
		return;
	}
	put_source(f, "hwrng", "device", "\"/dev/hwrng\"", "failed",
	    "\"noise\":\"raw\",\"since_ns\":2100000000,\"serving\":false,"
	    "\"bytes\":3145728,\"bytes_per_second\":0,\"failures\":4,"
	    "\"last_failure\":{\"ago_ns\":125000000000,\"reason\":"
	    "\"the repetition count test found 0x00 41 times\"},"
	    "\"health\":{\"bytes_tested\":2097152,\"startups_passed\":3,"
	    "\"alarms\":{\"repetition\":3,\"proportion\":0,\"lag\":0,"
	    "\"stuck\":0,\"device\":1,\"combined\":0},\"fips_blocks\":800,"
	    "\"fips_failed\":77}");
	fputc(',', f);
	put_source(f, "kernel", "kernel", "\"getrandom(2)\"", "ok",
	    "\"noise\":\"conditioned\",\"since_ns\":400000000000000,"
	    "\"serving\":true,\"bytes\":12884901888,"
	    "\"bytes_per_second\":317440,\"failures\":0,"
	    "\"last_failure\":null,\"health\":{\"bytes_tested\":12884901888,"
	    "\"startups_passed\":1," NO_ALARMS ",\"fips_blocks\":15600,"
	    "\"fips_failed\":12}");
	fputc(',', f);
	put_source(f, "trng", "serial", "\"/dev/serial/by-id/usb-long-name\"",
	    "waiting", NOTHING(0) "\"last_failure\":null," NO_HEALTH);
}

/* What differs between services. */
struct fake_service {
	const char *name, *class, *where, *kind, *state, *transport;
	bool connects, busy;
	unsigned int local_port, connections, clients, pid;
};

static const struct fake_service default_services[] = {
	{ "local", "\"bronze\"", "/run/vrngd/egd.sock", "egd", "connected",
	    "unix", false, false, 0, 17, 2, 4712 },
	{ "lan", "\"bronze\"", "0.0.0.0:7000", "egd", "waiting", "tcp", false,
	    true, 0, 1929, 12, 4713 },
	{ "legacy", "\"gold\"", "[::]:1024", "stream", "idle", "tcp", false,
	    false, 0, 0, 0, 0 },
	{ "vm7", "\"gold\"", "/run/qemu/a,b <'&'> c", "stream", "connecting",
	    "unix", true, false, 0, 0, 0, 0 },
	{ "udp", "\"gold\"", "udp 127.0.0.1:1025", "stream", "connected", "udp",
	    false, false, 0, 1, 1, 0 },
	{ "vm1", "\"gold\"", "/run/vrngd/vm1.egd", "guest", "idle", "unix",
	    false, false, 0, 0, 0, 0 },
	{ "vm5", "\"gold\"", "/run/vrngd/vm5.egd", "guest", "waiting", "unix",
	    false, false, 0, 1, 1, 0 },
};

static const struct fake_service slow_services[] = {
	{ "both", "null", "[::1]:7001", "egd", "paused", "tcp", false, false, 0,
	    0, 0, 0 },
	{ "both", "null", "127.0.0.1:1026", "stream", "connected", "tcp", true,
	    false, 0, 3, 1, 0 },
	{ "feed", "null", "udp 127.0.0.1:1027", "stream", "connected", "udp",
	    true, false, 1028, 1, 1, 0 },
};

/* Clients, numbered in their ports or process ids. */
static void
put_clients(FILE *f, bool by_unix, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fprintf(f,
		    "%s{\"peer\":\"%s%u%s\",\"connected_ns\":%" PRIu64
		    ",\"bytes\":%u,\"requests\":%u,\"waiting\":%s}",
		    i == 0 ? "" : ",", by_unix ? "pid " : "10.0.0.1:", 4000 + i,
		    by_unix ? ", uid 107" : "", (61 + i) * NS_PER_SEC, 4096 + i,
		    64 + i, i % 2 == 0 ? "false" : "true");
}

/* A service with `more` clients. */
static void
put_service(FILE *f, const struct server *s, const struct fake_service *o,
    unsigned int more, bool last)
{
	char pid[16] = "null";

	if (o->pid != 0)
		snprintf(pid, sizeof(pid), "%u", o->pid);
	fprintf(f,
	    "{\"name\":\"%s\",\"kind\":\"%s\",\"class\":%s,\"where\":\"%s\","
	    "\"transport\":\"%s\",\"connects\":%s,\"local_port\":%u,"
	    "\"state\":\"%s\",\"rate\":" RATE(65536) ",\"ceil\":" RATE(
		1048576) ",\"burst\":4096,\"weight\":1,\"priority\":0,%s,"
			 "\"connections\":%u,\"turned_away\":%d,"
			 "\"clients_connected\":%u,\"max_clients\":64,"
			 "\"delivery\":\"%s\",\"worker_pid\":%s,"
			 "\"clients\":[",
	    o->name, o->kind, o->class, o->where, o->transport,
	    o->connects ? "true" : "false", o->local_port, o->state,
	    o->busy ? "\"bytes\":123456789,\"bytes_per_second\":524288,"
		      "\"requests\":1929012,\"short_answers\":4,"
		      "\"malformed\":2,\"wait_ns\":12345000000"
		    : "\"bytes\":0,\"bytes_per_second\":0,\"requests\":0,"
		      "\"short_answers\":0,\"malformed\":0,\"wait_ns\":0",
	    o->connections, o->busy ? 5 : 0, o->clients + more,
	    o->busy ? "drbg" : "raw", pid);
	put_clients(f, strcmp(o->transport, "unix") == 0, o->clients + more);
	if (last)
		put_odd(f, s, "clients", false);
	fputs("]}", f);
}

static void
put_services(FILE *f, const struct server *s, const struct fake_service *list,
    size_t n, bool slow)
{
	fputs("\"services\":[", f);
	for (size_t i = 0; !s->no_outlets && i < n; i++) {
		if (i > 0)
			fputc(',', f);
		put_service(f, s, &list[i],
		    !slow && i == 1 ? s->more_clients : 0, slow && i == n - 1);
	}
	if (slow)
		put_odd(f, s, "services", s->no_outlets);
	fputc(']', f);
}

static void
put_default(FILE *f, const struct server *s)
{
	char name[32];

	fputs("{\"name\":\"default\",\"limit\":" RATE(
		  10485760) ",\"burst\":1048576,\"stock\":49152,"
			    "\"stock_capacity\":65536,"
			    "\"bytes\":7696581394432,"
			    "\"bytes_per_second\":3145728,"
			    "\"combine\":\"first\",\"min_sources\":0,"
			    "\"sources_serving\":1,\"sources_total\":3,"
			    "\"sources\":[",
	    f);
	put_sources(f, s, false);
	fputs("],\"classes\":[", f);
	put_class(f, "gold", "null", 0, RATE(1048576), "raw");
	fputc(',', f);
	put_class(f, "bronze", "null", 0, RATE(65536), "raw");
	fputc(',', f);
	put_class(f, "batch", "\"bronze\"", 1, "null", "drbg");
	fputs("],\"guests\":[", f);
	put_guest(f, "vm1", "\"gold\"", "\"/run/vrngd/vm1.sock\"", "connected");
	fputc(',', f);
	put_guest(f, "vm2", "\"batch\"", "\"/run/vrngd/a,b <'&'> c\"",
	    "waiting");
	fputc(',', f);
	put_guest(f, "vm3", "null", "null", "idle");
	fputc(',', f);
	put_guest(f, "vm5", "\"gold\"", "null", "waiting");
	for (uint32_t i = 0; i < s->more_guests; i++) {
		snprintf(name, sizeof(name), "more%u", i);
		fputc(',', f);
		put_guest(f, name, "\"gold\"", "\"/run/more\"", "connected");
	}
	fputs("],", f);
	put_services(f, s, default_services,
	    sizeof(default_services) / sizeof(default_services[0]), false);
	fputc('}', f);
}

static void
put_slow(FILE *f, const struct server *s)
{
	fputs("{\"name\":\"slow\",\"limit\":null,\"burst\":null,\"stock\":0,"
	      "\"stock_capacity\":65536,\"bytes\":0,\"bytes_per_second\":0,"
	      "\"combine\":\"xor\",\"min_sources\":2,\"sources_serving\":0,"
	      "\"sources_total\":2,\"sources\":[",
	    f);
	put_sources(f, s, true);
	fputs("],\"classes\":[", f);
	put_odd(f, s, "classes", true);
	fputs("],\"guests\":[", f);
	put_guest(f, "vm4", "null", "\"/run/vrngd/vm4.sock\"", "paused");
	put_odd(f, s, "guests", false);
	fputs("],", f);
	put_services(f, s, slow_services,
	    sizeof(slow_services) / sizeof(slow_services[0]), true);
	fputc('}', f);
	put_odd(f, s, "pools", false);
}

/* The answer, without its NUL; to be freed. */
static char *
status_reply(const struct server *s)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	if (s->reply != NULL)
		return strdup(s->reply);
	f = open_memstream(&text, &size);
	fputs("{\"parameters\":{\"status\":{\"pools\":[", f);
	put_default(f, s);
	fputc(',', f);
	put_slow(f, s);
	fputs("]}}}", f);
	return fclose(f) == EOF ? NULL : text;
}

/* Answers one call, which must be that for the status. */
static int
status_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	static const char want[] = "{\"method\":\"io.vrngd.Status.Get\"}";
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	char call[sizeof(want)], *reply = status_reply(arg);

	(void)source, (void)revents;
	if (recv(conn, call, sizeof(call), MSG_WAITALL) ==
		(ssize_t)sizeof(call) &&
	    memcmp(call, want, sizeof(want)) == 0)
		send(conn, reply, strlen(reply) + 1, MSG_NOSIGNAL);
	free(reply);
	close(conn);
	return 0;
}

/* Serves at the socket beside the control socket. */
static void
status_listen(struct server *s, sd_event *event)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/status", s->dir);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    (geteuid() == 0 &&
		chown(sun.sun_path, (uid_t)-1, SERVER_GROUP) == -1) ||
	    chmod(sun.sun_path, 0660) == -1 || listen(fd, 16) == -1 ||
	    sd_event_add_io(event, NULL, fd, EPOLLIN, status_event, s) < 0)
		_exit(1);
}

#endif
