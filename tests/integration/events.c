#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/events.h"

static char *catalog;

int
events_init(void)
{
	FILE *f = fopen(CATALOG, "r");
	size_t size = 0;
	ssize_t n;

	if (f == NULL)
		return -1;
	n = getdelim(&catalog, &size, '\0', f);
	fclose(f);
	return n > 0 ? 0 : -1;
}

/* A level as in the journal's PRIORITY. */
static const char *
level_text(enum event event)
{
	static const char *const texts[] = {
		[LOG_LEVEL_ERROR] = "3",
		[LOG_LEVEL_WARNING] = "4",
		[LOG_LEVEL_INFO] = "6",
		[LOG_LEVEL_DEBUG] = "7",
	};

	return texts[event_type(event)->level];
}

void
events_explained(const struct journal_record *r, enum event event)
{
	const char *id = event_type(event)->id;
	const char *entry = strstr(catalog, id), *end, *at = entry;
	char name[64];

	assert_non_null(entry);
	end = strstr(entry, "\n-- ");
	while (
	    (at = strstr(at, "@VRNGD_")) != NULL && (end == NULL || at < end)) {
		assert_int_equal(sscanf(at, "@%63[A-Z_]@", name), 1);
		if (journal_value(r, name) == NULL)
			fail_msg("the catalog wants %s, which is not in: %s",
			    name, journal_value(r, "MESSAGE"));
		at += strlen(name) + 2;
	}
}

void
events_await(struct watched *w, enum event event, const char *name,
    const char *value, struct journal_record *r)
{
	const char *found;

	do {
		journal_expect(w->fd, "MESSAGE_ID", event_type(event)->id, r);
		events_explained(r, event);
		journal_is(r, "PRIORITY", level_text(event));
		found = name == NULL ? NULL : journal_value(r, name);
	} while (name != NULL && (found == NULL || strcmp(found, value) != 0));
}

void
events_again(struct watched *w)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		NULL };

	CHECK(daemon_spawn(&w->s->d, args));
}

void
events_start(struct watched *w, struct suite *s, const char *statistics)
{
	struct journal_record r;

	*w = (struct watched){ .s = s, .fd = journal_open(s) };
	fifo_make(s, &w->fifo, "fifo");
	admin_conf(s, "w",
	    "statistics = %s\n"
	    "pool \"default\" {\n"
	    "source \"kernel\" { type = kernel }\n"
	    "class \"gold\" { ceil = 1M } class \"slow\" { ceil = 1K } }\n"
	    "pool \"two\" {\n"
	    "source \"fifo\" { type = device path = \"%s\" noise = raw\n"
	    "sample-bits = 8 min-entropy = 4 timeout = 1s }\n"
	    "source \"kernel\" { type = kernel } }\n"
	    "egd \"local\" { unix = \"%s/egd\" class = \"gold\" }\n",
	    statistics, w->fifo.path, s->d.dir);
	admin_conf_guest(s, "vm0",
	    "class = \"gold\" poll-us = 500 poll-share = 100%");
	admin_conf_guest(s, "vm1", "class = \"slow\" burst = 1K");
	s->d.journal = true;
	events_again(w);
	events_await(w, EVENT_READY, "VRNGD_GUESTS", "2", &r);
	journal_is(&r, "PRIORITY", "6");
}

void
events_pass(struct watched *w)
{
	close(w->fd);
	fifo_free(&w->fifo);
	suite_pass(w->s);
}
