#include <inttypes.h>
#include <stddef.h>

#include "ctl/json.h"

/*
 * The length of the UTF-8 sequence (RFC 3629, 4) at `s`, or 0 if there is
 * none.  Does not look past a NUL.
 */
static size_t
utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char low, high;   /* of the second one */
		unsigned char length;
	} rows[] = {
		{ 0x01, 0x7f, 0x00, 0xff, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (rows[i].length > 1 &&
		    (s[1] < rows[i].low || s[1] > rows[i].high))
			return 0;
		for (size_t k = 2; k < rows[i].length; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].length;
	}
	return 0;
}

static void
put_string(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t length;

	fputc('"', f);
	while (*s != '\0') {
		length = utf8_length(s);
		if (length == 0)
			fputs("\\ufffd", f);
		else if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(f, "\\u%04x", *s);
		else
			fwrite(s, 1, length, f);
		s += length == 0 ? 1 : length;
	}
	fputc('"', f);
}

/* What comes before a value: a comma, a new line, the key. */
static void
put_key(struct json *j, const char *key)
{
	if (j->depth > 0)
		fprintf(j->f, "%s\n%*s", j->first ? "" : ",", j->depth * 2, "");
	j->first = false;
	if (key != NULL) {
		put_string(j->f, key);
		fputs(": ", j->f);
	}
}

void
json_open(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	fputc(bracket, j->f);
	j->depth++;
	j->first = true;
}

void
json_close(struct json *j, char bracket)
{
	j->depth--;
	if (!j->first)
		fprintf(j->f, "\n%*s", j->depth * 2, "");
	fputc(bracket, j->f);
	j->first = false;
	if (j->depth == 0)
		fputc('\n', j->f);
}

void
json_number(struct json *j, const char *key, uint64_t n)
{
	put_key(j, key);
	fprintf(j->f, "%" PRIu64, n);
}

void
json_bool(struct json *j, const char *key, bool value)
{
	put_key(j, key);
	fputs(value ? "true" : "false", j->f);
}

void
json_null(struct json *j, const char *key)
{
	put_key(j, key);
	fputs("null", j->f);
}

void
json_string(struct json *j, const char *key, const char *text)
{
	put_key(j, key);
	put_string(j->f, text);
}
