/* SPDX-License-Identifier: MIT */
/* The operations of <pawl/percpu.h> out of line.
 *
 * Each function is entered when its sequence missed. Where the slot was only unused, or the thread not
 * registered yet, that is mended and the sequence runs again. Otherwise the operation runs here, in plain
 * C on a locked slot. These bodies are also the C equivalents of the assembly sequences, and what
 * ThreadSanitizer and the model checker see.
 *
 * Words are relaxed atomics because readers on other CPUs look at them at any time; between operations
 * on one slot its lock orders everything. Each takes effect at its last store, as the sequence does.
 */
#include "region.h"
#include "rseq_area.h"

#include <errno.h>
#include <string.h>

#define AGAIN PAWL_TURN_AGAIN

/* A word of a slice, whatever the caller declared it as: a long, a size_t, a pointer. */
typedef PAWL_ATOMIC(long) __attribute__((may_alias)) word_t;

static word_t *word_at(const struct turn *turn, size_t at)
{
    return (word_t *)(void *)(turn->slice + at);
}

/* relaxed: see above */
static long get(const word_t *word)
{
    return pawl_load_relaxed(word);
}

/* release: some operations promise it towards readers on other CPUs; the rest do not mind */
static void set(word_t *word, long value)
{
    pawl_store_release(word, value);
}

#if PAWL_PERCPU_SEQUENCES
static int32_t current_slot(const struct pawl_percpu *pc)
{
    const char *self = __builtin_thread_pointer();

    return *(const volatile int32_t *)(const volatile void *)(self + pc->index_at);
}

static bool runs_on(const struct pawl_percpu *pc, long slot)
{
    return current_slot(pc) == slot;
}

/* Why did the sequence miss? AGAIN: for no reason that still holds. 0: this thread cannot run
 * sequences here. -EBUSY: the slice is away. */
static int mend_slot(struct pawl_percpu *pc)
{
    int32_t slot = current_slot(pc);

    if (slot < 0 || (uint32_t)slot >= pc->limit) {
        /* Not where another copy of the library opened the region: its area is not the one registered here. */
        bool here = pawl_rseq_register_thread() && (uint32_t)current_slot(pc) < pc->limit;

        return here ? AGAIN : 0;
    }
    if (!pawl_region_use(pc, (uint32_t)slot))
        return 0;
    /* relaxed: only its lowest bit counts */
    return (pawl_load_relaxed(&pc->slice[slot]) & 1) != 0 ? -EBUSY : AGAIN;
}

/* Operations are called from signal handlers, which must leave errno alone. */
static int mend(struct pawl_percpu *pc)
{
    int saved = errno;
    int status = mend_slot(pc);

    errno = saved;
    return status;
}
#else
static bool runs_on(const struct pawl_percpu *pc, long slot)
{
    (void)pc;
    (void)slot;
    return false;
}

static int mend(struct pawl_percpu *pc)
{
    (void)pc;
    return 0;
}
#endif

int pawl_turn_or_again(struct pawl_percpu *pc, struct turn *turn)
{
    int status = mend(pc);

    return status == 0 ? pawl_turn_begin(pc, turn) : status;
}

/* What every operation does first: `call` is the operation itself, for when its sequence can run now. */
#define BEGIN(pc, turn, call, failed)             \
    do {                                          \
        int begun = pawl_turn_or_again(pc, turn); \
        if (begun == AGAIN)                       \
            return call;                          \
        if (begun != 0)                           \
            return failed;                        \
    } while (0)

int pawl_percpu_load_slow(struct pawl_percpu *pc, size_t at, long *value)
{
    struct turn turn;

    BEGIN(pc, &turn, pawl_percpu_load(pc, at, value), begun);
    *value = get(word_at(&turn, at));
    pawl_turn_end(&turn);
    return 0;
}

int pawl_percpu_fetch_add_slow(struct pawl_percpu *pc, size_t at, long n, long *old)
{
    struct turn turn;

    BEGIN(pc, &turn, pawl_percpu_fetch_add(pc, at, n, old), begun);
    *old = get(word_at(&turn, at));
    set(word_at(&turn, at), (long)((unsigned long)*old + (unsigned long)n));
    pawl_turn_end(&turn);
    return 0;
}

int pawl_percpu_add_slow(struct pawl_percpu *pc, size_t at, long n)
{
    struct turn turn;
    word_t *word;

    BEGIN(pc, &turn, pawl_percpu_add(pc, at, n), begun);
    word = word_at(&turn, at);
    set(word, (long)((unsigned long)get(word) + (unsigned long)n));
    pawl_turn_end(&turn);
    return 0;
}

