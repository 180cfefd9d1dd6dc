/* SPDX-License-Identifier: MIT */
/* Back-off: bounded rounds, no spinning on one CPU, yields in the end. */
#include "../../src/core/sync/look.h"
#include "sync_test.h"

#include <pawl/backoff.h>
#include <pawl/cpu.h>
#include <pawl/mutex.h>

#include <errno.h>

enum { MOST_ROUNDS = 100 };

static int rounds_of(bool (*round)(struct pawl_backoff *), uint64_t *ns)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    uint64_t begin = monotonic_ns();
    int count = 0;

    while (count < MOST_ROUNDS && round(&backoff))
        count++;
    *ns = monotonic_ns() - begin;
    assert_false(round(&backoff)); /* and stays so */
    return count;
}

/* The least of many: the others were interrupted. */
static uint64_t least_ns(bool (*round)(struct pawl_backoff *), int *count)
{
    uint64_t least = UINT64_MAX, ns;

    for (int i = 0; i < 50; i++) {
        *count = rounds_of(round, &ns);
        least = ns < least ? ns : least;
    }
    return least;
}

static void spinning_ends_after_microseconds(void **state)
{
    int again, contend;
    uint64_t again_ns = least_ns(pawl_backoff_again, &again);
    uint64_t contend_ns = least_ns(pawl_backoff_contend, &contend);

    (void)state;
    if (!pawl_backoff_spins()) {
        assert_int_equal(again, 0);
        assert_int_equal(contend, 0);
        return;
    }
    assert_true(again > 1 && again < MOST_ROUNDS);
    assert_true(contend > 1 && contend < again);
    /* A pause may be longer than 40 ns, and then so is everything. */
    assert_true(again_ns > 1000 && again_ns < 100000);
    assert_true(contend_ns > 3000 && contend_ns < 300000);
}

static void pauses_grow_and_are_bounded(void **state)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    (void)state;
    for (int i = 0; i < 1000; i++)
        pawl_backoff_pause(&backoff);
    assert_true(backoff.round < 10);
}

static void waiting_goes_on_for_ever(void **state)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    (void)state;
    errno = ENOENT;
    for (int i = 0; i < 1000; i++)
        pawl_backoff_wait(&backoff);
    assert_int_equal(errno, ENOENT);
}

static void rounds_are_longer_where_looks_take_longer(void **state)
{
    uint32_t last = 0;

    (void)state;
    assert_int_equal(look_round_ns(0), LOOK_LEAST_ROUND_NS);
    assert_int_equal(look_round_ns(30 * LOOK_SAMPLES), LOOK_LEAST_ROUND_NS);
    assert_int_equal(look_round_ns(60 * LOOK_SAMPLES), LOOK_MOST_ROUND_NS);
    assert_int_equal(look_round_ns(UINT32_MAX), LOOK_MOST_ROUND_NS);
    assert_int_equal(look_round_ns(LOOK_SUM_INIT), LOOK_MOST_ROUND_NS); /* of which nothing is known */
    for (uint32_t sum = 0; sum <= LOOK_SUM_INIT; sum++) {
        assert_true(look_round_ns(sum) >= last);
        last = look_round_ns(sum);
    }
    assert_true(look_round_ns(45 * LOOK_SAMPLES) > LOOK_LEAST_ROUND_NS);
    assert_true(look_round_ns(45 * LOOK_SAMPLES) < LOOK_MOST_ROUND_NS);
}

static uint32_t after_looks(uint32_t sum, int64_t ns, int count)
{
    for (int i = 0; i < count; i++)
        sum = look_sum_after(sum, ns);
    return sum;
}

