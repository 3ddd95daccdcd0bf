/*
 * Deposits, into which a compromised worker may have put anything: the input is
 * a script of messages and of reading them.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "common/deposit.h"
#include "common/fd_passing.h"
#include "fuzz/fuzz.h"

#define STEPS_MAX 64

/* A message with any number of bytes and of descriptors. */
static void
put(struct input *in, int deposit)
{
	struct deposit_parts parts = { .n = input_u8(in) %
		    (DEPOSIT_PARTS_MAX + 1) };
	uint8_t bytes[DEPOSIT_PARTS_MAX * 4 + 16];
	struct iovec iov = { bytes, input_u16(in) % (sizeof(bytes) + 1) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_passing place;

	input_copy(in, bytes, sizeof(bytes) < in->left ? 8 : in->left);
	for (size_t i = 0; i < parts.n; i++)
		parts.fds[i] = deposit;
	fd_passing_put(&msg, &place, parts.fds, parts.n);
	if (sendmsg(deposit, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		return;
}

static void
read_one(int deposit, int (*reading)(int, struct deposit_parts *))
{
	struct deposit_parts parts;
	int r = reading(deposit, &parts);

	CHECK(r >= -1 && r <= 1);
	CHECK(parts.n <= DEPOSIT_PARTS_MAX);
	CHECK(r == 1 || parts.n == 0);
	for (size_t i = 0; i < parts.n; i++)
		CHECK(fcntl(parts.fds[i], F_GETFD) == FD_CLOEXEC);
	deposit_close(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	int deposit = deposit_make();

	CHECK(deposit != -1);
	for (int i = 0; in.left > 0 && i < STEPS_MAX; i++)
		switch (input_u8(&in) % 5) {
		case 0:
			put(&in, deposit);
			break;
		case 1:
			read_one(deposit, deposit_peek);
			break;
		case 2:
			read_one(deposit, deposit_take);
			break;
		case 3:
			CHECK(deposit_rewind(deposit) == 0);
			break;
		case 4:
			deposit_drop(deposit);
			break;
		}
	/* What refers to itself goes away with its last message. */
	while (deposit_drop(deposit) == 0)
		;
	close(deposit);
	return 0;
}
