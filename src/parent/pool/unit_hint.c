/*
 * Explains errors caused by restrictions of the systemd unit.  Used where a
 * source or a socket cannot be opened.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "parent/pool/unit_hint.h"

static bool
is_unit(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

const char *
unit_hint_device(const char *path, int error)
{
	if (!is_unit() || strncmp(path, "/dev/", strlen("/dev/")) != 0)
		return "";
	switch (error) {
	case EACCES: /* of another user */
		return " (check that the unit allows it: files.conf of the "
		       "examples)";
	case EPERM: /* the device policy */
		return " (check that the unit allows it: devices.conf of the "
		       "examples)";
	default:
		return "";
	}
}

const char *
unit_hint_network(int error)
{
	if (!is_unit())
		return "";
	switch (error) {
	case EACCES:
	case EAFNOSUPPORT:
	case ENETUNREACH:
	case EPERM:
		return " (check that the unit allows it: network.conf of the "
		       "examples)";
	default:
		return "";
	}
}
