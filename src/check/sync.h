/* SPDX-License-Identifier: MIT */
/* Threads, mutexes and condition variables, for their pthread and their C11 names. `pc`: who called. */
#ifndef PAWL_CHECK_SYNC_H
#define PAWL_CHECK_SYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

int thread_create(pthread_t *handle, const pthread_attr_t *attr, void *(*start)(void *), void *argument,
                  uint64_t pc);
/* The exit value goes where the program wants it, unless that is NULL: an int that thrd_join() tells is its first bytes. */
int thread_join(pthread_t handle, void *result, size_t bytes, uint64_t pc);
/* The entry points of what waits have noted the registers: see spin_check(). */
int mutex_lock(pthread_mutex_t *m, uint64_t pc);
int mutex_trylock(pthread_mutex_t *m, uint64_t pc);
int mutex_timedlock(pthread_mutex_t *m, uint64_t pc);
/* may_ask: a mutex that knows its owner tells who is not, and that is no misuse. */
int mutex_unlock(pthread_mutex_t *m, bool may_ask, uint64_t pc);
int condition_wait(void *c, void *m, bool timed, uint64_t pc);

#endif
