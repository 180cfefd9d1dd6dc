/* SPDX-License-Identifier: MIT */
/* The words in which a biased lock's readers count, one pair a CPU. */
#ifndef PAWL_CORE_SYNC_BIAS_H
#define PAWL_CORE_SYNC_BIAS_H

#include <pawl/atomic.h>
#include <pawl/percpu.h>
#include <stdbool.h>
#include <stddef.h>

/* In a slice, at the offset that is the lock's. */
struct bias {
    PAWL_ATOMIC(uintptr_t) via; /* the address of `count` while the lock is biased, else 0 */
    PAWL_ATOMIC(long) count;    /* readers that came on this CPU less those that left on it */
};

/* A pair of each slice, zeroed. Returns the region and the offset, or NULL: no memory, or nobody could
 * revoke what is counted there. */
struct pawl_percpu *pawl_bias_open(size_t *at);
void pawl_bias_close(struct pawl_percpu *pc, size_t at);

/* Lets readers count there: on the CPUs whose slices are in use, and on the caller's. */
void pawl_bias_grant(struct pawl_percpu *pc, size_t at);

/* Stops them and returns how many were counted there; the counts are zero again. */
long pawl_bias_revoke(struct pawl_percpu *pc, size_t at);

/* The sum as it looks now: a hint. */
long pawl_bias_sum(struct pawl_percpu *pc, size_t at);

#endif
