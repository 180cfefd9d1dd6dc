/* SPDX-License-Identifier: MIT */
/* Concurrent map from 64-bit keys to 64-bit values, in line, lock-free, resized bit by bit.
 *
 * Purpose    Ids to counters, addresses to handles, keys to offsets: whatever fits in two words. A read
 *            costs what it costs in a table that nobody shares. For other keys take <pawl/map.h>; for
 *            numbers that are added to all the time and read now and then, <pawl/percpu_hash.h>.
 * Model      A finite map. All 2^64 keys and all 2^64 values may be used. Each operation on one key is
 *            linearizable, also while the table grows or shrinks. Batches are single operations after each
 *            other. A walk sees each key that stays exactly once, each that comes or goes meanwhile at most
 *            once, unless it goes and comes back.
 *
 *              table   | line | line | line | ...     line   | word value | (four of them)
 *                            ^ the hash, times the cells, over 2^64: a key's home cell, in its home line
 *
 * Algorithm  The hash of a key is a permutation of 64 bits, so the hash stands for the key. A key is claimed
 *            in the first empty cell from its home line on, less than an eighth of the table away: so the
 *            place of a cell tells the three highest bits of the hash, and a cell's word has three bits to
 *            spare. In each line it tries the cells h, h^1, h^2, h^3, where h is its home cell's number:
 *
 *              word    63..3 low bits of the hash | 2 claimed | 1 live | 0 frozen       0: empty
 *
 *            write: one CAS of word and value. A deleted key keeps its cell, which is live again if the key
 *            comes back, but is never given to another key: so a reader looks at a word once, then at the
 *            value.
 *            resize: a table gets a successor. Whoever writes first moves a block of a few hundred cells:
 *            freezes each cell, so that nothing in it changes any more, and claims the key in the successor
 *            if it is not claimed there. Any number of threads may do so with the same cell, at any time
 *            later: a key once claimed is never claimed again. When all is frozen and moved, the successor
 *            takes the table's place, and RCU frees the table.
 *            Who knows of the successor changes nothing in the table but to freeze. After a grace period all
 *            who write know: the table is still, and a plain store freezes a cell. If that takes too long,
 *            as somebody is stopped inside a section, a locked instruction does.
 *            a key is where its cell is not frozen. Where its cell, or the empty cell that it would take, is
 *            frozen, the successor decides; if that has never heard of it, the frozen cell says its value.
 *
 * Progress   Where PAWL_PAIR_LOCK_FREE is 1; elsewhere pairs are locked.
 *            get, get_n, each, next: a reader does not wait and writes nothing; its steps are bounded by the
 *            lines it looks at, one or two, and more tables than one only during a resize.
 *            All that change: lock-free. Another turn means that another thread has changed the cell. A
 *            thread that is stopped or killed anywhere stops nobody: what it began to move is moved by
 *            others. But RCU cannot free the tables that are replaced while a thread is stopped inside an
 *            operation: memory waits for it.
 * Ordering   W: what a thread did before it stored a value is seen by who reads that value: release and
 *            acquire on the cell. N: who sees a frozen word sees the successor.
 * Memory     16 bytes a cell, 4 KiB at least. A table grows when 14 cells in 16 are claimed, to where 6.5
 *            are: 18 to 39 bytes an entry, 27 on average; below 252 KiB it is kept emptier: 43 to 85. Room
 *            that was asked for has 26 bytes an entry (51), as long as it is not outgrown. During a
 *            resize the sum of both tables. It shrinks below a quarter (a sixteenth); cells that deletions have
 *            used up are won back by the same way. Tables of 4 MiB and more ask for huge pages.
 * Cost       get: two multiplications for the hash, one for the line; one line in 9 of 10 hits, no atomic
 *            read-modify-write, no fence, no store to shared memory. A change: one CAS of a pair, and one
 *            restartable add where the number of entries changes. During a resize each change moves one
 *            block first: some five to ten microseconds, and where the block's is a fresh huge page, what the
 *            kernel needs to find and clear one; the one that begins it pays a membarrier, and for a table of
 *            up to 2 MiB its pages. docs/u64map.md has the figures.
 * Hash       x = (key ^ seed) * odd; x ^= x >> 32; x *= odd: a random seed and random odd numbers for each
 *            map. Who does not know them cannot aim at a line. It is no cipher: who can time single reads
 *            may learn something. Keys that fall on one line are slow, and make the table grow until they
 *            are an eighth of it, but nothing breaks.
 * fork       A child may go on with its copy, if no other thread of the parent was inside (as with a killed
 *            thread, its operation has happened or not; only the counter of entries may be off by it).
 * Signals    Not from signal handlers: an operation may allocate.
 * Source     C. Click's lock-free table, 2007 (copying cell by cell, helpers), and T. Maier, P. Sanders, R.
 *            Dementiev, "Concurrent hash tables: fast and general?(!)", 2019 (blocks, order kept by the
 *            hash). Ours: the state in bits that the place makes free, so that no key and no value is
 *            special; moving without owners, so that it is lock-free.
 * Checked    tests/map/u64map/check.sh: what was explored; docs/u64map.md: which mutants survive, and why.
 */
