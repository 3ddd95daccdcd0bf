/*
 * Events: log messages that programs and systemd/vrngd.catalog identify by an
 * id, which never changes.  Used by all of the parent.  In addition to the
 * text, an event has fields:
 *
 *	VRNGD_GUEST, VRNGD_SERVICE	the guest or service, if any,
 *	VRNGD_POOL, VRNGD_CLASS		and its pool and class
 *	VRNGD_SOURCE			the name of a source
 *	VRNGD_PROCESS			"parent", "entropy", "vhost", "egd" or
 *					"status": the kind of process
 *
 * and numbers: bytes, nanoseconds (_NS) or counts.
 */
#ifndef VRNGD_EVENT_H
#define VRNGD_EVENT_H

#include "common/log.h"

/* clang-format off */
/*
 * Name, MESSAGE_ID, level, and subject in the catalog.  An event of level ERROR
 * is an alarm, which requires action by the administrator.
 */
#define EVENTS(X) \
	X(READY, "53b8baf8f04e4b20a3be3ccd2636c74a", INFO, \
	    "vrngd is ready") \
	X(STOPPING, "f6f16d6e49cc42b5a1aa3ff3a3454a0c", INFO, \
	    "vrngd is stopping") \
	X(RELOADED, "0aa93b8c64734ad4b9532b536c83664c", INFO, \
	    "Configuration reloaded") \
	X(RELOAD_PARTLY, "4b69ba273bd946fe883000316368722d", ERROR, \
	    "Configuration partially applied") \
	X(RELOAD_REFUSED, "b27c45a52af845c095707a3983cd9135", ERROR, \
	    "Configuration rejected") \
	X(LAYERS_MISSING, "e15d81ed9e7845d69b4edd808e026a71", WARNING, \
	    "Some isolation layers are missing") \
	X(LOG_LOST, "ea6e4f7d2e6e4e1a868d7ffe106c512e", WARNING, \
	    "Log records were lost") \
	X(CONTROLLED, "0cffc58dd57046eda44519a17f95025e", INFO, \
	    "Change requested by an operator") \
	X(CONTROL_REFUSED, "801d348fcf1448b58a17a50d46996b40", WARNING, \
	    "Control request rejected") \
	X(GUEST_ADDED, "0196dcf09a754df7844ff78cb5ff3bda", INFO, \
	    "Guest added") \
	X(GUEST_REJECTED, "1e2b6fad9f88477fae0e21ff60d8e0ca", WARNING, \
	    "Guest rejected") \
	X(GUEST_REMOVED, "5d8f29a2d16e493eb86a4d70d1a87666", INFO, \
	    "Guest removed") \
	X(GUEST_MOVED, "83841d8c26ba4404ab9d85efebb7165d", WARNING, \
	    "Guest moved to another pool") \
	X(CONNECTED, "1433ad361c704b9397aa3a502a7d75fa", INFO, \
	    "Guest connected") \
	X(DISCONNECTED, "96b519ae93c644aaabbd0b4469289e47", INFO, \
	    "Guest disconnected") \
	X(SECOND_REFUSED, "d4de923f2a764448843097c5b0c0feb1", WARNING, \
	    "Second connection of a guest refused") \
	X(SERVED, "2a54d6bbf0ea40d4a977c859c77f4151", DEBUG, \
	    "All clients of a service disconnected") \
	X(UNREACHABLE, "f7b9af569cc54748ac4b6ae95f82708c", INFO, \
	    "Service peer unreachable, retrying") \
	X(THROTTLED, "ff559fa97c4c4bffa28b585793c0ca66", INFO, \
	    "Guest or service throttled by its limits") \
	X(PROCESS_DIED, "4fb703e9a3c34e429ab179fcfd2aab90", WARNING, \
	    "Child process died") \
	X(PROCESS_MISSING, "190a0825d93a48a284d1727c1c647707", ERROR, \
	    "Child program cannot be executed") \
	X(ALARM, "86c2a452402d4715b25d16ffd9ae392f", ERROR, \
	    "Protocol or sandbox violation by a child process") \
	X(PROCESS_HUNG, "eecfbcfb0d2b422dbbabc03928a3f8f2", ERROR, \
	    "Child process hung and was replaced") \
	X(WORKER_RESTARTED, "78b5b58521e145a0856e27240df27046", WARNING, \
	    "Guest session resumed by a new worker") \
	X(WORKERS_DIE, "cbfa6a8e578a4d17a4024507d34c9234", WARNING, \
	    "Workers die repeatedly") \
	X(CUT_OFF, "b3b2570c8cb44027a494ff16fb68647b", ERROR, \
	    "Guest session closed") \
	X(RESUMED, "8ae0f91bbd624de2bdee12b7c53c9816", INFO, \
	    "Guest session resumed after a restart") \
	X(NOT_RESUMED, "00937906881945f5a566d80e408433dd", WARNING, \
	    "A stored session could not be restored") \
	X(NOT_KEPT, "80594d4429d74f9e955773cfd8e88422", WARNING, \
	    "File descriptor store is full") \
	X(ENTROPY_RESTARTED, "ec90e5315b0b4383a0c3fde381c6a9f9", WARNING, \
	    "Entropy process restarted") \
	X(SOURCE_HEALTHY, "79ef33c871c34c5980cb1a4f248f56bc", INFO, \
	    "Source passed its tests") \
	X(SOURCE_CONNECTED, "c6938c21a9f045cdb4ceb63bb4a4fb82", INFO, \
	    "Source connected") \
	X(SOURCE_RECOVERED, "96333a84fb214196bf24779c09b6650e", INFO, \
	    "Source recovered") \
	X(SOURCE_STALLED, "bc17ba1b3355451f8bc5631c0561a738", WARNING, \
	    "Source stalled") \
	X(SOURCE_FAILED, "a20e169f70594a8ebde8571500406503", WARNING, \
	    "Source failed a health test, quarantined") \
	X(SOURCE_LATCHED, "f8b04fae02e144a898f7cc938d08a20e", ERROR, \
	    "Source latched until an operator requests a retest") \
	X(SOURCE_LOST, "eaaadb75dd3b40849e953c29dc55a375", WARNING, \
	    "Source lost") \
	X(SOURCE_EXHAUSTED, "23e28ad0dc4348c39961ecaeb1e83e6a", WARNING, \
	    "Test data of a source exhausted") \
	X(SOURCE_RETESTED, "3e5677a80dc547ee9b3c77077b227658", INFO, \
	    "Source retest requested") \
	X(POOL_SERVING, "1b84a0e2f7fd4c988e79f24fbea3139e", INFO, \
	    "Pool serves from other sources") \
	X(POOL_DEGRADED, "68a8de4113764d11a432e08ef67d2155", WARNING, \
	    "Pool fell back to other or fewer sources") \
	X(POOL_STARVED, "9f511960a4e742d0a0fc583d0c96ea09", ERROR, \
	    "Pool has too few healthy sources, guests wait") \
	X(STATISTICS, "9f9593ab79704f418d822132bc65aa55", INFO, \
	    "Guest or service statistics") \
	X(SOURCE_STATISTICS, "2c9c81699f9f4bb7a5fbeaa78d68f02b", INFO, \
	    "Source statistics") \
	X(POOL_STATISTICS, "b6f44aba8b874a35b1f08e3b6e759f0a", INFO, \
	    "Pool statistics")
