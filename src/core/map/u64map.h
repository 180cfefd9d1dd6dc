/* SPDX-License-Identifier: MIT */
/* What the files of the map of words share: tables, cells, moving. */
#ifndef PAWL_CORE_MAP_U64MAP_H
#define PAWL_CORE_MAP_U64MAP_H

#include <pawl/u64map.h>

#define FROZEN PAWL_U64MAP_FROZEN_
#define LIVE PAWL_U64MAP_LIVE_
#define CLAIMED PAWL_U64MAP_CLAIMED_
#define SHIFT PAWL_U64MAP_SHIFT_
#define CELLS PAWL_U64MAP_CELLS_

/* Closures for the model checker make do with less. */
#ifndef PAWL_U64MAP_LEAST_LINES
#define PAWL_U64MAP_LEAST_LINES UINT64_C(64)
#endif
#ifndef PAWL_U64MAP_BLOCK_LINES
#define PAWL_U64MAP_BLOCK_LINES UINT64_C(128) /* moved in one go */
#endif
#ifndef PAWL_U64MAP_STILL_LINES
#define PAWL_U64MAP_STILL_LINES UINT64_C(256) /* from which on a grace period costs less than it saves */
#endif
#ifndef PAWL_U64MAP_WAIT
#define PAWL_U64MAP_WAIT UINT64_C(8) /* changes a block that wait for it */
#endif
#ifndef PAWL_U64MAP_LOOKS
#define PAWL_U64MAP_LOOKS UINT64_C(8) /* of so many of them one looks whether it is over */
#endif
#ifndef PAWL_U64MAP_PATIENCE
#define PAWL_U64MAP_PATIENCE UINT64_C(64) /* changes that let a late block alone */
#endif

/* Lines for so many entries that a program asks room for. */
uint64_t pawl_u64map_lines_(uint64_t entries);

/* A table without entries; NULL if there is no memory. */
struct pawl_u64map_table *pawl_u64map_table_open_(uint64_t lines);
void pawl_u64map_table_free_(struct pawl_u64map_table *table);

/* Tests set it: a table that it refuses is not allocated. NULL: none is. */
extern bool (*pawl_u64map_refuse_)(size_t bytes);

/* The successor of a table, which is given one of so many lines if it has none; NULL if there is no
 * memory. */
struct pawl_u64map_table *pawl_u64map_succeed_(struct pawl_u64map_table *table, uint64_t lines);

/* Moves a block of the first table, if one is left and the time has come; puts the successor in its place if none is
 * left. Returns 0, or -ENOMEM: the block waits. */
int pawl_u64map_help_(struct pawl_u64map *map, struct pawl_u64map_table *table);

/* A key was claimed in the table: counted, and a successor is begun when enough are. */
void pawl_u64map_count_claimed_(struct pawl_u64map_table *table, uint64_t hash, bool live);

/* A claimed key of the table was deleted (1) or is live again (-1). */
void pawl_u64map_count_dead_(struct pawl_u64map *map, struct pawl_u64map_table *table, uint64_t hash,
                             int more);

static inline struct pawl_u64map_table *successor(const struct pawl_u64map_table *table)
{
    return pawl_load_acquire(&table->next); /* N: the table is initialised */
}

/* The hash of what is claimed in a line. The place says how far the home can be away, and the homes of
 * hashes that differ in the three highest bits only are an eighth of the table apart. */
static inline uint64_t hash_at(const struct pawl_u64map_table *table, uint64_t line, uint64_t word)
{
    uint64_t low = word >> SHIFT;
    uint64_t home = pawl_u64map_home_(low, table->lines);
    uint64_t away = line >= home ? line - home : line + table->lines - home;
    uint64_t high = 0; /* away / reach, which is less than 8: three steps cost less than a division */

    for (unsigned step = 4; step > 0; step /= 2) {
        uint64_t eighths = step * table->reach;
        bool beyond = away >= eighths;

        high += beyond ? step : 0;
        away -= beyond ? eighths : 0;
    }
    return high << 61 | low;
}

enum place {
    MATCH, /* the key's cell */
    END,   /* the cell that it would take: not claimed */
    FULL   /* neither, and there never will be: all cells in reach are claimed by others */
};

/* The key's cell, or the first on its way that is not claimed; NULL if there is neither. By an old look: what
 * is claimed is claimed for ever, and by the same. */
struct pawl_pair *pawl_u64map_seek_(const struct pawl_u64map_table *table, uint64_t hash);

/* Looks for the key. *seen is what was read, word first. Always inline: a compare-exchange waits for what is
 * before it, also for a cell that goes through memory. */
