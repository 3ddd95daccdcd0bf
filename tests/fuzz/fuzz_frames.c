/*
 * The validator of frames, and the two ways in which a frame arrives: the first
 * bytes are the roles of its ends and its number of descriptors.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "common/channel.h"
#include "fuzz/fuzz.h"

/* A valid frame is one of its type's size. */
static void
check_frame(const struct frame_header *hdr, size_t size, size_t nfds)
{
	struct frame f;

	CHECK(hdr->type > PROTO_NONE && hdr->type < PROTO_TYPES);
	CHECK(hdr->length == size && size <= offsetof(struct frame, fds));
	CHECK(nfds <= FRAME_FDS_MAX);
	frame_init(&f, (enum proto_type)hdr->type, 0, 0);
	CHECK(f.hdr.length == size);
}

/* From a child: any bytes, in packets as the pipe cuts them. */
static void
read_up(const uint8_t *bytes, size_t len, enum proto_role from)
{
	enum channel_result result;
	struct frame f;
	int fds[2];

	CHECK(channel_up_pair(fds) == 0);
	CHECK(write(fds[1], bytes, len) == (ssize_t)len);
	while ((result = channel_hear(fds[0], &f, from)) != CHANNEL_AGAIN) {
		CHECK(result != CHANNEL_CLOSED);
		if (result != CHANNEL_FRAME)
			continue;
		check_frame(&f.hdr, f.hdr.length, 0);
		CHECK(f.fds[0] == -1 && f.fds[1] == -1);
	}
	close(fds[0]);
	close(fds[1]);
}

/* From the parent, without descriptors. */
static void
receive(const uint8_t *bytes, size_t len, enum proto_role to)
{
	enum channel_result result;
	struct frame f;
	int fds[2];

	CHECK(channel_pair(fds) == 0);
	if (send(fds[0], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
		result = channel_recv(fds[1], &f, ROLE_PARENT, to);
		CHECK(result == CHANNEL_FRAME || result == CHANNEL_BROKEN);
		if (result == CHANNEL_FRAME)
			check_frame(&f.hdr, len, 0);
	}
	close(fds[0]);
	close(fds[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	enum proto_role from = (enum proto_role)(1 << (input_u8(&in) % 6));
	enum proto_role to = (enum proto_role)(1 << (input_u8(&in) % 6));
	size_t nfds = input_u8(&in);
	struct frame_header hdr;
	struct input head;

	if (in.left == 0 || in.left > 4096)
		return 0;
	head = in;
	input_copy(&head, &hdr, sizeof(hdr));
	CHECK(frame_name(hdr.type) != NULL);
	if (frame_valid(&hdr, in.left, nfds, from, to))
		check_frame(&hdr, in.left, nfds);
	if (from != ROLE_PARENT)
		read_up(in.at, in.left, from);
	if (to != ROLE_PARENT)
		receive(in.at, in.left, to);
	return 0;
}
