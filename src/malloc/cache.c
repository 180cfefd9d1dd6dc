/* SPDX-License-Identifier: MIT */
/* Per-CPU caches: what happens when an entry is empty, full, or not there. */
#include "cache.h"

#include "central.h"
#include "decay.h"
#include "lock.h"
#include "meta.h"
#include "settings.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pawl/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPARE_AT(class) (offsetof(struct cache, spare) + (class) * sizeof(struct node *))
#define LIMIT_AT(class) (cache_at(class) + offsetof(struct cache_entry, limit))

union cache_table pawl_cache_table_;
#define table pawl_cache_table_
enum cache_mode pawl_cache_mode_;

void pawl_cache_prepare_entry_(struct cache *cache, uint32_t class)
{
    cache->entry[class].chain = chain_end();
    cache->entry[class].limit = class != 0 ? cache_first_limit(class) : 0;
    cache->spare[class] = chain_end();
}

void pawl_cache_prepare_(struct cache *cache)
{
    for (uint32_t c = 0; c < CLASSES; c++)
        pawl_cache_prepare_entry_(cache, c);
}

/* Where nothing is cached no longer chains come about. NULL: no memory. */
static struct node *one_from_central(uint32_t class)
{
    struct node *node = pawl_central_get_(class, 1);

    return chain_is_empty(node) ? NULL : node;
}

#if PAWL_PERCPU_SEQUENCES

/* The caches, also of slots that are away at the moment. Set once each, with the lock. */
static PAWL_ATOMIC(struct cache *) caches[CACHE_SLOTS_MAX];
static struct pawl_mutex making; /* of caches, and draining */
static ptrdiff_t node_at;        /* node_id of struct rseq, from the thread pointer; 0: there is none */

void pawl_cache_open_(void)
{
    const struct pawl_rseq_info *rseq = pawl_rseq_get_info();

    pawl_cache_mode_ = CACHE_LOCKED;
    if (!pawl_settings_.cache)
        pawl_cache_mode_ = CACHE_NONE;
    if (rseq->mode != PAWL_RSEQ_LIBC || rseq->limit > CACHE_SLOTS_MAX || !pawl_settings_.cache)
        return;
    table.pc.rseq_at = rseq->offset;
    table.pc.index_at = rseq->offset + (rseq->has_cid ? 24 : 4); /* mm_cid or cpu_id of struct rseq */
    node_at = rseq->has_node ? rseq->offset + 20 : 0;
    table.pc.bytes = sizeof(struct cache);
    table.pc.stride = sizeof(struct cache);
    table.pc.limit = rseq->limit;
    table.pc.slots = rseq->limit;
    table.pc.none[0] = table.pc.none[1] = CACHE_NOWHERE;
    for (uint32_t s = 0; s < rseq->limit; s++)
        pawl_store_relaxed(&table.pc.slice[s], CACHE_NOWHERE); /* relaxed: nobody else runs yet */
    pawl_cache_mode_ = CACHE_CPU;
}

/* What the closures put in the place of the thread's registration: tests/malloc/sequences.h. */
#ifndef RSEQ_WORD
#define RSEQ_WORD(at) (*(volatile uint32_t *)((char *)__builtin_thread_pointer() + (at)))
#endif

static uint32_t slot_here(void)
{
    return RSEQ_WORD(table.pc.index_at);
}

uint32_t pawl_cache_node_(void)
{
    if (pawl_cache_mode_ != CACHE_CPU || node_at == 0)
        return 0;
    return RSEQ_WORD(node_at);
}

/* The cache of a slot; NULL: it has none yet. */
static struct cache *cache_of(uint32_t slot)
{
    return pawl_load_acquire(&caches[slot]); /* acquire: pairs with the release in make_cache */
}

/* Gives this CPU's slot its cache, at the first use. False: it has one that is away, or there is no
 * memory. */
static bool make_cache(void)
{
    uint32_t slot = slot_here();
    bool made = false;

    if (slot >= table.pc.limit)
        return false;
    pawl_mutex_lock(&making);
    if (cache_of(slot) == NULL) {
        struct cache *cache = pawl_meta_alloc_(sizeof *cache);

        if (cache != NULL) {
            pawl_cache_prepare_(cache);
            /* release: publishes the cache to those who look at it without the lock, for statistics */
            pawl_store_release(&caches[slot], cache);
            /* release: publishes the limits; sequences that load the slot depend on its address */
            pawl_store_release(&table.pc.slice[slot], (uintptr_t)cache);
            made = true;
        }
    } else {
        /* relaxed: changed with the lock only */
        made = (pawl_load_relaxed(&table.pc.slice[slot]) & 1) == 0;
    }
    pawl_mutex_unlock(&making);
    return made;
}

/* ---- single steps on this CPU's cache; each may find another CPU's ---- */

/* Takes a whole chain, which may be empty. False: no cache here. */
static bool take_chain(size_t at, struct node **chain)
{
    long word;
    int status;

    do {
        status = pawl_seq_load(&table.pc, at, &word);
        if (status == 0)
            status = pawl_seq_cas(&table.pc, at, word, (long)chain_end());
        /* tries again when another thread took or gave between; a chain with the same first node is this chain */
    } while (status == -EAGAIN);
    *chain = status == 0 ? (struct node *)word : chain_end();
    return status == 0;
}

