/* SPDX-License-Identifier: MIT */
/* The map of words: opening, and what happens to one key. */
#include "u64map.h"

#include <sys/random.h>
#include <time.h>

extern inline uint64_t pawl_u64map_hash_(const struct pawl_u64map *map, uint64_t key);
extern inline uint64_t pawl_u64map_home_(uint64_t hash, uint64_t lines);
extern inline struct pawl_u64map_line *pawl_u64map_line_(const struct pawl_u64map_table *table,
                                                         uint64_t line);
extern inline struct pawl_pair *pawl_u64map_cells_(const struct pawl_u64map_table *table);
extern inline bool pawl_u64map_hit_(const struct pawl_u64map_table *table, uint64_t hash, uint64_t *value);
extern inline void pawl_u64map_fetch_behind_(const struct pawl_u64map_table *table, uint64_t hash);
extern inline struct pawl_pair *pawl_u64map_live_(const struct pawl_u64map_table *table, uint64_t hash);
extern inline struct pawl_pair *pawl_u64map_near_(const struct pawl_u64map_table *table, uint64_t hash);
extern inline bool pawl_u64map_renew_(struct pawl_pair *cell, uint64_t hash, uint64_t value, uint64_t *old);
extern inline bool pawl_u64map_claim_(struct pawl_pair *cell, uint64_t hash, uint64_t value);
extern inline int pawl_u64map_put(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *old);
extern inline int pawl_u64map_get(const struct pawl_u64map *map, uint64_t key, uint64_t *value);
extern inline bool pawl_u64map_has(const struct pawl_u64map *map, uint64_t key);

/* ---- the map ---- */

/* The inverse modulo 2^64 by Newton's iteration: each turn doubles the bits that are right. */
static uint64_t inverse_of(uint64_t odd)
{
    uint64_t inverse = odd; /* three bits */

    for (int i = 0; i < 5; i++)
        inverse *= 2 - odd * inverse;
    return inverse;
}

/* splitmix64, by S. Vigna. */
static uint64_t scramble(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

int pawl_u64map_init_seeded(struct pawl_u64map *map, size_t entries, uint64_t seed)
{
    struct pawl_u64map_table *table;
    int status;

    if (entries > (size_t)1 << 48)
        return -EINVAL;
    table = pawl_u64map_table_open_(pawl_u64map_lines_(entries));
    if (table == NULL)
        return -ENOMEM;
    status = pawl_counter_init(&map->entries);
    if (status != 0) {
        pawl_u64map_table_free_(table);
        return status;
    }
    map->seed = scramble(&seed);
    for (int i = 0; i < 2; i++) {
        map->odd[i] = scramble(&seed) | 1;
        map->inverse[i] = inverse_of(map->odd[i]);
    }
    pawl_store_relaxed(&map->table, table); /* relaxed: nobody else has the map yet */
    return 0;
}

int pawl_u64map_init(struct pawl_u64map *map, size_t entries)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        seed = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)(uintptr_t)&now;
    }
    return pawl_u64map_init_seeded(map, entries, seed);
}

void pawl_u64map_destroy(struct pawl_u64map *map)
{
    struct pawl_u64map_table *table = pawl_load_relaxed(
        &map->table); /* relaxed: nobody else has the map any more */

    while (table != NULL) {
        struct pawl_u64map_table *next = successor(table);

        pawl_u64map_table_free_(table);
        table = next;
    }
    pawl_counter_destroy(&map->entries);
}

size_t pawl_u64map_size(const struct pawl_u64map *map)
{
    long entries = pawl_counter_read(&map->entries);

    return entries > 0 ? (size_t)entries : 0; /* a CPU may have counted what another has not yet */
}

size_t pawl_u64map_bytes(const struct pawl_u64map *map)
{
    size_t bytes = 0;

    pawl_rcu_read_lock();
    for (const struct pawl_u64map_table *t = pawl_rcu_dereference(&map->table); t != NULL; t = successor(t))
        bytes += t->bytes;
    pawl_rcu_read_unlock();
    return bytes;
}

