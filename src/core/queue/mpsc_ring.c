/* SPDX-License-Identifier: MIT */
/* The bounded queue of many producers and one consumer: geometry, batches, waiting, the end. */
#include <pawl/mpsc_ring.h>

#include "loss.h"

#include <errno.h>
#include <stdlib.h>

extern inline struct pawl_mpsc_ring_place_ *pawl_mpsc_ring_place_of_(const struct pawl_mpsc_ring *q,
                                                                     uint64_t ticket);
extern inline void pawl_mpsc_ring_fetch_(const struct pawl_mpsc_ring *q, uint64_t ticket);
extern inline void pawl_mpsc_ring_copy_(const struct pawl_mpsc_ring *q, void *to, const void *from);
extern inline int pawl_mpsc_ring_push(struct pawl_mpsc_ring *q, const void *element);
extern inline int pawl_mpsc_ring_pop(struct pawl_mpsc_ring *q, void *element);

/* ---- geometry ---- */

enum {
    LAG_SHARE = 8,   /* of the capacity, that the consumer may keep */
    LAG_MOST = 1024, /* places, that it may keep */
    LINES_APART = 36,
    WORDS_AHEAD = 16, /* places, whose lines are fetched: four lines */
    WIDE_AHEAD = 4,
    RUN = 8, /* pops in a row, at least, after which the consumer stays away once it finds nothing */
};

static uint64_t lag_of(size_t capacity)
{
    return capacity / LAG_SHARE < 1 ? 1 : capacity / LAG_SHARE < LAG_MOST ? capacity / LAG_SHARE : LAG_MOST;
}

static size_t place_bytes_of(size_t element_bytes)
{
    size_t word = sizeof(uint64_t);

    return word + (element_bytes + word - 1) / word * word;
}

/* A power of two; 0 and errno when that is impossible. */
static uint64_t places_of(size_t capacity, size_t element_bytes)
{
    uint64_t places = 1;

    if (capacity == 0 || element_bytes == 0 || element_bytes > PAWL_MPSC_RING_MAX_ELEMENT) {
        errno = EINVAL;
        return 0;
    }
    if (capacity > (size_t)PTRDIFF_MAX / 4) {
        errno = EOVERFLOW;
        return 0;
    }
    while (places < capacity + lag_of(capacity) + PAWL_MPSC_RING_AT_ONCE)
        places *= 2;
    if (places > (PTRDIFF_MAX - sizeof(struct pawl_mpsc_ring)) / place_bytes_of(element_bytes)) {
        errno = EOVERFLOW;
        return 0;
    }
    return places;
}

size_t pawl_mpsc_ring_bytes(size_t capacity, size_t element_bytes)
{
    uint64_t places = places_of(capacity, element_bytes);

    return places == 0 ? 0 : sizeof(struct pawl_mpsc_ring) + places * place_bytes_of(element_bytes);
}

void pawl_mpsc_ring_start_at_(struct pawl_mpsc_ring *q, uint64_t position)
{
    uint64_t ticket = position * PAWL_MPSC_RING_STEP_;

    /* relaxed, all: nobody uses it yet. 0: filled for no ticket, as those words are odd. */
    for (uint64_t i = 0; i <= q->mask; i++)
        pawl_store_relaxed(&pawl_mpsc_ring_place_of_(q, i * PAWL_MPSC_RING_STEP_)->filled, UINT64_C(0));
    pawl_store_relaxed(&q->room, ticket);
    pawl_store_relaxed(&q->tail, ticket);
    pawl_store_relaxed(&q->head, ticket);
    q->room_given = ticket;
    q->nothing_at = ticket;
    pawl_store_relaxed(&q->final, ticket);
}

