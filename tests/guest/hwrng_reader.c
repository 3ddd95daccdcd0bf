/*
 * hwrng_reader: in a guest, reads /dev/hwrng, 64 bytes at a time, until it is
 * stopped with SIGTERM, and then prints the result in one line:
 *
 *	reads N errors N repeats N longest N
 *
 * where repeats are blocks of 16 bytes that had been seen before, and longest
 * is the longest read, in milliseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK  16
#define LEN    64
#define BLOCKS ((size_t)3 << 20) /* kept; 48 MB */

static volatile sig_atomic_t stopped;

static void
stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, BLOCK);
}

static size_t
repeats(uint8_t (*blocks)[BLOCK], size_t n)
{
	size_t found = 0;

	qsort(blocks, n, BLOCK, compare);
	for (size_t i = 1; i < n; i++)
		found += memcmp(blocks[i - 1], blocks[i], BLOCK) == 0;
	return found;
}

int
main(void)
{
	static uint8_t blocks[BLOCKS][BLOCK];
	uint8_t bytes[LEN];
	struct sigaction sa = { .sa_handler = stop };
	uint64_t start, took, longest = 0;
	unsigned long reads = 0, errors = 0;
	size_t kept = 0;
	ssize_t n;
	int fd = open("/dev/hwrng", O_RDONLY);

	if (fd == -1 || sigaction(SIGTERM, &sa, NULL) == -1) {
		perror("hwrng_reader");
		return 1;
	}
	while (!stopped) {
		start = now_ms();
		n = read(fd, bytes, sizeof(bytes));
		if (n == -1 && errno == EINTR && stopped)
			break;
		took = now_ms() - start;
		longest = took > longest ? took : longest;
		reads++;
		errors += n <= 0;
		for (ssize_t i = 0; i + BLOCK <= n && kept < BLOCKS; i += BLOCK)
			memcpy(blocks[kept++], bytes + i, BLOCK);
	}
	printf("reads %lu errors %lu repeats %zu longest %llu\n", reads, errors,
	    repeats(blocks, kept), (unsigned long long)longest);
	return 0;
}
