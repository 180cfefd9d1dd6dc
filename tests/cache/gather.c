/* SPDX-License-Identifier: MIT */
/* What was overwritten, deleted or flushed makes room: less memory is taken, and where nothing may be evicted sets go on. */
#include "store_place.h"

#include "store_inner.h"

#include <pawl/rcu.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { BYTES = 300, LARGE = 500000 };

static struct cache_key named(const struct fixture *f, char *text, size_t room, const char *prefix,
                              int number)
{
    snprintf(text, room, "%s%d", prefix, number);
    return key_of(f, text);
}

static enum cache_result set(const struct fixture *f, const char *prefix, int number, uint32_t bytes)
{
    static __thread char value[LARGE];
    struct cache_change change = {.mode = CACHE_SET, .value = value, .value_bytes = bytes};
    char text[32];
    const struct cache_key key = named(f, text, sizeof text, prefix, number);

    memset(value, number % 251, bytes);
    return cache_store_item(f->session, &key, &change);
}

static void del(const struct fixture *f, const char *prefix, int number)
{
    char text[32];
    const struct cache_key key = named(f, text, sizeof text, prefix, number);

    assert_int_equal(cache_delete(f->session, &key, 0), CACHE_STORED);
}

static void expect(const struct fixture *f, const char *prefix, int number)
{
    char text[32], value[BYTES];
    const struct cache_key key = named(f, text, sizeof text, prefix, number);
    const struct cache_item *item;

    memset(value, number % 251, sizeof value);
    pawl_rcu_read_lock();
    item = cache_find(f->session, &key);
    assert_non_null(item);
    assert_int_equal(cache_item_value_bytes(item), BYTES);
    assert_memory_equal(cache_item_value(item), value, BYTES);
    pawl_rcu_read_unlock();
}

/* Returns how many there are. */
static int fill(const struct fixture *f, const char *prefix)
{
    int count = 0;

    while (set(f, prefix, count, BYTES) == CACHE_STORED)
        count++;
    return count;
}

static struct cache_figures figures_of(const struct fixture *f)
{
    struct cache_figures figures;

    cache_figures(f->store, &figures);
    return figures;
}

/* ---- where nothing is evicted ---- */

static void deleted_of_a_hundred(int deleted)
{
    const struct fixture f = open_store(8 * MIB, true);
    const int count = fill(&f, "key");
    int again;

    assert_in_range(count, 20000, 30000);
    for (int i = 0; i < count; i++)
        if (i % 100 < deleted)
            del(&f, "key", i);
    again = fill(&f, "again");
    /* All but what is dead in segments of which less than an eighth is, and what is kept free. */
    assert_in_range(again, count / 100 * (deleted - 10), count);
    for (int i = 0; i < count; i++)
        if (i % 100 >= deleted)
            expect(&f, "key", i);
    for (int i = 0; i < again; i++)
        expect(&f, "again", i);
    assert_int_equal(figures_of(&f).evictions, 0);
    close_store(f);
}

void without_eviction_what_is_deleted_makes_room(void **state)
{
    (void)state;
    deleted_of_a_hundred(100);
    deleted_of_a_hundred(80);
    deleted_of_a_hundred(50);
    deleted_of_a_hundred(20);
}

void without_eviction_what_is_overwritten_makes_room(void **state)
{
    const struct fixture f = open_store(8 * MIB, true);
    const int count = fill(&f, "key") * 3 / 4;
    uint64_t random = seed;

    (void)state;
    for (int i = count; i < count / 3 * 4; i++)
        del(&f, "key", i);
    for (int i = 0; i < 20 * count; i++)
        assert_int_equal(set(&f, "key", (int)random_below(&random, (uint32_t)count), BYTES), CACHE_STORED);
    for (int i = 0; i < count; i++)
        expect(&f, "key", i);
    assert_int_equal(figures_of(&f).evictions, 0);
    close_store(f);
}