#ifndef PAWL_U64MAP_H
#define PAWL_U64MAP_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/counter.h>
#include <pawl/rcu.h>
#include <pawl/reader.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* A cell is a pair: lo is the word, hi the value. */
#define PAWL_U64MAP_FROZEN_ UINT64_C(1)
#define PAWL_U64MAP_LIVE_ UINT64_C(2)
#define PAWL_U64MAP_CLAIMED_ UINT64_C(4)
#define PAWL_U64MAP_SHIFT_ 3 /* of the hash in the word */
#define PAWL_U64MAP_CELLS_ 4 /* a line */

struct pawl_u64map_line {
    struct pawl_pair cell[PAWL_U64MAP_CELLS_];
} __attribute__((aligned(PAWL_CACHELINE)));

PAWL_STATIC_ASSERT(sizeof(struct pawl_u64map_line) == PAWL_CACHELINE, "cells fill a line");

/* A table; its lines follow, then a byte for each block. The fields are not for programs. */
struct pawl_u64map_table {
    /* line pair 0: constant, but for `next` and `behind`, which are written once */
    uint64_t lines;                               /* a multiple of 8 */
    uint64_t cells;                               /* four times as many */
    uint64_t reach;                               /* lines / 8: a key is less than that away from its home */
    PAWL_ATOMIC(struct pawl_u64map_table *) next; /* N: the successor */
    uint64_t blocks;                              /* what is moved in one go */
    uint64_t sample;                              /* keys are counted whose hash has none of these bits */
    PAWL_ATOMIC(uint64_t) behind; /* cells from a home cell to what is fetched with it; written once */
    uint64_t most, least;         /* counted: with so many claimed it grows, with fewer live it shrinks */
    uint64_t crowd;               /* counted: with so many claimed, many home lines are full */
    size_t bytes;                 /* as allocated */
    PAWL_ATOMIC(unsigned char) * moved; /* of each block: M: whether all of it is in the successor */
    struct pawl_retired retired;
    /* line pair 1: written by those who claim and delete */
    PAWL_ATOMIC(uint64_t) claimed PAWL_LINE_PAIR_ALIGNED; /* counted ones */
    PAWL_ATOMIC(uint64_t) dead;                           /* of them, those that are not live */
    /* line pair 2: written by those who move, or wait to */
    PAWL_ATOMIC(uint64_t) cursor PAWL_LINE_PAIR_ALIGNED; /* blocks that somebody began */
    PAWL_ATOMIC(uint64_t) frontier;                      /* M: all blocks before it are moved */
    PAWL_ATOMIC(uint64_t) notice; /* of the grace period after which all who write know `next`; 0: none yet */
    PAWL_ATOMIC(uint64_t) waited; /* changes that came while it was not over */
    PAWL_ATOMIC(bool) still;      /* Q: it is over */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(offsetof(struct pawl_u64map_table, claimed) == PAWL_CACHELINE_PAIR,
                   "a line pair of its own");
PAWL_STATIC_ASSERT(sizeof(struct pawl_u64map_table) == 3 * (size_t)PAWL_CACHELINE_PAIR,
                   "the lines are aligned");

/* A map. The fields are not for programs. */
struct pawl_u64map {
    PAWL_ATOMIC(struct pawl_u64map_table *)
    table;                 /* the first that is not moved entirely; written by a resize */
    uint64_t seed, odd[2]; /* of the hash */
    uint64_t inverse[2];   /* of the odd numbers, modulo 2^64 */
    struct pawl_counter entries;
} PAWL_LINE_PAIR_ALIGNED;

struct pawl_u64map_entry {
    uint64_t key, value;
};

/* An empty map, with a random seed, or for tests with the caller's. `entries`: how many it shall have room
 * for at once without growing; it grows beyond, and shrinks below, all the same. Returns 0, -EINVAL (more
 * than 2^48) or -ENOMEM. */
PAWL_API int pawl_u64map_init(struct pawl_u64map *map, size_t entries) PAWL_NONNULL PAWL_MUST_USE;
PAWL_API int pawl_u64map_init_seeded(struct pawl_u64map *map, size_t entries, uint64_t seed)
    PAWL_NONNULL PAWL_MUST_USE;

/* Frees the tables. Nobody uses the map any more. Tables that were replaced are freed by RCU, maybe later. */
PAWL_API void pawl_u64map_destroy(struct pawl_u64map *map) PAWL_NONNULL;

/* ---- reads ----
 *
 * Any thread, also inside a section of RCU. */

PAWL_API PAWL_INLINE uint64_t pawl_u64map_hash_(const struct pawl_u64map *map, uint64_t key)
{
    uint64_t x = (key ^ map->seed) * map->odd[0];

    return (x ^ x >> 32) * map->odd[1];
}

__extension__ typedef unsigned __int128 pawl_u64map_product_;

/* A hash's home: its share of all hashes. */
PAWL_API PAWL_INLINE uint64_t pawl_u64map_home_(uint64_t hash, uint64_t lines)
{
    return (uint64_t)((pawl_u64map_product_)hash * lines >> 64);
}

PAWL_API PAWL_INLINE struct pawl_u64map_line *pawl_u64map_line_(const struct pawl_u64map_table *table,
                                                                uint64_t line)
{
    return (struct pawl_u64map_line *)(void *)(uintptr_t)(table + 1) + line;
}

PAWL_API PAWL_INLINE struct pawl_pair *pawl_u64map_cells_(const struct pawl_u64map_table *table)
{
    return (struct pawl_pair *)(void *)(uintptr_t)(table + 1);
}

/* In a table of which many home lines are full, asks for the next line together with the home line: their
 * misses overlap. In another that is the home line itself, which costs less than a branch. */
PAWL_API PAWL_INLINE void pawl_u64map_fetch_behind_(const struct pawl_u64map_table *table, uint64_t hash)
{
    __builtin_prefetch(pawl_u64map_cells_(table) + pawl_u64map_home_(hash, table->cells) +
                       pawl_load_relaxed(&table->behind)); /* relaxed: a hint */
}

/* The key's cell if it is live in its home line, and not frozen; else NULL. Inside a section. Of two cells
 * that which hits is chosen without a branch, as it cannot be predicted; that it is one of the first two,
 * mostly can. */
PAWL_API PAWL_INLINE struct pawl_pair *pawl_u64map_live_(const struct pawl_u64map_table *table, uint64_t hash)
{
    struct pawl_pair *cell = pawl_u64map_cells_(table);
    const uint64_t hit = hash << PAWL_U64MAP_SHIFT_ | PAWL_U64MAP_CLAIMED_ | PAWL_U64MAP_LIVE_;
    uint64_t at = pawl_u64map_home_(hash, table->cells);

    /* relaxed, twice: only says which word is looked at */
    at ^= (uint64_t)(pawl_pair_lo(&cell[at ^ 1], __ATOMIC_RELAXED) == hit);
    /* acquire W, twice: with the CAS that claimed or changed the cell */
    if (pawl_pair_lo(&cell[at], __ATOMIC_ACQUIRE) != hit) {
        at ^= 2;
        at ^= (uint64_t)(pawl_pair_lo(&cell[at ^ 1], __ATOMIC_RELAXED) == hit);
        if (PAWL_UNLIKELY(pawl_pair_lo(&cell[at], __ATOMIC_ACQUIRE) != hit))
            return NULL;
    }
    return &cell[at];
}

/* Looks at the home line only. Inside a section. */
PAWL_API PAWL_INLINE bool pawl_u64map_hit_(const struct pawl_u64map_table *table, uint64_t hash,
                                           uint64_t *value)
{
    const struct pawl_pair *cell = pawl_u64map_live_(table, hash);

    if (PAWL_UNLIKELY(cell == NULL))
        return false;
    /* acquire W: the value may be newer than the word. It was the key's all the same: no other key ever has
     * the cell, and it was live when the word was read. */
    *value = pawl_pair_hi(cell, __ATOMIC_ACQUIRE);
    return true;
}

/* All else. Inside a section, which the second one leaves. */
PAWL_API int pawl_u64map_find_(const struct pawl_u64map_table *table, uint64_t hash, uint64_t *value);
PAWL_API int pawl_u64map_find_and_leave_(const struct pawl_u64map_table *table, uint64_t hash,
                                         uint64_t *value);

/* A get inside a section of the caller's, and a thread's first. */
PAWL_API int pawl_u64map_get_inside_(const struct pawl_u64map *map, uint64_t key, uint64_t *value);

/* The key's value. 0, or -ENOENT, which leaves *value alone. */
PAWL_API PAWL_INLINE int pawl_u64map_get(const struct pawl_u64map *map, uint64_t key, uint64_t *value)
{
    uint64_t hash = pawl_u64map_hash_(map, key);
    const struct pawl_u64map_table *table;

    if (PAWL_UNLIKELY(!pawl_rcu_read_try_lock_()))
        return pawl_u64map_get_inside_(map, key, value);
    table = pawl_rcu_dereference(&map->table);
    pawl_u64map_fetch_behind_(table, hash);
    if (PAWL_UNLIKELY(!pawl_u64map_hit_(table, hash, value)))
        return pawl_u64map_find_and_leave_(table, hash, value);
    pawl_rcu_read_unlock();
    return 0;
}

PAWL_API PAWL_INLINE bool pawl_u64map_has(const struct pawl_u64map *map, uint64_t key)
{
    uint64_t value;

    return pawl_u64map_get(map, key, &value) == 0;
}

/* n of them; their cache misses overlap. found[i] says whether keys[i] has a value, which is then in
 * values[i]. Returns how many have. */
PAWL_API size_t pawl_u64map_get_n(const struct pawl_u64map *map, const uint64_t *keys, uint64_t *values,
                                  bool *found, size_t n);

/* How many entries: exact if nobody changes the map meanwhile, else the sum of what each CPU has counted so
 * far. */
PAWL_API size_t pawl_u64map_size(const struct pawl_u64map *map) PAWL_NONNULL;

/* Bytes of its tables, without those that wait for RCU. */
PAWL_API size_t pawl_u64map_bytes(const struct pawl_u64map *map) PAWL_NONNULL;

/* ---- changes ----
 *
 * Any thread. -ENOMEM: nothing has changed; it needs a table that has no empty cell in reach and a successor
 * that could not be allocated. A resize that cannot be allocated before that is tried again later. `old` may
 * be NULL; where there was no value it is left alone. */

/* Only if absent. 0, -EEXIST (*old: the value), -ENOMEM. */
PAWL_API int pawl_u64map_insert(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *old);

/* All else. The first inside a section, which it leaves; the second opens one, in another or as a thread's
 * first. */
PAWL_API int pawl_u64map_put_and_leave_(struct pawl_u64map *map, uint64_t hash, uint64_t value,
                                        uint64_t *old);
PAWL_API int pawl_u64map_put_inside_(struct pawl_u64map *map, uint64_t hash, uint64_t value, uint64_t *old);

/* A key was claimed in the table: counted. Leaves the section. Returns 0, as the put that did it. */
PAWL_API int pawl_u64map_claimed_and_leave_(struct pawl_u64map *map, struct pawl_u64map_table *table,
                                            uint64_t hash);

/* The key's cell if it is live in one of the first two that it tries, and not frozen; else NULL. Inside a section. The fewer
 * instructions a change has, the more of them are under way at once: so the others are left to what is called. */
PAWL_API PAWL_INLINE struct pawl_pair *pawl_u64map_near_(const struct pawl_u64map_table *table, uint64_t hash)
{
    struct pawl_pair *cell = pawl_u64map_cells_(table);
    const uint64_t hit = hash << PAWL_U64MAP_SHIFT_ | PAWL_U64MAP_CLAIMED_ | PAWL_U64MAP_LIVE_;
    uint64_t at = pawl_u64map_home_(hash, table->cells);

    /* relaxed, twice: only say which cell is tried, and the CAS acquires */
    at ^= (uint64_t)(pawl_pair_lo(&cell[at ^ 1], __ATOMIC_RELAXED) == hit);
    return pawl_pair_lo(&cell[at], __ATOMIC_RELAXED) == hit ? &cell[at] : NULL;
}

/* A new value in the key's cell, which was live: if it is still, and nobody else changes it now. */
PAWL_API PAWL_INLINE bool pawl_u64map_renew_(struct pawl_pair *cell, uint64_t hash, uint64_t value,
                                             uint64_t *old)
{
    struct pawl_pair seen, desired;

    seen.lo = desired.lo = hash << PAWL_U64MAP_SHIFT_ | PAWL_U64MAP_CLAIMED_ | PAWL_U64MAP_LIVE_;
    seen.hi = pawl_pair_hi(cell, __ATOMIC_RELAXED); /* relaxed: the CAS decides, and acquires */
    desired.hi = value;
    *old = seen.hi;
    /* release W: with who reads the value; acquire: what its last writer did, for who gets it as `old` */
    return pawl_cas_pair_acq_rel(cell, &seen, desired);
}

/* If the cell, the one that the key would take, is empty, the key is given it. Inside a section. */
PAWL_API PAWL_INLINE bool pawl_u64map_claim_(struct pawl_pair *cell, uint64_t hash, uint64_t value)
{
    struct pawl_pair empty = {0, 0}, desired;

    desired.lo = hash << PAWL_U64MAP_SHIFT_ | PAWL_U64MAP_CLAIMED_ | PAWL_U64MAP_LIVE_;
    desired.hi = value;
    /* relaxed: spares a CAS that would fail. release W: with who reads the value; nobody has stored one here before */
    return pawl_pair_lo(cell, __ATOMIC_RELAXED) == 0 && pawl_cas_pair_release(cell, &empty, desired);
}

/* In any case. 0: was absent; 1: *old is what was replaced; -ENOMEM. */
PAWL_API PAWL_INLINE int pawl_u64map_put(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *old)
{
    uint64_t hash = pawl_u64map_hash_(map, key), was;
    struct pawl_u64map_table *table;
    struct pawl_pair *cell;

    if (PAWL_UNLIKELY(!pawl_rcu_read_try_lock_()))
        return pawl_u64map_put_inside_(map, hash, value, old);
    table = pawl_rcu_dereference(&map->table);
    pawl_u64map_fetch_behind_(table, hash);
    cell = pawl_u64map_near_(table, hash);
    /* relaxed: who does not see a successor yet leaves the moving to others */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&table->next) != NULL))
        return pawl_u64map_put_and_leave_(map, hash, value, old);
    if (PAWL_UNLIKELY(cell == NULL)) {
        cell = pawl_u64map_cells_(table) + pawl_u64map_home_(hash, table->cells);
        return pawl_u64map_claim_(cell, hash, value) ? pawl_u64map_claimed_and_leave_(map, table, hash)
                                                     : pawl_u64map_put_and_leave_(map, hash, value, old);
    }
    if (PAWL_UNLIKELY(!pawl_u64map_renew_(cell, hash, value, &was)))
        return pawl_u64map_put_and_leave_(map, hash, value, old);
    pawl_rcu_read_unlock();
    if (old != NULL)
        *old = was;
    return 1;
}