/* clang-format on */

#define EVENT_ENUM(name, id, level, subject) EVENT_##name,
enum event {
	EVENTS(EVENT_ENUM) EVENT_TYPES,
};
#undef EVENT_ENUM

/* The field of a counter of `c`, a struct counters *: for COUNTERS(). */
#define EVENT_COUNTER(name, json, journal) LOG_NUMBER(journal, c->name),

/* A row of the table, for the log and for tests. */
struct event_type {
	const char *name; /* as in the table */
	const char *id;
	enum log_level level;
	const char *subject;
};

const struct event_type *event_type(enum event);

/* The event with an id, which is one of the table; NULL: none. */
const struct event_type *event_find(const char *id);

/* Its name in JSON: that of the table in small letters. */
#define EVENT_KEY_SIZE 32
void event_key(const struct event_type *, char key[EVENT_KEY_SIZE]);

/* How many records of an event have been logged. */
uint64_t event_count(enum event);

/* Logs a line with all fields of `line` except its text; its id may be NULL. */
void event_line(const struct log_line *line, const char *fmt, ...)
    LOG_FORMAT(2, 3);

/* Logs an event; the subject and the fields may be NULL. */
void event_log(enum event, const struct log_subject *, const struct log_field *,
    const char *fmt, ...) LOG_FORMAT(4, 5);

/* The same, with the text shown only there. */
void event_log_view(enum event, enum log_view, const struct log_subject *,
    const struct log_field *, const char *fmt, ...) LOG_FORMAT(5, 6);

#endif