/* Puts a chain where none is. */
static bool give_chain(size_t at, struct node *chain)
{
    return pawl_seq_cas(&table.pc, at, (long)chain_end(), (long)chain) == 0;
}

/* Doubles the limit of the class here, up to the class's chain. Returns about what holds now; 0: no cache
 * here. */
static uint32_t raise_limit(uint32_t class)
{
    union {
        long word;
        struct {
            uint32_t limit;
            uint32_t misses;
        };
    } now, next;

    if (pawl_seq_load(&table.pc, LIMIT_AT(class), &now.word) != 0)
        return 0;
    next.limit = cache_next_limit(class, now.limit);
    next.misses = now.misses + 1;
    /* Where another thread came between, its change serves as well. */
    (void)pawl_seq_cas(&table.pc, LIMIT_AT(class), now.word, next.word);
    return next.limit;
}

static void note_activity(void)
{
    uint32_t slot = slot_here(); /* perhaps another one by now, without a cache */
    struct cache *cache = slot < table.pc.limit ? cache_of(slot) : NULL;

    if (cache != NULL)
        pawl_store_relaxed(&cache->active, 1u); /* relaxed: a hint for the drainer */
}

/* Keeps a chain in this CPU's cache, or leaves it to all. */
static void keep_chain(uint32_t class, struct node *chain)
{
    if (give_chain(cache_at(class), chain) || give_chain(SPARE_AT(class), chain))
        return;
    pawl_central_put_(class, chain);
}

/* ---- the slow paths ---- */

static struct node *cpu_alloc(uint32_t class)
{
    struct node *chain;
    uint32_t n = 1;

    chain = cache_seq_take(&table.pc, entry_of(class));
    if (!chain_is_empty(chain))
        return chain; /* the caller was interrupted, or its fast path is switched off */
    if (take_chain(SPARE_AT(class), &chain) || (make_cache() && take_chain(SPARE_AT(class), &chain))) {
        if (chain_is_empty(chain)) {
            n = raise_limit(class);
            note_activity();
        }
    }
    if (chain_is_empty(chain)) {
        chain = pawl_central_get_(class, n != 0 ? n : 1);
        pawl_decay_poll_();
    }
    if (chain_is_empty(chain))
        return NULL;
    if (!chain_is_empty(chain->next))
        keep_chain(class, chain->next);
    return chain;
}

static void cpu_free(uint32_t class, struct node *node)
{
    struct node *chain;
    struct node *older;

    if (cache_seq_give(&table.pc, entry_of(class), node))
        return;
    if (!take_chain(cache_at(class), &chain) && (!make_cache() || !take_chain(cache_at(class), &chain))) {
        pawl_central_put_(class, chain_push(chain_end(), node));
        return;
    }
    if (PAWL_UNLIKELY(chain == node))
        pawl_malloc_fail_("free() of a block that is free already", node);
    if (chain_length(chain) < pawl_malloc_class_[class].chain) {
        raise_limit(class);
    } else {
        /* The entry begins anew; its chain is the spare now, and the spare of before is for all. */
        (void)take_chain(SPARE_AT(class), &older);
        if (!give_chain(SPARE_AT(class), chain))
            pawl_central_put_(class, chain);
        if (!chain_is_empty(older))
            pawl_central_put_(class, older);
        note_activity();
        pawl_decay_poll_();
        chain = chain_end();
    }
    chain = chain_push(chain, node);
    keep_chain(class, chain);
}

struct node *pawl_cache_alloc_(uint32_t class)
{
    if (PAWL_LIKELY(pawl_cache_mode_ == CACHE_CPU))
        return cpu_alloc(class);
    if (pawl_cache_mode_ == CACHE_LOCKED)
        return pawl_cache_locked_alloc_(class);
    return one_from_central(class);
}

void pawl_cache_free_(uint32_t class, void *block)
{
    if (PAWL_LIKELY(pawl_cache_mode_ == CACHE_CPU))
        cpu_free(class, block);
    else if (pawl_cache_mode_ == CACHE_LOCKED)
        pawl_cache_locked_free_(class, block);
    else
        pawl_central_return_(class, chain_push(chain_end(), block));
}

/* ---- from outside ---- */

/* Every sequence that runs anywhere has committed, or begins again. Not pawl_rseq_fence: where there is no
 * membarrier that one visits the CPUs, and needs memory for it. False: it cannot be done here. */
static bool fence(void)
{
    int before = errno;
    long status;

    pawl_fence_seq_cst(); /* the slots before the restarts that will read them, also where none has to restart */
    status = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
    if (status != 0) {
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
        status = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
    }
    errno = before;
    return status == 0;
}

/* All chains of a cache that is nobody's now, to all. */
static void empty(struct cache *cache)
{
    for (uint32_t c = 1; c < CLASSES; c++) {
        struct node *chain = cache->entry[c].chain;
        struct node *spare = cache->spare[c];

        pawl_cache_prepare_entry_(cache, c);
        if (!chain_is_empty(chain))
            pawl_central_return_(c, chain);
        if (!chain_is_empty(spare))
            pawl_central_return_(c, spare);
    }
}

