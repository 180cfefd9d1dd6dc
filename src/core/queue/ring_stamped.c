/* SPDX-License-Identifier: MIT */
/* The fast policy: a stamp in each cell says whose turn it is.
 *
 *      stamp of the cell of ticket t      means                          who goes on, by one exchange
 *      t      vacant                      push t may write here          tail t -> t+1
 *      t      full                        pop t may read here            head t -> t+1
 *      t-lap  full, and tail is t         the ring is full               head t-lap -> t-lap+1: the push takes out the
 *                                                                        oldest itself, and then writes here
 *
 * Who has moved an index owns the cell until it stores the next stamp. Who comes round to it meanwhile, waits.
 *
 * A push that takes out the oldest needs no second exchange for the tail: nobody can move the tail from t but a push that
 * finds the cell of t vacant or takes out t-lap, and this thread has just taken that away from them. For the same
 * reason displacing pushes come one after the other, and count what they displace in a plain word. */
#include "ring_cell.h"

/* The cell is the caller's now; what stood in it has been read. */
static inline void fill(struct pawl_ring_cell_ *cell, uint64_t position, const void *element, size_t bytes)
{
    /* F1: the index moved on, before the element changes; pairs with F2 in pawl_ring_view */
    pawl_fence_release();
    pawl_ring_store_(cell, element, bytes);
    PAWL_RING_POINT_(filled);
    /* release P: publishes the element; pairs with the acquires of the stamp */
    pawl_store_release(&cell->word, position | PAWL_RING_FULL_);
}

/* Takes out the oldest for the push at `tail`. */
static inline bool displace(struct pawl_ring *ring, uint64_t tail)
{
    uint64_t oldest = tail - ring->lap;

    /* acq_rel: the evicted element was published by P, which the stamp acquired. Released to views, see F1. */
    if (!pawl_cas_acq_rel(&ring->head, &oldest, oldest + PAWL_RING_STEP_))
        return false; /* a pop or another push was first, or the ring is being closed */
    PAWL_RING_POINT_(displaced);
    /* relaxed, both: one at a time, and each has acquired the tail that the one before released */
    pawl_store_relaxed(&ring->lost, pawl_load_relaxed(&ring->lost) + 1);
    pawl_store_release(&ring->tail, tail + PAWL_RING_STEP_); /* T: with the count */
    PAWL_RING_POINT_(tail_stored);
    return true;
}

static inline __attribute__((always_inline)) int push(struct pawl_ring *ring, const void *element,
                                                      void *evicted, size_t bytes)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (;;) {
        uint64_t tail = pawl_load_acquire(&ring->tail); /* acquire T: see `displace` */
        struct pawl_ring_cell_ *cell = pawl_ring_cell_at_(ring, tail);
        /* acquire P: pairs with the releases in `fill` and in pop: the cell is what the stamp says */
        uint64_t stamp = pawl_load_acquire(&cell->word);

        if (PAWL_UNLIKELY((tail & PAWL_RING_CLOSED_) != 0))
            return -EPIPE;
        if (stamp == (tail | PAWL_RING_VACANT_)) {
            /* acq_rel: hands on the count of the displaced */
            if (pawl_cas_acq_rel(&ring->tail, &tail, tail + PAWL_RING_STEP_)) {
                PAWL_RING_POINT_(tail_taken);
                fill(cell, tail, element, bytes);
                return 0;
            }
            pawl_backoff_pause(&backoff); /* another push took this ticket */
        } else if (stamp == ((tail - ring->lap) | PAWL_RING_FULL_)) {
            if (displace(ring, tail)) {
                if (evicted != NULL)
                    pawl_ring_load_(evicted, cell, bytes);
                fill(cell, tail, element, bytes);
                return PAWL_RING_EVICTED;
            }
            /* relaxed: the bit alone; it is set for ever */
            if ((pawl_load_relaxed(&ring->head) & PAWL_RING_CLOSED_) != 0)
                return -EPIPE;
            pawl_backoff_wait(
                &backoff); /* who was first works on the cell of this ticket, or the tail is old */
        } else {
            pawl_backoff_wait(&backoff); /* the same */
        }
    }
}

