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
	/* One decimal, below 10 and if it is not 0. */
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
format_per_second(const struct control_rate *rate)
{
	unsigned __int128 bytes;

	if (rate->period == 0)
		return 0;
	bytes = (unsigned __int128)rate->bytes * NS_PER_SEC / rate->period;
	return bytes > UINT64_MAX ? UINT64_MAX : (uint64_t)bytes;
}

const char *
format_rate(char text[FORMAT_SIZE], const struct control_rate *rate)
{
	if (rate->bytes == 0 || rate->period == 0)
		strlcpy(text, "-", FORMAT_SIZE);
	else if (format_per_second(rate) > 0)
		format_bytes(text, format_per_second(rate));
	else
		snprintf(text, FORMAT_SIZE, "%" PRIu64 "/%" PRIu64 "s",
		    rate->bytes, rate->period / NS_PER_SEC);
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

/* The word number `n` of them; a number may be any. */
#define WORD(words, n) word_of(words, sizeof(words) / sizeof((words)[0]), n)

static const char *
word_of(const char *const *words, size_t nwords, uint32_t n)
{
	return n < nwords ? words[n] : "unknown";
}

const char *
format_guest_state(uint32_t state)
{
	static const char *const words[] = {
		[CONTROL_GUEST_IDLE] = "idle",
		[CONTROL_GUEST_CONNECTED] = "connected",
		[CONTROL_GUEST_WAITING] = "waiting",
		[CONTROL_GUEST_PAUSED] = "paused",
	};

	return WORD(words, state);
}

const char *
format_outlet_kind(uint32_t kind)
{
	static const char *const words[] = {
		[CONTROL_OUTLET_EGD] = "egd",
		[CONTROL_OUTLET_STREAM] = "stream",
		[CONTROL_OUTLET_GUEST] = "guest",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) == CONTROL_OUTLET_KINDS,
	    "a word for each");

	return WORD(words, kind);
}

const char *
format_outlet_state(uint32_t state)
{
	static const char *const words[] = {
		[CONTROL_OUTLET_IDLE] = "idle",
		[CONTROL_OUTLET_CONNECTED] = "connected",
		[CONTROL_OUTLET_WAITING] = "waiting",
		[CONTROL_OUTLET_CONNECTING] = "connecting",
		[CONTROL_OUTLET_PAUSED] = "paused",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) ==
		CONTROL_OUTLET_STATES,
	    "a word for each");

	return WORD(words, state);
}

const char *
format_transport(uint32_t transport)
{
	static const char *const words[] = { "unix", "tcp", "udp" };

	return WORD(words, transport);
}

const char *
format_source_kind(uint32_t kind)
{
	static const char *const words[] = {
		[SOURCE_KERNEL] = "kernel",
		[SOURCE_DEVICE] = "device",
		[SOURCE_SERIAL] = "serial",
		[SOURCE_QNG] = "qng",
		[SOURCE_CPU] = "cpu",
		[SOURCE_EGD] = "egd",
		[SOURCE_STREAM] = "stream",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) == SOURCE_KINDS,
	    "a word for each");

	return WORD(words, kind);
}

const char *
format_source_state(uint32_t status)
{
	static const char *const words[] = {
		[SOURCE_WAITING] = "waiting",
		[SOURCE_STARTING] = "starting",
		[SOURCE_OK] = "ok",
		[SOURCE_STALLED] = "stalled",
		[SOURCE_LOST] = "lost",
		[SOURCE_FAILED] = "failed",
		[SOURCE_LATCHED] = "latched",
		[SOURCE_EXHAUSTED] = "exhausted",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) == SOURCE_STATUSES,
	    "a word for each");

	return WORD(words, status);
}

const char *
format_noise(uint32_t noise)
{
	static const char *const words[] = {
		[NOISE_CONDITIONED] = "conditioned",
		[NOISE_RAW] = "raw",
	};

	return WORD(words, noise);
}

const char *
format_test(uint32_t test)
{
	static const char *const words[] = {
		[TEST_NONE] = "none",
		[TEST_REPETITION] = "repetition count",
		[TEST_PROPORTION] = "adaptive proportion",
		[TEST_LAG] = "lag",
		[TEST_STUCK] = "stuck",
		[TEST_DEVICE] = "device's own",
		[TEST_COMBINED] = "combined",
	};
	_Static_assert(sizeof(words) / sizeof(words[0]) == TESTS,
	    "a word for each");

	return WORD(words, test);
}

const char *
format_combine(uint32_t combine)
{
	static const char *const words[] = {
		[COMBINE_FIRST] = "first",
		[COMBINE_XOR] = "xor",
	};

	return WORD(words, combine);
}

const char *
format_delivery(uint32_t mode)
{
	static const char *const words[] = {
		[DELIVERY_RAW] = "raw",
		[DELIVERY_DRBG] = "drbg",
	};

	return WORD(words, mode);
}
