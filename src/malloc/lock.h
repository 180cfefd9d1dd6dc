/* SPDX-License-Identifier: MIT */
/* The mutex of <pawl/mutex.h>, and how a lock that was taken for a fork is let go. */
#ifndef PAWL_MALLOC_LOCK_H
#define PAWL_MALLOC_LOCK_H

#include <pawl/mutex.h>

/* In the child nobody waits: those who did are threads of the parent, and must not be counted on. */
static inline void lock_release(struct pawl_mutex *lock, bool child)
{
    if (child)
        pawl_mutex_init(lock, 0);
    else
        pawl_mutex_unlock(lock);
}

#endif
