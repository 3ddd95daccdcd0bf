/*
 * How far a connection has come, by the kernel's own counts, which outlive a
 * worker: how many bytes were ever received from it, and sent to it.
 */
#ifndef VRNGD_POSITION_H
#define VRNGD_POSITION_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Bytes modulo 2^32, from anywhere.  Of a unix socket the kernel does not know
 * what was sent.
 */
struct position {
	uint32_t received;
	uint32_t sent;
	bool sent_known;
};

#define POSITION_RENEW (1U << 30) /* bytes received of a unix socket */

/*
 * Begins to count what is received of a unix socket, from 0.  To be repeated
 * before more than POSITION_RENEW + 2^20 bytes.
 */
void position_begin(int fd);

/*
 * Reads the position of a TCP connection (`inet`), or of a unix socket after
 * position_begin().  Returns false if it cannot be known.
 */
bool position_read(int fd, bool inet, struct position *);

#endif
