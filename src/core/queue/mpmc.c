/* SPDX-License-Identifier: MIT */
/* The lock-free queue: making, closing, finding head and tail; elements of up to 8 bytes.
 *
 * Why the answers are right. Tickets are filled in order: who fills t has seen t - 1 filled, in the cell or
 * through the hint (T), and so, by acquire and release, everybody before. They are popped in order, likewise.
 *
 *   full     the pusher has seen t - 1 filled, and then that t - cells, of the same cell as t, is not popped:
 *   at that
 *            look all cells were filled.
 *   empty    the popper has seen h - 1 popped, and then that h is not filled: no ticket from h on was.
 *   pop      the stamp was (filled, h) when the element was read, and is at the CAS: stamps only grow, so it
 *   was
 *            throughout, and nobody writes an element without the stamp.
 *   closed   the bit is set by a CAS on the first cell that is not filled, so it stands at one ticket T for
 *   ever:
 *            pushers must fill T next, and their CAS expects the bit not to be there. The pop of what was in
 *            that cell before, if the queue was full, leaves the bit. Poppers get to T when all is popped. */
#include "mpmc.h"

#include "loss.h"

#include <stdlib.h>

#define LARGEST_CAPACITY (UINT64_C(1) << 31)
#define RUN 8 /* pops in a row, at least, that stay away when they end */

extern inline uint64_t pawl_mpmc_place_(const struct pawl_mpmc *q, uint64_t ticket, uint64_t in_line);
extern inline struct pawl_pair *pawl_mpmc_cell_(struct pawl_mpmc *q, uint64_t ticket);
extern inline bool pawl_mpmc_restamp_(struct pawl_pair *cell, const struct pawl_pair *seen, uint64_t stamp);
extern inline int pawl_mpmc_fill_(struct pawl_mpmc *q, uint64_t *ticket, uint64_t value);
extern inline int pawl_mpmc_drain_(struct pawl_mpmc *q, uint64_t *ticket, uint64_t *value);
extern inline int pawl_mpmc_push_word_(struct pawl_mpmc *q, uint64_t value);
extern inline int pawl_mpmc_pop_word_(struct pawl_mpmc *q, uint64_t *value);
extern inline int pawl_mpmc_push(struct pawl_mpmc *q, const void *element);
extern inline int pawl_mpmc_pop(struct pawl_mpmc *q, void *element);
extern inline size_t pawl_mpmc_capacity(const struct pawl_mpmc *q);
extern inline bool pawl_mpmc_closed(const struct pawl_mpmc *q);

/* ---- making ---- */

/* log2 of the number of cells for a capacity. */
static uint32_t order_of(size_t capacity)
{
    return capacity == 1 ? 0 : 64 - (uint32_t)__builtin_clzll(capacity - 1);
}

/* Fills in where everything is. Returns the bytes in all; 0 with errno. */
static size_t lay_out(struct pawl_mpmc *q, size_t capacity, size_t element_bytes)
{
    uint64_t cells, slot_bytes, bytes;
    uint32_t order;

    if (capacity == 0 || capacity > LARGEST_CAPACITY || element_bytes == 0) {
        errno = EINVAL;
        return 0;
    }
    if (element_bytes > UINT32_MAX - 8) {
        errno = EOVERFLOW;
        return 0;
    }
    order = order_of(capacity);
    cells = UINT64_C(1) << order;
    q->mask = cells - 1;
    q->element_bytes = (uint32_t)element_bytes;
    q->slot_words = (uint32_t)((element_bytes + 7) / 8);
    if (element_bytes <= sizeof(uint64_t)) {
        q->lanes = q->slots = 0;
        q->lap_shift = 0;
        q->stamp_shift = 2;
        q->step = 4 * cells;
        return sizeof *q + cells * sizeof(struct pawl_pair);
    }
    slot_bytes = q->slot_words * sizeof(uint64_t);
    q->lap_shift = order;
    /* slot numbers are below cells + lanes; two bits more: filled, closed */
    q->stamp_shift = order_of(cells + PAWL_MPMC_LANES) + 2;
    q->step = UINT64_C(1) << q->stamp_shift;
    bytes = sizeof *q + cells * sizeof(uint64_t);
    bytes = (bytes + PAWL_CACHELINE_PAIR - 1) / PAWL_CACHELINE_PAIR * PAWL_CACHELINE_PAIR;
    q->lanes = bytes;
    q->slots = bytes + PAWL_MPMC_LANES * (uint64_t)PAWL_CACHELINE_PAIR;
    if (__builtin_mul_overflow(cells + PAWL_MPMC_LANES, slot_bytes, &bytes) || bytes > SIZE_MAX / 4) {
        errno = EOVERFLOW;
        return 0;
    }
    return q->slots + bytes;
}