/* Takes away the caches that `wanted` says, with one fence for all of them. D: a sequence that began
 * before the slot was odd has committed when the fence returns, or begins again and misses. */
static bool drain(bool (*wanted)(struct cache *cache, uint32_t ticks), uint32_t ticks)
{
    bool any = false;
    bool fenced;

    for (uint32_t s = 0; s < table.pc.limit; s++)
        if (cache_of(s) != NULL && wanted(cache_of(s), ticks)) {
            /* relaxed: the fence below orders it before what follows */
            pawl_store_relaxed(&table.pc.slice[s], CACHE_NOWHERE);
            any = true;
        }
    if (!any)
        return true;
    fenced = fence();
    for (uint32_t s = 0; s < table.pc.limit; s++) {
        /* relaxed: changed with the lock only */
        if (cache_of(s) == NULL || (pawl_load_relaxed(&table.pc.slice[s]) & 1) == 0)
            continue;
        if (fenced)
            empty(cache_of(s));
        /* release: publishes the emptied cache; sequences that load the slot depend on its address */
        pawl_store_release(&table.pc.slice[s], (uintptr_t)cache_of(s));
    }
    return fenced;
}

static bool is_quiet(struct cache *cache, uint32_t ticks)
{
    /* relaxed: a hint */
    if (pawl_exchange_relaxed(&cache->active, 0u) != 0)
        cache->quiet = 0;
    else if (cache->quiet < UINT32_MAX)
        cache->quiet++;
    return cache->quiet == ticks && ticks > 0;
}

static bool is_there(struct cache *cache, uint32_t ticks)
{
    (void)ticks;
    cache->quiet = 0;
    return true;
}

bool pawl_cache_drain_(uint32_t ticks)
{
    bool done = true;

    if (pawl_cache_mode_ == CACHE_CPU) {
        pawl_mutex_lock(&making);
        done = drain(ticks > 0 ? is_quiet : is_there, ticks);
        pawl_mutex_unlock(&making);
    } else if (ticks == 0) {
        pawl_cache_locked_drain_();
    }
    return done;
}

/* A chain that its CPU may be changing. */
static const struct node *seen(struct node **chain)
{
    return *(struct node *const volatile *)chain;
}

void pawl_cache_count_(uint64_t *counts)
{
    if (pawl_cache_mode_ == CACHE_LOCKED) {
        pawl_cache_locked_count_(counts);
        return;
    }
    for (uint32_t c = 0; c < CLASSES; c++)
        counts[c] = 0;
    for (uint32_t s = 0; s < table.pc.limit; s++) {
        struct cache *cache = cache_of(s);

        if (cache == NULL)
            continue;
        for (uint32_t c = 1; c < CLASSES; c++) {
            /* Blocks may be taken while they are looked at: then their depth is anything. They stay
             * mapped. */
            uint32_t depth = chain_length(seen(&cache->entry[c].chain));
            uint32_t spare = chain_length(seen(&cache->spare[c]));

            counts[c] += (depth <= CHAIN_MAX ? depth : 0) + (spare <= CHAIN_MAX ? spare : 0);
        }
    }
}

uint32_t pawl_cache_used_(void)
{
    uint32_t used = 0;

    for (uint32_t s = 0; s < table.pc.limit; s++)
        used += cache_of(s) != NULL;
    return used;
}

void pawl_cache_lock_(void)
{
    pawl_mutex_lock(&making);
    pawl_cache_locked_lock_();
}

void pawl_cache_unlock_(bool child)
{
    pawl_cache_locked_unlock_(child);
    lock_release(&making, child);
}

#else /* no sequences: the locked caches alone */

void pawl_cache_open_(void)
{
    pawl_cache_mode_ = pawl_settings_.cache ? CACHE_LOCKED : CACHE_NONE;
}

struct node *pawl_cache_alloc_(uint32_t class)
{
    return pawl_cache_mode_ == CACHE_LOCKED ? pawl_cache_locked_alloc_(class) : one_from_central(class);
}

void pawl_cache_free_(uint32_t class, void *block)
{
    if (pawl_cache_mode_ == CACHE_LOCKED)
        pawl_cache_locked_free_(class, block);
    else
        pawl_central_return_(class, chain_push(chain_end(), block));
}

bool pawl_cache_drain_(uint32_t ticks)
{
    if (ticks == 0)
        pawl_cache_locked_drain_();
    return true;
}

void pawl_cache_count_(uint64_t *counts)
{
    pawl_cache_locked_count_(counts);
}

uint32_t pawl_cache_node_(void)
{
    return 0;
}

uint32_t pawl_cache_used_(void)
{
    return pawl_cache_mode_ == CACHE_LOCKED ? CACHE_LOCKED_SLOTS : 0;
}

void pawl_cache_lock_(void)
{
    pawl_cache_locked_lock_();
}

void pawl_cache_unlock_(bool child)
{
    pawl_cache_locked_unlock_(child);
}

#endif
