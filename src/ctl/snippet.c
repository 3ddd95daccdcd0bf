/*
 * vrngctl qemu-args and libvirt-xml: what a virtual machine must be told, to be
 * pasted.  Used by main.c.
 */
#include <arpa/inet.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/snapshot.h"
#include "ctl/snippet.h"

#define PLACE_SIZE 256 /* with the NUL */
#define UDP_PREFIX "udp "

enum place_transport {
	PLACE_UNIX,
	PLACE_TCP,
	PLACE_UDP,
};

/* Where a service or a guest's EGD socket is, as a client of it must know. */
struct place {
	enum place_transport transport;
	bool client_listens;
	char path[PLACE_SIZE];	     /* of PLACE_UNIX; no control characters */
	char host[INET6_ADDRSTRLEN]; /* of the others, a numeric address */
	char port[6];
	uint32_t local_port; /* of PLACE_UDP: ours; 0: any */
	bool any; /* it was any address; `host` is now that of this host */
};

/* Whether text can be pasted at all: it has no control characters. */
static bool
quote_possible(const char *text)
{
	while (*text != '\0')
		if (iscntrl((unsigned char)*text++))
			return false;
	return true;
}

/* The value of an option of QEMU: commas are doubled. */
static void
quote_option(FILE *f, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == ',')
			fputc(',', f);
		fputc(*value, f);
	}
}

/* A word for the shell, in quotes if it needs them. */
static void
quote_word(FILE *f, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+,-./:=@_";

	if (word[strspn(word, plain)] == '\0') {
		fputs(word, f);
		return;
	}
	fputc('\'', f);
	for (; *word != '\0'; word++)
		if (*word == '\'')
			fputs("'\\''", f);
		else
			fputc(*word, f);
	fputc('\'', f);
}

/* Text of an attribute in single quotes (XML 1.0, 2.3 and 2.4). */
static void
quote_attribute(FILE *f, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '\'':
			fputs("&apos;", f);
			break;
		default:
			fputc(*text, f);
		}
}

/*
 * Takes a numeric address.  A client cannot connect to any address, which one
 * may listen at: this host's own stands for it.
 */
static bool
take_host(struct place *p, const char *host)
{
	struct in6_addr in6;
	struct in_addr in;

	if (inet_pton(AF_INET, host, &in) == 1) {
		p->any = !p->client_listens && in.s_addr == INADDR_ANY;
		if (p->any)
			in.s_addr = htonl(INADDR_LOOPBACK);
		return inet_ntop(AF_INET, &in, p->host, sizeof(p->host)) !=
		    NULL;
	}
	if (inet_pton(AF_INET6, host, &in6) != 1)
		return false;
	p->any = !p->client_listens && IN6_IS_ADDR_UNSPECIFIED(&in6);
	if (p->any)
		in6 = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	return inet_ntop(AF_INET6, &in6, p->host, sizeof(p->host)) != NULL;
}

/* Takes "127.0.0.1:7000" or "[::1]:7000". */
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

static int
place_of_guest(struct place *p, struct json_object *guest, struct failure *why)
{
	const char *name = snapshot_text(guest, "name");
	const char *egd = snapshot_text(guest, "egd_socket");

	*p = (struct place){ .transport = PLACE_UNIX };
	if (egd[0] == '\0')
		return fail(why, EXIT_REFUSED,
		    "guest %s has no EGD socket: configure one, egd = PATH",
		    name);
	if (!quote_possible(egd))
		return fail(why, EXIT_REFUSED,
		    "guest %s: the path of its EGD socket has control "
		    "characters",
		    name);
	strlcpy(p->path, egd, sizeof(p->path));
	return 0;
}

/*
 * A sender whose address or port is any reaches no socket of QEMU's for
 * datagrams: it is connected to one, and deaf after the first error from there.
 */
static int
check_sender(const struct place *p, const char *name, struct failure *why)
{
	if (p->transport != PLACE_UDP || !p->client_listens)
		return 0;
	if (p->local_port == 0)
		return fail(why, EXIT_REFUSED,
		    "service %s: QEMU hears datagrams only from a port that it "
		    "was told, and vrngd sends from any: add local-port = PORT "
		    "to the stream, or remove connect, so that QEMU sends "
		    "first",
		    name);
	if (strncmp(p->host, "127.", 4) == 0 || strcmp(p->host, "::1") == 0)
		return 0;
	return fail(why, EXIT_REFUSED,
	    "service %s: it is not known which address of this host %s is sent "
	    "datagrams from: give it to QEMU as host, with port=%u,"
	    "localaddr=%s,localport=%s",
	    name, p->host, p->local_port, p->host, p->port);
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
		.client_listens = snapshot_bool(service, "connects"),
		.local_port = (uint32_t)snapshot_number(service, "local_port"),
	};
	format_text(text, sizeof(text), where);
	if (strcmp(transport, "unix") == 0) {
		p->transport = PLACE_UNIX;
		good = where[0] == '/' && quote_possible(where);
		strlcpy(p->path, where, sizeof(p->path));
	} else if (strcmp(transport, "tcp") == 0) {
		p->transport = PLACE_TCP;
		good = take_address(p, where);
	} else if (strcmp(transport, "udp") == 0) {
		p->transport = PLACE_UDP;
		if (strncmp(where, UDP_PREFIX, strlen(UDP_PREFIX)) == 0)
			where += strlen(UDP_PREFIX);
		good = take_address(p, where);
	}
	if (!good)
		return fail(why, EXIT_REFUSED,
		    "service %s: '%s' is no %s socket that a client could use",
		    name, text, format_text(word, sizeof(word), transport));
	return check_sender(p, name, why);
}

