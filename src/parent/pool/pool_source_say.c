#include <bsd/string.h>
#include <stdarg.h>
#include <stdio.h>

#include "parent/pool/pool_source_say.h"

/* For people, and for fields. */
static const struct {
	const char *text, *name;
} tests[TESTS] = {
	[TEST_REPETITION] = { "the repetition count test", "repetition" },
	[TEST_PROPORTION] = { "the adaptive proportion test", "proportion" },
	[TEST_LAG] = { "the lag test", "lag" },
	[TEST_STUCK] = { "the test for stuck words", "stuck" },
	[TEST_DEVICE] = { "the device's own test", "device" },
	[TEST_COMBINED] = { "the test of all sources combined", "combined" },
};

void
pool_source_note(struct pool_source *s, const char *why)
{
	s->failures += !s->noted;
	s->noted = true;
	s->failed = clock_now();
	strlcpy(s->failure, why, sizeof(s->failure));
}

const char *
pool_source_describe(const struct pool_source *s, char why[SOURCE_WHY_SIZE])
{
	uint32_t test = s->state.test;

	snprintf(why, SOURCE_WHY_SIZE, "it failed %s",
	    test < TESTS && tests[test].text != NULL ? tests[test].text
						     : "a test");
	return why;
}

/* The test that it failed last, if that is why it is in its state. */
static const char *
test_name(const struct pool_source *s)
{
	uint32_t status = s->state.status, test = s->state.test;

	return (status == SOURCE_FAILED || status == SOURCE_LATCHED) &&
		test < TESTS && tests[test].name != NULL
	    ? tests[test].name
	    : "none";
}

void
pool_source_say(struct pool_source *s, enum event event, const char *reason,
    const char *fmt, ...)
{
	char text[LOG_TEXT_SIZE], more[48] = "";
	uint32_t suppressed;
	va_list ap;

	if (!log_limit_pass(&s->limit, clock_now(), &suppressed))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (suppressed > 0)
		snprintf(more, sizeof(more), " (and %u lines suppressed)",
		    suppressed);
	event_log(event, &s->subject,
	    LOG_FIELDS(LOG_TEXT("VRNGD_REASON", reason == NULL ? "" : reason),
		LOG_TEXT("VRNGD_TEST", test_name(s)),
		LOG_NUMBER("VRNGD_FAILURES", s->failures),
		LOG_NUMBER("VRNGD_BYTES", s->past_bytes + s->state.bytes),
		LOG_NUMBER("VRNGD_SUPPRESSED", suppressed)),
	    "pool %s: source %s: %s%s", s->subject.pool, s->text, text, more);
}

void
pool_source_changed(struct pool_source *s)
{
	char why[SOURCE_WHY_SIZE];
	bool was_announced = s->announced, was_lost = s->lost;

	pool_source_describe(s, why);
	s->announced = s->state.status != SOURCE_OK;
	s->lost = false;
	switch (s->state.status) {
	case SOURCE_OK:
		pool_source_say(s,
		    was_announced ? EVENT_SOURCE_RECOVERED
				  : EVENT_SOURCE_HEALTHY,
		    NULL, "%s", was_announced ? "yields again" : "healthy");
		break;
	case SOURCE_STALLED:
		pool_source_say(s, EVENT_SOURCE_STALLED, NULL,
		    "it yields nothing: not used until it does");
		pool_source_note(s, "it yielded nothing");
		break;
	case SOURCE_FAILED:
		pool_source_say(s, EVENT_SOURCE_FAILED, why,
		    "%s: not used until it has passed the start-up tests again",
		    why);
		break;
	case SOURCE_LATCHED:
		pool_source_say(s, EVENT_SOURCE_LATCHED, why,
		    "%s, and not by chance: not used until vrngctl source "
		    "retest %s",
		    why, s->config->spec.name);
		break;
	default:
		s->announced = was_announced;
		s->lost = was_lost;
	}
}
