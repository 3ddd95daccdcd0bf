/*
 * What vrngctl can have the daemon do.
 */
#ifndef VRNGD_SERVICE_CONTROL_H
#define VRNGD_SERVICE_CONTROL_H

#include "parent/control/control.h"
#include "parent/state/service.h"

/* Reads the configuration again; mistakes go to `report` too. */
typedef enum service_result service_reload(void *arg, config_report *report,
    void *report_arg);

struct service_control {
	struct control control;
	struct service *service;
	service_reload *reload;
	void *reload_arg;
};

/* Opens the control socket.  Returns 0, or -1 after logging why. */
int service_control_open(struct service_control *, struct service *,
    const char *path, uid_t owner, service_reload *, void *reload_arg);

void service_control_close(struct service_control *);

#endif
