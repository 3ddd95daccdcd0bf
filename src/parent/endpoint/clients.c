/*
 * Keeps the connections of a service's clients in a deposit.  Used by
 * service.c.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/deposit.h"
#include "parent/endpoint/clients.h"
#include "parent/host/page.h"
#include "parent/host/privilege.h"

#define SPARSE 64 /* closed connections in a deposit, more than open ones */

/* The ids of the first message; connections have those of deposit.h. */
enum clients_id {
	CLIENTS_STATE = 1,
	CLIENTS_COUNTERS,
};

static bool
has(const uint64_t *set, uint32_t place)
{
	return (set[place / 64] >> place % 64 & 1) != 0;
}

static void
put(uint64_t *set, uint32_t place)
{
	set[place / 64] |= UINT64_C(1) << place % 64;
}

void
clients_init(struct clients *cs, uid_t uid)
{
	*cs = (struct clients){ .deposit = -1, .state = -1, .uid = uid };
}

/* Sets the session of a deposit; -1: none. */
static void
begin(struct clients *cs, int deposit, int state)
{
	*cs = (struct clients){
		.deposit = deposit,
		.state = state,
		.uid = cs->uid,
		.serial = cs->serial + 1,
	};
}

/* Closes a descriptor, keeps errno, and returns -1. */
static int
fail(int fd)
{
	int error = errno;

	if (fd != -1)
		close(fd);
	errno = error;
	return -1;
}

static int
make_deposit(uid_t uid, int state, int counters)
{
	const struct deposit_parts parts = {
		.n = 2,
		.ids = { CLIENTS_STATE, CLIENTS_COUNTERS },
		.fds = { state, counters },
	};
	int deposit = deposit_make();

	if (deposit == -1 || privilege_deposit(uid, deposit, &parts) == -1)
		return fail(deposit);
	return deposit;
}

int
clients_begin(struct clients *cs, int counters)
{
	int state = sealed_memory("vrngd-clients", CLIENTS_STATE_SIZE);
	int deposit;

	if (state == -1)
		return -1;
	if ((deposit = make_deposit(cs->uid, state, counters)) == -1)
		return fail(state);
	begin(cs, deposit, state);
	return 0;
}

/* Reads the first message: 0 and its descriptors, or -1. */
static int
read_first(int deposit, int *state, int *counters)
{
	struct deposit_parts parts;

	if (deposit_rewind(deposit) == -1 || deposit_peek(deposit, &parts) != 1)
		return -1;
	if (parts.n != 2 || parts.ids[0] != CLIENTS_STATE ||
	    parts.ids[1] != CLIENTS_COUNTERS) {
		deposit_close(&parts);
		errno = EINVAL;
		return -1;
	}
	*state = parts.fds[0];
	*counters = parts.fds[1];
	return 0;
}

/* Whether a connection's id is that of a place. */
static bool
is_place(uint32_t id)
{
	return id >= CLIENT_ID_FIRST && id - CLIENT_ID_FIRST < CLIENTS_MAX;
}

int
clients_resume(struct clients *cs, int deposit, clients_check *check, void *arg)
{
	struct deposit_parts parts;
	int state, counters;

	if (read_first(deposit, &state, &counters) == -1)
		return -1;
	begin(cs, deposit, state);
	while (deposit_peek(deposit, &parts) == 1) {
		for (size_t i = 0; i < parts.n; i++) {
			uint32_t place = parts.ids[i] - CLIENT_ID_FIRST;

			if (!is_place(parts.ids[i]) || has(cs->used, place))
				continue;
			put(cs->used, place);
			cs->n++;
			check(arg, parts.fds[i]);
		}
		deposit_close(&parts);
	}
	return counters;
}

/* The first place without a connection in the deposit, or CLIENTS_MAX. */
static uint32_t
free_place(const struct clients *cs)
{
	for (uint32_t i = 0; i < CLIENTS_WORDS; i++) {
		uint64_t taken = cs->used[i] | cs->gone[i];

		if (taken != UINT64_MAX)
			return i * 64 + (uint32_t)__builtin_ctzll(~taken);
	}
	return CLIENTS_MAX;
}

int
clients_add(struct clients *cs, int conn)
{
	uint32_t place = free_place(cs);
	const struct deposit_parts parts = {
		.n = 1,
		.ids = { CLIENT_ID_FIRST + place },
		.fds = { conn },
	};

	if (place == CLIENTS_MAX) {
		errno = EAGAIN;
		return -1;
	}
	if (privilege_deposit(cs->uid, cs->deposit, &parts) == -1)
		return -1;
	put(cs->used, place);
	cs->n++;
	return (int)place;
}

bool
clients_remove(struct clients *cs, uint32_t place)
{
	if (cs->deposit == -1 || place >= CLIENTS_MAX || !has(cs->used, place))
		return false;
	cs->used[place / 64] &= ~(UINT64_C(1) << place % 64);
	put(cs->gone, place);
	cs->n--;
	cs->ngone++;
	return true;
}

bool
clients_sparse(const struct clients *cs)
{
	return cs->ngone > cs->n + SPARSE;
}

/*
 * Moves the open connections of a message to `to`, which is added to a deposit
 * once it is full; closes the others.
 */
static int
gather(const struct clients *cs, struct deposit_parts *from,
    struct deposit_parts *to, int deposit)
{
	int r = 0;

	for (size_t i = 0; i < from->n; i++) {
		if (r == -1 || !is_place(from->ids[i]) ||
		    !has(cs->used, from->ids[i] - CLIENT_ID_FIRST))
			continue;
		to->ids[to->n] = from->ids[i];
		to->fds[to->n++] = from->fds[i];
		from->fds[i] = -1;
		if (to->n < DEPOSIT_PARTS_MAX)
			continue;
		r = privilege_deposit(cs->uid, deposit, to);
		deposit_close(to);
	}
	deposit_close(from);
	return r;
}

/* Adds all connections to another deposit.  Returns 0, or -1 with errno. */
static int
copy_to(const struct clients *cs, int deposit)
{
	struct deposit_parts from, to = { .n = 0 };
	int state, counters, r;

	if (read_first(cs->deposit, &state, &counters) == -1)
		return -1;
	close(state);
	close(counters);
	while ((r = deposit_peek(cs->deposit, &from)) == 1)
		/* Without parts: there was no room for its descriptors. */
		if (from.n == 0 || gather(cs, &from, &to, deposit) == -1) {
			r = -1;
			break;
		}
	if (r == 0 && to.n > 0)
		r = privilege_deposit(cs->uid, deposit, &to);
	deposit_close(&to);
	return r;
}

int
clients_copy(const struct clients *cs)
{
	int deposit = deposit_make();

	if (deposit == -1 || copy_to(cs, deposit) == -1)
		return fail(deposit);
	return deposit;
}

int
clients_renew(struct clients *cs, int counters)
{
	int old = cs->deposit,
	    deposit = make_deposit(cs->uid, cs->state, counters);

	if (deposit == -1 || copy_to(cs, deposit) == -1)
		return fail(deposit);
	cs->deposit = deposit;
	cs->ngone = 0;
	memset(cs->gone, 0, sizeof(cs->gone));
	cs->serial++;
	return old;
}

int
clients_end(struct clients *cs)
{
	int deposit = cs->deposit;

	if (deposit == -1)
		return -1;
	close(cs->state);
	begin(cs, -1, -1);
	return deposit;
}
