/*
 * Reads and writes the records of the clients' state; no I/O.  Used by
 * clients.c, resume.c and step.c.
 */
#include <stddef.h>

#include "common/clock.h"
#include "egd/saved.h"

#define DEATHS_FORGOTTEN 10 /* s after the last one */

void
saved_commit(struct saved *s, uint32_t place, const struct saved_client *c)
{
	struct saved_record *r;

	if (place >= CLIENTS_MAX)
		return;
	r = &s->records[place];
	r->copies[(r->commits + 1) & 1] = *c;
	__atomic_store_n(&r->commits, r->commits + 1, __ATOMIC_RELEASE);
}

/* Whether the state of the current command is valid. */
/*@
 @ requires \valid_read(c);
 @ assigns \nothing;
 @ ensures \result <==> command_is_valid(c);
 @*/
static bool
command_valid(const struct saved_client *c)
{
	switch (c->command) {
	case SAVED_NO_COMMAND:
		return c->sending == 0 && (c->flags & SAVED_PARTIAL) == 0;
	case EGD_WAIT:
		return c->left > 0 && c->sending <= c->left &&
		    (c->flags & SAVED_PARTIAL) == 0;
	case EGD_AVAILABLE:
	case EGD_NOW:
	case EGD_PID:
		return c->sending <= EGD_ANSWER_MAX &&
		    (c->flags & SAVED_FRAMED) != 0;
	default:
		return false;
	}
}

/*@
 @ requires \valid_read(c);
 @ assigns \nothing;
 @ ensures \result <==> input_is_valid(c);
 @*/
static bool
input_valid(const struct saved_client *c)
{
	return c->in_start <= c->in_end && c->in_end <= SAVED_INPUT_SIZE &&
	    egd_valid(&c->egd);
}

bool
saved_load(const struct saved *s, uint32_t place, struct saved_client *c)
{
	const struct saved_record *r;

	if (place >= CLIENTS_MAX) {
		c->state = SAVED_OPEN;
		return false;
	}
	r = &s->records[place];
	*c = r->copies[r->commits & 1];
	if (c->state == SAVED_NONE || c->state == SAVED_CLOSING)
		return true;
	if (c->state == SAVED_OPEN && (c->flags & ~SAVED_FLAGS) == 0 &&
	    input_valid(c) && command_valid(c))
		return true;
	c->state = SAVED_OPEN;
	return false;
}

enum egd_result
saved_parse(struct saved_client *c, const uint8_t *in, struct egd_parsed *said)
{
	enum egd_result result;
	size_t used;

	if (!input_valid(c)) {
		*said = (struct egd_parsed){ .command = c->egd.head[0] };
		return EGD_UNKNOWN;
	}
	result = egd_parse(&c->egd, in + c->in_start,
	    (size_t)(c->in_end - c->in_start), &used, said);
	c->in_start += (uint8_t)used;
	return result;
}

/*@
 @ assigns \nothing;
 @*/
static uint32_t
seconds(uint64_t now)
{
	return (uint32_t)(now / NS_PER_SEC);
}

/*@
 @ requires \valid_read(r);
 @ assigns \nothing;
 @*/
static bool
is_recent(const struct saved_record *r, uint64_t now)
{
	return seconds(now) - r->died <= DEATHS_FORGOTTEN;
}

void
saved_count_death(struct saved *s, uint64_t now)
{
	uint32_t place = s->serving - 1;
	struct saved_record *r;

	s->serving = 0;
	if (place >= CLIENTS_MAX)
		return;
	r = &s->records[place];
	if (!is_recent(r, now))
		r->deaths = 0;
	if (r->deaths <= SAVED_DEATHS_MAX)
		r->deaths++;
	r->died = seconds(now);
}

bool
saved_deadly(const struct saved *s, uint32_t place, uint64_t now)
{
	const struct saved_record *r;

	if (place >= CLIENTS_MAX)
		return false;
	r = &s->records[place];
	return r->deaths > SAVED_DEATHS_MAX && is_recent(r, now);
}

void
saved_forget(struct saved *s, uint32_t place)
{
	if (place < CLIENTS_MAX)
		s->records[place].deaths = 0;
}
