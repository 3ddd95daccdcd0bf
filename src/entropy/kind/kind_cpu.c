/*
 * Sources of kind cpu: RDSEED and RDRAND.  Used by kind.c's table.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "common/clock.h"
#include "entropy/kind/kind_cpu.h"
#include "common/log.h"

/* Attempts in a row, by Intel's DRNG Software Implementation Guide, 5.2.1.
 * RDSEED delivers less than can be requested. */
#define TRIES_RDRAND 10
#define TRIES_RDSEED 1000

#define REST 1 /* ms */

struct cpu {
	cpu_step *step;
	unsigned int tries;
};

#if defined(__x86_64__)
__attribute__((target("rdseed"))) static int
step_rdseed(uint64_t *word)
{
	unsigned long long value;
	int ok;

	ok = _rdseed64_step(&value);
	*word = value;
	return ok;
}

__attribute__((target("rdrnd"))) static int
step_rdrand(uint64_t *word)
{
	unsigned long long value;
	int ok;

	ok = _rdrand64_step(&value);
	*word = value;
	return ok;
}

static bool
has_rdseed(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
	    (ebx & bit_RDSEED) != 0;
}

static bool
has_rdrand(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid_count(1, 0, &eax, &ebx, &ecx, &edx) &&
	    (ecx & bit_RDRND) != 0;
}

static void
relax(void)
{
	_mm_pause();
}

/* The configured instruction, if this processor has it. */
static bool
choose(struct cpu *cpu, uint32_t instruction)
{
	if (instruction != INSTRUCTION_RDRAND && has_rdseed())
		*cpu = (struct cpu){ step_rdseed, TRIES_RDSEED };
	else if (instruction != INSTRUCTION_RDSEED && has_rdrand())
		*cpu = (struct cpu){ step_rdrand, TRIES_RDRAND };
	else
		return false;
	return true;
}
#else
static void
relax(void)
{
}

static bool
choose(struct cpu *cpu, uint32_t instruction)
{
	(void)cpu, (void)instruction;
	return false;
}
#endif

/* Waits for a word until `deadline`. */
static bool
draw(cpu_step *step, unsigned int tries, uint64_t deadline, uint64_t *word)
{
	for (;;) {
		for (unsigned int i = 0; i < tries; i++) {
			if (step(word))
				return true;
			relax();
		}
		if (clock_now() >= deadline)
			return false;
		poll(NULL, 0, REST);
	}
}

/*
 * Some processors, such as AMD's family 22 after a resume, return the same word
 * forever and report success.  By chance that happens once in 2^62 words.
 */
static bool
broken(uint64_t word, uint64_t last)
{
	return word == 0 || word == UINT64_MAX || word == last;
}

/* The first word is discarded, so that no delivered word must be kept. */
ssize_t
cpu_fill(struct device *d, cpu_step *step, unsigned int tries, uint8_t *buf,
    size_t size)
{
	uint64_t deadline = clock_now() + NS_PER_SEC, last = 0, word;
	size_t filled = 0, n;
	bool first = true;

	while (filled < size && draw(step, tries, deadline, &word)) {
		if (broken(word, last)) {
			d->unwell = true;
			explicit_bzero(buf, filled);
			filled = 0;
			break;
		}
		last = word;
		if (first) {
			first = false;
			continue;
		}
		n = size - filled < sizeof(word) ? size - filled : sizeof(word);
		memcpy(buf + filled, &word, n);
		filled += n;
	}
	explicit_bzero(&last, sizeof(last));
	explicit_bzero(&word, sizeof(word));
	if (filled > 0)
		return (ssize_t)filled;
	errno = EIO;
	return -1;
}

static void
cpu_prepare(struct device *d)
{
	if ((d->state = calloc(1, sizeof(struct cpu))) == NULL)
		log_fatal("out of memory for a source");
}

static int
cpu_open(struct device *d)
{
	return choose(d->state, d->spec.instruction) ? 0 : EOPNOTSUPP;
}

static ssize_t
cpu_read(struct device *d, uint8_t *buf, size_t size)
{
	const struct cpu *cpu = d->state;

	return cpu_fill(d, cpu->step, cpu->tries, buf, size);
}

const struct source_kind kind_cpu = {
	.prepare = cpu_prepare,
	.open = cpu_open,
	.read = cpu_read,
};
