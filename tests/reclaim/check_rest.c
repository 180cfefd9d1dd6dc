/* SPDX-License-Identifier: MIT */
/* For the model checker: a thread that was found to rest is not waited for; a scan sees that it has come, or it sees what was
 * done before the mark. And what it did while it was inside is over for who trusts that it rests. -DBEFORE=1: it was inside
 * before; -DHOLD=1: while it is inside it announces what it looks at by another store, as slots do; -DFENCER=1: a third thread
 * finds that it rests; -DFENCER=2: that one and this one. With light.h in front, and -DLATE_BY=-1. */
#include "../../src/core/reclaim/pass.h"
#include "../../src/core/reclaim/rest.h"

#include <assert.h>
#include <pthread.h>

#ifndef BEFORE
#define BEFORE 0
#endif
#ifndef FENCER
#define FENCER 0
#endif
#ifndef HOLD
#define HOLD 0
#endif

enum { THREADS = FENCER != 0 ? 3 : 2 };

/* Thread 0's and those of the others, as in a domain. */
static struct {
    PAWL_ATOMIC(uint64_t) inside, rest, holds;
} PAWL_LINE_PAIR_ALIGNED places[PAWL_READER_MAX];

static PAWL_ATOMIC(int) unlinked;
static int used; /* while it was inside */
static int found_linked;

static bool is_outside(struct pawl_rest *rest, uint32_t number)
{
    (void)rest;
    return pawl_load_acquire(&places[number].inside) == 0;
}

static struct pawl_rest rest = {.words = (char *)&places[0].rest, .is_outside = is_outside};

static void enter(uint32_t number)
{
    pawl_store_release(&places[number].inside, UINT64_C(1));
    pawl_fence_light();
    if (pawl_load_relaxed(&places[number].rest) != 0)
        pawl_rest_wake(&places[number].rest);
}

static void *read(void *unused)
{
    uint32_t number = pawl_reader_own()->number;

#if BEFORE
    enter(number);
    if (pawl_load_relaxed(&unlinked) == 0)
        used = 1;
    pawl_store_release(&places[number].inside, UINT64_C(0));
#endif
    enter(number);
#if HOLD
    pawl_store_release(&places[number].holds, UINT64_C(1));
    pawl_fence_light();
#endif
    found_linked = pawl_load_relaxed(&unlinked) == 0;
    return unused;
}

#if FENCER
static void *fence(void *unused)
{
    pawl_rest_fence(&rest, pawl_reader_own());
    return unused;
}
#endif

int main(void)
{
    struct pawl_reader *self = pawl_reader_own();
    pthread_t reader;
    uint32_t cursor = 0;
    uint64_t mark, seen = 0;

#if FENCER
    pthread_t fencer;

    pthread_create(&fencer, NULL, fence, NULL);
#endif
    pthread_create(&reader, NULL, read, NULL);
#if FENCER != 1
    pawl_rest_fence(&rest, self);
#endif
    pawl_store_relaxed(&unlinked, 1);
    mark = pawl_pass_mark(self);
    pawl_check_assume(pawl_pass_done(mark, &cursor, &rest));
    for (int n = 0; n < THREADS; n++) /* also of who has ended: it stays inside */
        seen |= pawl_load_acquire(HOLD ? &places[n].holds : &places[n].inside);
    if (seen == 0)
        used = 2; /* frees it: a data race with who uses it still */
    pthread_join(reader, NULL);
#if FENCER
    pthread_join(fencer, NULL);
#endif
    assert(seen == 1 || found_linked == 0);
    return 0;
}
