/* SPDX-License-Identifier: MIT */
/* A reader that is stopped inside, as by a debugger: who waits for it, who is told, and what it holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/core/reclaim/grace.h"
#include "../../src/core/reclaim/hazard.h"
#include "../../src/core/reclaim/reader.h"
#include "reclaim_test.h"
#include "stopper.h"

#include <pawl/reclaim.h>

#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

enum { MS = 1000000, RETIRED = 20000 };

static struct stopper stopper;

struct object {
    struct pawl_retired retired;
};

static PAWL_ATOMIC(long) reclaimed;

static void count_reclaim(struct pawl_retired *retired)
{
    pawl_fetch_add_relaxed(&reclaimed, 1L);
    free(pawl_retired_of(retired, struct object, retired));
}

static struct object *make(void)
{
    struct object *object = malloc(sizeof *object);

    if (object == NULL)
        abort();
    return object;
}

/* ---- the reader ---- */

static struct pawl_reclaim by;
static PAWL_ATOMIC(struct object *) cell;
static PAWL_ATOMIC(int) reader_tid;
static PAWL_ATOMIC(int) leave;
static pthread_t reader_thread;

/* Busy, so that it is stopped in the program and not in a system call. */
static void *stay_inside(void *unused)
{
    struct pawl_guard guard;
    struct object *object;

    pawl_reclaim_enter(&by, &guard);
    object = pawl_reclaim_protect(&guard, 0, &cell);
    pawl_store_release(&reader_tid, (int)syscall(SYS_gettid)); /* pairs with the acquire in await_flag */
    while (pawl_load_acquire(&leave) == 0)
        pawl_relax();
    pawl_reclaim_leave(&guard);
    return object != NULL ? unused : NULL;
}

/* The test is skipped where threads may not be traced. */
static void stop_a_reader(struct pawl_reclaim domain)
{
    int status;

    by = domain;
    pawl_store_relaxed(&reclaimed, 0L);
    pawl_store_relaxed(&reader_tid, 0);
    pawl_store_relaxed(&leave, 0);
    pawl_store_release(&cell, make());
    assert_int_equal(pthread_create(&reader_thread, NULL, stay_inside, NULL), 0);
    await_flag(&reader_tid, 1);
    status = stopper_stop(&stopper, pawl_load_relaxed(&reader_tid));
    if (status == EPERM || status == ENOSYS) {
        pawl_store_release(&leave, 1);
        pthread_join(reader_thread, NULL);
        skip();
    }
    assert_int_equal(status, 0);
}

static void let_it_leave(void)
{
    stopper_go(&stopper, pawl_load_relaxed(&reader_tid));
    pawl_store_release(&leave, 1);
    pthread_join(reader_thread, NULL);
}

/* Retires what the reader has, and many more. Returns how many of them are garbage afterwards. */
static long retire_many(void)
{
    pawl_reclaim_retire(&by, &pawl_exchange_acq_rel(&cell, NULL)->retired, count_reclaim);
    for (int i = 1; i < RETIRED; i++)
        pawl_reclaim_retire(&by, &make()->retired, count_reclaim);
    return RETIRED - pawl_load_relaxed(&reclaimed);
}

/* ---- grace periods ---- */

static PAWL_ATOMIC(int) synchronized;
static PAWL_ATOMIC(int) reports;
static struct pawl_rcu_stall last_report;

static void note_stall(const struct pawl_rcu_stall *stall, void *argument)
{
    (void)argument;
    last_report = *stall;
    pawl_fetch_add_release(&reports, 1); /* pairs with the acquire in await_flag */
}

static void *synchronize(void *unused)
{
    pawl_rcu_synchronize();
    pawl_store_release(&synchronized, 1);
    return unused;
}

static void writers_wait_for_a_stopped_reader_and_say_which_it_is(void **state)
{
    pthread_t writers[2];

    (void)state;
    stop_a_reader(pawl_reclaim_by_rcu(&pawl_rcu_default));
    assert_int_equal(pawl_rcu_set_stall(2 * MS, note_stall, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, synchronize, NULL), 0);
    await_flag(&reports, 3); /* after 2, at least 4, at least 8 ms */
    assert_int_equal(pawl_load_acquire(&synchronized), 0);
    let_it_leave();
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i], NULL); /* until then the next report may be written */
    assert_int_equal(last_report.tid, pawl_load_relaxed(&reader_tid));
    assert_int_equal(last_report.depth, 1);
    assert_true(last_report.waited_ns >= 8 * MS);
    assert_ptr_equal(last_report.rcu, &pawl_rcu_default);
    assert_int_equal(pawl_load_acquire(&synchronized), 1);
    assert_int_equal(pawl_rcu_set_stall(0, NULL, NULL), 0);
    free(pawl_exchange_acq_rel(&cell, NULL));
}

