/* SPDX-License-Identifier: MIT */
#include "hardened.h"

#include "central.h"
#include "fail.h"
#include "large.h"
#include "lock.h"
#include "page_heap.h"
#include "system.h"

#include <string.h>

#define SEAL_BYTES sizeof(uint64_t)
#define EXTRA (2 * SEAL_BYTES) /* at least eight bytes of canary, and the seal */
#define QUARANTINE 4096u       /* small blocks, */
#define QUARANTINE_BYTES ((size_t)8 << 20)
#define QUARANTINE_LARGE 64u /* and large ones */
#define SHELF 16u            /* blocks of a class of which one is drawn */
#define FREED UINT64_C(0x5a5a5a5a5a5a5a5a)

static struct {
    struct pawl_mutex lock;
    uint64_t secret;
    uint64_t random;
    size_t bytes; /* in quarantine */
    uint32_t oldest;
    void *small[QUARANTINE];
    struct span *large[QUARANTINE_LARGE];
    uint32_t next_large;
    void *shelf[SIZE_CLASSES][SHELF];
    uint32_t on_shelf[SIZE_CLASSES];
} hard;

/* xorshift: the order only has to be hard to guess from outside. */
static uint32_t draw(uint32_t n)
{
    if (hard.random == 0) { /* the first block of all: nothing is sealed yet */
        hard.random = pawl_system_random_() | 1;
        hard.secret = pawl_system_random_();
    }
    hard.random ^= hard.random << 13;
    hard.random ^= hard.random >> 7;
    hard.random ^= hard.random << 17;
    return (uint32_t)(hard.random >> 32) % n;
}

/* ---- seal and canary of a small block ---- */

static uint64_t *seal_of(const void *block, uint32_t class)
{
    return (uint64_t *)(void *)((char *)(uintptr_t)block + pawl_malloc_class_[class].size - SEAL_BYTES);
}

static uint64_t key_of(const void *block)
{
    return hard.secret ^ ((uintptr_t)block * UINT64_C(0x9e3779b97f4a7c15));
}

static uint8_t canary_of(const void *block)
{
    return (uint8_t)(key_of(block) >> 56) | 1;
}

static void seal(char *block, uint32_t class, size_t size)
{
    uint64_t *at = seal_of(block, class);

    *at = key_of(block) ^ size;
    memset(block + size, canary_of(block), (size_t)((char *)at - (block + size)));
}

/* The size of a block in use; aborts when it is not in use, or what is behind it was written to. */
static size_t unseal(const void *block, uint32_t class)
{
    const uint64_t *at = seal_of(block, class);
    size_t size = *at ^ key_of(block);
    const uint8_t *canary;

    if (size == FREED)
        pawl_malloc_fail_("free() of a block that is free already", block);
    if (size > pawl_malloc_class_[class].size - EXTRA)
        pawl_malloc_fail_("memory behind a block was written to (far)", block);
    for (canary = (const uint8_t *)block + size; canary < (const uint8_t *)at; canary++)
        if (*canary != canary_of(block))
            pawl_malloc_fail_("memory behind a block was written to", block);
    return size;
}

/* ---- small blocks ---- */

static void *take_small(uint32_t class)
{
    uint32_t *n = &hard.on_shelf[class];
    void **shelf = hard.shelf[class];
    void *block;
    uint32_t i;

    if (*n == 0)
        for (struct node *chain = pawl_central_get_(class, SHELF); !chain_is_empty(chain);) {
            struct node *next = chain->next;

            memset(chain, 0, pawl_malloc_class_[class].size); /* links and what other classes left */
            if (*n < SHELF)
                shelf[(*n)++] = chain;
            else
                pawl_central_return_(class, chain_push(chain_end(), chain));
            chain = next;
        }
    if (*n == 0)
        return NULL;
    i = draw(*n);
    block = shelf[i];
    shelf[i] = shelf[--*n];
    return block;
}

static void *alloc_small(uint32_t class, size_t size)
{
    char *block;

    pawl_mutex_lock(&hard.lock);
    block = take_small(class);
    if (block != NULL)
        seal(block, class, size);
    pawl_mutex_unlock(&hard.lock);
    return block;
}

/* Out of quarantine. With the lock. */
static void leave(void *block)
{
    const struct span *span = span_at(block);
    uint64_t *at = seal_of(block, span->class);

    if ((*at ^ key_of(block)) != FREED)
        pawl_malloc_fail_("a block was written to after its free()", block);
    *at = 0;
    for (const uint64_t *word = block; word < at; word++)
        if (*word != 0)
            pawl_malloc_fail_("a block was written to after its free()", block);
    hard.bytes -= pawl_malloc_class_[span->class].size;
    pawl_central_return_(span->class, chain_push(chain_end(), block));
}

static void leave_oldest(void)
{
    void **place = &hard.small[hard.oldest++ % QUARANTINE];

    if (*place != NULL)
        leave(*place);
    *place = NULL;
}

