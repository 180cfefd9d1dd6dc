/* SPDX-License-Identifier: MIT */
/* What a thread does that has lost a CAS: it stays away for 320 ns, then longer. Meanwhile the winner, whose line it is now,
 * does some twenty operations; who asks for the line again at once takes it away from somebody who is about to use it. */
#ifndef PAWL_CORE_QUEUE_LOSS_H
#define PAWL_CORE_QUEUE_LOSS_H

#include <pawl/backoff.h>

enum { AFTER_A_LOSS = 3 }; /* the round of backoff that it begins with */

/* For the times-th time in one operation, times >= 1. */
static inline void stay_away(unsigned times)
{
    struct pawl_backoff backoff = {AFTER_A_LOSS - 1 + times};

    pawl_backoff_pause(&backoff);
}

#endif
