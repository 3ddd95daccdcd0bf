/*
 * Memory that the frontend shares: regions, addresses in them, the dirty log,
 * and files that shrink.
 */
#include <sys/mman.h>

#include <string.h>

#include "common/clock.h"
#include "vhost/device/memory.h"
#include "unit/unit.h"

#define PAGE	  UINT64_C(4096)
#define FILE_SIZE (64 * PAGE)
#define GPA	  UINT64_C(0x40000000)
#define USER	  UINT64_C(0x7f0000000000)
#define STEPS	  20000

struct space {
	struct memory mem;
	int fd;
	uint8_t *file;
};

/* An empty memory and a file.  Not in a fixture, because of SIGBUS. */
static void
space_init(struct space *s)
{
	s->fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_not_equal(s->fd, -1);
	assert_int_equal(ftruncate(s->fd, FILE_SIZE), 0);
	s->file =
	    mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	assert_ptr_not_equal(s->file, MAP_FAILED);
	memory_init(&s->mem);
}

static void
space_free(struct space *s)
{
	memory_clear(&s->mem);
	mapping_close(&s->mem.log);
	mapping_close(&s->mem.inflight);
	munmap(s->file, FILE_SIZE);
	close(s->fd);
}

/* Adds `size` bytes at `offset` of both address ranges and of the file. */
static int
add(struct space *s, uint64_t gpa, uint64_t user, uint64_t size,
    uint64_t offset)
{
	const struct vhost_user_region r = { gpa, size, user, offset };
	const char *why = NULL;
	int rc = memory_add(&s->mem, &r, s->fd, 7, &why);

	assert_true((rc == 0) == (why == NULL));
	return rc;
}

/* Where a guest address is in the file, or -1; `*len` as memory_guest(). */
static int64_t
offset_of(struct space *s, uint64_t gpa, uint64_t *len)
{
	uint8_t *at = memory_guest(&s->mem, gpa, len), old;
	int64_t found = -1;

	if (at == NULL)
		return -1;
	old = *at;
	*at ^= 0xff;
	for (uint64_t i = 0; i < FILE_SIZE && found == -1; i++)
		if (s->file[i] != 0)
			found = (int64_t)i;
	*at = old;
	return found;
}

static void
test_edges(void **state)
{
	struct space s;
	uint64_t len;

	(void)state;
	space_init(&s);
	assert_int_equal(add(&s, GPA, USER, PAGE, 3 * PAGE), 0);
	assert_int_equal(add(&s, GPA + PAGE, USER + 9 * PAGE, PAGE, PAGE), 0);
	len = 10;
	assert_int_equal(offset_of(&s, GPA, &len), 3 * PAGE);
	assert_int_equal(len, 10);
	len = 10;
	assert_int_equal(offset_of(&s, GPA + PAGE - 1, &len), 4 * PAGE - 1);
	assert_int_equal(len, 1);
	len = UINT64_MAX;
	assert_int_equal(offset_of(&s, GPA + PAGE, &len), PAGE);
	assert_int_equal(len, PAGE);
	len = PAGE - 5;
	assert_int_equal(offset_of(&s, GPA + 5, &len), 3 * PAGE + 5);
	assert_int_equal(len, PAGE - 5);
	assert_null(memory_guest(&s.mem, GPA - 1, &len));
	assert_null(memory_guest(&s.mem, GPA + 2 * PAGE, &len));
	assert_null(memory_guest(&s.mem, 0, &len));
	assert_null(memory_guest(&s.mem, UINT64_MAX, &len));
	space_free(&s);
}

