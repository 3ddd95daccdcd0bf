/*
 * The saved state of a client, which a compromised worker may have written, and
 * the deaths counted in it: the input is a record, and the input of the client.
 */
#include "common/clock.h"
#include "egd/saved.h"
#include "fuzz/fuzz.h"

static struct saved state;

/* What was loaded can be parsed further. */
static void
go_on(struct saved_client *c, const uint8_t *in)
{
	struct egd_parsed said;
	size_t used;

	CHECK(c->in_start <= c->in_end && c->in_end <= SAVED_INPUT_SIZE);
	CHECK(c->sending <= EGD_ANSWER_MAX);
	egd_parse(&c->egd, in + c->in_start, (size_t)(c->in_end - c->in_start),
	    &used, &said);
	CHECK(c->in_start + used <= c->in_end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	uint32_t place = input_u16(&in) % CLIENTS_MAX;
	struct saved_client c, again;
	uint64_t now;

	state.serving = input_u32(&in);
	now = input_u32(&in) * NS_PER_SEC;
	input_copy(&in, &state.records[place], sizeof(state.records[place]));
	input_copy(&in, state.in[place], sizeof(state.in[place]));
	if (saved_load(&state, place, &c) && c.state == SAVED_OPEN) {
		saved_commit(&state, place, &c);
		CHECK(saved_load(&state, place, &again));
		CHECK(memcmp(&c, &again, sizeof(c)) == 0);
		go_on(&c, state.in[place]);
	}
	saved_count_death(&state, now);
	CHECK(state.serving == 0);
	saved_deadly(&state, place, now);
	saved_forget(&state, place);
	CHECK(!saved_deadly(&state, place, now));
	return 0;
}
