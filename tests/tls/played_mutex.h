/* SPDX-License-Identifier: MIT */
/* In front of the sources that a closure is built from: their mutexes are the checker's. The library's own has closures of its
 * own (tests/sync), and would multiply these by all the ways to wait. */
#ifndef TESTS_TLS_PLAYED_MUTEX_H
#define TESTS_TLS_PLAYED_MUTEX_H

#include <pawl/mutex.h>

void played_init(struct pawl_mutex *mutex, int flags);
void played_lock(struct pawl_mutex *mutex);
void played_unlock(struct pawl_mutex *mutex);

#define pawl_mutex_init played_init
#define pawl_mutex_lock played_lock
#define pawl_mutex_unlock played_unlock

#endif
