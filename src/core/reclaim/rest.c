/* SPDX-License-Identifier: MIT */
/* Threads at rest: found by a fence, awake by one of their own. */
#include "rest.h"

#include "pass.h"

static PAWL_ATOMIC(uint64_t) * word_of(const struct pawl_rest *rest, uint32_t number)
{
    return (PAWL_ATOMIC(uint64_t) *)(void *)(rest->words + number * PAWL_READER_STRIDE);
}

/* Whoever seems to do nothing. Returns the fence's number, or 0: there is nobody. */
static uint64_t ask_for_rest(struct pawl_rest *rest, const struct pawl_reader *self)
{
    uint64_t fence = 0;

    for (uint32_t n = pawl_reader_next(0); n != PAWL_READER_MAX; n = pawl_reader_next(n + 1)) {
        PAWL_ATOMIC(uint64_t) *word = word_of(rest, n);

        /* relaxed, all: ordered by the fence, and who loses what another one stored finds it at the next */
        if (n == self->number || !pawl_pass_is_late(n, self) || pawl_load_relaxed(word) == PAWL_REST)
            continue;
        if (fence == 0)
            fence = pawl_fetch_add_relaxed(&rest->fences, UINT64_C(1)) + 1;
        pawl_store_relaxed(word, fence);
    }
    return fence;
}

static void note_who_rests(struct pawl_rest *rest, uint64_t fence)
{
    for (uint32_t n = pawl_reader_next(0); n != PAWL_READER_MAX; n = pawl_reader_next(n + 1)) {
        uint64_t there = fence;

        /* relaxed: the CAS validates it. release I: publishes that the thread was seen outside */
        if (pawl_load_relaxed(word_of(rest, n)) == fence && rest->is_outside(rest, n))
            (void)pawl_cas_release(word_of(rest, n), &there, PAWL_REST);
    }
}

void pawl_rest_fence(struct pawl_rest *rest, struct pawl_reader *self)
{
    uint64_t fence = ask_for_rest(rest, self);

    pawl_pass_fence(self);
    if (fence != 0)
        note_who_rests(rest, fence);
}

bool pawl_rest_has(const struct pawl_rest *rest, uint32_t number)
{
    /* acquire I: pairs with the release in note_who_rests() */
    return pawl_load_acquire(word_of(rest, number)) == PAWL_REST;
}

/* No handler may find the 0 before the fence that belongs to it. */
void pawl_rest_wake(PAWL_ATOMIC(uint64_t) * word)
{
    uint64_t signals;

    pawl_reader_block_signals(&signals);
    pawl_store_relaxed(word, UINT64_C(0)); /* relaxed: the fence orders it */
    pawl_pass_begin(pawl_reader_own());    /* its fence: the 0 before this thread's next load of a pointer */
    pawl_reader_restore_signals(&signals);
}