/* ---- what it holds ---- */

static void a_stopped_reader_of_hazard_pointers_holds_one_object(void **state)
{
    struct pawl_hazard *hazard = pawl_hazard_open(offsetof(struct object, retired));

    (void)state;
    assert_non_null(hazard);
    stop_a_reader(pawl_reclaim_by_hazard(hazard));
    assert_in_range(retire_many(), 1, 480 + 2);
    assert_int_equal(pawl_hazard_collect(hazard), 1);
    let_it_leave();
    assert_int_equal(pawl_hazard_collect(hazard), 0);
    pawl_hazard_close(hazard);
    assert_int_equal(pawl_load_relaxed(&reclaimed), RETIRED);
}

static void a_stopped_reader_of_an_epoch_holds_all_and_nobody_waits(void **state)
{
    struct pawl_epoch *epoch = pawl_epoch_open();

    (void)state;
    assert_non_null(epoch);
    stop_a_reader(pawl_reclaim_by_epoch(epoch));
    assert_int_equal(retire_many(), RETIRED);
    let_it_leave();
    pawl_epoch_close(epoch);
    assert_int_equal(pawl_load_relaxed(&reclaimed), RETIRED);
}

static void a_stopped_reader_of_rcu_fills_the_backlog_and_no_more(void **state)
{
    struct pawl_rcu *rcu = pawl_rcu_open();
    struct pawl_retired *next;
    int called = 0;

    (void)state;
    assert_non_null(rcu);
    assert_int_equal(pawl_rcu_set_backlog(rcu, 1000), 0);
    stop_a_reader(pawl_reclaim_by_rcu(rcu));
    for (next = &make()->retired; pawl_rcu_try_call_in(rcu, next, count_reclaim) == 0;
         next = &make()->retired)
        called++;
    assert_in_range(called, 1000, 1000 + 64);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 0);
    let_it_leave();
    pawl_rcu_barrier_in(rcu);
    assert_int_equal(pawl_load_relaxed(&reclaimed), called);
    pawl_rcu_close(rcu);
    free(pawl_retired_of(next, struct object, retired));
    free(pawl_exchange_acq_rel(&cell, NULL));
}

static PAWL_ATOMIC(int) set_enough;

static void *set_stall_always(void *unused)
{
    while (pawl_load_relaxed(&set_enough) == 0)
        (void)pawl_rcu_set_stall(1000, note_stall, NULL);
    return unused;
}

static void set_stall_once(void)
{
    (void)pawl_rcu_set_stall(0, NULL, NULL);
}

static void a_child_forked_while_a_thread_sets_the_report_may_wait(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, set_stall_always, NULL), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(in_child(set_stall_once, NULL), 0);
    pawl_store_relaxed(&set_enough, 1);
    pthread_join(thread, NULL);
    set_stall_once();
}

/* ---- between two stores ---- */

static void *empty_a_list_and_end(void *hazard)
{
    uint32_t number = pawl_reader_own()->number;
    struct keep *keep = keep_of(hazard, number);

    /* as in a child that is forked between the store that empties a list and that of its count */
    keep->open.count = 1;
    keep->marked.count = 1;
    keep->ready_count = 1;
    return keep;
}

static void *collect_nothing(void *hazard)
{
    uint32_t number = pawl_reader_own()->number;

    return pawl_hazard_collect(hazard) == 0 ? keep_of(hazard, number) : NULL;
}

static void the_next_thread_of_a_number_does_not_count_what_was_lost(void **state)
{
    struct pawl_hazard *hazard = pawl_hazard_open(0);
    pthread_t thread;
    void *first, *second;

    (void)state;
    assert_non_null(hazard);
    assert_int_equal(pthread_create(&thread, NULL, empty_a_list_and_end, hazard), 0);
    pthread_join(thread, &first);
    assert_int_equal(pthread_create(&thread, NULL, collect_nothing, hazard), 0);
    pthread_join(thread, &second);
    assert_ptr_equal(first, second);
    pawl_hazard_close(hazard);
}

static struct pawl_hazard *held_in;
static struct pawl_hazard_slot *held_by;

static void look_what_is_held(void)
{
    if (pawl_load_relaxed(&held_by->word) != (uintptr_t)&held_in + PAWL_HAZARD_EMPTY_)
        _exit(1);
    _exit(pawl_reader_next(pawl_reader_own()->number) == pawl_reader_own()->number ? 0 : 2);
}

static PAWL_ATOMIC(int) new_number; /* plus 1 */
static PAWL_ATOMIC(int) seen_enough;

