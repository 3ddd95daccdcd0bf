/*
 * Writes JSON.  Used by status_json.c, for several 100,000 values at a time:
 * therefore numbers and plain text have a fast path.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parent/control/json.h"

#define DIGITS_MAX 20 /* of UINT64_MAX */
#define ESCAPE_MAX 6  /* \u001f */

void
json_init(struct json *j, int fd)
{
	j->fd = fd;
	j->first = true;
	j->error = 0;
	j->size = 0;
	j->used = 0;
}

void
json_flush(struct json *j)
{
	size_t done = 0;
	ssize_t n;

	while (done < j->used && j->error == 0) {
		n = write(j->fd, j->buffer + done, j->used - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			j->error = n == 0 ? ENOSPC : errno;
	}
	j->size += done;
	j->used = 0;
}

/* Makes room for `size` bytes, at most JSON_BUFFER. */
static char *
reserve(struct json *j, size_t size)
{
	if (size > sizeof(j->buffer) - j->used)
		json_flush(j);
	return j->buffer + j->used;
}

static void
put(struct json *j, const char *text, size_t len)
{
	memcpy(reserve(j, len), text, len);
	j->used += len;
}

static void
put_char(struct json *j, char c)
{
	*reserve(j, 1) = c;
	j->used++;
}

/*
 * The length of the UTF-8 sequence (RFC 3629, 4) at `s`, or 0 if it is invalid.
 * Does not read past a NUL.
 */
static size_t
utf8_length(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	/* The number of leading ones. */
	n = (size_t)__builtin_clz((uint32_t)~s[0] << 24 | 1);
	if (n < 2 || n > 4)
		return 0;
	c = s[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

/* The number of bytes without escapes. */
static size_t
plain_length(const char *text)
{
	const char *c = text;

	while (*c >= 0x20 && *c < 0x7f && *c != '"' && *c != '\\')
		c++;
	return (size_t)(c - text);
}

/* Writes one character that may need an escape.  Returns its length. */
static size_t
put_special(struct json *j, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t length = utf8_length(s);

	if (length == 0)
		put(j, "\\ufffd", ESCAPE_MAX);
	else if (*s == '"' || *s == '\\')
		j->used += (size_t)snprintf(reserve(j, ESCAPE_MAX + 1),
		    ESCAPE_MAX + 1, "\\%c", *s);
	else if (*s < 0x20 || *s == 0x7f)
		j->used += (size_t)snprintf(reserve(j, ESCAPE_MAX + 1),
		    ESCAPE_MAX + 1, "\\u%04x", *s);
	else
		put(j, text, length);
	return length == 0 ? 1 : length;
}

static void
put_string(struct json *j, const char *text)
{
	size_t n;

	put_char(j, '"');
	while (*text != '\0') {
		/* Text that is longer than the buffer is written in parts. */
		n = plain_length(text);
		if (n > sizeof(j->buffer))
			n = sizeof(j->buffer);
		put(j, text, n);
		text += n;
		if (n == 0)
			text += put_special(j, text);
	}
	put_char(j, '"');
}

/* Writes the comma and the key before a value. */
static void
put_key(struct json *j, const char *key)
{
	char *to;

	if (key == NULL) {
		if (!j->first)
			put_char(j, ',');
		j->first = false;
		return;
	}
	to = reserve(j, JSON_KEY_MAX + 4);
	if (!j->first)
		*to++ = ',';
	j->first = false;
	*to++ = '"';
	to = stpcpy(to, key);
	*to++ = '"';
	*to++ = ':';
	j->used = (size_t)(to - j->buffer);
}

void
json_open(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	put_char(j, bracket);
	j->first = true;
}

void
json_close(struct json *j, char bracket)
{
	put_char(j, bracket);
	j->first = false;
}

void
json_put_number(struct json *j, const char *key, uint64_t n)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	put_key(j, key);
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	put(j, digits + at, sizeof(digits) - at);
}

void
json_put_bool(struct json *j, const char *key, bool value)
{
	put_key(j, key);
	put(j, value ? "true" : "false", value ? 4 : 5);
}

void
json_put_null(struct json *j, const char *key)
{
	put_key(j, key);
	put(j, "null", 4);
}

void
json_put_string(struct json *j, const char *key, const char *text)
{
	put_key(j, key);
	put_string(j, text);
}

void
json_put_name(struct json *j, const char *key, const char *text)
{
	if (text == NULL || text[0] == '\0')
		json_put_null(j, key);
	else
		json_put_string(j, key, text);
}
