/*
 * The control protocol, by which vrngctl requests changes of vrngd.  The status
 * has a protocol of its own, see src/status.
 *
 * The control socket is a unix socket of type SOCK_SEQPACKET.  A client sends
 * a request, one frame of exactly sizeof(struct control_request), and receives
 * one frame, a struct control_reply up to the end of its text; then it may send
 * another request.  Frames contain no pointers, strings are terminated, unused
 * bytes are 0.
 *
 * The version is the first field of both frames in all versions: a reader that
 * finds another version ignores the rest.
 */
#ifndef VRNGD_CONTROL_PROTO_H
#define VRNGD_CONTROL_PROTO_H

#include <sys/stat.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/proto.h"

#define CONTROL_VERSION 6
#define CONTROL_PATH	"/run/vrngd/control"

/* With the terminating NUL. */
#define CONTROL_SOCKET_SIZE 108 /* as in struct sockaddr_un */
#define CONTROL_PATH_SIZE   256
#define CONTROL_TEXT_SIZE   65536 /* of an answer */

enum control_command {
	CONTROL_RELOAD = 1,
	CONTROL_GUEST_ADD,    /* name, socket; class, pool or "" */
	CONTROL_GUEST_REMOVE, /* name */
	CONTROL_LOG_LEVEL,    /* log_level */
	/* name of a source; pool, or "" if the name is unique. */
	CONTROL_SOURCE_RETEST,
	/* name; class, pool or ""; passes a listening unix socket. */
	CONTROL_GUEST_ADOPT,
	/* The answer lists what a reload would change. */
	CONTROL_RELOAD_DRY_RUN,
	CONTROL_GUEST_RELEASE, /* name */
};

struct control_request {
	uint32_t version;   /* CONTROL_VERSION */
	uint32_t command;   /* enum control_command */
	uint32_t log_level; /* enum log_level */
	uint32_t directory; /* control_directory() of the socket; 0: unknown */
	char name[GUEST_NAME_SIZE];
	char class[GUEST_NAME_SIZE];
	char pool[GUEST_NAME_SIZE];
	char socket[CONTROL_SOCKET_SIZE]; /* absolute path */
};

struct control_reply {
	uint32_t version;	      /* CONTROL_VERSION */
	int32_t error;		      /* errno; 0: done */
	char text[CONTROL_TEXT_SIZE]; /* lines, each with its newline */
};

/*
 * A number that differs if two processes, in other mount namespaces, see
 * different directories of a socket's path.  0: there is none.
 */
static inline uint32_t
control_directory(const char *socket)
{
	const char *slash = strrchr(socket, '/');
	char directory[CONTROL_SOCKET_SIZE + 1];
	struct stat st;
	uint64_t sum;

	if (slash == NULL || slash - socket >= CONTROL_SOCKET_SIZE)
		return 0;
	memcpy(directory, socket, (size_t)(slash - socket));
	memcpy(directory + (slash - socket), "/", 2);
	if (stat(directory, &st) == -1)
		return 0;
	sum = ((uint64_t)st.st_dev * UINT64_C(0x9e3779b97f4a7c15)) ^
	    ((uint64_t)st.st_ino * UINT64_C(0xc2b2ae3d27d4eb4f));
	return (uint32_t)(sum >> 32) | 1;
}

/*
 * The path of the monitoring socket that goes with a control socket: the last
 * "control" in its name becomes "status"; without one, ".status" is appended.
 * A path that is too long is truncated to one that is too long for a socket.
 */
static inline void
control_status_path(const char *control, char *path, size_t size)
{
	const char *word = "control", *slash = strrchr(control, '/');
	const char *name = slash == NULL ? control : slash + 1, *at, *last;

	for (last = NULL; (at = strstr(name, word)) != NULL; name = at + 1)
		last = at;
	if (last == NULL)
		snprintf(path, size, "%s.status", control);
	else
		snprintf(path, size, "%.*sstatus%s", (int)(last - control),
		    control, last + strlen(word));
}

#endif
