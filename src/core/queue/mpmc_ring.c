/* SPDX-License-Identifier: MIT */
/* The ring of stamped cells: making, closing, batches, waiting.
 *
 * Waiting needs care where a later element may be complete before an earlier one. Its push wakes a thread,
 * which finds the first cell unfinished and sleeps again; then the first push finishes and wakes one thread:
 * two elements, one awake. So who was woken and got something looks at the next cell, and wakes another one
 * if that is ready too. The same for cells that become free out of order.
 *
 * Nor does anybody push after the last push, which may have been inside when the ring was closed: those whom the closer
 * woke had to sleep again, and that push wakes one of them. So who comes out of a closed ring wakes the others. */
#include <pawl/mpmc_ring.h>

#include "loss.h"
#include "mpmc_ring.h"

#include <stdlib.h>

#define LARGEST_CAPACITY (UINT64_C(1) << 31)

extern inline struct pawl_mpmc_ring_cell_ *pawl_mpmc_ring_cell_at_(struct pawl_mpmc_ring *q, uint64_t twice,
                                                                   uint64_t stride);
extern inline int pawl_mpmc_ring_put_(struct pawl_mpmc_ring *q, const void *element, size_t bytes,
                                      uint64_t stride);
extern inline int pawl_mpmc_ring_take_(struct pawl_mpmc_ring *q, void *element, size_t bytes,
                                       uint64_t stride);
extern inline int pawl_mpmc_ring_push(struct pawl_mpmc_ring *q, const void *element);
extern inline int pawl_mpmc_ring_pop(struct pawl_mpmc_ring *q, void *element);
extern inline size_t pawl_mpmc_ring_capacity(const struct pawl_mpmc_ring *q);
extern inline bool pawl_mpmc_ring_closed(const struct pawl_mpmc_ring *q);

/* ---- making ---- */

size_t pawl_mpmc_ring_bytes(size_t capacity, size_t element_bytes)
{
    uint64_t cells, bytes;

    if (capacity == 0 || capacity > LARGEST_CAPACITY || element_bytes == 0) {
        errno = EINVAL;
        return 0;
    }
    cells = capacity == 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(capacity - 1));
    if (element_bytes > SIZE_MAX / 4 ||
        __builtin_mul_overflow(cells, 8 + (element_bytes + 7) / 8 * 8, &bytes) || bytes > SIZE_MAX / 4) {
        errno = EOVERFLOW;
        return 0;
    }
    bytes += sizeof(struct pawl_mpmc_ring);
    return (bytes + PAWL_CACHELINE_PAIR - 1) / PAWL_CACHELINE_PAIR * PAWL_CACHELINE_PAIR;
}

void pawl_mpmc_ring_start_at_(struct pawl_mpmc_ring *q, uint64_t ticket)
{
    /* relaxed, all: nobody has it yet */
    pawl_store_relaxed(&q->head, 2 * ticket);
    pawl_store_relaxed(&q->tail, 2 * ticket);
    for (uint64_t i = 0; i <= q->mask; i++)
        pawl_store_relaxed(&pawl_mpmc_ring_cell_at_(q, 2 * (ticket + i), q->stride)->stamp, 2 * (ticket + i));
}

int pawl_mpmc_ring_init(struct pawl_mpmc_ring *q, size_t capacity, size_t element_bytes, int flags)
{
    if ((uintptr_t)q % PAWL_CACHELINE_PAIR != 0 || (flags & ~PAWL_SHARED) != 0)
        return -EINVAL;
    if (pawl_mpmc_ring_bytes(capacity, element_bytes) == 0)
        return -errno;
    memset(q, 0, sizeof *q);
    q->mask = (capacity == 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(capacity - 1))) - 1;
    q->element_bytes = element_bytes;
    q->stride = 8 + (element_bytes + 7) / 8 * 8;
    pawl_handover_init(&q->handover, flags);
    pawl_mpmc_ring_start_at_(q, 0);
    return 0;
}

