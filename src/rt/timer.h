/* SPDX-License-Identifier: MIT */
/* The end of a worker's timers. */
#ifndef PAWL_RT_TIMER_H
#define PAWL_RT_TIMER_H

#include <pawl/timer.h>

struct pawl_worker;

/* The runtime closes: disarms all timers of the worker, and completes its alarms. By the worker, on which functions of
 * others may run; again, when more may have been armed. */
void pawl_timers_close_(struct pawl_worker *worker);

/* An alarm's timer: its fire, and its end without having fired. */
void pawl_alarm_fire_(struct pawl_timer *timer);
void pawl_alarm_close_(struct pawl_alarm *alarm);

#endif
