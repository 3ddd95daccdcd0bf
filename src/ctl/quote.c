#include <ctype.h>
#include <string.h>

#include "ctl/quote.h"

bool
quote_possible(const char *text)
{
	while (*text != '\0')
		if (iscntrl((unsigned char)*text++))
			return false;
	return true;
}

void
quote_option(FILE *f, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == ',')
			fputc(',', f);
		fputc(*value, f);
	}
}

void
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

void
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
