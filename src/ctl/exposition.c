/*
 * Writes metric families and their samples.  Used by metrics.c, which knows the
 * metrics.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/exposition.h"
#include "common/clock.h"

#define PREFIX	    "vrngd_"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Appends bytes; beyond the end, only the length grows. */
static void
append(struct labels *l, size_t *at, const char *bytes, size_t n)
{
	if (*at < sizeof(l->text) && n < sizeof(l->text) - *at)
		memcpy(l->text + *at, bytes, n);
	*at += n;
}

void
exposition_label(struct labels *l, const char *name, const char *value)
{
	size_t at = l->len;

	if (at > 0)
		append(l, &at, ",", 1);
	append(l, &at, name, strlen(name));
	append(l, &at, "=\"", 2);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			append(l, &at, "\\n", 2);
		else if (iscntrl((unsigned char)*value))
			append(l, &at, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		else if (*value == '"' || *value == '\\')
			append(l, &at, *value == '"' ? "\\\"" : "\\\\", 2);
		else
			append(l, &at, value, 1);
	}
	append(l, &at, "\"", 1);
	if (at < sizeof(l->text))
		l->len = at;
	l->text[l->len] = '\0';
}

static const char *
suffix(const struct family *family)
{
	switch (family->type) {
	case FAMILY_COUNTER:
		return "_total";
	case FAMILY_INFO:
		return "_info";
	case FAMILY_GAUGE:
		break;
	}
	return "";
}

/* In the text format, a family has the name of its samples. */
void
exposition_family(const struct exposition *e, const struct family *family)
{
	const char *end = e->openmetrics ? "" : suffix(family);
	const char *type = "gauge";

	if (family->type == FAMILY_COUNTER)
		type = "counter";
	else if (family->type == FAMILY_INFO && e->openmetrics)
		type = "info";
	fprintf(e->f, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n",
	    family->name, end, family->help, family->name, end, type);
	if (e->openmetrics && family->unit != NULL)
		fprintf(e->f, "# UNIT " PREFIX "%s %s\n", family->name,
		    family->unit);
}

static void
put_seconds(FILE *f, uint64_t ns)
{
	fprintf(f, "%" PRIu64 ".%09" PRIu64 "\n", ns / NS_PER_SEC,
	    ns % NS_PER_SEC);
}

/* Prints a name and the labels. */
static void
put_name(FILE *f, const struct family *family, const char *end,
    const struct labels *l)
{
	fprintf(f, PREFIX "%s%s", family->name, end);
	if (l->len > 0)
		fprintf(f, "{%s}", l->text);
	fputc(' ', f);
}

static void
put_created(const struct exposition *e, const struct family *family,
    const struct labels *l, uint64_t counting)
{
	if (!e->openmetrics || family->type != FAMILY_COUNTER ||
	    counting == 0 || counting > e->now)
		return;
	put_name(e->f, family, "_created", l);
	put_seconds(e->f, e->now - counting);
}

void
exposition_number(const struct exposition *e, const struct family *family,
    const struct labels *l, uint64_t value, uint64_t counting)
{
	put_name(e->f, family, suffix(family), l);
	fprintf(e->f, "%" PRIu64 "\n", value);
	put_created(e, family, l, counting);
}

void
exposition_seconds(const struct exposition *e, const struct family *family,
    const struct labels *l, uint64_t ns, uint64_t counting)
{
	put_name(e->f, family, suffix(family), l);
	put_seconds(e->f, ns);
	put_created(e, family, l, counting);
}

void
exposition_end(const struct exposition *e)
{
	if (e->openmetrics)
		fputs("# EOF\n", e->f);
}
