/* SPDX-License-Identifier: MIT */
/* Growing and shrinking, a few buckets at a time.
 *
 *   start     one writer finds the table too full (or too empty), links one of twice (or half) the size to it
 *   help      each writer that inserts or deletes takes the next 8 units from the cursor and moves those that it can lock at
 *             once. A unit is the smaller of the two tables' bucket with its counterparts: 1 -> 2 or 2 -> 1
 *   populate  huge pages of a new table are touched by RCU's worker; those that help stay behind it, as long as they have patience
 *   finish    who moved the last makes the next table the map's, and retires the old one
 *
 * The cursor goes round and round until all have moved. So nobody is waited for: not for a thread that is stopped while it
 * holds a few units of the cursor, nor for a bucket that is locked at the moment, nor for memory that is not to be had at
 * the moment. What moved twice cannot be: MOVED is set under the lock. From the second round on, where most units that are looked
 * at have moved, one writer of 16 helps: else each would touch 8 lines for nothing until the last mover, which may have lost its CPU,
 * comes back.
 *
 * The buckets that are filled belong to whoever has the old ones locked, until MOVED is set there. */
#include "map.h"

#include "pages.h"

#include <errno.h>

enum { PAGES_A_ROUND = 4 }; /* of callbacks; other callbacks wait for them */

/* ---- a chain in the making ---- */

struct filling {
    char *table;
    struct pawl_map_bucket_ *head, *last;
    uint64_t meta;      /* of last, to be stored */
    unsigned int count; /* of entries in last */
};

static void begin(struct filling *filling, char *table, size_t index)
{
    struct pawl_map_bucket_ *bucket = map_bucket(table, index);

    *filling = (struct filling){.table = table, .head = bucket, .last = bucket};
}

/* Nobody sees it yet: relaxed, here and in what follows; MOVED publishes all. */
static bool fill(struct pawl_map *map, struct filling *filling, uint64_t slot, uint64_t tag)
{
    if (PAWL_UNLIKELY(filling->count == PAWL_MAP_SLOTS_)) {
        struct map_link *link = pawl_map_link_open(map, filling->table);
        struct pawl_map_bucket_ *last = filling->last;

        if (link == NULL)
            return false;
        pawl_store_relaxed(&link->bucket.slot[0], pawl_load_relaxed(&last->slot[MAP_LAST]));
        pawl_store_relaxed(&last->slot[MAP_LAST], map_link_word(link));
        pawl_store_relaxed(&last->meta, (filling->meta & ~map_tag_for(0xff, MAP_LAST)) | PAWL_MAP_CHAINED_);
        filling->last = &link->bucket;
        filling->meta = map_tag_at(filling->meta, MAP_LAST);
        filling->count = 1;
    }
    pawl_store_relaxed(&filling->last->slot[filling->count], slot);
    filling->meta |= map_tag_for(tag, filling->count++);
    return true;
}

static void complete(const struct filling *filling)
{
    pawl_store_relaxed(&filling->last->meta, filling->meta);
}

/* No memory: as if nothing had been. */
static PAWL_COLD void empty(struct pawl_map *map, struct filling *filling)
{
    struct pawl_map_bucket_ *bucket = filling->head;
    uint64_t meta;

    complete(filling);
    meta = pawl_load_relaxed(&bucket->meta);
    while ((meta & PAWL_MAP_CHAINED_) != 0) {
        struct map_link *link = map_linked(bucket);

        meta = pawl_load_relaxed(&link->bucket.meta);
        /* the link goes, so its own link is kept in the head's slot */
        pawl_store_relaxed(&bucket->slot[MAP_LAST], pawl_load_relaxed(&link->bucket.slot[MAP_LAST]));
        pawl_map_link_close(map, filling->table, link);
    }
    pawl_store_relaxed(&bucket->meta, UINT64_C(0));
}

/* ---- moving a unit ---- */

struct unit {
    char *table;
    struct pawl_map_bucket_ *from[2];
    uint64_t meta[2];
    struct filling to[2];
    unsigned int froms, tos;
    unsigned int bit; /* of the hash: which of two */
};

