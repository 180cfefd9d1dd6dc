/* SPDX-License-Identifier: MIT */
/* The lock-free policy: the word of a cell says which ticket it has come to, and who is inside.
 *
 *      FREE t        nobody is inside; tickets up to t are used up
 *      WRITING t     push t is inside
 *      DONE t        the element of push t
 *      ABANDONED t   a writer is inside that was given up; tickets up to t are used up
 *
 *                       push t claims                  publishes               pop takes
 *      FREE t-lap  ---------------------> WRITING t ---------------> DONE t --------------> FREE t
 *      DONE t-lap  -- the same, and has     |   |                      |
 *                     taken out the oldest  |   | a pop passes by,     +-- push t+lap claims --> WRITING t+lap
 *                                           |   v or a push of a later lap
 *                                           |  ABANDONED t (t+lap, ...) --- the writer leaves ---> FREE, tries again
 *
 * Each change is an exchange of the word, the position never falls and within a position the state only goes on: so no
 * word comes back, and who exchanges what it saw has lost nothing in between. That makes the exchange of a taker the proof
 * that what it had copied before is whole.
 *
 * A ticket is given out by the claim of its cell. Who claims t has seen that the cells of all tickets before have come to
 * theirs (T): it looked at them, or at a tail or head that was moved by who did. So a stopped thread never holds a ticket
 * that others would have to wait for: either its claim is there, or its ticket is still free. What a claim displaces
 * is exactly `cells` older, and what a pop passes by is taken, displaced or void.
 *
 * Tail and head are only marks from which to look for the first cell that has not come to its ticket, and the first that
 * is not used up. They are moved every so many tickets: most operations do without an exchange of a word that all write.
 * Beside each stands a hint, a plain store of each operation, which is usually exact. A thread that was stopped in front
 * of that store makes the hint fall back, by any distance; never behind the mark, as far as anybody is concerned.
 *
 * Threads that work on neighbouring cells take the cache line from one another in each step. So who finds his ticket
 * given out, or a push at work where he wants to pop, leaves the line to the other one for a while: that one does
 * twenty operations meanwhile. Once an operation, and bounded: it stays lock-free.
 *
 * A push that was abandoned, and had taken out an entry on its first attempt, must not take out a second one, as its
 * caller has room for one. If its next cell is not free either, a whole lap of newer tickets is out, and its own
 * element counts as the oldest: it is dropped (PAWL_RING_OVERTAKEN). */
#include "ring_cell.h"

/* Looks that a pop gives a writer inside the oldest cell, the first after a long pause: about a microsecond. Tests that
 * try all orders have 0, and no pauses. */
#ifndef PAWL_RING_PATIENCE_
#define PAWL_RING_PATIENCE_ 24
#endif

/* Tickets from one move of a mark to the next. A power of two. */
#ifndef PAWL_RING_STRIDE_
#define PAWL_RING_STRIDE_ 64
#endif

/* The rounds of backoff in which another thread is left alone: by a push 640 ns, by a pop 320 and 640. Shorter ones make
 * fewer operations a second, and the longest of them shorter: docs/ring.md has the figures. */
enum { PUSH_ROUND = 4, POP_ROUND = 3, LAST_ROUND = 4, CELLS_AHEAD = 4 };

static inline int64_t ahead(uint64_t word, uint64_t position)
{
    return (int64_t)(pawl_ring_position_(word) - position);
}

/* This thread is done with the ticket at `position`, and all before are used: moves the mark, which it has seen as `seen`,
 * if it is time. The bits of a closed tail stay. */
static inline void move_mark(PAWL_ATOMIC(uint64_t) * mark, uint64_t seen, uint64_t position)
{
    uint64_t next = position + PAWL_RING_STEP_;

    /* where the stride ends; or long behind it, when who was to move it has stopped */
    if (PAWL_LIKELY(next / PAWL_RING_STEP_ % PAWL_RING_STRIDE_ != 0 &&
                    ahead(next, pawl_ring_position_(seen)) <
                        (int64_t)2 * PAWL_RING_STRIDE_ * PAWL_RING_STEP_))
        return;
    /* release T: with the states of the cells that this thread has seen or made; pairs with the acquires of the mark.
     * Fails when another moved it, or closed the ring: then it is moved the next time. */
    if (ahead(next, pawl_ring_position_(seen)) > 0)
        (void)pawl_cas_release(mark, &seen, next | (seen & PAWL_RING_STATE_));
}

