/*
 * Guests that read all the time (reader.h).  Used by tests that disturb them.
 */
#include <poll.h>
#include <unistd.h>

#include "integration/reader.h"

#define PAUSE_US 5000 /* from one request to the next */

static bool
guest_connect(struct reader *r)
{
	fe_init(&r->fe);
	return fe_up(&r->fe, daemon_path(&r->s->d, "good.sock"), 64,
		   QEMU_FEATURES, QEMU_PFEATURES) == 0;
}

static bool
guest_read(struct reader *r)
{
	return fe_read(&r->fe, NULL, READ_SIZE, FE_TIMEOUT_MS) == READ_SIZE;
}

static bool
client_connect(struct reader *r)
{
	r->fd = place_connect(&r->place);
	return r->fd != -1;
}

static bool
client_read(struct reader *r)
{
	uint8_t ask[READ_SIZE / 255 * 2], bytes[READ_SIZE];
	size_t had = 0;
	ssize_t n;

	for (size_t i = 0; i < sizeof(ask); i += 2) {
		ask[i] = 2;
		ask[i + 1] = 255;
	}
	if (send(r->fd, ask, sizeof(ask), MSG_NOSIGNAL) != sizeof(ask))
		return false;
	while (had < sizeof(bytes)) {
		struct pollfd pfd = { r->fd, POLLIN, 0 };

		if (poll(&pfd, 1, FE_TIMEOUT_MS) != 1 ||
		    (n = recv(r->fd, bytes, sizeof(bytes) - had, 0)) <= 0)
			return false;
		had += (size_t)n;
	}
	return true;
}

static void *
read_on(void *arg)
{
	struct reader *r = arg;
	uint64_t start, took;

	while (!r->stop) {
		start = fe_now();
		if (!r->read(r)) {
			r->failed = true;
			break;
		}
		took = fe_now() - start;
		if (took > r->slowest)
			r->slowest = took;
		r->reads++;
		usleep(PAUSE_US);
	}
	return NULL;
}

void
readers_place(struct suite *s, struct reader r[READERS])
{
	r[0] = (struct reader){ .s = s,
		.name = "vhost-user",
		.fd = -1,
		.connect = guest_connect,
		.read = guest_read };
	r[1] = (struct reader){ .s = s,
		.name = "EGD, unix",
		.connect = client_connect,
		.read = client_read };
	r[2] = (struct reader){ .s = s,
		.name = "EGD, TCP",
		.connect = client_connect,
		.read = client_read };
	place_unix(s, &r[1].place, "egd.sock");
	place_inet(&r[2].place, SOCK_STREAM, true);
	place_leave(&r[2].place);
}

void
readers_start(struct reader r[READERS])
{
	for (size_t i = 0; i < READERS; i++) {
		assert_true(r[i].connect(&r[i]));
		assert_true(r[i].read(&r[i]));
	}
	for (size_t i = 0; i < READERS; i++)
		CHECK(pthread_create(&r[i].thread, NULL, read_on, &r[i]));
}

bool
readers_end(struct reader r[READERS], uint64_t ms)
{
	bool good = true;

	for (size_t i = 0; i < READERS; i++) {
		r[i].stop = true;
		CHECK(pthread_join(r[i].thread, NULL));
		print_message("# %s: %ju reads, the slowest in %ju ms\n",
		    r[i].name, (uintmax_t)r[i].reads, (uintmax_t)r[i].slowest);
		good = good && !r[i].failed && r[i].slowest <= ms;
		if (r[i].fd == -1)
			fe_close(&r[i].fe);
		else
			close(r[i].fd);
	}
	return good;
}
