/*
 * Parses EGD commands and formats answers; pure.  Used by client.c and saved.c.
 */
#include <stdio.h>
#include <string.h>

#include "egd/egd.h"

/* The length of a command without data, by its first byte; 0: unknown. */
/*@
 @ assigns \nothing;
 @ ensures \result == egd_head(command);
 @*/
static uint8_t
head_size(uint8_t command)
{
	static const uint8_t sizes[] = {
		[EGD_AVAILABLE] = 1,
		[EGD_NOW] = 2,
		[EGD_WAIT] = 2,
		[EGD_WRITE] = 4,
		[EGD_PID] = 1,
	};

	return command < sizeof(sizes) ? sizes[command] : 0;
}

bool
egd_valid(const struct egd *e)
{
	uint8_t size = head_size(e->head[0]);

	if (e->nhead == 0)
		return e->data == 0;
	if (e->nhead == size)
		return e->head[0] == EGD_WRITE && e->data > 0 &&
		    e->data <= e->head[3];
	return e->nhead < size && e->data == 0;
}

/* Parses available data of EGD_WRITE. */
/*@
 @ requires \valid(e) && \valid(used) && \valid(said);
 @ requires \separated(e, used, said);
 @ requires *used + len <= SIZE_MAX;
 @ requires e->head[0] == EGD_WRITE && e->nhead == 4;
 @ requires e->data <= e->head[3];
 @ assigns *used, e->data, e->nhead, said->data, said->size;
 @ ensures egd_is_valid(e);
 @ ensures said->data == bytes;
 @ ensures said->size == \min(len, \old(e->data));
 @ ensures *used == \old(*used) + said->size;
 @ ensures e->data == \old(e->data) - said->size;
 @ ensures \result == EGD_DATA ==> said->size > 0;
 @ ensures \result == EGD_MORE ==> said->size == 0 && len == 0;
 @ ensures \result == EGD_COMMAND ==>
 @   \old(e->data) == 0 || said->size > 0;
 @ ensures \result <= EGD_DATA;
 @*/
static enum egd_result
parse_data(struct egd *e, const uint8_t *bytes, size_t len, size_t *used,
    struct egd_parsed *said)
{
	uint8_t n = len < e->data ? (uint8_t)len : e->data;

	said->data = bytes;
	said->size = n;
	*used += n;
	e->data -= n;
	if (e->data > 0)
		return n > 0 ? EGD_DATA : EGD_MORE;
	e->nhead = 0;
	return EGD_COMMAND;
}

/* Parses up to the end of a command without its data. */
/*@
 @ requires \valid(e) && \valid(used) && \valid_read(bytes + (0 .. len - 1));
 @ requires \separated(e, used, bytes + (0 .. len - 1));
 @ requires *used == 0;
 @ requires e->nhead == 0 || e->nhead < egd_head(e->head[0]);
 @ assigns e->head[0 .. 3], e->nhead, *used;
 @ ensures *used <= len;
 @ ensures \result == EGD_MORE ==> *used == len &&
 @   (e->nhead == 0 || e->nhead < egd_head(e->head[0]));
 @ ensures \result == EGD_COMMAND ==> *used > 0 && e->nhead > 0 &&
 @   e->nhead == egd_head(e->head[0]);
 @ ensures \result == EGD_UNKNOWN ==> *used > 0 && e->nhead == 0 &&
 @   egd_head(e->head[0]) == 0;
 @ ensures \result != EGD_DATA && \result <= EGD_UNKNOWN;
 @*/
static enum egd_result
parse_head(struct egd *e, const uint8_t *bytes, size_t len, size_t *used)
{
	uint8_t size;

	/*@
	 @ loop invariant *used <= len;
	 @ loop invariant e->nhead == 0 || e->nhead < egd_head(e->head[0]);
	 @ loop assigns e->head[0 .. 3], e->nhead, *used, size;
	 @ loop variant len - *used;
	 @*/
	while (*used < len) {
		e->head[e->nhead++] = bytes[(*used)++];
		size = head_size(e->head[0]);
		if (size == 0) {
			e->nhead = 0;
			return EGD_UNKNOWN;
		}
		if (e->nhead == size)
			return EGD_COMMAND;
	}
	return EGD_MORE;
}

enum egd_result
egd_parse(struct egd *e, const uint8_t *bytes, size_t len, size_t *used,
    struct egd_parsed *said)
{
	enum egd_result result;

	*used = 0;
	said->command = said->wanted = said->size = 0;
	said->data = NULL;
	result = e->data > 0 ? EGD_COMMAND : parse_head(e, bytes, len, used);
	if (result == EGD_MORE)
		return result;
	/*@ assert result == EGD_COMMAND ==> e->nhead == egd_head(e->head[0]); */
	said->command = e->head[0];
	if (result == EGD_UNKNOWN)
		return result;
	if (said->command == EGD_WRITE) {
		if (e->data == 0)
			e->data = e->head[3];
		/*@ assert e->nhead == 4 && e->data <= e->head[3]; */
		result = parse_data(e, bytes + *used, len - *used, used, said);
		/*@ assert said->data == bytes + (*used - said->size); */
		return result;
	}
	if (said->command == EGD_NOW || said->command == EGD_WAIT)
		said->wanted = e->head[1];
	e->nhead = 0;
	/*@ assert egd_is_valid(e); */
	return EGD_COMMAND;
}

size_t
egd_format_available(uint8_t *answer, uint64_t bytes)
{
	uint32_t bits = UINT32_MAX & ~UINT32_C(7);

	if (bytes < bits / 8)
		bits = (uint32_t)bytes * 8;
	answer[0] = (uint8_t)(bits >> 24);
	answer[1] = (uint8_t)(bits >> 16);
	answer[2] = (uint8_t)(bits >> 8);
	answer[3] = (uint8_t)bits;
	return 4;
}

size_t
egd_format_pid(uint8_t *answer, pid_t pid)
{
	int n;

	n = snprintf((char *)answer + 1, EGD_BRIEF_MAX - 1, "%d", (int)pid);
	answer[0] = n > 0 ? (uint8_t)n : 0;
	return 1U + answer[0];
}