static inline __attribute__((always_inline)) enum place walk(const struct pawl_u64map_table *table,
                                                             uint64_t hash, struct pawl_pair **where,
                                                             struct pawl_pair *seen)
{
    const uint64_t key = hash << SHIFT | CLAIMED;
    struct pawl_pair *cell = pawl_u64map_cells_(table) + pawl_u64map_home_(hash, table->cells);

    /* Another turn: the home cell is another's; or what was sought has just been claimed, maybe by the key. */
    for (;;) {
        /* acquire W, N: with the CAS that claimed or changed it, with the freeze */
        seen->lo = pawl_pair_lo(cell, __ATOMIC_ACQUIRE);
        seen->hi = pawl_pair_hi(cell, __ATOMIC_ACQUIRE); /* W: as in pawl_u64map_hit_() */
        *where = cell;
        if ((seen->lo & ~(LIVE | FROZEN)) == key)
            return MATCH;
        if ((seen->lo & CLAIMED) == 0)
            return END;
        cell = pawl_u64map_seek_(table, hash);
        if (cell == NULL)
            return FULL;
    }
}

/* Inside a section. */
static inline int get_from(const struct pawl_u64map_table *table, uint64_t hash, uint64_t *value)
{
    return pawl_u64map_hit_(table, hash, value) ? 0 : pawl_u64map_find_(table, hash, value);
}

/* Q: all who write know the successor, and what those did who did not is seen. Nothing in the table changes any more,
 * but cells are frozen. */
static inline bool is_still(const struct pawl_u64map_table *table)
{
    return pawl_load_acquire(&table->still); /* Q: with the store in is_time_to_move() */
}

/* Of a cell in a table that is still: whoever stores to it stores the same. Returns its word. */
static inline uint64_t freeze_still(struct pawl_pair *cell)
{
    /* relaxed: Q shows the last change */
    uint64_t frozen = pawl_pair_lo(cell, __ATOMIC_RELAXED) | FROZEN;

#if PAWL_PAIR_LOCKED
    struct pawl_pair seen = {.lo = frozen & ~FROZEN, .hi = pawl_pair_hi(cell, __ATOMIC_RELAXED)};

    /* release N, as below. If it fails another thread has frozen it. */
    (void)pawl_cas_pair_release(cell, &seen, (struct pawl_pair){.lo = frozen, .hi = seen.hi});
#elif PAWL_INSTRUMENTED
    /* as below: here, each access has the full 16 bytes */
    __tsan_atomic128_store(cell, (pawl_uint128)pawl_pair_hi(cell, __ATOMIC_RELAXED) << 64 | frozen,
                           __ATOMIC_RELEASE);
#else
    /* release N: who sees the bit sees the successor. */
    pawl_store_release((PAWL_ATOMIC(uint64_t) *)(void *)&cell->lo, frozen);
#endif
    return frozen;
}

/* The same where others may still change the cell. */
static inline uint64_t freeze_locked(struct pawl_pair *cell)
{
#if PAWL_INSTRUMENTED || PAWL_PAIR_LOCKED
    struct pawl_pair seen, frozen;

    seen.lo = pawl_pair_lo(cell, __ATOMIC_ACQUIRE); /* W, as below */
    seen.hi = pawl_pair_hi(cell, __ATOMIC_ACQUIRE);
    do { /* release N, acquire W: as below */
        if ((seen.lo & FROZEN) != 0)
            return seen.lo;
        frozen.lo = seen.lo | FROZEN;
        frozen.hi = seen.hi;
        /* Another turn: the cell was changed or frozen by another thread. */
    } while (!pawl_cas_pair_acq_rel(cell, &seen, frozen));
    return frozen.lo;
#else
    uint64_t word = pawl_pair_lo(cell, __ATOMIC_ACQUIRE); /* W, as below */

    if ((word & FROZEN) != 0)
        return word;
    /* release N: who sees the bit sees the successor. */
    pawl_fetch_or_release((PAWL_ATOMIC(uint64_t) *)(void *)&cell->lo, FROZEN);
    /* acquire W: with the CAS that stored what is to be moved. It is constant now. */
    return pawl_pair_lo(cell, __ATOMIC_ACQUIRE);
#endif
}

/* From now on nothing in the cell changes. Returns its word. The caller has seen the successor; `still` is what
 * is_still() said. */
static inline __attribute__((always_inline)) uint64_t freeze(bool still, struct pawl_pair *cell)
{
    return still ? freeze_still(cell) : freeze_locked(cell);
}

#endif