/* One has memory for itself, which nobody else can use. */
void without_eviction_a_large_value_can_be_replaced_again_and_again(void **state)
{
    enum { TIMES = 100 };
    const struct fixture f = open_store(8 * MIB, true);
    const struct cache_key key = key_of(&f, "pieces");

    (void)state;
    for (int i = 0; i < TIMES; i++) {
        struct cache_change change = {.mode = CACHE_SET};
        struct cache_item *item;

        assert_int_equal(set(&f, "large", 0, LARGE), CACHE_STORED);
        item = cache_large_open(f.session, &key, LARGE, 0);
        assert_non_null(item);
        memset(cache_large_value(item), 'v', LARGE);
        assert_int_equal(cache_large_store(f.session, &key, item, &change), CACHE_STORED);
    }
    close_store(f);
}

/* Small ones that are dead, among others that are not, make room for a large one. */
void without_eviction_small_values_make_room_for_a_large_one(void **state)
{
    const struct fixture f = open_store(8 * MIB, true);
    const int count = fill(&f, "key");

    (void)state;
    assert_int_equal(set(&f, "large", 0, LARGE), CACHE_NO_MEMORY);
    for (int i = 0; i < count; i += 2)
        del(&f, "key", i);
    for (int i = 0; i < 4; i++)
        assert_int_equal(set(&f, "large", i, LARGE), CACHE_STORED);
    for (int i = 1; i < count; i += 2)
        expect(&f, "key", i);
    close_store(f);
}

void without_eviction_a_flush_makes_room_at_once(void **state)
{
    const struct fixture f = open_store(8 * MIB, true);
    const int count = fill(&f, "key");
    int again;

    (void)state;
    cache_flush(f.store, 0);
    again = fill(&f, "again");
    assert_in_range(again, count * 9 / 10, count * 11 / 10);
    for (int i = 0; i < again; i++)
        expect(&f, "again", i);
    close_store(f);
}

/* A reply that is being sent keeps its memory: the next waits until it has been. */
void without_eviction_what_is_being_sent_makes_room_when_it_was(void **state)
{
    const struct fixture f = open_store(2 * MIB, true);
    const struct cache_key key = key_of(&f, "large0");
    struct pawl_slice slice;

    (void)state;
    assert_int_equal(set(&f, "large", 0, LARGE), CACHE_STORED);
    pawl_rcu_read_lock();
    const struct cache_item *item = cache_find(f.session, &key);
    assert_non_null(item);
    slice = (struct pawl_slice){cache_item_value(item), cache_item_value_bytes(item),
                                cache_chunk(f.session, item)};
    pawl_slice_hold(&slice);
    pawl_rcu_read_unlock();
    (void)fill(&f, "key");
    del(&f, "large", 0);
    assert_int_equal(set(&f, "large", 1, LARGE), CACHE_NO_MEMORY);
    for (size_t i = 0; i < slice.count; i++)
        assert_int_equal(slice.bytes[i], 0);
    pawl_slice_release(&slice);
    assert_int_equal(set(&f, "large", 1, LARGE), CACHE_STORED);
    close_store(f);
}

/* What is new is refused earlier: gaps that are everywhere, and nowhere an eighth, make room for what comes in the place of something.
 * `sessions`: there will be so many, which makes segments smaller. */
static void change_all_the_time(size_t limit, uint32_t sessions)
{
    const int times = UNDER_SANITIZER ? 1 : 3;
    const struct cache_store_config config = {.limit = limit,
                                              .item_max = MIB,
                                              .sessions = sessions,
                                              .no_eviction = true};
    uint64_t random = seed;
    struct cache_sum sum = {.delta = 1};
    struct fixture f;
    int count;

    assert_int_equal(cache_store_open(&f.store, &config), 0);
    f.session = cache_session_open(f.store);
    assert_non_null(f.session);
    const struct cache_key number = key_of(&f, "number");
    struct cache_change change = {.mode = CACHE_SET, .value = "10", .value_bytes = 2};
    assert_int_equal(cache_store_item(f.session, &number, &change), CACHE_STORED);
    count = fill(&f, "key");
    for (int i = 0; i < times * count; i++) {
        const int which = (int)random_below(&random, (uint32_t)count);

        assert_int_equal(set(&f, "key", which, BYTES - 40 + random_below(&random, 41)), CACHE_STORED);
        assert_int_equal(cache_add_number(f.session, &number, &sum), CACHE_STORED);
        assert_int_equal(set(&f, "key", which, BYTES), CACHE_STORED);
    }
    assert_int_equal(sum.value, 10 + times * count);
    for (int i = 0; i < count; i++)
        expect(&f, "key", i);
    assert_int_equal(set(&f, "new", 0, BYTES), CACHE_NO_MEMORY);
    assert_int_equal(figures_of(&f).evictions, 0);
    assert_in_range(count, limit / (BYTES + 40) * 17 / 20, limit / BYTES);
    close_store(f);
}

