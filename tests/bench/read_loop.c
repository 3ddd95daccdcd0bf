/*
 * read_loop: what reading a source plainly, and doing nothing else, comes to:
 * read_loop FILE BYTES MS prints mb_per_s and requests_per_s.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

int
main(int argc, char **argv)
{
	uint64_t start, now, end, bytes = 0, reads = 0;
	size_t len;
	uint8_t *buf;
	ssize_t n;
	int fd;

	if (argc != 4)
		errx(1, "usage: read_loop FILE BYTES MS");
	len = strtoul(argv[2], NULL, 10);
	if ((fd = open(argv[1], O_RDONLY)) == -1)
		err(1, "%s", argv[1]);
	if (len == 0 || (buf = calloc(1, len)) == NULL)
		errx(1, "%s bytes", argv[2]);
	start = now = clock_now();
	end = start + strtoul(argv[3], NULL, 10) * NS_PER_MS;
	while (now < end) {
		if ((n = read(fd, buf, len)) <= 0)
			err(1, "%s", argv[1]);
		bytes += (uint64_t)n;
		reads++;
		now = clock_now();
	}
	printf("requests_per_s %.0f\n",
	    (double)reads * 1e9 / (double)(now - start));
	printf("mb_per_s %.2f\n", (double)bytes * 1e3 / (double)(now - start));
	free(buf);
	close(fd);
	return 0;
}
