/* SPDX-License-Identifier: MIT */
/* Tables of the map of words: their memory, when they get a successor, and how cells are moved there. */
#include "u64map.h"

#include "../sync/lsan.h"
#include "pages.h"

#include <stdlib.h>
#include <string.h>

/* Load factors in thirty-seconds; docs/u64map.md has the measurement. Small tables are in a near cache, where a
 * key that is not in its home line costs more than the whole lookup: they are kept emptier. */
struct load {
    uint64_t most;   /* claimed: more are moved to a successor */
    uint64_t target; /* live, in a successor that grows */
    uint64_t shrunk; /* live, in a successor that shrinks */
    uint64_t least;  /* live: fewer are moved to a smaller table */
    uint64_t room;   /* in a table that a program has asked for */
    uint64_t crowd;  /* claimed: from here on the line behind the home line is worth a prefetch */
};

#define FULL_LOAD 32
static const struct load small_load = {12, 6, 6, 2, 10, FULL_LOAD};
static const struct load large_load = {28, 13, 14, 8, 20, 20};
#define BORDER_LOAD 9 /* between large_load.least and small_load.most, and some way from both */

#define SMALL_LINES UINT64_C(4032) /* 252 KiB, and with what stands before and behind less than 64 pages */
#define MAPPED ((size_t)SMALL_LINES * PAWL_CACHELINE) /* bytes from which a table has pages of its own */
#define AHEAD 8                                       /* lines, of prefetches where cells are moved */
#define SAMPLES 8192 /* cells of which all are counted: of larger tables, every second, fourth, ... */

bool (*pawl_u64map_refuse_)(size_t bytes);

/* ---- memory ---- */

static void *allocate(size_t *bytes)
{
    void *memory;

    if (pawl_u64map_refuse_ != NULL && pawl_u64map_refuse_(*bytes))
        return NULL;
    *bytes = (*bytes + PAWL_CACHELINE_PAIR - 1) & ~(size_t)(PAWL_CACHELINE_PAIR - 1);
    if (*bytes >= MAPPED) { /* what pawl_u64map_table_free_() asks, too */
        *bytes = (*bytes + 4095) & ~(size_t)4095;
        memory = pawl_map_pages_open_(*bytes, sizeof(struct pawl_u64map_table),
                                      *bytes - sizeof(struct pawl_u64map_table));
        if (memory != NULL)
            pawl_lsan_look_into_(memory, *bytes); /* values may be pointers */
        return memory;
    }
    memory = aligned_alloc(PAWL_CACHELINE_PAIR, *bytes);
    if (memory != NULL)
        memset(memory, 0, *bytes);
    return memory;
}

struct pawl_u64map_table *pawl_u64map_table_open_(uint64_t lines)
{
    uint64_t cells = lines * CELLS;
    uint64_t blocks = (lines + PAWL_U64MAP_BLOCK_LINES - 1) / PAWL_U64MAP_BLOCK_LINES;
    size_t bytes = sizeof(struct pawl_u64map_table) + lines * PAWL_CACHELINE + blocks;
    struct pawl_u64map_table *table = allocate(&bytes);
    const struct load *load = lines > SMALL_LINES ? &large_load : &small_load;
    unsigned shift = 0;

    if (table == NULL)
        return NULL;
    while (cells >> shift > SAMPLES)
        shift++;
    table->lines = lines;
    table->cells = cells;
    table->reach = lines / 8;
    table->blocks = blocks;
    table->sample = ((UINT64_C(1) << shift) - 1) << 16; /* the bits above decide about the place */
    table->most = (cells >> shift) * load->most / FULL_LOAD;
    table->least = lines > PAWL_U64MAP_LEAST_LINES ? (cells >> shift) * load->least / FULL_LOAD : 0;
    table->crowd = (cells >> shift) * load->crowd / FULL_LOAD;
    table->bytes = bytes;
    table->moved = (void *)pawl_u64map_line_(table, lines);
    return table;
}

