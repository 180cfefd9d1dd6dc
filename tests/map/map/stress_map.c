/* SPDX-License-Identifier: MIT */
/* The map under many threads: what stays is always found and visited once, what goes is handed out once, and recorded
 * histories are linearizable, while it grows and shrinks. The seed is printed; PAWL_MAP_SEED repeats it. */
#include "map_test.h"

#if WITH_LIN /* the checker's library is not built with every sanitizer */
#include <pawl/lin.h>
#endif

enum { STAYS = 300, RANGE = 6000, THREADS = 6 };

static uint64_t seed(void)
{
    const char *given = getenv("PAWL_MAP_SEED");
    uint64_t value = given != NULL ? strtoull(given, NULL, 0) : monotonic_ns();

    print_message("PAWL_MAP_SEED=%llu\n", (unsigned long long)value);
    return value | 1;
}

/* ---- churn ---- */

struct churn {
    struct pawl_map *map;
    PAWL_ATOMIC(int) over;
    PAWL_ATOMIC(long) balance; /* inserts less deletes */
    PAWL_ATOMIC(long) walks;
};

struct worker {
    struct churn *churn;
    uint64_t random;
    int number, turns;
};

/* The first STAYS numbers always find somebody, who may be replaced meanwhile. */
static void replace_one(struct churn *churn, uint64_t number)
{
    uint64_t hash = hash_of(churn->map, number);
    struct item *item = make_item(number, hash);
    void *old;

    assert_int_equal(pawl_map_put(churn->map, hash, &number, item, &old), 0);
    assert_non_null(old);
    assert_int_equal(((struct item *)old)->number, number);
    retire_item(old);
}

/* Waves: some turns mostly insert, some mostly delete, so that the map grows and shrinks all the time. */
static void *write_much(void *argument)
{
    struct worker *me = argument;
    struct churn *churn = me->churn;

    for (int i = 0; i < me->turns; i++) {
        uint64_t r = map_random(&me->random);
        uint64_t number = STAYS + r % RANGE;
        bool inserts = (i / (2 * RANGE) % 2 == 0) == (r >> 60 != 0);

        if ((r >> 40 & 31) == 0)
            replace_one(churn, r % STAYS);
        if (inserts && insert(churn->map, number) == 0)
            pawl_fetch_add_relaxed(&churn->balance, 1);
        else if (!inserts && del(churn->map, number))
            pawl_fetch_sub_relaxed(&churn->balance, 1);
    }
    return NULL;
}

static void *read_much(void *argument)
{
    struct worker *me = argument;
    struct churn *churn = me->churn;
    uint64_t numbers[20], hashes[20];
    const void *keys[20];
    void *objects[20];

    while (pawl_load_relaxed(&churn->over) == 0) {
        uint64_t number = map_random(&me->random) % (STAYS + RANGE);

        assert_true(get(churn->map, number) != NULL || number >= STAYS);
        for (int i = 0; i < 20; i++) {
            numbers[i] = map_random(&me->random) % (2 * STAYS);
            hashes[i] = hash_of(churn->map, numbers[i]);
            keys[i] = &numbers[i];
        }
        pawl_rcu_read_lock();
        pawl_map_get_n(churn->map, 20, hashes, keys, objects);
        for (int i = 0; i < 20; i++) {
            const struct item *item = objects[i];

            assert_true(item != NULL || numbers[i] >= STAYS);
            if (item != NULL)
                assert_true(item->number == numbers[i] && item->state == IN_USE);
        }
        pawl_rcu_read_unlock();
    }
    return NULL;
}

static void tally_visit(void *object, void *argument)
{
    const struct item *item = object;
    unsigned char *seen = argument;

    assert_int_equal(item->state, IN_USE);
    if (item->number < STAYS)
        seen[item->number]++;
}

static void *walk_much(void *argument)
{
    struct worker *me = argument;
    struct churn *churn = me->churn;
    bool more;

    while (pawl_load_relaxed(&churn->over) == 0) {
        struct pawl_map_cursor cursor = {0};
        unsigned char seen[STAYS] = {0};

        do { /* a section a step */
            pawl_rcu_read_lock();
            more = pawl_map_walk(churn->map, &cursor, 1 + map_random(&me->random) % 50, tally_visit, seen);
            pawl_rcu_read_unlock();
        } while (more);
        for (int i = 0; i < STAYS; i++)
            assert_int_equal(seen[i], 1);
        pawl_fetch_add_relaxed(&churn->walks, 1);
    }
    return NULL;
}

