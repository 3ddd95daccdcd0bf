/*
 * The bytes of a USB device on their way to the entropy process: waiting for
 * room, and what ends that.
 */
#include "unit/unit.h"

#include <sys/socket.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "usb/serve.h"

#define HEADER_SIZE offsetof(struct proto_usb_packet, bytes)

/* A device, a channel and an entropy process: pairs of which one end is ours. */
struct pipes {
	int out[2], device[2], channel[2];
	struct proto_usb_packet packet;
	struct serve s;
};

static void
pipes_open(struct pipes *p)
{
	const int room = 2 * USB_BYTES_MAX;

	memset(p, 0, sizeof(*p));
	assert_int_equal(channel_pair(p->out), 0);
	setsockopt(p->out[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p->device), 0);
	assert_int_equal(channel_pair(p->channel), 0);
	p->s = (struct serve){ p->out[0], p->device[0], p->channel[1],
		&p->packet };
}

static void
end(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
pipes_close(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		end(&p->out[i]);
		end(&p->device[i]);
		end(&p->channel[i]);
	}
}

static int
send_bytes(struct pipes *p, size_t size)
{
	memset(p->packet.bytes, 0x5a, size);
	return serve_send(&p->s, size);
}

/* Sends until there is no room. */
static void
fill(struct pipes *p)
{
	while (
	    send(p->out[0], &p->packet, sizeof(p->packet), MSG_DONTWAIT) != -1)
		continue;
	assert_int_equal(errno, EAGAIN);
}

static void
test_packets(void **state)
{
	static const size_t sizes[] = { 0, 1, 62, 510, USB_BYTES_MAX };
	struct proto_usb_packet got;
	struct pipes p;

	(void)state;
	pipes_open(&p);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_int_equal(send_bytes(&p, sizes[i]), 0);
		assert_int_equal(read(p.out[1], &got, sizeof(got)),
		    HEADER_SIZE + sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++) {
			assert_int_equal(got.bytes[k], 0x5a);
			assert_int_equal(p.packet.bytes[k], 0);
		}
	}
	pipes_close(&p);
}

/* The last packet arrives, although the sender ends. */
static void
test_error(void **state)
{
	struct proto_usb_packet got;
	struct pipes p;

	(void)state;
	pipes_open(&p);
	p.packet.error = ETIMEDOUT;
	p.packet.unwell = 1;
	assert_int_equal(serve_send(&p.s, 0), 0);
	end(&p.out[0]);
	assert_int_equal(read(p.out[1], &got, sizeof(got)), HEADER_SIZE);
	assert_int_equal(got.error, ETIMEDOUT);
	assert_int_equal(got.unwell, 1);
	assert_int_equal(read(p.out[1], &got, sizeof(got)), 0);
	pipes_close(&p);
}

static void *
read_later(void *arg)
{
	struct pipes *p = arg;
	struct proto_usb_packet got;

	usleep(50000);
	for (int i = 0; i < 2; i++)
		if (read(p->out[1], &got, sizeof(got)) <= 0)
			abort();
	return NULL;
}

static void
test_room(void **state)
{
	struct pipes p;
	pthread_t thread;

	(void)state;
	pipes_open(&p);
	fill(&p);
	assert_int_equal(pthread_create(&thread, NULL, read_later, &p), 0);
	assert_int_equal(send_bytes(&p, 100), 0);
	pthread_join(thread, NULL);
	pipes_close(&p);
}

/* While there is no room: the device, the parent, the entropy process end. */
static void
test_ends(void **state)
{
	struct pipes p;

	(void)state;
	pipes_open(&p);
	fill(&p);
	end(&p.device[1]);
	assert_int_equal(send_bytes(&p, 100), ENODEV);
	end(&p.channel[0]);
	assert_int_equal(send_bytes(&p, 100), EPIPE);
	pipes_close(&p);

	pipes_open(&p);
	fill(&p);
	end(&p.out[1]);
	assert_int_equal(send_bytes(&p, 100), EPIPE);
	pipes_close(&p);

	pipes_open(&p);
	end(&p.out[1]);
	assert_int_equal(send_bytes(&p, 100), EPIPE);
	pipes_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_ends),
	};

	return UNIT_MAIN("serve", tests);
}