static struct unit unit_of(char *table, char *next, size_t index)
{
    bool grows = map_shift(next) < map_shift(table);
    struct unit unit = {.table = table, .froms = grows ? 1 : 2, .tos = grows ? 2 : 1, .bit = map_shift(next)};

    for (unsigned int i = 0; i < unit.froms; i++)
        unit.from[i] = map_bucket(table, unit.froms * index + i);
    for (unsigned int i = 0; i < unit.tos; i++)
        begin(&unit.to[i], next, unit.tos * index + i);
    return unit;
}

/* Which of two buckets an entry goes to. The object is looked at only where its slot does not say. */
static inline unsigned int side(const struct pawl_map *map, const struct unit *unit, uint64_t slot)
{
    uint64_t hash;

    if (unit->tos == 1)
        return 0;
    if (unit->bit - MAP_LOWEST_PRINT_BIT < MAP_PRINT_BITS)
        hash = slot >> 8; /* as pawl_map_print_ */
    else
        hash = map->hash_of(pawl_map_object_(slot), &map->seed);
    return (unsigned int)(hash >> unit->bit & 1);
}

/* The entries of one chain. */
static bool move_chain(struct pawl_map *map, struct unit *unit, struct pawl_map_bucket_ *bucket,
                       uint64_t meta)
{
    for (;;) {
        for (unsigned int i = 0; i < PAWL_MAP_SLOTS_; i++) {
            uint64_t tag = map_tag_at(meta, i);
            uint64_t slot = pawl_load_relaxed(&bucket->slot[i]); /* relaxed: the lock orders */

            if (tag != 0 && !fill(map, &unit->to[side(map, unit, slot)], slot, tag))
                return false;
        }
        if ((meta & PAWL_MAP_CHAINED_) == 0)
            return true;
        bucket = &map_linked(bucket)->bucket;
        meta = pawl_load_relaxed(&bucket->meta); /* relaxed: the lock orders */
    }
}

/* All that can be, at once: a unit of which a bucket is locked comes again. */
static bool lock_unit(struct unit *unit)
{
    for (unsigned int i = 0; i < unit->froms; i++) {
        unit->meta[i] = pawl_load_relaxed(&unit->from[i]->meta); /* relaxed: the CAS decides */
        if ((unit->meta[i] & (PAWL_MAP_MOVED_ | PAWL_MAP_LOCKED_)) != 0 ||
            /* acquire M: pairs with the holder before, sees its chain */
            !pawl_cas_acquire(&unit->from[i]->meta, &unit->meta[i], unit->meta[i] | PAWL_MAP_LOCKED_)) {
            if (i == 1)
                pawl_store_release(&unit->from[0]->meta, unit->meta[0]); /* M: nothing was changed */
            return false;
        }
    }
    return true;
}

/* 1 when the unit has moved now, 0 when it had or cannot be locked, -ENOMEM. */
static int move_unit(struct pawl_map *map, struct unit *unit)
{
    bool moved = true;

    if (!lock_unit(unit))
        return 0;
    for (unsigned int i = 0; moved && i < unit->froms; i++)
        moved = move_chain(map, unit, unit->from[i], unit->meta[i]);
    for (unsigned int i = 0; i < unit->tos; i++) {
        if (moved)
            complete(&unit->to[i]);
        else
            empty(map, &unit->to[i]);
    }
    for (unsigned int i = 0; i < unit->froms; i++)
        /* release M: publishes the next table's buckets */
        pawl_store_release(&unit->from[i]->meta, moved ? unit->meta[i] | PAWL_MAP_MOVED_ : unit->meta[i]);
    if (!moved)
        return -ENOMEM;
    for (unsigned int i = 0; i < unit->froms; i++)
        pawl_map_chain_retire(map, unit->table, unit->from[i], unit->meta[i]);
    return 1;
}

/* ---- the whole ---- */

static void free_table(struct pawl_map_table_ *header)
{
    struct pawl_map *map = header->map;

    map->memory.release(header, header->bytes, map->memory.context);
}