static void leave_alone(uint32_t round)
{
    struct pawl_backoff backoff = {round};

    for (; round <= LAST_ROUND && PAWL_RING_PATIENCE_ > 0; round++)
        pawl_backoff_pause(&backoff);
}

/* Another push has the ticket in front of `position`. Returns where to go on, later. */
static PAWL_COLD uint64_t let_pass(const struct pawl_ring *ring, uint64_t position)
{
    leave_alone(PUSH_ROUND);
    return pawl_ring_later_(&ring->tail_hint, position);
}

/* What a push has in hand between its attempts. */
struct attempt {
    uint64_t first; /* the ticket of the first one */
    int result;     /* PAWL_RING_EVICTED once the caller's `evicted` is filled */
    bool begun;
};

/* The cell is claimed: fills and publishes it. False: the push was given up meanwhile. */
static inline bool fill(struct pawl_ring_cell_ *cell, uint64_t position, const void *element, size_t bytes)
{
    uint64_t word = position | PAWL_RING_WRITING_;

    /* F1: the claim before the element; pairs with F2 in pawl_ring_view */
    pawl_fence_release();
    pawl_ring_store_(cell, element, bytes);
    PAWL_RING_POINT_(filled);
    /* release P: publishes the element; pairs with the acquires of the word */
    if (PAWL_LIKELY(pawl_cas_release(&cell->word, &word, position | PAWL_RING_DONE_)))
        return true;
    PAWL_RING_POINT_(given_up);
    /* ABANDONED -> FREE whatever position it has come to. release P: the element was stored before somebody
     * else writes here */
    (void)pawl_fetch_sub_release(&cell->word, (uint64_t)(PAWL_RING_ABANDONED_ - PAWL_RING_FREE_));
    return false;
}

/* Claims the cell at `position` and fills it. `word` is what it held: FREE or DONE. True: stored. */
static inline bool claim(struct pawl_ring *ring, struct pawl_ring_cell_ *cell, uint64_t word, uint64_t tail,
                         uint64_t position, struct attempt *attempt, const void *element, void *evicted,
                         size_t bytes)
{
    bool displaces = (word & PAWL_RING_STATE_) == PAWL_RING_DONE_;

    if (displaces && evicted != NULL)
        pawl_ring_load_(evicted, cell, bytes);
    PAWL_RING_POINT_(before_claim);
    /* acquire P: who was inside before has read or written all that it wanted; pairs with the releases of the word.
     * release: the copy above is finished before the word changes, the exchange proves it whole; and T */
    if (!pawl_cas_acq_rel(&cell->word, &word, position | PAWL_RING_WRITING_))
        return false; /* another push has this ticket, or a pop the entry */
    PAWL_RING_POINT_(claimed);
    /* Another has pushed there a lap ago, as often as not: its line comes while this push and the next ones are made. */
    pawl_prefetch_write(pawl_ring_cell_at_(ring, position + (uint64_t)CELLS_AHEAD * PAWL_RING_STEP_));
    pawl_store_release(&ring->tail_hint, position + PAWL_RING_STEP_); /* release T: as through the mark */
    move_mark(&ring->tail, tail, position);
    PAWL_RING_POINT_(advanced);
    if (displaces) {
        PAWL_ATOMIC(uint64_t) *lost = pawl_ring_lost_of_(ring, cell);

        /* relaxed, both: only who is inside counts here, and P hands it on */
        pawl_store_relaxed(lost, pawl_load_relaxed(lost) + 1);
        attempt->result = PAWL_RING_EVICTED;
    }
    return fill(cell, position, element, bytes);
}

