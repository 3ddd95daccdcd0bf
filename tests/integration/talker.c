/*
 * Clients that ask on and on (talker.h).  Used by the tests in which vrngd's
 * processes die.
 */
#include "program.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/talker.h"

#define AHEAD 3	      /* commands that a client sends before an answer */
#define MANY  1000000 /* bytes, of which not all are compared */

struct talker *
talker_new(int fd, enum talker_kind kind, unsigned int total)
{
	struct talker *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->fd = fd;
	t->kind = kind;
	talker_more(t, total);
	return t;
}

void
talker_free(struct talker *t)
{
	close(t->fd);
	free(t->got);
	free(t);
}

void
talker_more(struct talker *t, unsigned int n)
{
	t->total += n;
	t->got = realloc(t->got, (size_t)t->total * TALKER_ANSWER);
	assert_non_null(t->got);
}

/* Its command number `i`.  Returns its length. */
static size_t
command(const struct talker *t, unsigned int i, uint8_t said[8])
{
	uint8_t n = (uint8_t)(1 + i * 37 % 255);

	said[1] = n;
	said[0] = 2;
	if (t->kind == TALKER_STREAM)
		return 0;
	if (t->kind == TALKER_WAIT || i % 2 == 0)
		return 2;
	switch (i / 2 % 4) {
	case 0:
		said[0] = 1;
		return 2;
	case 1:
		memcpy(said, "\003\000\010\004\000\001\002\004", 8);
		return 8;
	case 2:
		said[0] = 0;
		return 1;
	default:
		said[0] = 4;
		return 1;
	}
}

/* The length of the answer, as far as it is known by what there is of it. */
static size_t
expected(const struct talker *t)
{
	uint8_t said[8];

	if (command(t, t->answered, said) == 0)
		return TALKER_ANSWER;
	if (said[0] == 2)
		return said[1];
	if (said[0] == 3)
		return 0;
	if (said[0] == 0)
		return 4;
	return t->have == 0 ? 1 : 1U + t->answer[0];
}

static void
answered(struct talker *t)
{
	uint8_t said[8], skip;

	(void)command(t, t->answered, said);
	skip = said[0] == 1;
	if (said[0] == 1)
		assert_true(t->answer[0] <= said[1]);
	if (said[0] == 0)
		assert_true(t->answer[0] == 0 && t->answer[3] % 8 == 0);
	if (said[0] == 4)
		for (size_t i = 1; i < t->have; i++)
			assert_in_range(t->answer[i], '0', '9');
	if (said[0] == 1 || said[0] == 2) {
		memcpy(t->got + t->ngot, t->answer + skip, t->have - skip);
		t->ngot += t->have - skip;
	}
	t->answered++;
	t->have = 0;
}

/* The connection has ended, which only some may. */
static void
end(struct talker *t, const char *how)
{
	if (!t->may_end)
		fail_msg("answer %u: %s", t->answered, how);
	t->ended = true;
}

static void
ask(struct talker *t)
{
	uint8_t said[8];
	size_t len;

	while (t->sent < t->total && t->sent < t->answered + AHEAD) {
		len = command(t, t->sent++, said);
		if (len > 0 &&
		    send(t->fd, said, len, MSG_NOSIGNAL) != (ssize_t)len) {
			end(t, strerror(errno));
			return;
		}
	}
}

bool
talker_run(struct talker *t)
{
	size_t len;
	ssize_t n;

	if (t->ended)
		return true;
	ask(t);
	while (!t->ended && t->answered < t->sent) {
		len = expected(t) - t->have;
		if (len == 0) {
			answered(t);
			continue;
		}
		n = recv(t->fd, t->answer + t->have, len, MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			break;
		if (n <= 0)
			end(t, n == 0 ? "end of file" : strerror(errno));
		else
			t->have += (size_t)n;
	}
	return t->ended || t->answered == t->total;
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t));
}

void
talkers_unique(struct talker *const *ts, size_t n)
{
	size_t total = 0, k = 0;
	uint64_t *all;
	uint8_t least;

	for (size_t i = 0; i < n; i++)
		total += ts[i]->ngot;
	least = total < MANY ? 0 : 240;
	assert_non_null(all = malloc((total + 1) * sizeof(*all)));
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j + sizeof(*all) <= ts[i]->ngot; j++)
			if (ts[i]->got[j] >= least)
				memcpy(&all[k++], ts[i]->got + j, sizeof(*all));
	qsort(all, k, sizeof(*all), compare);
	for (size_t i = 1; i < k; i++)
		assert_true(all[i - 1] != all[i]);
	free(all);
}
