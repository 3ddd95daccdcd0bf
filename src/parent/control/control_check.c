/*
 * Checks requests on the control socket and their senders.  Used by control.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "parent/control/control_check.h"
#include "common/log.h"
#include "common/names.h"

static bool
is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool
is_socket_path(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			return false;
	return text[0] == '/';
}

static const char *
check_strings(const struct control_request *req)
{
	if (!is_terminated(req->name, sizeof(req->name)) ||
	    !is_terminated(req->class, sizeof(req->class)) ||
	    !is_terminated(req->pool, sizeof(req->pool)) ||
	    !is_terminated(req->socket, sizeof(req->socket)))
		return "unterminated string in the request";
	if (!names_valid(req->name) || !names_valid(req->class) ||
	    !names_valid(req->pool))
		return "names may contain only letters, digits, '.', '_' and '-'";
	return NULL;
}

static const char *
check_arguments(const struct control_request *req)
{
	switch (req->command) {
	case CONTROL_RELOAD:
	case CONTROL_RELOAD_DRY_RUN:
		return NULL;
	case CONTROL_GUEST_ADD:
		if (!is_socket_path(req->socket))
			return "socket of the guest must be an absolute path "
			       "without control characters";
		__attribute__((fallthrough));
	case CONTROL_GUEST_ADOPT:
	case CONTROL_GUEST_REMOVE:
	case CONTROL_GUEST_RELEASE:
		return req->name[0] == '\0' ? "missing name of the guest"
					    : NULL;
	case CONTROL_SOURCE_RETEST:
		return req->name[0] == '\0' ? "missing name of the source"
					    : NULL;
	case CONTROL_LOG_LEVEL:
		return req->log_level > LOG_LEVEL_DEBUG ? "unknown log level"
							: NULL;
	}
	return "unknown command";
}

int
control_check(const struct control_request *req, size_t size, const char **why)
{
	if (size >= sizeof(req->version) && req->version != CONTROL_VERSION) {
		*why = "unsupported protocol version";
		return EPROTONOSUPPORT;
	}
	if (size != sizeof(*req)) {
		*why = "wrong size of the request";
		return EBADMSG;
	}
	if ((*why = check_strings(req)) != NULL)
		return EBADMSG;
	if ((*why = check_arguments(req)) != NULL)
		return EINVAL;
	return 0;
}

bool
control_allowed(const struct ucred *cred)
{
	return cred->uid == 0 || cred->uid == geteuid();
}
