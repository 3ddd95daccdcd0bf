/*
 * The parser of EGD commands: the first byte is the size of the pieces in which
 * the others arrive.
 */
#include "egd/egd.h"
#include "fuzz/fuzz.h"

/* The commands and the data of a client, as they were parsed. */
struct transcript {
	size_t ncommands, ndata;
	bool unknown;
	uint64_t sum; /* of all commands, in their order */
};

static void
note(struct transcript *t, const struct egd_parsed *said, bool whole)
{
	if (said->command == EGD_WRITE)
		t->ndata += said->size;
	if (!whole)
		return;
	t->ncommands++;
	t->sum = t->sum * 31 + said->command * 256U + said->wanted;
}

/* One piece.  Returns whether the client may go on. */
static bool
parse_piece(struct egd *e, const uint8_t *bytes, size_t len,
    struct transcript *t)
{
	enum egd_result result;
	struct egd_parsed said;
	size_t used, done = 0;

	do {
		result = egd_parse(e, bytes + done, len - done, &used, &said);
		CHECK(used <= len - done);
		CHECK(said.size <= used);
		CHECK(said.size == 0 ||
		    said.data + said.size == bytes + done + used);
		CHECK(egd_valid(e));
		done += used;
		if (result == EGD_UNKNOWN) {
			t->unknown = true;
			return false;
		}
		note(t, &said, result == EGD_COMMAND);
		CHECK(result != EGD_COMMAND || said.command <= EGD_PID);
		CHECK(result == EGD_MORE || used > 0);
	} while (result != EGD_MORE);
	CHECK(done == len);
	return true;
}

static struct transcript
parse(const uint8_t *bytes, size_t len, size_t piece)
{
	struct transcript t = { 0 };
	struct egd e = { 0 };
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		if (!parse_piece(&e, bytes + at, n, &t))
			break;
	}
	return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	uint8_t answer[EGD_BRIEF_MAX];
	struct transcript whole, pieces;
	uint64_t n = 0;

	if (len == 0)
		return 0;
	whole = parse(bytes + 1, len - 1, len);
	pieces = parse(bytes + 1, len - 1, bytes[0] == 0 ? 1 : bytes[0]);
	CHECK(whole.ncommands == pieces.ncommands && whole.sum == pieces.sum);
	CHECK(whole.ndata == pieces.ndata && whole.unknown == pieces.unknown);
	memcpy(&n, bytes, len < sizeof(n) ? len : sizeof(n));
	CHECK(egd_format_available(answer, n) <= EGD_BRIEF_MAX);
	CHECK(egd_format_pid(answer, (pid_t)n) <= EGD_BRIEF_MAX);
	return 0;
}
