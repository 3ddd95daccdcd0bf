/*
 * A source and its reader thread.  Used by entropy.c, which opens sources, and
 * by supply.c, which reads their stock.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "entropy/source.h"

#define READ_FAST (1 * NS_PER_MS)
#define READ_SLOW (20 * NS_PER_MS)
#define PIECE	  16384 /* bytes: about 40 us of the kernel's generator */
/* Bytes that a stalled source must deliver to count as healthy again. */
#define YIELD_MIN 512

size_t
chunk_next(size_t chunk, size_t max, uint64_t ns)
{
	if (ns < READ_FAST && chunk < max)
		return chunk * 2 < max ? chunk * 2 : max;
	if (ns > READ_SLOW && chunk > CHUNK_MIN)
		return chunk / 2;
	return chunk;
}

/* Wakes the main thread. */
static void
notify(const struct source *src)
{
	const uint64_t one = 1;

	if (write(src->event_fd, &one, sizeof(one)) == -1 && errno != EAGAIN)
		log_fatal("cannot notify the main thread: %s", strerror(errno));
}

static void
wait_open(struct source *src)
{
	pthread_mutex_lock(&src->lock);
	while (!src->open)
		pthread_cond_wait(&src->opened, &src->lock);
	src->dev.fd = src->fd;
	pthread_mutex_unlock(&src->lock);
}

static void
set_status(struct source *src, enum proto_source_status status)
{
	pthread_mutex_lock(&src->lock);
	src->state.status = status;
	pthread_mutex_unlock(&src->lock);
	notify(src);
}

/* Records a failure of a test other than those of the bytes; needs the lock. */
static void
fail_test(struct source *src, enum proto_test test)
{
	src->state.test = test;
	src->counters->health.alarms[test]++;
}

/*
 * Reads once, up to `size` bytes.  Returns their number, or -1 with the new
 * state of the source if it has ended.
 */
static ssize_t
read_once(struct source *src, uint8_t *to, size_t size, uint64_t *took,
    enum proto_source_status *status)
{
	uint64_t start = clock_now(), now;
	ssize_t n;
	bool drop;
	int error;

	pthread_mutex_lock(&src->lock);
	src->reading = start;
	pthread_mutex_unlock(&src->lock);
	n = src->kind->read(&src->dev, to, size);
	error = n == 0 ? 0 : errno;
	now = clock_now();
	*took = now - start;
	pthread_mutex_lock(&src->lock);
	src->reading = 0;
	if (n > 0) {
		meter_add(&src->counters->meter, now, (uint64_t)n);
	} else {
		*status = src->dev.unwell ? SOURCE_FAILED : SOURCE_LOST;
		src->state.error = error;
	}
	if (src->dev.unwell)
		fail_test(src, TEST_DEVICE);
	else if (src->condemned)
		*status = SOURCE_FAILED;
	drop = src->condemned || src->dev.unwell;
	pthread_mutex_unlock(&src->lock);
	if (drop && n > 0)
		explicit_bzero(to, (size_t)n);
	return drop || n <= 0 ? -1 : n;
}

/* Publishes the results of the tests. */
static void
count(struct source *src)
{
	const struct proto_health *counts = health_counts(src->health);
	struct proto_health *all = &src->counters->health;

	all->bytes = counts->bytes;
	for (size_t i = 0; i < TESTS; i++)
		if (i != TEST_DEVICE && i != TEST_COMBINED)
			all->alarms[i] = counts->alarms[i];
	all->fips_blocks = counts->fips_blocks;
	all->fips_failed = counts->fips_failed;
}

/*
 * Releases the bytes held back, unless another test has failed the source
 * meanwhile; `next` bytes are read next.
 */
static void
release(struct source *src, size_t next)
{
	bool condemned;

	pthread_mutex_lock(&src->lock);
	condemned = src->condemned;
	if (!condemned) {
		stock_release(&src->stock, next);
		src->state.status = SOURCE_OK;
	}
	pthread_mutex_unlock(&src->lock);
	if (condemned)
		stock_forget(&src->stock);
	notify(src);
}

/* Stops delivery until the source has passed its start-up tests. */
static void
doubt(struct source *src)
{
	bool changed;

	pthread_mutex_lock(&src->lock);
	changed = src->state.status == SOURCE_OK;
	pthread_mutex_unlock(&src->lock);
	if (changed)
		set_status(src, SOURCE_STARTING);
}