static void *be_new(void *unused)
{
    pawl_store_release(&new_number, (int)pawl_reader_own()->number + 1);
    await_flag(&seen_enough, 1);
    return unused;
}

/* Its record is that of number 0 until it has stored its own, and what number 0 has must stay. */
static void a_child_forked_while_a_thread_takes_its_number_keeps_what_others_have(void **state)
{
    struct pawl_reader *record;
    pthread_t thread;
    uint32_t number;

    (void)state;
    held_in = pawl_hazard_open(0);
    assert_non_null(held_in);
    held_by = pawl_hazard_take(held_in);
    pawl_hazard_set(held_by, &held_in);
    assert_int_equal(pthread_create(&thread, NULL, be_new, NULL), 0);
    await_flag(&new_number, 1);
    record = &pawl_readers_[pawl_load_relaxed(&new_number) - 1];
    number = record->number;
    record->number = pawl_reader_own()->number;
    assert_int_equal(in_child(look_what_is_held, NULL), 0);
    record->number = number;
    pawl_store_release(&seen_enough, 1);
    pthread_join(thread, NULL);
    pawl_hazard_give(held_in, held_by);
    pawl_hazard_close(held_in);
}

/* ---- one that sleeps ---- */

struct sleeper {
    struct pawl_hazard *hazard;
    PAWL_ATOMIC(struct object *) cell;
    PAWL_ATOMIC(int) holds;
    PAWL_ATOMIC(int) go;
};

static void *hold_one(void *argument)
{
    struct sleeper *sleeper = argument;
    struct pawl_hazard_slot *slot = pawl_hazard_take(sleeper->hazard);
    struct object *object = pawl_hazard_protect(slot, &sleeper->cell);

    pawl_store_release(&sleeper->holds, object != NULL);
    await_flag(&sleeper->go, 1);
    pawl_hazard_give(sleeper->hazard, slot);
    return NULL;
}

enum { LIVE = 5 }; /* objects that are held and not retired: they count in the bound, once */

static void a_sleeping_reader_keeps_one_object_not_all(void **state)
{
    struct sleeper sleeper = {.hazard = pawl_hazard_open(offsetof(struct object, retired))};
    struct pawl_retired *first = &make()->retired;
    struct pawl_hazard_slot *slot[LIVE];
    struct object live[LIVE];
    pthread_t thread;
    uint64_t kept;

    (void)state;
    assert_non_null(sleeper.hazard);
    pawl_store_relaxed(&reclaimed, 0L);
    pawl_store_release(&sleeper.cell, pawl_retired_of(first, struct object, retired));
    assert_int_equal(pthread_create(&thread, NULL, hold_one, &sleeper), 0);
    await_flag(&sleeper.holds, 1);
    pawl_store_release(&sleeper.cell, NULL);
    for (int i = 0; i < LIVE; i++) {
        slot[i] = pawl_hazard_take(sleeper.hazard);
        pawl_hazard_set(slot[i], &live[i]);
    }
    pawl_hazard_retire(sleeper.hazard, first, count_reclaim);
    for (long i = 1; i <= 100000; i++) {
        pawl_hazard_retire(sleeper.hazard, &make()->retired, count_reclaim);
        if (i - pawl_load_relaxed(&reclaimed) > 240 + 2 + LIVE)
            fail_msg("%ld of %ld are garbage", i - pawl_load_relaxed(&reclaimed), i);
    }
    kept = pawl_hazard_collect(sleeper.hazard);
    assert_int_equal(kept, 1);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 100000);
    for (int i = 0; i < LIVE; i++)
        pawl_hazard_give(sleeper.hazard, slot[i]);
    pawl_store_release(&sleeper.go, 1);
    pthread_join(thread, NULL);
    assert_int_equal(pawl_hazard_collect(sleeper.hazard), 0);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 100001);
    pawl_hazard_close(sleeper.hazard);
}

/* ---- one that rests ---- */

/* Uses both once, does nothing for long, and comes again. */
struct rester {
    struct pawl_hazard *hazard;
    struct pawl_epoch *epoch;
    PAWL_ATOMIC(struct object *) by_slot, by_pin;
    PAWL_ATOMIC(int) number; /* plus 1 */
    PAWL_ATOMIC(int) come, holds, leave;
};

