#include <inttypes.h>

#include "clock.h"
#include "event.h"
#include "guest_event.h"

void
guest_event_restarted(const struct log_subject *guest, uint32_t deaths)
{
	event_log(EVENT_WORKER_RESTARTED, guest,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_DEATHS", deaths)),
	    "goes on with another worker (%" PRIu32 " died in a row)", deaths);
}

void
guest_event_cut_off(const struct log_subject *guest, uint32_t deaths,
    uint64_t pause, const char *why)
{
	event_log(EVENT_CUT_OFF, guest,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_DEATHS", deaths),
		LOG_NUMBER("VRNGD_PAUSE_NS", pause),
		LOG_TEXT("VRNGD_REASON", why)),
	    "its session is cut off: %s; the next may connect in %" PRIu64
	    " ms",
	    why, pause / NS_PER_MS);
}

void
guest_event_resumed(const struct log_subject *guest, uint32_t connection)
{
	event_log(EVENT_RESUMED, guest,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_CONNECTIONS", connection)),
	    "its session goes on");
}