static void reclaim_table(struct pawl_retired *retired)
{
    struct pawl_map_table_ *header = pawl_retired_of(retired, struct pawl_map_table_, retired);

    if (header->touching)
        header->unwanted = true; /* populate() is queued once more */
    else
        free_table(header);
}

/* The first touch of a huge page takes as long as the kernel needs to find and clear 2 MiB, which is milliseconds where
 * the host of a virtual machine must find them first. No insert and no del shall take that long. Callbacks of a domain are called
 * one at a time, this and reclaim_table(), and so share plain fields. */
static void populate(struct pawl_retired *retired)
{
    struct pawl_map_table_ *header = pawl_retired_of(retired, struct pawl_map_table_, pages);
    size_t all = header->bytes - sizeof *header - header->spare * sizeof(struct map_link);

    if (header->unwanted) {
        free_table(header);
        return;
    }
    /* relaxed: as where it is stored */
    if (header->touched >= all || pawl_load_relaxed(&header->map->closing)) {
        header->touching = false;
        return;
    }
    /* Before it takes its time: in a child that is forked meanwhile it is queued, or that could never free the table. */
    pawl_rcu_call_in(header->map->rcu, retired, populate);
    for (int i = 0; i < PAGES_A_ROUND && header->touched < all; i++) {
        size_t before = header->touched;

        if (pawl_map_pages_populate_((char *)(header + 1) + before, PAWL_MAP_HUGE_PAGE_))
            header->touched = before + PAWL_MAP_HUGE_PAGE_;
        else
            header->touched = all; /* the kernel cannot: then they come when they are touched */
        /* relaxed: pages are the kernel's; a stale number is waited for. Until all are there the last page is kept back, as
         * those who share the cursor may be some units ahead of it. */
        pawl_store_relaxed(&header->ready, (uint64_t)((header->touched < all ? before : all) /
                                                      sizeof(struct pawl_map_bucket_)));
    }
}

/* Whether pages shall come before the units at the cursor move. Not for ever: the worker may be stopped. */
static bool should_wait(struct pawl_map_table_ *header, struct pawl_map_table_ *next, uint64_t cursor,
                        uint64_t units, uint64_t buckets)
{
    /* relaxed, all: hints and a count */
    if (cursor >= units || pawl_load_relaxed(&next->ready) >= (cursor + MAP_SMALLEST) * (buckets / units) ||
        pawl_load_relaxed(&header->waited) >= units)
        return false;
    pawl_fetch_add_relaxed(&header->waited, UINT64_C(1));
    return true;
}

/* Once for a table: by who moved its last unit. */
static PAWL_COLD void finish(struct pawl_map *map, struct pawl_map_table_ *header, char *next)
{
    pawl_store_relaxed(&map->longest, 0u); /* relaxed, both: figures */
    pawl_fetch_add_relaxed(&map->resizes, UINT64_C(1));
    /* release T: publishes the table, filled by all who moved a part of it */
    pawl_store_release(&map->table, next);
    pawl_rcu_call_in(map->rcu, &header->retired, reclaim_table);
}

/* Moves up to 8 units, when the map resizes; `table` is where it resizes from. `again`: in later rounds, too. `idle`: by who has
 * the time to touch fresh pages. */
static void help(struct pawl_map *map, char *table, bool again, bool idle)
{
    struct pawl_map_table_ *header = pawl_map_table_of_(table);
    char *next = pawl_load_acquire(&header->next); /* N */
    uint64_t units, first, moved = 0;

    if (next == NULL)
        return;
    units = map_shift(next) < map_shift(table) ? map_buckets(table) : map_buckets(next);
    first = pawl_load_relaxed(&header->cursor); /* relaxed: who sees less helps once more */
    if (!again && first >= units)
        return;
    if (!idle && should_wait(header, pawl_map_table_of_(next), first, units, map_buckets(next)))
        return;
    /* relaxed: two that had the same would find what the other moved */
    first = pawl_fetch_add_relaxed(&header->cursor, (uint64_t)MAP_SMALLEST) & (units - 1);
    for (uint64_t i = 0; i < MAP_SMALLEST; i++) {
        struct unit unit = unit_of(table, next, first + i);
        int status = move_unit(map, &unit);

        if (status < 0) {
            pawl_fetch_add_relaxed(&map->failures, UINT64_C(1)); /* relaxed: a figure */
            break;
        }
        moved += (uint64_t)status;
    }
    /* release: the units above, to who ends the resize; acquire: theirs, to this thread if it is the one */
    if (moved != 0 && pawl_fetch_add_acq_rel(&header->moved, moved) + moved == units)
        finish(map, header, next);
}

