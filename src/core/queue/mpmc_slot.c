/* SPDX-License-Identifier: MIT */
/* The lock-free queue: elements of more than 8 bytes, in slots.
 *
 *     cell   | lap of the ticket | closed | filled | slot |
 *
 *     push   lane: slot 9         cell: (free, lap 4, slot 4)          take 9, copy the element there,
 *            lane: taken          cell: (filled, lap 4, slot 9)        CAS the cell,
 *            lane: slot 4         cell: (filled, lap 4, slot 9)        leave the slot that was there
 *     pop    copy slot 9          cell: (free, lap 5, slot 9)          CAS the cell
 *
 * A slot is in one cell, or in one lane, or belongs to the one thread that took it from the lane. Whoever
 * took a lane gives it back, so that giving back is a store.
 *
 * A popper reads the slot before it frees the cell. Who writes there owns the slot, which a push took out of
 * the cell after the cell was freed: then the popper's CAS fails. So words may be read that are being
 * overwritten, and are then thrown away. That is why both sides copy by relaxed atomic words. */
#include "mpmc.h"

#include "loss.h"

#include <pawl/cpu.h>

#define TAKEN UINT64_MAX /* a lane whose slot somebody has */

enum { SLOTS_AHEAD = 2 };

static mpmc_word *slot_of(struct pawl_mpmc *q, uint64_t number)
{
    return (mpmc_word *)(void *)((char *)q + q->slots) + number * q->slot_words;
}

enum {
    LINE_WORDS = PAWL_CACHELINE / 8
}; /* an element of one line, the most usual size, is copied without a loop */

/* relaxed: the CAS on the cell publishes them */
static inline void copy_in(mpmc_word *slot, const char *element, size_t bytes)
{
    uint64_t word = 0;

    if (bytes == PAWL_CACHELINE) {
#pragma GCC unroll 8
        for (size_t i = 0; i < LINE_WORDS; i++) {
            memcpy(&word, element + i * sizeof word, sizeof word);
            pawl_store_relaxed(slot + i, word);
        }
        return;
    }
    for (; bytes >= sizeof word; bytes -= sizeof word, element += sizeof word) {
        memcpy(&word, element, sizeof word);
        pawl_store_relaxed(slot++, word);
    }
    if (bytes > 0) {
        memcpy(&word, element, bytes);
        pawl_store_relaxed(slot, word);
    }
}

/* relaxed: the load of the cell comes before, and the CAS on head, which says whether they are whole,
 * after */
static inline void copy_out(char *element, mpmc_word *slot, size_t bytes)
{
    uint64_t word;

    if (bytes == PAWL_CACHELINE) {
#pragma GCC unroll 8
        for (size_t i = 0; i < LINE_WORDS; i++) {
            word = pawl_load_relaxed(slot + i);
            memcpy(element + i * sizeof word, &word, sizeof word);
        }
        return;
    }
    for (; bytes >= sizeof word; bytes -= sizeof word, element += sizeof word) {
        word = pawl_load_relaxed(slot++);
        memcpy(element, &word, sizeof word);
    }
    if (bytes > 0) {
        word = pawl_load_relaxed(slot);
        memcpy(element, &word, bytes);
    }
}

/* ---- lanes ---- */

/* A lane and its slot; NULL when all are taken. */
static inline mpmc_word *take_lane(struct pawl_mpmc *q, uint64_t *slot)
{
    int cpu = pawl_cpu_id(); /* stale is as good: another lane does as well */
    uint64_t first = cpu < 0 ? 0 : (uint64_t)cpu;

    for (uint64_t i = 0; i < PAWL_MPMC_LANES; i++) {
        uint64_t at = (first + i) % PAWL_MPMC_LANES * PAWL_CACHELINE_PAIR;
        mpmc_word *lane = (mpmc_word *)(void *)((char *)q + q->lanes + at);

        /* relaxed: a stale look costs an exchange, or passes a lane by */
        if (pawl_load_relaxed(lane) == TAKEN)
            continue;
        /* acquire L: with the store in leave_lane(): who had the slot is done with it */
        *slot = pawl_exchange_acquire(lane, TAKEN);
        if (*slot != TAKEN)
            return lane;
    }
    return NULL;
}