void pawl_u64map_table_free_(struct pawl_u64map_table *table)
{
    if (table->bytes < MAPPED) {
        free(table);
        return;
    }
    pawl_lsan_look_away_(table, table->bytes);
    pawl_map_pages_close_(table, table->bytes);
}

static void reclaim(struct pawl_retired *retired)
{
    pawl_u64map_table_free_(pawl_retired_of(retired, struct pawl_u64map_table, retired));
}

/* ---- successors ---- */

/* Lines for so many entries at a load; at least as many as there must be, a multiple of 8. */
static uint64_t lines_for(uint64_t entries, uint64_t load)
{
    uint64_t lines = (entries * FULL_LOAD / load / CELLS + 8) & ~UINT64_C(7);

    return lines > PAWL_U64MAP_LEAST_LINES ? lines : PAWL_U64MAP_LEAST_LINES;
}

/* At one load if the table is small then, else at the other. Between, where there are too many for the one and too few
 * for the other, it is the largest small table or the smallest large one: the latter only if a few deletions would not
 * make it shrink, the former only if it is not about to grow. */
static uint64_t lines_at(uint64_t entries, uint64_t small, uint64_t large)
{
    uint64_t lines = lines_for(entries, small);

    if (lines <= SMALL_LINES)
        return lines;
    lines = lines_for(entries, large);
    if (lines > SMALL_LINES)
        return lines;
    return lines_for(entries, BORDER_LOAD) <= SMALL_LINES ? SMALL_LINES : SMALL_LINES + 8;
}

uint64_t pawl_u64map_lines_(uint64_t entries)
{
    return lines_at(entries, small_load.room, large_load.room);
}

struct pawl_u64map_table *pawl_u64map_succeed_(struct pawl_u64map_table *table, uint64_t lines)
{
    struct pawl_u64map_table *next = successor(table);
    struct pawl_u64map_table *fresh;

    if (next != NULL)
        return next;
    fresh = pawl_u64map_table_open_(lines);
    if (fresh == NULL)
        return successor(table); /* another thread may have had more luck */
    /* release N: publishes it, initialised, to successor(). acquire: if another thread was faster, its. */
    if (pawl_cas_acq_rel(&table->next, &next, fresh)) {
        /* relaxed: a number. RCU orders the CAS before it, and what is done when it is over. */
        if (table->lines >= PAWL_U64MAP_STILL_LINES)
            pawl_store_relaxed(&table->notice, pawl_rcu_start_poll());
        return fresh;
    }
    pawl_u64map_table_free_(fresh);
    return next;
}

/* The entries, by those that were counted. */
static uint64_t live_in(const struct pawl_u64map_table *table)
{
    /* relaxed, both: an estimate, which a few more or less do not change */
    uint64_t dead = pawl_load_relaxed(&table->dead);
    uint64_t claimed = pawl_load_relaxed(&table->claimed);

    return (claimed > dead ? claimed - dead : 0) * ((table->sample >> 16) + 1);
}

/* Who counts the last key that there is room for opens the successor, and the others leave it to them, because each would fill a
 * table in vain. If it takes long, as they are stopped or had no memory, one more opens one, and at last whoever comes: at 30 of 32
 * cells in a large table, at 18 in a small one. */
static bool is_time_to_grow(const struct pawl_u64map_table *table, uint64_t claimed)
{
    uint64_t patience = table->lines > SMALL_LINES ? table->most / 28 : table->most / 4;

    return claimed == table->most || claimed == table->most + patience ||
           claimed >= table->most + 2 * patience;
}

void pawl_u64map_count_claimed_(struct pawl_u64map_table *table, uint64_t hash, bool live)
{
    uint64_t claimed;

    if ((hash & table->sample) != 0)
        return;
    /* relaxed, all: numbers that nothing is read by */
    claimed = pawl_fetch_add_relaxed(&table->claimed, 1) + 1;
    if (!live)
        pawl_fetch_add_relaxed(&table->dead, 1);
    if (claimed == table->crowd) /* once */
        pawl_store_relaxed(&table->behind, (uint64_t)CELLS);
    if (is_time_to_grow(table, claimed) && pawl_load_relaxed(&table->next) == NULL)
        (void)pawl_u64map_succeed_(table, lines_at(live_in(table), small_load.target, large_load.target));
}

