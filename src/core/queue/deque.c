/* SPDX-License-Identifier: MIT */
/* Stealing, and what the owner does where thieves are about.
 *
 * Why nobody takes what another has. Let T be the top word, which claims [t, t + n); let a thief read T (or store it), C,
 * and then look at `bottom`, L; and let the owner pop index i in that range: store `bottom` = i, S, look at the claims, O.
 * By D either L sees S (or a later store), and the thief does not count on i; or O sees T (or what came after it), and the
 * owner takes nothing before it has replaced T. When L sees a later store that is above i again, slot i holds something
 * new, which nobody else has, and which L's acquire publishes. So what L has found there stays there as long as T is the
 * top word, and who replaces T has it. That is so for every thief, whoever looked: hence the word says that somebody has
 * looked (PAWL_DEQUE_THERE_), and the next one takes without looking.
 *
 * The number of changes has 47 bits: a thief would have to be stopped between its look and its CAS while exactly a
 * multiple of 2^47 claims are made and withdrawn, and nothing is stolen. */
#include "../sync/fail.h"

#include <pawl/backoff.h>
#include <pawl/deque.h>
#include <pawl/hazard.h>

#include "loss.h"

#include <stdlib.h>

extern inline int pawl_deque_push(struct pawl_deque *deque, void *pointer);
extern inline int pawl_deque_push_n(struct pawl_deque *deque, void *const *pointers, size_t count);
extern inline int pawl_deque_pop(struct pawl_deque *deque, void **pointer);
extern inline size_t pawl_deque_size(const struct pawl_deque *deque);
extern inline bool pawl_deque_empty(const struct pawl_deque *deque);

#define CAPACITY_MAX ((size_t)1 << 40)
#define TRIM_MIN 64u
#define STEAL_INTO_MAX 256u
#ifndef STANDING /* closures for the model checker take other lengths */
/* How far a claim reaches that is left for the next who steals one: so many are stolen for each look at `bottom`, which the
 * owner is writing to; or for each membarrier. The owner withdraws it once, if it comes there. */
#define STANDING(rarely_stolen) ((rarely_stolen) ? 256u : 32u)
#endif

/* O: the arrays of all deques. Opened by the first, or by a later one if there was no memory. Never closed: threads may
 * steal until the process ends. */
static PAWL_ATOMIC(struct pawl_hazard *) all_arrays;

static struct pawl_hazard *open_arrays(void)
{
    struct pawl_hazard *arrays = pawl_load_acquire(&all_arrays); /* acquire O: pairs with the CAS below */
    struct pawl_hazard *mine;

    if (arrays != NULL)
        return arrays;
    mine = pawl_hazard_open(offsetof(struct pawl_deque_array, retired));
    /* release O: publishes the domain. acquire O: somebody else's */
    if (mine == NULL || pawl_cas_acq_rel(&all_arrays, &arrays, mine))
        return mine;
    pawl_hazard_close(mine);
    return arrays;
}

/* relaxed: whoever has a deque got it from who saw the domain opened. */
static struct pawl_hazard *arrays_of_all(void)
{
    return pawl_load_relaxed(&all_arrays);
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
    array = open_arrays() != NULL ? new_array(slots_for(capacity)) : NULL;
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
    /* acquire T: pairs with the release of take(); the slots below have been read */
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
    pawl_hazard_retire(arrays_of_all(), &old->retired, free_array);
    (void)pawl_hazard_collect(arrays_of_all());
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
static uint64_t next_state(uint64_t hi, uint64_t claim)
{
    return ((hi >> PAWL_DEQUE_CLAIM_BITS_) + 1) << PAWL_DEQUE_CLAIM_BITS_ | claim;
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
         * thief has taken or claimed something. */
        if (pawl_cas_pair_acq_rel(&deque->top, &top, withdrawn))
            break;
    }
    /* relaxed: the owner wrote it */
    *pointer = pawl_load_relaxed(&deque->own->slot[bottom & deque->own->mask]);
    return 0;
}

/* ---- thieves ---- */

/* What a thief knows. */
struct look {
    struct pawl_pair top;
    uint64_t there; /* so many of what is claimed are there, until the top word changes */
};

static struct look look_at_claims(struct pawl_deque *deque)
{
    struct look look;

    /* seq_cst D: before the look at `bottom`. acquire T, E: of what is claimed and there, the slots; and what is read of
     * `bottom` afterwards is as new as the index or newer. */
    look.top.hi = pawl_pair_hi(&deque->top, __ATOMIC_SEQ_CST);
    look.top.lo = pawl_pair_lo(&deque->top, __ATOMIC_ACQUIRE);
    look.there = (look.top.hi & PAWL_DEQUE_THERE_) != 0 ? look.top.hi & PAWL_DEQUE_STEAL_MAX : 0;
    return look;
}

