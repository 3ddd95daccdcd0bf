/*
 * Prints the state of a guest or service, and the reason that the daemon gives
 * for it.  Used by main.c and, for vrngctl status, by status.c.
 */
#include <string.h>

#include "ctl/format.h"
#include "ctl/why.h"

#define TEXT_SIZE 512 /* with the NUL */

/* The reason of an object; without one, what its state means. */
static const char *
reason(struct json_object *o)
{
	const char *why = snapshot_text(o, "why");
	const char *state = snapshot_text(o, "state");

	if (why[0] != '\0')
		return why;
	if (strcmp(state, "waiting") == 0)
		return "bytes are on their way";
	if (strcmp(state, "connected") == 0)
		return "no request waits";
	return "no reason is known";
}

void
why_print(struct json_object *o, FILE *f)
{
	const char *kind = snapshot_text(o, "kind");
	char name[TEXT_SIZE], state[TEXT_SIZE], why[TEXT_SIZE];

	/* Guests have no kind. */
	fprintf(f, "%s %s is %s: %s\n", kind[0] == '\0' ? "guest" : kind,
	    format_text(name, sizeof(name), snapshot_text(o, "name")),
	    format_text(state, sizeof(state), snapshot_text(o, "state")),
	    format_text(why, sizeof(why), reason(o)));
}

int
why_run(const struct args *args, struct failure *why)
{
	struct json_object *status = snapshot_take(args->status, why), *o;

	if (status == NULL)
		return -1;
	if ((o = snapshot_find_any(status, args->operand, why)) != NULL)
		why_print(o, stdout);
	json_object_put(status);
	return o == NULL ? -1 : 0;
}
