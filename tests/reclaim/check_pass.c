/* SPDX-License-Identifier: MIT */
/* For the model checker: once a mark is passed by all, a scan sees what a reader has announced, or the reader sees what was
 * done before the mark. The reader does nothing else than that; -DPASS=1: passes afterwards; -DPASS=2: before; -DPASS=3:
 * before, by a mark of its own; -DPASS=4: before, by a fence of its own; -DPASS=5: afterwards. -DFENCER=1: a third thread fences. With light.h in front: light fences order nothing
 * between each other. */
#include "../../src/core/reclaim/pass.h"

#include <assert.h>
#include <pthread.h>

#ifndef PASS
#define PASS 0
#endif
#ifndef FENCER
#define FENCER 0
#endif

static PAWL_ATOMIC(int) unlinked, announced;
static int found_linked;

static void *read(void *unused)
{
    struct pawl_reader *self = pawl_reader_own();

#if PASS == 2
    pawl_pass(self);
#elif PASS == 3
    (void)pawl_pass_mark(self);
#elif PASS == 4
    pawl_pass_fence(self);
#endif
    pawl_store_relaxed(&announced, 1);
    pawl_fence_light();
    found_linked = pawl_load_relaxed(&unlinked) == 0;
#if PASS == 1
    pawl_pass(self);
#elif PASS == 5
    pawl_pass_fence(self);
#endif
    (void)self;
    return unused;
}

#if FENCER
static void *fence(void *unused)
{
    pawl_pass_fence(pawl_reader_own());
    return unused;
}
#endif

int main(void)
{
    struct pawl_reader *self = pawl_reader_own();
    pthread_t reader;
    uint32_t cursor = 0;
    uint64_t mark;
    int seen;

#if FENCER
    pthread_t fencer;

    pthread_create(&fencer, NULL, fence, NULL);
#endif
    pthread_create(&reader, NULL, read, NULL);
    pawl_store_relaxed(&unlinked, 1);
    mark = pawl_pass_mark(self);
    pawl_check_assume(pawl_pass_done(mark, &cursor, NULL));
    seen = pawl_load_relaxed(&announced);
    pthread_join(reader, NULL);
#if FENCER
    pthread_join(fencer, NULL);
#endif
    assert(seen == 1 || found_linked == 0);
    return 0;
}