struct pawl_mpmc_ring *pawl_mpmc_ring_open(size_t capacity, size_t element_bytes)
{
    size_t bytes = pawl_mpmc_ring_bytes(capacity, element_bytes);
    struct pawl_mpmc_ring *q;

    if (bytes == 0)
        return NULL;
    q = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
    if (q != NULL)
        pawl_mpmc_ring_init(q, capacity, element_bytes, PAWL_PRIVATE);
    return q;
}

void pawl_mpmc_ring_free(struct pawl_mpmc_ring *q)
{
    free(q);
}

/* ---- closing ---- */

int pawl_mpmc_ring_close(struct pawl_mpmc_ring *q)
{
    /* relaxed: from here on no CAS on tail succeeds, and that is all */
    pawl_fetch_or_relaxed(&q->tail, UINT64_C(1));
    return pawl_handover_close(&q->handover);
}

int pawl_mpmc_ring_nothing_(struct pawl_mpmc_ring *q, uint64_t head)
{
    /* relaxed: it was closed before the flag (C), so tail is final; then nobody has claimed the ticket, and
     * nobody will */
    if (PAWL_UNLIKELY(pawl_handover_closed(&q->handover)) && pawl_load_relaxed(&q->tail) == (head | 1))
        return -EPIPE;
    return -EAGAIN;
}

void pawl_mpmc_ring_lost_(unsigned times)
{
    stay_away(times);
}

/* ---- batches ---- */

/* count cells from *twice / 2 on; false: others were faster, and *twice is as they left it. */
static inline bool claim(PAWL_ATOMIC(uint64_t) * end, uint64_t *twice, size_t count, unsigned *lost)
{
    /* relaxed, both: the stamps publish; a stale one fails again */
    if (PAWL_LIKELY(pawl_cas_relaxed(end, twice, *twice + 2 * count)))
        return true;
    stay_away(++*lost);
    *twice = pawl_load_relaxed(end);
    return false;
}

/* How many of n cells from ticket twice / 2 on have that stamp, `filled` more than twice their tickets. */
static size_t ready(struct pawl_mpmc_ring *q, uint64_t twice, size_t n, uint64_t filled)
{
    size_t count = 0;

    /* acquire P, R: as in put_ and take_ */
    while (count < n && pawl_load_acquire(&pawl_mpmc_ring_cell_at_(q, twice + 2 * count, q->stride)->stamp) ==
                            twice + 2 * count + filled)
        count++;
    return count;
}

ptrdiff_t pawl_mpmc_ring_push_n(struct pawl_mpmc_ring *q, const void *elements, size_t n)
{
    uint64_t tail = pawl_load_relaxed(&q->tail); /* relaxed: a stale one fails in the CAS */
    const char *element = elements;
    unsigned lost = 0;
    size_t count;

    do {
        uint64_t again;

        if ((tail & 1) != 0)
            return -EPIPE;
        count = ready(q, tail, n, 0);
        if (count > 0)
            continue;                        /* to the CAS */
        again = pawl_load_relaxed(&q->tail); /* relaxed: as above */
        if (again == tail)
            return 0;
        tail = again; /* another push has claimed the cell */
    } while (count == 0 || !claim(&q->tail, &tail, count, &lost));
    for (size_t i = 0; i < count; i++, element += q->element_bytes) {
        struct pawl_mpmc_ring_cell_ *cell = pawl_mpmc_ring_cell_at_(q, tail + 2 * i, q->stride);

        memcpy(cell + 1, element, q->element_bytes);
        pawl_store_release(&cell->stamp, tail + 2 * i + 1); /* P: publishes the element */
    }
    pawl_handover_pushed(&q->handover, count);
    return (ptrdiff_t)count;
}

