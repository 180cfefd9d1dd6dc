/* SPDX-License-Identifier: MIT */
/* Accesses to volatile variables, as relaxed atomic ones. The compiler tells of them before they happen.
 *
 * A load gets its value by the checker's putting it into memory; what stood there returns at the thread's
 * next call.
 * A store becomes an event at the thread's next call too, which finds the value in memory. No other thread
 * runs in between.
 */
#ifndef PAWL_CHECK_VOLATILE_H
#define PAWL_CHECK_VOLATILE_H

#include "run.h"

/* At every call of the running thread, before anything else: what its last volatile access left to do. */
extern bool volatile_left[MAX_THREADS];
void volatile_do_left(void);
static inline void volatile_settle(void)
{
    if (volatile_left[run.current])
        volatile_do_left();
}
void volatile_reset(void);

#endif
