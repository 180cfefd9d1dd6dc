/* SPDX-License-Identifier: MIT */
/* Signals inside. The contract is in <pawl/signal.h>. */
#ifndef PAWL_RT_SIGNAL_INSIDE_H
#define PAWL_RT_SIGNAL_INSIDE_H

#include <pawl/signal.h>
#include <stdbool.h>

struct pawl_worker;

/* One that a listener may wait for. */
bool pawl_signal_acceptable_(int number);
/* pawl_signal_start() by the thread of that worker, which may not run yet. */
int pawl_signal_start_on_(struct pawl_signal *signal, int number, struct pawl_worker *worker);
/* That worker will never run: off the list, if it is on it. Waits for handlers. */
void pawl_signal_forget_(struct pawl_signal *signal);

#endif