/* All are taken: who leaves the next one shall wake who waits. Looks once more. */
static PAWL_COLD mpmc_word *want_lane(struct pawl_mpmc *q, uint64_t *slot)
{
    /* release W: pairs with the exchange in pawl_mpmc_wake_for_lanes_(), which then sees that the caller waits */
    pawl_store_release(&q->lane_wanted, 1u);
    /* W: the wish before the second look; pairs with the fence between leave_lane() and mpmc_lane_left() */
    if ((q->handover.flags & PAWL_SHARED) != 0)
        pawl_fence_seq_cst();
    else
        pawl_fence_heavy();
    return take_lane(q, slot);
}

static inline mpmc_word *find_lane(struct pawl_mpmc *q, uint64_t *slot)
{
    mpmc_word *lane = take_lane(q, slot);

    return PAWL_LIKELY(lane != NULL) ? lane : want_lane(q, slot);
}

PAWL_COLD void pawl_mpmc_wake_for_lanes_(struct pawl_mpmc *q)
{
    /* acquire W: pairs with the release in want_lane() */
    if (pawl_exchange_acquire(&q->lane_wanted, 0u) != 0)
        pawl_eventcount_notify_all(&q->handover.room);
}

static void leave_lane(mpmc_word *lane, uint64_t slot)
{
    /* release L: the slot is the caller's; the next one to take it may write there */
    pawl_store_release(lane, slot);
}

/* A push has left its lane and pushed nothing. */
static PAWL_COLD void left_in_vain(struct pawl_mpmc *q)
{
    pawl_handover_fence_(&q->handover); /* W */
    mpmc_lane_left(q);
}

/* ---- push ---- */

/* Finds the cell of the next ticket, from *ticket on: 0, -EAGAIN, -EPIPE. *word is what the cell has. */
static inline int find_free(struct pawl_mpmc *q, uint64_t *ticket, uint64_t *word)
{
    /* Another turn: another push has filled the cell. */
    for (;;) {
        int64_t ahead;

        *word = pawl_load_seq_cst(mpmc_word_cell(q, *ticket)); /* H, Z: as in pawl_mpmc_fill_() */
        ahead = (int64_t)(mpmc_stamp_of(q, *word) - mpmc_stamp(q, *ticket));
        if (PAWL_UNLIKELY(ahead > 0)) {
            *ticket = pawl_mpmc_seek_tail_(q, *ticket);
            continue;
        }
        if (PAWL_UNLIKELY((*word & mpmc_closed_bit(q)) != 0))
            return -EPIPE;
        return PAWL_LIKELY(ahead == 0) ? 0 : -EAGAIN;
    }
}

/* Fetches what pushes will write to: a line of cells, and the slot of the cell of a later ticket, which the push of that
 * ticket takes away and the one after it fills. Not one that a pop has still to read. */
static inline void fetch_ahead(struct pawl_mpmc *q, uint64_t ticket)
{
    pawl_prefetch_write(mpmc_word_cell(q, ticket + PAWL_MPMC_LINES_AHEAD_ * PAWL_MPMC_LINE_WORDS_));
#if !PAWL_INSTRUMENTED /* an access that changes nothing but the time */
    ticket += SLOTS_AHEAD;
    {
        uint64_t word = pawl_load_relaxed(
            mpmc_word_cell(q, ticket)); /* relaxed: a wrong one fetches in vain */

        if (mpmc_stamp_of(q, word) == mpmc_stamp(q, ticket))
            pawl_prefetch_write(slot_of(q, word & mpmc_slot_mask(q)));
    }
#endif
}

/* Puts the element into the queue: at *ticket, whose cell had `word` when it was found free, or later. Counts
 * *ticket up. *slot is the caller's, and is another one afterwards. */
static inline int put(struct pawl_mpmc *q, uint64_t *ticket, uint64_t word, uint64_t *slot,
                      const char *element)
{
    unsigned lost = 0;

    copy_in(slot_of(q, *slot), element, q->element_bytes);
    /* release P: publishes the slot, and that all tickets before are filled, to who loads the cell. seq_cst
     * Z. */
    while (PAWL_UNLIKELY(!pawl_cas_seq_cst(mpmc_word_cell(q, *ticket), &word,
                                           mpmc_stamp(q, *ticket) | mpmc_filled_bit(q) | *slot))) {
        int status;

        stay_away(++lost);
        status = find_free(q, ticket, &word);
        if (status != 0)
            return status;
    }
    *slot = word & mpmc_slot_mask(q);
    fetch_ahead(q, *ticket);
    (*ticket)++;
    return 0;
}

