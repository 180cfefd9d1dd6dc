/* SPDX-License-Identifier: MIT */
/* Words for biased locks: cut from regions of one page a CPU, granted, revoked.
 *
 *      pages -> [ region, used bits ] -> [ region, used bits ] -> ...
 *
 * A page is never given back: locks come and go in numbers that a program soon has reached. */
#include "bias.h"

#include "fail.h"

#include <pthread.h>
#include <stdlib.h>

#define PAIRS_A_PAGE 256
#define MAP_WORDS (PAIRS_A_PAGE / 64)

PAWL_STATIC_ASSERT(PAIRS_A_PAGE * sizeof(struct bias) == 4096, "a page of each CPU");

struct page {
    struct page *next;
    struct pawl_percpu *pc;
    unsigned long used[MAP_WORDS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list and of all used bits */
static struct page *pages;

static void lock_pages(void)
{
    pthread_mutex_lock(&lock);
}

static void unlock_pages(void)
{
    pthread_mutex_unlock(&lock);
}

/* A child forked while another thread holds the lock would never get it. */
__attribute__((constructor)) static void watch_fork(void)
{
    pthread_atfork(lock_pages, unlock_pages, unlock_pages);
}

/* The offset of a free pair, taken now, or -1. */
static long take_pair(struct page *page)
{
    for (size_t i = 0; i < MAP_WORDS; i++) {
        if (page->used[i] != ~0ul) {
            size_t bit = (size_t)__builtin_ctzl(~page->used[i]);

            page->used[i] |= 1ul << bit;
            return (long)((i * 64 + bit) * sizeof(struct bias));
        }
    }
    return -1;
}

/* NULL: no memory. */
static struct page *add_page(void)
{
    struct page *page = calloc(1, sizeof *page);

    if (page == NULL)
        return NULL;
    page->pc = pawl_percpu_open(PAIRS_A_PAGE * sizeof(struct bias), PAWL_PERCPU_BY_ANY);
    if (page->pc == NULL) {
        free(page);
        return NULL;
    }
    page->next = pages;
    pages = page;
    return page;
}

/* Sequences that nobody can stop must not count readers. Without sequences there is nothing to stop. */
static bool can_revoke(void)
{
    return !pawl_rseq_available() || (pawl_rseq_get_info()->has_fence && pawl_rseq_fence(-1) == 0);
}

struct pawl_percpu *pawl_bias_open(size_t *at)
{
    struct page *page;
    long found = -1;

    if (!can_revoke())
        return NULL;
    lock_pages();
    page = pages;
    while (page != NULL && (found = take_pair(page)) < 0)
        page = page->next;
    if (page == NULL) {
        page = add_page();
        found = page != NULL ? take_pair(page) : -1;
    }
    unlock_pages();
    *at = (size_t)found;
    return page != NULL ? page->pc : NULL;
}

static struct bias *bias_in(char *slice, size_t at)
{
    return (struct bias *)(void *)(slice + at);
}

void pawl_bias_close(struct pawl_percpu *pc, size_t at)
{
    size_t pair = at / sizeof(struct bias);
    uint32_t slot;
    char *slice;

    /* relaxed: nobody uses the words; the lock orders them before the next owner */
    pawl_percpu_each (pc, slot, slice) {
        pawl_store_relaxed(&bias_in(slice, at)->via, (uintptr_t)0);
        pawl_store_relaxed(&bias_in(slice, at)->count, 0L);
    }
    lock_pages();
    for (struct page *page = pages; page != NULL; page = page->next)
        if (page->pc == pc)
            page->used[pair / 64] &= ~(1ul << pair % 64);
    unlock_pages();
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