static inline __attribute__((always_inline)) int push(struct pawl_ring *ring, const void *element,
                                                      void *evicted, size_t bytes)
{
    struct attempt attempt = {0};
    uint64_t position = pawl_load_acquire(&ring->tail_hint); /* acquire T: pairs with `claim` */
    bool alone = true;                                       /* nobody has been met */

    for (;;) {
        /* acquire T. In each turn anew, behind the look at a cell: who sees the ticket that a pop of a closed ring has
         * used up (`seal`) must see that it is closed. */
        uint64_t tail = pawl_load_acquire(&ring->tail);
        struct pawl_ring_cell_ *cell;
        uint64_t word;
        bool in_hand = evicted != NULL && attempt.result != 0;

        if (PAWL_UNLIKELY((tail & PAWL_RING_CLOSED_) != 0))
            return in_hand ? PAWL_RING_EVICTED | PAWL_RING_OVERTAKEN : -EPIPE;
        if (ahead(tail, position) > 0)
            position = pawl_ring_position_(tail);
        cell = pawl_ring_cell_at_(ring, position);
        /* acquire P: an element that this displaces was published. acquire T: as through the tail */
        word = pawl_load_acquire(&cell->word);
        if (ahead(word, position) >=
            0) { /* another push has this ticket, and all up to the one in the word are out */
            position = pawl_ring_position_(word);
            move_mark(&ring->tail, tail, position);
            position += PAWL_RING_STEP_;
            if (alone && (word & PAWL_RING_STATE_) != PAWL_RING_ABANDONED_)
                position = let_pass(ring, position);
            alone = false;
            continue;
        }
        if (!attempt.begun) {
            attempt.begun = true;
            attempt.first = position;
        }
        if ((word & PAWL_RING_WRITING_) != 0) { /* or ABANDONED: somebody has been inside for a lap */
            if (position - attempt.first >= ring->lap)
                return attempt.result | PAWL_RING_OVERTAKEN; /* a lap of newer tickets is out */
            /* acq_rel P: passes on what it saw, T too. Fails when the writer left, or the ticket was used */
            (void)pawl_cas_acq_rel(&cell->word, &word, position | PAWL_RING_ABANDONED_);
        } else if (in_hand && word == ((position - ring->lap) | PAWL_RING_DONE_)) {
            return PAWL_RING_EVICTED | PAWL_RING_OVERTAKEN; /* as above, see the top of the file */
        } else if (claim(ring, cell, word, tail, position, &attempt, element, evicted, bytes)) {
            return attempt.result;
        }
    }
}

int pawl_ring_lockfree_push_(struct pawl_ring *ring, const void *element, void *evicted)
{
    return ring->element_bytes == 8 ? push(ring, element, evicted, 8)
                                    : push(ring, element, evicted, ring->element_bytes);
}

/* The cell has come to a later ticket: its entry is gone, and so is every one that is more than a lap older than a ticket
 * that was given out. Returns where to go on. */
static PAWL_COLD uint64_t pass_displaced(const struct pawl_ring *ring, uint64_t position)
{
    uint64_t oldest = pawl_ring_later_(&ring->tail_hint, pawl_load_acquire(&ring->tail)) - ring->lap;

    return (int64_t)(oldest - position) > 0 ? oldest : position + PAWL_RING_STEP_;
}

/* A closed ring with nothing inside: but a push that had seen it open may still claim this ticket, the next one. Uses
 * it up. True when nothing can come any more. */
static PAWL_COLD bool seal(struct pawl_ring *ring, struct pawl_ring_cell_ *cell, uint64_t word, uint64_t tail,
                           uint64_t position)
{
    if ((tail & PAWL_RING_SEALED_) != 0)
        return true;
    /* acq_rel P: FREE or ABANDONED stay what they are. Released to pushes: the ring is closed. Fails when the push was
     * faster: there is an entry, then. */
    if (pawl_cas_acq_rel(&cell->word, &word, position | (word & PAWL_RING_STATE_)))
        (void)pawl_fetch_or_release(&ring->tail,
                                    (uint64_t)PAWL_RING_SEALED_); /* release: the ticket is used up */
    return false;
}

/* Whether an entry was inside at the moment when a push was seen inside the oldest cell. While that push is there,
 * nothing behind it leaves: so what is not there now was not there then. */
static bool some_behind(const struct pawl_ring *ring, uint64_t position)
{
    for (uint64_t p = position + PAWL_RING_STEP_; p != position + ring->lap; p += PAWL_RING_STEP_) {
        uint64_t word = pawl_load_acquire(&pawl_ring_cell_at_(ring, p)->word); /* acquire: in this order */

        if (word == (p | PAWL_RING_DONE_))
            return true;
        if (ahead(word, p) < 0)
            return false; /* no later ticket was given out, see T */
    }
    return false;
}

