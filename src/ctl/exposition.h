/*
 * Prometheus' text formats: OpenMetrics 1.0.0, and the text format 0.0.4.
 */
#ifndef VRNGCTL_EXPOSITION_H
#define VRNGCTL_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Values of Content-Type. */
#define EXPOSITION_OPENMETRICS \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"
#define EXPOSITION_TEXT "text/plain; version=0.0.4; charset=utf-8"

enum family_type {
	FAMILY_GAUGE,
	FAMILY_COUNTER, /* samples end in _total */
	FAMILY_INFO,	/* samples end in _info, with the value 1 */
};

/* A metric family; all samples of one follow each other. */
struct family {
	const char *name; /* with the unit, without other suffixes */
	enum family_type type;
	const char *unit; /* the end of the name, or NULL */
	const char *help; /* without backslashes and line breaks */
};

struct exposition {
	FILE *f;
	bool openmetrics;
	uint64_t now; /* ns since the epoch */
};

/* Labels as they are printed. */
struct labels {
	char text[4096];
	size_t len;
};

/*
 * Adds a label.  The value is UTF-8: backslash, quotation mark and line break are
 * escaped, and any other control character becomes U+FFFD.  A label that does
 * not fit is left out.
 */
void exposition_label(struct labels *, const char *name, const char *value);

/* Begins a family with its metadata. */
void exposition_family(const struct exposition *, const struct family *);

/*
 * Prints a sample: a whole number, or (ns) nanoseconds in seconds.  A counter
 * that counts since `counting` ns (0: unknown) has the time of its start in
 * OpenMetrics.
 */
void exposition_number(const struct exposition *, const struct family *,
    const struct labels *, uint64_t value, uint64_t counting);
void exposition_seconds(const struct exposition *, const struct family *,
    const struct labels *, uint64_t ns, uint64_t counting);

/* Ends the text. */
void exposition_end(const struct exposition *);

#endif