/* Only if present. 0, -ENOENT, -ENOMEM. */
PAWL_API int pawl_u64map_replace(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *old);

/* *now: the value that is there afterwards. 0: inserted; 1: it was there; -ENOMEM. */
PAWL_API int pawl_u64map_get_or_insert(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *now);

/* value += n, wrapping. 0, -ENOENT, -ENOMEM. */
PAWL_API int pawl_u64map_fetch_add(struct pawl_u64map *map, uint64_t key, uint64_t n, uint64_t *old);

/* The same; an absent key gets the value n. 0: was absent; 1; -ENOMEM. */
PAWL_API int pawl_u64map_add(struct pawl_u64map *map, uint64_t key, uint64_t n, uint64_t *old);

/* Compare-exchange. 0; -EAGAIN: the value is another one, now in *expected; -ENOENT; -ENOMEM. */
PAWL_API int pawl_u64map_cas(struct pawl_u64map *map, uint64_t key, uint64_t *expected, uint64_t desired);

/* 0, -ENOENT, -ENOMEM. */
PAWL_API int pawl_u64map_del(struct pawl_u64map *map, uint64_t key, uint64_t *old);

/* If the value is `expected`. 0, -EAGAIN, -ENOENT, -ENOMEM. */
PAWL_API int pawl_u64map_del_if(struct pawl_u64map *map, uint64_t key, uint64_t expected);

