/*
 * Reads the processor's instructions as a source, without the instructions
 * themselves.
 */
#ifndef VRNGD_KIND_CPU_H
#define VRNGD_KIND_CPU_H

#include "entropy/kind/kind.h"

/* An instruction: returns 1 and a random word, or 0 if none is ready. */
typedef int cpu_step(uint64_t *word);

/*
 * Fills `buf` with `size` bytes from `step`, with `tries` attempts in a row
 * before a pause, for at most a second.  Returns `size`; less, but not 0, if no
 * more bytes were ready; -1 and EIO if none were ready, or if the words cannot
 * come from a working processor, which sets `d->unwell`.
 */
ssize_t cpu_fill(struct device *d, cpu_step *step, unsigned int tries,
    uint8_t *buf, size_t size);

#endif