size_t pawl_mpmc_bytes(size_t capacity, size_t element_bytes)
{
    struct pawl_mpmc geometry;
    size_t bytes = lay_out(&geometry, capacity, element_bytes);

    /* rounded up, so that it can be given to aligned_alloc */
    return (bytes + PAWL_CACHELINE_PAIR - 1) / PAWL_CACHELINE_PAIR * PAWL_CACHELINE_PAIR;
}

void pawl_mpmc_start_at_(struct pawl_mpmc *q, uint64_t ticket)
{
    /* relaxed, all: nobody has it yet */
    pawl_store_relaxed(&q->head, ticket);
    pawl_store_relaxed(&q->empty_at, ticket);
    pawl_store_relaxed(&q->tail, ticket);
    for (uint64_t i = 0; i <= q->mask; i++) {
        uint64_t free_stamp = mpmc_stamp(q, ticket + i);

        if (mpmc_in_slots(q))
            pawl_store_relaxed(mpmc_word_cell(q, ticket + i), free_stamp | i);
        else
            pawl_pair_init(pawl_mpmc_cell_(q, ticket + i), 0, free_stamp);
    }
    for (uint64_t i = 0; mpmc_in_slots(q) && i < PAWL_MPMC_LANES; i++) {
        mpmc_word *lane = (mpmc_word *)(void *)((char *)q + q->lanes + i * PAWL_CACHELINE_PAIR);

        pawl_store_relaxed(lane, q->mask + 1 + i);
    }
}

int pawl_mpmc_init(struct pawl_mpmc *q, size_t capacity, size_t element_bytes, int flags)
{
    if ((uintptr_t)q % PAWL_CACHELINE_PAIR != 0 || (flags & ~PAWL_SHARED) != 0)
        return -EINVAL;
    memset(q, 0, sizeof *q);
    if (lay_out(q, capacity, element_bytes) == 0)
        return -errno;
    pawl_handover_init(&q->handover, flags);
    pawl_mpmc_start_at_(q, 0);
    return 0;
}

struct pawl_mpmc *pawl_mpmc_open(size_t capacity, size_t element_bytes)
{
    size_t bytes = pawl_mpmc_bytes(capacity, element_bytes);
    struct pawl_mpmc *q;

    if (bytes == 0)
        return NULL;
    q = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
    if (q != NULL)
        pawl_mpmc_init(q, capacity, element_bytes, PAWL_PRIVATE);
    return q;
}

void pawl_mpmc_free(struct pawl_mpmc *q)
{
    free(q);
}

/* ---- head and tail ---- */

/* The first ticket from `from` on whose cell's stamp has not come as far as that of the ticket, plus `far`. A
 * hint that is behind (a thread slept between its CAS and its store) costs a search, not a walk: tickets are
 * filled and popped in order, hence "ticket x has come so far" is true up to a point and false from there. */
static uint64_t seek(struct pawl_mpmc *q, uint64_t from, uint64_t far)
{
    uint64_t stride = 1;
    bool going_on = true;

    while (going_on || stride > 1) {
        uint64_t x;

        if (!going_on)
            stride /= 2;
        x = from + stride - 1;
        if ((int64_t)(mpmc_stamp_of(q, mpmc_stamp_word(q, x)) - mpmc_stamp(q, x) - far) >= 0) {
            from += stride;
            stride *= going_on ? 2 : 1;
        } else {
            going_on = false;
        }
    }
    return from;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) > 0 ? a : b;
}