static void what_stays_is_always_found_and_visited_once(void **state)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct ration ration = {0};
    struct pawl_map_counts stats;
    struct pawl_map map;
    struct churn churn = {.map = &map};
    uint64_t random = seed();

    (void)state;
    expect_end_within(600);
    open_map(&map, &ration);
    for (uint64_t i = 0; i < STAYS; i++)
        assert_int_equal(insert(&map, i), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){&churn, random * (uint64_t)(2 * i + 1), i, rounds(120000)};
        threads[i] = start(i < 3 ? write_much : i < 5 ? read_much : walk_much, &workers[i]);
    }
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    pawl_store_relaxed(&churn.over, 1);
    for (int i = 3; i < THREADS; i++)
        join(threads[i]);
    pawl_map_stats(&map, &stats);
    assert_int_equal(stats.entries, STAYS + pawl_load_relaxed(&churn.balance));
    assert_in_range(stats.resizes, 1, UINT64_MAX);
    print_message("%llu resizes, %ld walks\n", (unsigned long long)stats.resizes,
                  pawl_load_relaxed(&churn.walks));
    close_map(&map);
    assert_int_equal(pawl_load_relaxed(&ration.bytes), 0);
}

/* ---- many threads at few keys ---- */

struct race {
    struct pawl_map *map;
    PAWL_ATOMIC(long) made, handed_out, replaced;
};

static void hand_out(struct race *race, struct item *item)
{
    if (item == NULL)
        return;
    pawl_fetch_add_relaxed(&race->handed_out, 1);
    retire_item(item);
}

/* Everything that can be done with a key; what is handed out is counted, and freed: twice would be found out. */
static void *quarrel(void *argument)
{
    struct worker *me = argument;
    struct race *race = (struct race *)(void *)me->churn;

    for (int i = 0; i < me->turns; i++) {
        uint64_t r = map_random(&me->random), number = r % 3, hash = r % 2 == 0 ? 0 : 5;
        struct item *item = make_item(number + hash, hash);
        void *old = NULL;
        bool in = false;

        number = item->number;
        pawl_rcu_read_lock();
        switch (r >> 60 & 7) {
        case 0:
        case 1:
            in = pawl_map_put(race->map, hash, &number, item, &old) == 0;
            break;
        case 2:
            in = pawl_map_insert(race->map, hash, &number, item, NULL) == 0;
            break;
        case 3:
            in = pawl_map_replace(race->map, hash, &number, item, &old) == 0;
            break;
        case 4:
            in = pawl_map_get_or_insert(race->map, hash, &number, item) == item;
            break;
        case 5:
            old = pawl_map_get(race->map, hash, &number);
            in = old != NULL && pawl_map_replace_object(race->map, hash, old, item) == 0;
            old = in ? old : NULL;
            break;
        case 6:
            old = pawl_map_get(race->map, hash, &number);
            if (old != NULL && pawl_map_del_object(race->map, hash, old) != 0)
                old = NULL;
            break;
        default:
            old = pawl_map_del(race->map, hash, &number);
        }
        pawl_rcu_read_unlock();
        hand_out(race, old);
        if (in)
            pawl_fetch_add_relaxed(&race->made, 1);
        else
            free(item);
    }
    return NULL;
}

static void every_object_is_handed_out_once(void **state)
{
    struct worker workers[4];
    pthread_t threads[4];
    struct pawl_map map;
    struct race race = {.map = &map};
    uint64_t random = seed();

    (void)state;
    expect_end_within(600);
    open_map(&map, NULL);
    for (uint64_t i = 100; i < 104; i++)
        assert_int_equal(insert_at(&map, i, 0), 0); /* so that the others overflow now and then */
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){(struct churn *)(void *)&race, random * (uint64_t)(2 * i + 1), i,
                                     rounds(60000)};
        threads[i] = start(quarrel, &workers[i]);
    }
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    assert_int_equal(pawl_map_size(&map),
                     4 + pawl_load_relaxed(&race.made) - pawl_load_relaxed(&race.handed_out));
    close_map(&map);
}

