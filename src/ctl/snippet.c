/*
 * vrngctl qemu-args, libvirt-xml and firecracker-args: the settings of a virtual
 * machine, from a template for each kind of connection and the values for it.
 * Used by main.c.
 */
#include <sys/stat.h>

#include <arpa/inet.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/format.h"
#include "ctl/snapshot.h"
#include "ctl/snippet.h"

#define PLACE_SIZE 256		     /* with the NUL */
#define GUEST_CID  3		     /* any does: each VM has its own socket */
#define UNIT_TIME  (10 * NS_PER_SEC) /* for the unit of a guest to start */
#define UNIT_POLL  20000	     /* us */

/*
 * Values stand in templates as a percent sign and a letter:
 *
 *	%i id	%p path	%h host	%r port	%l local port, which vrngd sends from
 *	%m memory	%t transport	%s source, for libvirt	%c chardev, for QEMU
 *	%o pool		%k class
 */
struct values {
	const char *of['z' - 'a' + 1];
};

#define VALUE(values, letter) (values)->of[(letter) - 'a']

/* How values are quoted. */
enum quoting {
	QUOTE_NOT,
	QUOTE_OPTION, /* the value of an option of QEMU: commas are doubled */
	QUOTE_WORD,   /* a word for the shell, in quotes if it needs them */
	QUOTE_XML,    /* an attribute in single quotes (XML 1.0, 2.3, 2.4) */
};

/* For a guest's vhost-user device. */
#define VHOST_CHARDEV "socket,id=vrngd-%i,path=%p"
static const char vhost_qemu[] =
    "-m %m \\\n"
    "-object memory-backend-memfd,id=vrngd-memory,size=%m,share=on \\\n"
    "-machine memory-backend=vrngd-memory \\\n"
    "-chardev %c \\\n"
    "-device vhost-user-rng-pci,chardev=vrngd-%i\n";
/*
 * The device is in JSON, as libvirt writes its own: QEMU creates devices in the
 * short form first, at an address that libvirt has assigned to another.
 */
#define VHOST_LIBVIRT_DEVICE \
	"  <memoryBacking>\n" \
	"    <source type='memfd'/>\n" \
	"    <access mode='shared'/>\n" \
	"  </memoryBacking>\n" \
	"  <qemu:commandline>\n" \
	"    <qemu:arg value='-chardev'/>\n" \
	"    <qemu:arg value='%c'/>\n" \
	"    <qemu:arg value='-device'/>\n" \
	"    <qemu:arg value='{\"driver\":\"vhost-user-rng-pci\"," \
	"\"chardev\":\"vrngd-%i\"}'/>\n" \
	"  </qemu:commandline>\n" \
	"</domain>\n"
#define VHOST_LIBVIRT(class) \
	"<domain type='kvm' " \
	"xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n" \
	"  <metadata>\n" \
	"    <vrngd:guest xmlns:vrngd='urn:vrngd:libvirt:1' name='%i' " \
	"pool='%o'" class "/>\n" \
			  "  </metadata>\n" VHOST_LIBVIRT_DEVICE
static const char vhost_libvirt[] = VHOST_LIBVIRT("");
static const char vhost_libvirt_class[] = VHOST_LIBVIRT(" class='%k'");

/* For a device that QEMU feeds from an EGD socket or a stream. */
static const char egd_qemu[] =
    "-chardev %c \\\n"
    "-object rng-egd,id=vrngd-rng-%i,chardev=vrngd-%i \\\n"
    "-device virtio-rng-pci,rng=vrngd-rng-%i\n";
static const char egd_libvirt[] = "<domain type='kvm'>\n"
				  "  <devices>\n"
				  "    <rng model='virtio'>\n"
				  "      <backend model='egd' type='%t'>\n"
				  "%s"
				  "      </backend>\n"
				  "    </rng>\n"
				  "  </devices>\n"
				  "</domain>\n";

#define SOURCE	  "        <source "
#define RECONNECT "          <reconnect enabled='yes' timeout='1'/>\n"
#define AGAIN	  ">\n" RECONNECT "        </source>\n"
#define ADDRESS	  "host='%h' service='%r'"
#define RAW	  "        <protocol type='raw'/>\n"