/* A writer is inside the oldest cell. It gets some time, whatever is behind it. It is given up only for the sake of an
 * entry behind it: pops that gave up every writer they meet could keep all pushes from ending, and themselves. 0: look
 * again; -EAGAIN: there is none. */
static PAWL_COLD int wait_or_abandon(struct pawl_ring *ring, struct pawl_ring_cell_ *cell, uint64_t word,
                                     unsigned *looks)
{
    uint64_t position = pawl_ring_position_(word);

    /* relaxed: who misses that the writer had its time gives it some more */
    if (*looks < 1 && PAWL_RING_PATIENCE_ > 0 && pawl_load_relaxed(&ring->waited) != word) {
        ++*looks;
        PAWL_RING_POINT_(waits);
        leave_alone(POP_ROUND);
        return 0;
    }
    /* relaxed: a closing that is not seen yet comes later */
    if ((pawl_load_relaxed(&ring->tail) & PAWL_RING_CLOSED_) == 0 && !some_behind(ring, position)) {
        /* relaxed: a hint. Who died in there is not waited for by every pop that finds nothing. */
        pawl_store_relaxed(&ring->waited, word);
        return pawl_load_acquire(&cell->word) == word ? -EAGAIN : 0; /* acquire: it is still there */
    }
    if ((*looks)++ < PAWL_RING_PATIENCE_) {
        pawl_relax();
        return 0;
    }
    /* acq_rel P: fails when the writer has published */
    (void)pawl_cas_acq_rel(&cell->word, &word, position | PAWL_RING_ABANDONED_);
    return 0;
}

static inline __attribute__((always_inline)) int pop(struct pawl_ring *ring, void *element, uint64_t *ticket,
                                                     size_t bytes)
{
    uint64_t head = pawl_load_acquire(&ring->head); /* acquire: pairs with move_mark */
    uint64_t position = pawl_ring_later_(&ring->head_hint, head);
    unsigned looks = 0;

    for (;;) {
        struct pawl_ring_cell_ *cell = pawl_ring_cell_at_(ring, position);
        uint64_t word = pawl_load_acquire(&cell->word); /* acquire P: pairs with `fill`. T */

        if (word == (position | PAWL_RING_DONE_)) {
            pawl_ring_load_(element, cell, bytes);
            PAWL_RING_POINT_(before_take);
            /* acq_rel: the copy is finished before the word changes: the exchange proves it whole, and the next writer
             * acquires P */
            if (pawl_cas_acq_rel(&cell->word, &word, position | PAWL_RING_FREE_)) {
                PAWL_RING_POINT_(taken);
                /* release: as with the mark */
                pawl_store_release(&ring->head_hint, position + PAWL_RING_STEP_);
                move_mark(&ring->head, head, position);
                if (ticket != NULL)
                    *ticket = position / PAWL_RING_STEP_;
                return 0;
            }
        } else if (ahead(word, position) > 0) {
            position = pass_displaced(ring, position);
        } else if (word == (position | PAWL_RING_WRITING_)) {
            int status = wait_or_abandon(ring, cell, word, &looks);

            if (status != 0)
                return status;
        } else if (ahead(word, position) == 0) { /* taken, or void */
            move_mark(&ring->head, head, position);
            position += PAWL_RING_STEP_;
        } else { /* this ticket is not given out yet, and none behind it */
            uint64_t tail = pawl_load_acquire(
                &ring->tail); /* acquire: pairs with the closer, and with `seal` */

            if ((tail & PAWL_RING_CLOSED_) == 0)
                return -EAGAIN;
            if (seal(ring, cell, word, tail, position))
                return -EPIPE;
        }
    }
}

int pawl_ring_lockfree_pop_(struct pawl_ring *ring, void *element, uint64_t *ticket)
{
    return ring->element_bytes == 8 ? pop(ring, element, ticket, 8)
                                    : pop(ring, element, ticket, ring->element_bytes);
}

void pawl_ring_lockfree_close_(struct pawl_ring *ring)
{
    /* acq_rel: what the closer did is seen by who finds it closed */
    (void)pawl_fetch_or_acq_rel(&ring->tail, (uint64_t)PAWL_RING_CLOSED_);
}
