#include <err.h>
#include <stdlib.h>

#include "ctl/quote.h"
#include "ctl/snippet.h"

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

int
snippet_qemu(struct json_object *guest, const char *memory, FILE *f,
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

int
snippet_libvirt(struct json_object *guest, FILE *f, struct failure *why)
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
