#include <bsd/string.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"
#include "pool_source_say.h"

static const char *const test_names[TESTS] = {
	[TEST_REPETITION] = "the repetition count test",
	[TEST_PROPORTION] = "the adaptive proportion test",
	[TEST_LAG] = "the lag test",
	[TEST_STUCK] = "the test for stuck words",
	[TEST_DEVICE] = "the device's own test",
	[TEST_COMBINED] = "the test of all sources combined",
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
	    test < TESTS && test_names[test] != NULL ? test_names[test]
						     : "a test");
	return why;
}

void
pool_source_say(struct pool_source *s, enum log_level level, const char *fmt,
    ...)
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
	log_about(level, NULL, "pool %s: source %s: %s%s", s->pool, s->text,
	    text, more);
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
		pool_source_say(s, LOG_LEVEL_INFO, "%s",
		    was_announced ? "yields again" : "healthy");
		break;
	case SOURCE_STALLED:
		pool_source_say(s, LOG_LEVEL_WARNING,
		    "it yields nothing: not used until it does");
		pool_source_note(s, "it yielded nothing");
		break;
	case SOURCE_FAILED:
		pool_source_say(s, LOG_LEVEL_WARNING,
		    "%s: not used until it has passed the start-up tests again",
		    why);
		break;
	case SOURCE_LATCHED:
		pool_source_say(s, LOG_LEVEL_ERROR,
		    "%s, and not by chance: not used until vrngctl source "
		    "retest %s",
		    why, s->config->spec.name);
		break;
	default:
		s->announced = was_announced;
		s->lost = was_lost;
	}
}
