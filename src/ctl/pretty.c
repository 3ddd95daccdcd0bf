/*
 * Indents JSON (pretty.h).  Used by status.c.
 */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/connect.h"
#include "ctl/pretty.h"

#define INDENT	  2
#define FLUSHED	  65536		/* bytes, at a time */
#define ESCAPES	  "\"\\/bfnrtu" /* behind a backslash */
#define DEPTH_MAX 30		/* of brackets, a bit of `objects` each */
#define LINE_SIZE (2 + INDENT * DEPTH_MAX) /* a bracket, and its line */

struct pretty {
	FILE *out;
	char *text; /* not yet written */
	size_t len;
	unsigned int depth;
	uint32_t objects; /* which of the open brackets are of objects */
};

static void
flush(struct pretty *p)
{
	fwrite(p->text, 1, p->len, p->out);
	p->len = 0;
}

static void
put(struct pretty *p, char c)
{
	p->text[p->len++] = c;
}

static void
put_line(struct pretty *p)
{
	put(p, '\n');
	memset(p->text + p->len, ' ', LINE_SIZE - 2);
	p->len += (size_t)INDENT * p->depth;
}

/*
 * Copies a string with its quotes, or a number or word, in one pass over its
 * characters.  Returns its length, or 0 if it is none.
 */
static size_t
put_string(struct pretty *p, const char *text, size_t size)
{
	char *to = p->text + p->len;

	to[0] = text[0];
	for (size_t i = 1; i < size; i++) {
		to[i] = text[i];
		if (text[i] == '"')
			return i + 1;
		if (text[i] < 0x20 || text[i] >= 0x7f)
			return 0;
		if (text[i] != '\\')
			continue;
		if (++i == size || strchr(ESCAPES, text[i]) == NULL)
			return 0;
		to[i] = text[i];
	}
	return 0;
}

static size_t
put_word(struct pretty *p, const char *text, size_t size)
{
	char *to = p->text + p->len;
	size_t n;

	for (n = 0; n < size; n++) {
		if ((text[n] < '0' || text[n] > '9') &&
		    (text[n] < 'a' || text[n] > 'z') && text[n] != '-')
			break;
		to[n] = text[n];
	}
	return n;
}

/* Returns the number of characters that it used, or 0. */
static size_t
open_bracket(struct pretty *p, const char *text, size_t size)
{
	if (p->depth == DEPTH_MAX)
		return 0;
	put(p, *text);
	p->objects = p->objects << 1 | (*text == '{');
	p->depth++;
	if (size > 1 && text[1] != '}' && text[1] != ']')
		put_line(p);
	return 1;
}

static size_t
close_bracket(struct pretty *p, const char *text)
{
	if (p->depth == 0 || (p->objects & 1) != (*text == '}'))
		return 0;
	p->objects >>= 1;
	p->depth--;
	put_line(p);
	put(p, *text);
	return 1;
}

static size_t
put_token(struct pretty *p, const char *text, size_t size)
{
	size_t n;

	if (p->len >= FLUSHED)
		flush(p);
	switch (*text) {
	case '{':
	case '[':
		return open_bracket(p, text, size);
	case '}':
	case ']':
		return close_bracket(p, text);
	case ',':
		put(p, ',');
		put_line(p);
		return 1;
	case ':':
		put(p, ':');
		put(p, ' ');
		return 1;
	}
	n = *text == '"' ? put_string(p, text, size) : put_word(p, text, size);
	p->len += n;
	return n;
}

bool
pretty_can(const char *text, size_t size)
{
	const uint64_t each = UINT64_MAX / UINT8_MAX;
	uint64_t other = 0, eight;

	for (; size >= sizeof(eight); size -= sizeof(eight)) {
		memcpy(&eight, text, sizeof(eight));
		text += sizeof(eight);
		/* The highest bit of a byte, if it is not 0x20 to 0x7e. */
		other |= eight | (eight + each) | ~(eight + 0x60 * each);
	}
	for (; size > 0; size--, text++)
		other |= *text < 0x20 || *text >= 0x7f ? 0x80 : 0;
	return (other & 0x80 * each) == 0;
}

int
pretty_json(const char *text, size_t size, FILE *out)
{
	struct pretty p = { .out = out };
	size_t n = size > 0;

	/* For any string; only the beginning is used, and so needs memory. */
	if ((p.text = calloc(1, FLUSHED + LINE_SIZE + size)) == NULL)
		err(EXIT_REFUSED, NULL);
	/* One value: none follows its end. */
	for (size_t i = 0; i < size && n > 0; i += n)
		n = i > 0 && p.depth == 0 ? 0
					  : put_token(&p, text + i, size - i);
	flush(&p);
	free(p.text);
	return n == 0 || p.depth > 0 ? -1 : 0;
}
