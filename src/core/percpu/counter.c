/* SPDX-License-Identifier: MIT */
/* Words for counters, cut from regions of one page a CPU, and their sums.
 *
 *      pages -> [ region, used bits ] -> [ region, used bits ] -> ...
 *
 * A page is never given back: counters come and go in numbers that a program soon has reached. */
#include <pawl/counter.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define WORDS_A_PAGE 512
#define MAP_WORDS (WORDS_A_PAGE / 64)

extern inline void pawl_counter_add(struct pawl_counter *counter, long n);
extern inline void pawl_counter_atomic_add(struct pawl_counter_atomic *counter, long n);
extern inline long pawl_counter_atomic_read(const struct pawl_counter_atomic *counter);
extern inline size_t pawl_counter_shard_of_cpu(void);
extern inline size_t pawl_counter_shard_of_thread(void);
extern inline void pawl_counter_sharded_add(struct pawl_counter_sharded *counter, size_t shard, long n);

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

/* The offset of a free word, taken now, or -1. */
static long take_word(struct page *page)
{
    for (size_t i = 0; i < MAP_WORDS; i++) {
        if (page->used[i] != ~0ul) {
            size_t bit = (size_t)__builtin_ctzl(~page->used[i]);

            page->used[i] |= 1ul << bit;
            return (long)((i * 64 + bit) * sizeof(long));
        }
    }
    return -1;
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

static int find_word(struct pawl_counter *counter)
{
    struct page *page = pages;
    long at = -1;

    while (page != NULL && (at = take_word(page)) < 0)
        page = page->next;
    if (page == NULL) {
        page = add_page();
        if (page == NULL)
            return -errno;
        at = take_word(page);
    }
    counter->pc = page->pc;
    counter->at = (size_t)at;
    return 0;
}

int pawl_counter_init(struct pawl_counter *counter)
{
    int status;

    lock_pages();
    status = find_word(counter);
    unlock_pages();
    return status;
}

static PAWL_ATOMIC(long) * word_in(char *slice, const struct pawl_counter *counter)
{
    return (PAWL_ATOMIC(long) *)(void *)(slice + counter->at);
}

long pawl_counter_read(const struct pawl_counter *counter)
{
    unsigned long sum = 0;
    uint32_t slot;
    char *slice;

    pawl_percpu_each (counter->pc, slot, slice)
        sum += (unsigned long)pawl_load_relaxed(word_in(slice, counter)); /* relaxed: late, never wrong */
    return (long)sum;
}

void pawl_counter_destroy(struct pawl_counter *counter)
{
    uint32_t slot;
    char *slice;

    /* relaxed: nobody uses the words; the lock orders them before the next owner */
    pawl_percpu_each (counter->pc, slot, slice)
        pawl_store_relaxed(word_in(slice, counter), 0L);
    lock_pages();
    for (struct page *page = pages; page != NULL; page = page->next)
        if (page->pc == counter->pc)
            page->used[counter->at / sizeof(long) / 64] &= ~(1ul << (counter->at / sizeof(long)) % 64);
    unlock_pages();
    counter->pc = NULL;
}

size_t pawl_counter_sharded_bytes(size_t shards)
{
    bool power_of_two = shards != 0 && (shards & (shards - 1)) == 0;

    if (!power_of_two || shards > (size_t)1 << 20)
        return 0;
    return sizeof(struct pawl_counter_sharded) + shards * sizeof(struct pawl_counter_atomic);
}

struct pawl_counter_sharded *pawl_counter_sharded_init(void *memory, size_t shards)
{
    struct pawl_counter_sharded *counter = memory;

    if (pawl_counter_sharded_bytes(shards) == 0 || memory == NULL ||
        (uintptr_t)memory % PAWL_CACHELINE_PAIR != 0) {
        errno = EINVAL;
        return NULL;
    }
    counter->shards = shards;
    for (size_t i = 0; i < shards; i++)
        pawl_store_relaxed(&counter->shard[i].value, 0L); /* relaxed: nobody has the counter yet */
    return counter;
}

long pawl_counter_sharded_read(const struct pawl_counter_sharded *counter)
{
    unsigned long sum = 0;

    for (size_t i = 0; i < counter->shards; i++)
        sum += (unsigned long)pawl_counter_atomic_read(&counter->shard[i]);
    return (long)sum;
}