int pawl_percpu_add_via_slow(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement, long n)
{
    struct turn turn;
    char *base;

    BEGIN(pc, &turn, pawl_percpu_add_via(pc, at, displacement, n), begun);
    base = (char *)get(word_at(&turn, at));
    if (base != NULL) {
        word_t *word = (word_t *)(void *)(base + displacement);

        set(word, (long)((unsigned long)get(word) + (unsigned long)n));
    }
    pawl_turn_end(&turn);
    return base != NULL ? 0 : -EAGAIN;
}

int pawl_percpu_max_slow(struct pawl_percpu *pc, size_t at, long n)
{
    struct turn turn;

    BEGIN(pc, &turn, pawl_percpu_max(pc, at, n), begun);
    if (get(word_at(&turn, at)) < n)
        set(word_at(&turn, at), n);
    pawl_turn_end(&turn);
    return 0;
}

int pawl_percpu_add_limit_slow(struct pawl_percpu *pc, size_t at, long n, long limit)
{
    struct turn turn;
    long sum;

    BEGIN(pc, &turn, pawl_percpu_add_limit(pc, at, n, limit), begun);
    if (__builtin_add_overflow(get(word_at(&turn, at)), n, &sum) || sum > limit)
        sum = limit;
    set(word_at(&turn, at), sum);
    pawl_turn_end(&turn);
    return 0;
}

int pawl_percpu_spend_slow(struct pawl_percpu *pc, size_t at, long n)
{
    struct turn turn;
    bool enough;
    long word;

    BEGIN(pc, &turn, pawl_percpu_spend(pc, at, n), begun);
    word = get(word_at(&turn, at));
    enough = word >= n;
    if (enough)
        set(word_at(&turn, at), (long)((unsigned long)word - (unsigned long)n));
    pawl_turn_end(&turn);
    return enough ? 0 : -EAGAIN;
}

int pawl_percpu_cas_slow(struct pawl_percpu *pc, size_t at, long expect, long desired)
{
    struct turn turn;
    bool equal;

    BEGIN(pc, &turn, pawl_percpu_cas(pc, at, expect, desired), begun);
    equal = get(word_at(&turn, at)) == expect;
    if (equal)
        set(word_at(&turn, at), desired);
    pawl_turn_end(&turn);
    return equal ? 0 : -EAGAIN;
}

int pawl_percpu_store_unless_slow(struct pawl_percpu *pc, size_t at, long unwanted, long desired)
{
    struct turn turn;
    bool differs;

    BEGIN(pc, &turn, pawl_percpu_store_unless(pc, at, unwanted, desired), begun);
    differs = get(word_at(&turn, at)) != unwanted;
    if (differs)
        set(word_at(&turn, at), desired);
    pawl_turn_end(&turn);
    return differs ? 0 : -EAGAIN;
}

int pawl_percpu_cas_if_slow(struct pawl_percpu *pc, size_t at, long expect, long desired, size_t guard_at,
                            long guard)
{
    struct turn turn;
    bool equal;

    BEGIN(pc, &turn, pawl_percpu_cas_if(pc, at, expect, desired, guard_at, guard), begun);
    equal = get(word_at(&turn, guard_at)) == guard && get(word_at(&turn, at)) == expect;
    if (equal)
        set(word_at(&turn, at), desired);
    pawl_turn_end(&turn);
    return equal ? 0 : -EAGAIN;
}

int pawl_percpu_cas_after_slow(struct pawl_percpu *pc, size_t at, long expect, long desired, size_t first_at,
                               long first)
{
    struct turn turn;
    bool equal;

    BEGIN(pc, &turn, pawl_percpu_cas_after(pc, at, expect, desired, first_at, first), begun);
    equal = get(word_at(&turn, at)) == expect;
    if (equal) {
        set(word_at(&turn, first_at), first);
        set(word_at(&turn, at), desired);
    }
    pawl_turn_end(&turn);
    return equal ? 0 : -EAGAIN;
}

int pawl_percpu_cas_after_copy_slow(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                    size_t copy_at, const void *source, size_t len)
{
    struct turn turn;
    bool equal;

    BEGIN(pc, &turn, pawl_percpu_cas_after_copy(pc, at, expect, desired, copy_at, source, len), begun);
    equal = get(word_at(&turn, at)) == expect;
    if (equal) {
        if (len != 0)
            memcpy(turn.slice + copy_at, source, len); /* source may be NULL when there is nothing */
        set(word_at(&turn, at), desired);
    }
    pawl_turn_end(&turn);
    return equal ? 0 : -EAGAIN;
}