ptrdiff_t pawl_mpmc_ring_pop_n(struct pawl_mpmc_ring *q, void *elements, size_t n)
{
    uint64_t head = pawl_load_relaxed(&q->head); /* relaxed: a stale one fails in the CAS */
    char *element = elements;
    unsigned lost = 0;
    size_t count;

    do {
        uint64_t again;

        count = ready(q, head, n, 1);
        if (count > 0)
            continue;                        /* to the CAS */
        again = pawl_load_relaxed(&q->head); /* relaxed: as above */
        if (again == head)
            return n > 0 && pawl_mpmc_ring_nothing_(q, head) == -EPIPE ? -EPIPE : 0;
        head = again; /* another pop has claimed the cell */
    } while (count == 0 || !claim(&q->head, &head, count, &lost));
    for (size_t i = 0; i < count; i++, element += q->element_bytes) {
        struct pawl_mpmc_ring_cell_ *cell = pawl_mpmc_ring_cell_at_(q, head + 2 * i, q->stride);

        memcpy(element, cell + 1, q->element_bytes);
        pawl_store_release(&cell->stamp, head + 2 * (i + q->mask + 1)); /* R: the cell is read, and free */
    }
    pawl_handover_popped(&q->handover, count);
    return (ptrdiff_t)count;
}

/* Whether the cell at this end has that stamp. Another turn: a thread that does not wait, and passes nothing on, has
 * used the cell that was there. */
static bool first_is_ready(struct pawl_mpmc_ring *q, PAWL_ATOMIC(uint64_t) * end, uint64_t filled)
{
    /* relaxed, both: a stamp that says that the cell was used, acquired, has the end behind it */
    uint64_t twice = pawl_load_relaxed(end), again;

    while (ready(q, twice & ~UINT64_C(1), 1, filled) == 0) {
        again = pawl_load_relaxed(end);
        if (again == twice)
            return false;
        twice = again;
    }
    return true;
}

/* ---- waiting ---- */

struct operation {
    struct pawl_mpmc_ring *q;
    const void *from;
    void *to;
};

static int try_push(void *op)
{
    struct operation *push = op;

    return pawl_mpmc_ring_push(push->q, push->from);
}

static int try_pop(void *op)
{
    struct operation *pop = op;

    return pawl_mpmc_ring_pop(pop->q, pop->to);
}

int pawl_mpmc_ring_push_wait(struct pawl_mpmc_ring *q, const void *element, uint64_t deadline)
{
    struct operation push = {.q = q, .from = element};
    int status = pawl_handover_push_wait(&q->handover, try_push, &push, deadline);

    if (status == 0 && first_is_ready(q, &q->tail, 0))
        pawl_handover_popped(&q->handover, 1);
    return status;
}

/* After a pop that has waited. */
static void pass_on_the_end(struct pawl_mpmc_ring *q)
{
    pawl_handover_fence_(&q->handover); /* F: what it popped, or found, before the look at the sleepers */
    /* relaxed: as in pawl_handover_pushed() */
    if (PAWL_LIKELY((pawl_load_relaxed(&q->handover.items.state) & PAWL_EVENTCOUNT_WAITERS_) == 0))
        return;
    /* Who sleeps may have seen the closing already. Either this does, too, or the closer has yet to wake all. */
    pawl_fence_seq_cst();
    if (pawl_handover_closed(&q->handover))
        pawl_eventcount_notify_all(&q->handover.items);
}

int pawl_mpmc_ring_pop_wait(struct pawl_mpmc_ring *q, void *element, uint64_t deadline)
{
    struct operation pop = {.q = q, .to = element};
    int status = pawl_handover_pop_wait(&q->handover, try_pop, &pop, deadline);

    if (status == 0 && first_is_ready(q, &q->head, 1))
        pawl_handover_pushed(&q->handover, 1);
    if (status == 0 || status == -EPIPE)
        pass_on_the_end(q);
    return status;
}

/* ---- looking ---- */

size_t pawl_mpmc_ring_size(struct pawl_mpmc_ring *q)
{
    /* relaxed, both: an estimate */
    uint64_t head = pawl_load_relaxed(&q->head);
    int64_t size = (int64_t)((pawl_load_relaxed(&q->tail) & ~UINT64_C(1)) - head) / 2;

    if (size < 0)
        return 0;
    return (uint64_t)size <= q->mask ? (size_t)size : q->mask + 1;
}

bool pawl_mpmc_ring_empty(struct pawl_mpmc_ring *q)
{
    return !first_is_ready(q, &q->head, 1);
}