void pawl_u64map_count_dead_(struct pawl_u64map *map, struct pawl_u64map_table *table, uint64_t hash,
                             int more)
{
    uint64_t live;

    if ((hash & table->sample) != 0)
        return;
    pawl_fetch_add_relaxed(&table->dead, (uint64_t)(int64_t)more); /* relaxed: as above */
    /* relaxed: a stale table says that this one is not the first, and the next deletion looks again. In one
     * that is not the first, not all have arrived that will be there. */
    if (more < 0 || pawl_load_relaxed(&map->table) != table || pawl_load_relaxed(&table->next) != NULL)
        return;
    live = live_in(table);
    if (live / ((table->sample >> 16) + 1) < table->least)
        (void)pawl_u64map_succeed_(table, lines_at(live, small_load.shrunk, large_load.shrunk));
}

/* ---- moving ---- */

/* The key is claimed in a successor, with this value unless somebody has done so before. */
static int carry(struct pawl_u64map_table *table, uint64_t hash, uint64_t value)
{
    const struct pawl_pair entry = {.lo = hash << SHIFT | CLAIMED | LIVE, .hi = value};

    /* Another turn: on to the next successor, or another thread has taken the cell. */
    for (;;) {
        struct pawl_pair *cell, seen;
        enum place place = walk(table, hash, &cell, &seen);

        if (place == MATCH)
            return 0;
        if (place == FULL)
            table = pawl_u64map_succeed_(table, 2 * table->lines);
        else if ((seen.lo & FROZEN) != 0)
            table = successor(table);
        else if (pawl_cas_pair_release(cell, &seen, entry)) { /* release W: what the value's writer did */
            pawl_u64map_count_claimed_(table, hash, true);
            return 0;
        }
        if (table == NULL)
            return -ENOMEM;
    }
}

/* A line that is moved soon, and where it goes: locked instructions do not overlap their misses. */
static void prefetch_move(const struct pawl_u64map_table *table, const struct pawl_u64map_table *next,
                          uint64_t line)
{
    uint64_t to = (uint64_t)((pawl_u64map_product_)line * next->lines / table->lines);

    if (line < table->lines) {
        __builtin_prefetch(pawl_u64map_line_(table, line), 1);
        __builtin_prefetch(pawl_u64map_line_(next, to), 1);
        __builtin_prefetch(pawl_u64map_line_(next, to + 1), 1); /* a table that grows has two for each */
    }
}

/* The pages of the successor that a block goes to are written to before they are read: where nobody was before, a read maps the
 * kernel's page of zeros, and the write behind it faults once more, for which all processors that run the program are interrupted. */
static void touch(const struct pawl_u64map_table *table, const struct pawl_u64map_table *next, uint64_t begin)
{
    const uint64_t page_lines = 4096 / PAWL_CACHELINE;
    uint64_t end = begin + PAWL_U64MAP_BLOCK_LINES < table->lines ? begin + PAWL_U64MAP_BLOCK_LINES
                                                                  : table->lines;
    uint64_t to = (uint64_t)((pawl_u64map_product_)begin * next->lines / table->lines);
    uint64_t last = (uint64_t)((pawl_u64map_product_)end * next->lines / table->lines);

    if (next->bytes <= PAWL_MAP_HUGE_PAGE_) /* all there since it was opened */
        return;
    to -= to % page_lines; /* all pages that the block reaches into: their borders are not the blocks' */
    for (; to < last; to += page_lines) {
        struct pawl_pair empty = {0, 0};

        /* relaxed: nothing is published, empty stays empty */
        (void)pawl_cas_pair_relaxed(pawl_u64map_line_(next, to)->cell, &empty, empty);
    }
}

