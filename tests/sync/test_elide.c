/* SPDX-License-Identifier: MIT */
/* Lock elision: the lock's promises with and without transactions, what aborts, what is learnt, what is counted.
 * Run a second time with PAWL_ELIDE=off. Where there are no transactions, what needs them is skipped. */
#include "sync_test.h"

#include <pawl/counter.h>
#include <pawl/elide.h>
#include <pawl/park.h>

#include <errno.h>

enum { THREADS = 4, SECTIONS = 20000, ACCOUNTS = 64 };

/* AddressSanitizer gives each call another part of a stack of its own, so that pages are touched first, which aborts,
 * for a long time. */
#if defined(__SANITIZE_ADDRESS__)
#define SLOW_STACK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW_STACK 1
#endif
#endif
#ifndef SLOW_STACK
#define SLOW_STACK 0
#endif

static void needs_transactions(void)
{
    if (!pawl_elide_available())
        skip();
}

/* Makes the transaction abort for good, and changes nothing. */
static void make_system_call(void)
{
    (void)getppid();
}

/* ---- exclusion ---- */

struct bank {
    struct pawl_elide lock;
    struct pawl_elide_spin spin;
    long balance[ACCOUNTS];
    PAWL_ATOMIC(unsigned) seed;
    bool spins, mixed;
} __attribute__((aligned(PAWL_CACHELINE_PAIR)));

static void enter(struct bank *bank, unsigned random)
{
    if (bank->spins) {
        if (random % 3 != 0 || pawl_elide_spin_trylock(&bank->spin) != 0)
            pawl_elide_spin_lock(&bank->spin);
    } else if (bank->mixed && random % 16 == 0) {
        pawl_mutex_lock(&bank->lock.mutex); /* unlock will see that it is taken */
    } else {
        if (random % 3 != 0 || pawl_elide_trylock(&bank->lock) != 0)
            pawl_elide_lock(&bank->lock);
    }
}

static void leave(struct bank *bank)
{
    if (bank->spins)
        pawl_elide_spin_unlock(&bank->spin);
    else
        pawl_elide_unlock(&bank->lock);
}

/* Moves money between accounts; now and then counts it. Returns how often some was missing. */
static void *move_money(void *argument)
{
    struct bank *bank = argument;
    unsigned random = pawl_fetch_add_relaxed(&bank->seed, 1u) * 2654435761u;
    int sections = rounds(SECTIONS);
    long missing = 0;

    for (int i = 0; i < sections; i++) {
        long amount, sum = 0;

        random = random * 1664525u + 1013904223u;
        amount = (long)(random >> 24);
        enter(bank, random >> 8);
        bank->balance[(random >> 10) % ACCOUNTS] += amount;
        if (bank->mixed && i % 64 == 0)
            make_system_call();
        bank->balance[(random >> 16) % ACCOUNTS] -= amount;
        if (i % 16 == 0)
            for (int k = 0; k < ACCOUNTS; k++)
                sum += bank->balance[k];
        leave(bank);
        missing += sum != 0;
    }
    return (void *)missing;
}