/* How many of [top, bottom) a steal takes that wants `max` of them; 0 or less: there are none. */
static int64_t share(uint64_t top, uint64_t bottom, uint64_t max)
{
    int64_t there = (int64_t)(bottom - top);
    int64_t half = there - there / 2;

    return there > 0 && (uint64_t)half > max ? (int64_t)max : half;
}

/* The flags stand beside `bottom`: not to be called for each that is stolen. */
static uint64_t standing_claim(const struct pawl_deque *deque, size_t max)
{
    return max == 1 ? STANDING((deque->flags & PAWL_DEQUE_RARELY_STOLEN) != 0) : 0;
}

/* Another was faster: the owner, or a thief. */
static int lost(void)
{
    stay_away(1);
    return -EBUSY;
}

/* Claims what a steal of `max` takes, where it is not yet, and looks whether it is there. Returns how many may be taken. */
static ptrdiff_t claim_and_look(struct pawl_deque *deque, struct look *look, size_t max)
{
    uint64_t claimed = look->top.hi & PAWL_DEQUE_STEAL_MAX;
    /* relaxed: how much to claim; what was taken meanwhile is found out below */
    int64_t n = share(look->top.lo, pawl_load_relaxed(&deque->bottom), max), there;

    /* What was seen there stays there until the word changes: an owner that is about to pop it has yet to ask. */
    if (n <= 0 && look->there > 0)
        n = 1;
    if (n <= 0)
        return -EAGAIN;
    if ((uint64_t)n <= look->there)
        return n;
    if ((uint64_t)n > claimed) {
        struct pawl_pair claim;

        claimed = max == 1 ? standing_claim(deque, max) : (uint64_t)n;
        claim.lo = look->top.lo;
        claim.hi = next_state(look->top.hi, claimed);
        /* seq_cst D: before the look at `bottom`, here and in the thieves that read it */
        if (!pawl_cas_pair_seq_cst(&deque->top, &look->top, claim))
            return lost();
        look->top = claim;
    }
    if ((deque->flags & PAWL_DEQUE_RARELY_STOLEN) != 0)
        pawl_fence_heavy(); /* D: the same, for an owner that has no fence */
    /* seq_cst D, and acquire E: pairs with the releases in push and pop */
    there = (int64_t)(pawl_load_seq_cst(&deque->bottom) - look->top.lo);
    n = share(0, (uint64_t)there, (uint64_t)n);
    if (n <= 0)
        return -EAGAIN; /* and the claim stands: it costs the owner a CAS, once */
    look->there = (uint64_t)there < claimed ? (uint64_t)there : claimed;
    return n;
}

/* pointers[0..n) = the slots from `index` on. False: no hazard slot. */
static bool copy_out(struct pawl_deque *deque, uint64_t index, void **pointers, ptrdiff_t n)
{
    struct pawl_hazard *arrays = arrays_of_all();
    struct pawl_hazard_slot *slot = pawl_hazard_take(arrays);
    struct pawl_deque_array *array;

    if (slot == NULL)
        return false;
    array = pawl_hazard_protect(slot, &deque->array); /* acquire E inside: see move_into() */
    /* relaxed: what the owner writes here while this reads is not what was claimed, and then take() fails */
    for (ptrdiff_t i = 0; i < n; i++)
        pointers[i] = pawl_load_relaxed(&array->slot[(index + (uint64_t)i) & array->mask]);
    pawl_hazard_give(arrays, slot);
    return true;
}

/* Takes n of what is there, for a steal of `max`, and leaves a claim for the next. False: the owner or another thief has
 * changed the word. */
static bool take(struct pawl_deque *deque, struct look *look, ptrdiff_t n, size_t max)
{
    uint64_t left = look->there - (uint64_t)n;
    uint64_t claim = PAWL_LIKELY(left > 0) ? left | PAWL_DEQUE_THERE_ : standing_claim(deque, max);
    struct pawl_pair taken = {look->top.lo + (uint64_t)n, next_state(look->top.hi, claim)};

    /* release T: pairs with the acquire in look_at_top(): the slots have been read; with that of look_at_claims():
     * the next thief sees of them what this one saw. seq_cst D: as in claim_and_look(). */
    return pawl_cas_pair_seq_cst(&deque->top, &look->top, taken);
}

static ptrdiff_t steal(struct pawl_deque *deque, void **pointers, size_t max)
{
    struct look look = look_at_claims(deque);
    ptrdiff_t n = 1;

    if (max > 1 || look.there == 0) {
        n = claim_and_look(deque, &look, max);
        if (n <= 0)
            return n;
    }
    if (!copy_out(deque, look.top.lo, pointers, n))
        return -ENOMEM;
    return take(deque, &look, n, max) ? n : lost();
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