int pawl_u64map_reserve(struct pawl_u64map *map, size_t entries)
{
    uint64_t lines = pawl_u64map_lines_(entries);

    if (entries > (size_t)1 << 48)
        return -EINVAL;
    /* Another turn: a block is moved, or another table has become the last one. */
    for (;;) {
        struct pawl_u64map_table *table;
        int status = 1;

        pawl_rcu_read_lock();
        table = pawl_rcu_dereference(&map->table);
        if (successor(table) != NULL)
            status = pawl_u64map_help_(map, table) == 0 ? 1 : -ENOMEM;
        else if (table->lines >= lines)
            status = 0;
        else if (pawl_u64map_succeed_(table, lines) == NULL)
            status = -ENOMEM;
        pawl_rcu_read_unlock();
        if (status <= 0)
            return status;
    }
}

/* ---- reads ---- */

/* A line is judged by words that are read once: a cell that is found claimed has been compared with the key,
 * or the key would be claimed twice. Without branches between them, as which it is cannot be predicted. */
struct pawl_pair *pawl_u64map_seek_(const struct pawl_u64map_table *table, uint64_t hash)
{
    const uint64_t key = hash << SHIFT | CLAIMED;
    const uint64_t home = pawl_u64map_home_(hash, table->cells);
    const uint64_t first = home % CELLS;
    uint64_t line = home / CELLS;

    for (uint64_t left = table->reach; left > 0; left--) {
        struct pawl_pair *cell = pawl_u64map_line_(table, line)->cell;
        /* in the order in which the key tries them; relaxed: an old look will do */
        uint64_t a = pawl_pair_lo(&cell[first], __ATOMIC_RELAXED) & ~(LIVE | FROZEN);
        uint64_t b = pawl_pair_lo(&cell[first ^ 1], __ATOMIC_RELAXED) & ~(LIVE | FROZEN);
        uint64_t c = pawl_pair_lo(&cell[first ^ 2], __ATOMIC_RELAXED) & ~(LIVE | FROZEN);
        uint64_t d = pawl_pair_lo(&cell[first ^ 3], __ATOMIC_RELAXED) & ~(LIVE | FROZEN);
        uint64_t at = (uint64_t)(b == key) + 2 * (uint64_t)(c == key) + 3 * (uint64_t)(d == key);

        if (at == 0 && a != key) /* the first that is not claimed */
            at = ((a & CLAIMED) + (a & b & CLAIMED) + (a & b & c & CLAIMED) + (a & b & c & d & CLAIMED)) /
                 CLAIMED;
        if (at < CELLS)
            return &cell[first ^ at];
        if (++line == table->lines)
            line = 0;
    }
    return NULL;
}

int pawl_u64map_find_(const struct pawl_u64map_table *table, uint64_t hash, uint64_t *value)
{
    uint64_t last = 0;
    bool present = false; /* by the last frozen cell of the key */

    do {
        struct pawl_pair *cell, seen;
        enum place place = walk(table, hash, &cell, &seen);

        if (place == MATCH) {
            present = (seen.lo & LIVE) != 0;
            last = seen.hi;
        }
        if (place != FULL && (seen.lo & FROZEN) == 0)
            break;
        table = successor(table);
    } while (table != NULL);
    if (!present)
        return -ENOENT;
    *value = last;
    return 0;
}

int pawl_u64map_find_and_leave_(const struct pawl_u64map_table *table, uint64_t hash, uint64_t *value)
{
    int status = pawl_u64map_find_(table, hash, value);

    pawl_rcu_read_unlock();
    return status;
}

int pawl_u64map_get_inside_(const struct pawl_u64map *map, uint64_t key, uint64_t *value)
{
    int status;

    pawl_rcu_read_lock();
    status = get_from(pawl_rcu_dereference(&map->table), pawl_u64map_hash_(map, key), value);
    pawl_rcu_read_unlock();
    return status;
}

/* ---- changes ---- */

