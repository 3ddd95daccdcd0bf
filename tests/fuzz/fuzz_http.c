/*
 * Requests to `vrngctl metrics --http`: the input is all that a client sends.
 */
#include "ctl/http.h"
#include "fuzz/fuzz.h"

#define PIECES_MAX 512 /* bytes that are parsed one more at a time */

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes;
	struct http_request r, sooner;
	int status, before = 0;

	if (len > HTTP_REQUEST_MAX)
		return 0;
	status = http_parse(text, len, &r);
	CHECK(status == 0 || status == 200 || status == 400 || status == 404 ||
	    status == 405 || status == 505);
	if (len > PIECES_MAX || memchr(text, '\0', len) != NULL)
		return 0;
	/* The answer does not depend on how the request arrives. */
	for (size_t n = 0; n <= len && before == 0; n++)
		before = http_parse(text, n, &sooner);
	CHECK(before == status);
	CHECK(status != 200 ||
	    (r.head == sooner.head && r.openmetrics == sooner.openmetrics));
	return 0;
}
