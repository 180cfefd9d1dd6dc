/* SPDX-License-Identifier: MIT */
/* The map of words: many keys at once. Batches, whose cache misses overlap, and walks. */
#include "u64map.h"

enum { BATCH = 32, KEPT = 64, STEPS = 1024 };

/* ---- batches ---- */

static inline void prefetch(const struct pawl_u64map_table *table, uint64_t hash)
{
    __builtin_prefetch(pawl_u64map_line_(table, pawl_u64map_home_(hash, table->lines)));
}

/* The line behind the home line, where that one is full: there the key is sought next. */
static inline void prefetch_behind(const struct pawl_u64map_table *table, uint64_t hash)
{
    uint64_t line = pawl_u64map_home_(hash, table->lines);

    for (unsigned i = 0; i < CELLS; i++) {
        if (pawl_pair_lo(&pawl_u64map_line_(table, line)->cell[i], __ATOMIC_RELAXED) == 0)
            return; /* relaxed: if that is old, it is asked for in vain, or not asked for */
    }
    __builtin_prefetch(pawl_u64map_line_(table, line + 1 == table->lines ? 0 : line + 1));
}

/* At most BATCH of them. Those that are not in their home lines come last, when their next lines have come. */
static size_t get_batch(const struct pawl_u64map *map, const uint64_t *keys, uint64_t *values, bool *found,
                        size_t n)
{
    uint64_t hash[BATCH];
    unsigned char late[BATCH];
    size_t lates = 0, there = n;
    const struct pawl_u64map_table *table;

    pawl_rcu_read_lock();
    table = pawl_rcu_dereference(&map->table);
    for (size_t i = 0; i < n; i++) {
        hash[i] = pawl_u64map_hash_(map, keys[i]);
        prefetch(table, hash[i]);
    }
    for (size_t i = 0; i < n; i++) {
        found[i] = pawl_u64map_hit_(table, hash[i], &values[i]);
        if (PAWL_UNLIKELY(!found[i])) {
            prefetch_behind(table, hash[i]);
            late[lates++] = (unsigned char)i;
        }
    }
    for (size_t i = 0; i < lates; i++) {
        found[late[i]] = pawl_u64map_find_(table, hash[late[i]], &values[late[i]]) == 0;
        there -= !found[late[i]];
    }
    pawl_rcu_read_unlock();
    return there;
}

size_t pawl_u64map_get_n(const struct pawl_u64map *map, const uint64_t *keys, uint64_t *values, bool *found,
                         size_t n)
{
    size_t there = 0;

    for (size_t done = 0; done < n; done += BATCH)
        there += get_batch(map, keys + done, values + done, found + done,
                           n - done < BATCH ? n - done : BATCH);
    return there;
}

/* The lines of the next few keys are fetched. The table may be replaced before they are used: then it was in
 * vain. */
static void prefetch_keys(const struct pawl_u64map *map, const uint64_t *keys, size_t n)
{
    const struct pawl_u64map_table *table;

    pawl_rcu_read_lock();
    table = pawl_rcu_dereference(&map->table);
    for (size_t i = 0; i < n; i++)
        prefetch(table, pawl_u64map_hash_(map, keys[i]));
    pawl_rcu_read_unlock();
}

size_t pawl_u64map_put_n(struct pawl_u64map *map, const uint64_t *keys, const uint64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i % BATCH == 0)
            prefetch_keys(map, keys + i, n - i < BATCH ? n - i : BATCH);
        if (pawl_u64map_put(map, keys[i], values[i], NULL) < 0)
            return i;
    }
    return n;
}

size_t pawl_u64map_del_n(struct pawl_u64map *map, const uint64_t *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i % BATCH == 0)
            prefetch_keys(map, keys + i, n - i < BATCH ? n - i : BATCH);
        if (pawl_u64map_del(map, keys[i], NULL) == -ENOMEM)
            return i;
    }
    return n;
}

/* ---- walks ----
 *
 * In the order of the hashes, which is that of home lines in every table. One home line of the first table
 * at a time: the keys of its share of the hashes that are live, or were when they were frozen, in it or in a
 * successor. A key that stays is in one of them: each table is looked at before its successor. Then each is
 * looked up as in a get. */

struct share {
    uint64_t first, last; /* hashes, both included */
    size_t most, kept;    /* at most KEPT */
    uint64_t hash[KEPT];  /* ascending */
};

