/*
 * The terminal as a screen: its own page, which goes without a trace, keys
 * and signals as events.
 */
#ifndef VRNGCTL_TERM_H
#define VRNGCTL_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "ctl/connect.h"

#define TERM_TIME   (-1) /* nothing came */
#define TERM_REDRAW (-2) /* another size, or back from having been stopped */

struct term {
	struct termios saved;
	int signals; /* signalfd(2) */
};

/* Whether standard input and output are a terminal that can do this. */
bool term_usable(void);

/* Columns and lines of standard output, 80 and 24 if it does not tell. */
void term_size(size_t *columns, size_t *lines);

/*
 * Takes the terminal over; signals that end or stop the process are blocked
 * and watched from now on.  Returns 0, or -1 with the reason.
 */
int term_open(struct term *, struct failure *);

/* Gives the terminal back as it was. */
void term_close(struct term *);

/*
 * Waits for at most `ns`.  Returns a byte that was typed, 'q' for the end of
 * input, or one of the above.  A signal that ends the process does so here,
 * after the terminal has been given back.
 */
int term_wait(struct term *, uint64_t ns);

/*
 * Shows text: its first line, and of the others those from number `*from` on
 * that there is room for.  `*from` is made smaller if it is too large.  A line
 * that begins with an exclamation mark stands out.
 */
void term_show(const char *text, size_t *from);

#endif
