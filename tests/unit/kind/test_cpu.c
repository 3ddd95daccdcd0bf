/*
 * The processor's instructions as a source: those that this machine has, and
 * some that no machine should have.
 */
#include "processor.h"
#include "unit/kind/kinds.h"

#include "entropy/kind/kind_cpu.h"

static void
check_cpu(uint32_t instruction, bool has)
{
	struct device d = kinds_device(SOURCE_CPU, -1);

	d.spec.instruction = instruction;
	assert_int_equal(kinds_open(&d), has ? 0 : EOPNOTSUPP);
	if (has) {
		for (size_t size = 1; size < 100; size++)
			kinds_check_random(&d, size);
		kinds_check_random(&d, 65536);
		kinds_close(&d);
		kinds_end(kinds_start(&d, -1, kinds_use_once));
	} else {
		kinds_close(&d);
		print_message("# no instruction %u\n", instruction);
	}
}

static void
test_cpu(void **state)
{
	bool rdseed = processor_has(true);
	bool rdrand = processor_has(false);

	(void)state;
	check_cpu(INSTRUCTION_RDSEED, rdseed);
	check_cpu(INSTRUCTION_RDRAND, rdrand);
	check_cpu(INSTRUCTION_ANY, rdseed || rdrand);
}

/* Instructions of processors that we do not have. */
static uint64_t step_calls, step_late, step_stop;

static int
step_good(uint64_t *word)
{
	uint64_t seed = ++step_calls - step_late;

	if (step_calls <= step_late)
		return 0;
	if (step_stop != 0 && step_calls > step_stop)
		return 0;
	*word = unit_random(&seed);
	return 1;
}

/* One word that is no good, amid others. */
static int
step_zero(uint64_t *word)
{
	int ok = step_good(word);

	if (step_calls == 5)
		*word = 0;
	return ok;
}

static int
step_ones(uint64_t *word)
{
	int ok = step_good(word);

	if (step_calls == 5)
		*word = UINT64_MAX;
	return ok;
}

/* The same for ever, after some that are good. */
static int
step_sticks(uint64_t *word)
{
	uint64_t seed = step_calls < 5 ? ++step_calls : 5;

	*word = unit_random(&seed);
	return 1;
}

static ssize_t
fill(cpu_step *step, uint64_t late, uint64_t stop, uint8_t *buf, size_t size)
{
	struct device d = kinds_device(SOURCE_CPU, -1);
	ssize_t n;

	step_calls = 0;
	step_late = late;
	step_stop = stop;
	errno = 0;
	n = cpu_fill(&d, step, 10, buf, size);
	if (n == -1)
		assert_int_equal(errno, EIO);
	assert_int_equal(d.unwell, n == -1 && stop == 0);
	return n;
}

static void
test_cpu_words(void **state)
{
	uint8_t wanted[80], got[sizeof(wanted) + 1];
	uint64_t seed, word;

	(void)state;
	/* The first is for comparison only. */
	for (size_t i = 0; i < sizeof(wanted) / sizeof(word); i++) {
		seed = i + 2;
		word = unit_random(&seed);
		memcpy(wanted + i * sizeof(word), &word, sizeof(word));
	}
	for (size_t size = 1; size <= sizeof(wanted); size++) {
		memset(got, 0xa5, sizeof(got));
		assert_int_equal(fill(step_good, size % 30, 0, got, size),
		    size);
		assert_memory_equal(got, wanted, size);
		assert_int_equal(got[size], 0xa5);
	}
	/* It runs dry: what there was, at once or after a while. */
	assert_int_equal(fill(step_good, 0, 4, got, sizeof(wanted)), 24);
	assert_memory_equal(got, wanted, 24);
}

static void
test_cpu_dry(void **state)
{
	uint64_t start = clock_now();
	uint8_t buf[64];

	(void)state;
	assert_int_equal(fill(step_good, 0, 1, buf, sizeof(buf)), -1);
	assert_true(clock_now() - start >= NS_PER_SEC);
	/* Ten at once, then a rest of 1 ms. */
	assert_in_range(step_calls, 20, 1 + 10 * 1001);
}

static void
test_cpu_broken(void **state)
{
	static const uint8_t none[64];
	static cpu_step *const steps[] = { step_zero, step_ones, step_sticks };
	uint8_t buf[sizeof(none)];

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		memset(buf, 0, sizeof(buf));
		assert_int_equal(fill(steps[i], 0, 0, buf, sizeof(buf)), -1);
		/* None of the good ones before is left. */
		assert_memory_equal(buf, none, sizeof(none));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_cpu_words),
		cmocka_unit_test(test_cpu_dry),
		cmocka_unit_test(test_cpu_broken),
	};

	return UNIT_MAIN("cpu", tests);
}
