/* SPDX-License-Identifier: MIT */
/* Stealing, and what the owner does where thieves are about.
 *
 * Why nobody takes what another has. Let a thief claim [t, t + n), C, look at `bottom`, L, and confirm, and
 * let the owner pop index i in that range: store `bottom` = i, S, look at the claims, O. By the fences either
 * L sees S (or a later store), and the thief confirms no more than what is left; or O sees C, and the owner
 * withdraws it: then the confirmation fails, as the number of changes in the word is another. When L sees a
 * later store that is above i again, slot i holds something new, which nobody else has, and which L's acquire
 * publishes.
 *
 * The number of changes has 48 bits: a thief would have to be stopped between claim and confirmation while
 * exactly a multiple of 2^48 changes are made. */
#include "../sync/fail.h"

#include <pawl/backoff.h>
#include <pawl/deque.h>
#include <pawl/hazard.h>

#include "loss.h"

#include <pthread.h>
#include <stdlib.h>

extern inline int pawl_deque_push(struct pawl_deque *deque, void *pointer);
extern inline int pawl_deque_push_n(struct pawl_deque *deque, void *const *pointers, size_t count);
extern inline int pawl_deque_pop(struct pawl_deque *deque, void **pointer);
extern inline size_t pawl_deque_size(const struct pawl_deque *deque);
extern inline bool pawl_deque_empty(const struct pawl_deque *deque);

#define CAPACITY_MAX ((size_t)1 << 40)
#define TRIM_MIN 64u
#define STEAL_INTO_MAX 256u

/* The arrays of all deques. Never closed: threads may steal until the process ends. */
static struct pawl_hazard *arrays;
static pthread_once_t arrays_once = PTHREAD_ONCE_INIT;

static void open_arrays(void)
{
    arrays = pawl_hazard_open(offsetof(struct pawl_deque_array, retired));
}

static struct pawl_deque_array *new_array(size_t slots)
{
    struct pawl_deque_array *array = malloc(sizeof *array + slots * sizeof array->slot[0]);

    if (array != NULL)
        array->mask = slots - 1;
    return array;
}

static void free_array(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct pawl_deque_array, retired));
}

/* The smallest power of two that is `least` or more; least <= CAPACITY_MAX. */
static size_t slots_for(size_t least)
{
    size_t slots = 1;

    while (slots < least)
        slots *= 2;
    return slots;
}

int pawl_deque_init(struct pawl_deque *deque, size_t capacity, int flags)
{
    struct pawl_deque_array *array;

    if (capacity == 0 || capacity > CAPACITY_MAX || (flags & ~PAWL_DEQUE_RARELY_STOLEN) != 0)
        return -EINVAL;
    pthread_once(&arrays_once, open_arrays);
    array = arrays != NULL ? new_array(slots_for(capacity)) : NULL;
    if (array == NULL)
        return -ENOMEM;
    deque->own = array;
    deque->top_seen = 0;
    deque->flags = (uint32_t)flags;
    pawl_store_relaxed(&deque->array, array); /* relaxed, all: nobody has the deque yet */
    pawl_store_relaxed(&deque->bottom, UINT64_C(0));
    pawl_pair_init(&deque->top, 0, 0);
    return 0;
}

void pawl_deque_start_at_(struct pawl_deque *deque, uint64_t index)
{
    deque->top_seen = index;
    pawl_store_relaxed(&deque->bottom, index); /* relaxed, both: nobody else has the deque yet */
    pawl_pair_init(&deque->top, index, UINT64_MAX << PAWL_DEQUE_CLAIM_BITS_);
}

void pawl_deque_destroy(struct pawl_deque *deque)
{
    free(deque->own);
    deque->own = NULL;
    pawl_store_relaxed(&deque->array, NULL); /* relaxed: nobody uses it any more */
}

struct pawl_deque *pawl_deque_open(size_t capacity, int flags)
{
    struct pawl_deque *deque = aligned_alloc(_Alignof(struct pawl_deque), sizeof *deque);
    int status = deque != NULL ? pawl_deque_init(deque, capacity, flags) : -ENOMEM;

    if (status == 0)
        return deque;
    free(deque);
    errno = -status;
    return NULL;
}

void pawl_deque_free(struct pawl_deque *deque)
{
    if (deque == NULL)
        return;
    pawl_deque_destroy(deque);
    free(deque);
}

/* ---- the owner ---- */

