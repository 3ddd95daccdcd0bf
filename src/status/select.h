/*
 * Selects parts of a status, or events, as the parameters of a call name them,
 * without copying: the text is JSON that the parent wrote, without white space.
 * Pure.
 */
#ifndef VRNGD_SELECT_H
#define VRNGD_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/proto.h"

/* Parts of one status: a guest and a service are in at most three pools. */
#define SELECT_PARTS_MAX 64

/* Names to select by; "": any. */
struct select {
	char guest[GUEST_NAME_SIZE];
	char service[GUEST_NAME_SIZE + sizeof("stream:")]; /* or "KIND:NAME" */
	char pool[GUEST_NAME_SIZE];
};

struct part {
	const char *text; /* not terminated */
	size_t size;
};

/* The selected text, in order. */
struct parts {
	struct part part[SELECT_PARTS_MAX];
	size_t n;
};

/* The result of a selection. */
enum selected {
	SELECT_FOUND,
	SELECT_NO_GUEST,
	SELECT_NO_SERVICE,
	SELECT_NO_POOL,
};

/* The values of an array. */
struct select_array {
	const char *at, *end;
};

/* Whether it names anything. */
bool select_any(const struct select *);

/* Selects from a status of `size` bytes, which the parts refer to. */
enum selected select_status(const struct select *, const char *text,
    size_t size, struct parts *);

/* Starts at the first value of an array of `size` bytes. */
struct select_array select_array(const char *text, size_t size);

/* Sets `*value` to the next value.  Returns false at the end. */
bool select_next(struct select_array *, struct part *value);

/* Whether an event is of the guest or the service, and of the pool. */
bool select_event(const struct select *, struct part event);

#endif