/* The kinds of connections to such a socket. */
static const struct way {
	const char *transport;
	bool connects; /* vrngd does: QEMU listens */
	const char *chardev;
	const char *source;
} ways[] = {
	{ "unix", false, "socket,id=vrngd-%i,path=%p,reconnect=1",
	    SOURCE "mode='connect' path='%p'" AGAIN },
	{ "unix", true, "socket,id=vrngd-%i,path=%p,server=on,wait=off",
	    SOURCE "mode='bind' path='%p'/>\n" },
	{ "tcp", false, "socket,id=vrngd-%i,host=%h,port=%r,reconnect=1",
	    SOURCE "mode='connect' " ADDRESS AGAIN RAW },
	{ "tcp", true, "socket,id=vrngd-%i,host=%h,port=%r,server=on,wait=off",
	    SOURCE "mode='bind' " ADDRESS "/>\n" RAW },
	{ "udp", false, "udp,id=vrngd-%i,host=%h,port=%r",
	    SOURCE "mode='connect' " ADDRESS "/>\n" },
	{ "udp", true,
	    "udp,id=vrngd-%i,host=%h,port=%l,localaddr=%h,localport=%r",
	    SOURCE "mode='bind' " ADDRESS "/>\n" SOURCE
		   "mode='connect' host='%h' service='%l'/>\n" },
};

/*
 * The address of a service or of a guest's EGD socket, as its client needs it.
 */
struct place {
	const struct way *way;
	char path[PLACE_SIZE];	     /* no control characters; or */
	char host[INET6_ADDRSTRLEN]; /* a numeric address */
	char port[6];
	char local_port[11];	  /* "0": any */
	const char *pool, *class; /* of a guest; "": none */
	bool any; /* any address; `host` is the loopback address */
};

/* Whether text can be quoted: it has no control characters. */
static bool
quote_possible(const char *text)
{
	while (*text != '\0')
		if (iscntrl((unsigned char)*text++))
			return false;
	return true;
}

static void
put_value(FILE *f, const char *text, enum quoting quoting)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+,-./:=@_";
	static const struct {
		enum quoting quoting;
		char c;
		const char *text;
	} escapes[] = {
		{ QUOTE_OPTION, ',', ",," },
		{ QUOTE_WORD, '\'', "'\\''" },
		{ QUOTE_XML, '&', "&amp;" },
		{ QUOTE_XML, '<', "&lt;" },
		{ QUOTE_XML, '>', "&gt;" },
		{ QUOTE_XML, '\'', "&apos;" },
	};
	const char *quote =
	    quoting == QUOTE_WORD && text[strspn(text, plain)] != '\0' ? "'"
								       : "";
	size_t i;

	fputs(quote, f);
	for (; *text != '\0'; text++) {
		for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
			if (escapes[i].quoting == quoting &&
			    escapes[i].c == *text)
				break;
		if (i < sizeof(escapes) / sizeof(escapes[0]))
			fputs(escapes[i].text, f);
		else
			fputc(*text, f);
	}
	fputs(quote, f);
}

/* Fills a template with its values.  The caller frees the text. */
static char *
fill(const char *template, const struct values *v, enum quoting quoting)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		err(EXIT_REFUSED, NULL);
	for (; *template != '\0'; template ++)
		if (*template == '%')
			put_value(f, VALUE(v, *++template), quoting);
		else
			fputc(*template, f);
	if (fclose(f) == EOF)
		err(EXIT_REFUSED, NULL);
	return text;
}

/*
 * Sets the numeric address.  For a service that listens at any address, it is
 * the loopback address, since a client cannot connect to any address.
 */
static bool
take_host(struct place *p, const char *host)
{
	bool listens = !p->way->connects;
	struct in6_addr in6;
	struct in_addr in;

	if (inet_pton(AF_INET, host, &in) == 1) {
		p->any = listens && in.s_addr == INADDR_ANY;
		if (p->any)
			in.s_addr = htonl(INADDR_LOOPBACK);
		return inet_ntop(AF_INET, &in, p->host, sizeof(p->host)) !=
		    NULL;
	}
	if (inet_pton(AF_INET6, host, &in6) != 1)
		return false;
	p->any = listens && IN6_IS_ADDR_UNSPECIFIED(&in6);
	if (p->any)
		in6 = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	return inet_ntop(AF_INET6, &in6, p->host, sizeof(p->host)) != NULL;
}