void without_eviction_what_is_there_can_be_changed_when_all_is_full(void **state)
{
    (void)state;
    change_all_the_time(8 * MIB, 1);
    change_all_the_time(8 * MIB, 4);
    if (longer()) {
        change_all_the_time(24 * MIB, 2);
        change_all_the_time(256 * MIB, 1);
    }
}

/* A server that is full answers each set so. */
void without_eviction_nothing_is_looked_for_twice_in_vain(void **state)
{
    const struct fixture f = open_store(32 * MIB, true);
    size_t place;

    (void)state;
    (void)fill(&f, "key");
    for (int i = 0; i < 8; i++)
        assert_int_equal(set(&f, "refused", i, BYTES), CACHE_NO_MEMORY);
    place = f.store->pool.ripe[false].at;
    assert_int_equal(set(&f, "refused", 8, BYTES), CACHE_NO_MEMORY);
    assert_int_equal(f.store->pool.ripe[false].at, place);
    close_store(f);
}

struct worker {
    pthread_t thread;
    struct cache_store *store;
    int number, keys, refused;
};

/* Its own keys, so that it knows them. */
static void *overwrite(void *argument)
{
    const int sets = longer() ? 1000000 : PAWL_INSTRUMENTED ? 15000 : 60000;
    struct worker *worker = argument;
    const struct fixture f = {worker->store, cache_session_open(worker->store)};
    uint64_t random = seed + (uint64_t)worker->number;
    char prefix[16];

    snprintf(prefix, sizeof prefix, "of%d-", worker->number);
    for (int i = 0; i < sets; i++)
        worker->refused += set(&f, prefix, (int)random_below(&random, (uint32_t)worker->keys), BYTES) !=
                           CACHE_STORED;
    cache_session_close(f.session);
    return NULL;
}

/* Of keys that are all there. */
static void *change(void *argument)
{
    const int sets = longer() ? 1000000 : UNDER_SANITIZER ? 10000 : 40000;
    struct worker *worker = argument;
    const struct fixture f = {worker->store, cache_session_open(worker->store)};
    uint64_t random = seed + (uint64_t)worker->number;

    for (int i = 0; i < sets; i++)
        worker->refused += set(&f, "key", (int)random_below(&random, (uint32_t)worker->keys), BYTES) !=
                           CACHE_STORED;
    cache_session_close(f.session);
    return NULL;
}

/* All are in want of the same gaps. They are there before it is filled: each keeps some memory for itself. */
void without_eviction_several_workers_can_change_what_is_there(void **state)
{
    enum { WORKERS = 4 };
    const struct cache_store_config config = {.limit = 8 * MIB,
                                              .item_max = MIB,
                                              .sessions = WORKERS,
                                              .no_eviction = true};
    struct cache_session *others[WORKERS - 1];
    struct worker workers[WORKERS];
    struct fixture f;
    int count;

    (void)state;
    assert_int_equal(cache_store_open(&f.store, &config), 0);
    for (int i = 0; i < WORKERS - 1; i++) {
        others[i] = cache_session_open(f.store);
        assert_non_null(others[i]);
    }
    f.session = cache_session_open(f.store);
    assert_non_null(f.session);
    count = fill(&f, "key");
    for (int i = 0; i < WORKERS - 1; i++)
        cache_session_close(others[i]);
    cache_session_close(f.session);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.store = f.store, .number = i, .keys = count};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, change, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(workers[i].refused, 0);
    f.session = cache_session_open(f.store);
    assert_non_null(f.session);
    for (int i = 0; i < count; i++)
        expect(&f, "key", i);
    close_store(f);
}

