/*
 * The position of a connection, from counts of the kernel, which outlive a
 * worker: the total numbers of bytes received from it and sent to it.
 */
#ifndef VRNGD_POSITION_H
#define VRNGD_POSITION_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Bytes modulo 2^32, from any start.  For a unix socket the number of sent
 * bytes is unknown.
 */
struct position {
	uint32_t received;
	uint32_t sent;
	bool sent_known;
};

#define POSITION_RENEW (1U << 30) /* bytes received from a unix socket */

/*
 * Starts counting bytes received from a unix socket at 0.  Call it again before
 * POSITION_RENEW + 2^20 bytes.
 */
void position_begin(int fd);

/*
 * Reads the position of a TCP connection (`inet`), or of a unix socket after
 * position_begin().  Returns false if it is unknown.
 */
bool position_read(int fd, bool inet, struct position *);

#endif
