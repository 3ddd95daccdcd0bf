/*
 * The connections of a service's clients, in their deposit.
 */
#include "unit/unit.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/deposit.h"
#include "parent/endpoint/clients.h"

#define FEW 5

static int
file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	return fd;
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* A session and its page of counters. */
static int
begin(struct clients *cs)
{
	int counters = file();

	clients_init(cs, (uid_t)-1);
	assert_int_equal(clients_begin(cs, counters), 0);
	return counters;
}

static void
end(struct clients *cs, int counters)
{
	int deposit = clients_end(cs);

	assert_int_not_equal(deposit, -1);
	close(deposit);
	close(counters);
	assert_int_equal(clients_end(cs), -1);
}

/* A new connection, which is closed here.  Returns its inode. */
static ino_t
add(struct clients *cs, uint32_t place)
{
	int fd = file();
	ino_t i = inode(fd);

	assert_int_equal(clients_add(cs, fd), place);
	close(fd);
	return i;
}

/* What a worker gets: `inodes` are those of places, 0 where there is none. */
static size_t
copied(const struct clients *cs, ino_t inodes[CLIENTS_MAX])
{
	int deposit = clients_copy(cs);
	struct deposit_parts parts;
	size_t n = 0;

	assert_int_not_equal(deposit, -1);
	memset(inodes, 0, CLIENTS_MAX * sizeof(*inodes));
	while (deposit_take(deposit, &parts) == 1) {
		assert_true(parts.n > 0);
		for (size_t i = 0; i < parts.n; i++) {
			uint32_t place = parts.ids[i] - CLIENT_ID_FIRST;

			assert_true(place < CLIENTS_MAX);
			assert_int_equal(inodes[place], 0);
			inodes[place] = inode(parts.fds[i]);
			n++;
		}
		deposit_close(&parts);
	}
	close(deposit);
	return n;
}

/* A place is used again when its connection is not in the deposit any more. */
static void
test_places(void **state)
{
	static ino_t seen[CLIENTS_MAX];
	size_t fds = unit_count_fds();
	struct clients cs;
	int counters = begin(&cs), old;
	uint64_t serial = cs.serial;
	ino_t inodes[FEW + 1];

	(void)state;
	for (uint32_t i = 0; i < FEW; i++)
		inodes[i] = add(&cs, i);
	assert_true(clients_remove(&cs, 1));
	assert_false(clients_remove(&cs, 1));
	assert_false(clients_remove(&cs, FEW));
	assert_false(clients_remove(&cs, CLIENTS_MAX));
	inodes[FEW] = add(&cs, FEW);
	assert_int_equal(cs.n, FEW);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(copied(&cs, seen), FEW);
		assert_int_equal(seen[0], inodes[0]);
		assert_int_equal(seen[1], 0);
		assert_int_equal(seen[FEW], inodes[FEW]);
	}
	assert_int_not_equal(old = clients_renew(&cs, counters), -1);
	close(old);
	assert_int_equal(cs.serial, serial + 1);
	assert_int_equal(cs.ngone, 0);
	inodes[1] = add(&cs, 1);
	assert_int_equal(copied(&cs, seen), FEW + 1);
	assert_memory_equal(seen, inodes, sizeof(inodes));
	end(&cs, counters);
	assert_false(clients_remove(&cs, 0));
	assert_int_equal(unit_count_fds(), fds);
}

static void
renew(struct clients *cs, int counters)
{
	int old = clients_renew(cs, counters);

	assert_int_not_equal(old, -1);
	close(old);
}

/* A deposit takes all clients that there may be, if it is renewed when full. */
static void
test_full(void **state)
{
	static ino_t seen[CLIENTS_MAX];
	struct rlimit limit;
	struct clients cs;
	int counters = begin(&cs), fd = file(), renewed = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (clients_add(&cs, fd) == i)
			continue;
		assert_int_equal(errno, EAGAIN);
		renew(&cs, counters);
		renewed++;
		assert_int_equal(clients_add(&cs, fd), i);
	}
	print_message("# renewed %d times\n", renewed);
	renew(&cs, counters);
	assert_int_equal(clients_add(&cs, fd), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(copied(&cs, seen), CLIENTS_MAX);
	assert_true(clients_remove(&cs, 7));
	assert_int_equal(clients_add(&cs, fd), -1);
	renew(&cs, counters);
	assert_int_equal(clients_add(&cs, fd), 7);
	close(fd);
	end(&cs, counters);
}