static void run_bank(bool spins, bool mixed)
{
    static struct bank bank;
    pthread_t threads[THREADS];
    struct pawl_elide_stats stats;
    unsigned seed = (unsigned)monotonic_ns();
    long sum = 0;

    memset(&bank, 0, sizeof bank);
    bank.spins = spins;
    bank.mixed = mixed;
    print_message("# seed %u\n", seed);
    pawl_store_relaxed(&bank.seed, seed);
    assert_int_equal(pawl_elide_count(&bank.lock.elision), 0);
    assert_int_equal(pawl_elide_count(&bank.spin.elision), 0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(move_money, &bank);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal((long)join(threads[i]), 0);
    for (int i = 0; i < ACCOUNTS; i++)
        sum += bank.balance[i];
    assert_int_equal(sum, 0);
    pawl_elide_read(spins ? &bank.spin.elision : &bank.lock.elision, &stats);
    if (!mixed) /* there some took the mutex itself */
        assert_int_equal(stats.elided + stats.locked, (uint64_t)THREADS * (uint64_t)rounds(SECTIONS));
    if (!pawl_elide_available())
        assert_int_equal(stats.elided, 0);
    pawl_elide_uncount(&bank.lock.elision);
    pawl_elide_uncount(&bank.spin.elision);
}

static void sections_exclude_one_another(void **state)
{
    (void)state;
    run_bank(false, false);
}

static void sections_of_the_spin_lock_exclude_one_another(void **state)
{
    (void)state;
    run_bank(true, false);
}

static void elided_sections_exclude_holders_of_the_mutex(void **state)
{
    (void)state;
    run_bank(false, true);
}

/* ---- how a section is run ---- */

static struct pawl_elide_stats stats_of(struct pawl_elide *lock)
{
    struct pawl_elide_stats stats;

    pawl_elide_read(&lock->elision, &stats);
    return stats;
}

static void a_quiet_section_is_elided(void **state)
{
    enum { QUIET = 20000, EXPECTED = SLOW_STACK ? 1 : QUIET / 2 };
    struct pawl_elide lock = PAWL_ELIDE_INIT;
    struct pawl_elide_stats stats;
    volatile long value = 0;

    (void)state;
    needs_transactions();
    assert_int_equal(pawl_elide_count(&lock.elision), 0);
    for (int i = 0; i < QUIET; i++) {
        pawl_elide_lock(&lock);
        value++;
        pawl_elide_unlock(&lock);
    }
    stats = stats_of(&lock);
    assert_int_equal(value, QUIET);
    assert_int_equal(stats.elided + stats.locked, QUIET);
    /* Interrupts, first touches of a page, and what is learnt from them take some. */
    assert_true(stats.elided >= EXPECTED);
    pawl_elide_uncount(&lock.elision);
}

/* The section runs twice and has happened once. */
static void an_aborted_section_leaves_nothing_behind(void **state)
{
    static struct pawl_elide lock = PAWL_ELIDE_INIT;
    static volatile int value[100];
    volatile int on_the_stack = 0;
    struct pawl_elide_stats stats;

    (void)state;
    needs_transactions();
    assert_int_equal(pawl_elide_count(&lock.elision), 0);
    for (int i = 0; i < 100; i++) {
        pawl_elide_lock(&lock);
        value[i]++;
        on_the_stack++;
        make_system_call();
        value[i]++;
        pawl_elide_unlock(&lock);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(value[i], 2);
    assert_int_equal(on_the_stack, 100);
    stats = stats_of(&lock);
    assert_int_equal(stats.elided, 0);
    assert_int_equal(stats.locked, 100);
    assert_true(stats.other >= 1);
    pawl_elide_uncount(&lock.elision);
}

static void what_fails_is_tried_less_and_less(void **state)
{
    static struct pawl_elide lock = PAWL_ELIDE_INIT;
    struct pawl_elide_stats stats;
    uint64_t begin, end, sections = 0;

    (void)state;
    needs_transactions();
    assert_int_equal(pawl_elide_count(&lock.elision), 0);
    begin = monotonic_ns();
    /* To be stopped for long within one looks as if it had worked for long: then it climbs once more. */
    while (sections < 10000 || lock.elision.penalty != 1024) {
        pawl_elide_lock(&lock);
        make_system_call();
        pawl_elide_unlock(&lock);
        sections++;
    }
    end = monotonic_ns();
    stats = stats_of(&lock);
    /* 4 + 8 + ... + 512 sections are skipped after 8 failures, and then 1024 after each. */
    assert_int_equal(stats.locked, sections);
    assert_true(stats.skipped >= sections - 100);

    /* What works is found out again; and when it has worked for long, a failure is like the first one. */
    while (monotonic_ns() < end + 10 * (end - begin) || stats_of(&lock).elided <= 1000) {
        pawl_elide_lock(&lock);
        pawl_elide_unlock(&lock);
    }
    while (lock.elision.penalty == 1024) {
        pawl_elide_lock(&lock);
        make_system_call();
        pawl_elide_unlock(&lock);
    }
    assert_in_range(lock.elision.penalty, 4, 64); /* 4, or some more if interrupts ended what worked */
    pawl_elide_uncount(&lock.elision);
}

static void a_section_too_large_takes_the_lock(void **state)
{
    enum { BYTES = 16 << 20 };
    static struct pawl_elide lock = PAWL_ELIDE_INIT;
    char *memory;

    (void)state;
    needs_transactions();
    memory = calloc(1, BYTES);
    assert_non_null(memory);
    assert_int_equal(pawl_elide_count(&lock.elision), 0);
    pawl_elide_lock(&lock);
    for (int i = 0; i < BYTES; i += PAWL_CACHELINE)
        ((volatile char *)memory)[i] = 1;
    pawl_elide_unlock(&lock);
    assert_int_equal(stats_of(&lock).locked, 1);
    assert_int_equal(stats_of(&lock).elided, 0);
    pawl_elide_uncount(&lock.elision);
    free(memory);
}

/* ---- a holder ---- */

struct held {
    struct pawl_elide lock;
    struct pawl_elide_spin spin;
    struct pawl_parker held, done;
};

static void *hold(void *argument)
{
    struct held *held = argument;

    pawl_mutex_lock(&held->lock.mutex);
    pawl_spin_lock(&held->spin.spin);
    pawl_unpark(&held->held);
    if (pawl_park(&held->done, PAWL_FOREVER) != 0)
        abort();
    pawl_elide_unlock(&held->lock);
    pawl_elide_spin_unlock(&held->spin);
    return NULL;
}

static void nobody_gets_past_a_holder(void **state)
{
    struct held held = {.held = PAWL_PARKER_INIT};
    pthread_t thread = start(hold, &held);

    (void)state;
    assert_int_equal(pawl_elide_count(&held.lock.elision), 0);
    assert_int_equal(pawl_park(&held.held, PAWL_FOREVER), 0);
    assert_int_equal(pawl_elide_trylock(&held.lock), -EBUSY);
    assert_int_equal(pawl_elide_spin_trylock(&held.spin), -EBUSY);
    assert_int_equal(pawl_elide_timedlock(&held.lock, pawl_deadline(10 * MILLISECOND)), -ETIMEDOUT);
    if (pawl_elide_available())
        assert_true(stats_of(&held.lock).busy >= 2);
    assert_int_equal(held.lock.elision.penalty, 0); /* to have met a holder is no failure */
    pawl_unpark(&held.done);
    pawl_elide_lock(&held.lock);
    pawl_elide_unlock(&held.lock);
    assert_int_equal(pawl_elide_timedlock(&held.lock, 0), 0); /* free: although the deadline has passed */
    pawl_elide_unlock(&held.lock);
    join(thread);
    assert_int_equal(pawl_elide_trylock(&held.lock), 0);
    pawl_elide_unlock(&held.lock);
    assert_int_equal(pawl_elide_spin_trylock(&held.spin), 0);
    pawl_elide_spin_unlock(&held.spin);
    pawl_elide_uncount(&held.lock.elision);
}

/* ---- several locks ---- */

/* The inner lock is elided, or taken within the outer one's transaction, or the other way round. */
static void locks_nest_and_are_released_in_any_order(void **state)
{
    static struct pawl_elide outer = PAWL_ELIDE_INIT, inner = PAWL_ELIDE_INIT;
    static volatile int value;

    (void)state;
    value = 0;
    for (int i = 0; i < 4000; i++) {
        /* relaxed: nobody else is there */
        pawl_store_relaxed(&outer.elision.skip, (uint32_t)i & 1);
        pawl_store_relaxed(&inner.elision.skip, (uint32_t)i >> 1 & 1);
        pawl_elide_lock(&outer);
        pawl_elide_lock(&inner);
        value++;
        if ((i & 4) != 0)
            make_system_call();
        pawl_elide_unlock((i & 8) != 0 ? &inner : &outer);
        if ((i & 16) != 0)
            make_system_call();
        pawl_elide_unlock((i & 8) != 0 ? &outer : &inner);
        assert_int_equal(pawl_mutex_trylock(&outer.mutex), 0);
        assert_int_equal(pawl_mutex_trylock(&inner.mutex), 0);
        pawl_mutex_unlock(&inner.mutex);
        pawl_mutex_unlock(&outer.mutex);
    }
    assert_int_equal(value, 4000);
}

/* ---- mistakes, and counting ---- */

static void unlock_free(void *lock)
{
    pawl_elide_unlock(lock);
}

static void unlock_free_spin(void *lock)
{
    pawl_elide_spin_unlock(lock);
}

static void unlocking_what_is_not_locked_aborts_with_one_line(void **state)
{
    struct pawl_elide lock = PAWL_ELIDE_INIT;
    struct pawl_elide_spin spin = PAWL_ELIDE_SPIN_INIT;

    (void)state;
    expect_abort(unlock_free, &lock, "pawl: pawl_elide_unlock: the lock is not locked");
    expect_abort(unlock_free_spin, &spin, "pawl: pawl_elide_spin_unlock: the lock is not locked");
}

static void without_counts_statistics_are_zero(void **state)
{
    struct pawl_elide lock = PAWL_ELIDE_INIT;
    struct pawl_elide_stats stats = {.elided = 7}, zero = {0};

    (void)state;
    pawl_elide_lock(&lock);
    pawl_elide_unlock(&lock);
    pawl_elide_read(&lock.elision, &stats);
    assert_memory_equal(&stats, &zero, sizeof stats);
    pawl_elide_uncount(&lock.elision); /* nothing to give back */
    assert_int_equal(pawl_elide_count(&lock.elision), 0);
    pawl_elide_lock(&lock);
    pawl_elide_unlock(&lock);
    stats = stats_of(&lock);
    assert_int_equal(stats.elided + stats.locked, 1);
    assert_int_equal(pawl_elide_count(&lock.elision), 0); /* anew */
    stats = stats_of(&lock);
    assert_memory_equal(&stats, &zero, sizeof stats);
    pawl_elide_uncount(&lock.elision);
}

/* By --wrap: so many allocations succeed; less than 0: all. */
static int allocations = -1;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    if (allocations == 0) {
        errno = ENOMEM;
        return NULL;
    }
    if (allocations > 0)
        allocations--;
    return __real_calloc(count, size);
}

/* Counters come from pages of 512, which run out before, between and after those that one lock needs. */
static void without_memory_it_does_not_count(void **state)
{
    enum { MOST = 1100, LEAST_REFUSED = 2 };
    static struct pawl_counter others[MOST];
    static struct pawl_elide lock = PAWL_ELIDE_INIT;
    int refused = 0;

    (void)state;
    allocations = 0;
    assert_int_equal(pawl_elide_count(&lock.elision), -ENOMEM);
    allocations = -1;
    for (int i = 0; i < MOST; i++) {
        int error;

        assert_int_equal(pawl_counter_init(&others[i]), 0);
        allocations = 1; /* for the lock, not for a page */
        error = pawl_elide_count(&lock.elision);
        allocations = -1;
        if (error != 0) {
            assert_int_equal(error, -ENOMEM);
            assert_null(lock.elision.counts);
            refused++;
        }
        pawl_elide_lock(&lock);
        pawl_elide_unlock(&lock);
        assert_int_equal(stats_of(&lock).elided + stats_of(&lock).locked, error == 0);
        pawl_elide_uncount(&lock.elision);
    }
    assert_true(refused >= LEAST_REFUSED);
    for (int i = 0; i < MOST; i++)
        pawl_counter_destroy(&others[i]);
}

static void the_environment_switches_it_off(void **state)
{
    const char *wish = getenv("PAWL_ELIDE");

    (void)state;
    if (wish == NULL || strcmp(wish, "off") != 0)
        skip();
    assert_false(pawl_elide_available());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_exclude_one_another),
        cmocka_unit_test(sections_of_the_spin_lock_exclude_one_another),
        cmocka_unit_test(elided_sections_exclude_holders_of_the_mutex),
        cmocka_unit_test(a_quiet_section_is_elided),
        cmocka_unit_test(an_aborted_section_leaves_nothing_behind),
        cmocka_unit_test(what_fails_is_tried_less_and_less),
        cmocka_unit_test(a_section_too_large_takes_the_lock),
        cmocka_unit_test(nobody_gets_past_a_holder),
        cmocka_unit_test(locks_nest_and_are_released_in_any_order),
        cmocka_unit_test(unlocking_what_is_not_locked_aborts_with_one_line),
        cmocka_unit_test(without_counts_statistics_are_zero),
        cmocka_unit_test(without_memory_it_does_not_count),
        cmocka_unit_test(the_environment_switches_it_off),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("elide", tests, NULL, NULL);
}