/* The index of the oldest pointer, as new as the owner can know it. */
static uint64_t look_at_top(struct pawl_deque *deque)
{
    /* acquire T: pairs with the release of confirm(); the slots below have been read */
    deque->top_seen = pawl_pair_lo(&deque->top, __ATOMIC_ACQUIRE);
    return deque->top_seen;
}

/* Moves everything into an array of `slots`, which is enough. */
static int move_into(struct pawl_deque *deque, size_t slots)
{
    struct pawl_deque_array *old = deque->own, *array = new_array(slots);
    uint64_t bottom = pawl_load_relaxed(&deque->bottom); /* relaxed: the owner's */

    if (array == NULL)
        return -ENOMEM;
    /* relaxed, both: the owner wrote the one; the release below publishes the other */
    for (uint64_t i = deque->top_seen; i != bottom; i++)
        pawl_store_relaxed(&array->slot[i & array->mask], pawl_load_relaxed(&old->slot[i & old->mask]));
    deque->own = array;
    /* release E: pairs with the acquire of protect in copy_out(). A thief that finds the old array finds in
     * it all that it may take: nothing is written there any more, and what is pushed later is seen (E)
     * together with this. */
    pawl_store_release(&deque->array, array);
    pawl_hazard_retire(arrays, &old->retired, free_array);
    (void)pawl_hazard_collect(arrays);
    return 0;
}

int pawl_deque_reserve(struct pawl_deque *deque, size_t count)
{
    uint64_t bottom = pawl_load_relaxed(&deque->bottom); /* relaxed: the owner's */
    uint64_t there = bottom - look_at_top(deque);
    uint64_t slots = deque->own->mask + 1;

    if (count <= slots - there)
        return 0;
    if (count > CAPACITY_MAX - there)
        return -ENOMEM;
    return move_into(deque, slots_for(there + count));
}

int pawl_deque_trim(struct pawl_deque *deque)
{
    uint64_t there = pawl_load_relaxed(&deque->bottom) - look_at_top(deque); /* relaxed: the owner's */
    size_t slots = slots_for(2 * there > TRIM_MIN ? 2 * there : TRIM_MIN);

    return slots <= deque->own->mask ? move_into(deque, slots) : 0;
}

/* The other half of the top word after another change. */
static uint64_t next_state(uint64_t hi, uint64_t claimed)
{
    return ((hi >> PAWL_DEQUE_CLAIM_BITS_) + 1) << PAWL_DEQUE_CLAIM_BITS_ | claimed;
}

int pawl_deque_pop_contended_(struct pawl_deque *deque, uint64_t bottom, void **pointer)
{
    /* acquire: the claims before the index, as in pawl_deque_pop(), here and after a failed CAS */
    struct pawl_pair top = pawl_load_pair_acquire(&deque->top);

    for (;;) {
        int64_t beyond = (int64_t)(bottom - top.lo); /* pointers between the oldest and this one */
        struct pawl_pair withdrawn = {top.lo, next_state(top.hi, 0)};

        if (beyond < 0) {
            /* relaxed: who reads this reads that there is nothing, as the index is the same by now */
            pawl_store_relaxed(&deque->bottom, bottom + 1);
            return -EAGAIN;
        }
        if (beyond >= (int64_t)(top.hi & PAWL_DEQUE_STEAL_MAX))
            break;
        /* acq_rel D: who claims after this reads it, and then `bottom` as it is now. A failure means that a
         * thief has confirmed, withdrawn or claimed. */
        if (pawl_cas_pair_acq_rel(&deque->top, &top, withdrawn))
            break;
    }
    /* relaxed: the owner wrote it */
    *pointer = pawl_load_relaxed(&deque->own->slot[bottom & deque->own->mask]);
    return 0;
}

/* ---- thieves ---- */

/* The top word, without a claim; or with one that stays for too long, and which the caller takes over. */
static struct pawl_pair look_for_thieves(struct pawl_deque *deque)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    /* acquire T: what is read of `bottom` afterwards is as new as the index or newer */
    struct pawl_pair first = pawl_load_pair_acquire(&deque->top), top = first;

    while ((top.hi & PAWL_DEQUE_STEAL_MAX) != 0 && top.hi == first.hi && pawl_backoff_again(&backoff))
        top = pawl_load_pair_acquire(&deque->top); /* acquire T: the same */
    return top;
}

