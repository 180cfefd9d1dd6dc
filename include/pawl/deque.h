/* SPDX-License-Identifier: MIT */
/* Work-stealing deque of pointers: one owner pushes and pops at the bottom, anybody steals from the top.
 *
 * Purpose    The queue of runnable tasks of one worker. The owner's work is last in, first out, and costs
 *            next to nothing; a worker that has nothing to do takes the oldest half of somebody else's. Not
 *            for hand-over between equals: take a queue.
 * Model      A sequence of pointers x[top] ... x[bottom - 1]. push appends at the bottom, pop removes there,
 *            a steal removes up to half of them at the top. It grows as needed.
 *            -EAGAIN: at one moment of the call the deque was empty. -EBUSY (steals only): the owner or
 *            another thief was faster; nothing was taken; try again, or elsewhere.
 * Claims     What is claimed, the owner does not take without asking. A thief claims the n oldest (one CAS of
 *            the top word), looks whether the owner has left them there, and takes them (a second CAS). The owner
 *            pops without any CAS while no claim reaches as far down as where it pops; if one does, it withdraws the
 *            claim, and the thief has lost. So the owner never waits, and a thief takes one or a thousand pointers by
 *            two CASes. A claim is nobody's own: who steals one by one leaves one for the next 32 (RARELY_STOLEN:
 *            256), and says in the word how many of them it saw there. The next thief takes one of those by one CAS,
 *            and does not even look at what the owner writes.
 *
 *                 top.index      + claimed              bottom
 *                    | x x x x x | x x x x x x x x x x x |
 *                    `- thieves' -'                     `-- owner's next pop
 *
 * Progress   push: wait-free, but for growing, which allocates. pop: lock-free; it repeats when thieves have
 *            taken or claimed something meanwhile. Steals: lock-free, and wait for nobody: a thief that is stopped
 *            holds nothing that another could not take.
 * Fences     The owner stores to `bottom` and then looks at the claims, thieves do it the other way round. The owner
 *            has a full fence in between; thieves have loads and CASes that are seq_cst, and no fence.
 *            PAWL_DEQUE_RARELY_STOLEN makes the owner's half free, and thieves pay a membarrier for each look at
 *            `bottom`: <pawl/fence.h>. That pays where the owner pops some 200 times for each look (docs/deque.md).
 * Ordering   E: push releases, the pop or steal that returns the pointer acquires; from thief to thief, through the top
 *            word.
 *            T: a take releases, the owner acquires it before it writes into the slots again.
 *            D: the fence and what is seq_cst: either the owner sees the claim, or the thief sees the owner's `bottom`.
 * Memory     256 bytes and an array of 8 bytes a pointer, which doubles. The arrays before are freed when no
 *            thief looks at them any more (a domain of hazard pointers for all deques, <pawl/hazard.h>); a
 *            thief that is stopped keeps one of them.
 * Cost       push: 0 RMW, 0 fences, 3 stores. pop: 0 RMW, 1 fence (RARELY_STOLEN: none), also for the last
 *            pointer; the one that withdraws a claim: 1 RMW of 16 bytes. A steal of one where the one before was such: 1
 *            RMW of 16 bytes; else, of any number: 2. No fence (RARELY_STOLEN: 1 membarrier a look).
 *            Indices have 64 bits and are compared by difference.
 * fork       The child's copy is its own; claims that thieves of the parent made hold nobody up.
 * Signals    None of the functions may be called from signal handlers that interrupt another on the same
 *            deque.
 * Source     D. Chase, Y. Lev, "Dynamic circular work-stealing deque", 2005: array, indices, growth. Frigo,
 *            Leiserson, Randall, "The implementation of the Cilk-5 multithreaded language", 1998: the owner
 *            asks for help only when a thief may be at the same element. Ours: the claim that can be
 *            withdrawn in the place of Cilk's lock and of Chase and Lev's CAS on the last element; steal-half
 *            in O(1) RMWs; claims that outlive the steal.
 * Checked    tests/queue/deque/check_deque.c, check.sh.
 */
#ifndef PAWL_DEQUE_H
#define PAWL_DEQUE_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/fence.h>
#include <pawl/reader.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

enum pawl_deque_flags {
    PAWL_DEQUE_RARELY_STOLEN = 1, /* the fence of every pop is paid by the steals */
};