static void *rest_and_come(void *argument)
{
    struct rester *rester = argument;
    struct pawl_hazard_slot *slot = pawl_hazard_take(rester->hazard);

    pawl_hazard_give(rester->hazard, slot);
    pawl_epoch_pin(rester->epoch);
    pawl_epoch_unpin(rester->epoch);
    pawl_store_release(&rester->number, (int)pawl_reader_own()->number + 1);
    await_flag(&rester->come, 1);
    slot = pawl_hazard_take(rester->hazard);
    (void)pawl_hazard_protect(slot, &rester->by_slot);
    pawl_epoch_pin(rester->epoch);
    (void)pawl_load_acquire(&rester->by_pin);
    pawl_store_release(&rester->holds, 1);
    await_flag(&rester->leave, 1);
    pawl_epoch_unpin(rester->epoch);
    pawl_hazard_give(rester->hazard, slot);
    return NULL;
}

/* Retires until the thread is found to rest: 64 marks, of up to 240 objects each. Returns whether it was. */
static bool retire_until_it_rests(struct pawl_reclaim domain, const PAWL_ATOMIC(uint64_t) * rest)
{
    for (int i = 0; i < 100000 && pawl_load_relaxed(rest) != PAWL_REST; i++)
        pawl_reclaim_retire(&domain, &make()->retired, count_reclaim);
    return pawl_load_relaxed(rest) == PAWL_REST;
}

static void what_a_thread_takes_after_a_rest_is_held(void **state)
{
    static struct rester rester;
    const PAWL_ATOMIC(uint64_t) * slots_rest, *pins_rest;
    struct object *by_slot = make(), *by_pin = make();
    struct pawl_reclaim hazard, epoch;
    pthread_t thread;

    (void)state;
    rester.hazard = pawl_hazard_open(offsetof(struct object, retired));
    rester.epoch = pawl_epoch_open();
    assert_non_null(rester.hazard);
    assert_non_null(rester.epoch);
    hazard = pawl_reclaim_by_hazard(rester.hazard);
    epoch = pawl_reclaim_by_epoch(rester.epoch);
    pawl_store_release(&rester.by_slot, by_slot);
    pawl_store_release(&rester.by_pin, by_pin);
    assert_int_equal(pthread_create(&thread, NULL, rest_and_come, &rester), 0);
    while (pawl_load_acquire(&rester.number) == 0)
        sched_yield();
    slots_rest = &rester.hazard->places[pawl_load_relaxed(&rester.number) - 1].rest;
    pins_rest = grace_word(&rester.epoch->grace, (uint32_t)pawl_load_relaxed(&rester.number) - 1) + 1;
    assert_true(retire_until_it_rests(hazard, slots_rest));
    assert_true(retire_until_it_rests(epoch, pins_rest));

    pawl_store_release(&rester.come, 1);
    await_flag(&rester.holds, 1);
    assert_int_equal(pawl_load_relaxed(slots_rest), 0);
    assert_int_equal(pawl_load_relaxed(pins_rest), 0);
    pawl_store_release(&rester.by_slot, NULL);
    pawl_store_release(&rester.by_pin, NULL);
    pawl_reclaim_retire(&hazard, &by_slot->retired, count_reclaim);
    assert_int_equal(pawl_hazard_collect(rester.hazard), 1);
    (void)pawl_epoch_collect(rester.epoch); /* what was retired before it came */
    pawl_reclaim_retire(&epoch, &by_pin->retired, count_reclaim);
    for (int i = 0; i < 10; i++)
        assert_in_range(pawl_epoch_collect(rester.epoch), 1, 4 * 480);
    pawl_store_release(&rester.leave, 1);
    pthread_join(thread, NULL);
    assert_int_equal(pawl_hazard_collect(rester.hazard), 0);
    pawl_reclaim_flush(&epoch);
    assert_int_equal(pawl_epoch_collect(rester.epoch), 0);
    pawl_hazard_close(rester.hazard);
    pawl_epoch_close(rester.epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_wait_for_a_stopped_reader_and_say_which_it_is),
        cmocka_unit_test(a_child_forked_while_a_thread_sets_the_report_may_wait),
        cmocka_unit_test(a_stopped_reader_of_hazard_pointers_holds_one_object),
        cmocka_unit_test(the_next_thread_of_a_number_does_not_count_what_was_lost),
        cmocka_unit_test(a_child_forked_while_a_thread_takes_its_number_keeps_what_others_have),
        cmocka_unit_test(a_sleeping_reader_keeps_one_object_not_all),
        cmocka_unit_test(what_a_thread_takes_after_a_rest_is_held),
        cmocka_unit_test(a_stopped_reader_of_an_epoch_holds_all_and_nobody_waits),
        cmocka_unit_test(a_stopped_reader_of_rcu_fills_the_backlog_and_no_more),
    };
    int failures;

    stopper_start(&stopper);
    failures = cmocka_run_group_tests_name("stopped", tests, NULL, NULL);
    stopper_end(&stopper);
    return failures;
}
