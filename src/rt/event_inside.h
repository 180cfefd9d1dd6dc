/* SPDX-License-Identifier: MIT */
/* User events inside. The contract is in <pawl/event.h>. */
#ifndef PAWL_RT_EVENT_INSIDE_H
#define PAWL_RT_EVENT_INSIDE_H

#include <pawl/event.h>

struct pawl_worker;

/* pawl_event_start() by the thread of that worker, which may not run yet. */
int pawl_event_start_on_(struct pawl_event *event, struct pawl_worker *worker);

#endif
