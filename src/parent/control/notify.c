/*
 * Notifies systemd of the state of the daemon.  Used by main.c.
 */
#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/clock.h"
#include "parent/control/notify.h"
#include "parent/host/sdnotify.h"

#define STATUS_INTERVAL (5 * NS_PER_SEC) /* minimum interval of status lines */
#define STATUS_DELAY	(NS_PER_SEC / 2) /* delay, to combine changes */
#define STATUS_ACCURACY (NS_PER_SEC / 4)

/* A rate with at least two digits. */
static void
rate_text(char *text, size_t size, uint64_t rate)
{
	static const char units[] = " KMGT";
	size_t unit = 0;

	while (rate >= 1024 * 10 && unit < sizeof(units) - 2) {
		rate /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(text, size, "%" PRIu64 " B/s", rate);
	else
		snprintf(text, size, "%" PRIu64 " %ciB/s", rate, units[unit]);
}

/* The current rate of all pools. */
static uint64_t
rate_of(struct daemon *s)
{
	struct daemon_pool *p;
	uint64_t now = clock_now(), rate = 0;

	TAILQ_FOREACH(p, &s->pools, entry)
		rate += meter_rate(&p->pool.alloc.root.node.meter, now);
	return rate;
}

void
notify_status(struct daemon *s, char text[NOTIFY_STATUS_SIZE])
{
	const struct daemon_pool *p;
	const struct pool_source *source;
	const struct guest *g;
	size_t connected = 0, sources = 0, healthy = 0;
	size_t waiting = sdnotify_waiting(FDNAME_SESSION);
	char rate[32], unstored[48] = "";

	TAILQ_FOREACH(g, &s->guests, entry)
		connected += guest_connected(g);
	TAILQ_FOREACH(p, &s->pools, entry)
		TAILQ_FOREACH(source, &p->pool.setup.sources, entry) {
			sources++;
			healthy += source->state.status == SOURCE_OK;
		}
	rate_text(rate, sizeof(rate), rate_of(s));
	if (waiting > 0)
		snprintf(unstored, sizeof(unstored),
		    ", %zu session%s not yet stored", waiting,
		    waiting == 1 ? "" : "s");
	snprintf(text, NOTIFY_STATUS_SIZE,
	    "%zu of %zu guests connected, %s, %zu of %zu sources healthy%s",
	    connected, s->nguests, rate, healthy, sources, unstored);
}

/* Schedules the next status line. */
static void
schedule(struct notify *n)
{
	uint64_t at = clock_now() + STATUS_DELAY;

	if (at < n->sent + STATUS_INTERVAL)
		at = n->sent + STATUS_INTERVAL;
	timer_at(&n->timer, at);
	sd_event_source_set_enabled(n->post, SD_EVENT_OFF);
}

/* Records a change; further changes are ignored until it is reported. */
static int
post_event(sd_event_source *source, void *arg)
{
	(void)source;
	schedule(arg);
	return 0;
}

/*
 * The reported rate is outdated when the flow of bytes ends, which causes no
 * event: so the line is updated until the rate is 0.
 */
static void
send_status(void *arg)
{
	struct notify *n = arg;
	char status[NOTIFY_STATUS_SIZE];

	notify_status(n->daemon, status);
	if (strcmp(status, n->status) != 0) {
		strlcpy(n->status, status, sizeof(n->status));
		sdnotify_status(status);
		n->sent = clock_now();
	}
	if (rate_of(n->daemon) > 0)
		schedule(n);
	else
		sd_event_source_set_enabled(n->post, SD_EVENT_ON);
}

static void
send_watchdog(void *arg)
{
	struct notify *n = arg;

	sdnotify_watchdog();
	timer_after(&n->watchdog, n->watchdog_time);
}

/*
 * Sends the watchdog message, two to four times per watchdog interval.
 * sd_event_set_watchdog(3) does that too, but blocks on the manager.
 */
static void
watch_dog(struct notify *n, sd_event *event)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	timer_init(&n->watchdog, event, send_watchdog, n);
	n->watchdog_time = n->watchdog.slack = usec / 4 * 1000;
	timer_after(&n->watchdog, n->watchdog_time);
}

int
notify_open(struct notify *n, sd_event *event, struct daemon *s)
{
	int r;

	*n = (struct notify){ .daemon = s };
	if (!sdnotify_available())
		return 0;
	sdnotify_watch(event);
	watch_dog(n, event);
	timer_init(&n->timer, event, send_status, n);
	n->timer.slack = STATUS_ACCURACY;
	r = sd_event_add_post(event, &n->post, post_event, n);
	errno = -r;
	return r < 0 ? -1 : 0;
}

/* Sends the status line together with another message. */
static void
send_with_status(struct notify *n, const char *what)
{
	notify_status(n->daemon, n->status);
	sdnotify_send("%s\nSTATUS=%s", what, n->status);
}

void
notify_ready(struct notify *n)
{
	n->ready = true;
	send_with_status(n, "READY=1");
}

void
notify_reload(struct notify *n)
{
	if (n->ready)
		sdnotify_send("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		    clock_now() / 1000);
}

void
notify_reloaded(struct notify *n)
{
	if (n->ready)
		send_with_status(n, "READY=1");
}

void
notify_close(struct notify *n)
{
	n->post = sd_event_source_disable_unref(n->post);
	timer_free(&n->timer);
	timer_free(&n->watchdog);
	sdnotify_send("STOPPING=1\nSTATUS=ending");
}
