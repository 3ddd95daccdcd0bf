/*
 * The protocol of ComScire's QNG generators: one-byte commands, over any port.
 *
 * A generator streams random bytes from its start to its stop, and answers
 * commands only while it is stopped.  Its status reports bad statistics; to
 * read it, the stream is stopped once per second, and bytes in transit are
 * discarded.
 */
#ifndef VRNGD_QNG_H
#define VRNGD_QNG_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QNG_SERIAL_SIZE 6    /* bytes */
#define QNG_READ_MAX	8192 /* bytes at once, as USB_BYTES_MAX */

/* The port and the clock.  Each function receives `arg`. */
struct qng_port {
	/* Sends one command within 100 ms.  Returns 0 or an errno. */
	int (*send)(void *arg, uint8_t command);
	/*
	 * Receives at most `size` bytes.  Returns their number; 0: none within
	 * 100 ms; -1: errno is set.
	 */
	ssize_t (*receive)(void *arg, uint8_t *buf, size_t size);
	/* Discards arrived bytes.  Returns 0 or an errno. */
	int (*purge)(void *arg);
	uint64_t (*now)(void *arg); /* ns */
	void (*pause)(void *arg, uint64_t ns);
};

struct qng {
	const struct qng_port *port;
	void *arg;
	uint8_t serial[QNG_SERIAL_SIZE]; /* marks the end of a stream */
	uint64_t checked;		 /* ns, time of its last status */
	bool unwell;			 /* the generator reports a fault */
};

/*
 * Starts the stream of a generator in any state.  Returns 0 or an errno:
 * ETIMEDOUT without an answer, EPROTO after an invalid answer, or an error of
 * the port.  Takes less than 10 seconds.
 */
int qng_start(struct qng *, const struct qng_port *, void *arg);

/*
 * Waits for bytes of the stream, and reads at most `size`.  Returns their
 * number; -1: errno is set, to ETIMEDOUT without bytes for 5 seconds, or to EIO
 * with `unwell` if its statistics are bad.  After an error the generator must
 * be started again.
 */
ssize_t qng_read(struct qng *, uint8_t *buf, size_t size);

/* Stops the stream, if possible. */
void qng_stop(struct qng *);

#endif