static void free_small(const struct span *span, void *block)
{
    uint32_t class = span->class;
    size_t size = pawl_malloc_class_[class].size;

    if (!pawl_span_starts_(span, block))
        pawl_malloc_fail_("free() of an address inside a block", block);
    pawl_mutex_lock(&hard.lock);
    if (!pawl_central_lent_(block))
        pawl_malloc_fail_("free() of a block that is free already", block);
    (void)unseal(block, class);
    memset(block, 0, size - SEAL_BYTES);
    *seal_of(block, class) = key_of(block) ^ FREED;
    leave_oldest();
    hard.small[(hard.oldest - 1) % QUARANTINE] = block;
    hard.bytes += size;
    while (hard.bytes > QUARANTINE_BYTES)
        leave_oldest();
    pawl_mutex_unlock(&hard.lock);
}

/* ---- large blocks: up to the end of their pages, a guard behind ---- */

static char *guard_of(const struct span *span)
{
    return span_start(span) + ((span->pages - 1) << PAGE_SHIFT);
}

static void *alloc_large(size_t size, size_t alignment)
{
    size_t aligned = alignment <= PAGE_BYTES ? 1 : alignment >> PAGE_SHIFT;
    size_t least = alignment > ALIGNMENT ? alignment : ALIGNMENT;
    size_t bytes = ROUND_UP(size != 0 ? size : 1, aligned == 1 ? least : 1);
    size_t pages = DIV_UP(bytes, PAGE_BYTES) + 1;
    struct span *span = pawl_span_open_(pages, aligned, SPAN_HARD, true);

    if (span == NULL)
        return NULL;
    pawl_pages_zero_(span->page, pages - 1);
    /* Best effort: a process may have only so many mappings. */
    (void)pawl_system_guard_(guard_of(span), PAGE_BYTES, true);
    span->bytes = size;
    span->block = aligned == 1 ? guard_of(span) - bytes : span_start(span);
    pawl_large_note_(1, pages - 1);
    return span->block;
}

/* Pages that the kernel leaves guarded (a process may have only so many mappings) are never used again. */
static void close_large(struct span *span)
{
    if (pawl_system_guard_(span_start(span), span->pages << PAGE_SHIFT, false))
        pawl_span_close_(span, true, true);
}

/* Nothing of it can be read or written until it leaves. */
static void free_large(struct span *span, const void *block)
{
    struct span **place;
    struct span *oldest;

    pawl_mutex_lock(&hard.lock);
    if (span->block == NULL)
        pawl_malloc_fail_("free() of a block that is free already", block);
    if (span->block != block)
        pawl_malloc_fail_("free() of an address inside a block", block);
    span->block = NULL;
    pawl_large_note_(-UINT64_C(1), -(uint64_t)(span->pages - 1));
    (void)pawl_system_discard_(span_start(span), (span->pages - 1) << PAGE_SHIFT);
    (void)pawl_system_guard_(span_start(span), span->pages << PAGE_SHIFT, true);
    place = &hard.large[hard.next_large++ % QUARANTINE_LARGE];
    oldest = *place;
    *place = span;
    if (oldest != NULL)
        close_large(oldest);
    pawl_mutex_unlock(&hard.lock);
}

/* ---- */

void *pawl_hardened_alloc_(size_t size, size_t alignment)
{
    uint32_t class = 0;

    if (size <= SMALL_MAX - EXTRA)
        class = alignment <= ALIGNMENT ? class_of_size(size + EXTRA)
                                       : pawl_malloc_class_aligned_(size + EXTRA, alignment);
    return class != 0 ? alloc_small(class, size) : alloc_large(size, alignment);
}

void pawl_hardened_free_(struct span *span, void *block)
{
    if (span->use == SPAN_OBJECTS)
        free_small(span, block);
    else if (span->use == SPAN_HARD)
        free_large(span, block);
    else
        pawl_malloc_fail_("free() of an address that no block has", block);
}

size_t pawl_hardened_usable_(const struct span *span, const void *block)
{
    if (span->use == SPAN_HARD && span->block == block)
        return span->bytes;
    if (span->use != SPAN_OBJECTS || !pawl_span_starts_(span, block))
        pawl_malloc_fail_("the size of an address that no block has", block);
    return unseal(block, span->class);
}

void pawl_hardened_flush_(void)
{
    pawl_mutex_lock(&hard.lock);
    for (uint32_t i = 0; i < QUARANTINE; i++)
        leave_oldest();
    for (uint32_t c = 1; c < SIZE_CLASSES; c++)
        while (hard.on_shelf[c] > 0)
            pawl_central_return_(c, chain_push(chain_end(), hard.shelf[c][--hard.on_shelf[c]]));
    for (uint32_t i = 0; i < QUARANTINE_LARGE; i++)
        if (hard.large[i] != NULL) {
            close_large(hard.large[i]);
            hard.large[i] = NULL;
        }
    pawl_mutex_unlock(&hard.lock);
}

void pawl_hardened_lock_(void)
{
    pawl_mutex_lock(&hard.lock);
}

void pawl_hardened_unlock_(bool child)
{
    lock_release(&hard.lock, child);
}
