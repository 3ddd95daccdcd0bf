#include <err.h>
#include <stdlib.h>

#include "ctl/quote.h"
#include "ctl/snippet.h"

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

void
snippet_qemu_egd(const struct place *p, const char *id, const char *memory,
    FILE *f)
{
	char *chardev = NULL;
	size_t size = 0;
	FILE *stream;

	if ((stream = open_memstream(&chardev, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	write_chardev(p, id, stream);
	if (fclose(stream) == EOF)
		err(EXIT_REFUSED, NULL);
	if (memory != NULL)
		fprintf(f, "-m %s \\\n", memory);
	fputs("-chardev ", f);
	quote_word(f, chardev);
	fprintf(f,
	    " \\\n-object rng-egd,id=vrngd-rng-%s,chardev=vrngd-%s \\\n"
	    "-device virtio-rng-pci,rng=vrngd-rng-%s\n",
	    id, id, id);
	free(chardev);
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

void
snippet_libvirt_egd(const struct place *p, FILE *f)
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