static void the_mean_of_looks_follows_both_ways(void **state)
{
    uint32_t quick = after_looks(LOOK_SUM_INIT, 30, 100);

    (void)state;
    assert_int_equal(look_round_ns(quick), LOOK_LEAST_ROUND_NS);
    assert_int_equal(look_round_ns(after_looks(quick, 70, 100)), LOOK_MOST_ROUND_NS);
    /* it neither leaves its range nor stops above what is measured */
    assert_int_equal(after_looks(quick, INT64_MAX, 1000) / LOOK_SAMPLES, LOOK_MOST_NS);
    assert_int_equal(after_looks(LOOK_SUM_INIT, LOOK_CACHED_NS, 1000) / LOOK_SAMPLES, LOOK_CACHED_NS);
    /* an interruption moves it by a sixteenth of the way; what was in the cache, or measured backwards, not at all */
    assert_true(after_looks(quick, 1000000, 1) / LOOK_SAMPLES < 40);
    assert_int_equal(after_looks(quick, 5, 100), quick);
    assert_int_equal(after_looks(quick, INT64_MIN, 100), quick);
}

static void *contend_a_while(void *mutex)
{
    const uint64_t end = monotonic_ns() + 30000000;

    while (monotonic_ns() < end) {
        pawl_mutex_lock(mutex);
        pawl_mutex_unlock(mutex);
    }
    return NULL;
}

/* Whatever it was that looks took: a waiter spins as long as sleeping costs before it sleeps. */
static void contenders_spin_long_enough_whatever_was_measured(void **state)
{
    static struct pawl_mutex mutex;
    pthread_t other = start(contend_a_while, &mutex);
    uint64_t ns;
    int rounds;

    (void)state;
    contend_a_while(&mutex);
    join(other);
    if (!pawl_backoff_spins())
        skip(); /* one CPU, or instrumented */
    ns = least_ns(pawl_backoff_contend, &rounds);
    assert_in_range(rounds, 4, 7);
    assert_true(ns > 6000);
}

/* Each sixteenth is timed, and returns what is there like the others. */
static void a_look_returns_what_is_there(void **state)
{
    PAWL_ATOMIC(uint32_t) word = 0;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        pawl_store_relaxed(&word, i);
        assert_int_equal(pawl_backoff_look(&word), i);
    }
}

static void does_not_spin(void *unused)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    (void)unused;
    if (pawl_cpu_pin(pawl_cpu_id(), NULL) != 0)
        _exit(2);
    execl("/proc/self/exe", "test_backoff", "--one-cpu", (char *)NULL);
    _exit(pawl_backoff_again(&backoff) ? 3 : 4);
}

static void a_process_with_one_cpu_does_not_spin(void **state)
{
    (void)state;
    assert_int_equal(status_of_child(does_not_spin, NULL), 0);
}

static void spins_pinned(void *unused)
{
    (void)unused;
    execl("/proc/self/exe", "test_backoff", "--pinned", (char *)NULL);
    _exit(2);
}

/* The thread that asks first may be pinned; the others, with which it competes, run elsewhere. */
static void a_pinned_thread_spins_if_the_process_has_more_cpus(void **state)
{
    (void)state;
    if (!pawl_backoff_spins())
        skip(); /* one CPU, or instrumented */
    assert_int_equal(status_of_child(spins_pinned, NULL), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spinning_ends_after_microseconds),
        cmocka_unit_test(pauses_grow_and_are_bounded),
        cmocka_unit_test(waiting_goes_on_for_ever),
        cmocka_unit_test(rounds_are_longer_where_looks_take_longer),
        cmocka_unit_test(the_mean_of_looks_follows_both_ways),
        cmocka_unit_test(a_look_returns_what_is_there),
        cmocka_unit_test(contenders_spin_long_enough_whatever_was_measured),
        cmocka_unit_test(a_process_with_one_cpu_does_not_spin),
        cmocka_unit_test(a_pinned_thread_spins_if_the_process_has_more_cpus),
    };

    if (argc == 2 && strcmp(argv[1], "--one-cpu") == 0) {
        struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

        return pawl_backoff_spins() || pawl_backoff_again(&backoff) || pawl_backoff_contend(&backoff);
    }
    if (argc == 2 && strcmp(argv[1], "--pinned") == 0)
        return pawl_cpu_pin(pawl_cpu_id(), NULL) != 0 || !pawl_backoff_spins();
    expect_end_within(60);
    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
