/*
 * The terminal as a screen: the alternate page, with keys and signals as
 * events.
 */
#ifndef VRNGCTL_TERM_H
#define VRNGCTL_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "ctl/connect.h"

#define TERM_TIME   (-1) /* timeout */
#define TERM_REDRAW (-2) /* resized, or continued after a stop */
#define TERM_END    (-3) /* no more input */

struct term {
	struct termios saved;
	int signals; /* signalfd(2) */
};

/* Whether standard input and output are a terminal with these functions. */
bool term_usable(void);

/* Columns and lines of standard output; 80 and 24 if unknown. */
void term_size(size_t *columns, size_t *lines);

/*
 * Opens the screen; from now on signals that end or stop the process are
 * blocked and watched.  Returns 0, or -1 with the reason.
 */
int term_open(struct term *, struct failure *);

/* Restores the terminal. */
void term_close(struct term *);

/*
 * Waits for at most `ns`.  Returns a typed byte, or one of the values above.
 * On a signal that ends the process, restores the terminal and exits.
 */
int term_wait(struct term *, uint64_t ns);

/*
 * Shows text: its first line, and as many others, from line `*from` on, as fit.
 * Lowers `*from` if it is too large.  Highlights a line that begins with an
 * exclamation mark, and draws sparklines (table.h).
 */
void term_show(const char *text, size_t *from);

#endif