/* Sets address and port from "127.0.0.1:7000" or "[::1]:7000". */
static bool
take_address(struct place *p, const char *where)
{
	char host[PLACE_SIZE];
	const char *colon = strrchr(where, ':'), *error;
	size_t len;
	long long port;

	if (colon == NULL)
		return false;
	port = strtonum(colon + 1, 1, UINT16_MAX, &error);
	if (error != NULL)
		return false;
	snprintf(p->port, sizeof(p->port), "%lld", port);
	len = (size_t)(colon - where);
	if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, where, len);
	host[len] = '\0';
	return take_host(p, host);
}

/*
 * QEMU's datagram socket is connected: it receives only from the address and
 * port that it was given, so that vrngd must send from a known one.
 */
static int
check_sender(const struct place *p, const char *name, struct failure *why)
{
	if (strcmp(p->way->transport, "udp") != 0 || !p->way->connects)
		return 0;
	if (strcmp(p->local_port, "0") == 0)
		return fail(why, EXIT_REFUSED,
		    "service %s: QEMU needs to know the port of the sender: add "
		    "local-port = PORT to the stream, or remove connect",
		    name);
	if (strncmp(p->host, "127.", 4) == 0 || strcmp(p->host, "::1") == 0)
		return 0;
	return fail(why, EXIT_REFUSED,
	    "service %s: unknown source address of this host: give it to QEMU "
	    "as host, with port=%s,localaddr=%s,localport=%s",
	    name, p->local_port, p->host, p->port);
}

/* Finds the kind of connection; NULL: none. */
static const struct way *
find_way(const char *transport, bool connects)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].transport, transport) == 0 &&
		    ways[i].connects == connects)
			return &ways[i];
	return NULL;
}

static int
place_of_service(struct place *p, struct json_object *service,
    struct failure *why)
{
	const char *name = snapshot_text(service, "name");
	const char *where = snapshot_text(service, "where");
	const char *transport = snapshot_text(service, "transport");
	char text[PLACE_SIZE], word[PLACE_SIZE];
	bool good = false;

	*p = (struct place){
		.way = find_way(transport, snapshot_bool(service, "connects")),
		.pool = "",
		.class = "",
	};
	snprintf(p->local_port, sizeof(p->local_port), "%u",
	    (uint32_t)snapshot_number(service, "local_port"));
	format_text(text, sizeof(text), where);
	if (strcmp(transport, "unix") == 0) {
		good = where[0] == '/' && quote_possible(where);
		strlcpy(p->path, where, sizeof(p->path));
	} else if (p->way != NULL) {
		if (strcmp(transport, "udp") == 0 &&
		    strncmp(where, "udp ", 4) == 0)
			where += 4;
		good = take_address(p, where);
	}
	if (!good)
		return fail(why, EXIT_REFUSED,
		    "service %s: invalid address '%s' of transport '%s'", name,
		    text, format_text(word, sizeof(word), transport));
	return check_sender(p, name, why);
}

/* The name of the pool of a guest. */
static const char *
pool_of(struct json_object *status, const struct json_object *guest)
{
	struct json_object *pool, *g;

	SNAPSHOT_FOREACH(pool, status, "pools")
		SNAPSHOT_FOREACH(g, pool, "guests")
			if (g == guest)
				return snapshot_text(pool, "name");
	return "";
}

/* Sets the path of a guest's socket, which may be missing or invalid. */
static int
place_of_guest(struct place *p, struct json_object *status,
    struct json_object *guest, bool egd, struct failure *why)
{
	const char *name = snapshot_text(guest, "name");
	const char *path = snapshot_text(guest, egd ? "egd_socket" : "socket");

	*p = (struct place){
		.way = find_way("unix", false),
		.pool = pool_of(status, guest),
		.class = snapshot_text(guest, "class"),
	};
	strlcpy(p->path, path, sizeof(p->path));
	if (path[0] == '\0' && egd)
		return fail(why, EXIT_REFUSED,
		    "guest %s has no EGD socket: add egd = PATH to the guest",
		    name);
	if (path[0] == '\0')
		return fail(why, EXIT_REFUSED,
		    "guest %s: unknown path of its socket", name);
	if (!quote_possible(path))
		return fail(why, EXIT_REFUSED,
		    "guest %s: path of its %ssocket has control characters",
		    name, egd ? "EGD " : "");
	return 0;
}