/* Renewed when many more have gone than are there. */
static void
test_sparse(void **state)
{
	struct clients cs;
	int counters = begin(&cs), fd = file();
	uint32_t gone = 0, place;

	(void)state;
	assert_int_equal(clients_add(&cs, fd), 0);
	while (!clients_sparse(&cs)) {
		place = (uint32_t)clients_add(&cs, fd);
		assert_true(clients_remove(&cs, place));
		assert_true(++gone < 200);
	}
	assert_true(gone > 20);
	renew(&cs, counters);
	assert_false(clients_sparse(&cs));
	assert_int_equal(clients_add(&cs, fd), 1);
	close(fd);
	end(&cs, counters);
}

/* Counts the connections of a resumed session. */
static void
count(void *arg, int conn)
{
	assert_int_not_equal(fcntl(conn, F_GETFD), -1);
	++*(uint32_t *)arg;
}

/* The next daemon has what is in the deposit, which it got from the store. */
static void
test_resume(void **state)
{
	static ino_t seen[CLIENTS_MAX];
	struct clients cs, next;
	int counters = begin(&cs), page;
	uint32_t checked = 0;
	ino_t inodes[FEW];

	(void)state;
	for (uint32_t i = 0; i < FEW; i++)
		inodes[i] = add(&cs, i);
	assert_true(clients_remove(&cs, 2));
	clients_init(&next, (uid_t)-1);
	next.serial = 41;
	page = clients_resume(&next, dup(cs.deposit), count, &checked);
	assert_int_equal(inode(page), inode(counters));
	assert_int_equal(inode(next.state), inode(cs.state));
	assert_int_equal(next.serial, 42);
	assert_int_equal(checked, FEW);
	/* The worker finds out which of them are closed. */
	assert_int_equal(next.n, FEW);
	assert_int_equal(copied(&next, seen), FEW);
	assert_memory_equal(seen, inodes, sizeof(inodes));
	add(&next, FEW);
	end(&next, page);
	end(&cs, counters);
}

/* Adds a message of two descriptors with these ids to a deposit. */
static void
put(int deposit, uint32_t first, uint32_t second)
{
	struct deposit_parts parts = {
		.n = 2,
		.ids = { first, second },
		.fds = { file(), file() },
	};

	assert_int_equal(deposit_put(deposit, &parts), 0);
	deposit_close(&parts);
}

/* A deposit that is not one of clients is refused, and odd ids are ignored. */
static void
test_odd(void **state)
{
	static ino_t seen[CLIENTS_MAX];
	size_t fds = unit_count_fds();
	int deposit = deposit_make(), page;
	uint32_t checked = 0;
	struct clients cs;

	(void)state;
	clients_init(&cs, (uid_t)-1);
	assert_int_equal(clients_resume(&cs, deposit, count, &checked), -1);
	put(deposit, 2, 1);
	assert_int_equal(clients_resume(&cs, deposit, count, &checked), -1);
	assert_int_equal(errno, EINVAL);
	close(deposit);
	assert_int_equal(unit_count_fds(), fds);
	deposit = deposit_make();
	put(deposit, 1, 2);
	put(deposit, CLIENT_ID_FIRST, CLIENT_ID_FIRST - 1);
	put(deposit, CLIENT_ID_FIRST + CLIENTS_MAX, UINT32_MAX);
	page = clients_resume(&cs, deposit, count, &checked);
	assert_int_not_equal(page, -1);
	assert_int_equal(cs.n, 1);
	assert_int_equal(checked, 1);
	assert_int_equal(copied(&cs, seen), 1);
	end(&cs, page);
	assert_int_equal(unit_count_fds(), fds);
}

/* Without descriptors to read it by, a copy fails as a whole. */
static void
test_no_descriptors(void **state)
{
	struct rlimit few, limit;
	struct clients cs;
	int counters = begin(&cs), fd = file();

	(void)state;
	for (int i = 0; i < FEW; i++)
		assert_int_equal(clients_add(&cs, fd), i);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	/* The next one is that of the copy, then there are two more. */
	few.rlim_cur = (rlim_t)fd + 4;
	renew(&cs, counters);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(clients_copy(&cs), -1);
	assert_int_equal(clients_renew(&cs, counters), -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(cs.n, FEW);
	renew(&cs, counters);
	close(fd);
	end(&cs, counters);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_no_descriptors),
	};

	return UNIT_MAIN("clients", tests);
}
