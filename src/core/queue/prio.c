/* SPDX-License-Identifier: MIT */
/* Priorities: a queue a level, and a map of those that may have elements.
 *
 * The one thing to get right is that no popper is blind to an element for longer than another one needs to go
 * on. A bit that is not set, though an element is in the level whose push has returned, can only be one that
 * some popper has withdrawn and is about to set again:
 *
 *   pusher                              popper
 *   element into the level              withdrawals + 1 going on
 *   bit not set: set it                 withdraw the bit
 *                                       level not empty: set the bit
 *                                       withdrawals + 1 ended, - 1 going on
 *
 * (M: if the pusher still saw the bit, the popper sees the element.) So a popper that finds nobody
 * withdrawing, reads the map, and finds that nobody has begun to withdraw meanwhile, has seen a map in which
 * no such bit was missing. */
#include <pawl/prio.h>

#include <stdlib.h>

#define GOING_ON UINT64_C(0xffff) /* of `withdrawals` */

extern inline bool pawl_prio_closed(const struct pawl_prio *q);

static struct pawl_mpmc *level_of(struct pawl_prio *q, unsigned level)
{
    return (struct pawl_mpmc *)(void *)((char *)(q + 1) + level * q->level_bytes);
}

/* ---- making ---- */

size_t pawl_prio_bytes(unsigned levels, size_t capacity, size_t element_bytes)
{
    size_t bytes = pawl_mpmc_bytes(capacity, element_bytes);

    if (levels == 0 || levels > PAWL_PRIO_LEVELS) {
        errno = EINVAL;
        return 0;
    }
    if (bytes == 0)
        return 0;
    if (__builtin_mul_overflow(bytes, levels, &bytes) || bytes > SIZE_MAX / 4) {
        errno = EOVERFLOW;
        return 0;
    }
    return sizeof(struct pawl_prio) + bytes;
}

int pawl_prio_init(struct pawl_prio *q, unsigned levels, size_t capacity, size_t element_bytes,
                   unsigned relief, int flags)
{
    if ((uintptr_t)q % PAWL_CACHELINE_PAIR != 0 || (flags & ~PAWL_SHARED) != 0)
        return -EINVAL;
    if (pawl_prio_bytes(levels, capacity, element_bytes) == 0)
        return -errno;
    memset(q, 0, sizeof *q);
    q->level_bytes = pawl_mpmc_bytes(capacity, element_bytes);
    q->relief = relief;
    q->levels = levels;
    pawl_handover_init(&q->handover, flags);
    for (unsigned i = 0; i < levels; i++)
        pawl_mpmc_init(level_of(q, i), capacity, element_bytes, flags);
    q->capacity = pawl_mpmc_capacity(level_of(q, 0));
    return 0;
}

struct pawl_prio *pawl_prio_open(unsigned levels, size_t capacity, size_t element_bytes, unsigned relief)
{
    size_t bytes = pawl_prio_bytes(levels, capacity, element_bytes);
    struct pawl_prio *q;

    if (bytes == 0)
        return NULL;
    q = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
    if (q != NULL)
        pawl_prio_init(q, levels, capacity, element_bytes, relief, PAWL_PRIVATE);
    return q;
}

void pawl_prio_free(struct pawl_prio *q)
{
    free(q);
}

int pawl_prio_close(struct pawl_prio *q)
{
    for (unsigned i = 0; i < q->levels; i++)
        pawl_mpmc_close(level_of(q, i));
    return pawl_handover_close(&q->handover);
}

/* ---- push ---- */

/* The level has an element: its bit is set, now or already. */
static void show(struct pawl_prio *q, unsigned level)
{
    uint64_t bit = UINT64_C(1) << level;

    /* seq_cst M: the element, which its push made visible by a seq_cst CAS, before this look at the map */
    if ((pawl_load_seq_cst(&q->map) & bit) == 0)
        pawl_fetch_or_relaxed(&q->map, bit); /* relaxed: who withdraws it after this sees the element by M */
    pawl_handover_pushed(&q->handover, 1);
}

int pawl_prio_push(struct pawl_prio *q, unsigned level, const void *element)
{
    int status;

    if (level >= q->levels)
        return -EINVAL;
    status = pawl_mpmc_push(level_of(q, level), element);
    /* Full: its elements may all be of pushes that were stopped or killed before they showed them. Nobody would take
     * them, and nobody could push here ever again. */
    if (status == 0 || status == -EAGAIN)
        show(q, level);
    return status;
}

/* ---- pop ---- */

