/*
 * Reads the pages of workers (counters.h), and sums up the counters of ended
 * workers.  Used by endpoint.c, vhost.c and service.c, and by the statistics.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/endpoint/counted.h"
#include "parent/host/event.h"

void
counted_init(struct counted *c, enum proto_role role,
    const struct consumer *consumer)
{
	*c = (struct counted){
		.role = role,
		.consumer = consumer,
		.since = clock_now(),
		.page.fd = -1,
	};
}

/* Loads the counters of the page that the role has. */
static struct counters
load(const struct counted *c)
{
	const struct counters_page *page = c->page.map;
	struct counters now;

	for (int i = 0; i < COUNTERS_N; i++)
		now.each[i] = counters_load(&page->counters.each[i]);
#define COUNTER_NONE(name, json, journal) now.name = 0;
	if (c->role != ROLE_EGD) {
		CLIENT_COUNTERS(COUNTER_NONE)
	}
#undef COUNTER_NONE
	return now;
}

static void
begin(struct counted *c)
{
	c->began = clock_now();
	c->granted = c->consumer->given;
	c->counters = (struct counters){ 0 };
	c->fault = FAULT_NONE;
}

/* Records the time in the page for a later daemon, for reports only. */
int
counted_begin(struct counted *c)
{
	begin(c);
	if (page_make(&c->page, counters_size(c->role)) == -1)
		return -1;
	if (pwrite(c->page.fd, &c->began, sizeof(c->began),
		offsetof(struct counters_page, began)) ==
	    (ssize_t)sizeof(c->began))
		return 0;
	page_close(&c->page);
	errno = EIO;
	return -1;
}

/* The time in the page of an earlier daemon, if it can be true. */
static uint64_t
stored_since(const struct counted *c)
{
	const struct counters_page *page = c->page.map;
	uint64_t began = counters_load(&page->began);

	return began == 0 ? c->since : min64(began, c->since);
}

/*
 * The start time is derived from the largest counter: counters grow by at most
 * one per nanosecond.  The page of a version with other counters has another
 * size: then the session counts from 0 again.
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
	c->since = stored_since(c);
	now = load(c);
	c->counters = counters_clamp(&now, &none, COUNTER_MAX, COUNTER_MAX);
	c->granted -= c->counters.bytes;
	for (int i = 0; i < COUNTERS_N; i++)
		if (c->counters.each[i] > most)
			most = c->counters.each[i];
	c->began -= most;
	return 0;
}

/* Adds the current wait to the total, which is read first. */
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
	    c->consumer->given - c->granted, now - c->began);
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
	c->fault = counted_fault(c);
	c->counters = (struct counters){ 0 };
	page_close(&c->page);
}

enum fault
counted_fault(const struct counted *c)
{
	const struct counters_page *page = c->page.map;
	uint64_t fault;

	if (page == NULL)
		return c->fault;
	fault = counters_load(&page->fault);
	return fault < FAULTS ? (enum fault)fault : FAULT_NONE;
}

void
counted_log(struct counted *counted, const struct log_line *line,
    const char *what, uint64_t since)
{
	const struct counters *c = counted_read(counted);
	bool egd = counted->role == ROLE_EGD;
	uint64_t served = clock_now() - since;
	struct log_line l = *line;
	char clients[48] = "";
	/* Without a name a field ends the list. */
#define CLIENT_FIELD(name, json, journal) \
	LOG_NUMBER(egd ? (journal) : NULL, c->name),
	const struct log_field fields[] = {
		REQUEST_COUNTERS(EVENT_COUNTER)
		    LOG_NUMBER("VRNGD_SERVED_NS", served),
		CLIENT_COUNTERS(CLIENT_FIELD){ .name = NULL },
	};
#undef CLIENT_FIELD

	l.fields = fields;
	if (egd)
		snprintf(clients, sizeof(clients), " of %" PRIu64 " clients",
		    c->connections);
	event_line(&l,
	    "%s, %" PRIu64 " bytes in %" PRIu64 " requests (%" PRIu64
	    " short, %" PRIu64 " malformed)%s, %" PRIu64 " ms of %" PRIu64
	    " ms with a request waiting",
	    what, c->bytes, c->requests, c->short_answers, c->malformed,
	    clients, c->wait_ns / NS_PER_MS, served / NS_PER_MS);
}

uint32_t
counted_nclients(const struct counted *c)
{
	const struct counters_page *page = c->page.map;

	if (page == NULL || c->role != ROLE_EGD)
		return 0;
	return (uint32_t)min64(counters_load(&page->nclients), CLIENTS_MAX);
}

/* Replaces unprintable characters with dots. */
static void
clean_text(char text[CLIENT_TEXT_SIZE])
{
	text[CLIENT_TEXT_SIZE - 1] = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (!isprint((unsigned char)*p))
			*p = '.';
}

/* Whether a place has a client, before and after it was read. */
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
	uint64_t n = 0;

	if (page != NULL && c->role == ROLE_EGD)
		n = min64(counters_load(&page->nplaces), CLIENTS_MAX);
	while (*place < n)
		if (read_client(&page->clients[(*place)++], client))
			return true;
	return false;
}
