/* SPDX-License-Identifier: MIT */
/* Words for biased locks: granted, revoked, summed. */
#include "bias.h"

#include "../percpu/slice_words.h"
#include "fail.h"

#define BIAS_WORDS (sizeof(struct bias) / sizeof(long))

PAWL_STATIC_ASSERT(BIAS_WORDS == 2, "a pair of words of each CPU");

/* Sequences that nobody can stop must not count readers. Without sequences there is nothing to stop. */
static bool can_revoke(void)
{
    return !pawl_rseq_available() || (pawl_rseq_get_info()->has_fence && pawl_rseq_fence(-1) == 0);
}

struct pawl_percpu *pawl_bias_open(size_t *at)
{
    struct pawl_percpu *pc;

    return can_revoke() && pawl_slice_words_take(BIAS_WORDS, &pc, at) == 0 ? pc : NULL;
}

static struct bias *bias_in(char *slice, size_t at)
{
    return (struct bias *)(void *)(slice + at);
}

void pawl_bias_close(struct pawl_percpu *pc, size_t at)
{
    pawl_slice_words_give(pc, at, BIAS_WORDS);
}

void pawl_bias_grant(struct pawl_percpu *pc, size_t at)
{
    uint32_t slot;
    char *slice;
    long via;

    (void)pawl_percpu_load(pc, at, &via); /* the first use of a slot gives it its slice */
    /* release R: pairs with the acquire fence in rdlock, publishes what earlier writers did */
    pawl_percpu_each (pc, slot, slice)
        pawl_store_release(&bias_in(slice, at)->via, (uintptr_t)&bias_in(slice, at)->count);
}

/* After it no sequence is between its look at `via` and its count. */
static void fence_all(struct pawl_percpu *pc)
{
    uint32_t slot;
    char *slice;

    if (pawl_rseq_fence(-1) != 0)
        pawl_sync_fail("pawl_rwlock_wrlock",
                       "membarrier(2) is refused now but was not before: readers cannot be "
                       "stopped (let the sandbox allow it, or set PAWL_RSEQ=off)");
    pawl_percpu_each (pc, slot, slice)
        if (slot >= pc->limit)
            (void)pawl_percpu_fence(pc, slot); /* locked slots: cannot fail */
}

long pawl_bias_revoke(struct pawl_percpu *pc, size_t at)
{
    uint32_t slot;
    char *slice;
    long sum = 0;

    /* relaxed: the fence makes sequences see it. A slot that is used from now on has no `via`. */
    pawl_percpu_each (pc, slot, slice)
        pawl_store_relaxed(&bias_in(slice, at)->via, (uintptr_t)0);
    fence_all(pc);
    /* R, acquire by the fence: every count that was committed is seen, and what its section did. relaxed:
     * nobody changes them any more. */
    pawl_percpu_each (pc, slot, slice) {
        sum += pawl_load_relaxed(&bias_in(slice, at)->count);
        pawl_store_relaxed(&bias_in(slice, at)->count, 0L);
    }
    return sum;
}

long pawl_bias_sum(struct pawl_percpu *pc, size_t at)
{
    uint32_t slot;
    char *slice;
    long sum = 0;

    pawl_percpu_each (pc, slot, slice)
        sum += pawl_load_relaxed(&bias_in(slice, at)->count); /* relaxed: a hint */
    return sum;
}