int pawl_mpsc_ring_init(struct pawl_mpsc_ring *q, size_t capacity, size_t element_bytes, int flags)
{
    uint64_t places;
    bool words;

    if ((flags != PAWL_PRIVATE && flags != PAWL_SHARED) || (uintptr_t)q % PAWL_CACHELINE_PAIR != 0)
        return -EINVAL;
    places = places_of(capacity, element_bytes);
    if (places == 0)
        return -errno;
    q->mask = places - 1;
    q->places = places * PAWL_MPSC_RING_STEP_;
    q->lag = lag_of(capacity) * PAWL_MPSC_RING_STEP_;
    /* When a push finds it full, the consumer may keep all but one of `lag` places that it has emptied. */
    q->limit = capacity * PAWL_MPSC_RING_STEP_ + q->lag - PAWL_MPSC_RING_STEP_;
    q->place_bytes = (uint32_t)place_bytes_of(element_bytes);
    q->element_bytes = (uint32_t)element_bytes;
    words = q->place_bytes == 2 * sizeof(uint64_t);
    q->apart = words ? LINES_APART : 0;
    q->ahead = (words ? WORDS_AHEAD : WIDE_AHEAD) * PAWL_MPSC_RING_STEP_;
    pawl_handover_init(&q->handover, flags);
    pawl_mpsc_ring_start_at_(q, 0);
    return 0;
}

struct pawl_mpsc_ring *pawl_mpsc_ring_open(size_t capacity, size_t element_bytes)
{
    size_t bytes = pawl_mpsc_ring_bytes(capacity, element_bytes);
    struct pawl_mpsc_ring *q;

    if (bytes == 0)
        return NULL;
    bytes = (bytes + PAWL_CACHELINE_PAIR - 1) / PAWL_CACHELINE_PAIR * PAWL_CACHELINE_PAIR;
    q = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
    if (q == NULL || pawl_mpsc_ring_init(q, capacity, element_bytes, PAWL_PRIVATE) == 0)
        return q;
    free(q); /* not reached: what init refuses, pawl_mpsc_ring_bytes has refused */
    return NULL;
}

void pawl_mpsc_ring_free(struct pawl_mpsc_ring *q)
{
    free(q);
}

size_t pawl_mpsc_ring_capacity(const struct pawl_mpsc_ring *q)
{
    return (q->limit - q->lag) / PAWL_MPSC_RING_STEP_ + 1;
}

size_t pawl_mpsc_ring_size(const struct pawl_mpsc_ring *q)
{
    /* relaxed, both: a number that may be old when it returns */
    uint64_t head = pawl_load_relaxed(&q->head);
    uint64_t tail = pawl_load_relaxed(pawl_handover_closed(&q->handover) ? &q->final : &q->tail);

    if (tail - head > INT64_MAX)
        return 0;
    /* more: the head has moved meanwhile, or pushes wait for places */
    return (tail - head < q->places ? tail - head : q->places) / PAWL_MPSC_RING_STEP_;
}

/* ---- room ---- */

void pawl_mpsc_ring_wait_for_place_(struct pawl_mpsc_ring *q, uint64_t ticket)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    /* acquire R: pairs with the release in pawl_mpsc_ring_give_room_. The consumer makes the progress. */
    while (ticket - pawl_load_acquire(&q->room) >= q->places)
        pawl_backoff_wait(&backoff);
}

void pawl_mpsc_ring_give_room_(struct pawl_mpsc_ring *q, uint64_t head)
{
    size_t n = (head - q->room_given) / PAWL_MPSC_RING_STEP_;

    /* release R: pairs with the acquires of room: the elements were read before they are overwritten */
    pawl_store_release(&q->room, head);
    pawl_handover_popped(&q->handover, n);
    pawl_fence_compiler(); /* who is killed before the next line leaves it to the next consumer to give it again */
    q->room_given = head;
}

/* Who has popped a run of elements and then finds nothing is just behind the producers: it would take each line out of their
 * hands for one word. It stays away once, and finds another run. True: it has. Few elements are no run: they are not late
 * for that. */
static bool stayed_away(uint64_t run)
{
#if !PAWL_INSTRUMENTED /* it changes nothing but the time */
    if (run >= RUN * PAWL_MPSC_RING_STEP_) {
        stay_away(2);
        return true;
    }
#else
    (void)run;
#endif
    return false;
}

