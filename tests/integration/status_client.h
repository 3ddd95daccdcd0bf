/*
 * Clients of the monitoring socket.
 */
#ifndef STATUS_CLIENT_H
#define STATUS_CLIENT_H

#include <json-c/json.h>
#include <stdbool.h>

#include "integration/suite.h"

#define STATUS_GET "{\"method\":\"io.vrngd.Status.Get\"}"

/* A connection to DIR/name, or -1 with errno. */
int status_join(struct suite *, const char *name, int type);

/*
 * The next reply of a connection, without its NUL, allocated; NULL if the
 * connection ended instead.
 */
char *status_reply(int fd);

/* The reply to a call on a connection of its own, likewise. */
char *status_call(struct suite *, const char *text);

/* Whether the reply to a call has a text in it. */
bool status_answers(struct suite *, const char *text, const char *part);

#endif