uint64_t pawl_mpmc_seek_tail_(struct pawl_mpmc *q, uint64_t from)
{
    /* acquire T: with the store in push */
    return seek(q, later(pawl_load_acquire(&q->tail), from), mpmc_filled_bit(q));
}

uint64_t pawl_mpmc_seek_head_(struct pawl_mpmc *q, uint64_t from)
{
    /* acquire T: with the store in pop */
    return seek(q, later(pawl_load_acquire(&q->head), from), q->step);
}

int pawl_mpmc_close(struct pawl_mpmc *q)
{
    uint64_t closed_bit = mpmc_closed_bit(q);
    uint64_t tail = pawl_load_acquire(&q->tail); /* T: with the store in push */
    bool marked = false;

    /* Another turn: a push has filled the cell, a pop has freed it, or the queue was closed. */
    while (!marked) {
        uint64_t word;

        tail = pawl_mpmc_seek_tail_(q, tail);
        word = mpmc_stamp_word(q, tail);
        if ((int64_t)(mpmc_stamp_of(q, word) - mpmc_stamp(q, tail)) > 0)
            continue;
        if ((word & closed_bit) != 0)
            break;
        /* seq_cst Z, and P: pops that see the mark see what the closer did before */
        if (mpmc_in_slots(q)) {
            marked = pawl_cas_seq_cst(mpmc_word_cell(q, tail), &word, word | closed_bit);
        } else {
            struct pawl_pair *cell = pawl_mpmc_cell_(q, tail);
            /* relaxed: as new as hi, or the CAS fails */
            struct pawl_pair seen = {pawl_pair_lo(cell, __ATOMIC_RELAXED), word};

            marked = pawl_mpmc_restamp_(cell, &seen, word | closed_bit);
        }
    }
    return pawl_handover_close(&q->handover);
}

void pawl_mpmc_lost_(unsigned times)
{
    stay_away(times);
}

/* Who has taken a run of elements and then finds nothing is just behind those who push: it would take the line that they
 * write to out of their hands, element by element. It stays away once, and finds another run. A single element, or a few,
 * are no run: they are not late for that. */
bool pawl_mpmc_again_(struct pawl_mpmc *q, uint64_t ticket)
{
#if !PAWL_INSTRUMENTED                               /* accesses that change nothing but the time */
    uint64_t last = pawl_load_relaxed(&q->empty_at); /* relaxed, both: a hint */

    if (last == ticket)
        return false;
    pawl_store_relaxed(&q->empty_at, ticket);
    if (ticket - last >= RUN) {
        stay_away(1);
        return true;
    }
#else
    (void)q;
    (void)ticket;
#endif
    return false;
}

/* ---- other sizes ---- */

int pawl_mpmc_push_any_(struct pawl_mpmc *q, const void *element)
{
    uint64_t value = 0;

    if (mpmc_in_slots(q))
        return pawl_mpmc_push_slot_(q, element);
    memcpy(&value, element, q->element_bytes);
    return pawl_mpmc_push_word_(q, value);
}

int pawl_mpmc_pop_any_(struct pawl_mpmc *q, void *element)
{
    uint64_t value;
    int status;

    if (mpmc_in_slots(q))
        return pawl_mpmc_pop_slot_(q, element);
    status = pawl_mpmc_pop_word_(q, &value);
    if (status == 0)
        memcpy(element, &value, q->element_bytes);
    return status;
}

/* ---- batches ---- */