/* What does not fit any more, and all above it, is left for the next turn: the share ends below. */
static void keep(struct share *share, uint64_t hash)
{
    size_t at = share->kept;
    bool full = share->kept == share->most;

    if (hash < share->first || hash > share->last)
        return;
    while (at > 0 && share->hash[at - 1] > hash)
        at--;
    if (at > 0 && share->hash[at - 1] == hash)
        return; /* seen in an earlier table */
    if (at < share->most) {
        if (!full)
            share->kept++;
        for (size_t i = share->kept - 1; i > at; i--)
            share->hash[i] = share->hash[i - 1];
        share->hash[at] = hash;
    }
    if (full)
        share->last = share->hash[share->most - 1];
}

/* The highest hash whose home is the line. */
static uint64_t last_of(const struct pawl_u64map_table *table, uint64_t line)
{
    pawl_u64map_product_ begin_of_next = ((pawl_u64map_product_)(line + 1) << 64) + table->lines - 1;

    return (uint64_t)(begin_of_next / table->lines - 1);
}

/* The lines from a home line to the first in which a cell is not claimed. */
static void gather_from(const struct pawl_u64map_table *table, uint64_t home, struct share *share)
{
    uint64_t at = home, all = CLAIMED;

    for (uint64_t left = table->reach; left > 0 && all != 0; left--) {
        const struct pawl_u64map_line *line = pawl_u64map_line_(table, at);

        for (unsigned i = 0; i < CELLS; i++) {
            /* acquire N: with the freeze: then the successor is looked at, too */
            uint64_t word = pawl_pair_lo(&line->cell[i], __ATOMIC_ACQUIRE);

            all &= word;
            if ((word & LIVE) != 0)
                keep(share, hash_at(table, at, word));
        }
        if (++at == table->lines)
            at = 0;
    }
}

/* Looks at the share of one home line of the first table; puts what is there into entries. */
static size_t walk_a_line(const struct pawl_u64map *map, const struct pawl_u64map_table *first,
                          struct pawl_u64map_cursor *cursor, struct pawl_u64map_entry *entries, size_t n)
{
    struct share share = {.first = cursor->hash, .most = n < KEPT ? n : KEPT};
    size_t found = 0;

    share.last = last_of(first, pawl_u64map_home_(share.first, first->lines));
    for (const struct pawl_u64map_table *table = first; table != NULL; table = successor(table)) {
        uint64_t home = pawl_u64map_home_(share.first, table->lines);

        for (; home < table->lines && home <= pawl_u64map_home_(share.last, table->lines); home++)
            gather_from(table, home, &share);
    }
    for (size_t i = 0; i < share.kept; i++) {
        uint64_t x = share.hash[i] * map->inverse[1];

        if (get_from(first, share.hash[i], &entries[found].value) != 0)
            continue; /* deleted since */
        x ^= x >> 32;
        entries[found++].key = (x * map->inverse[0]) ^ map->seed;
    }
    cursor->over = share.last == UINT64_MAX;
    cursor->hash = share.last + 1;
    return found;
}

size_t pawl_u64map_next(const struct pawl_u64map *map, struct pawl_u64map_cursor *cursor,
                        struct pawl_u64map_entry *entries, size_t n)
{
    size_t found = 0;

    while (found < n && !cursor->over) {
        const struct pawl_u64map_table *first;

        pawl_rcu_read_lock(); /* not all the time in a map without entries: so many lines at once */
        first = pawl_rcu_dereference(&map->table);
        for (int step = 0; step < STEPS && found < n && !cursor->over; step++)
            found += walk_a_line(map, first, cursor, entries + found, n - found);
        pawl_rcu_read_unlock();
    }
    return found;
}

void pawl_u64map_each(const struct pawl_u64map *map,
                      bool (*visit)(uint64_t key, uint64_t value, void *argument), void *argument)
{
    struct pawl_u64map_cursor cursor = {0, false};
    struct pawl_u64map_entry entry[KEPT];
    size_t n;

    while ((n = pawl_u64map_next(map, &cursor, entry, KEPT)) > 0) {
        for (size_t i = 0; i < n; i++) {
            if (!visit(entry[i].key, entry[i].value, argument))
                return;
        }
    }
}