static int move_block(struct pawl_u64map_table *table, uint64_t block)
{
    struct pawl_u64map_table *next = successor(table);
    uint64_t begin = block * PAWL_U64MAP_BLOCK_LINES;
    uint64_t end = begin + PAWL_U64MAP_BLOCK_LINES;
    bool still = is_still(table);

    touch(table, next, begin);
    for (uint64_t at = begin; at < end && at < table->lines; at++) {
        struct pawl_u64map_line *line = pawl_u64map_line_(table, at);

        prefetch_move(table, next, at + AHEAD);
        for (unsigned i = 0; i < CELLS; i++) {
            uint64_t word = freeze(still, &line->cell[i]);

            /* relaxed: the word was acquired after the last change */
            if ((word & LIVE) != 0 &&
                carry(next, hash_at(table, at, word), pawl_pair_hi(&line->cell[i], __ATOMIC_RELAXED)) != 0)
                return -ENOMEM;
        }
    }
    return 0;
}

/* Moves the frontier over what is moved. Returns whether that is all. */
static bool advance(struct pawl_u64map_table *table)
{
    uint64_t from = pawl_load_acquire(&table->frontier); /* M: with the CAS below; all before it is moved */

    /* Another turn: another thread has moved it, but maybe not as far. */
    for (;;) {
        uint64_t to = from;

        /* acquire M: with the store in pawl_u64map_help_(): all of the block is in the successor */
        while (to < table->blocks && pawl_load_acquire(&table->moved[to]) != 0)
            to++;
        /* release M: hands on what was acquired */
        if (to == from || pawl_cas_acq_rel(&table->frontier, &from, to))
            return to == table->blocks;
    }
}

/* All of the table is moved: the successor takes its place. */
static void promote(struct pawl_u64map *map, struct pawl_u64map_table *table)
{
    struct pawl_u64map_table *first = table;

    /* release N: publishes the successor again, to who has not seen `next`; M: and all that was moved. It
     * cannot be another table at the same address: the caller's section keeps this one. */
    if (pawl_cas_release(&map->table, &first, successor(table)))
        pawl_rcu_call(&table->retired, reclaim);
}

/* Whether cells are frozen and moved: when the table is still, for that is cheap then, or when the changes have waited
 * long enough for that. A small table is moved at once. */
static bool is_time_to_move(struct pawl_u64map_table *table)
{
    uint64_t waited, notice;

    if (table->lines < PAWL_U64MAP_STILL_LINES || is_still(table))
        return true;
    waited = pawl_load_relaxed(&table->waited); /* relaxed, as below: a few more or less do not matter */
    if (waited >= PAWL_U64MAP_WAIT * table->blocks)
        return true;
    notice = pawl_load_relaxed(&table->notice); /* relaxed: a number, as where it is stored */
    if (waited % PAWL_U64MAP_LOOKS == 0 && notice != 0 && pawl_rcu_poll(notice)) {
        /* release Q: what those did who did not know the successor; their sections are over. */
        pawl_store_release(&table->still, true);
        return true;
    }
    pawl_fetch_add_relaxed(&table->waited, 1);
    return false;
}

int pawl_u64map_help_(struct pawl_u64map *map, struct pawl_u64map_table *table)
{
    uint64_t block;
    int status = 0;

    if (!is_time_to_move(table))
        return 0;
    block = pawl_fetch_add_relaxed(&table->cursor, 1); /* relaxed: whoever gets which, all do the same */
    /* All are begun, but one is late: who began it may be stopped. It is done again, by whoever comes.
     * relaxed: it says which one, and an old answer only does one again that is done. */
    if (block >= table->blocks)
        block = block - table->blocks < PAWL_U64MAP_PATIENCE ? table->blocks
                                                             : pawl_load_relaxed(&table->frontier);
    if (block < table->blocks) {
        status = move_block(table, block);
        if (status == 0)
            pawl_store_release(&table->moved[block], (unsigned char)1); /* M: with advance() */
    }
    if (advance(table))
        promote(map, table);
    return status;
}
