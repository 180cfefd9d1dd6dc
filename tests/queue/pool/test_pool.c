/* SPDX-License-Identifier: MIT */
/* The pool: every object is somebody's or free, and who finds none free may wait. */
#include "../../sync/sync_test.h"

#include <pawl/pool.h>

#include <errno.h>

enum { ROUNDS = 400000, THREADS = 8, MANY = 1000 };

static struct pawl_pool *open_pool(size_t bytes, size_t count, size_t cache)
{
    struct pawl_pool_options options = {.object_bytes = bytes, .count = count, .cache = cache};
    struct pawl_pool *pool = pawl_pool_open(&options);

    assert_non_null(pool);
    return pool;
}

static void expect_none(struct pawl_pool *pool)
{
    errno = 0;
    assert_null(pawl_pool_get(pool));
    assert_int_equal(errno, EAGAIN);
}

static void every_object_is_given_out_once(void **state)
{
    static const size_t counts[] = {1, 2, 3, MANY}, sizes[] = {1, 8, 24, 100, 4096},
                        caches[] = {0, 2, 3, 256};
    static char *objects[MANY];

    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (size_t k = 0; k < sizeof caches / sizeof caches[0]; k++) {
                struct pawl_pool *pool = open_pool(sizes[s], counts[c], caches[k]);

                for (int round = 0; round < 2; round++) {
                    assert_int_equal(pawl_pool_free_count(pool), counts[c]);
                    for (size_t i = 0; i < counts[c]; i++) {
                        objects[i] = pawl_pool_get(pool);
                        assert_non_null(objects[i]);
                        assert_int_equal((uintptr_t)objects[i] % 16, 0);
                        assert_int_equal(objects[i][0], round);
                        assert_int_equal(objects[i][sizes[s] - 1], round);
                        memset(objects[i], round + 1, sizes[s]); /* twice given out: found above */
                    }
                    expect_none(pool);
                    assert_int_equal(pawl_pool_free_count(pool), 0);
                    for (size_t i = 0; i < counts[c]; i++)
                        pawl_pool_put(pool, objects[i]);
                }
                assert_int_equal(pawl_pool_close(pool, NULL, NULL), 0);
            }
}

static void an_alignment_that_was_asked_for_is_kept(void **state)
{
    static const size_t alignments[] = {1, 8, 64, 128, 4096};

    (void)state;
    for (size_t a = 0; a < sizeof alignments / sizeof alignments[0]; a++) {
        struct pawl_pool_options options = {.object_bytes = 10, .count = 5, .alignment = alignments[a]};
        struct pawl_pool *pool = pawl_pool_open(&options);
        void *objects[5];

        assert_non_null(pool);
        for (int i = 0; i < 5; i++) {
            objects[i] = pawl_pool_get(pool);
            assert_int_equal((uintptr_t)objects[i] % alignments[a], 0);
        }
        for (int i = 0; i < 5; i++)
            pawl_pool_put(pool, objects[i]);
        assert_int_equal(pawl_pool_close(pool, NULL, NULL), 0);
    }
}

static void expect_refused(struct pawl_pool_options options, int error)
{
    errno = 0;
    assert_null(pawl_pool_open(&options));
    assert_int_equal(errno, error);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    expect_refused((struct pawl_pool_options){.count = 1}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = ((size_t)1 << 31) + 1}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = 1, .alignment = 24}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = 1, .alignment = 8192}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = 1, .cache = 1}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = 1, .cache = 257}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = 1, .flags = 4}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = 1, .node = -2}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = 1, .count = 1, .node = 2000}, EINVAL);
    expect_refused((struct pawl_pool_options){.object_bytes = SIZE_MAX / 8, .count = 4}, EOVERFLOW);
    expect_refused((struct pawl_pool_options){.object_bytes = (size_t)1 << 46, .count = 4}, ENOMEM);
    assert_int_equal(pawl_pool_close(NULL, NULL, NULL), 0);
}

static void memory_is_where_and_how_it_was_wished(void **state)
{
    static const int nodes[] = {PAWL_POOL_ANY_NODE, PAWL_POOL_NODE(0), PAWL_POOL_NODE(1000),
                                PAWL_POOL_ALL_NODES};

    (void)state;
    for (int flags = 0; flags <= (PAWL_POOL_HUGE | PAWL_POOL_LAZY); flags++)
        for (size_t n = 0; n < sizeof nodes / sizeof nodes[0]; n++) {
            struct pawl_pool_options options = {.object_bytes = 4096,
                                                .count = 1024,
                                                .flags = flags,
                                                .node = nodes[n]};
            struct pawl_pool *pool = pawl_pool_open(&options);
            unsigned char present[1024];
            char *object;

            assert_non_null(pool); /* wishes are not errors */
            assert_int_equal(pool->mapped % pool->page_bytes, 0);
            if (flags == 0) {
                assert_int_equal(mincore(pool->objects, pool->mapped, present), 0);
                for (size_t i = 0; i < 1024; i++)
                    assert_int_equal(present[i] & 1, 1);
            }
            object = pawl_pool_get(pool);
            assert_non_null(object);
            object[4095] = 1;
            pawl_pool_put(pool, object);
            assert_int_equal(pawl_pool_close(pool, NULL, NULL), 0);
        }
}

