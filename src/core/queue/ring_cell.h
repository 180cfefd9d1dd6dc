/* SPDX-License-Identifier: MIT */
/* The cells of a ring, and what its two policies share.
 *
 *      cell    | word | element, in words, copied by relaxed atomics | lost (lock-free policy) |
 *
 * A position is a ticket times four. The word of a cell is a position and a state. Positions are compared by their
 * difference: they may wrap. */
#ifndef PAWL_CORE_QUEUE_RING_CELL_H
#define PAWL_CORE_QUEUE_RING_CELL_H

#include <pawl/backoff.h>
#include <pawl/ring.h>
#include <pawl/seqlock.h>

#include <errno.h>
#include <string.h>

enum {
    PAWL_RING_STEP_ = 4,   /* from a position to the next */
    PAWL_RING_STATE_ = 3,  /* the bits beside a position */
    PAWL_RING_CLOSED_ = 1, /* of the tail, and of the head of a stamped ring */
    PAWL_RING_SEALED_ = 2, /* of the tail of a closed lock-free ring: no push can claim a ticket any more */
    /* States of a stamped cell. */
    PAWL_RING_VACANT_ = 0, /* waits for the push with this position */
    PAWL_RING_FULL_ = 1,
    /* States of a lock-free cell. */
    PAWL_RING_FREE_ = 0,      /* nobody is inside, this position is used up */
    PAWL_RING_WRITING_ = 1,   /* the push with this position is inside */
    PAWL_RING_DONE_ = 2,      /* it holds that push's element */
    PAWL_RING_ABANDONED_ = 3, /* a writer is inside that was given up; this position is used up */
};

struct pawl_ring_cell_ {
    PAWL_ATOMIC(uint64_t) word; /* P */
    PAWL_ATOMIC(uint64_t) element[];
};

/* Named points in the operations, where tests stop or kill a thread. */
#ifndef PAWL_RING_POINT_
#define PAWL_RING_POINT_(name) ((void)0)
#endif

static inline struct pawl_ring_cell_ *pawl_ring_cell_at_(const struct pawl_ring *ring, uint64_t position)
{
    size_t index = (size_t)(position / PAWL_RING_STEP_ & ring->mask);

    return (struct pawl_ring_cell_ *)((uintptr_t)ring + sizeof *ring + index * ring->cell_bytes);
}

static inline uint64_t pawl_ring_position_(uint64_t word)
{
    return word & ~(uint64_t)PAWL_RING_STATE_;
}

/* Lock-free policy: where to begin, by the later of a mark and the hint beside it. The hint falls back when a thread was
 * stopped in front of its store; the mark never does. */
static inline uint64_t pawl_ring_later_(const PAWL_ATOMIC(uint64_t) * hint, uint64_t mark)
{
    uint64_t position = pawl_load_acquire(hint); /* acquire T: pairs with the releases in push and pop */

    return (int64_t)(pawl_ring_position_(mark) - position) > 0 ? pawl_ring_position_(mark) : position;
}

/* The element of a cell, from and to memory of the caller. `bytes` is a constant where it is inlined for one. */
static inline void pawl_ring_load_(void *to, const struct pawl_ring_cell_ *cell, size_t bytes)
{
    size_t whole = bytes & ~(size_t)7;

    pawl_words_load(to, cell->element, whole);
    if (bytes != whole) {
        uint64_t rest = pawl_load_relaxed(&cell->element[whole / 8]); /* relaxed: as those before */

        memcpy((char *)to + whole, &rest, bytes - whole);
    }
}

static inline void pawl_ring_store_(struct pawl_ring_cell_ *cell, const void *from, size_t bytes)
{
    size_t whole = bytes & ~(size_t)7;

    pawl_words_store(cell->element, from, whole);
    if (bytes != whole) {
        uint64_t rest = 0;

        memcpy(&rest, (const char *)from + whole, bytes - whole);
        pawl_store_relaxed(&cell->element[whole / 8], rest); /* relaxed: the word publishes it */
    }
}

/* Lock-free policy: entries displaced from this cell. Stored by who is inside alone. */
static inline PAWL_ATOMIC(uint64_t) *
    pawl_ring_lost_of_(const struct pawl_ring *ring, struct pawl_ring_cell_ *cell)
{
    return (PAWL_ATOMIC(uint64_t) *)(uintptr_t)((char *)cell + ring->cell_bytes - sizeof(uint64_t));
}

int pawl_ring_stamped_push_(struct pawl_ring *ring, const void *element, void *evicted);
int pawl_ring_stamped_pop_(struct pawl_ring *ring, void *element, uint64_t *ticket);
void pawl_ring_stamped_close_(struct pawl_ring *ring);

int pawl_ring_lockfree_push_(struct pawl_ring *ring, const void *element, void *evicted);
int pawl_ring_lockfree_pop_(struct pawl_ring *ring, void *element, uint64_t *ticket);
void pawl_ring_lockfree_close_(struct pawl_ring *ring);

/* For tests: an empty ring whose next ticket is this one. Alone. */
void pawl_ring_start_at_(struct pawl_ring *ring, uint64_t ticket);

#endif
