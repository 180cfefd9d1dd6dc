/* SPDX-License-Identifier: MIT */
/* Words that stand for pthread objects and futex queues: events of the graph, but not memory of the program.
 * Each begins as 0. */
#ifndef PAWL_CHECK_OBJECT_H
#define PAWL_CHECK_OBJECT_H

#include "visible.h"

enum { OBJECT_BYTES = 4 };
/* A rwlock's word, while it is held for writing; otherwise how many read. */
static const uint32_t RWLOCK_WRITER = UINT32_MAX;

u128 object_read(const void *object, int name, int order, int await, u128 aux, uint64_t pc);
void object_write(void *object, int name, int order, u128 value, bool rmw, uint64_t pc);
/* First half of a read-modify-write: the caller must write next, whatever it read. */
u128 object_rmw_read(void *object, int name, int order, int await, u128 aux, uint64_t pc);
/* Replace `expected` by `desired`, if that is what the word holds; what it held. */
u128 object_cas(void *object, int name, int order, u128 expected, u128 desired, uint64_t pc);
/* The read of a read-modify-write that leaves the word alone, and orders nothing, if it holds `refused`: else the caller must
 * write next. */
u128 object_read_unless(void *object, int name, int order, u128 refused, uint64_t pc);

/* The object is destroyed: who is not ordered before that, and has not been woken, races with it; who comes after it finds
 * it destroyed, unless it was made anew. */
void object_destroyed(void *object, size_t size, uint64_t pc);

/* Sets of waiting threads in one word: condition variables, futexes. */
void waiters_add(void *object, int name, uint64_t pc);
/* The same if the word has that value; nobody wakes in between. */
bool waiters_add_if(void *object, const uint32_t *word, uint32_t expected, int name, uint64_t pc);
void waiters_sleep(void *object, int name, bool may_expire, uint64_t pc);
/* In place of it: its time is over before anybody wakes it. */
void waiters_expire(void *object, int name, uint64_t pc);
/* Wakes up to `n`, every choice of them explored; how many. */
int waiters_wake(void *object, int name, int n, uint64_t pc);

#endif