/* The most that one steal takes: what the claim's 16 bits hold. */
#define PAWL_DEQUE_STEAL_MAX 65535u
#define PAWL_DEQUE_THERE_ 65536u /* all that is claimed was seen there, and is */
#define PAWL_DEQUE_CLAIM_BITS_ 17

struct pawl_deque_array {
    struct pawl_retired retired;
    uint64_t mask; /* slots - 1, which is a power of two less 1 */
    PAWL_FLEXIBLE PAWL_ATOMIC(void *) slot[];
};

struct pawl_deque {
    /* the owner writes; thieves read the first when they look, and the flags */
    PAWL_ATOMIC(uint64_t) bottom PAWL_LINE_PAIR_ALIGNED; /* E, D: index of the next push */
    struct pawl_deque_array *own;                        /* as `array` below, for the owner */
    uint64_t top_seen;                                   /* top's index is this or more */
    uint32_t flags;
    /* thieves write. lo: index of the oldest pointer; hi: number of changes << 17 | there << 16 | how many are
     * claimed. T, E, D */
    struct pawl_pair top PAWL_LINE_PAIR_ALIGNED;
    /* thieves read, in each steal: not where `bottom` is, which they need not look at in each */
    PAWL_ATOMIC(struct pawl_deque_array *)
    array __attribute__((aligned(PAWL_CACHELINE))); /* E: where the slots are */
};

PAWL_STATIC_ASSERT(offsetof(struct pawl_deque, top) == PAWL_CACHELINE_PAIR, "owner and thieves apart");
PAWL_STATIC_ASSERT(offsetof(struct pawl_deque, array) == PAWL_CACHELINE_PAIR + PAWL_CACHELINE,
                   "a line of its own");
PAWL_STATIC_ASSERT(sizeof(struct pawl_deque) == (size_t)2 * PAWL_CACHELINE_PAIR,
                   "the size that the header promises");

/* Makes an empty deque, with room for `capacity` pointers (at least 1; rounded up to a power of two) before
 * it grows first. Returns 0, -EINVAL (capacity 0 or more than 2^40, unknown flags), -ENOMEM. */
PAWL_API int pawl_deque_init(struct pawl_deque *deque, size_t capacity, int flags) PAWL_MUST_USE PAWL_NONNULL;

/* Frees the arrays. Nobody uses the deque any more. What is in it is forgotten. */
PAWL_API void pawl_deque_destroy(struct pawl_deque *deque) PAWL_NONNULL;

/* The same on the heap. NULL with errno as above; pawl_deque_free(NULL) is allowed. */
PAWL_API struct pawl_deque *pawl_deque_open(size_t capacity, int flags) PAWL_MUST_USE;
PAWL_API void pawl_deque_free(struct pawl_deque *deque);

/* For tests: an empty deque whose indices are about to wrap. */
PAWL_API PAWL_COLD void pawl_deque_start_at_(struct pawl_deque *deque, uint64_t index);

/* ---- the owner: one thread at a time; who takes over as owner must synchronise with the one before ---- */

/* Makes room for `count` more: 0 or -ENOMEM. By the owner. */
PAWL_API int pawl_deque_reserve(struct pawl_deque *deque, size_t count) PAWL_NONNULL;

/* Gives back memory: the array becomes the smallest that holds twice what is there, at least 64. By the
 * owner. Returns 0 or -ENOMEM (nothing changed). */
PAWL_API int pawl_deque_trim(struct pawl_deque *deque) PAWL_NONNULL;

/* Out of line: a claim reaches down to `bottom`, or there is nothing. */
PAWL_API PAWL_COLD int pawl_deque_pop_contended_(struct pawl_deque *deque, uint64_t bottom, void **pointer);

/* Returns 0 or -ENOMEM, when the array was full and could not grow: nothing was pushed. */
PAWL_API PAWL_INLINE int pawl_deque_push(struct pawl_deque *deque, void *pointer)
{
    uint64_t bottom = pawl_load_relaxed(&deque->bottom); /* relaxed: the owner's */

    if (PAWL_UNLIKELY(bottom - deque->top_seen > deque->own->mask)) {
        int status = pawl_deque_reserve(deque, 1);

        if (status != 0)
            return status;
    }
    /* relaxed: E publishes it; thieves that read the slot for what it held before fail to take that */
    pawl_store_relaxed(&deque->own->slot[bottom & deque->own->mask], pointer);
    /* release E: pairs with the acquires in steal(), publishes the slot and what the pointer points to */
    pawl_store_release(&deque->bottom, bottom + 1);
    return 0;
}

