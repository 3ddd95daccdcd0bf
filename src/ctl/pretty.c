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
#define ESCAPES	  "\"\\/bfnrtu" /* behind a backslash */
#define DEPTH_MAX 30		/* of brackets, a bit of `objects` each */

struct pretty {
	char *text;
	size_t len, room;
	unsigned int depth;
	uint32_t objects; /* which of the open brackets are of objects */
};

static void
put(struct pretty *p, const char *text, size_t n)
{
	char *more;

	if (n > p->room - p->len) {
		p->room = (p->room + n) * 2;
		if ((more = realloc(p->text, p->room)) == NULL)
			err(EXIT_REFUSED, NULL);
		p->text = more;
	}
	memcpy(p->text + p->len, text, n);
	p->len += n;
}

static void
put_line(struct pretty *p)
{
	char line[1 + INDENT * DEPTH_MAX];

	memset(line, ' ', sizeof(line));
	line[0] = '\n';
	put(p, line, 1 + (size_t)INDENT * p->depth);
}

/* The length of a string with its quotes, or 0 if it does not end. */
static size_t
string_length(const char *text, size_t size)
{
	for (size_t i = 1; i < size; i++) {
		if (text[i] == '"')
			return i + 1;
		if (text[i] == '\\' &&
		    (++i == size || strchr(ESCAPES, text[i]) == NULL))
			return 0;
		if (text[i] < 0x20 || text[i] >= 0x7f)
			return 0;
	}
	return 0;
}

/* The length of a number or word, or 0. */
static size_t
word_length(const char *text, size_t size)
{
	size_t n = 0;

	while (n < size &&
	    ((text[n] >= '0' && text[n] <= '9') ||
		(text[n] >= 'a' && text[n] <= 'z') || text[n] == '-'))
		n++;
	return n;
}

/* Returns the number of characters that it used, or 0. */
static size_t
open_bracket(struct pretty *p, const char *text, size_t size)
{
	if (p->depth == DEPTH_MAX)
		return 0;
	put(p, text, 1);
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
	put(p, text, 1);
	return 1;
}

static size_t
put_token(struct pretty *p, const char *text, size_t size)
{
	size_t n = 1;

	switch (*text) {
	case '{':
	case '[':
		return open_bracket(p, text, size);
	case '}':
	case ']':
		return close_bracket(p, text);
	case ',':
		put(p, text, 1);
		put_line(p);
		break;
	case ':':
		put(p, ": ", 2);
		break;
	default:
		n = *text == '"' ? string_length(text, size)
				 : word_length(text, size);
		put(p, text, n);
	}
	return n;
}

char *
pretty_json(const char *text, size_t size, size_t *len)
{
	/* Usually it is less than twice as long. */
	struct pretty p = { .text = malloc(2 * size + 1),
		.room = 2 * size + 1 };
	size_t n = size > 0;

	if (p.text == NULL)
		err(EXIT_REFUSED, NULL);
	/* One value: none follows its end. */
	for (size_t i = 0; i < size && n > 0; i += n)
		n = i > 0 && p.depth == 0 ? 0
					  : put_token(&p, text + i, size - i);
	if (n == 0 || p.depth > 0) {
		free(p.text);
		return NULL;
	}
	*len = p.len;
	return p.text;
}