int pawl_percpu_snapshot_slow(struct pawl_percpu *pc, size_t at, long *words, size_t count)
{
    struct turn turn;

    BEGIN(pc, &turn, pawl_percpu_snapshot(pc, at, words, count), begun);
    for (size_t i = 0; i < count; i++)
        words[i] = get(word_at(&turn, at) + i);
    pawl_turn_end(&turn);
    return 0;
}

int pawl_percpu_push_chain_slow(struct pawl_percpu *pc, size_t at, struct pawl_percpu_node *first,
                                struct pawl_percpu_node *last)
{
    struct turn turn;

    BEGIN(pc, &turn, pawl_percpu_push_chain(pc, at, first, last), begun);
    /* relaxed: the turn publishes it. In one piece: a pop of <pawl/stack.h> that lost the node may still be reading it. */
    pawl_store_relaxed((PAWL_ATOMIC(struct pawl_percpu_node *) *)(void *)&last->next,
                       (struct pawl_percpu_node *)get(word_at(&turn, at)));
    set(word_at(&turn, at), (long)first);
    pawl_turn_end(&turn);
    return 0;
}

struct pawl_percpu_node *pawl_percpu_pop_slow(struct pawl_percpu *pc, size_t at)
{
    struct turn turn;
    struct pawl_percpu_node *node;

    BEGIN(pc, &turn, pawl_percpu_pop(pc, at), NULL);
    node = (struct pawl_percpu_node *)get(word_at(&turn, at));
    if (node != NULL)
        set(word_at(&turn, at), (long)node->next);
    pawl_turn_end(&turn);
    return node;
}

struct pawl_percpu_node *pawl_percpu_pop_all_slow(struct pawl_percpu *pc, size_t at)
{
    struct turn turn;
    struct pawl_percpu_node *node;

    BEGIN(pc, &turn, pawl_percpu_pop_all(pc, at), NULL);
    node = (struct pawl_percpu_node *)get(word_at(&turn, at));
    set(word_at(&turn, at), 0);
    pawl_turn_end(&turn);
    return node;
}