/* Holds back, releases or wipes bytes, by the verdict of the tests. */
static void
judge(struct source *src, enum health_verdict verdict, uint8_t *at, size_t n,
    size_t next)
{
	count(src);
	switch (verdict) {
	case HEALTH_STARTING:
		stock_keep(&src->stock, n);
		break;
	case HEALTH_OK:
		stock_keep(&src->stock, n);
		release(src, next);
		break;
	case HEALTH_DOUBTED:
		explicit_bzero(at, n);
		stock_forget(&src->stock);
		doubt(src);
		break;
	case HEALTH_FAILING:
	case HEALTH_FAILED:
	case HEALTH_LATCHED:
		explicit_bzero(at, n);
		stock_forget(&src->stock);
		pthread_mutex_lock(&src->lock);
		src->state.test = health_failure(src->health);
		pthread_mutex_unlock(&src->lock);
		set_status(src, SOURCE_FAILED);
	}
}

/*
 * Called before waiting for bytes: a stalled source whose stock has no room for
 * more bytes has delivered enough to recover.
 */
static void
settle(struct source *src, size_t chunk)
{
	bool full = !stock_has_room(&src->stock, chunk), changed;

	pthread_mutex_lock(&src->lock);
	changed = full && src->stalled;
	if (changed)
		src->stalled = false;
	pthread_mutex_unlock(&src->lock);
	if (changed)
		notify(src);
}

/* It has hung up while the stock has no room for its last bytes. */
static void
note_gone(struct source *src)
{
	pthread_mutex_lock(&src->lock);
	src->state.error = src->kind->gone;
	pthread_mutex_unlock(&src->lock);
}

/*
 * The size of the next read, if `chunk` bytes are allowed.  A stock that is
 * little used is refilled in small pieces: a fast source needs a processor, which
 * may be the one that a worker needs for its guest.
 */
static size_t
read_size(struct source *src, size_t chunk)
{
	if (chunk <= PIECE || stock_held(&src->stock) < src->stock.capacity / 2)
		return chunk;
	return PIECE;
}

/* Reads until the source ends or fails.  Returns its new state. */
static enum proto_source_status
read_on(struct source *src)
{
	enum proto_source_status status = SOURCE_LOST;
	enum health_verdict verdict;
	size_t chunk = CHUNK_MIN, max = src->stock.capacity / 2, want, size;
	uint64_t took;
	uint8_t *to;
	ssize_t n;

	if (max > CHUNK_MAX)
		max = CHUNK_MAX;
	for (;;) {
		want = read_size(src, chunk);
		settle(src, want);
		to = stock_reserve(&src->stock, want, &size);
		if (to == NULL) {
			note_gone(src);
			return SOURCE_LOST;
		}
		if ((n = read_once(src, to, size, &took, &status)) == -1)
			return status;
		chunk = chunk_next(chunk, max, took);
		verdict = health_feed(src->health, to, (size_t)n);
		judge(src, verdict, to, (size_t)n, read_size(src, chunk));
		if (verdict == HEALTH_FAILED)
			return SOURCE_FAILED;
		if (verdict == HEALTH_LATCHED)
			return SOURCE_LATCHED;
	}
}

/* Handles a source from open to close. */
static enum proto_source_status
serve(struct source *src)
{
	const struct source_kind *kind = src->kind;
	enum proto_source_status status = SOURCE_LOST;
	int error = 0;

	src->dev.unwell = false;
	health_restart(src->health);
	set_status(src, SOURCE_STARTING);
	pthread_mutex_lock(&src->lock);
	src->reading = clock_now();
	pthread_mutex_unlock(&src->lock);
	if (kind->open != NULL)
		error = kind->open(&src->dev);
	if (error == 0)
		status = read_on(src);
	if (kind->close != NULL)
		kind->close(&src->dev);
	stock_forget(&src->stock);
	if (src->dev.fd != -1)
		close(src->dev.fd);
	src->dev.fd = -1;
	if (error != 0) {
		pthread_mutex_lock(&src->lock);
		src->state.error = error;
		pthread_mutex_unlock(&src->lock);
	}
	return status;
}

static void *
source_thread(void *arg)
{
	struct source *src = arg;
	enum proto_source_status status;

	sem_post(&src->started);
	for (;;) {
		wait_open(src);
		status = serve(src);
		pthread_mutex_lock(&src->lock);
		src->reading = 0;
		src->open = src->condemned = false;
		src->state.status = status;
		src->state.closed = 1;
		pthread_mutex_unlock(&src->lock);
		notify(src);
	}
	return NULL;
}