enum kind { INSERT, PUT, REPLACE, GET_OR_INSERT, FETCH_ADD, ADD, CAS, DEL, DEL_IF, UPDATE };

struct request {
    uint64_t value, expected;
    enum pawl_u64map_verdict (*judge)(bool present, uint64_t *value, void *argument);
    void *argument;
    uint64_t old; /* out: what was there */
};

/* What shall happen to a key that is present with the value *value, or absent. */
static inline __attribute__((always_inline)) enum pawl_u64map_verdict verdict_on(enum kind kind,
                                                                                 struct request *request,
                                                                                 bool present,
                                                                                 uint64_t *value)
{
    request->old = *value;
    switch (kind) {
    case INSERT:
    case GET_OR_INSERT:
        *value = request->value;
        return present ? PAWL_U64MAP_KEEP : PAWL_U64MAP_STORE;
    case PUT:
        *value = request->value;
        return PAWL_U64MAP_STORE;
    case REPLACE:
        *value = request->value;
        return present ? PAWL_U64MAP_STORE : PAWL_U64MAP_KEEP;
    case FETCH_ADD:
        *value += request->value;
        return present ? PAWL_U64MAP_STORE : PAWL_U64MAP_KEEP;
    case ADD:
        *value = present ? *value + request->value : request->value;
        return PAWL_U64MAP_STORE;
    case CAS:
        if (!present || *value != request->expected)
            return PAWL_U64MAP_KEEP;
        *value = request->value;
        return PAWL_U64MAP_STORE;
    case DEL:
        return present ? PAWL_U64MAP_REMOVE : PAWL_U64MAP_KEEP;
    case DEL_IF:
        return present && *value == request->expected ? PAWL_U64MAP_REMOVE : PAWL_U64MAP_KEEP;
    case UPDATE:
        if (!present)
            *value = 0;
        switch (request->judge(present, value, request->argument)) {
        case PAWL_U64MAP_STORE:
            return PAWL_U64MAP_STORE;
        case PAWL_U64MAP_REMOVE:
            return present ? PAWL_U64MAP_REMOVE : PAWL_U64MAP_KEEP;
        default:
            return PAWL_U64MAP_KEEP;
        }
    }
    return PAWL_U64MAP_KEEP;
}

/* The cell has changed from absent or present to what it is now. */
static inline void account(struct pawl_u64map *map, struct pawl_u64map_table *table, uint64_t hash,
                           bool fresh, bool was_live, bool was_present, bool live)
{
    if (live != was_present)
        pawl_counter_add(&map->entries, live ? 1 : -1);
    if (fresh)
        pawl_u64map_count_claimed_(table, hash, live);
    else if (live != was_live)
        pawl_u64map_count_dead_(map, table, hash, live ? -1 : 1);
}

/* Inside a section. 1: the key was present; 0: absent; -ENOMEM. */
static inline __attribute__((always_inline)) int change(struct pawl_u64map *map, uint64_t hash,
                                                        enum kind kind, struct request *request)
{
    struct pawl_u64map_table *table = pawl_rcu_dereference(&map->table);
    uint64_t last = 0;
    bool present = false; /* by the last frozen cell of the key, whose value is `last` */

