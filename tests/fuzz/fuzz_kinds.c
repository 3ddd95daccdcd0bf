/*
 * The sources that are read from a socket: the input is the kind, and the
 * packets that its peer sends, before it disconnects.
 */
#include <sys/socket.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "entropy/kind/kind.h"
#include "fuzz/fuzz.h"

#define READ_MAX  600 /* bytes */
#define READS_MAX 64

static const enum proto_source_kind kinds[] = { SOURCE_EGD, SOURCE_QNG,
	SOURCE_STREAM, SOURCE_STREAM, SOURCE_DEVICE };

/* Sends what is in the input, in packets.  Returns the number of bytes. */
static size_t
send_packets(struct input *in, int fd)
{
	static uint8_t bytes[sizeof(struct proto_usb_packet) + 64];
	size_t n, sum = 0;
	ssize_t sent;

	for (int i = 0; in->left > 0 && i < READS_MAX; i++) {
		n = input_u16(in) % sizeof(bytes);
		input_copy(in, bytes, n < in->left ? n : in->left);
		sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			sum += (size_t)sent;
	}
	return sum;
}

/* One read, of which an outcome of more bytes is a finding of ASan. */
static ssize_t
read_once(const struct source_kind *kind, struct device *d, size_t size)
{
	uint8_t *buf = malloc(size);
	ssize_t n;

	CHECK(buf != NULL);
	n = kind->read(d, buf, size);
	CHECK(n >= -1 && n <= (ssize_t)size);
	free(buf);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static void *states[sizeof(kinds) / sizeof(kinds[0])];
	struct input in = { bytes, len };
	uint8_t which = input_u8(&in) % (sizeof(kinds) / sizeof(kinds[0]));
	uint8_t size = input_u8(&in);
	const struct source_kind *kind = kind_find(kinds[which]);
	struct device d = { .spec.kind = kinds[which],
		.spec.datagrams = which == 3 };
	bool packets = kinds[which] == SOURCE_QNG || d.spec.datagrams;
	size_t sent, sum = 0;
	ssize_t n = 1;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	fuzz_quiet();
	CHECK(socketpair(AF_UNIX,
		  (packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0,
		  fds) == 0);
	d.fd = fds[0];
	d.state = states[which];
	if (kind->prepare != NULL && d.state == NULL)
		kind->prepare(&d);
	states[which] = d.state;
	CHECK(kind->open == NULL || kind->open(&d) == 0);
	sent = send_packets(&in, fds[1]);
	shutdown(fds[1], SHUT_WR);
	for (int i = 0; i < READS_MAX && n > 0; i++) {
		n = read_once(kind, &d, size * 7U % READ_MAX + 1);
		sum += n > 0 ? (size_t)n : 0;
	}
	CHECK(sum <= sent);
	if (kind->close != NULL)
		kind->close(&d);
	close(fds[0]);
	close(fds[1]);
	return 0;
}