static ptrdiff_t push_words(struct pawl_mpmc *q, const char *elements, size_t n)
{
    uint64_t tail = pawl_load_acquire(&q->tail); /* T: with the store below */
    size_t done = 0;
    int status = 0;

    while (done < n) {
        uint64_t value = 0;

        memcpy(&value, elements + done * q->element_bytes, q->element_bytes);
        status = pawl_mpmc_fill_(q, &tail, value);
        if (status != 0)
            break;
        done++;
    }
    if (done == 0)
        return status == -EPIPE ? -EPIPE : 0;
    pawl_store_release(&q->tail, tail); /* T: as in pawl_mpmc_push_word_() */
    return (ptrdiff_t)done;
}

static ptrdiff_t pop_words(struct pawl_mpmc *q, char *elements, size_t n)
{
    uint64_t head = pawl_load_acquire(&q->head); /* T: with the store below */
    size_t done = 0;
    int status = 0;

    while (done < n) {
        uint64_t value;

        status = pawl_mpmc_drain_(q, &head, &value);
        if (status == -EAGAIN && done == 0 && pawl_mpmc_again_(q, head))
            continue;
        if (status != 0)
            break;
        memcpy(elements + done * q->element_bytes, &value, q->element_bytes);
        done++;
    }
    if (done == 0)
        return status == -EPIPE ? -EPIPE : 0;
    pawl_store_release(&q->head, head); /* T: as in pawl_mpmc_pop_word_() */
    return (ptrdiff_t)done;
}

ptrdiff_t pawl_mpmc_push_n(struct pawl_mpmc *q, const void *elements, size_t n)
{
    ptrdiff_t done = mpmc_in_slots(q) ? pawl_mpmc_push_slots_(q, elements, n) : push_words(q, elements, n);

    if (done > 0)
        pawl_handover_pushed(&q->handover, (size_t)done);
    if (done > 0 && mpmc_in_slots(q))
        mpmc_lane_left(q); /* W: behind the fence of pawl_handover_pushed() */
    return done;
}

ptrdiff_t pawl_mpmc_pop_n(struct pawl_mpmc *q, void *elements, size_t n)
{
    ptrdiff_t done = mpmc_in_slots(q) ? pawl_mpmc_pop_slots_(q, elements, n) : pop_words(q, elements, n);

    if (done > 0)
        pawl_handover_popped(&q->handover, (size_t)done);
    return done;
}

/* ---- waiting ---- */

struct operation {
    struct pawl_mpmc *q;
    const void *from;
    void *to;
};

static int try_push(void *op)
{
    struct operation *push = op;

    return pawl_mpmc_push(push->q, push->from);
}

static int try_pop(void *op)
{
    struct operation *pop = op;

    return pawl_mpmc_pop(pop->q, pop->to);
}

int pawl_mpmc_push_wait(struct pawl_mpmc *q, const void *element, uint64_t deadline)
{
    struct operation push = {.q = q, .from = element};

    return pawl_handover_push_wait(&q->handover, try_push, &push, deadline);
}

int pawl_mpmc_pop_wait(struct pawl_mpmc *q, void *element, uint64_t deadline)
{
    struct operation pop = {.q = q, .to = element};

    return pawl_handover_pop_wait(&q->handover, try_pop, &pop, deadline);
}

/* ---- looking ---- */

size_t pawl_mpmc_size(struct pawl_mpmc *q)
{
    uint64_t head = pawl_mpmc_seek_head_(q, pawl_load_acquire(&q->head)); /* T: with the store in pop */
    uint64_t size = pawl_mpmc_seek_tail_(q, head) - head;

    return size <= q->mask ? size : q->mask + 1; /* more: head has moved meanwhile */
}

bool pawl_mpmc_empty(struct pawl_mpmc *q)
{
    uint64_t head = pawl_load_acquire(&q->head); /* T: with the store in pop */

    /* Another turn: another pop has taken the element. */
    for (;;) {
        int64_t ahead = (int64_t)(mpmc_stamp_of(q, mpmc_stamp_word(q, head)) - mpmc_stamp(q, head));

        if (ahead <= 0)
            return true;
        if ((uint64_t)ahead == mpmc_filled_bit(q))
            return false;
        head = pawl_mpmc_seek_head_(q, head);
    }
}
