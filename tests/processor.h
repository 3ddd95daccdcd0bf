/*
 * The instructions that sources of kind cpu read, as tests see them.
 */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdbool.h>

/*
 * Whether the processor says that it has RDSEED, or else RDRAND (CPUID).  Not
 * what /proc/cpuinfo says: Linux 6.18 hides an RDSEED there whose forms of 16
 * and 32 bits are broken, while that of 64 bits, which alone is used, is not.
 */
static inline bool
processor_has(bool rdseed)
{
#if defined(__x86_64__)
	unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;

	if (rdseed)
		return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
		    (ebx >> 18 & 1) != 0;
	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx >> 30 & 1) != 0;
#else
	(void)rdseed;
	return false;
#endif
}

#endif
