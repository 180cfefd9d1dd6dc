/* SPDX-License-Identifier: MIT */
/* Readers and writers: bias given, taken back, kept away; exclusion through all of it. */
#include "sync_test.h"

#include <pawl/clock.h>
#include <pawl/park.h>
#include <pawl/rwlock.h>

#include <errno.h>

enum { READERS = 4, WRITERS = 2, ROUNDS = 4000, MANY = 600, WORDS = 8 };

static bool biased(struct pawl_rwlock *lock)
{
    return pawl_load_relaxed(&lock->biased) != 0;
}

/* Allows the bias again at once. */
static void forget_revocation(struct pawl_rwlock *lock)
{
    pawl_store_relaxed(&lock->unbiased_until, UINT64_C(0));
}

static void *try_read(void *lock)
{
    int status = pawl_rwlock_tryrdlock(lock);

    if (status == 0)
        pawl_rwlock_rdunlock(lock);
    return (void *)(intptr_t)status;
}

static void *try_write(void *lock)
{
    int status = pawl_rwlock_trywrlock(lock);

    if (status == 0)
        pawl_rwlock_wrunlock(lock);
    return (void *)(intptr_t)status;
}

static int from_another_thread(void *(*what)(void *), struct pawl_rwlock *lock)
{
    return (int)(intptr_t)join(start(what, lock));
}

static void readers_share_and_writers_do_not(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;

    (void)state;
    pawl_rwlock_rdlock(&lock);
    assert_int_equal(from_another_thread(try_read, &lock), 0);
    assert_int_equal(from_another_thread(try_write, &lock), -EBUSY);
    pawl_rwlock_rdunlock(&lock);
    pawl_rwlock_wrlock(&lock);
    assert_int_equal(from_another_thread(try_read, &lock), -EBUSY);
    assert_int_equal(from_another_thread(try_write, &lock), -EBUSY);
    pawl_rwlock_wrunlock(&lock);
    assert_int_equal(from_another_thread(try_write, &lock), 0);
    assert_int_equal(from_another_thread(try_read, &lock), 0);
    pawl_rwlock_destroy(&lock);
}

static void the_first_reader_makes_it_biased_and_a_writer_takes_that_back(void **state)
{
    struct pawl_rwlock lock;

    (void)state;
    pawl_rwlock_init(&lock);
    assert_false(biased(&lock));
    pawl_rwlock_rdlock(&lock);
    assert_true(biased(&lock));
    pawl_rwlock_rdunlock(&lock);
    pawl_rwlock_wrlock(&lock);
    assert_false(biased(&lock));
    assert_int_equal(pawl_load_relaxed(&lock.readers), PAWL_RWLOCK_WRITER);
    pawl_rwlock_wrunlock(&lock);
    assert_int_equal(pawl_load_relaxed(&lock.readers), 0);
    pawl_rwlock_destroy(&lock);
}

static void the_bias_stays_away_for_nine_times_the_revocation(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;
    uint64_t before, until;

    (void)state;
    pawl_rwlock_rdlock(&lock);
    pawl_rwlock_rdunlock(&lock);
    before = pawl_clock_ns();
    pawl_rwlock_wrlock(&lock);
    until = pawl_load_relaxed(&lock.unbiased_until);
    assert_true(until > before);
    pawl_store_relaxed(&lock.unbiased_until, before + UINT64_C(3600) * 1000000000);
    pawl_rwlock_wrunlock(&lock);
    pawl_rwlock_rdlock(&lock);
    assert_false(biased(&lock));
    assert_int_equal(pawl_load_relaxed(&lock.readers), PAWL_RWLOCK_READER);
    pawl_rwlock_rdunlock(&lock);
    forget_revocation(&lock);
    pawl_rwlock_rdlock(&lock);
    assert_true(biased(&lock));
    pawl_rwlock_rdunlock(&lock);
    pawl_rwlock_destroy(&lock);
}

