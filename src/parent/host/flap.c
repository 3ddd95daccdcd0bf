/*
 * Limits the rate of repeated events, without losing the last state.  Used by
 * processes, pools and sources.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "parent/host/flap.h"

static void
refill(struct flap *f, uint64_t now)
{
	uint64_t n = (now - f->at) / FLAP_TIME;

	f->at += n * FLAP_TIME;
	f->tokens =
	    n + f->tokens > FLAP_BURST ? FLAP_BURST : f->tokens + (uint32_t)n;
}

/* Logs the last one that was suppressed. */
static void
say_last(struct flap *f)
{
	uint32_t n = f->suppressed;

	timer_free(&f->timer);
	if (n == 0)
		return;
	f->suppressed = 0;
	f->say(f->arg, f->event, f->text, n - 1);
	free(f->text);
	f->text = NULL;
}

static void
timer_over(void *arg)
{
	struct flap *f = arg;

	refill(f, clock_now());
	f->tokens -= f->tokens > 0;
	say_last(f);
}

void
flap_init(struct flap *f, sd_event *event,
    void (*say)(void *, enum event, const char *, uint32_t), void *arg)
{
	*f = (struct flap){
		.say = say,
		.arg = arg,
		.at = clock_now(),
		.tokens = FLAP_BURST,
	};
	timer_init(&f->timer, event, timer_over, f);
}

static void
suppress(struct flap *f, const char *text)
{
	free(f->text);
	if ((f->text = strdup(text)) == NULL)
		log_fatal("out of memory for a log line");
	f->suppressed++;
	timer_at(&f->timer, f->at + FLAP_TIME);
}

void
flap_say(struct flap *f, enum event event, const char *fmt, ...)
{
	char text[LOG_TEXT_SIZE];
	uint32_t n = f->suppressed;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->event = event;
	refill(f, clock_now());
	if (f->tokens == 0) {
		suppress(f, text);
		return;
	}
	f->tokens--;
	f->suppressed = 0;
	timer_stop(&f->timer);
	f->say(f->arg, event, text, n);
	free(f->text);
	f->text = NULL;
}

void
flap_end(struct flap *f)
{
	if (f->say != NULL)
		say_last(f);
}

const char *
flap_more(char more[FLAP_MORE_SIZE], uint32_t suppressed)
{
	more[0] = '\0';
	if (suppressed > 0)
		snprintf(more, FLAP_MORE_SIZE, " (suppressed: %u)", suppressed);
	return more;
}
