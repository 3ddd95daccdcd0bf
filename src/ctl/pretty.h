/*
 * Indents JSON for people without parsing it into a tree: a status of 10,000
 * guests has a million values.
 */
#ifndef VRNGCTL_PRETTY_H
#define VRNGCTL_PRETTY_H

#include <stddef.h>

/*
 * Indents `size` bytes of JSON without white space, as json-c does.  Returns
 * the text, which the caller frees, and its length; or NULL if there are other
 * than printable ASCII characters in it, or its brackets and strings do not
 * end.
 */
char *pretty_json(const char *text, size_t size, size_t *len);

#endif