enum pawl_u64map_verdict {
    PAWL_U64MAP_KEEP,  /* as it is */
    PAWL_U64MAP_STORE, /* what *value is now */
    PAWL_U64MAP_REMOVE
};

/* Whatever `judge` says. It gets whether the key is present, and its value, else 0, in *value. It is called
 * again if another thread was faster: it must do nothing but compute. It runs inside a section of RCU.
 * Returns 1 if the key was present, else 0; -ENOMEM. */
PAWL_API int pawl_u64map_update(struct pawl_u64map *map, uint64_t key,
                                enum pawl_u64map_verdict (*judge)(bool present, uint64_t *value,
                                                                  void *argument),
                                void *argument);

/* n puts, n deletions; their cache misses overlap. They stop at the first -ENOMEM. Return how many keys were
 * dealt with; del_n counts those too that were absent. */
PAWL_API size_t pawl_u64map_put_n(struct pawl_u64map *map, const uint64_t *keys, const uint64_t *values,
                                  size_t n);
PAWL_API size_t pawl_u64map_del_n(struct pawl_u64map *map, const uint64_t *keys, size_t n);

/* Makes room for `entries`, by a resize that this call carries to its end. It shrinks nothing. 0; -EINVAL;
 * -ENOMEM. */
PAWL_API int pawl_u64map_reserve(struct pawl_u64map *map, size_t entries) PAWL_NONNULL;

/* ---- walks ---- */

/* Where a walk stands: the hash of the next key. Zero-initialised: at the begin. It points to nothing, and
 * may be kept as long as one likes. */
struct pawl_u64map_cursor {
    uint64_t hash;
    bool over;
};

/* Up to n further entries, n > 0, in an order of the map's own. Returns how many; 0: the walk is over. Any
 * thread. */
PAWL_API size_t pawl_u64map_next(const struct pawl_u64map *map, struct pawl_u64map_cursor *cursor,
                                 struct pawl_u64map_entry *entries, size_t n) PAWL_NONNULL;

/* Calls visit for each entry until it returns false; not inside a section of RCU, and visit may change the
 * map. */
PAWL_API void pawl_u64map_each(const struct pawl_u64map *map,
                               bool (*visit)(uint64_t key, uint64_t value, void *argument), void *argument)
    __attribute__((nonnull(1, 2)));

PAWL_END_DECLS
#endif
