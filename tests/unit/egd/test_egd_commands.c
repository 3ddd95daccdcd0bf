/*
 * The EGD protocol as a server parses and speaks it.
 */
#include "unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "egd/egd.h"

#define RECORDED_MAX 4096

/* What was recorded, in order, with the parts of data put together. */
struct recorded {
	size_t n;
	struct {
		uint8_t command;
		uint8_t wanted;
		size_t size;
		uint8_t data[255];
	} said[RECORDED_MAX];
	bool unknown;
	uint8_t command; /* that is none */
	size_t used;
};

static void
note(struct recorded *h, enum egd_result result, const struct egd_parsed *said)
{
	assert_true(h->n < RECORDED_MAX);
	if (said->size > 0) {
		assert_int_equal(said->command, EGD_WRITE);
		assert_true(h->said[h->n].size + said->size <= 255);
		memcpy(h->said[h->n].data + h->said[h->n].size, said->data,
		    said->size);
		h->said[h->n].size += said->size;
	}
	if (result != EGD_COMMAND)
		return;
	h->said[h->n].command = said->command;
	h->said[h->n].wanted = said->wanted;
	h->n++;
}

/* Parses one piece, which stands in memory of exactly its size. */
static void
parse_piece(struct recorded *h, struct egd *e, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	struct egd_parsed said;
	enum egd_result result = EGD_COMMAND;
	size_t at = 0, used;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	while (!h->unknown && (at < len || result == EGD_MORE)) {
		result = egd_parse(e, copy + at, len - at, &used, &said);
		assert_true(used <= len - at);
		assert_true(used > 0 || result == EGD_MORE);
		at += used;
		if (said.size > 0) {
			assert_true(said.data >= copy);
			assert_true(said.data + said.size <= copy + at);
		}
		note(h, result, &said);
		if (result == EGD_UNKNOWN) {
			h->unknown = true;
			h->command = said.command;
		}
		if (result == EGD_MORE) {
			assert_int_equal(at, len);
			break;
		}
	}
	h->used += at;
	free(copy);
}

/* Parses it in pieces of random length, at most `most`. */
static struct recorded *
parse(const uint8_t *bytes, size_t len, size_t most, uint64_t seed)
{
	struct recorded *h = calloc(1, sizeof(*h));
	struct egd e = { 0 };
	size_t n;

	assert_non_null(h);
	for (size_t at = 0; at < len; at += n) {
		n = 1 + unit_below(&seed, most);
		if (n > len - at)
			n = len - at;
		parse_piece(h, &e, bytes + at, n);
	}
	return h;
}

static void
expect(const struct recorded *h, size_t i, uint8_t command, uint8_t wanted)
{
	assert_true(i < h->n);
	assert_int_equal(h->said[i].command, command);
	assert_int_equal(h->said[i].wanted, wanted);
}

static void
test_commands(void **state)
{
	const uint8_t bytes[] = { 0, 1, 0, 1, 255, 2, 0, 2, 64, 4, 3, 0xff,
		0xff, 3, 'a', 'b', 'c', 3, 0, 0, 0, 4 };
	struct recorded *h;

	(void)state;
	for (size_t most = 1; most <= sizeof(bytes); most++) {
		h = parse(bytes, sizeof(bytes), most, most);
		assert_int_equal(h->n, 9);
		expect(h, 0, EGD_AVAILABLE, 0);
		expect(h, 1, EGD_NOW, 0);
		expect(h, 2, EGD_NOW, 255);
		expect(h, 3, EGD_WAIT, 0);
		expect(h, 4, EGD_WAIT, 64);
		expect(h, 5, EGD_PID, 0);
		expect(h, 6, EGD_WRITE, 0);
		assert_int_equal(h->said[6].size, 3);
		assert_memory_equal(h->said[6].data, "abc", 3);
		expect(h, 7, EGD_WRITE, 0);
		assert_int_equal(h->said[7].size, 0);
		expect(h, 8, EGD_PID, 0);
		assert_false(h->unknown);
		assert_int_equal(h->used, sizeof(bytes));
		free(h);
	}
}

/* Every command with every length, each cut at every place. */
static void
test_cuts(void **state)
{
	uint8_t bytes[4 + 255 + 1];
	struct recorded *h;
	struct egd e;
	size_t len;

	(void)state;
	for (unsigned int n = 0; n < 256; n++) {
		unit_fill(bytes, sizeof(bytes), n);
		bytes[0] = EGD_WRITE;
		bytes[3] = (uint8_t)n;
		len = 4U + n;
		bytes[len] = EGD_PID;
		for (size_t cut = 0; cut <= len + 1; cut++) {
			h = calloc(1, sizeof(*h));
			assert_non_null(h);
			e = (struct egd){ 0 };
			parse_piece(h, &e, bytes, cut);
			parse_piece(h, &e, bytes + cut, len + 1 - cut);
			assert_int_equal(h->n, 2);
			assert_int_equal(h->said[0].size, n);
			assert_memory_equal(h->said[0].data, bytes + 4, n);
			expect(h, 1, EGD_PID, 0);
			free(h);
		}
	}
}