/* Fills the templates for vhost-user or EGD, and prints them. */
static void
print_snippet(const struct args *args, const struct place *p, const char *id,
    bool egd, bool qemu)
{
	const char *out[] = {
		p->class[0] == '\0' ? vhost_libvirt : vhost_libvirt_class,
		vhost_qemu,
		egd_libvirt,
		egd_qemu,
	};
	struct values v = { 0 };
	char *chardev, *source, *text;

	VALUE(&v, 'i') = id;
	VALUE(&v, 'p') = p->path;
	VALUE(&v, 'h') = p->host;
	VALUE(&v, 'r') = p->port;
	VALUE(&v, 'l') = p->local_port;
	VALUE(&v, 'm') = args->memory;
	VALUE(&v, 't') = p->way->transport;
	VALUE(&v, 'o') = p->pool;
	VALUE(&v, 'k') = p->class;
	chardev = fill(egd ? p->way->chardev : VHOST_CHARDEV, &v, QUOTE_OPTION);
	source = fill(p->way->source, &v, QUOTE_XML);
	VALUE(&v, 'c') = chardev;
	VALUE(&v, 's') = source;
	if (egd && qemu && (args->given & OPT_MEMORY) != 0)
		printf("-m %s \\\n", args->memory);
	text = fill(out[egd * 2 + qemu], &v,
	    qemu      ? QUOTE_WORD
		: egd ? QUOTE_NOT
		      : QUOTE_XML);
	fputs(text, stdout);
	free(text);
	free(source);
	free(chardev);
}

static int
print_service(const struct args *args, struct json_object *status,
    struct failure *why, bool qemu)
{
	struct json_object *service;
	struct place place;
	const char *name;
	char id[PLACE_SIZE];

	service = snapshot_find(status, "services", args->service, why);
	if (service == NULL || place_of_service(&place, service, why) == -1)
		return -1;
	name = snapshot_text(service, "name");
	if (place.any)
		warnx("service %s listens at all addresses: on another host, "
		      "use an address of this host in place of %s",
		    name, place.host);
	snprintf(id, sizeof(id), "service-%s", name);
	print_snippet(args, &place, id, true, qemu);
	return 0;
}

/* The vsock device of a guest with a CID, and without sockets. */
static void
print_vsock(const char *name, uint64_t cid, bool qemu)
{
	if (qemu)
		printf(
		    "-device vhost-vsock-pci,id=vrngd-vsock-%s,guest-cid=%" PRIu64
		    "\n",
		    name, cid);
	else
		printf("<domain type='kvm'>\n"
		       "  <devices>\n"
		       "    <vsock model='virtio'>\n"
		       "      <cid auto='no' address='%" PRIu64 "'/>\n"
		       "    </vsock>\n"
		       "  </devices>\n"
		       "</domain>\n",
		    cid);
}

/* Uses EGD on request, or if the guest has only an EGD socket. */
static int
print_guest(const struct args *args, struct json_object *status,
    struct failure *why, bool qemu)
{
	struct json_object *guest;
	struct place place;
	char id[PLACE_SIZE];
	uint64_t cid;
	bool egd;

	guest = snapshot_find(status, "guests", args->operand, why);
	if (guest == NULL)
		return -1;
	cid = snapshot_number(guest, "cid");
	if (cid != 0 && snapshot_text(guest, "socket")[0] == '\0') {
		print_vsock(snapshot_text(guest, "name"), cid, qemu);
		return 0;
	}
	egd = (args->given & OPT_EGD) != 0 ||
	    (snapshot_text(guest, "socket")[0] == '\0' &&
		snapshot_text(guest, "egd_socket")[0] != '\0');
	if (place_of_guest(&place, status, guest, egd, why) == -1)
		return -1;
	if (!egd)
		warnx("QEMU cannot migrate or save a virtual machine with this "
		      "device: for that, give the guest an EGD socket and use "
		      "--egd");
	snprintf(id, sizeof(id), "%s%s", egd ? "egd-" : "",
	    snapshot_text(guest, "name"));
	print_snippet(args, &place, id, egd, qemu);
	return 0;
}