static inline __attribute__((always_inline)) int pop(struct pawl_ring *ring, void *element, uint64_t *ticket,
                                                     size_t bytes)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (;;) {
        /* acquire: who finds the head at h finds the tail at h or beyond, as everybody did who moved it there */
        uint64_t head = pawl_load_acquire(&ring->head);
        uint64_t position = pawl_ring_position_(head);
        struct pawl_ring_cell_ *cell = pawl_ring_cell_at_(ring, position);
        uint64_t stamp = pawl_load_acquire(&cell->word); /* acquire P: pairs with `fill` */

        if (stamp == (position | PAWL_RING_FULL_)) {
            /* acq_rel: as in `displace` */
            if (pawl_cas_acq_rel(&ring->head, &head, head + PAWL_RING_STEP_)) {
                PAWL_RING_POINT_(head_taken);
                pawl_ring_load_(element, cell, bytes);
                if (ticket != NULL)
                    *ticket = position / PAWL_RING_STEP_;
                /* release P: the element was read, before the next push writes here */
                pawl_store_release(&cell->word, (position + ring->lap) | PAWL_RING_VACANT_);
                return 0;
            }
            pawl_backoff_pause(&backoff); /* another pop has it, or a push displaced it */
            continue;
        }
        if (stamp == (position | PAWL_RING_VACANT_)) {
            uint64_t tail = pawl_load_acquire(&ring->tail); /* acquire: pairs with the pushes that moved it */

            if (pawl_ring_position_(tail) == position)
                return (tail & PAWL_RING_CLOSED_) != 0 ? -EPIPE : -EAGAIN;
        }
        pawl_backoff_wait(&backoff); /* the push of this ticket is inside, or the head was old */
    }
}

int pawl_ring_stamped_push_(struct pawl_ring *ring, const void *element, void *evicted)
{
    return ring->element_bytes == 8 ? push(ring, element, evicted, 8)
                                    : push(ring, element, evicted, ring->element_bytes);
}

int pawl_ring_stamped_pop_(struct pawl_ring *ring, void *element, uint64_t *ticket)
{
    return ring->element_bytes == 8 ? pop(ring, element, ticket, 8)
                                    : pop(ring, element, ticket, ring->element_bytes);
}

/* Sets the bit of the tail, at a moment when no push is between its exchange of the head and its plain store of the
 * tail, which would wipe it out. The cell of the tail tells: vacant, there is none; full with the head on it,
 * there will be none once the head is marked too. Otherwise somebody is inside. */
void pawl_ring_stamped_close_(struct pawl_ring *ring)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (;;) {
        uint64_t tail = pawl_load_acquire(
            &ring->tail); /* acquire T: no push at this tail has displaced yet */
        uint64_t oldest = tail - ring->lap, head = oldest;
        uint64_t stamp;

        if ((tail & PAWL_RING_CLOSED_) != 0)
            return;
        stamp = pawl_load_acquire(&pawl_ring_cell_at_(ring, tail)->word); /* acquire P: as in push */
        /* acq_rel: what the closer did is seen by who finds it closed */
        if (stamp == (tail | PAWL_RING_VACANT_) &&
            pawl_cas_acq_rel(&ring->tail, &tail, tail | PAWL_RING_CLOSED_))
            return;
        /* Or another closer has marked the head, and is about to mark the tail; or was killed. */
        if (stamp == (oldest | PAWL_RING_FULL_) &&
            (pawl_cas_acq_rel(&ring->head, &head, oldest | PAWL_RING_CLOSED_) ||
             head == (oldest | PAWL_RING_CLOSED_))) {
            (void)pawl_fetch_or_acq_rel(&ring->tail, (uint64_t)PAWL_RING_CLOSED_);
            return;
        }
        pawl_backoff_wait(&backoff);
    }
}
