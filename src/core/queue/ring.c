/* SPDX-License-Identifier: MIT */
/* Rings: making, closing, waiting, looking. The two policies are in files of their own. */
#include "ring_cell.h"

#include <stdlib.h>

extern inline size_t pawl_ring_capacity(const struct pawl_ring *ring);

#define CELLS_MAX ((size_t)1 << 40)
#define BYTES_MAX ((size_t)1 << 46)
#define MAGIC 0x676e6972u /* "ring" */

static bool is_lock_free(const struct pawl_ring *ring)
{
    return (ring->flags & PAWL_RING_LOCK_FREE) != 0;
}

/* What a ring of these arguments is made of. 0, -EINVAL, -EOVERFLOW. */
static int plan(struct pawl_ring *plan, size_t capacity, size_t element_bytes, int flags)
{
    size_t cells = 1;

    if (capacity == 0 || element_bytes == 0 || (flags & ~(PAWL_SHARED | PAWL_RING_LOCK_FREE)) != 0)
        return -EINVAL;
    if (capacity > CELLS_MAX || element_bytes > BYTES_MAX)
        return -EOVERFLOW;
    while (cells < capacity)
        cells *= 2;
    plan->mask = cells - 1;
    plan->lap = (uint64_t)cells * PAWL_RING_STEP_;
    plan->element_bytes = element_bytes;
    plan->cell_bytes = sizeof(struct pawl_ring_cell_) + (element_bytes + 7) / 8 * 8;
    if ((flags & PAWL_RING_LOCK_FREE) != 0)
        plan->cell_bytes += sizeof(uint64_t);
    plan->flags = (uint32_t)flags;
    return plan->cell_bytes > BYTES_MAX / cells ? -EOVERFLOW : 0;
}

static size_t bytes_of(const struct pawl_ring *ring)
{
    size_t bytes = sizeof *ring + pawl_ring_capacity(ring) * ring->cell_bytes;

    return (bytes + PAWL_CACHELINE_PAIR - 1) / PAWL_CACHELINE_PAIR * PAWL_CACHELINE_PAIR;
}

size_t pawl_ring_bytes(size_t capacity, size_t element_bytes, int flags)
{
    struct pawl_ring planned;
    int status = plan(&planned, capacity, element_bytes, flags);

    if (status != 0) {
        errno = -status;
        return 0;
    }
    return bytes_of(&planned);
}

void pawl_ring_start_at_(struct pawl_ring *ring, uint64_t ticket)
{
    uint64_t position = ticket * PAWL_RING_STEP_;

    /* relaxed, all: nobody else has the ring yet */
    for (uint64_t p = position; p != position + ring->lap; p += PAWL_RING_STEP_) {
        struct pawl_ring_cell_ *cell = pawl_ring_cell_at_(ring, p);

        pawl_store_relaxed(&cell->word,
                           is_lock_free(ring) ? (p - ring->lap) | PAWL_RING_FREE_ : p | PAWL_RING_VACANT_);
        if (is_lock_free(ring))
            pawl_store_relaxed(pawl_ring_lost_of_(ring, cell), UINT64_C(0));
    }
    pawl_store_relaxed(&ring->tail, position);
    pawl_store_relaxed(&ring->head, position);
    pawl_store_relaxed(&ring->tail_hint, position);
    pawl_store_relaxed(&ring->head_hint, position);
    pawl_store_relaxed(&ring->waited, UINT64_C(0)); /* no word of a writer */
    pawl_store_relaxed(&ring->lost, UINT64_C(0));
}

int pawl_ring_init(struct pawl_ring *ring, size_t capacity, size_t element_bytes, int flags)
{
    int status;

    if ((uintptr_t)ring % PAWL_CACHELINE_PAIR != 0)
        return -EINVAL;
    status = plan(ring, capacity, element_bytes, flags);
    if (status != 0)
        return status;
    pawl_handover_init(&ring->handover, flags & PAWL_SHARED);
    pawl_ring_start_at_(ring, 0);
    ring->magic = MAGIC;
    return 0;
}

struct pawl_ring *pawl_ring_open(size_t capacity, size_t element_bytes, int flags)
{
    size_t bytes = pawl_ring_bytes(capacity, element_bytes, flags);
    struct pawl_ring *ring = bytes != 0 ? aligned_alloc(PAWL_CACHELINE_PAIR, bytes) : NULL;

    if (ring != NULL)
        (void)pawl_ring_init(ring, capacity, element_bytes, flags); /* the arguments were found good above */
    return ring;
}

void pawl_ring_free(struct pawl_ring *ring)
{
    free(ring);
}

int pawl_ring_push(struct pawl_ring *ring, const void *element, void *evicted)
{
    int result = is_lock_free(ring) ? pawl_ring_lockfree_push_(ring, element, evicted)
                                    : pawl_ring_stamped_push_(ring, element, evicted);

    if (PAWL_LIKELY(result == 0 || result == PAWL_RING_EVICTED))
        pawl_handover_pushed(&ring->handover, 1);
    return result;
}

int pawl_ring_pop(struct pawl_ring *ring, void *element, uint64_t *ticket)
{
    return is_lock_free(ring) ? pawl_ring_lockfree_pop_(ring, element, ticket)
                              : pawl_ring_stamped_pop_(ring, element, ticket);
}

ptrdiff_t pawl_ring_pop_n(struct pawl_ring *ring, void *elements, uint64_t *tickets, size_t count)
{
    size_t got = 0;

    while (got < count) {
        int status = pawl_ring_pop(ring, (char *)elements + got * ring->element_bytes,
                                   tickets != NULL ? &tickets[got] : NULL);

        if (status != 0 && got == 0)
            return status;
        if (status != 0)
            break;
        got++;
    }
    return (ptrdiff_t)got;
}