    pawl_u64map_fetch_behind_(table, hash);
    if (PAWL_UNLIKELY(successor(table) != NULL))
        (void)pawl_u64map_help_(map, table); /* no memory: others will try again */
    /* Another turn: on to the next table, or another thread has changed or frozen the cell. */
    for (;;) {
        struct pawl_pair *cell = NULL, seen = {0, 0}, desired;
        enum place place = walk(table, hash, &cell, &seen);
        enum pawl_u64map_verdict verdict;

        if (place == MATCH) {
            present = (seen.lo & LIVE) != 0;
            last = seen.hi;
        }
        if (PAWL_UNLIKELY(place != FULL && (seen.lo & FROZEN) != 0)) {
            table = successor(table);
            continue;
        }
        desired.hi = last;
        verdict = verdict_on(kind, request, present, &desired.hi);
        if (verdict == PAWL_U64MAP_KEEP && (place != FULL || successor(table) == NULL))
            return present;
        if (PAWL_UNLIKELY(place == FULL)) {
            table = pawl_u64map_succeed_(table, 2 * table->lines);
            if (table == NULL)
                return -ENOMEM;
            continue;
        }
        if (PAWL_UNLIKELY(successor(table) != NULL)) {
            /* A change goes to the successor: the table shall become still. If another key took the cell, it moves
             * too. */
            (void)freeze(is_still(table), cell);
            continue;
        }
        desired.lo = hash << SHIFT | CLAIMED | LIVE;
        if (verdict == PAWL_U64MAP_REMOVE) {
            desired.lo &= ~LIVE;
            desired.hi = last; /* a reader may have seen the word live, and be about to read the value */
        }
        /* release W: with who reads the value; acquire: what its last writer did, for who gets it as `old` */
        if (PAWL_LIKELY(pawl_cas_pair_acq_rel(cell, &seen, desired))) {
            account(map, table, hash, place == END, (seen.lo & LIVE) != 0, present,
                    verdict == PAWL_U64MAP_STORE);
            return present;
        }
    }
}

static inline __attribute__((always_inline)) int ask(struct pawl_u64map *map, uint64_t key, enum kind kind,
                                                     struct request *request)
{
    uint64_t hash = pawl_u64map_hash_(map, key);
    int status;

    pawl_rcu_read_lock();
    status = change(map, hash, kind, request);
    pawl_rcu_read_unlock();
    return status;
}

static inline void give(uint64_t *old, const struct request *request)
{
    if (old != NULL)
        *old = request->old;
}

/* ---- changes that the home line settles ----
 *
 * What most are. change() would do the same, but with more instructions: of these fewer changes are under way at once, whose misses
 * overlap where a locked instruction does not stop what is behind it. */

/* Of the cells of its home line, in the order in which the key tries them, the first that is its or not claimed; NULL if there
 * is none, or if the table has a successor. By words that are read once, like pawl_u64map_seek_(). Rarely it is another's cell, whose
 * word has no bits but those of the key's. */
static inline struct pawl_pair *settled_at(const struct pawl_u64map_table *table, uint64_t hash)
{
    const uint64_t others = ~(hash << SHIFT | CLAIMED | LIVE | FROZEN);
    const uint64_t home = pawl_u64map_home_(hash, table->cells);
    struct pawl_pair *cell = pawl_u64map_cells_(table);

    /* relaxed: who does not see a successor yet leaves the moving to others */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&table->next) != NULL))
        return NULL;
    for (unsigned i = 0; i < CELLS; i++) /* relaxed: an old look will do */
        if ((pawl_pair_lo(&cell[home ^ i], __ATOMIC_RELAXED) & others) == 0)
            return &cell[home ^ i];
    return NULL;
}

static inline void count_fresh(struct pawl_u64map *map, struct pawl_u64map_table *table, uint64_t hash)
{
    pawl_counter_add(&map->entries, 1);
    if (PAWL_UNLIKELY((hash & table->sample) == 0))
        pawl_u64map_count_claimed_(table, hash, true);
}

int pawl_u64map_claimed_and_leave_(struct pawl_u64map *map, struct pawl_u64map_table *table, uint64_t hash)
{
    count_fresh(map, table, hash);
    pawl_rcu_read_unlock();
    return 0;
}

int pawl_u64map_insert(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *old)
{
    uint64_t hash = pawl_u64map_hash_(map, key);
    struct request r = {.value = value};
    struct pawl_u64map_table *table;
    struct pawl_pair *cell;
    int status = 0;

    pawl_rcu_read_lock();
    table = pawl_rcu_dereference(&map->table);
    pawl_u64map_fetch_behind_(table, hash);
    cell = settled_at(table, hash);
    if (cell != NULL && pawl_u64map_claim_(cell, hash, value))
        count_fresh(map, table, hash);
    else
        status = change(map, hash, INSERT, &r);
    pawl_rcu_read_unlock();
    if (status <= 0)
        return status;
    give(old, &r);
    return -EEXIST;
}