void
source_start(struct source *src, const struct proto_source *spec,
    const struct source_kind *kind, struct counters_source *counters,
    size_t capacity, int event_fd)
{
	pthread_t thread;

	memset(src, 0, sizeof(*src));
	src->dev.spec = *spec;
	src->dev.fd = src->fd = -1;
	src->kind = kind;
	src->counters = counters;
	src->health = health_new(spec);
	src->event_fd = event_fd;
	src->state.number = spec->number;
	src->state.status = SOURCE_WAITING;
	src->state.closed = 1;
	stock_init(&src->stock, capacity);
	if (kind->prepare != NULL)
		kind->prepare(&src->dev);
	if (sem_init(&src->started, 0, 0) == -1 ||
	    (errno = pthread_mutex_init(&src->lock, NULL)) != 0 ||
	    (errno = pthread_cond_init(&src->opened, NULL)) != 0 ||
	    (errno = pthread_create(&thread, NULL, source_thread, src)) != 0 ||
	    (errno = pthread_detach(thread)) != 0)
		log_fatal("cannot start a reader thread: %s", strerror(errno));
	while (sem_wait(&src->started) == -1)
		continue;
}

/*
 * Remaining bytes may fill the stock while none are delivered: the oldest ones
 * are dropped to make room for the bytes of the start-up tests.
 */
static void
make_room(struct source *src)
{
	size_t held = stock_held(&src->stock), most = src->stock.capacity / 4;

	if (held > most)
		stock_remove(&src->stock, held - most);
}

int
source_open(struct source *src, int fd)
{
	bool open;

	pthread_mutex_lock(&src->lock);
	open = src->open;
	if (!open) {
		stock_begin(&src->stock);
		src->fd = fd;
		src->open = true;
		src->state.opened++;
		src->state.closed = 0;
		src->state.status = SOURCE_STARTING;
		pthread_cond_signal(&src->opened);
	}
	pthread_mutex_unlock(&src->lock);
	if (open)
		return -1;
	make_room(src);
	return 0;
}

void
source_hang_up(struct source *src, uint32_t opened)
{
	bool open;

	pthread_mutex_lock(&src->lock);
	open = src->open && src->state.opened == opened;
	pthread_mutex_unlock(&src->lock);
	if (open)
		stock_end(&src->stock);
}

/* Wipes the stock; called by the main thread. */
static void
discard(struct source *src)
{
	stock_remove(&src->stock, stock_held(&src->stock));
}

void
source_condemn(struct source *src, enum proto_test test)
{
	pthread_mutex_lock(&src->lock);
	if (src->open) {
		src->condemned = true;
		src->state.status = SOURCE_FAILED;
		fail_test(src, test);
	}
	pthread_mutex_unlock(&src->lock);
	discard(src);
}

/* Whether the reader is waiting for bytes; needs the lock. */
static bool
is_read(const struct source *src)
{
	return src->state.status == SOURCE_OK ||
	    src->state.status == SOURCE_STARTING;
}

/* Whether the timeout has expired; needs the lock. */
static bool
has_stalled(struct source *src, uint64_t now)
{
	uint64_t bytes = src->counters->meter.total;

	if (!is_read(src))
		return false;
	if (src->stalled)
		return bytes - src->yield < YIELD_MIN;
	src->yield = bytes;
	return src->reading != 0 && now > src->reading &&
	    now - src->reading >= src->dev.spec.timeout;
}

void
source_state(struct source *src, uint64_t now, struct proto_source_state *state)
{
	bool failed, stalled;

	pthread_mutex_lock(&src->lock);
	src->stalled = stalled = has_stalled(src, now);
	*state = src->state;
	pthread_mutex_unlock(&src->lock);
	failed =
	    state->status == SOURCE_FAILED || state->status == SOURCE_LATCHED;
	if (failed && stock_held(&src->stock) > 0)
		discard(src);
	if (stalled)
		state->status = SOURCE_STALLED;
}

uint64_t
source_deadline(struct source *src, uint64_t now)
{
	uint64_t from = now;
	bool waits;

	pthread_mutex_lock(&src->lock);
	if (src->reading != 0)
		from = src->reading;
	waits = src->open && is_read(src) && !src->stalled;
	pthread_mutex_unlock(&src->lock);
	if (!waits || stock_full(&src->stock))
		return UINT64_MAX;
	return from + src->dev.spec.timeout;
}