/* A number that is kept in objects that nobody changes: counting is compare and replace. */
static void *count_up(void *argument)
{
    struct worker *me = argument;
    struct race *race = (struct race *)(void *)me->churn;
    uint64_t key = 0;

    for (int i = 0; i < me->turns;) {
        struct item *item = make_item(0, 0), *seen;

        pawl_rcu_read_lock();
        seen = pawl_map_get(race->map, 0, &key);
        item->state = seen->state + 1;
        if (pawl_map_replace_object(race->map, 0, seen, item) == 0) {
            pawl_rcu_call(&seen->retired, free_item);
            i++;
        } else {
            free(item);
        }
        pawl_rcu_read_unlock();
    }
    return NULL;
}

static void compare_and_replace_loses_no_update(void **state)
{
    struct worker workers[4];
    pthread_t threads[4];
    struct pawl_map map;
    struct race race = {.map = &map};
    uint64_t key = 0;
    struct item *last;

    (void)state;
    expect_end_within(600);
    open_map(&map, NULL);
    last = make_item(0, 0);
    last->state = 0;
    assert_int_equal(pawl_map_insert(&map, 0, &key, last, NULL), 0);
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){(struct churn *)(void *)&race, 0, i, rounds(10000)};
        threads[i] = start(count_up, &workers[i]);
    }
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    last = pawl_map_del(&map, 0, &key);
    assert_int_equal(last->state, 4 * rounds(10000));
    free(last);
    close_map(&map);
}

#if WITH_LIN

/* ---- linearizability of recorded histories ---- */

enum { LIN_THREADS = 3, LIN_EACH = 8, LIN_KEYS = 2, FILL = 64 };
enum { GET, INSERT, PUT, REPLACE, DEL, CAS, DEL_OBJECT, KINDS };

/* argument: the key, the new object's number and the expected one's, a byte each. Results are numbers of objects, 0 for
 * none; of CAS and DEL_OBJECT 1 or 0. */
struct lin_model {
    intptr_t value[LIN_KEYS];
};

static void lin_init(void *state)
{
    memset(state, 0, sizeof(struct lin_model));
}

static bool lin_apply(void *state, const struct pawl_lin_operation *op)
{
    struct lin_model *model = state;
    intptr_t *value = &model->value[op->argument & 0xff];
    intptr_t fresh = op->argument >> 8 & 0xff, expected = op->argument >> 16 & 0xff, before = *value;
    bool hit = before != 0 && before == expected;

    switch (op->kind) {
    case GET:
        return op->result == before;
    case INSERT:
        *value = before != 0 ? before : fresh;
        return op->result == before;
    case PUT:
        *value = fresh;
        return op->result == before;
    case REPLACE:
        *value = before != 0 ? fresh : 0;
        return op->result == before;
    case DEL:
        *value = 0;
        return op->result == before;
    case CAS:
        *value = hit ? fresh : before;
        return op->result == hit;
    default:
        *value = hit ? 0 : before;
        return op->result == hit;
    }
}

struct lin_run {
    struct pawl_map *map;
    struct pawl_lin *history;
    PAWL_ATOMIC(int) * ready;
    struct item *items; /* of all threads, by number */
    int number;
    uint64_t random;
};

static intptr_t number_of(const struct lin_run *me, const void *object)
{
    return object == NULL ? 0 : (const struct item *)object - me->items;
}

static intptr_t lin_operation(const struct lin_run *me, int kind, uint64_t key, struct item *fresh,
                              struct item *expected)
{
    void *old = NULL;
    int status = 0;

