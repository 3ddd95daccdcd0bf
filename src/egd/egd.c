/*
 * Parses EGD commands and formats answers; pure.  Used by client.c and saved.c.
 */
#include <stdio.h>
#include <string.h>

#include "egd/egd.h"

/* The length of a command without data, by its first byte; 0: unknown. */
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

enum egd_result
egd_parse(struct egd *e, const uint8_t *bytes, size_t len, size_t *used,
    struct egd_parsed *said)
{
	bool whole = e->nhead > 0 && e->nhead == head_size(e->head[0]);

	*used = 0;
	*said = (struct egd_parsed){ 0 };
	while (!whole && *used < len) {
		e->head[e->nhead++] = bytes[(*used)++];
		said->command = e->head[0];
		if (head_size(e->head[0]) == 0) {
			e->nhead = 0;
			return EGD_UNKNOWN;
		}
		whole = e->nhead == head_size(e->head[0]);
		if (whole && e->head[0] == EGD_WRITE)
			e->data = e->head[3];
	}
	if (!whole)
		return EGD_MORE;
	said->command = e->head[0];
	if (said->command == EGD_WRITE)
		return parse_data(e, bytes + *used, len - *used, used, said);
	if (said->command == EGD_NOW || said->command == EGD_WAIT)
		said->wanted = e->head[1];
	e->nhead = 0;
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
