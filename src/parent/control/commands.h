/*
 * The requests of vrngctl.
 */
#ifndef VRNGD_COMMANDS_H
#define VRNGD_COMMANDS_H

#include "parent/control/control.h"
#include "parent/state/reload.h"

/*
 * Reloads the configuration, or only reads it for a dry run; `report` receives
 * its errors too, and what changes.
 */
typedef enum reload_result commands_reload(void *arg, bool dry_run,
    config_report *report, void *report_arg);

struct commands {
	struct control control;
	struct daemon *daemon;
	commands_reload *reload;
	void *reload_arg;
};

/* Opens the control socket.  Returns 0, or -1 after logging the error. */
int commands_open(struct commands *, struct daemon *, const char *path,
    uid_t owner, commands_reload *, void *reload_arg);

/* As control_bind_again(). */
int commands_bind_again(struct commands *);

void commands_close(struct commands *);

#endif
