/*
 * Whether standard error is the journal.  Used by vrngd and vrngctl.
 */
#ifndef VRNGD_JOURNAL_STREAM_H
#define VRNGD_JOURNAL_STREAM_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether standard error is the stream of $JOURNAL_STREAM (systemd.exec(5)). */
static inline bool
journal_stream_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	    st.st_ino == ino;
}

#endif
