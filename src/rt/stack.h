/* SPDX-License-Identifier: MIT */
/* Stacks of fibers: guarded, cached by worker, given back.
 *
 * They come in slabs of 32, one mapping of the kernel each. Below each stack lies a guard that nobody may touch: a mark in
 * the page table where the kernel has those (Linux 6.13), else a page without access, which costs the kernel a second
 * mapping a stack. Each worker keeps some warm stacks; the rest is shared. Of the free stacks beyond a limit the
 * memory goes back to the kernel at once, their addresses when the runtime ends.
 */
#ifndef PAWL_RT_STACK_H
#define PAWL_RT_STACK_H

#include <pawl/atomic.h>
#include <pawl/mutex.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAWL_STACKS_SLAB_ = 32,  /* stacks of one mapping */
    PAWL_STACKS_CACHE_ = 64, /* a worker keeps at most so many */
    PAWL_STACKS_WARM_ = 256, /* of the shared ones, so many keep their memory */
    PAWL_STACK_COLOURS_ =
        32, /* of a pair of cache lines each: the tops of so many stacks share no cache set */
};

struct pawl_stack {
    struct pawl_stack *next; /* free */
    char *low, *top;         /* what may be used; top is coloured, a multiple of 16 */
    uint32_t valgrind;       /* its name for the stack */
};

struct pawl_stack_cache {
    struct pawl_stack *free;
    uint32_t count;
} PAWL_LINE_PAIR_ALIGNED;

struct pawl_stack_slab;

struct pawl_stacks {
    size_t bytes, guard; /* of one stack */
    bool light_guards;   /* guards are marks in the page table; found out by the first slab */
    struct pawl_mutex lock;
    /* below: under the lock */
    struct pawl_stack *warm, *cold; /* free, and in no cache */
    uint32_t warm_count;
    struct pawl_stack_slab *slabs;
    uint64_t made;
    /* the workers' */
    unsigned workers;
    struct pawl_stack_cache *caches;
};

/* 0, or 4 KiB to 1 GiB. */
bool pawl_stacks_acceptable_(size_t bytes);

/* For so many workers; `bytes` a stack, rounded up to pages; 0: 64 KiB. Returns 0 or -ENOMEM. */
int pawl_stacks_init_(struct pawl_stacks *stacks, size_t bytes, unsigned workers);

/* Unmaps all. None is in use. */
void pawl_stacks_fini_(struct pawl_stacks *stacks);

/* A stack, from the cache of `worker`, which calls; -1: from no worker. NULL: no memory. */
struct pawl_stack *pawl_stacks_get_(struct pawl_stacks *stacks, int worker);

/* Gives it back. Nobody stands on it. */
void pawl_stacks_put_(struct pawl_stacks *stacks, struct pawl_stack *stack, int worker);

#endif