static void link_next(struct pawl_map *map, char *table, char *next)
{
    struct pawl_map_table_ *header = pawl_map_table_of_(next);
    bool fresh = pawl_load_relaxed(&header->ready) == 0; /* relaxed: nobody else has it yet */

    header->touching = fresh;
    pawl_store_release(&pawl_map_table_of_(table)->next, next); /* N: the empty table */
    /* The caller's section keeps it from being reclaimed before this is queued. */
    if (fresh)
        pawl_rcu_call_in(map->rcu, &header->pages, populate);
}

/* Links a table of that many buckets to `table`, which was the map's a moment ago, unless another one is linked to it. */
static PAWL_COLD void start(struct pawl_map *map, char *table, size_t buckets)
{
    char *next;

    /* acquire H: pairs with the store below; sees the table that the one before has linked */
    if (buckets > MAP_MOST_BUCKETS || pawl_exchange_acquire(&map->resizing, 1u) != 0)
        return; /* somebody is just doing it */
    /* relaxed: only who has `resizing` stores it */
    if (pawl_load_relaxed(&pawl_map_table_of_(table)->next) == NULL) {
        next = pawl_map_table_open(map, buckets);
        if (next == NULL)
            pawl_fetch_add_relaxed(&map->failures, UINT64_C(1)); /* relaxed: a figure */
        else
            link_next(map, table, next);
    }
    pawl_store_release(&map->resizing, 0u); /* H: the link above */
}

/* A table that is being moved to is not map->table yet: writers who worked there help the one before. */
static bool help_if_resizing(struct pawl_map *map, char *table, bool look)
{
    char *current = pawl_load_acquire(&map->table); /* T */

    if (PAWL_LIKELY(current == table && pawl_load_relaxed(&pawl_map_table_of_(table)->next) == NULL))
        return false; /* relaxed: a resize that has just begun is for the next writer */
    help(map, current, look, false);
    return true;
}

void pawl_map_inserted(struct pawl_map *map, char *table, bool look)
{
    if (PAWL_UNLIKELY(help_if_resizing(map, table, look)) || PAWL_LIKELY(!look))
        return;
    if (PAWL_UNLIKELY(pawl_map_size(map) > map_buckets(table) * MAP_GROW_AT))
        start(map, table, 2 * map_buckets(table));
}

void pawl_map_deleted(struct pawl_map *map, char *table, bool look)
{
    size_t buckets = map_buckets(table);

    if (PAWL_UNLIKELY(help_if_resizing(map, table, look)) || PAWL_LIKELY(!look) || buckets == map->floor)
        return;
    if (PAWL_UNLIKELY(pawl_map_size(map) < buckets * MAP_SHRINK_AT))
        start(map, table, buckets / 2);
}

bool pawl_map_help(struct pawl_map *map, size_t buckets)
{
    bool resizing;
    char *table;

    pawl_rcu_read_lock_in(map->rcu);
    for (size_t done = 0;; done += MAP_SMALLEST) {
        table = pawl_load_acquire(&map->table); /* T */
        /* relaxed: only compared; help() acquires it */
        resizing = pawl_load_relaxed(&pawl_map_table_of_(table)->next) != NULL;
        if (!resizing || done >= buckets)
            break;
        help(map, table, true, true);
    }
    pawl_rcu_read_unlock_in(map->rcu);
    return resizing;
}
