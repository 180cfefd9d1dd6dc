/* SPDX-License-Identifier: MIT */
/* The caches in front: one a CPU, a chain for each class, changed by restartable sequences.
 *
 *      table, as of <pawl/percpu.h>           cache of a CPU
 *      rseq | index | ... | slot 0 1 2 ...    entry[class]  chain, limit    <- malloc and free
 *                           |    ^            spare[class]  chain           <- when an entry is empty or full
 *                           +--> cache
 *
 * malloc pops, free pushes: one store each. The slow path moves whole chains between the entry, its spare and
 * the transfer layer (central.h), each time by one store; with the spare between them, a thread that
 * frees and allocates around the edge of a chain does not reach the transfer layer at each turn.
 * A limit begins small and doubles when its entry runs over or dry, up to the class's chain: capacity is
 * where it is used. A cache that nobody used for a while is emptied from outside and begins anew
 *: its slot is taken away, all CPUs are fenced, and its chains are then nobody's but the
 * drainer's. Threads that come meanwhile do not wait, they use the transfer layer.
 *
 * Where sequences cannot run there are some caches with locks, and a thread uses one that is free. */
#ifndef PAWL_MALLOC_CACHE_H
#define PAWL_MALLOC_CACHE_H

#include "node.h"
#include "size_class.h"

#include <pawl/mutex.h>
#include <pawl/percpu.h>

struct cache_entry {
    struct node *chain;
    uint32_t limit; /* the chain grows no longer by free() */
    uint32_t misses;
};

PAWL_STATIC_ASSERT(sizeof(struct cache_entry) == ENTRY_WORDS * sizeof(uint64_t), "a word is of eight bytes");
PAWL_STATIC_ASSERT(offsetof(struct cache_entry, limit) == 8, "known to the sequences in arch/");

struct cache {
    struct cache_entry entry[CLASSES]; /* [0] stays empty, and full: its limit is 0 */
    struct node *spare[CLASSES];
    PAWL_ATOMIC(uint32_t) active; /* a slow path was here since the last tick */
    uint32_t quiet;               /* ticks without */
    struct pawl_mutex lock;       /* of the locked ones */
};

#ifndef CACHE_SLOTS_MAX
#define CACHE_SLOTS_MAX 8192u
#define CACHE_LOCKED_SLOTS 16u
#define FIRST_LIMIT 4u /* of a new cache's small entries */
#endif

/* How blocks are cached. */
enum cache_mode {
    CACHE_NONE,   /* early in the process, or on demand: the transfer layer and the spans alone */
    CACHE_CPU,    /* sequences */
    CACHE_LOCKED, /* the locked caches */
};

extern enum cache_mode pawl_cache_mode_;

/* The table of the caches, and a slot for every CPU that any kernel has. */
union cache_table {
    struct pawl_percpu pc;
    char room[sizeof(struct pawl_percpu) + CACHE_SLOTS_MAX * sizeof(uintptr_t)];
};
extern union cache_table pawl_cache_table_ HIDDEN;

/* What the table has where there is no cache: entries that are empty and full at once, so that neither sequence asks
 * whether there is one. Its address is odd, because the sequences of <pawl/percpu.h> do ask, by this bit. malloc stores
 * the end of chains into it, from any number of CPUs at once, where it is already. */
struct nowhere {
    char before;
    struct {
        const struct node *chain; /* within a line: stored whole */
        uint32_t limit;
        uint32_t misses;
    } __attribute__((packed)) entry[CLASSES];
} __attribute__((packed, aligned(PAWL_CACHELINE_PAIR)));

PAWL_STATIC_ASSERT(offsetof(struct nowhere, entry) == 1, "odd");
PAWL_STATIC_ASSERT(sizeof(((struct nowhere *)NULL)->entry) == CLASSES * sizeof(struct cache_entry) &&
                       offsetof(struct nowhere, entry[0].limit) == 1 + offsetof(struct cache_entry, limit),
                   "laid out as a cache");
extern struct nowhere pawl_cache_nowhere_ HIDDEN;
#define CACHE_NOWHERE ((uintptr_t)&pawl_cache_nowhere_ + offsetof(struct nowhere, entry))

/* A block of the class, out of a chain; NULL: no memory. */
struct node *pawl_cache_alloc_(uint32_t class);

/* Takes a block of the class. */
void pawl_cache_free_(uint32_t class, void *block);

/* Before the first use, alone. */
void pawl_cache_open_(void);

/* Empties the caches that were not used since the last `ticks` calls; 0: all of them. False: the kernel does
 * not let us. */
bool pawl_cache_drain_(uint32_t ticks);

/* For each class, the blocks that all caches hold: counts[CLASSES]. An estimate while others run. */
void pawl_cache_count_(uint64_t *counts);

/* The NUMA node that this thread runs on; 0 where the kernel does not say. */
uint32_t pawl_cache_node_(void);

/* How many caches there are. */
uint32_t pawl_cache_used_(void);

void pawl_cache_lock_(void);
void pawl_cache_unlock_(bool child);

/* The locked caches: cache_locked.c. */
struct node *pawl_cache_locked_alloc_(uint32_t class);
void pawl_cache_locked_free_(uint32_t class, void *block);
void pawl_cache_locked_drain_(void);
void pawl_cache_locked_count_(uint64_t *counts);
void pawl_cache_locked_lock_(void);
void pawl_cache_locked_unlock_(bool child);

/* A new cache, or one class of it: no chains, and small limits. */
void pawl_cache_prepare_(struct cache *cache);
void pawl_cache_prepare_entry_(struct cache *cache, uint32_t class);

static inline uint32_t cache_first_limit(uint32_t class)
{
    /* (A slab may be opened at this moment: its class is not looked at.) */
    return class >= SIZE_CLASSES || pawl_malloc_class_[class].size <= 1024 ? FIRST_LIMIT : 1;
}

/* The limit after one that was reached. */
static inline uint32_t cache_next_limit(uint32_t class, uint32_t limit)
{
    uint32_t chain = pawl_malloc_class_[class].chain;

    return limit * 2 < chain ? limit * 2 : chain;
}

static inline size_t cache_at(uint32_t class)
{
    return class * sizeof(struct cache_entry);
}

/* ---- the operations on an entry, in C: for a cache whose lock is held ---- */

static inline struct node *cache_take(struct cache_entry *entry)
{
    struct node *node = entry->chain;

    entry->chain = node->next;
    return node;
}

static inline bool cache_give(struct cache_entry *entry, struct node *node)
{
    if (chain_length(entry->chain) >= entry->limit || entry->chain == node)
        return false;
    entry->chain = chain_push(entry->chain, node);
    return true;
}

#if PAWL_PERCPU_SEQUENCES
#if defined(__x86_64__)
#include "arch/cache_x86_64.h"
#else
#include "arch/cache_aarch64.h"
#endif

#endif

#endif