/* Others always have something that is about to come back, and are there first when it does. */
void without_eviction_who_has_waited_in_vain_gets_a_spare_segment(void **state)
{
    enum { MOST = 256 };
    const struct fixture f = open_store(8 * MIB, true);
    struct cache_pool *pool = &f.store->pool;
    struct cache_segment *taken[MOST];
    int count = 0, above = 0;

    (void)state;
    while (count < MOST && (taken[count] = cache_segment_take(pool, 1)) != NULL)
        count++;
    assert_in_range(count, 1, MOST - 1);
    pawl_rcu_read_lock(); /* it does not come back */
    cache_segment_retire(taken[--count]);
    assert_null(cache_segment_take_spare(pool, false));
    while (count < MOST && (taken[count] = cache_segment_take_spare(pool, true)) != NULL) {
        count++;
        above++;
    }
    assert_in_range(above, 1, pool->spares / pool->segment_bytes);
    pawl_rcu_read_unlock();
    while (count > 0)
        cache_segment_retire(taken[--count]);
    close_store(f);
}

/* Half of the memory is deleted under them. Whoever works last has all of it: nobody is left without the segment that it takes to
 * make room. */
void without_eviction_several_workers_make_room_for_each_other(void **state)
{
    enum { WORKERS = 4 };
    const struct cache_store_config config = {.limit = 8 * MIB,
                                              .item_max = MIB,
                                              .sessions = WORKERS,
                                              .no_eviction = true};
    struct worker workers[WORKERS];
    struct fixture f;
    int count, again;

    (void)state;
    assert_int_equal(cache_store_open(&f.store, &config), 0);
    f.session = cache_session_open(f.store);
    assert_non_null(f.session);
    count = fill(&f, "key");
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.store = f.store, .number = i, .keys = 1500};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, overwrite, &workers[i]), 0);
    }
    for (int i = 0; i < count; i += 2)
        del(&f, "key", i);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (int i = 1; i < count; i += 2) {
        expect(&f, "key", i);
        del(&f, "key", i);
    }
    again = fill(&f, "again");
    assert_in_range(again, count / 2, count);
    close_store(f);
}

/* All of them are short of memory all the time, and what one has emptied another takes. */
static int refused_of_workers(size_t limit, int count)
{
    enum { WORKERS_MOST = 8 };
    const struct cache_store_config config = {.limit = limit, .item_max = MIB, .sessions = (uint32_t)count};
    struct worker workers[WORKERS_MOST];
    struct cache_store *store;
    int refused = 0;

    assert_in_range(count, 1, WORKERS_MOST);
    assert_int_equal(cache_store_open(&store, &config), 0);
    for (int i = 0; i < count; i++) {
        workers[i] = (struct worker){.store = store, .number = i, .keys = 100000};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, overwrite, &workers[i]), 0);
    }
    for (int i = 0; i < count; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        refused += workers[i].refused;
    }
    cache_store_close(store);
    return refused;
}

void several_workers_at_the_limit_are_refused_nothing(void **state)
{
    (void)state;
    assert_int_equal(refused_of_workers(4 * MIB, 8), 0);
    assert_int_equal(refused_of_workers(8 * MIB, 4), 0);
}

/* ---- where the limit is far ---- */

/* Also if readers are slow to leave: what they hold up has to be made good for, but not again with each of them. */
void slow_readers_do_not_let_overwriting_take_all_there_is(void **state)
{
    enum { KEYS = 500, SECTIONS = 12, LIMIT = 64, A_SECTION = 12, MOST = 40, VALUE = 3000 }; /* MiB */
    const struct fixture f = open_store(LIMIT * MIB, false);
    uint64_t random = seed;
    int refused = 0;

    (void)state;
    for (int section = 0; section < SECTIONS; section++) {
        pawl_rcu_read_lock();
        for (size_t bytes = 0; bytes < A_SECTION * MIB; bytes += VALUE)
            refused += set(&f, "key", (int)random_below(&random, KEYS), VALUE) != CACHE_STORED;
        pawl_rcu_read_unlock();
        pawl_rcu_synchronize();
    }
    assert_int_equal(refused, 0);
    assert_in_range(figures_of(&f).memory, figures_of(&f).bytes, MOST * MIB);
    assert_int_equal(figures_of(&f).evictions, 0);
    close_store(f);
}

