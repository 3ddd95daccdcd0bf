#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "snippet.h"

/*
 * A guest's socket for -chardev: commas are doubled, as QEMU wants.  It is
 * allocated; NULL, with the reason, if there is none to be had.
 */
static char *
chardev(const struct control_guest *g, struct failure *why)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	if (g->socket[0] == '\0') {
		fail(why, EXIT_REFUSED,
		    "guest %s: the path of its socket is "
		    "not known",
		    g->name);
		return NULL;
	}
	if ((f = open_memstream(&text, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	fprintf(f, "socket,id=vrngd-%s,path=", g->name);
	for (const char *c = g->socket; *c != '\0'; c++) {
		if (iscntrl((unsigned char)*c)) {
			fail(why, EXIT_REFUSED,
			    "guest %s: the path of its "
			    "socket has control "
			    "characters",
			    g->name);
			fclose(f);
			free(text);
			return NULL;
		}
		fputs(*c == ',' ? ",," : (char[]){ *c, '\0' }, f);
	}
	if (fclose(f) == EOF)
		err(EXIT_REFUSED, NULL);
	return text;
}

/* A word for the shell, in quotes if it needs them. */
static void
put_word(FILE *f, const char *word)
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

int
snippet_qemu(const struct control_guest *g, const char *memory, FILE *f,
    struct failure *why)
{
	char *socket;

	if ((socket = chardev(g, why)) == NULL)
		return -1;
	fprintf(f, "-m %s \\\n", memory);
	fprintf(f,
	    "-object memory-backend-memfd,id=vrngd-memory,size=%s,"
	    "share=on \\\n",
	    memory);
	fputs("-machine memory-backend=vrngd-memory \\\n", f);
	fputs("-chardev ", f);
	put_word(f, socket);
	fprintf(f, " \\\n-device vhost-user-rng-pci,chardev=vrngd-%s\n",
	    g->name);
	free(socket);
	return 0;
}

/* Text of an attribute in single quotes (XML 1.0, 2.3 and 2.4). */
static void
put_attribute(FILE *f, const char *text)
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

static void
put_arg(FILE *f, const char *arg)
{
	fputs("    <qemu:arg value='", f);
	put_attribute(f, arg);
	fputs("'/>\n", f);
}

int
snippet_libvirt(const struct control_guest *g, FILE *f, struct failure *why)
{
	char *socket;

	if ((socket = chardev(g, why)) == NULL)
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
	fputs("    <qemu:arg value='vhost-user-rng-pci,chardev=vrngd-", f);
	put_attribute(f, g->name);
	fputs("'/>\n"
	      "  </qemu:commandline>\n"
	      "</domain>\n",
	    f);
	free(socket);
	return 0;
}