/*
 * A guest's socket for -chardev: commas are doubled, as QEMU wants.  It is
 * allocated; NULL, with the reason, if there is none to be had.
 */
static char *
chardev(struct json_object *guest, struct failure *why)
{
	const char *name = snapshot_text(guest, "name");
	const char *socket = snapshot_text(guest, "socket");
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	if (socket[0] == '\0') {
		fail(why, EXIT_REFUSED,
		    "guest %s: the path of its socket is not known", name);
		return NULL;
	}
	if (!quote_possible(socket)) {
		fail(why, EXIT_REFUSED,
		    "guest %s: the path of its socket has control characters",
		    name);
		return NULL;
	}
	if ((f = open_memstream(&text, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	fprintf(f, "socket,id=vrngd-%s,path=", name);
	quote_option(f, socket);
	if (fclose(f) == EOF)
		err(EXIT_REFUSED, NULL);
	return text;
}

/* Options for QEMU of a guest's vhost-user device, for the shell. */
static int
print_qemu(struct json_object *guest, const char *memory, FILE *f,
    struct failure *why)
{
	char *socket;

	if ((socket = chardev(guest, why)) == NULL)
		return -1;
	fprintf(f, "-m %s \\\n", memory);
	fprintf(f,
	    "-object memory-backend-memfd,id=vrngd-memory,size=%s,"
	    "share=on \\\n",
	    memory);
	fputs("-machine memory-backend=vrngd-memory \\\n", f);
	fputs("-chardev ", f);
	quote_word(f, socket);
	fprintf(f, " \\\n-device vhost-user-rng-pci,chardev=vrngd-%s\n",
	    snapshot_text(guest, "name"));
	free(socket);
	return 0;
}

static void
put_arg(FILE *f, const char *arg)
{
	fputs("    <qemu:arg value='", f);
	quote_attribute(f, arg);
	fputs("'/>\n", f);
}

/* The same for libvirt, within a <domain>. */
static int
print_libvirt(struct json_object *guest, FILE *f, struct failure *why)
{
	char *socket;

	if ((socket = chardev(guest, why)) == NULL)
		return -1;
	fputs("<domain type='kvm' "
	      "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
	      "  <memoryBacking>\n"
	      "    <source type='memfd'/>\n"
	      "    <access mode='shared'/>\n"
	      "  </memoryBacking>\n"
	      "  <qemu:commandline>\n",
	    f);
	put_arg(f, "-chardev");
	put_arg(f, socket);
	put_arg(f, "-device");
	/*
	 * As libvirt writes its own: QEMU makes devices that are written in
	 * the short form first, at an address that libvirt has given away.
	 */
	fputs("    <qemu:arg value='{\"driver\":\"vhost-user-rng-pci\","
	      "\"chardev\":\"vrngd-",
	    f);
	quote_attribute(f, snapshot_text(guest, "name"));
	fputs("\"}'/>\n"
	      "  </qemu:commandline>\n"
	      "</domain>\n",
	    f);
	free(socket);
	return 0;
}

static void
write_chardev(const struct place *p, const char *id, FILE *f)
{
	fprintf(f, "%s,id=vrngd-%s",
	    p->transport == PLACE_UDP ? "udp" : "socket", id);
	if (p->transport == PLACE_UNIX) {
		fputs(",path=", f);
		quote_option(f, p->path);
	} else if (p->transport == PLACE_UDP && p->client_listens) {
		fprintf(f, ",host=%s,port=%u,localaddr=%s,localport=%s",
		    p->host, p->local_port, p->host, p->port);
	} else {
		fprintf(f, ",host=%s,port=%s", p->host, p->port);
	}
	if (p->transport == PLACE_UDP)
		return;
	fputs(p->client_listens ? ",server=on,wait=off" : ",reconnect=1", f);
}

/*
 * The same for a device that QEMU feeds from an EGD socket or a stream; `id`
 * makes its ids differ from those of others, and `memory` may be NULL.
 */
static void
print_qemu_egd(const struct place *p, const char *id, const char *memory,
    FILE *f)
{
	char *options = NULL;
	size_t size = 0;
	FILE *stream;

	if ((stream = open_memstream(&options, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	write_chardev(p, id, stream);
	if (fclose(stream) == EOF)
		err(EXIT_REFUSED, NULL);
	if (memory != NULL)
		fprintf(f, "-m %s \\\n", memory);
	fputs("-chardev ", f);
	quote_word(f, options);
	fprintf(f,
	    " \\\n-object rng-egd,id=vrngd-rng-%s,chardev=vrngd-%s \\\n"
	    "-device virtio-rng-pci,rng=vrngd-rng-%s\n",
	    id, id, id);
	free(options);
}

static void
write_source(const struct place *p, FILE *f)
{
	fprintf(f, "        <source mode='%s' ",
	    p->client_listens ? "bind" : "connect");
	if (p->transport == PLACE_UNIX) {
		fputs("path='", f);
		quote_attribute(f, p->path);
		fputc('\'', f);
	} else {
		fprintf(f, "host='%s' service='%s'", p->host, p->port);
	}
	if (p->client_listens || p->transport == PLACE_UDP)
		fputs("/>\n", f);
	if (p->client_listens && p->transport == PLACE_UDP)
		fprintf(f,
		    "        <source mode='connect' host='%s' service='%u'/>\n",
		    p->host, p->local_port);
	if (!p->client_listens && p->transport != PLACE_UDP)
		fputs(">\n"
		      "          <reconnect enabled='yes' timeout='1'/>\n"
		      "        </source>\n",
		    f);
}

static void
print_libvirt_egd(const struct place *p, FILE *f)
{
	static const char *const types[] = {
		[PLACE_UNIX] = "unix",
		[PLACE_TCP] = "tcp",
		[PLACE_UDP] = "udp",
	};

	fprintf(f,
	    "<domain type='kvm'>\n"
	    "  <devices>\n"
	    "    <rng model='virtio'>\n"
	    "      <backend model='egd' type='%s'>\n",
	    types[p->transport]);
	write_source(p, f);
	if (p->transport == PLACE_TCP)
		fputs("        <protocol type='raw'/>\n", f);
	fputs("      </backend>\n"
	      "    </rng>\n"
	      "  </devices>\n"
	      "</domain>\n",
	    f);
}

static void
print_place(const struct args *args, const struct place *p, const char *what,
    const char *name, bool qemu)
{
	char id[PLACE_SIZE];

	if (p->any)
		warnx("service %s listens at every address of this host: on "
		      "another host write one of these in place of %s",
		    name, p->host);
	snprintf(id, sizeof(id), "%s-%s", what, name);
	if (!qemu)
		print_libvirt_egd(p, stdout);
	else
		print_qemu_egd(p, id,
		    (args->given & OPT_MEMORY) != 0 ? args->memory : NULL,
		    stdout);
}

static int
print_service(const struct args *args, struct json_object *status,
    struct failure *why, bool qemu)
{
	struct json_object *service;
	struct place place;

	service = snapshot_service(status, args->service, why);
	if (service == NULL || place_of_service(&place, service, why) == -1)
		return -1;
	print_place(args, &place, "service", snapshot_text(service, "name"),
	    qemu);
	return 0;
}

/* By EGD if that is asked for, or is the guest's only way. */
static int
print_guest(const struct args *args, struct json_object *status,
    struct failure *why, bool qemu)
{
	struct json_object *guest;
	struct place place;

	if ((guest = snapshot_guest(status, args->operand, why)) == NULL)
		return -1;
	if ((args->given & OPT_EGD) != 0 ||
	    (snapshot_text(guest, "socket")[0] == '\0' &&
		snapshot_text(guest, "egd_socket")[0] != '\0')) {
		if (place_of_guest(&place, guest, why) == -1)
			return -1;
		print_place(args, &place, "egd", snapshot_text(guest, "name"),
		    qemu);
		return 0;
	}
	return qemu ? print_qemu(guest, args->memory, stdout, why)
		    : print_libvirt(guest, stdout, why);
}

/* Prints one of the snippets for the guest or service that is named. */
static int
run_snippet(const struct args *args, struct failure *why, bool qemu)
{
	struct json_object *status;
	int r;

	if (args->service != NULL && (args->given & OPT_EGD) != 0)
		usage_error("--egd goes with a guest, not with --service");
	if ((status = snapshot_take(args->status, why)) == NULL)
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
		usage_error("--memory '%s': a size as for QEMU's -m is wanted, "
			    "such as 512M",
		    args->memory);
	return run_snippet(args, why, true);
}

int
snippet_run_libvirt(const struct args *args, struct failure *why)
{
	return run_snippet(args, why, false);
}