/* The place at `head` is not filled. Room that the consumer has kept, less than `lag`, is given back when it finds nothing
 * twice: a consumer that is just behind the producers finds nothing all the time, and each of them reads the room. Nobody
 * has to wait for it (docs/mpsc.md), but who sleeps should find the queue as empty as it is. `lag` or more, which a consumer
 * has kept that was killed, at once. */
int pawl_mpsc_ring_nothing_(struct pawl_mpsc_ring *q, uint64_t head)
{
    uint64_t run = head - q->nothing_at;

    if (run != 0 && head - q->room_given < q->lag) {
        q->nothing_at = head;
        if (stayed_away(run))
            return 0;
    } else if (head != q->room_given) {
        pawl_mpsc_ring_give_room_(q, head);
    }
    /* acquire C (<pawl/handover.h>): sees `final`. relaxed: it does not change any more */
    return pawl_handover_closed(&q->handover) && head == pawl_load_relaxed(&q->final) ? -EPIPE : -EAGAIN;
}

/* ---- many ---- */

static inline void fill(struct pawl_mpsc_ring *q, uint64_t ticket, uint64_t room, const void *element)
{
    struct pawl_mpsc_ring_place_ *place = pawl_mpsc_ring_place_of_(q, ticket);

    if (ticket - room >= q->places) /* R: as in push */
        pawl_mpsc_ring_wait_for_place_(q, ticket);
    pawl_mpsc_ring_copy_(q, place->element, element);
    /* release E: pairs with the acquire in pop, publishes the element */
    pawl_store_release(&place->filled, ticket | PAWL_MPSC_RING_BIT_);
}

int pawl_mpsc_ring_push_n(struct pawl_mpsc_ring *q, const void *elements, size_t n)
{
    const unsigned char *next = elements;
    /* acquire, both: as in pawl_mpsc_ring_push */
    uint64_t tail = pawl_load_acquire(&q->tail);
    uint64_t room = pawl_load_acquire(&q->room);
    uint64_t more = (n - 1) * PAWL_MPSC_RING_STEP_;
    uint64_t ticket;

    if (n == 0 || n > pawl_mpsc_ring_capacity(q))
        return -EINVAL;
    if ((tail & PAWL_MPSC_RING_BIT_) != 0)
        return -EPIPE;
    if ((int64_t)(tail + more - room - q->limit) >= 0)
        return -EAGAIN;
    ticket = pawl_fetch_add_relaxed(&q->tail, more + PAWL_MPSC_RING_STEP_); /* relaxed: as in push */
    if ((ticket & PAWL_MPSC_RING_BIT_) != 0)
        return -EPIPE;
    /* Wide elements from the last to the first: the end of one and the word of the next are often in one line, which the consumer
     * would take away for the one while the other is written. So it finds nothing before it finds all. The last gets its place
     * when what came before the first is popped, as n is at most the capacity: it never waits for the first. */
    if (q->apart == 0)
        for (size_t i = n; i-- > 0;)
            fill(q, ticket + i * PAWL_MPSC_RING_STEP_, room, next + i * q->element_bytes);
    else
        for (size_t i = 0; i < n; i++, ticket += PAWL_MPSC_RING_STEP_, next += q->element_bytes)
            fill(q, ticket, room, next);
    pawl_handover_pushed(&q->handover, n);
    return 0;
}

