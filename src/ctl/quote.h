/*
 * Text that is to be pasted, so that what reads it takes it as it was.
 */
#ifndef VRNGCTL_QUOTE_H
#define VRNGCTL_QUOTE_H

#include <stdbool.h>
#include <stdio.h>

/* Whether it can be pasted at all: it has no control characters. */
bool quote_possible(const char *text);

/* The value of an option of QEMU: commas are doubled. */
void quote_option(FILE *, const char *value);

/* A word for the shell, in quotes if it needs them. */
void quote_word(FILE *, const char *word);

/* Text of an attribute in single quotes (XML 1.0, 2.3 and 2.4). */
void quote_attribute(FILE *, const char *text);

#endif
