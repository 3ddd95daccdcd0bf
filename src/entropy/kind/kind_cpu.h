/*
 * The processor's instructions as a source: what is done with them, apart from
 * the instructions themselves.
 */
#ifndef VRNGD_KIND_CPU_H
#define VRNGD_KIND_CPU_H

#include "entropy/kind/kind.h"

/* An instruction: returns 1 and a random word, or 0 if it has none now. */
typedef int cpu_step(uint64_t *word);

/*
 * Fills `buf` with `size` bytes that `step` yields, which is asked `tries`
 * times before it is given a rest, and for a second in all.  Returns `size`;
 * less, but not 0, if it had no more; -1 and EIO if it had none, or yields
 * words that no working processor would: then `d` is unwell.
 */
ssize_t cpu_fill(struct device *d, cpu_step *step, unsigned int tries,
    uint8_t *buf, size_t size);

#endif
