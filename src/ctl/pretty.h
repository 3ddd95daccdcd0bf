/*
 * Indents JSON for people without parsing it into a tree: a status of 10,000
 * guests has a million values.
 */
#ifndef VRNGCTL_PRETTY_H
#define VRNGCTL_PRETTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether there is only printable ASCII in a text, as pretty_json() needs. */
bool pretty_can(const char *text, size_t size);

/*
 * Prints `size` bytes of JSON without white space indented, as json-c does.
 * Returns 0, or -1, after a part of it, if it is something else.
 */
int pretty_json(const char *text, size_t size, FILE *);

#endif
