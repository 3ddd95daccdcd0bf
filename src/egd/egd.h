/*
 * The EGD protocol: what a client says, taken apart byte by byte, and how it
 * is answered.  Numbers are big-endian.
 *
 *	00		u32: the bits that are available now
 *	01 N		M, and M bytes, at most N: what there is at once
 *	02 N		N bytes, whenever there are so many
 *	03 u16 L data	nothing; L bytes of data, said to hold so many bits
 *	04		u8 length, and the process id in digits
 */
#ifndef VRNGD_EGD_H
#define VRNGD_EGD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EGD_REQUEST_MAX 255 /* bytes requested by one command */
#define EGD_ANSWER_MAX	256 /* bytes of an answer to 01 */
#define EGD_BRIEF_MAX	12  /* bytes of any other answer, and a NUL */

enum egd_command {
	EGD_AVAILABLE = 0,
	EGD_NOW = 1,
	EGD_WAIT = 2,
	EGD_WRITE = 3,
	EGD_PID = 4,
};

/* A partial command; zeroed between two commands. */
struct egd {
	uint8_t head[4]; /* the command without data */
	uint8_t nhead;	 /* received bytes of it */
	uint8_t data;	 /* missing bytes of EGD_WRITE */
};

enum egd_result {
	EGD_MORE,    /* all input was parsed, the command is incomplete */
	EGD_COMMAND, /* a command is complete */
	EGD_DATA,    /* a part of the data of EGD_WRITE, more follows */
	EGD_UNKNOWN, /* invalid command: the rest cannot be parsed */
};

/* A parsed command. */
struct egd_parsed {
	uint8_t command;     /* enum egd_command, or an invalid one */
	uint8_t wanted;	     /* bytes, of EGD_NOW and EGD_WAIT */
	uint8_t size;	     /* bytes of data here, of EGD_WRITE */
	const uint8_t *data; /* in what was given to egd_parse() */
};

/*@
 @ logic integer egd_head(integer command) =
 @   command == EGD_AVAILABLE || command == EGD_PID ? 1 :
 @   command == EGD_NOW || command == EGD_WAIT ? 2 :
 @   command == EGD_WRITE ? 4 : 0;
 @
 @ predicate egd_is_valid(struct egd *e) =
 @   e->nhead == 0 ? e->data == 0 :
 @   e->nhead == egd_head(e->head[0]) ?
 @     e->head[0] == EGD_WRITE && 0 < e->data <= e->head[3] :
 @   e->nhead < egd_head(e->head[0]) && e->data == 0;
 @*/

/* Whether egd_parse() could have left it so, which it relies on. */
/*@
 @ requires \valid_read(e);
 @ assigns \nothing;
 @ ensures \result <==> egd_is_valid(e);
 @*/
bool egd_valid(const struct egd *e);

/*
 * Parses `len` bytes of a client, up to the end of a command or of what there
 * is of its data.  `*used` is how many that were; the rest is for the next
 * call.  Of EGD_UNKNOWN only said->command is set.
 */
/*@
 @ requires \valid(e) && \valid(used) && \valid(said);
 @ requires \valid_read(bytes + (0 .. len - 1));
 @ requires \separated(e, used, said, bytes + (0 .. len - 1));
 @ requires egd_is_valid(e);
 @ assigns *e, *used, *said;
 @ ensures egd_is_valid(e);
 @ ensures *used <= len;
 @ ensures \result == EGD_MORE ==> *used == len;
 @ ensures \result != EGD_MORE ==> *used > 0;
 @ ensures said->size > 0 ==> said->data == bytes + (*used - said->size);
 @ ensures said->size <= *used;
 @ ensures \result == EGD_COMMAND ==> said->command <= EGD_PID;
 @ ensures \result == EGD_DATA ==>
 @   said->command == EGD_WRITE && said->size > 0;
 @*/
enum egd_result egd_parse(struct egd *e, const uint8_t *bytes, size_t len,
    size_t *used, struct egd_parsed *said);

/*
 * Formats the answer to EGD_AVAILABLE, for a number of bytes; or to EGD_PID.
 * Returns its length, at most EGD_BRIEF_MAX.
 */
/*@
 @ requires \valid(answer + (0 .. 3));
 @ assigns answer[0 .. 3];
 @ ensures \result == 4;
 @*/
size_t egd_format_available(uint8_t *answer, uint64_t bytes);
size_t egd_format_pid(uint8_t *answer, pid_t pid);

#endif
