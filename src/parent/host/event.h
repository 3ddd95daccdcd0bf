/*
 * Events: what the log tells that a program, or systemd/vrngd.catalog, can know
 * again.  Each has an id, which never changes, and fields of its own besides
 * the line that people read:
 *
 *	VRNGD_GUEST, VRNGD_SERVICE	whom it is about, if anybody,
 *	VRNGD_POOL, VRNGD_CLASS		and where that draws its bytes
 *	VRNGD_SOURCE			the name of a source
 *	VRNGD_PROCESS			"parent", "entropy", "vhost", "egd" or
 *					"status": the kind of process
 *
 * and figures, which are numbers: bytes, nanoseconds (_NS), or how many.
 */
#ifndef VRNGD_EVENT_H
#define VRNGD_EVENT_H

#include "common/log.h"

/* clang-format off */
/*
 * Name, MESSAGE_ID, level, and what the catalog calls it.  What is an error is
 * an alarm: somebody has to do something.
 */
#define EVENTS(X) \
	X(READY, "53b8baf8f04e4b20a3be3ccd2636c74a", INFO, \
	    "vrngd serves its guests") \
	X(STOPPING, "f6f16d6e49cc42b5a1aa3ff3a3454a0c", INFO, \
	    "vrngd is ending") \
	X(RELOADED, "0aa93b8c64734ad4b9532b536c83664c", INFO, \
	    "The configuration was read again") \
	X(RELOAD_PARTLY, "4b69ba273bd946fe883000316368722d", ERROR, \
	    "The configuration was taken in parts") \
	X(RELOAD_REFUSED, "b27c45a52af845c095707a3983cd9135", ERROR, \
	    "The configuration was not taken") \
	X(LAYERS_MISSING, "e15d81ed9e7845d69b4edd808e026a71", WARNING, \
	    "Processes are less isolated than they could be") \
	X(LOG_LOST, "ea6e4f7d2e6e4e1a868d7ffe106c512e", WARNING, \
	    "Log records were lost") \
	X(CONTROLLED, "0cffc58dd57046eda44519a17f95025e", INFO, \
	    "An operator changed something") \
	X(CONTROL_REFUSED, "801d348fcf1448b58a17a50d46996b40", WARNING, \
	    "A request on the control socket was refused") \
	X(GUEST_ADDED, "0196dcf09a754df7844ff78cb5ff3bda", INFO, \
	    "A guest was added") \
	X(GUEST_REMOVED, "5d8f29a2d16e493eb86a4d70d1a87666", INFO, \
	    "A guest was removed") \
	X(GUEST_MOVED, "83841d8c26ba4404ab9d85efebb7165d", WARNING, \
	    "A guest was moved to another pool") \
	X(CONNECTED, "1433ad361c704b9397aa3a502a7d75fa", INFO, \
	    "A guest has connected") \
	X(DISCONNECTED, "96b519ae93c644aaabbd0b4469289e47", INFO, \
	    "A guest has disconnected") \
	X(SERVED, "2a54d6bbf0ea40d4a977c859c77f4151", DEBUG, \
	    "All clients of a service have gone") \
	X(UNREACHABLE, "f7b9af569cc54748ac4b6ae95f82708c", INFO, \
	    "The other side of a service is not there") \
	X(THROTTLED, "ff559fa97c4c4bffa28b585793c0ca66", INFO, \
	    "A guest has to wait because of its limits") \
	X(PROCESS_DIED, "4fb703e9a3c34e429ab179fcfd2aab90", WARNING, \
	    "A process of vrngd has died") \
	X(PROCESS_MISSING, "190a0825d93a48a284d1727c1c647707", ERROR, \
	    "A program of vrngd cannot be run") \
	X(ALARM, "86c2a452402d4715b25d16ffd9ae392f", ERROR, \
	    "A process of vrngd did what it must not") \
	X(PROCESS_HUNG, "eecfbcfb0d2b422dbbabc03928a3f8f2", ERROR, \
	    "A process of vrngd makes no progress") \
	X(WORKER_RESTARTED, "78b5b58521e145a0856e27240df27046", WARNING, \
	    "A guest goes on with another worker") \
	X(WORKERS_DIE, "cbfa6a8e578a4d17a4024507d34c9234", WARNING, \
	    "Workers die in a row") \
	X(CUT_OFF, "b3b2570c8cb44027a494ff16fb68647b", ERROR, \
	    "A guest's session was cut off") \
	X(RESUMED, "8ae0f91bbd624de2bdee12b7c53c9816", INFO, \
	    "A guest's session goes on after a restart") \
	X(NOT_RESUMED, "00937906881945f5a566d80e408433dd", WARNING, \
	    "A guest of the last vrngd is not there any more") \
	X(NOT_KEPT, "80594d4429d74f9e955773cfd8e88422", WARNING, \
	    "Something will not outlive vrngd") \
	X(ENTROPY_RESTARTED, "ec90e5315b0b4383a0c3fde381c6a9f9", WARNING, \
	    "The entropy process has ended and is started again") \
	X(SOURCE_HEALTHY, "79ef33c871c34c5980cb1a4f248f56bc", INFO, \
	    "A source has passed its tests") \
	X(SOURCE_CONNECTED, "c6938c21a9f045cdb4ceb63bb4a4fb82", INFO, \
	    "A source has connected") \
	X(SOURCE_RECOVERED, "96333a84fb214196bf24779c09b6650e", INFO, \
	    "A source yields again") \
	X(SOURCE_STALLED, "bc17ba1b3355451f8bc5631c0561a738", WARNING, \
	    "A source yields nothing") \
	X(SOURCE_FAILED, "a20e169f70594a8ebde8571500406503", WARNING, \
	    "A source has failed a health test and is quarantined") \
	X(SOURCE_LATCHED, "f8b04fae02e144a898f7cc938d08a20e", ERROR, \
	    "A source is out of use until an operator has looked at it") \
	X(SOURCE_LOST, "eaaadb75dd3b40849e953c29dc55a375", WARNING, \
	    "A source is lost") \
	X(SOURCE_EXHAUSTED, "23e28ad0dc4348c39961ecaeb1e83e6a", WARNING, \
	    "The test data of a source has been used up") \
	X(SOURCE_RETESTED, "3e5677a80dc547ee9b3c77077b227658", INFO, \
	    "A source is tested again, as told") \
	X(POOL_SERVING, "1b84a0e2f7fd4c988e79f24fbea3139e", INFO, \
	    "A pool serves from other sources") \
	X(POOL_DEGRADED, "68a8de4113764d11a432e08ef67d2155", WARNING, \
	    "A pool has fallen back to other or fewer sources") \
	X(POOL_STARVED, "9f511960a4e742d0a0fc583d0c96ea09", WARNING, \
	    "A pool has no healthy source: its guests wait") \
	X(STATISTICS, "9f9593ab79704f418d822132bc65aa55", INFO, \
	    "What a guest or service was given") \
	X(SOURCE_STATISTICS, "2c9c81699f9f4bb7a5fbeaa78d68f02b", INFO, \
	    "What a source has yielded") \
	X(POOL_STATISTICS, "b6f44aba8b874a35b1f08e3b6e759f0a", INFO, \
	    "What a pool has given")
/* clang-format on */

#define EVENT_ENUM(name, id, level, subject) EVENT_##name,
enum event {
	EVENTS(EVENT_ENUM) EVENT_TYPES,
};
#undef EVENT_ENUM

/* The field of a counter of `c`, a struct counters *: for COUNTERS(). */
#define EVENT_COUNTER(name, json, journal) LOG_NUMBER(journal, c->name),

/* What is known of each, for the log and for tests. */
struct event_type {
	const char *name; /* as in the table */
	const char *id;
	enum log_level level;
	const char *subject;
};

const struct event_type *event_type(enum event);

/* Logs an event, about something or (NULL) not, with fields or (NULL) none. */
void event_log(enum event, const struct log_subject *, const struct log_field *,
    const char *fmt, ...) LOG_FORMAT(4, 5);

#endif