/* How many of [top, bottom) a steal takes that wants `max` of them; 0 or less: there are none. */
static int64_t share(uint64_t top, uint64_t bottom, uint64_t max)
{
    int64_t there = (int64_t)(bottom - top);
    int64_t half = there - there / 2;

    return there > 0 && (uint64_t)half > max ? (int64_t)max : half;
}

static void fence_of_thief(const struct pawl_deque *deque)
{
    /* D: the claim before the look at `bottom` */
    if ((deque->flags & PAWL_DEQUE_RARELY_STOLEN) != 0)
        pawl_fence_heavy();
    else
        pawl_fence_seq_cst();
}

/* pointers[0..n) = the slots from `index` on. False: no hazard slot. */
static bool copy_out(struct pawl_deque *deque, uint64_t index, void **pointers, int64_t n)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(arrays);
    struct pawl_deque_array *array;

    if (slot == NULL)
        return false;
    array = pawl_hazard_protect(slot, &deque->array); /* acquire E inside: see move_into() */
    /* relaxed: what the owner writes here while this reads is not what was claimed, and then confirm()
     * fails */
    for (int64_t i = 0; i < n; i++)
        pointers[i] = pawl_load_relaxed(&array->slot[(index + (uint64_t)i) & array->mask]);
    pawl_hazard_give(arrays, slot);
    return true;
}

/* Ends the claim, having taken `n` of what it covers. False: the owner or another thief has ended it. */
static bool confirm(struct pawl_deque *deque, struct pawl_pair claim, int64_t n)
{
    struct pawl_pair done = {claim.lo + (uint64_t)n, next_state(claim.hi, 0)};

    /* release T: pairs with the acquire in look_at_top(): the slots have been read. Also with those in pop
     * and look_for_thieves(). */
    return pawl_cas_pair_release(&deque->top, &claim, done);
}

/* Another was faster: the owner, or a thief. */
static int lost(void)
{
    stay_away(1);
    return -EBUSY;
}

static ptrdiff_t steal(struct pawl_deque *deque, void **pointers, size_t max)
{
    struct pawl_pair top = look_for_thieves(deque), claim;
    /* relaxed: how much to claim; what was taken meanwhile is found out below */
    int64_t n = share(top.lo, pawl_load_relaxed(&deque->bottom), max);

    if (n <= 0)
        return -EAGAIN;
    claim.lo = top.lo;
    claim.hi = next_state(top.hi, (uint64_t)n);
    /* acquire: whoever ended the claim before, `bottom` as it was known there is seen; pairs with the
     * releases of pawl_deque_pop_contended_() and confirm(). release: to be read so by the next. */
    if (!pawl_cas_pair_acq_rel(&deque->top, &top, claim))
        return lost();
    fence_of_thief(deque);
    /* acquire E: pairs with the releases in push and pop */
    n = share(claim.lo, pawl_load_acquire(&deque->bottom), (uint64_t)n);
    if (n <= 0 || !copy_out(deque, claim.lo, pointers, n)) {
        (void)confirm(deque, claim, 0); /* false: then there is no claim to withdraw any more */
        return n <= 0 ? -EAGAIN : -ENOMEM;
    }
    return confirm(deque, claim, n) ? n : lost();
}

int pawl_deque_steal(struct pawl_deque *deque, void **pointer)
{
    ptrdiff_t status = steal(deque, pointer, 1);

    return status > 0 ? 0 : (int)status;
}

ptrdiff_t pawl_deque_steal_half(struct pawl_deque *deque, void **pointers, size_t max)
{
    if (max == 0)
        return -EINVAL;
    return steal(deque, pointers, max < PAWL_DEQUE_STEAL_MAX ? max : PAWL_DEQUE_STEAL_MAX);
}

int pawl_deque_steal_into(struct pawl_deque *from, struct pawl_deque *to, void **pointer)
{
    void *pointers[STEAL_INTO_MAX];
    ptrdiff_t n;

    if (from == to)
        pawl_sync_fail("pawl_deque_steal_into", "a deque cannot steal from itself");
    if (pawl_deque_reserve(to, STEAL_INTO_MAX - 1) != 0) /* before anything is taken */
        return -ENOMEM;
    n = steal(from, pointers, STEAL_INTO_MAX);
    if (n < 0)
        return (int)n;
    *pointer = pointers[0];
    (void)pawl_deque_push_n(to, pointers + 1, (size_t)n - 1); /* 0: reserved */
    return 0;
}