ptrdiff_t pawl_mpmc_push_slots_(struct pawl_mpmc *q, const char *elements, size_t n)
{
    uint64_t tail = pawl_load_acquire(&q->tail); /* T: with the store below */
    mpmc_word *lane;
    uint64_t slot, word;
    size_t done = 0;
    /* Full and closed are found out before a lane is taken. */
    int status = find_free(q, &tail, &word);

    if (status != 0 || n == 0)
        return status == -EPIPE ? -EPIPE : 0;
    lane = find_lane(q, &slot);
    if (lane == NULL)
        return 0;
    while (status == 0) {
        status = put(q, &tail, word, &slot, elements + done * q->element_bytes);
        if (status != 0 || ++done == n)
            break;
        status = find_free(q, &tail, &word);
    }
    leave_lane(lane, slot);
    if (done == 0) {
        left_in_vain(q);
        return status == -EPIPE ? -EPIPE : 0;
    }
    pawl_store_release(&q->tail, tail); /* T: as in pawl_mpmc_push_word_() */
    return (ptrdiff_t)done;
}

int pawl_mpmc_push_slot_(struct pawl_mpmc *q, const void *element)
{
    uint64_t tail = pawl_load_acquire(&q->tail); /* T: with the store below */
    mpmc_word *lane;
    uint64_t slot, word;
    int status = find_free(q, &tail, &word);

    if (status != 0)
        return status;
    lane = find_lane(q, &slot);
    if (lane == NULL)
        return -EAGAIN;
    status = put(q, &tail, word, &slot, element);
    leave_lane(lane, slot);
    if (status != 0) {
        left_in_vain(q);
        return status;
    }
    pawl_store_release(&q->tail, tail); /* T: as in pawl_mpmc_push_word_() */
    pawl_handover_pushed(&q->handover, 1);
    mpmc_lane_left(q); /* W: behind the fence of pawl_handover_pushed() */
    return 0;
}

/* ---- pop ---- */

/* Takes the first element from *ticket on, and counts *ticket up: 0, -EAGAIN, -EPIPE. */
static inline int take(struct pawl_mpmc *q, uint64_t *ticket, char *element)
{
    unsigned lost = 0;

    /* Another turn: another pop has taken the element. */
    for (;;) {
        uint64_t word = pawl_load_seq_cst(mpmc_word_cell(q, *ticket)); /* P, Z: as in pawl_mpmc_drain_() */
        int64_t ahead = (int64_t)(mpmc_stamp_of(q, word) - mpmc_stamp(q, *ticket));

        if (PAWL_LIKELY((uint64_t)ahead == mpmc_filled_bit(q))) {
            copy_out(element, slot_of(q, word & mpmc_slot_mask(q)), q->element_bytes);
            /* release H: the slot is read before others may have it. Z. The mark and the slot stay. */
            if (PAWL_LIKELY(
                    pawl_cas_seq_cst(mpmc_word_cell(q, *ticket), &word, word + q->step - mpmc_filled_bit(q))))
                break;
            stay_away(++lost);
        } else if (ahead <= 0) {
            return (word & mpmc_closed_bit(q)) == 0 ? -EAGAIN : -EPIPE;
        } else {
            *ticket = pawl_mpmc_seek_head_(q, *ticket);
        }
    }
    (*ticket)++;
    return 0;
}

ptrdiff_t pawl_mpmc_pop_slots_(struct pawl_mpmc *q, char *elements, size_t n)
{
    uint64_t head = pawl_load_acquire(&q->head); /* T: with the store below */
    size_t done = 0;
    int status = 0;

    while (done < n) {
        status = take(q, &head, elements + done * q->element_bytes);
        if (status == -EAGAIN && done == 0 && pawl_mpmc_again_(q, head))
            continue;
        if (status != 0)
            break;
        done++;
    }
    if (done == 0)
        return status == -EPIPE ? -EPIPE : 0;
    pawl_store_release(&q->head, head); /* T: as in pawl_mpmc_pop_word_() */
    return (ptrdiff_t)done;
}

int pawl_mpmc_pop_slot_(struct pawl_mpmc *q, void *element)
{
    uint64_t head = pawl_load_acquire(&q->head); /* T: with the store below */
    int status;

    while ((status = take(q, &head, element)) != 0)
        if (status != -EAGAIN || !pawl_mpmc_again_(q, head))
            return status;
    pawl_store_release(&q->head, head); /* T: as in pawl_mpmc_pop_word_() */
    pawl_handover_popped(&q->handover, 1);
    return 0;
}
