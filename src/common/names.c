/*
 * The words for enumerated values and the rule for names.  Used by the
 * configuration, by what is logged and reported, and by vrngctl.
 */
#include <ctype.h>
#include <string.h>

#include "common/counters.h"
#include "common/log.h"
#include "common/names.h"
#include "common/proto.h"

#define NEAR_MAX 2 /* maximum edit distance */

/* As many names as values, and the NULL. */
#define COMPLETE(list, n) \
	_Static_assert(sizeof(list) / sizeof((list)[0]) == (n) + 1, \
	    "a name for each value")

#define WORD(name, word) [SOURCE_##name] = #word,
names names_source_kind = { SOURCE_KIND_LIST(WORD) NULL };
#undef WORD

names names_source_status = {
	[SOURCE_WAITING] = "waiting",
	[SOURCE_STARTING] = "starting",
	[SOURCE_OK] = "ok",
	[SOURCE_STALLED] = "stalled",
	[SOURCE_LOST] = "lost",
	[SOURCE_FAILED] = "failed",
	[SOURCE_LATCHED] = "latched",
	[SOURCE_EXHAUSTED] = "exhausted",
	NULL,
};
COMPLETE(names_source_status, SOURCE_STATUSES);

names names_test = {
	[TEST_NONE] = "none",
	[TEST_REPETITION] = "repetition",
	[TEST_PROPORTION] = "proportion",
	[TEST_LAG] = "lag",
	[TEST_STUCK] = "stuck",
	[TEST_DEVICE] = "device",
	[TEST_COMBINED] = "combined",
	[TEST_STATISTICS] = "statistics",
	NULL,
};
COMPLETE(names_test, TESTS);

names names_noise = {
	[NOISE_CONDITIONED] = "conditioned",
	[NOISE_RAW] = "raw",
	NULL,
};

names names_instruction = {
	[INSTRUCTION_ANY] = "any",
	[INSTRUCTION_RDSEED] = "rdseed",
	[INSTRUCTION_RDRAND] = "rdrand",
	NULL,
};

names names_combine = {
	[COMBINE_FIRST] = "first",
	[COMBINE_XOR] = "xor",
	NULL,
};

names names_delivery = {
	[DELIVERY_RAW] = "raw",
	[DELIVERY_DRBG] = "drbg",
	NULL,
};

names names_transport = { "unix", "tcp", "udp", "vsock", NULL };
names names_confidential = { "tls", "wireguard", "none", NULL };

names names_log_level = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
	NULL,
};

names names_fault = {
	[FAULT_NONE] = "none",
	[FAULT_MEMORY] = "memory",
	[FAULT_RING] = "ring",
	[FAULT_IOMMU] = "iommu",
	NULL,
};
COMPLETE(names_fault, FAULTS);

names names_fault_text = {
	[FAULT_NONE] = "no fault",
	[FAULT_MEMORY] = "guest memory is not shared: "
			 "use memory-backend-memfd with share=on",
	[FAULT_RING] = "ring is not in the shared memory: "
		       "set share=on for all memory of the guest",
	[FAULT_IOMMU] = "ring has addresses of a virtual IOMMU: "
			"remove iommu_platform=on",
	NULL,
};
COMPLETE(names_fault_text, FAULTS);

const char *
names_text(const char *const list[], uint32_t value)
{
	for (uint32_t i = 0; list[i] != NULL; i++)
		if (i == value)
			return list[i];
	return "unknown";
}

static bool
is_valid(char c)
{
	return isascii(c) &&
	    (isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-');
}

bool
names_valid(const char *text)
{
	while (is_valid(*text))
		text++;
	return *text == '\0';
}

void
names_make_valid(char *name)
{
	for (; *name != '\0'; name++)
		if (!is_valid(*name))
			*name = '_';
}

/* The edit distance of a and b. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[GUEST_NAME_SIZE], before, saved, best;
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		before = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			saved = row[j + 1];
			best = before + (a[i] != b[j]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (saved + 1 < best)
				best = saved + 1;
			row[j + 1] = best;
			before = saved;
		}
	}
	return row[n];
}

void
names_near(const char *word, const char *candidate, const char **found)
{
	size_t len = strnlen(word, GUEST_NAME_SIZE);
	/* A short word must have some letters in common. */
	size_t limit = len / 2 < NEAR_MAX ? len / 2 + 1 : NEAR_MAX + 1;

	if (len == GUEST_NAME_SIZE ||
	    strnlen(candidate, GUEST_NAME_SIZE) == GUEST_NAME_SIZE)
		return;
	if (*found != NULL)
		limit = distance(word, *found);
	if (distance(word, candidate) < limit)
		*found = candidate;
}
