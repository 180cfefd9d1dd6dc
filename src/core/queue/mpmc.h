/* SPDX-License-Identifier: MIT */
/* What the two halves of the queue share: elements in cells (mpmc.c), elements in slots (mpmc_slot.c).
 *
 *      elements in cells   hi:       | ticket                 | closed | filled |
 *      elements in slots   the cell: | lap, of the ticket     | closed | filled | slot |
 *
 * A stamp is such a word without closed and slot. Stamps of one cell are compared by difference: free for t,
 * filled with t, free for the next lap's, each is greater than the one before. */
#ifndef PAWL_CORE_QUEUE_MPMC_H
#define PAWL_CORE_QUEUE_MPMC_H

#include <pawl/mpmc.h>

typedef PAWL_ATOMIC(uint64_t) mpmc_word; /* a cell that names a slot; a lane; a word of a slot */

static inline bool mpmc_in_slots(const struct pawl_mpmc *q)
{
    return q->slots != 0;
}

static inline mpmc_word *mpmc_word_cell(struct pawl_mpmc *q, uint64_t ticket)
{
    return (mpmc_word *)(void *)(q + 1) + pawl_mpmc_place_(q, ticket, PAWL_MPMC_LINE_WORDS_);
}

/* Of the cell that is free for the ticket. */
static inline uint64_t mpmc_stamp(const struct pawl_mpmc *q, uint64_t ticket)
{
    return ticket >> q->lap_shift << q->stamp_shift;
}

static inline uint64_t mpmc_filled_bit(const struct pawl_mpmc *q)
{
    return UINT64_C(1) << (q->stamp_shift - 2);
}

static inline uint64_t mpmc_closed_bit(const struct pawl_mpmc *q)
{
    return UINT64_C(1) << (q->stamp_shift - 1);
}

static inline uint64_t mpmc_slot_mask(const struct pawl_mpmc *q)
{
    return mpmc_filled_bit(q) - 1;
}

static inline uint64_t mpmc_stamp_of(const struct pawl_mpmc *q, uint64_t word)
{
    return word & ~(mpmc_closed_bit(q) | mpmc_slot_mask(q));
}

/* acquire P, H: pairs with the release of the CAS that filled or freed the cell. seq_cst Z. */
static inline uint64_t mpmc_stamp_word(struct pawl_mpmc *q, uint64_t ticket)
{
    if (mpmc_in_slots(q))
        return pawl_load_seq_cst(mpmc_word_cell(q, ticket));
    return pawl_pair_hi(pawl_mpmc_cell_(q, ticket), __ATOMIC_SEQ_CST);
}

/* The same as if tickets began at `ticket`. For tests of what happens when they wrap; nobody uses the queue
 * yet. */
void pawl_mpmc_start_at_(struct pawl_mpmc *q, uint64_t ticket);

/* A lane was wanted, and one was left: wakes who waits. */
void pawl_mpmc_wake_for_lanes_(struct pawl_mpmc *q);

/* After a push has left its lane, and a fence. */
static inline void mpmc_lane_left(struct pawl_mpmc *q)
{
    /* relaxed W: a stale 0 is what the fences exclude where it matters */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&q->lane_wanted) != 0))
        pawl_mpmc_wake_for_lanes_(q);
}

int pawl_mpmc_push_slot_(struct pawl_mpmc *q, const void *element);
int pawl_mpmc_pop_slot_(struct pawl_mpmc *q, void *element);
ptrdiff_t pawl_mpmc_push_slots_(struct pawl_mpmc *q, const char *elements, size_t n);
ptrdiff_t pawl_mpmc_pop_slots_(struct pawl_mpmc *q, char *elements, size_t n);

#endif