static struct pawl_percpu_stack *stack_at(const struct turn *turn, size_t at)
{
    return (struct pawl_percpu_stack *)(void *)(turn->slice + at);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int pawl_percpu_stack_push_slow(struct pawl_percpu *pc, size_t at, void *item)
{
    struct turn turn;
    struct pawl_percpu_stack *stack;
    size_t count;
    bool room;

    BEGIN(pc, &turn, pawl_percpu_stack_push(pc, at, item), begun);
    stack = stack_at(&turn, at);
    count = stack->count;
    room = count < stack->capacity;
    if (room) {
        stack->item[count] = item;
        set((word_t *)&stack->count, (long)count + 1);
    }
    pawl_turn_end(&turn);
    return room ? 0 : -EAGAIN;
}

int pawl_percpu_stack_pop_slow(struct pawl_percpu *pc, size_t at, void **item)
{
    struct turn turn;
    struct pawl_percpu_stack *stack;
    size_t count;

    BEGIN(pc, &turn, pawl_percpu_stack_pop(pc, at, item), begun);
    stack = stack_at(&turn, at);
    count = stack->count;
    if (count != 0) {
        *item = stack->item[count - 1];
        set((word_t *)&stack->count, (long)count - 1);
    }
    pawl_turn_end(&turn);
    return count != 0 ? 0 : -EAGAIN;
}

long pawl_percpu_stack_push_many_slow(struct pawl_percpu *pc, size_t at, void *const *items, size_t count)
{
    struct turn turn;
    struct pawl_percpu_stack *stack;
    size_t moved;

    BEGIN(pc, &turn, pawl_percpu_stack_push_many(pc, at, items, count), begun);
    stack = stack_at(&turn, at);
    moved = smaller(count, stack->count < stack->capacity ? stack->capacity - stack->count : 0);
    for (size_t i = 0; i < moved; i++)
        stack->item[stack->count + i] = items[i];
    set((word_t *)&stack->count, (long)(stack->count + moved));
    pawl_turn_end(&turn);
    return (long)moved;
}

long pawl_percpu_stack_pop_many_slow(struct pawl_percpu *pc, size_t at, void **items, size_t count)
{
    struct turn turn;
    struct pawl_percpu_stack *stack;
    size_t moved;

    BEGIN(pc, &turn, pawl_percpu_stack_pop_many(pc, at, items, count), begun);
    stack = stack_at(&turn, at);
    moved = smaller(count, stack->count);
    for (size_t i = 0; i < moved; i++)
        items[i] = stack->item[stack->count - moved + i];
    set((word_t *)&stack->count, (long)(stack->count - moved));
    pawl_turn_end(&turn);
    return (long)moved;
}

int pawl_percpu_bump_slow(struct pawl_percpu *pc, size_t at, size_t bytes, unsigned int shift, void **fit)
{
    struct turn turn;
    uintptr_t next;
    bool fits;

    BEGIN(pc, &turn, (*fit = pawl_percpu_bump(pc, at, bytes, shift), 0), begun);
    next = (uintptr_t)get(word_at(&turn, at));
    fits = next != 0 && (next ^ (next + bytes)) >> shift == 0;
    if (fits)
        set(word_at(&turn, at), (long)(next + bytes));
    pawl_turn_end(&turn);
    *fit = fits ? (void *)next : NULL;
    return 0;
}

int pawl_percpu_ring_put_slow(struct pawl_percpu *pc, size_t at, const long *words, size_t count)
{
    struct turn turn;
    struct pawl_percpu_ring *ring;
    size_t tail;
    bool room;

    BEGIN(pc, &turn, pawl_percpu_ring_put(pc, at, words, count), begun);
    ring = (struct pawl_percpu_ring *)(void *)(turn.slice + at);
    /* relaxed: only this slot's operations write it, under the lock */
    tail = pawl_load_relaxed(&ring->tail);
    /* acquire R: pairs with the release in pawl_percpu_ring_get, the reader is done with the words */
    room = count <= ring->capacity - (tail - pawl_load_acquire(&ring->head));
    if (room) {
        for (size_t i = 0; i < count; i++)
            ring->data[(tail + i) & (ring->capacity - 1)] = words[i];
        /* release W: publishes the words to pawl_percpu_ring_get */
        pawl_store_release(&ring->tail, tail + count);
    }
    pawl_turn_end(&turn);
    return room ? 0 : -EAGAIN;
}

/* The lowest clear bit of the map, or words * 64. */
static size_t find_clear(const word_t *map, size_t words)
{
    for (size_t i = 0; i < words; i++)
        if (get(&map[i]) != -1)
            return i * 64 + (size_t)__builtin_ctzl(~(unsigned long)get(&map[i]));
    return words * 64;
}

long pawl_percpu_bit_alloc_slow(struct pawl_percpu *pc, size_t at, size_t words)
{
    struct turn turn;
    word_t *map;
    size_t bit;

    BEGIN(pc, &turn, pawl_percpu_bit_alloc(pc, at, words), begun);
    map = word_at(&turn, at);
    bit = find_clear(map, words);
    if (bit < words * 64)
        set(&map[bit / 64], get(&map[bit / 64]) | (long)(1ul << bit % 64));
    pawl_turn_end(&turn);
    return bit < words * 64 ? (long)(turn.slot * words * 64 + bit) : -EAGAIN;
}

/* An id of a locked slot can be freed from any thread; one of a CPU's slot only there, by its sequence. */
static int free_in_locked_slot(struct pawl_percpu *pc, size_t at, unsigned long mask, uint32_t slot)
{
    struct turn turn;
    int status = pawl_turn_begin_at(pc, slot, &turn);
    long word;

    if (status != 0)
        return status;
    word = get(word_at(&turn, at));
    if ((word & (long)mask) != 0)
        set(word_at(&turn, at), word & ~(long)mask);
    else
        status = -EINVAL;
    pawl_turn_end(&turn);
    return status;
}

int pawl_percpu_bit_free_slow(struct pawl_percpu *pc, size_t at, unsigned long mask, long slot)
{
    int status;

    if ((uint32_t)slot >= pc->limit)
        return free_in_locked_slot(pc, at, mask, (uint32_t)slot);
    status = mend(pc);
#if PAWL_PERCPU_SEQUENCES
    if (status == AGAIN) {
        status = pawl_seq_bit_free(pc, at, mask, slot);
        return status != PAWL_SEQ_MISS ? status : pawl_percpu_bit_free_slow(pc, at, mask, slot);
    }
#endif
    /* Without sequences here, or with this CPU's own slice away: neither is the slot that is meant. */
    return status == 0 || !runs_on(pc, slot) ? -EXDEV : status;
}

struct pawl_percpu_lock *pawl_percpu_trylock_slow(struct pawl_percpu *pc, size_t at)
{
    struct turn turn;
    struct pawl_percpu_lock *lock;

    BEGIN(pc, &turn, pawl_percpu_trylock(pc, at), NULL);
    lock = (struct pawl_percpu_lock *)(void *)(turn.slice + at);
    /* acquire H: pairs with the release in pawl_percpu_unlock; V: with that in pawl_percpu_restore */
    if ((pawl_load_acquire(&lock->held) | pawl_load_acquire(&lock->revoked)) != 0)
        lock = NULL;
    else
        pawl_store_relaxed(&lock->held, 1L); /* relaxed: publishes nothing */
    pawl_turn_end(&turn);
    return lock;
}
