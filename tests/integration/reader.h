/*
 * Three guests that read all the time, each in a thread of its own: over
 * vhost-user, over EGD at a unix socket, and over EGD by TCP.
 */
#ifndef READER_H
#define READER_H

#include <pthread.h>
#include <stdatomic.h>

#include "integration/peer.h"

#define READERS	  3
#define READ_SIZE 4080 /* bytes: windows last for some reads only */

struct reader {
	struct suite *s;
	const char *name;
	bool (*connect)(struct reader *);
	bool (*read)(struct reader *);
	struct place place; /* of a service; where it is configured */
	int fd;
	struct fe fe;
	pthread_t thread;
	atomic_bool stop;
	atomic_bool failed;
	_Atomic uint64_t slowest; /* ms, of a read */
	_Atomic uint64_t reads;
};

/*
 * Says where they are: the first is guest "good", the others have the text of
 * their places, for the configuration.
 */
void readers_place(struct suite *, struct reader[READERS]);

/* Connects them, and lets them read. */
void readers_start(struct reader[READERS]);

/*
 * Ends them.  Returns whether no read has failed or taken longer than so many
 * ms.
 */
bool readers_end(struct reader[READERS], uint64_t ms);

#endif
