/* SPDX-License-Identifier: MIT */
/* Closures of the map for the model checker: linearizable, objects whole for who finds them, walks complete.
 *
 * The first argument says how the map is: digits, so many others are there before the keys, which stay; g, s: it has begun to
 * grow, or to shrink, and nothing has moved; =: all keys have the same hash, else the tags differ, and odd keys part from even
 * ones when the table grows; f: inserts find the table too full; n: there is no memory when the threads begin.
 * The others are what is done: first by one thread before the others begin, then by each of one to four threads at once.
 * A letter and the digit of a key: g get, b get_n, i insert, o get_or_insert, p put, r replace, d del; on the object that was
 * put in first with the key: c replace_object, x del_object. H0 help, W0 a walk, - nothing.
 * All keys are in bucket 0 of a table of two.
 *
 * The sources are included, without what they stand on: sections and counters, whose fences would hide orders that the map
 * lacks. What is retired is kept to the end: that nothing is freed under a reader is for the stress under ASan, and for the
 * closures of RCU. */
#define MAP_SMALLEST ((size_t)2)
#include <pawl/map.h>

#include <stdlib.h>

struct pawl_rcu pawl_rcu_default; /* not a working one */

static long load; /* what the counters say */
static __thread struct pawl_retired *retired_list;

#define pawl_rcu_read_lock_in(rcu) ((void)(rcu))
#define pawl_rcu_read_unlock_in(rcu) ((void)(rcu))
#define pawl_rcu_barrier_in(rcu) ((void)(rcu))
#define pawl_rcu_call_in(rcu, object, function) keep_retired((object), (function))
#define pawl_counter_init(counter) ((void)(counter), 0)
#define pawl_counter_destroy(counter) ((void)(counter))
#define pawl_counter_add(counter, n) ((void)(counter))
#define pawl_counter_read(counter) ((void)(counter), load)
#define pawl_hash_seed_init(seed) ((void)(seed), 0)

/* Hints, and the loads that they are made of: whatever those return decides nothing. */
#define __builtin_prefetch(address) ((void)sizeof(address)) /* NOLINT(bugprone-reserved-identifier) */

static void keep_retired(struct pawl_retired *retired, void (*reclaim)(struct pawl_retired *))
{
    retired->reclaim = reclaim;
    retired->link.next = retired_list != NULL ? &retired_list->link : NULL;
    retired_list = retired;
}

#include "../../../src/core/map/map.c"
#include "../../../src/core/map/map_resize.c"
#include "../../../src/core/map/map_walk.c"
#include "../../../src/core/map/map_write.c"
#include "../../../src/core/map/pages.c"

#include <pawl/lin.h>

#include <assert.h>
#include <pthread.h>

enum { MOST_OTHERS = 15 };

/* From the first argument. */
static int fills;
static bool grows, shrinks, same, full, runs_out;

enum { KEYS = 3, THREADS = 6, EACH = 4, MOST = THREADS * EACH + KEYS, OTHER = 100 };

struct object {
    uint64_t key;
    int work; /* plain: the map is all that orders it */
};

static struct object objects[MOST + 1], others[MOST_OTHERS];
static struct pawl_map map;
static struct pawl_lin history;
static struct pawl_lin_operation operations[MOST + KEYS];
static bool no_memory;

static uint64_t hash_for(uint64_t key)
{
    /* bit 63 is 0: bucket 0 of two; bit 62 says where when there are four */
    return same ? 1 : (key + 1) | (key & 1) << 62;
}

static bool object_equal(const void *object, const void *key)
{
    const struct object *it = object;

    assert(it->work == 1);
    return it->key == *(const uint64_t *)key;
}

static uint64_t object_hash(const void *object, const struct pawl_hash_seed *seed)
{
    (void)seed;
    return hash_for(((const struct object *)object)->key);
}

static void *take_memory(size_t bytes, void *context)
{
    (void)context;
    return no_memory ? NULL : memset(aligned_alloc(PAWL_CACHELINE_PAIR, bytes), 0, bytes);
}

static void give_memory(void *memory, size_t bytes, void *context)
{
    (void)bytes;
    (void)context;
    free(memory);
}

/* ---- the specification: as in stress_map.c ---- */

struct model {
    intptr_t value[KEYS];
};

static void init_model(void *state)
{
    memset(state, 0, sizeof(struct model));
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    struct model *model = state;
    intptr_t *value = &model->value[op->argument & 0xff];
    intptr_t fresh = op->argument >> 8 & 0xff, expected = op->argument >> 16, before = *value;
    bool hit = before != 0 && before == expected;

    if (op->result == -ENOMEM) /* only said when there was none, and then nothing was done */
        return runs_out && before == 0;
    switch (op->kind) {
    case 'g':
    case 'b':
        return op->result == before;
    case 'i':
    case 'o':
        *value = before != 0 ? before : fresh;
        return op->result == (op->kind == 'i' ? before : *value);
    case 'p':
        *value = fresh;
        return op->result == before;
    case 'r':
        *value = before != 0 ? fresh : 0;
        return op->result == before;
    case 'd':
        *value = 0;
        return op->result == before;
    case 'c':
        *value = hit ? fresh : before;
        return op->result == hit;
    default:
        *value = hit ? 0 : before;
        return op->result == hit;
    }
}

/* ---- the threads ---- */

static intptr_t number_of(const void *object)
{
    const struct object *it = object;

    if (it == NULL)
        return 0;
    assert(it->work == 1);
    return it - objects;
}