static void note_leaked(void *object, void *argument)
{
    void **leaked = argument;

    while (*leaked != NULL)
        leaked++;
    *leaked = object;
}

static void what_was_not_put_back_is_reported(void **state)
{
    struct pawl_pool *pool = open_pool(32, 100, 4);
    void *objects[100], *leaked[4] = {NULL, NULL, NULL, NULL};

    (void)state;
    for (int i = 0; i < 100; i++)
        objects[i] = pawl_pool_get(pool);
    for (int i = 0; i < 100; i++)
        if (i != 17 && i != 99)
            pawl_pool_put(pool, objects[i]);
    assert_int_equal(pawl_pool_close(pool, note_leaked, leaked), 2);
    assert_true((leaked[0] == objects[17] && leaked[1] == objects[99]) ||
                (leaked[0] == objects[99] && leaked[1] == objects[17]));
}

static void put_twice(void *unused)
{
    struct pawl_pool *pool = open_pool(32, 10, 4);
    void *object = pawl_pool_get(pool);

    (void)unused;
    pawl_pool_put(pool, object);
    pawl_pool_put(pool, object);
    pawl_pool_close(pool, NULL, NULL);
}

static void put_a_stranger(void *argument)
{
    struct pawl_pool *pool = open_pool(32, 10, 4);

    pawl_pool_put(pool, argument);
    pawl_pool_close(pool, NULL, NULL);
}

static void put_the_middle_of_one(void *unused)
{
    struct pawl_pool *pool = open_pool(32, 10, 4);

    (void)unused;
    pawl_pool_put(pool, (char *)pawl_pool_get(pool) + 8);
    pawl_pool_close(pool, NULL, NULL);
}

static void what_must_not_be_put_aborts_at_the_latest_when_closed(void **state)
{
    char stranger[32];

    (void)state;
    expect_abort(put_twice, NULL, "pawl_pool_close: an object was put twice");
    expect_abort(put_a_stranger, stranger, "pawl_pool_put: not an object of this pool");
    expect_abort(put_the_middle_of_one, NULL, "pawl_pool_put: not an object of this pool");
}

/* ---- other CPUs ---- */

static void run_on(bool first)
{
    cpu_set_t all, some;
    size_t cpu = 0;

    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&some);
    if (first || CPU_COUNT(&all) == 1) {
        CPU_SET(cpu, &some);
    } else {
        some = all;
        CPU_CLR(cpu, &some);
    }
    assert_int_equal(sched_setaffinity(0, sizeof some, &some), 0);
}

static void *put_all_elsewhere(void *argument)
{
    struct pawl_pool *pool = argument;
    void *objects[64];

    run_on(false);
    for (int i = 0; i < 64; i++)
        objects[i] = pawl_pool_get(pool);
    for (int i = 0; i < 64; i++)
        pawl_pool_put(pool, objects[i]);
    return NULL;
}

static void *get_all_here(void *argument)
{
    struct pawl_pool *pool = argument;

    run_on(true);
    for (int i = 0; i < 64; i++)
        assert_non_null(pawl_pool_get(pool));
    expect_none(pool);
    return NULL;
}

static void what_other_cpus_keep_is_found(void **state)
{
    struct pawl_pool *pool = open_pool(32, 64, 128);

    (void)state;
    join(start(put_all_elsewhere, pool));
    assert_int_equal(pawl_pool_free_count(pool), 64);
    assert_true(pawl_stack_empty(&pool->depot)); /* all are in a cache */
    join(start(get_all_here, pool));
    assert_int_equal(pawl_pool_close(pool, NULL, NULL), 64);
}

static void a_mover_that_is_counted_is_waited_for_and_no_longer(void **state)
{
    struct pawl_pool *pool = open_pool(32, 2, 2);

    (void)state;
    pawl_store_relaxed(&pool->moves, UINT64_MAX << 32); /* about to wrap */
    for (int i = 0; i < 4; i++) {
        void *first = pawl_pool_get(pool), *second = pawl_pool_get(pool);

        assert_true(first != NULL && second != NULL);
        expect_none(pool);
        pawl_pool_put(pool, first);
        pawl_pool_put(pool, second);
    }
    assert_int_equal((uint32_t)pawl_load_relaxed(&pool->moves), 0);
    assert_int_equal(pawl_pool_close(pool, NULL, NULL), 0);
}

/* ---- waiting ---- */

