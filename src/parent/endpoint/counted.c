/*
 * Reads the workers' pages (counters.h) and adds up what ended workers
 * counted.  Used by guest.c and outlet.c, and by the statistics.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/clock.h"
#include "parent/endpoint/counted.h"

void
counted_init(struct counted *c, enum proto_role role, const struct tap *tap)
{
	*c = (struct counted){ .role = role, .tap = tap, .page.fd = -1 };
}

/* What is in the page, but for counters that the role does not have. */
static struct counters
load(const struct counted *c)
{
	const struct counters_page *page = c->page.map;
	struct counters now = { 0 };

#define COUNTER_LOAD(name, json, journal) \
	now.name = counters_load(&page->counters.name);
	REQUEST_COUNTERS(COUNTER_LOAD)
	if (c->role == ROLE_EGD) {
		CLIENT_COUNTERS(COUNTER_LOAD)
	} else {
		POLL_COUNTERS(COUNTER_LOAD)
	}
#undef COUNTER_LOAD
	return now;
}

static void
begin(struct counted *c)
{
	c->began = clock_now();
	c->granted = c->tap->given;
	c->counters = (struct counters){ 0 };
}

int
counted_begin(struct counted *c)
{
	begin(c);
	return page_make(&c->page, counters_size(c->role));
}

/*
 * It seems to have begun when even the largest of its counters may have: none
 * of them counts more than one in a nanosecond.
 */
int
counted_resume(struct counted *c, int fd)
{
	const struct counters none = { 0 };
	struct counters now;
	uint64_t most = 0;

	if (fd == -1 || page_take(&c->page, fd, counters_size(c->role)) == -1)
		return counted_begin(c);
	begin(c);
	now = load(c);
	c->counters = counters_clamp(&now, &none, COUNTER_MAX, COUNTER_MAX);
	c->granted -= c->counters.bytes;
#define COUNTER_MOST(name, json, journal) \
	if (c->counters.name > most) \
		most = c->counters.name;
	COUNTERS(COUNTER_MOST)
#undef COUNTER_MOST
	c->began -= most;
	return 0;
}

/* The wait that goes on adds to the wait that is over, which is read first. */
const struct counters *
counted_read(struct counted *c)
{
	const struct counters_page *page = c->page.map;
	uint64_t now = clock_now(), since;
	struct counters read;

	if (page == NULL)
		return &c->counters;
	read = load(c);
	if (c->role == ROLE_EGD) {
		since = counters_load(&page->waiting_since);
		if (since != 0 && since < now)
			read.wait_ns += now - since;
	}
	c->counters = counters_clamp(&read, &c->counters,
	    c->tap->given - c->granted, now - c->began);
	return &c->counters;
}

struct counters
counted_total(struct counted *c)
{
	struct counters sum = *counted_read(c);

	counters_add(&sum, &c->past);
	return sum;
}

void
counted_end(struct counted *c)
{
	c->past = counted_total(c);
	c->counters = (struct counters){ 0 };
	page_close(&c->page);
}

static uint32_t
at_most(uint64_t n, uint32_t most)
{
	return n < most ? (uint32_t)n : most;
}

uint32_t
counted_nclients(const struct counted *c)
{
	const struct counters_page *page = c->page.map;

	if (page == NULL || c->role != ROLE_EGD)
		return 0;
	return at_most(counters_load(&page->nclients), CLIENTS_MAX);
}

/* Text for a terminal: what is not printable becomes a dot. */
static void
clean_text(char text[CLIENT_TEXT_SIZE])
{
	text[CLIENT_TEXT_SIZE - 1] = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (!isprint((unsigned char)*p))
			*p = '.';
}

/* Whether there is a client in a place, and is still when it has been read. */
static bool
read_client(const struct counters_client *from, struct counters_client *to)
{
	to->since = counters_load(&from->since);
	if (to->since == 0)
		return false;
	to->bytes = counters_load(&from->bytes);
	to->requests = counters_load(&from->requests);
	to->waiting = counters_load(&from->waiting);
	memcpy(to->peer, from->peer, sizeof(to->peer));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	clean_text(to->peer);
	return counters_load(&from->since) == to->since;
}

bool
counted_client(const struct counted *c, uint32_t *place,
    struct counters_client *client)
{
	const struct counters_page *page = c->page.map;
	uint32_t n = 0;

	if (page != NULL && c->role == ROLE_EGD)
		n = at_most(counters_load(&page->nplaces), CLIENTS_MAX);
	while (*place < n)
		if (read_client(&page->clients[(*place)++], client))
			return true;
	return false;
}