static __attribute__((noinline)) int put_unsettled(struct pawl_u64map *map, uint64_t hash, uint64_t value,
                                                   uint64_t *old)
{
    struct request r = {.value = value};
    int status = change(map, hash, PUT, &r);

    pawl_rcu_read_unlock();
    if (status == 1)
        give(old, &r);
    return status;
}

int pawl_u64map_put_and_leave_(struct pawl_u64map *map, uint64_t hash, uint64_t value, uint64_t *old)
{
    struct pawl_u64map_table *table = pawl_rcu_dereference(&map->table);
    struct pawl_pair *cell = settled_at(table, hash);
    uint64_t was;

    if (cell == NULL)
        return put_unsettled(map, hash, value, old);
    if (pawl_u64map_claim_(cell, hash, value))
        return pawl_u64map_claimed_and_leave_(map, table, hash);
    if (!pawl_u64map_renew_(cell, hash, value, &was)) /* dead, frozen, another's, or changed just now */
        return put_unsettled(map, hash, value, old);
    pawl_rcu_read_unlock();
    if (old != NULL)
        *old = was;
    return 1;
}

int pawl_u64map_put_inside_(struct pawl_u64map *map, uint64_t hash, uint64_t value, uint64_t *old)
{
    pawl_rcu_read_lock();
    return pawl_u64map_put_and_leave_(map, hash, value, old);
}

/* 1 and 0 as they are told: done, or there is no such key. */
static inline int if_present(int status, uint64_t *old, const struct request *r)
{
    if (status < 0)
        return status;
    if (status == 0)
        return -ENOENT;
    give(old, r);
    return 0;
}

int pawl_u64map_replace(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *old)
{
    struct request r = {.value = value};

    return if_present(ask(map, key, REPLACE, &r), old, &r);
}

int pawl_u64map_get_or_insert(struct pawl_u64map *map, uint64_t key, uint64_t value, uint64_t *now)
{
    struct request r = {.value = value};
    int status = ask(map, key, GET_OR_INSERT, &r);

    if (status >= 0)
        *now = status == 1 ? r.old : value;
    return status;
}

int pawl_u64map_fetch_add(struct pawl_u64map *map, uint64_t key, uint64_t n, uint64_t *old)
{
    struct request r = {.value = n};

    return if_present(ask(map, key, FETCH_ADD, &r), old, &r);
}

int pawl_u64map_add(struct pawl_u64map *map, uint64_t key, uint64_t n, uint64_t *old)
{
    struct request r = {.value = n};
    int status = ask(map, key, ADD, &r);

    if (status == 1)
        give(old, &r);
    return status;
}

int pawl_u64map_cas(struct pawl_u64map *map, uint64_t key, uint64_t *expected, uint64_t desired)
{
    struct request r = {.value = desired, .expected = *expected};
    int status = if_present(ask(map, key, CAS, &r), NULL, &r);

    if (status != 0 || r.old == *expected)
        return status;
    *expected = r.old;
    return -EAGAIN;
}

int pawl_u64map_del(struct pawl_u64map *map, uint64_t key, uint64_t *old)
{
    struct request r = {0};

    return if_present(ask(map, key, DEL, &r), old, &r);
}

int pawl_u64map_del_if(struct pawl_u64map *map, uint64_t key, uint64_t expected)
{
    struct request r = {.expected = expected};
    int status = if_present(ask(map, key, DEL_IF, &r), NULL, &r);

    return status != 0 || r.old == expected ? status : -EAGAIN;
}

int pawl_u64map_update(struct pawl_u64map *map, uint64_t key,
                       enum pawl_u64map_verdict (*judge)(bool present, uint64_t *value, void *argument),
                       void *argument)
{
    struct request r = {.judge = judge, .argument = argument};

    return ask(map, key, UPDATE, &r);
}