ptrdiff_t pawl_mpsc_ring_pop_n(struct pawl_mpsc_ring *q, void *elements, size_t n)
{
    unsigned char *next = elements;
    uint64_t head = pawl_load_relaxed(&q->head); /* relaxed: the consumer's own */
    size_t done = 0;

    while (done < n) {
        struct pawl_mpsc_ring_place_ *place = pawl_mpsc_ring_place_of_(q, head);

        /* acquire E: pairs with the release in push, sees the element */
        if (pawl_load_acquire(&place->filled) != (head | PAWL_MPSC_RING_BIT_)) {
            int status = done == 0 ? pawl_mpsc_ring_nothing_(q, head) : -EAGAIN;

            if (status == 0)
                continue;
            if (status == -EPIPE)
                return -EPIPE;
            break;
        }
        pawl_mpsc_ring_copy_(q, next, place->element);
        head += PAWL_MPSC_RING_STEP_;
        next += q->element_bytes;
        done++;
    }
    if (done == 0)
        return 0;
    pawl_fence_compiler();              /* as in pawl_mpsc_ring_pop */
    pawl_store_relaxed(&q->head, head); /* relaxed: as there */
    if (head - q->room_given >= q->lag)
        pawl_mpsc_ring_give_room_(q, head);
    return (ptrdiff_t)done;
}

/* ---- waiting ---- */

struct operation {
    struct pawl_mpsc_ring *q;
    const void *from;
    void *to;
};

static int attempt_push(void *argument)
{
    struct operation *operation = argument;

    return pawl_mpsc_ring_push(operation->q, operation->from);
}

static int attempt_pop(void *argument)
{
    struct operation *operation = argument;

    return pawl_mpsc_ring_pop(operation->q, operation->to);
}

int pawl_mpsc_ring_push_wait(struct pawl_mpsc_ring *q, const void *element, uint64_t deadline)
{
    struct operation operation = {.q = q, .from = element};

    return pawl_handover_push_wait(&q->handover, attempt_push, &operation, deadline);
}

int pawl_mpsc_ring_pop_wait(struct pawl_mpsc_ring *q, void *element, uint64_t deadline)
{
    struct operation operation = {.q = q, .to = element};

    return pawl_handover_pop_wait(&q->handover, attempt_pop, &operation, deadline);
}

/* ---- the end ---- */

/* It ends at this tail, or later: closers that come to the CAS too late say less than the one that made it. */
static void raise_final(struct pawl_mpsc_ring *q, uint64_t tail)
{
    uint64_t final = pawl_load_relaxed(&q->final); /* relaxed, both: the CAS of the tail publishes it */

    /* Another turn: another closer has raised it. */
    while ((int64_t)(tail - final) > 0 && !pawl_cas_relaxed(&q->final, &final, tail)) {
    }
}

int pawl_mpsc_ring_close(struct pawl_mpsc_ring *q)
{
    /* acquire, here and where the CAS fails: pairs with the CAS of who has closed it, sees its `final` */
    uint64_t tail = pawl_load_acquire(&q->tail);

    /* One order of all changes of the tail decides which pushes came before. Who comes later counts on, which nobody looks
     * at any more: so `final` is there first, and whoever closes again after a closer that was killed finds it. Another
     * turn: a push has reserved a place. */
    do {
        if ((tail & PAWL_MPSC_RING_BIT_) != 0)
            break;
        raise_final(q, tail);
        /* acq_rel: publishes `final` to other closers */
    } while (!pawl_cas_acq_rel(&q->tail, &tail, tail | PAWL_MPSC_RING_BIT_));
    return pawl_handover_close(&q->handover); /* release C: publishes `final` */
}

int pawl_mpsc_ring_skip(struct pawl_mpsc_ring *q)
{
    uint64_t head = pawl_load_relaxed(&q->head); /* relaxed: the consumer's own */
    struct pawl_mpsc_ring_place_ *place = pawl_mpsc_ring_place_of_(q, head);

    /* relaxed: whose producer is dead is not filled any more; the element is not read */
    if (pawl_load_relaxed(&place->filled) == (head | PAWL_MPSC_RING_BIT_) || pawl_mpsc_ring_size(q) == 0)
        return -EAGAIN;
    head += PAWL_MPSC_RING_STEP_;
    pawl_store_relaxed(&q->head, head); /* relaxed: as in pop */
    /* as in pop: who waits for room waits for this place too, and nothing else may come to be popped */
    if (head - q->room_given >= q->lag)
        pawl_mpsc_ring_give_room_(q, head);
    return 0;
}
