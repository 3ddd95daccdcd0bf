/*
 * Formats values for output.  Used by the tables and by top.
 */
#include <bsd/string.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "ctl/format.h"

const char *
format_bytes(char text[FORMAT_SIZE], uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t unit = 1024;
	int i = 0;

	if (bytes < unit) {
		snprintf(text, FORMAT_SIZE, "%" PRIu64, bytes);
		return text;
	}
	while (bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	/* One decimal below 10, unless it is 0. */
	if (bytes / unit < 10 && bytes % unit / (unit / 1024) * 10 >= 1024)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 ".%" PRIu64 "%c",
		    bytes / unit, bytes % unit / (unit / 1024) * 10 / 1024,
		    units[i]);
	else
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "%c", bytes / unit,
		    units[i]);
	return text;
}

uint64_t
format_per_second(struct json_object *rate)
{
	uint64_t period = snapshot_number(rate, "period_ns");
	unsigned __int128 bytes;

	if (period == 0)
		return 0;
	bytes = (unsigned __int128)snapshot_number(rate, "bytes") * NS_PER_SEC /
	    period;
	return bytes > UINT64_MAX ? UINT64_MAX : (uint64_t)bytes;
}

const char *
format_rate(char text[FORMAT_SIZE], struct json_object *rate)
{
	uint64_t bytes = snapshot_number(rate, "bytes");
	uint64_t period = snapshot_number(rate, "period_ns");

	if (bytes == 0 || period == 0)
		strlcpy(text, "-", FORMAT_SIZE);
	else if (format_per_second(rate) > 0)
		format_bytes(text, format_per_second(rate));
	else
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "/%" PRIu64 "s", bytes,
		    period / NS_PER_SEC);
	return text;
}

const char *
format_count(char text[FORMAT_SIZE], uint64_t n)
{
	static const char units[] = "kMGTPE";
	uint64_t unit = 1000;
	int i = 0;

	if (n < 100000) {
		snprintf(text, FORMAT_SIZE, "%" PRIu64, n);
		return text;
	}
	while (n / unit >= 10000) {
		unit *= 1000;
		i++;
	}
	snprintf(text, FORMAT_SIZE, "%" PRIu64 "%c", n / unit, units[i]);
	return text;
}

const char *
format_time(char text[FORMAT_SIZE], uint64_t ns)
{
	uint64_t s = ns / NS_PER_SEC;

	if (ns < NS_PER_MS)
		strlcpy(text, "0", FORMAT_SIZE);
	else if (s == 0)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "ms", ns / NS_PER_MS);
	else if (s < 10)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 ".%" PRIu64 "s", s,
		    ns % NS_PER_SEC / (NS_PER_SEC / 10));
	else if (s < 100)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "s", s);
	else if (s < 100 * 60)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "m", s / 60);
	else if (s < 100 * 3600)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "h", s / 3600);
	else
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "d", s / 86400);
	return text;
}

const char *
format_text(char *to, size_t size, const char *text)
{
	strlcpy(to, text, size);
	for (char *c = to; *c != '\0'; c++)
		if (!isascii(*c) || !isprint((unsigned char)*c))
			*c = '?';
	return to;
}
