/* SPDX-License-Identifier: MIT */
/* What a region keeps behind its public header, and the turn of an operation in its locked form. */
#ifndef PAWL_CORE_PERCPU_REGION_H
#define PAWL_CORE_PERCPU_REGION_H

#include <pawl/atomic.h>
#include <pawl/percpu.h>

/* The lock of one locked slot, on a pair of lines of its own.
 * 0: free. Else the fork generation of the process that took it (high half) and the number of the thread:
 * a lock that another thread of the parent held when the child was forked has no owner in the child, and
 * is taken over there. What it protects is whole all the same, because every operation takes effect at
 * one store. */
struct slot_lock {
    PAWL_ATOMIC(uint64_t) holder; /* L */
} PAWL_LINE_PAIR_ALIGNED;

/* How the locked slots are shared out among the levels of nesting; turn.c says why. */
#define LOCKED_LEVELS 16u
#define LOCKED_SLOTS_LEVEL_1 8u
#define LOCKED_SLOTS_NESTED (LOCKED_SLOTS_LEVEL_1 + LOCKED_LEVELS - 2u)

/* One mapping: | struct region | struct pawl_percpu with its table | locks | slices ... |
 * The public header lies behind the private one, so that the sequences index the table directly. */
struct region {
    size_t mapped;           /* bytes of the whole mapping */
    char *memory;            /* the first slice */
    struct slot_lock *locks; /* of slots limit .. slots-1 */
    uint32_t reserved;       /* slots below have a slice reserved, and so have all locked ones */
    bool by_cpu;             /* slots are CPU numbers, not mm_cids */
    bool numa;               /* bind a CPU's slice to the CPU's node */
    struct pawl_percpu pc PAWL_LINE_PAIR_ALIGNED;
};

static inline struct region *region_of(struct pawl_percpu *pc)
{
    return (struct region *)(void *)((char *)pc - offsetof(struct region, pc));
}

/* Puts the reserved slice of an unused slot into the table. True unless the slot cannot have one. */
bool pawl_region_use(struct pawl_percpu *pc, uint32_t slot);

/* A locked slot, held by this thread, and its slice. */
struct turn {
    struct slot_lock *lock;
    char *slice;
    uint32_t slot;
};

/* Takes a locked slot that is free and has a slice. Returns 0, or -EBUSY when all are detached or more than
 * 15 operations of this thread are interrupted already. */
int pawl_turn_begin(struct pawl_percpu *pc, struct turn *turn);

/* Takes this very locked slot. Returns 0, -EBUSY when it is detached, -EXDEV when it is held. */
int pawl_turn_begin_at(struct pawl_percpu *pc, uint32_t slot, struct turn *turn);

void pawl_turn_end(struct turn *turn);

/* A turn for an operation whose sequence missed, unless the reason can be mended. Returns 0: the turn is
 * taken; PAWL_TURN_AGAIN: the sequence should run again; -EBUSY. */
int pawl_turn_or_again(struct pawl_percpu *pc, struct turn *turn);

/* Other than 0 and every negative errno. */
#define PAWL_TURN_AGAIN 1

/* Waits until no operation that began before holds this locked slot. */
void pawl_turn_pass(struct pawl_percpu *pc, uint32_t slot);

#endif