struct popping {
    struct pawl_ring *ring;
    void *element;
    uint64_t *ticket;
};

static int attempt_pop(void *argument)
{
    struct popping *popping = argument;

    return pawl_ring_pop(popping->ring, popping->element, popping->ticket);
}

int pawl_ring_pop_wait(struct pawl_ring *ring, void *element, uint64_t *ticket, uint64_t deadline)
{
    struct popping popping = {ring, element, ticket};

    return pawl_handover_pop_wait(&ring->handover, attempt_pop, &popping, deadline);
}

int pawl_ring_close(struct pawl_ring *ring)
{
    if (is_lock_free(ring))
        pawl_ring_lockfree_close_(ring);
    else
        pawl_ring_stamped_close_(ring);
    return pawl_handover_close(&ring->handover);
}

/* ---- looking ---- */

/* Whether the entry of this position is inside now. acquire P: pairs with the pushes. */
static bool holds(const struct pawl_ring *ring, uint64_t position)
{
    uint64_t word = pawl_load_acquire(&pawl_ring_cell_at_(ring, position)->word);

    return word == (position | (is_lock_free(ring) ? PAWL_RING_DONE_ : PAWL_RING_FULL_));
}

/* Whether it still is. A stamp stays what it is while the entry is displaced: there the head tells. */
static bool still_holds(const struct pawl_ring *ring, uint64_t position)
{
    /* acquire: as in pop; a relaxed load would do behind F2 */
    if (!is_lock_free(ring))
        return (int64_t)(pawl_ring_position_(pawl_load_acquire(&ring->head)) - position) <= 0;
    return holds(ring, position);
}

/* Copies the entry. False: it is not there, or was gone before it was copied. */
static bool copy_entry(const struct pawl_ring *ring, uint64_t position, void *to)
{
    if (!holds(ring, position))
        return false;
    pawl_ring_load_(to, pawl_ring_cell_at_(ring, position), ring->element_bytes);
    pawl_fence_acquire(); /* F2: the words above before the second look; pairs with F1 in the pushes */
    return still_holds(ring, position);
}

/* Behind the last ticket that was given out. The tail of a lock-free ring is some tickets behind, its hint usually right:
 * from there on the cells tell, and one that has come to a later ticket tells of all before. Looks at no more cells than there are: pushes that
 * begin meanwhile do not matter. */
static uint64_t end_of(const struct pawl_ring *ring)
{
    uint64_t tail = pawl_load_acquire(&ring->tail); /* acquire T: pairs with the pushes */
    uint64_t end = is_lock_free(ring) ? pawl_ring_later_(&ring->tail_hint, tail) : pawl_ring_position_(tail);

    for (uint64_t looks = 0; is_lock_free(ring) && looks <= ring->mask; looks++) {
        /* acquire, as T: the cells before have come to their tickets */
        uint64_t position = pawl_ring_position_(pawl_load_acquire(&pawl_ring_cell_at_(ring, end)->word));

        if ((int64_t)(position - end) < 0)
            break;
        end = position + PAWL_RING_STEP_;
    }
    return end;
}

size_t pawl_ring_view(const struct pawl_ring *ring, void *elements, uint64_t *tickets)
{
    uint64_t end = end_of(ring); /* every push that has returned is before */
    uint64_t position = pawl_ring_position_(pawl_load_acquire(&ring->head)); /* acquire: as in pop */
    size_t count = 0;
    size_t gone = 0;

    if ((int64_t)(end - ring->lap - position) > 0)
        position = end - ring->lap;
    for (; (int64_t)(end - position) > 0; position += PAWL_RING_STEP_)
        if (copy_entry(ring, position, (char *)elements + count * ring->element_bytes))
            tickets[count++] = position / PAWL_RING_STEP_;
    /* Entries leave in the order of their tickets. When the first that is left is still inside, all are. */
    while (gone < count && !still_holds(ring, tickets[gone] * PAWL_RING_STEP_))
        gone++;
    count -= gone;
    memmove(elements, (char *)elements + gone * ring->element_bytes, count * ring->element_bytes);
    memmove(tickets, tickets + gone, count * sizeof *tickets);
    return count;
}

uint64_t pawl_ring_lost(const struct pawl_ring *ring)
{
    /* relaxed, both: a count, which publishes nothing */
    uint64_t lost = pawl_load_relaxed(&ring->lost);

    for (size_t i = 0; is_lock_free(ring) && i <= ring->mask; i++)
        lost += pawl_load_relaxed(pawl_ring_lost_of_(ring, pawl_ring_cell_at_(ring, i * PAWL_RING_STEP_)));
    return lost;
}

size_t pawl_ring_stuck(const struct pawl_ring *ring)
{
    size_t stuck = 0;

    for (size_t i = 0; is_lock_free(ring) && i <= ring->mask; i++) {
        /* relaxed: a count, which publishes nothing */
        uint64_t word = pawl_load_relaxed(&pawl_ring_cell_at_(ring, i * PAWL_RING_STEP_)->word);

        stuck += (word & PAWL_RING_STATE_) == PAWL_RING_ABANDONED_;
    }
    return stuck;
}

size_t pawl_ring_size(const struct pawl_ring *ring)
{
    uint64_t head = pawl_ring_position_(pawl_load_relaxed(&ring->head)); /* relaxed: approximate */
    uint64_t end = end_of(ring);
    size_t inside = 0;

    if ((int64_t)(end - head) <= 0)
        return 0;
    if (end - head > ring->lap)
        head = end - ring->lap;
    if (!is_lock_free(ring))
        return (size_t)(end - head) / PAWL_RING_STEP_;
    for (; (int64_t)(end - head) > 0; head += PAWL_RING_STEP_)
        inside += holds(ring, head);
    return inside;
}
