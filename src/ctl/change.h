/*
 * The commands that have the daemon change something.  What it says of that
 * goes to standard output.
 */
#ifndef VRNGCTL_CHANGE_H
#define VRNGCTL_CHANGE_H

#include "ctl/args.h"

command_function change_reload;
command_function change_guest_add;
command_function change_guest_adopt;
command_function change_guest_remove;
command_function change_source_retest;
command_function change_log_level;

#endif