static void
test_user(void **state)
{
	struct space s;
	uint8_t *at;

	(void)state;
	space_init(&s);
	assert_int_equal(add(&s, GPA, USER, PAGE, 0), 0);
	assert_int_equal(add(&s, GPA + 8 * PAGE, USER + PAGE, PAGE, PAGE), 0);
	at = memory_user(&s.mem, USER, PAGE);
	assert_non_null(at);
	at[PAGE - 1] = 7;
	assert_int_equal(s.file[PAGE - 1], 7);
	assert_ptr_equal(memory_user(&s.mem, USER + PAGE - 1, 1),
	    at + PAGE - 1);
	assert_non_null(memory_user(&s.mem, USER + PAGE, PAGE));
	assert_null(memory_user(&s.mem, USER, PAGE + 1));
	assert_null(memory_user(&s.mem, USER + PAGE - 1, 2));
	assert_null(memory_user(&s.mem, USER + 1, UINT64_MAX));
	assert_null(memory_user(&s.mem, USER - 1, 1));
	assert_null(memory_user(&s.mem, USER + 2 * PAGE, 1));
	assert_null(memory_user(&s.mem, UINT64_MAX, 1));
	space_free(&s);
}

static void
test_refused(void **state)
{
	const struct {
		uint64_t gpa, user, size, offset;
		int rc;
	} rows[] = {
		{ GPA, USER + 99 * PAGE, PAGE, 0, -1 },
		{ GPA + 99 * PAGE, USER, PAGE, 0, -1 },
		{ GPA + 4 * PAGE - 1, USER + 99 * PAGE, PAGE, 0, -1 },
		{ GPA - PAGE + 1, USER + 99 * PAGE, PAGE, 0, -1 },
		{ GPA - PAGE, USER + 4 * PAGE - 1, PAGE, 0, -1 },
		{ GPA - PAGE, USER - 1, 2, 0, -1 },
		{ GPA - PAGE, USER - PAGE, 9 * PAGE, 0, -1 },
		{ 0, 0, 0, 0, -1 },
		{ 0, 0, FILE_SIZE + 1, 0, -1 },
		{ 0, 0, 1, FILE_SIZE, -1 },
		{ 0, 0, PAGE, FILE_SIZE - PAGE + 1, -1 },
		{ 0, 0, PAGE, UINT64_MAX - PAGE, -1 },
		{ 0, 0, PAGE, UINT64_MAX - PAGE + 1, -1 },
		{ 0, 0, PAGE, INT64_MAX - PAGE, -1 },
		{ UINT64_MAX - PAGE + 1, 0, PAGE, 0, -1 },
		{ UINT64_MAX - 1, 0, PAGE, 0, -1 },
		{ 0, UINT64_MAX - 1, PAGE, 0, -1 },
		{ 0, 0, UINT64_MAX, 1, -1 },
		/* Touching on both sides is no overlap. */
		{ GPA - PAGE, USER - PAGE, PAGE, 0, 0 },
		{ GPA + 4 * PAGE, USER + 4 * PAGE, 1, FILE_SIZE - 1, 0 },
		{ UINT64_MAX - PAGE, 1, PAGE, 0, 0 },
	};
	struct space s;

	(void)state;
	space_init(&s);
	assert_int_equal(add(&s, GPA, USER, 4 * PAGE, 0), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(add(&s, rows[i].gpa, rows[i].user,
				     rows[i].size, rows[i].offset),
		    rows[i].rc);
	assert_int_equal(s.mem.nregions, 4);
	space_free(&s);
}

static void
test_bad_file(void **state)
{
	const struct vhost_user_region r = { GPA, PAGE, USER, 0 };
	struct space s;
	const char *why = NULL;
	int fds[2];

	(void)state;
	space_init(&s);
	assert_int_equal(memory_add(&s.mem, &r, -1, 7, &why), -1);
	assert_non_null(why);
	assert_int_equal(pipe(fds), 0);
	why = NULL;
	assert_int_equal(memory_add(&s.mem, &r, fds[0], 7, &why), -1);
	assert_non_null(why);
	assert_int_equal(s.mem.nregions, 0);
	close(fds[0]);
	close(fds[1]);
	space_free(&s);
}

static void
test_slots(void **state)
{
	struct space s;
	struct vhost_user_region r = { .size = PAGE };

	(void)state;
	space_init(&s);
	for (uint64_t i = 0; i < VHOST_USER_MEM_SLOTS; i++)
		assert_int_equal(add(&s, GPA + i * PAGE, USER + i * PAGE, PAGE,
				     i % 64 * PAGE),
		    0);
	assert_int_equal(add(&s, 0, 0, PAGE, 0), -1);
	r.guest_addr = GPA + 100 * PAGE;
	r.user_addr = USER + 100 * PAGE;
	assert_int_equal(memory_remove(&s.mem, &r), 0);
	assert_int_equal(memory_remove(&s.mem, &r), -1);
	assert_int_equal(add(&s, 0, 0, PAGE, 0), 0);
	memory_clear(&s.mem);
	assert_int_equal(s.mem.nregions, 0);
	assert_null(memory_user(&s.mem, USER, 1));
	space_free(&s);
}

/* Only the region of just these addresses and size. */
static void
test_remove(void **state)
{
	const struct vhost_user_region good = { GPA, 2 * PAGE, USER, 0 };
	struct vhost_user_region r;
	struct space s;
	uint64_t len = 1;

	(void)state;
	space_init(&s);
	assert_int_equal(add(&s, GPA, USER, 2 * PAGE, 0), 0);
	for (int i = 0; i < 3; i++) {
		r = good;
		r.guest_addr += i == 0 ? PAGE : 0;
		r.user_addr += i == 1 ? PAGE : 0;
		r.size -= i == 2 ? PAGE : 0;
		assert_int_equal(memory_remove(&s.mem, &r), -1);
		assert_non_null(memory_guest(&s.mem, GPA, &len));
	}
	assert_int_equal(memory_remove(&s.mem, &good), 0);
	assert_null(memory_guest(&s.mem, GPA, &len));
	space_free(&s);
}

/* A part of the file that begins and ends anywhere. */
static void
test_unaligned(void **state)
{
	struct space s;
	uint64_t len = UINT64_MAX;

	(void)state;
	space_init(&s);
	assert_int_equal(add(&s, GPA + 5, USER + 3, 3 * PAGE, PAGE + 77), 0);
	assert_int_equal(offset_of(&s, GPA + 5, &len), PAGE + 77);
	assert_int_equal(len, 3 * PAGE);
	len = 2;
	assert_int_equal(offset_of(&s, GPA + 5 + 3 * PAGE - 1, &len),
	    4 * PAGE + 76);
	assert_int_equal(len, 1);
	assert_null(memory_guest(&s.mem, GPA + 4, &len));
	space_free(&s);
}

/* Regions that come and go in any order, against a plain table. */
static void
test_random_regions(void **state)
{
	uint64_t seed = program_seed(), first = seed, len, slot;
	bool present[64] = { false };
	struct vhost_user_region r = { .size = PAGE };
	struct space s;
	uint8_t *at;

	(void)state;
	space_init(&s);
	for (int i = 0; i < STEPS; i++) {
		slot = unit_below(&seed, 64);
		r.guest_addr = GPA + slot * PAGE;
		r.user_addr = USER + slot * PAGE;
		if (unit_below(&seed, 8) == 0 && present[slot]) {
			assert_int_equal(memory_remove(&s.mem, &r), 0);
			present[slot] = false;
		} else if (unit_below(&seed, 8) == 0 && !present[slot]) {
			assert_int_equal(add(&s, r.guest_addr, r.user_addr,
					     PAGE, slot * PAGE),
			    0);
			present[slot] = true;
			s.file[slot * PAGE + slot] = (uint8_t)slot;
		}
		slot = unit_below(&seed, 64);
		len = PAGE;
		at = memory_guest(&s.mem, GPA + slot * PAGE + slot, &len);
		if ((at != NULL) != present[slot] ||
		    (at != NULL && (*at != slot || len != PAGE - slot)))
			fail_msg("seed %ju, step %d", (uintmax_t)first, i);
	}
	space_free(&s);
}

/* One bit a page, from the first to the last byte written; none beyond. */
static void
test_dirty(void **state)
{
	const struct {
		uint64_t addr, len, first, last;
	} rows[] = {
		{ 0, 1, 0, 0 },
		{ PAGE - 1, 1, 0, 0 },
		{ PAGE - 1, 2, 0, 1 },
		{ 7 * PAGE, PAGE, 7, 7 },
		{ 7 * PAGE, PAGE + 1, 7, 8 },
		{ 8 * 16 * PAGE - 1, 1, 127, 127 },
		{ 8 * 16 * PAGE - 1, 3 * PAGE, 127, 127 },
		{ 8 * 16 * PAGE, PAGE, 1, 0 },
		{ UINT64_C(1) << 60, PAGE, 1, 0 },
		{ 3 * PAGE, 0, 1, 0 },
	};
	struct space s;
	const char *why;

	(void)state;
	space_init(&s);
	memory_dirty(&s.mem, 0, 1);
	s.mem.logging = true;
	memory_dirty(&s.mem, 0, 1);
	assert_int_equal(mapping_open(&s.mem.log, s.fd, 100, 16, &why), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(s.file, 0, PAGE);
		memory_dirty(&s.mem, rows[i].addr, rows[i].len);
		for (uint64_t bit = 0; bit < 8 * PAGE; bit++)
			assert_int_equal((s.file[bit / 8] & 1U << bit % 8) != 0,
			    bit >= 800 + rows[i].first &&
				bit <= 800 + rows[i].last);
	}
	s.file[100] = 0x80;
	memory_dirty(&s.mem, 0, 1);
	assert_int_equal(s.file[100], 0x81);
	s.mem.logging = false;
	memory_dirty(&s.mem, PAGE, 1);
	assert_int_equal(s.file[100], 0x81);
	space_free(&s);
}

/* Each kind of mapping outlives its file; the others stay what they are. */
static void
test_shrunk_files(void **state)
{
	const struct vhost_user_region r = { GPA + PAGE, 4 * PAGE, USER + PAGE,
		PAGE };
	struct space s;
	const char *why;
	uint8_t *mapped[3];
	int fd = memfd_create("shrinks", MFD_CLOEXEC);

	(void)state;
	space_init(&s);
	assert_int_equal(add(&s, GPA, USER, PAGE, 0), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ftruncate(fd, FILE_SIZE), 0);
		if (i == 0)
			assert_int_equal(memory_add(&s.mem, &r, fd, 7, &why),
			    0);
		mapping_close(&s.mem.log);
		mapping_close(&s.mem.inflight);
		assert_int_equal(mapping_open(&s.mem.log, fd, PAGE, 9, &why),
		    0);
		assert_int_equal(
		    mapping_open(&s.mem.inflight, fd, PAGE, 9, &why), 0);
		mapped[0] = memory_user(&s.mem, USER + 3 * PAGE, 1);
		mapped[1] = s.mem.log.start;
		mapped[2] = s.mem.inflight.start;
		mapped[0][0] = 1;
		s.mem.lost = 0;
		assert_int_equal(ftruncate(fd, 0), 0);
		*(volatile uint8_t *)mapped[i] = 5;
		assert_int_equal(s.mem.lost, 1);
		assert_int_equal(*(volatile uint8_t *)mapped[i], 5);
		*memory_user(&s.mem, USER, 1) = (uint8_t)(9 + i);
		assert_int_equal(s.file[0], 9 + i);
	}
	close(fd);
	space_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_file),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_unaligned),
		cmocka_unit_test(test_random_regions),
		cmocka_unit_test(test_dirty),
		cmocka_unit_test(test_shrunk_files),
	};

	return UNIT_MAIN("memory", tests);
}