static intptr_t operate(int kind, uint64_t key, struct object *fresh, struct object *expected)
{
    uint64_t hash = hash_for(key);
    const void *keys[] = {&key};
    void *old = NULL;
    int status = 0;

    switch (kind) {
    case 'g':
        old = pawl_map_get_by(&map, hash, &key, object_equal);
        break;
    case 'b':
        pawl_map_get_n(&map, 1, &hash, keys, &old);
        break;
    case 'i':
        status = pawl_map_insert(&map, hash, &key, fresh, &old);
        break;
    case 'o':
        old = pawl_map_get_or_insert(&map, hash, &key, fresh);
        status = old == NULL ? -ENOMEM : 0;
        break;
    case 'p':
        status = pawl_map_put(&map, hash, &key, fresh, &old);
        break;
    case 'r':
        status = pawl_map_replace(&map, hash, &key, fresh, &old);
        break;
    case 'd':
        old = pawl_map_del(&map, hash, &key);
        break;
    case 'c':
        return pawl_map_replace_object(&map, hash, expected, fresh) == 0;
    default:
        return pawl_map_del_object(&map, hash, expected) == 0;
    }
    return status == -ENOMEM ? status : number_of(old);
}

static void count_other(void *object, void *argument)
{
    const struct object *it = object;
    int *seen = argument;

    assert(it->work == 1);
    if (it->key >= OTHER)
        seen[it->key - OTHER]++;
}

static void walk(void)
{
    struct pawl_map_cursor cursor = {0};
    int seen[MOST_OTHERS] = {0};

    while (pawl_map_walk(&map, &cursor, 1, count_other, seen)) {
    }
    for (int i = 0; i < fills; i++)
        assert(seen[i] == 1);
}

struct thread {
    const char *program;
    int first; /* the number of its first object */
    pthread_t id;
    struct pawl_retired *retired;
};

static void *run(void *argument)
{
    struct thread *me = argument;
    int number = me->first;

    for (const char *step = me->program; *step != '\0' && *step != '-'; step += 2) {
        uint64_t key = (uint64_t)(step[1] - '0');
        intptr_t expected = 1 +
                            (intptr_t)key; /* main's: the program that comes first puts keys in in order */
        size_t op;

        if (*step == 'H') {
            pawl_map_help(&map, 2);
        } else if (*step == 'W') {
            walk();
        } else {
            op = pawl_lin_call(&history, *step, (intptr_t)key | (intptr_t)number << 8 | expected << 16);
            objects[number] = (struct object){.key = key, .work = 1};
            pawl_lin_return(&history, op, operate(*step, key, &objects[number], &objects[expected]));
            number++;
        }
    }
    me->retired = retired_list;
    return NULL;
}

/* ---- before and after ---- */

static void fill_map(void)
{
    for (int i = 0; i < fills; i++) {
        others[i] = (struct object){.key = OTHER + (uint64_t)i, .work = 1};
        assert(pawl_map_insert(&map, hash_for(others[i].key), &others[i].key, &others[i], NULL) == 0);
    }
}

static void open_it(void)
{
    struct pawl_map_memory memory = {take_memory, give_memory, NULL};
    struct pawl_map_options options = {.equal = object_equal,
                                       .hash_of = object_hash,
                                       .memory = &memory,
                                       .entries = shrinks ? 20 : 0};

    assert(pawl_map_init(&map, &options) == 0);
    assert(map_buckets(pawl_load_relaxed(&map.table)) == (shrinks ? 4 : 2));
    map.floor = 2;
    load = shrinks ? 5 : 0; /* neither too many nor too few, unless asked for */
    fill_map();
}

static void begin_resize(void)
{
    if (grows)
        start(&map, pawl_load_relaxed(&map.table), 4);
    if (shrinks)
        start(&map, pawl_load_relaxed(&map.table), 2);
    load = full ? 100 : 4;
    no_memory = runs_out;
}

/* All that is in it is found, in the old place or the new one; then again when all has moved. */
static void look_at_all(void)
{
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < fills; i++)
            assert(pawl_map_get(&map, hash_for(others[i].key), &others[i].key) == &others[i]);
        for (int key = 0; key < KEYS; key++) {
            size_t op = pawl_lin_call(&history, 'g', key);

            pawl_lin_return(&history, op, operate('g', (uint64_t)key, &objects[0], &objects[0]));
        }
        no_memory = false;
        while (pawl_map_help(&map, 2)) {
        }
        walk();
    }
}

static void reclaim_all(struct pawl_retired *retired)
{
    while (retired != NULL) {
        struct pawl_retired *next = (struct pawl_retired *)(void *)retired->link.next;

        retired->reclaim(retired);
        retired = next;
    }
}

static void configure(const char *how)
{
    fills = atoi(how);
    grows = strchr(how, 'g') != NULL;
    shrinks = strchr(how, 's') != NULL;
    same = strchr(how, '=') != NULL;
    full = strchr(how, 'f') != NULL;
    runs_out = strchr(how, 'n') != NULL;
    assert(fills < MOST_OTHERS);
}

int main(int count, char **programs)
{
    static const struct pawl_lin_spec spec = {sizeof(struct model), init_model, apply};
    struct thread thread[THREADS + 2];

    assert(count >= 4 && count <= THREADS + 2);
    configure(programs[1]);
    open_it();
    pawl_lin_init(&history, operations, sizeof operations / sizeof operations[0]);
    for (int i = 2; i < count; i++)
        thread[i] = (struct thread){.program = programs[i], .first = 1 + (i - 2) * EACH};
    run(&thread[2]);
    begin_resize();
    for (int i = 3; i < count; i++)
        pthread_create(&thread[i].id, NULL, run, &thread[i]);
    for (int i = 3; i < count; i++)
        pthread_join(thread[i].id, NULL);
    look_at_all();
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
    for (int i = 3; i < count; i++)
        reclaim_all(thread[i].retired);
    reclaim_all(retired_list);
    pawl_map_destroy(&map);
    return 0;
}