static void get_wait_gives_up_at_the_deadline(void **state)
{
    struct pawl_pool *pool = open_pool(32, 1, 0);
    uint64_t deadline = pawl_deadline(5 * MILLISECOND);
    void *object = pawl_pool_get_wait(pool, 0);

    (void)state;
    assert_non_null(object);
    errno = 0;
    assert_null(pawl_pool_get_wait(pool, deadline));
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    pawl_pool_put(pool, object);
    assert_int_equal(pawl_pool_close(pool, NULL, NULL), 0);
}

static void *get_one_waiting(void *argument)
{
    return pawl_pool_get_wait(argument, PAWL_FOREVER);
}

static void put_wakes_who_waits(void **state)
{
    struct pawl_pool *pool = open_pool(32, 2, 0);
    void *objects[2] = {pawl_pool_get(pool), pawl_pool_get(pool)};
    pthread_t threads[2] = {start(get_one_waiting, pool), start(get_one_waiting, pool)};

    (void)state;
    sleep_ms(10);
    pawl_pool_put(pool, objects[0]);
    pawl_pool_put(pool, objects[1]);
    for (int i = 0; i < 2; i++)
        pawl_pool_put(pool, join(threads[i]));
    assert_int_equal(pawl_pool_close(pool, NULL, NULL), 0);
}

/* ---- many ---- */

struct crowd {
    struct pawl_pool *pool;
    bool wait;
    PAWL_ATOMIC(long) refused;
};

struct object {
    PAWL_ATOMIC(int) owners;
    unsigned uses; /* plain: the pool is all that orders them */
};

static void *take_part(void *argument)
{
    struct crowd *crowd = argument;

    for (unsigned i = 0; i < (unsigned)rounds(ROUNDS) / THREADS; i++) {
        struct object *held[4];
        unsigned n = 0, want = crowd->wait ? 1 : 1 + i % 4;

        while (n < want) {
            held[n] = crowd->wait ? pawl_pool_get_wait(crowd->pool, PAWL_FOREVER)
                                  : pawl_pool_get(crowd->pool);
            if (held[n] == NULL)
                break;
            if (pawl_exchange_relaxed(&held[n]->owners, 1) != 0)
                abort(); /* given out twice */
            held[n++]->uses++;
        }
        if (n < want)
            pawl_fetch_add_relaxed(&crowd->refused, 1L);
        while (n > 0) {
            pawl_store_relaxed(&held[--n]->owners, 0);
            pawl_pool_put(crowd->pool, held[n]);
        }
    }
    return NULL;
}

static void run_crowd(size_t count, size_t cache, bool wait, bool may_refuse)
{
    struct crowd crowd = {.pool = open_pool(sizeof(struct object), count, cache), .wait = wait};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        threads[i] = start(take_part, &crowd);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    assert_int_equal(pawl_pool_free_count(crowd.pool), count);
    assert_int_equal(pawl_pool_close(crowd.pool, NULL, NULL), 0);
    if (!may_refuse)
        assert_int_equal(pawl_load_relaxed(&crowd.refused), 0);
}

static void nothing_is_lost_or_given_out_twice(void **state)
{
    (void)state;
    run_crowd(3, 2, false, true);
    run_crowd(17, 4, false, true);
    run_crowd(MANY, 16, false, false);
}

static void who_waits_gets_one(void **state)
{
    (void)state;
    run_crowd(1, 2, true, false);
    run_crowd(3, 2, true, false);
}

static void use_in_child(void *argument)
{
    struct pawl_pool *pool = argument;

    pawl_pool_after_fork(pool);
    for (int i = 0; i < 10; i++)
        if (pawl_pool_get(pool) == NULL)
            _exit(1);
    if (pawl_pool_get(pool) != NULL)
        _exit(2);
    if (pawl_pool_close(pool, NULL, NULL) != 10)
        _exit(3);
}

static void a_forked_child_uses_its_copy(void **state)
{
    struct pawl_pool *pool = open_pool(32, 10, 4);

    (void)state;
    pawl_fetch_add_relaxed(&pool->moves, UINT64_C(1)); /* a thread that the child does not have */
    assert_int_equal(status_of_child(use_in_child, pool), 0);
    pawl_pool_after_fork(pool);
    assert_int_equal(pawl_pool_close(pool, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_object_is_given_out_once),
        cmocka_unit_test(an_alignment_that_was_asked_for_is_kept),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(memory_is_where_and_how_it_was_wished),
        cmocka_unit_test(what_was_not_put_back_is_reported),
        cmocka_unit_test(what_must_not_be_put_aborts_at_the_latest_when_closed),
        cmocka_unit_test(what_other_cpus_keep_is_found),
        cmocka_unit_test(a_mover_that_is_counted_is_waited_for_and_no_longer),
        cmocka_unit_test(get_wait_gives_up_at_the_deadline),
        cmocka_unit_test(put_wakes_who_waits),
        cmocka_unit_test(nothing_is_lost_or_given_out_twice),
        cmocka_unit_test(who_waits_gets_one),
        cmocka_unit_test(a_forked_child_uses_its_copy),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