void a_large_value_that_is_replaced_takes_no_more_and_more(void **state)
{
    enum { TIMES = 200, MOST = 16 };
    const struct fixture f = open_store(256 * MIB, false);

    (void)state;
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(set(&f, "large", 0, LARGE), CACHE_STORED);
    assert_in_range(figures_of(&f).memory, LARGE, MOST * MIB);
    close_store(f);
}

/* ---- at the limit ---- */

/* What is kept takes less than half of the memory: dead items make room before anything is evicted. */
void overwriting_at_the_limit_evicts_nothing_that_there_is_room_for(void **state)
{
    enum { KEYS = 20000, ROUNDS = 30 };
    const struct fixture f = open_store(16 * MIB, false);
    uint64_t random = seed;

    (void)state;
    for (int i = 0; i < KEYS * ROUNDS; i++)
        assert_int_equal(set(&f, "key", i < KEYS ? i : (int)random_below(&random, KEYS), BYTES),
                         CACHE_STORED);
    for (int i = 0; i < KEYS; i++)
        expect(&f, "key", i);
    assert_in_range(figures_of(&f).memory, 14 * MIB, 16 * MIB);
    assert_int_equal(figures_of(&f).evictions, 0);
    close_store(f);
}

enum { SLICES = 4096 };

/* Somebody asks for all that is there and reads no reply: a slice of each segment is held. Returns how many are. */
static size_t ask_for_all(const struct fixture *f, struct pawl_slice *held, size_t count)
{
    pawl_rcu_read_lock();
    for (int queue = 0; queue < CACHE_QUEUES; queue++) {
        struct cache_segment *segment = f->store->pool.queue[queue].first;

        for (; segment != NULL; segment = segment->next) {
            struct cache_item *item = NULL;

            while ((item = cache_segment_next(segment, item)) != NULL)
                cache_hit(f->session, item);
            if (pawl_load_relaxed(&segment->chunk.holds) > 1 ||
                count == SLICES) /* relaxed: no other thread */
                continue;
            item = cache_segment_next(segment, NULL);
            held[count] = (struct pawl_slice){cache_item_value(item), cache_item_value_bytes(item),
                                              cache_chunk(f->session, item)};
            pawl_slice_hold(&held[count++]);
        }
    }
    pawl_rcu_read_unlock();
    return count;
}

/* What is emptied then does not come back: what moves must not take more and more. */
void clients_that_read_nothing_do_not_let_what_moves_exceed_the_limit(void **state)
{
    enum { ROUNDS = 40, STEPS = 10, PASSES = 4, MOST = 9 };
    static struct pawl_slice held[SLICES];
    const struct fixture f = open_store(8 * MIB, false);
    size_t count = 0;

    (void)state;
    for (int i = 0; i < 30000; i++)
        assert_int_equal(set(&f, "key", i, BYTES), CACHE_STORED);
    for (int round = 0; round < ROUNDS; round++) {
        count = ask_for_all(&f, held, count);
        for (int i = 0; i < STEPS; i++) {
            (void)set(&f, "more", round * STEPS + i, BYTES); /* refused, when all is held */
            pawl_rcu_synchronize();
            for (int pass = 0; pass < PASSES; pass++)
                (void)cache_maintain(f.session);
        }
        assert_in_range(f.store->pool.memory, 0, MOST * MIB);
    }
    assert_in_range(count, 64, SLICES);
    while (count > 0)
        pawl_slice_release(&held[--count]);
    assert_int_equal(set(&f, "key", 0, BYTES), CACHE_STORED);
    close_store(f);
}