/* The level was found empty, and its bit set. */
static void withdraw(struct pawl_prio *q, unsigned level)
{
    uint64_t bit = UINT64_C(1) << level;

    pawl_fetch_add_relaxed(&q->withdrawals, UINT64_C(1)); /* relaxed: the next line releases it */
    /* release W: who misses the bit sees that a withdrawal has begun. seq_cst M: before the look at the
     * level */
    pawl_fetch_and_seq_cst(&q->map, ~bit);
    if (!pawl_mpmc_empty(level_of(q, level)))
        pawl_fetch_or_relaxed(&q->map, bit); /* relaxed: the next line releases it */
    /* release W: who sees that it has ended sees the bit set again */
    pawl_fetch_add_release(&q->withdrawals, GOING_ON);
}

/* The levels that have elements, by looking at each. */
static uint64_t look_at_levels(struct pawl_prio *q)
{
    uint64_t map = 0;

    for (unsigned i = 0; i < q->levels; i++)
        if (!pawl_mpmc_empty(level_of(q, i)))
            map |= UINT64_C(1) << i;
    return map;
}

/* The levels that may have elements: none is left out that has one whose push has returned. */
static uint64_t look(struct pawl_prio *q)
{
    uint64_t map, withdrawals;

    /* Another turn: another pop has withdrawn a bit meanwhile. */
    do {
        withdrawals = pawl_load_acquire(&q->withdrawals); /* W: with the end of withdraw() */
        if (PAWL_UNLIKELY((withdrawals & GOING_ON) != 0))
            return look_at_levels(q);
        map = pawl_load_acquire(&q->map); /* W: with the beginning of withdraw() */
        /* relaxed: as new as the map says */
    } while (PAWL_UNLIKELY(pawl_load_relaxed(&q->withdrawals) != withdrawals));
    return map;
}

/* Which of the levels in the map to take from. */
static unsigned choose(struct pawl_prio *q, uint64_t map)
{
    if (PAWL_UNLIKELY(q->relief != 0)) {
        /* relaxed: it counts, and orders nothing */
        uint64_t pops = pawl_fetch_add_relaxed(&q->pops, UINT64_C(1));
        uint64_t from = UINT64_MAX << (pops / q->relief % PAWL_PRIO_LEVELS);

        if (pops % q->relief == 0 && (map & from) != 0)
            map &= from; /* the level whose turn it is, or the next one; around the end: the first one */
    }
    return (unsigned)__builtin_ctzll(map);
}

/* Nothing was found. */
static int nothing(struct pawl_prio *q, void *element, unsigned *level)
{
    bool all = true;

    if (PAWL_LIKELY(!pawl_handover_closed(&q->handover)))
        return -EAGAIN;
    for (unsigned i = 0; i < q->levels; i++) {
        int status = pawl_mpmc_pop(level_of(q, i), element);

        if (status == 0) {
            *level = i;
            return 0;
        }
        all = all && status == -EPIPE;
    }
    return all ? -EPIPE : -EAGAIN;
}

int pawl_prio_pop(struct pawl_prio *q, void *element, unsigned *level)
{
    unsigned chosen = 0;
    uint64_t map;
    int status;

    /* Another turn: another pop has emptied the level. */
    for (;;) {
        map = look(q);
        if (map == 0) {
            status = nothing(q, element, &chosen);
            break;
        }
        chosen = choose(q, map);
        status = pawl_mpmc_pop(level_of(q, chosen), element);
        if (PAWL_LIKELY(status == 0))
            break;
        withdraw(q, chosen);
    }
    if (status == 0 && level != NULL)
        *level = chosen;
    return status;
}

/* ---- waiting ----
 *
 * For elements: at the queue. For room: at the level, whose own pops wake who waits there. */

struct operation {
    struct pawl_prio *q;
    const void *from;
    void *to;
    unsigned level, *popped_from;
};

static int try_push(void *op)
{
    struct operation *push = op;

    return pawl_prio_push(push->q, push->level, push->from);
}

static int try_pop(void *op)
{
    struct operation *pop = op;

    return pawl_prio_pop(pop->q, pop->to, pop->popped_from);
}

int pawl_prio_push_wait(struct pawl_prio *q, unsigned level, const void *element, uint64_t deadline)
{
    struct operation push = {.q = q, .from = element, .level = level};

    if (level >= q->levels)
        return -EINVAL;
    return pawl_handover_push_wait(&level_of(q, level)->handover, try_push, &push, deadline);
}

int pawl_prio_pop_wait(struct pawl_prio *q, void *element, unsigned *level, uint64_t deadline)
{
    struct operation pop = {.q = q, .to = element, .popped_from = level};

    return pawl_handover_pop_wait(&q->handover, try_pop, &pop, deadline);
}

/* ---- looking ---- */

size_t pawl_prio_size(struct pawl_prio *q, unsigned level)
{
    return level < q->levels ? pawl_mpmc_size(level_of(q, level)) : 0;
}

size_t pawl_prio_capacity(const struct pawl_prio *q)
{
    return q->capacity;
}
