/* SPDX-License-Identifier: MIT */
/* Words cut from regions of one page a CPU.
 *
 *      pages -> [ region, used bits ] -> [ region, used bits ] -> ...
 *
 * A page is never given back: counters and locks come and go in numbers that a program soon has reached. */
#include "slice_words.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define WORDS_A_PAGE 512
#define MAP_BITS 64
#define EVEN_BITS UINT64_C(0x5555555555555555)

struct page {
    struct page *next;
    struct pawl_percpu *pc;
    uint64_t used[WORDS_A_PAGE / MAP_BITS];
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

static uint64_t bits_of(size_t word, size_t count)
{
    return (count == 2 ? UINT64_C(3) : UINT64_C(1)) << word % MAP_BITS;
}

/* The number of the first of `count` free words, taken now, or WORDS_A_PAGE. */
static size_t take_words(struct page *page, size_t count)
{
    for (size_t i = 0; i < WORDS_A_PAGE / MAP_BITS; i++) {
        uint64_t available = ~page->used[i];

        if (count == 2)
            available &= available >> 1 & EVEN_BITS;
        if (available != 0) {
            size_t word = i * MAP_BITS + (size_t)__builtin_ctzll(available);

            page->used[i] |= bits_of(word, count);
            return word;
        }
    }
    return WORDS_A_PAGE;
}

/* NULL with errno. */
static struct page *add_page(void)
{
    struct page *page = calloc(1, sizeof *page);

    if (page == NULL)
        return NULL;
    page->pc = pawl_percpu_open(WORDS_A_PAGE * sizeof(long), PAWL_PERCPU_BY_ANY);
    if (page->pc == NULL) {
        free(page);
        return NULL;
    }
    page->next = pages;
    pages = page;
    return page;
}

static int find_words(size_t count, struct pawl_percpu **pc, size_t *at)
{
    struct page *page = pages;
    size_t word = WORDS_A_PAGE;

    while (page != NULL && (word = take_words(page, count)) == WORDS_A_PAGE)
        page = page->next;
    if (page == NULL) {
        page = add_page();
        if (page == NULL)
            return -errno;
        word = take_words(page, count);
    }
    *pc = page->pc;
    *at = word * sizeof(long);
    return 0;
}

int pawl_slice_words_take(size_t count, struct pawl_percpu **pc, size_t *at)
{
    int status;

    lock_pages();
    status = find_words(count, pc, at);
    unlock_pages();
    return status;
}

void pawl_slice_words_give(struct pawl_percpu *pc, size_t at, size_t count)
{
    size_t word = at / sizeof(long);
    uint32_t slot;
    char *slice;

    /* relaxed: nobody uses the words; the lock orders them before the next owner */
    pawl_percpu_each (pc, slot, slice) {
        PAWL_ATOMIC(long) *words = (void *)(slice + at);

        for (size_t i = 0; i < count; i++)
            pawl_store_relaxed(&words[i], 0L);
    }
    lock_pages();
    for (struct page *page = pages; page != NULL; page = page->next)
        if (page->pc == pc)
            page->used[word / MAP_BITS] &= ~bits_of(word, count);
    unlock_pages();
}