    switch (kind) {
    case GET:
        old = pawl_map_get(me->map, fresh->hash, &key);
        break;
    case INSERT:
        status = pawl_map_insert(me->map, fresh->hash, &key, fresh, &old);
        break;
    case PUT:
        status = pawl_map_put(me->map, fresh->hash, &key, fresh, &old);
        break;
    case REPLACE:
        status = pawl_map_replace(me->map, fresh->hash, &key, fresh, &old);
        break;
    case DEL:
        old = pawl_map_del(me->map, fresh->hash, &key);
        break;
    case CAS:
        return pawl_map_replace_object(me->map, fresh->hash, expected, fresh) == 0;
    default:
        return pawl_map_del_object(me->map, fresh->hash, expected) == 0;
    }
    assert_int_not_equal(status, -ENOMEM);
    return number_of(me, old);
}

static void *lin_thread(void *argument)
{
    struct lin_run *me = argument;

    pawl_fetch_add_relaxed(me->ready, 1);
    while (pawl_load_relaxed(me->ready) != LIN_THREADS)
        sched_yield();
    pawl_rcu_read_lock();
    for (int i = 0; i < LIN_EACH; i++) {
        uint64_t r = map_random(&me->random);
        int kind = (int)(r >> 32 & 0xff) % KINDS, mine = 1 + me->number * LIN_EACH + i;
        /* an object with the same key, which nobody has put in yet, or somebody has taken out, or not */
        int expected = 1 + (mine + (int)(r >> 8 & 0xff) * LIN_KEYS - 1) % (LIN_THREADS * LIN_EACH);
        uint64_t key = me->items[mine].number;
        size_t op;

        op = pawl_lin_call(me->history, kind, (intptr_t)key | mine << 8 | expected << 16);
        pawl_lin_return(me->history, op,
                        lin_operation(me, kind, key, &me->items[mine], &me->items[expected]));
    }
    pawl_rcu_read_unlock();
    return NULL;
}

/* The keys stand in one chain behind others, or between them, in a map that is just about to resize. */
static void fill(struct pawl_map *map, struct item *items, uint64_t *random)
{
    struct pawl_map_counts stats = {0};
    uint64_t hash = map_random(random) % 2 == 0 ? 0 : map_random(random);

    for (int i = 0; i <= LIN_THREADS * LIN_EACH; i++)
        items[i] = (struct item){.number = (uint64_t)i % LIN_KEYS, .hash = hash, .state = IN_USE};
    for (uint64_t i = 0; i < FILL && !stats.resizing; i++) {
        struct item *item = &items[LIN_THREADS * LIN_EACH + 1 + i];
        uint64_t number = 1000 + i;

        *item = (struct item){.number = number, .state = IN_USE};
        item->hash = i < map_random(random) % 16 ? hash : map_random(random);
        assert_int_equal(pawl_map_insert(map, item->hash, &number, item, NULL), 0);
        pawl_map_stats(map, &stats);
    }
}

static void histories_are_linearizable(void **state)
{
    static const struct pawl_lin_spec spec = {sizeof(struct lin_model), lin_init, lin_apply};
    struct pawl_lin_operation operations[LIN_THREADS * LIN_EACH];
    struct item items[LIN_THREADS * LIN_EACH + 1 + FILL];
    uint64_t random = seed();

    (void)state;
    expect_end_within(600);
    for (int round = 0; round < rounds(1500); round++) {
        struct lin_run runs[LIN_THREADS];
        struct pawl_lin history;
        PAWL_ATOMIC(int) ready = 0;
        pthread_t threads[LIN_THREADS];
        struct pawl_map map;

        open_map(&map, NULL);
        fill(&map, items, &random);
        pawl_lin_init(&history, operations, LIN_THREADS * LIN_EACH);
        for (int i = 0; i < LIN_THREADS; i++) {
            runs[i] = (struct lin_run){&map, &history, &ready, items, i, map_random(&random)};
            threads[i] = start(lin_thread, &runs[i]);
        }
        for (int i = 0; i < LIN_THREADS; i++)
            join(threads[i]);
        assert_int_equal(pawl_lin_check(&history, &spec, NULL, NULL), 0);
        pawl_map_destroy(&map);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stays_is_always_found_and_visited_once),
        cmocka_unit_test(every_object_is_handed_out_once),
        cmocka_unit_test(compare_and_replace_loses_no_update),
#if WITH_LIN
        cmocka_unit_test(histories_are_linearizable),
#endif
    };

    return cmocka_run_group_tests_name("map stress", tests, NULL, NULL);
}
