#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "source.h"

#define READ_FAST (1 * NS_PER_MS)
#define READ_SLOW (20 * NS_PER_MS)

size_t
chunk_next(size_t chunk, uint64_t ns)
{
	if (ns < READ_FAST && chunk < CHUNK_MAX)
		return chunk * 2;
	if (ns > READ_SLOW && chunk > CHUNK_MIN)
		return chunk / 2;
	return chunk;
}

static int
source_wait_open(struct source *src)
{
	int fd;

	pthread_mutex_lock(&src->lock);
	while (src->fd == -1)
		pthread_cond_wait(&src->opened, &src->lock);
	fd = src->fd;
	pthread_mutex_unlock(&src->lock);
	return fd;
}

static void
source_close(struct source *src, int error)
{
	pthread_mutex_lock(&src->lock);
	close(src->fd);
	src->fd = -1;
	src->error = error;
	src->lost = true;
	pthread_mutex_unlock(&src->lock);
	stock_add(src->stock, 0);
}

/* read(2) that waits, also where the descriptor does not. */
static ssize_t
read_waiting(int fd, void *buf, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	while ((n = read(fd, buf, size)) == -1) {
		if (errno == EAGAIN)
			poll(&pfd, 1, -1);
		else if (errno != EINTR)
			break;
	}
	return n;
}

static void *
source_thread(void *arg)
{
	struct source *src = arg;
	uint64_t start;
	uint8_t *to;
	size_t chunk = CHUNK_MIN, size;
	ssize_t n;
	int fd;

	sem_post(&src->started);
	for (;;) {
		fd = source_wait_open(src);
		to = stock_reserve(src->stock, chunk, &size);
		start = clock_now();
		n = read_waiting(fd, to, size);
		if (n <= 0) {
			source_close(src, n == 0 ? 0 : errno);
			chunk = CHUNK_MIN;
			continue;
		}
		chunk = chunk_next(chunk, clock_now() - start);
		stock_add(src->stock, (size_t)n);
	}
	return NULL;
}

void
source_start(struct source *src, struct stock *stock)
{
	pthread_t thread;

	memset(src, 0, sizeof(*src));
	src->stock = stock;
	src->fd = -1;
	if (sem_init(&src->started, 0, 0) == -1 ||
	    (errno = pthread_mutex_init(&src->lock, NULL)) != 0 ||
	    (errno = pthread_cond_init(&src->opened, NULL)) != 0 ||
	    (errno = pthread_create(&thread, NULL, source_thread, src)) != 0 ||
	    (errno = pthread_detach(thread)) != 0)
		log_fatal("cannot start a reader: %s", strerror(errno));
	while (sem_wait(&src->started) == -1)
		continue;
}

void
source_open(struct source *src, int fd)
{
	pthread_mutex_lock(&src->lock);
	if (src->fd == -1) {
		src->fd = fd;
		fd = -1;
		pthread_cond_signal(&src->opened);
	}
	pthread_mutex_unlock(&src->lock);
	if (fd != -1)
		log_fatal("the parent gave a second source");
}

bool
source_take_lost(struct source *src, int *error)
{
	bool lost;

	pthread_mutex_lock(&src->lock);
	lost = src->lost;
	*error = src->error;
	src->lost = false;
	pthread_mutex_unlock(&src->lock);
	return lost;
}
