/*
 * vrngctl metrics: the status as metrics for Prometheus.
 */
#ifndef VRNGCTL_METRICS_H
#define VRNGCTL_METRICS_H

#include "ctl/args.h"
#include "ctl/exposition.h"
#include "ctl/snapshot.h"

/* Prints all metrics of a status; those of single guests if `guests`. */
void metrics_print(const struct exposition *, struct json_object *status,
    bool guests);

/* Prints the metrics, or answers a request of HTTP with them. */
int metrics_run(const struct args *, struct failure *);

#endif
