/* SPDX-License-Identifier: MIT */
/* Caches for threads that cannot run sequences: each with a lock, and a thread tries its own first. */
#include "cache.h"

#include "central.h"
#include "decay.h"
#include "lock.h"

static struct cache caches[CACHE_LOCKED_SLOTS] PAWL_LINE_PAIR_ALIGNED;

/* With its lock: whether it was ever entered. */
static bool is_made(const struct cache *cache)
{
    return cache->entry[1].limit != 0;
}

/* Threads have their own stacks and storage: the address of that spreads them. */
static struct cache *enter(void)
{
    uintptr_t thread = (uintptr_t)__builtin_thread_pointer();
    uint32_t first = (uint32_t)((thread >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 60) % CACHE_LOCKED_SLOTS;
    struct cache *cache;

    for (uint32_t i = 0; i < 3; i++) {
        cache = &caches[(first + i) % CACHE_LOCKED_SLOTS];
        if (pawl_mutex_trylock(&cache->lock) == 0)
            goto locked;
    }
    cache = &caches[first];
    pawl_mutex_lock(&cache->lock);
locked:
    if (!is_made(cache))
        pawl_cache_prepare_(cache);
    return cache;
}

/* Keeps what it can of a chain; the rest is for all. */
static struct node *keep(struct cache *cache, uint32_t class, struct node *chain)
{
    if (chain_is_empty(cache->entry[class].chain)) {
        cache->entry[class].chain = chain;
        return chain_end();
    }
    if (chain_is_empty(cache->spare[class])) {
        cache->spare[class] = chain;
        return chain_end();
    }
    return chain;
}

struct node *pawl_cache_locked_alloc_(uint32_t class)
{
    struct cache *cache = enter();
    struct cache_entry *entry = &cache->entry[class];
    struct node *node;
    struct node *rest;
    uint32_t n;

    if (chain_is_empty(entry->chain)) {
        entry->chain = cache->spare[class];
        cache->spare[class] = chain_end();
    }
    node = cache_take(entry);
    entry->limit = !chain_is_empty(node) ? entry->limit : cache_next_limit(class, entry->limit);
    n = entry->limit;
    pawl_mutex_unlock(&cache->lock);
    if (!chain_is_empty(node))
        return node;

    node = pawl_central_get_(class, n);
    pawl_decay_poll_();
    if (chain_is_empty(node))
        return NULL;
    if (chain_is_empty(node->next))
        return node;
    cache = enter();
    rest = keep(cache, class, node->next);
    pawl_mutex_unlock(&cache->lock);
    if (!chain_is_empty(rest))
        pawl_central_put_(class, rest);
    return node;
}

void pawl_cache_locked_free_(uint32_t class, void *block)
{
    struct cache *cache = enter();
    struct cache_entry *entry = &cache->entry[class];
    struct node *older = chain_end();

    if (!cache_give(entry, block)) {
        if (entry->chain == block)
            pawl_malloc_fail_("free() of a block that is free already", block);
        if (entry->limit < pawl_malloc_class_[class].chain) {
            entry->limit = cache_next_limit(class, entry->limit);
        } else {
            older = cache->spare[class];
            cache->spare[class] = entry->chain;
            entry->chain = chain_end();
        }
        entry->chain = chain_push(entry->chain, block);
    }
    pawl_mutex_unlock(&cache->lock);
    if (!chain_is_empty(older)) {
        pawl_central_put_(class, older);
        pawl_decay_poll_();
    }
}

/* One drains at a time: when this lock is free nobody has chains of caches in his hands. */
static struct pawl_mutex draining;

void pawl_cache_locked_drain_(void)
{
    pawl_mutex_lock(&draining);
    for (uint32_t s = 0; s < CACHE_LOCKED_SLOTS; s++)
        for (uint32_t c = 1; c < CLASSES; c++) {
            struct node *chain = chain_end();
            struct node *spare = chain_end();

            pawl_mutex_lock(&caches[s].lock);
            if (is_made(&caches[s])) {
                chain = caches[s].entry[c].chain;
                spare = caches[s].spare[c];
                pawl_cache_prepare_entry_(&caches[s], c); /* a slab's class may become another's */
            }
            pawl_mutex_unlock(&caches[s].lock);
            if (!chain_is_empty(chain))
                pawl_central_return_(c, chain);
            if (!chain_is_empty(spare))
                pawl_central_return_(c, spare);
        }
    pawl_mutex_unlock(&draining);
}

void pawl_cache_locked_count_(uint64_t *counts)
{
    for (uint32_t c = 0; c < CLASSES; c++)
        counts[c] = 0;
    for (uint32_t s = 0; s < CACHE_LOCKED_SLOTS; s++) {
        pawl_mutex_lock(&caches[s].lock);
        for (uint32_t c = 1; c < CLASSES && is_made(&caches[s]); c++)
            counts[c] += chain_length(caches[s].entry[c].chain) + chain_length(caches[s].spare[c]);
        pawl_mutex_unlock(&caches[s].lock);
    }
}

void pawl_cache_locked_lock_(void)
{
    pawl_mutex_lock(&draining);
    for (uint32_t s = 0; s < CACHE_LOCKED_SLOTS; s++)
        pawl_mutex_lock(&caches[s].lock);
}

void pawl_cache_locked_unlock_(bool child)
{
    for (uint32_t s = CACHE_LOCKED_SLOTS; s-- > 0;)
        lock_release(&caches[s].lock, child);
    lock_release(&draining, child);
}