/* Pushes pointers[0..count), all or nothing; thieves see them at once. Returns 0 or -ENOMEM. */
PAWL_API PAWL_INLINE int pawl_deque_push_n(struct pawl_deque *deque, void *const *pointers, size_t count)
{
    uint64_t bottom = pawl_load_relaxed(&deque->bottom); /* relaxed, here and below: as in push */
    uint64_t room = deque->own->mask + 1 - (bottom - deque->top_seen);

    if (PAWL_UNLIKELY(count > room)) {
        int status = pawl_deque_reserve(deque, count);

        if (status != 0)
            return status;
    }
    for (size_t i = 0; i < count; i++)
        pawl_store_relaxed(&deque->own->slot[(bottom + i) & deque->own->mask], pointers[i]);
    pawl_store_release(&deque->bottom, bottom + count); /* release E: as in push */
    return 0;
}

/* *pointer = the one pushed last. Returns 0, or -EAGAIN: empty. */
PAWL_API PAWL_INLINE int pawl_deque_pop(struct pawl_deque *deque, void **pointer)
{
    uint64_t bottom = pawl_load_relaxed(&deque->bottom) - 1; /* relaxed: the owner's */
    struct pawl_pair top;

    /* relaxed: the index only grows; when an old one says that there is nothing, there is nothing */
    if (bottom + 1 == pawl_pair_lo(&deque->top, __ATOMIC_RELAXED))
        return -EAGAIN;
    /* release E: as in push; a thief that reads this value takes what was pushed before */
    pawl_store_release(&deque->bottom, bottom);
    /* D: the store above before the loads below */
    if ((deque->flags & PAWL_DEQUE_RARELY_STOLEN) != 0)
        pawl_fence_light();
    else
        pawl_fence_seq_cst();
    /* acquire: the claims before the index, or an index from before a steal could be taken with the claims from
     * after it */
    top = pawl_load_pair_acquire(&deque->top);
    if (PAWL_UNLIKELY((int64_t)(bottom - top.lo) < (int64_t)(top.hi & PAWL_DEQUE_STEAL_MAX)) ||
        PAWL_UNLIKELY((int64_t)(bottom - top.lo) < 0))
        return pawl_deque_pop_contended_(deque, bottom, pointer);
    /* relaxed: the owner wrote it */
    *pointer = pawl_load_relaxed(&deque->own->slot[bottom & deque->own->mask]);
    return 0;
}

/* ---- anybody ---- */

/* *pointer = the oldest. Returns 0; -EAGAIN: empty; -EBUSY: lost to another; -ENOMEM: no hazard slot for this
 * thread. Any thread, the owner too. Stays away for 320 ns before it returns -EBUSY: others are at work there. */
PAWL_API int pawl_deque_steal(struct pawl_deque *deque, void **pointer) PAWL_MUST_USE PAWL_NONNULL;

/* pointers[0..n) = the n oldest, oldest first, where n is half of what is there, rounded up, but at most
 * `max` and PAWL_DEQUE_STEAL_MAX. Returns n >= 1, or the errors above, or -EINVAL: max is 0. */
PAWL_API ptrdiff_t pawl_deque_steal_half(struct pawl_deque *deque, void **pointers, size_t max)
    PAWL_MUST_USE PAWL_NONNULL;

/* For the owner of `to`, which has run out: takes half of `from`, at most 256; *pointer = the oldest of them,
 * the others are pushed to `to`. Returns as pawl_deque_steal(). */
PAWL_API int pawl_deque_steal_into(struct pawl_deque *from, struct pawl_deque *to, void **pointer)
    PAWL_MUST_USE PAWL_NONNULL;

/* How many there are, about: the owner and thieves may be at work. Exact where nobody is. Wait-free. */
PAWL_API PAWL_INLINE size_t pawl_deque_size(const struct pawl_deque *deque)
{
    /* relaxed, both: it may be old when it arrives; of each this thread sees the value that it knows of,
     * or newer */
    uint64_t top = pawl_pair_lo(&deque->top, __ATOMIC_RELAXED);
    int64_t size = (int64_t)(pawl_load_relaxed(&deque->bottom) - top);

    return size > 0 ? (size_t)size : 0;
}

PAWL_API PAWL_INLINE bool pawl_deque_empty(const struct pawl_deque *deque)
{
    return pawl_deque_size(deque) == 0;
}

PAWL_END_DECLS
#endif
