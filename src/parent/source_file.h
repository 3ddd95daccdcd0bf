/*
 * Source files: what may be a source, and how it is opened.
 */
#ifndef VRNGD_SOURCE_FILE_H
#define VRNGD_SOURCE_FILE_H

/*
 * Opens a character device or FIFO for reading; the descriptor blocks.
 * Returns it, or -1 and in `*why` the reason, for a message.
 */
int source_file_open(const char *path, const char **why);

#endif