/* Whether the unit of a guest has created its socket, beside the daemon's. */
static bool
has_unit_socket(const struct args *args)
{
	const char *slash = strrchr(args->status, '/');
	char path[CONTROL_PATH_SIZE + GUEST_NAME_SIZE];
	struct stat st;

	if (args->operand == NULL || strchr(args->operand, '/') != NULL)
		return false;
	snprintf(path, sizeof(path), "%.*s%s.sock",
	    slash == NULL ? 0 : (int)(slash + 1 - args->status), args->status,
	    args->operand);
	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Whether a guest is in the status, with the path of a socket. */
static bool
has_guest(struct json_object *status, const char *name)
{
	struct json_object *pool, *guest;

	SNAPSHOT_FOREACH(pool, status, "pools")
		SNAPSHOT_FOREACH(guest, pool, "guests")
			if (strcmp(snapshot_text(guest, "name"), name) == 0)
				return snapshot_text(guest, "socket")[0] !=
				    '\0' ||
				    snapshot_text(guest, "egd_socket")[0] !=
				    '\0';
	return false;
}

/*
 * Takes a status.  A unit that was started a moment ago has created its socket,
 * but the daemon may be about to start, or to add the guest: waits for that.
 */
static struct json_object *
take_status(const struct args *args, struct failure *why)
{
	const uint64_t deadline = clock_now() + UNIT_TIME;
	struct json_object *status;

	for (;;) {
		status = snapshot_take(args->status, why);
		if (args->service != NULL ||
		    (status != NULL && has_guest(status, args->operand)) ||
		    !has_unit_socket(args) || clock_now() >= deadline)
			return status;
		json_object_put(status);
		usleep(UNIT_POLL);
	}
}

/* Prints a snippet for the given guest or service. */
static int
run_snippet(const struct args *args, struct failure *why, bool qemu)
{
	struct json_object *status;
	int r;

	if (args->service != NULL && (args->given & OPT_EGD) != 0)
		usage_error("--egd is not allowed with --service");
	if ((status = take_status(args, why)) == NULL)
		return -1;
	if (args->service != NULL)
		r = print_service(args, status, why, qemu);
	else
		r = print_guest(args, status, why, qemu);
	json_object_put(status);
	return r;
}

int
snippet_run_qemu(const struct args *args, struct failure *why)
{
	size_t digits = strspn(args->memory, "0123456789");
	const char *unit = args->memory + digits;

	if (digits == 0 || args->memory[0] == '0' || strlen(unit) > 1 ||
	    (unit[0] != '\0' && strchr("MGT", unit[0]) == NULL))
		usage_error("--memory '%s': must be a size for QEMU's -m, such "
			    "as 512M",
		    args->memory);
	return run_snippet(args, why, true);
}

int
snippet_run_libvirt(const struct args *args, struct failure *why)
{
	return run_snippet(args, why, false);
}

/*
 * Firecracker connects to the unix socket PATH_PORT when the guest connects to
 * PORT of the host (its docs/vsock.md).  Splits such a path; false: it is none.
 */
static bool
split_path(char *path, const char **port)
{
	char *last = strrchr(path, '_');
	const char *error = "";

	if (last != NULL && last != path && last[-1] != '/')
		(void)strtonum(last + 1, 1, UINT32_MAX - 1, &error);
	if (error != NULL || last[1] < '1' || last[1] > '9')
		return false;
	*last = '\0';
	*port = last + 1;
	return true;
}

static int
print_firecracker(struct place *p, const char *name, struct failure *why)
{
	struct json_object *body = json_object_new_object();
	const char *port;

	if (!split_path(p->path, &port)) {
		json_object_put(body);
		return fail(why, EXIT_REFUSED,
		    "guest %s: path of its EGD socket must end in _PORT, such "
		    "as /run/%s/v.sock_1024",
		    name, name);
	}
	json_object_object_add(body, "guest_cid",
	    json_object_new_int(GUEST_CID));
	json_object_object_add(body, "uds_path",
	    json_object_new_string(p->path));
	puts(json_object_to_json_string_ext(body,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(body);
	warnx("EGD is at CID 2, port %s for the guest", port);
	return 0;
}

int
snippet_run_firecracker(const struct args *args, struct failure *why)
{
	struct json_object *status = take_status(args, why), *guest;
	struct place place;
	int r = -1;

	if (status == NULL)
		return -1;
	guest = snapshot_find(status, "guests", args->operand, why);
	if (guest != NULL &&
	    place_of_guest(&place, status, guest, true, why) == 0)
		r = print_firecracker(&place, snapshot_text(guest, "name"),
		    why);
	json_object_put(status);
	return r;
}
