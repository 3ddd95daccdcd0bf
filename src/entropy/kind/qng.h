/*
 * What ComScire's QNG generators want to hear and have to say: one-byte
 * commands, whatever carries them.
 *
 * A generator streams random bytes from its start to its stop, and answers
 * questions only while it is stopped.  It calls its own statistics bad in its
 * status, for which the stream is stopped once a second; what was on its way
 * is thrown away then.
 */
#ifndef VRNGD_QNG_H
#define VRNGD_QNG_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QNG_SERIAL_SIZE 6    /* bytes */
#define QNG_READ_MAX	8192 /* bytes at once */

/* What carries the bytes, and tells the time.  Each gets `arg`. */
struct qng_port {
	/* Sends one command within 100 ms.  Returns 0 or an errno. */
	int (*send)(void *arg, uint8_t command);
	/*
	 * Receives at most `size` bytes.  Returns how many; 0: none came within
	 * 100 ms; -1: errno says why.
	 */
	ssize_t (*receive)(void *arg, uint8_t *buf, size_t size);
	/* Throws away what has come and was not received.  0 or an errno. */
	int (*purge)(void *arg);
	uint64_t (*now)(void *arg); /* ns */
	void (*pause)(void *arg, uint64_t ns);
};

struct qng {
	const struct qng_port *port;
	void *arg;
	uint8_t serial[QNG_SERIAL_SIZE]; /* marks the end of a stream */
	uint64_t checked;		 /* when its status was, ns */
	bool unwell;			 /* it says so itself */
};

/*
 * Makes a generator stream, whatever it was doing.  Returns 0 or an errno:
 * ETIMEDOUT if it does not answer, EPROTO if it does not answer as it should,
 * or what the port says.  Takes less than 10 seconds.
 */
int qng_start(struct qng *, const struct qng_port *, void *arg);

/*
 * Waits for bytes of the stream and returns how many of the at most `size`
 * were read; -1: errno says why.  A generator from which nothing comes for 5
 * seconds is ETIMEDOUT; EIO with `unwell` set: its statistics are bad.  After
 * an error it has to be started again.
 */
ssize_t qng_read(struct qng *, uint8_t *buf, size_t size);

/* Ends the stream, as far as that can be done. */
void qng_stop(struct qng *);

#endif
