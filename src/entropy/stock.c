#include <sys/eventfd.h>
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "stock.h"

void
stock_init(struct stock *s, size_t capacity)
{
	memset(s, 0, sizeof(*s));
	s->capacity = capacity;
	s->bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->bytes == MAP_FAILED)
		log_fatal("cannot map the stock: %s", strerror(errno));
	if (madvise(s->bytes, capacity, MADV_DONTDUMP) == -1)
		log_fatal("cannot exclude the stock from core dumps: %s",
		    strerror(errno));
	if (mlock(s->bytes, capacity) == -1)
		log_warning("cannot lock the stock in memory (%s): it may be "
			    "swapped out; raise RLIMIT_MEMLOCK",
		    strerror(errno));
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd == -1)
		log_fatal("eventfd: %s", strerror(errno));
	if ((errno = pthread_mutex_init(&s->lock, NULL)) != 0 ||
	    (errno = pthread_cond_init(&s->room, NULL)) != 0)
		log_fatal("cannot make a lock: %s", strerror(errno));
}

uint8_t *
stock_reserve(struct stock *s, size_t want, size_t *n)
{
	size_t end;

	pthread_mutex_lock(&s->lock);
	while (s->capacity - s->held < want)
		pthread_cond_wait(&s->room, &s->lock);
	end = (s->start + s->held) % s->capacity;
	pthread_mutex_unlock(&s->lock);
	*n = s->capacity - end < want ? s->capacity - end : want;
	return s->bytes + end;
}

void
stock_add(struct stock *s, size_t n)
{
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	s->held += n;
	s->total += n;
	pthread_mutex_unlock(&s->lock);
	if (write(s->event_fd, &one, sizeof(one)) == -1 && errno != EAGAIN)
		log_fatal("cannot tell of new stock: %s", strerror(errno));
}

uint64_t
stock_total(struct stock *s)
{
	uint64_t total;

	pthread_mutex_lock(&s->lock);
	total = s->total;
	pthread_mutex_unlock(&s->lock);
	return total;
}

size_t
stock_peek(struct stock *s, size_t n, struct iovec iov[2])
{
	size_t first;

	pthread_mutex_lock(&s->lock);
	if (n > s->held)
		n = s->held;
	pthread_mutex_unlock(&s->lock);
	first = s->capacity - s->start < n ? s->capacity - s->start : n;
	iov[0] = (struct iovec){ s->bytes + s->start, first };
	iov[1] = (struct iovec){ s->bytes, n - first };
	return n;
}

void
stock_remove(struct stock *s, size_t n)
{
	struct iovec iov[2];

	stock_peek(s, n, iov);
	explicit_bzero(iov[0].iov_base, iov[0].iov_len);
	explicit_bzero(iov[1].iov_base, iov[1].iov_len);
	pthread_mutex_lock(&s->lock);
	s->start = (s->start + n) % s->capacity;
	s->held -= n;
	pthread_cond_signal(&s->room);
	pthread_mutex_unlock(&s->lock);
}
