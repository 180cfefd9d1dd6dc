/* SPDX-License-Identifier: MIT */
/* Inside the reclamation rooms: threads at rest.
 *
 * A thread that does nothing passes no mark (pass.h), and would cost a membarrier every time. One is enough to find that it
 * rests, in a domain where a thread that is about to look at pointers says so by a store (takes a slot, enters):
 *   - before the fence its word of rest is given the fence's number. Each thread looks at its own after that store.
 *   - after the fence it is outside, still. So whenever it comes it sees the number, or what took its place, and says that it is
 *     awake: by a 0, and a full fence before it looks at a pointer.
 *   - if the number is there still, it is replaced by PAWL_REST.
 * Who finds that, after the full fence of a mark, need not wait for the thread: its 0 has not come yet, so its fence comes
 * after the mark's, and it sees what was done before the mark. Numbers are never used again: a number that another
 * fence has put there meanwhile is not taken for what was there before this one. */
#ifndef PAWL_CORE_RECLAIM_REST_H
#define PAWL_CORE_RECLAIM_REST_H

#include "reader.h"

#define PAWL_REST UINT64_MAX

/* Of a domain. */
struct pawl_rest {
    /* 0; the number of a fence; or PAWL_REST. Of thread 0, the others follow at PAWL_READER_STRIDE. Written by who fences, and
     * by the thread */
    char *words;
    /* Whether the thread is seen to be outside. It acquires what the thread did before it left. */
    bool (*is_outside)(struct pawl_rest *rest, uint32_t number);
    PAWL_ATOMIC(uint64_t) fences; /* their numbers; written once a fence */
};

/* A heavy fence, for all marks so far (pawl_pass_fence), which also finds who rests. */
void pawl_rest_fence(struct pawl_rest *rest, struct pawl_reader *self);

/* Whether the thread was found to rest, and has not come since. */
bool pawl_rest_has(const struct pawl_rest *rest, uint32_t number);

/* By the thread: after the store that says that it comes, and a light fence, it has found its word not 0. */
void pawl_rest_wake(PAWL_ATOMIC(uint64_t) * word);

#endif