/* A reader that came before the bias leaves through it, and one that came through it leaves without. */
static void readers_leave_by_other_words_than_they_came(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;

    (void)state;
    pawl_store_relaxed(&lock.unbiased_until, UINT64_MAX);
    pawl_rwlock_rdlock(&lock); /* counted centrally */
    forget_revocation(&lock);
    pawl_rwlock_rdlock(&lock); /* brings the bias */
    assert_true(biased(&lock));
    pawl_rwlock_rdunlock(&lock);
    pawl_rwlock_rdunlock(&lock);
    assert_int_equal(pawl_load_relaxed(&lock.readers), 2 * PAWL_RWLOCK_READER); /* the CPUs hold -2 */
    assert_int_equal(pawl_rwlock_trywrlock(&lock), 0);
    assert_int_equal(pawl_load_relaxed(&lock.readers), PAWL_RWLOCK_WRITER);
    pawl_rwlock_wrunlock(&lock);
    forget_revocation(&lock);
    pawl_rwlock_rdlock(&lock);
    assert_true(biased(&lock));
    pawl_rwlock_rdlock(&lock); /* counted on a CPU */
    assert_int_equal(from_another_thread(try_write, &lock), -EBUSY);
    assert_int_equal(pawl_rwlock_timedwrlock(&lock, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_false(biased(&lock));
    assert_int_equal(pawl_load_relaxed(&lock.readers), 2 * PAWL_RWLOCK_READER);
    pawl_rwlock_rdunlock(&lock);
    pawl_rwlock_rdunlock(&lock);
    assert_int_equal(from_another_thread(try_write, &lock), 0);
    pawl_rwlock_destroy(&lock);
}

/* ---- deadlines and sleep ---- */

static void deadlines_pass_and_leave_the_lock_as_it_was(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;
    uint64_t deadline = pawl_deadline(10 * MILLISECOND);

    (void)state;
    pawl_rwlock_rdlock(&lock);
    assert_int_equal(pawl_rwlock_timedwrlock(&lock, deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(from_another_thread(try_read, &lock), 0); /* readers are let in again */
    pawl_rwlock_rdunlock(&lock);
    pawl_rwlock_wrlock(&lock);
    assert_int_equal(pawl_rwlock_timedrdlock(&lock, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(pawl_rwlock_timedwrlock(&lock, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    pawl_rwlock_wrunlock(&lock);
    assert_int_equal(pawl_rwlock_timedrdlock(&lock, 0), 0);
    pawl_rwlock_rdunlock(&lock);
    assert_int_equal(pawl_rwlock_timedwrlock(&lock, PAWL_FOREVER), 0);
    pawl_rwlock_wrunlock(&lock);
    pawl_rwlock_destroy(&lock);
}

struct waiter {
    struct pawl_rwlock *lock;
    PAWL_ATOMIC(pid_t) tid;
    int plain;
};

static void *write_once(void *argument)
{
    struct waiter *waiter = argument;

    pawl_store_release(&waiter->tid, gettid());
    pawl_rwlock_wrlock(waiter->lock);
    waiter->plain++;
    pawl_rwlock_wrunlock(waiter->lock);
    return NULL;
}

static void a_sleeping_writer_keeps_new_readers_out_and_wakes_after_the_last(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;
    struct waiter waiter = {.lock = &lock};
    pthread_t thread;

    (void)state;
    pawl_rwlock_rdlock(&lock);
    pawl_rwlock_rdlock(&lock); /* no writer has come yet: allowed */
    thread = start(write_once, &waiter);
    until_asleep(&waiter.tid);
    assert_int_equal(from_another_thread(try_read, &lock), -EBUSY);
    pawl_rwlock_rdunlock(&lock);
    sleep_ms(5);
    assert_int_equal(waiter.plain, 0);
    pawl_rwlock_rdunlock(&lock);
    join(thread);
    assert_int_equal(waiter.plain, 1);
    assert_int_equal(pawl_load_relaxed(&lock.readers), 0);
    pawl_rwlock_destroy(&lock);
}

static void a_downgraded_writer_reads_on_beside_others(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;

    (void)state;
    pawl_rwlock_wrlock(&lock);
    pawl_rwlock_downgrade(&lock);
    assert_int_equal(from_another_thread(try_read, &lock), 0);
    assert_int_equal(from_another_thread(try_write, &lock), -EBUSY);
    pawl_rwlock_rdunlock(&lock);
    assert_int_equal(from_another_thread(try_write, &lock), 0);
    pawl_rwlock_destroy(&lock);
}

static void *unlock_read(void *lock)
{
    pawl_rwlock_rdunlock(lock);
    return NULL;
}

static void another_thread_may_end_a_read_section(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;

    (void)state;
    for (int i = 0; i < 20; i++) {
        pawl_rwlock_rdlock(&lock);
        join(start(unlock_read, &lock));
    }
    assert_int_equal(from_another_thread(try_write, &lock), 0);
    pawl_rwlock_destroy(&lock);
}

/* More locks than a page has words for, none shares them, and they are used again. */
static void locks_do_not_share_words(void **state)
{
    struct pawl_rwlock *locks = calloc(MANY, sizeof *locks);

    (void)state;
    assert_non_null(locks);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++)
            pawl_rwlock_rdlock(&locks[i]);
        for (int i = 0; i < MANY; i += 2)
            pawl_rwlock_rdunlock(&locks[i]);
        for (int i = 0; i < MANY; i++) {
            bool held = i % 2 != 0;

            assert_int_equal(pawl_rwlock_trywrlock(&locks[i]), held ? -EBUSY : 0);
            if (held)
                pawl_rwlock_rdunlock(&locks[i]);
            else
                pawl_rwlock_wrunlock(&locks[i]);
        }
        for (int i = 0; i < MANY; i++)
            pawl_rwlock_destroy(&locks[i]);
    }
    free(locks);
}

/* ---- stress ---- */

struct board {
    struct pawl_rwlock lock;
    PAWL_ATOMIC(int) writing; /* writers that are not done */
    int rounds;
    long words[WORDS]; /* plain, all equal between sections */
    PAWL_ATOMIC(long) torn;
    PAWL_ATOMIC(long) reads;
};

static bool torn(const struct board *board)
{
    for (int i = 1; i < WORDS; i++)
        if (board->words[i] != board->words[0])
            return true;
    return false;
}

static void *read_board(void *argument)
{
    struct board *board = argument;
    long bad = 0, reads = 0;

    do { /* once in any case: the writers may be done before a busy machine lets this thread begin */
        if (reads % 4 == 1) {
            if (pawl_rwlock_timedrdlock(&board->lock, pawl_deadline(20000)) != 0)
                continue;
        } else if (reads % 4 == 3) {
            if (pawl_rwlock_tryrdlock(&board->lock) != 0) {
                sched_yield();
                reads++;
                continue;
            }
        } else {
            pawl_rwlock_rdlock(&board->lock);
        }
        bad += torn(board);
        if (reads % 256 == 0)
            sched_yield(); /* inside: it may leave on another CPU */
        bad += torn(board);
        pawl_rwlock_rdunlock(&board->lock);
        reads++;
    } while (pawl_load_relaxed(&board->writing) != 0);
    pawl_fetch_add_relaxed(&board->torn, bad);
    pawl_fetch_add_relaxed(&board->reads, reads);
    return NULL;
}

static void write_board(struct board *board)
{
    for (int i = 0; i < WORDS; i++) {
        board->words[i]++;
        __asm__ volatile("" ::: "memory");
    }
}

static void *change_board(void *argument)
{
    struct board *board = argument;
    long bad = 0;

    for (int i = 0; i < board->rounds; i++) {
        if (i % 3 == 1) {
            while (pawl_rwlock_timedwrlock(&board->lock, pawl_deadline(50000)) != 0) {
            }
        } else if (i % 3 == 2) {
            if (pawl_rwlock_trywrlock(&board->lock) != 0) /* keeps nobody out, so it may fail for ever */
                pawl_rwlock_wrlock(&board->lock);
        } else {
            pawl_rwlock_wrlock(&board->lock);
        }
        bad += torn(board);
        write_board(board);
        if (i % 5 == 0)
            forget_revocation(&board->lock); /* as much coming and going as there can be */
        if (i % 7 == 0) {
            pawl_rwlock_downgrade(&board->lock);
            bad += torn(board);
            pawl_rwlock_rdunlock(&board->lock);
        } else {
            pawl_rwlock_wrunlock(&board->lock);
        }
        if (i % 16 == 0)
            sleep_ms(1);
    }
    pawl_fetch_add_relaxed(&board->torn, bad);
    pawl_fetch_sub_relaxed(&board->writing, 1);
    return NULL;
}

static void nobody_reads_what_is_being_written(void **state)
{
    struct board board = {.writing = WRITERS, .rounds = rounds(ROUNDS)};
    pthread_t readers[READERS], writers[WRITERS];

    (void)state;
    for (int i = 0; i < READERS; i++)
        readers[i] = start(read_board, &board);
    for (int i = 0; i < WRITERS; i++)
        writers[i] = start(change_board, &board);
    for (int i = 0; i < WRITERS; i++)
        join(writers[i]);
    for (int i = 0; i < READERS; i++)
        join(readers[i]);
    assert_int_equal(pawl_load_relaxed(&board.torn), 0);
    assert_int_equal(board.words[0], (long)WRITERS * board.rounds);
    assert_true(pawl_load_relaxed(&board.reads) > 0);
    assert_int_equal(from_another_thread(try_write, &board.lock), 0); /* every count is back at zero */
    assert_int_equal(pawl_load_relaxed(&board.lock.readers), 0);
    pawl_rwlock_destroy(&board.lock);
}

/* ---- fork, errors ---- */

static void use_in_child(void *argument)
{
    struct pawl_rwlock *lock = argument;

    if (pawl_rwlock_trywrlock(lock) != -EBUSY)
        _exit(1); /* the reader that forked is still inside */
    pawl_rwlock_rdunlock(lock);
    pawl_rwlock_wrlock(lock);
    pawl_rwlock_wrunlock(lock);
    forget_revocation(lock);
    pawl_rwlock_rdlock(lock);
    if (!biased(lock))
        _exit(2);
    pawl_rwlock_rdunlock(lock);
}

static void a_forked_reader_leaves_in_the_child(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;

    (void)state;
    pawl_rwlock_rdlock(&lock);
    assert_int_equal(status_of_child(use_in_child, &lock), 0);
    assert_int_equal(from_another_thread(try_write, &lock), -EBUSY);
    pawl_rwlock_rdunlock(&lock);
    assert_int_equal(from_another_thread(try_write, &lock), 0);
    pawl_rwlock_destroy(&lock);
}

static void downgrade_nothing(void *lock)
{
    pawl_rwlock_downgrade(lock);
}

static void downgrading_without_a_writer_aborts_with_one_line(void **state)
{
    struct pawl_rwlock lock = PAWL_RWLOCK_INIT;

    (void)state;
    expect_abort(downgrade_nothing, &lock, "pawl: pawl_rwlock_downgrade: no writer holds the lock");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_share_and_writers_do_not),
        cmocka_unit_test(the_first_reader_makes_it_biased_and_a_writer_takes_that_back),
        cmocka_unit_test(the_bias_stays_away_for_nine_times_the_revocation),
        cmocka_unit_test(readers_leave_by_other_words_than_they_came),
        cmocka_unit_test(deadlines_pass_and_leave_the_lock_as_it_was),
        cmocka_unit_test(a_sleeping_writer_keeps_new_readers_out_and_wakes_after_the_last),
        cmocka_unit_test(a_downgraded_writer_reads_on_beside_others),
        cmocka_unit_test(another_thread_may_end_a_read_section),
        cmocka_unit_test(locks_do_not_share_words),
        cmocka_unit_test(nobody_reads_what_is_being_written),
        cmocka_unit_test(a_forked_reader_leaves_in_the_child),
        cmocka_unit_test(downgrading_without_a_writer_aborts_with_one_line),
    };

    expect_end_within(150);
    return cmocka_run_group_tests_name("rwlock", tests, NULL, NULL);
}