/* Nothing is recorded of a command before its last byte. */
static void
test_half(void **state)
{
	const uint8_t heads[][4] = { { 1 }, { 2 }, { 3 }, { 3, 1 }, { 3, 1, 2 },
		{ 3, 1, 2, 1 } };
	const size_t sizes[] = { 1, 1, 1, 2, 3, 4 };
	struct egd_parsed said;
	struct egd e;
	size_t used;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		e = (struct egd){ 0 };
		assert_int_equal(
		    egd_parse(&e, heads[i], sizes[i], &used, &said), EGD_MORE);
		assert_int_equal(used, sizes[i]);
		assert_int_equal(egd_parse(&e, heads[i], 0, &used, &said),
		    EGD_MORE);
		assert_int_equal(used, 0);
		assert_int_equal(said.size, 0);
	}
}

static void
test_unknown(void **state)
{
	uint8_t bytes[] = { 4, 2, 5, 0, 4, 4 };
	struct recorded *h;

	(void)state;
	for (unsigned int c = 5; c < 256; c++) {
		bytes[3] = (uint8_t)c;
		h = parse(bytes, sizeof(bytes), 6, c);
		assert_true(h->unknown);
		assert_int_equal(h->command, c);
		assert_int_equal(h->n, 2);
		expect(h, 1, EGD_WAIT, 5);
		free(h);
	}
}

/* Adds a command to `bytes`, and to what must be recorded of it. */
static size_t
make(uint8_t *bytes, struct recorded *want, uint64_t *seed)
{
	uint8_t command = (uint8_t)unit_below(seed, 5);
	uint8_t n = (uint8_t)unit_random(seed);
	size_t i = want->n++;

	bytes[0] = command;
	want->said[i].command = command;
	if (command == EGD_AVAILABLE || command == EGD_PID)
		return 1;
	if (command != EGD_WRITE) {
		want->said[i].wanted = bytes[1] = n;
		return 2;
	}
	bytes[1] = bytes[2] = 0x7f;
	bytes[3] = n;
	unit_fill(bytes + 4, n, *seed);
	want->said[i].size = n;
	memcpy(want->said[i].data, bytes + 4, n);
	return 4U + n;
}

static void
test_any_split(void **state)
{
	struct recorded *want = malloc(sizeof(*want)), *h;
	uint8_t *bytes = malloc(300 * 260);
	uint64_t seed = 1;
	size_t len;

	(void)state;
	assert_non_null(want);
	assert_non_null(bytes);
	for (uint64_t round = 0; round < 200; round++) {
		memset(want, 0, sizeof(*want));
		len = 0;
		for (int i = 0; i < 300; i++)
			len += make(bytes + len, want, &seed);
		h = parse(bytes, len, 1 + round * 3, round);
		assert_int_equal(h->n, want->n);
		assert_memory_equal(h->said, want->said,
		    want->n * sizeof(*want->said));
		assert_int_equal(h->used, len);
		free(h);
	}
	free(bytes);
	free(want);
}

static void
test_available(void **state)
{
	const struct {
		uint64_t bytes;
		uint8_t answer[4];
	} cases[] = {
		{ 0, { 0, 0, 0, 0 } },
		{ 1, { 0, 0, 0, 8 } },
		{ 0x123456, { 0, 0x91, 0xa2, 0xb0 } },
		{ 0x1fffffff, { 0xff, 0xff, 0xff, 0xf8 } },
		{ 0x20000000, { 0xff, 0xff, 0xff, 0xf8 } },
		{ UINT64_C(0x100000001), { 0xff, 0xff, 0xff, 0xf8 } },
		{ UINT64_MAX, { 0xff, 0xff, 0xff, 0xf8 } },
	};
	uint8_t answer[EGD_BRIEF_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(egd_format_available(answer, cases[i].bytes),
		    4);
		assert_memory_equal(answer, cases[i].answer, 4);
	}
}

static void
test_pid(void **state)
{
	uint8_t answer[EGD_BRIEF_MAX];

	(void)state;
	assert_int_equal(egd_format_pid(answer, 1), 2);
	assert_memory_equal(answer, "\0011", 2);
	assert_int_equal(egd_format_pid(answer, 4194304), 8);
	assert_memory_equal(answer, "\0074194304", 8);
	assert_int_equal(egd_format_pid(answer, 2147483647), 11);
	assert_memory_equal(answer, "\0122147483647", 11);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_half),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_any_split),
		cmocka_unit_test(test_available),
		cmocka_unit_test(test_pid),
	};

	return UNIT_MAIN("egd_commands", tests);
}
