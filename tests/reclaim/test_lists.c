/* SPDX-License-Identifier: MIT */
/* The lists that callbacks wait in: while one is taken away from its CPU, the process forks, calls go on, or the kernel
 * refuses. Calls of pawl_percpu_detach and _attach from the library come here first (-Wl,--wrap) and stop where a test
 * wants the worker stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reclaim_test.h"

#include <pawl/percpu.h>
#include <pawl/rcu.h>

#include <errno.h>

void *__real_pawl_percpu_detach(struct pawl_percpu *pc, uint32_t slot);
int __real_pawl_percpu_attach(struct pawl_percpu *pc, uint32_t slot, void *slice);
void *__wrap_pawl_percpu_detach(struct pawl_percpu *pc, uint32_t slot);
int __wrap_pawl_percpu_attach(struct pawl_percpu *pc, uint32_t slot, void *slice);

enum place { NOWHERE, AFTER_DETACH, BEFORE_ATTACH };

static PAWL_ATOMIC(int) stop_at; /* enum place: where the worker stops, once */
static PAWL_ATOMIC(int) stopped;
static PAWL_ATOMIC(int) go;
static PAWL_ATOMIC(int) refusals; /* so many times the kernel has no memory for the fence */

static void stop_here(int place)
{
    if (pawl_load_acquire(&stop_at) != place)
        return;
    pawl_store_relaxed(&stop_at, NOWHERE);
    pawl_store_release(&stopped, 1);
    await_flag(&go, 1);
}

void *__wrap_pawl_percpu_detach(struct pawl_percpu *pc, uint32_t slot)
{
    void *slice;

    if (pawl_load_relaxed(&refusals) > 0) {
        pawl_fetch_sub_relaxed(&refusals, 1);
        errno = ENOMEM;
        return NULL;
    }
    slice = __real_pawl_percpu_detach(pc, slot);
    stop_here(AFTER_DETACH);
    return slice;
}

int __wrap_pawl_percpu_attach(struct pawl_percpu *pc, uint32_t slot, void *slice)
{
    stop_here(BEFORE_ATTACH);
    return __real_pawl_percpu_attach(pc, slot, slice);
}

/* ---- callbacks ---- */

enum { FIRST = 10, SECOND = 20, LATER = 30, ALL = FIRST + SECOND + LATER };

static struct pawl_rcu *rcu;
static struct pawl_retired objects[ALL];
static PAWL_ATOMIC(int) times[ALL];

static void count(struct pawl_retired *retired)
{
    pawl_fetch_add_relaxed(&times[retired - objects], 1);
}

static void call_some(int from, int number)
{
    for (int i = from; i < from + number; i++)
        pawl_rcu_call_in(rcu, &objects[i], count);
}

static bool each_ran_once(int number)
{
    for (int i = 0; i < ALL; i++)
        if (pawl_load_relaxed(&times[i]) != (i < number))
            return false;
    return true;
}

static void open_domain(int place)
{
    for (int i = 0; i < ALL; i++)
        pawl_store_relaxed(&times[i], 0);
    pawl_store_relaxed(&stopped, 0);
    pawl_store_relaxed(&go, 0);
    pawl_store_relaxed(&stop_at, place);
    rcu = pawl_rcu_open();
    assert_non_null(rcu);
}

/* The slot of the parent's list stays detached in the child for good: a barrier that waits for it hangs. */
static void finish_in_child(void)
{
    pawl_store_relaxed(&stop_at, NOWHERE);
    pawl_rcu_barrier_in(rcu);
    if (!each_ran_once(FIRST + SECOND))
        _exit(1);
    call_some(FIRST + SECOND, LATER);
    pawl_rcu_barrier_in(rcu);
    if (!each_ran_once(ALL))
        _exit(2);
    pawl_rcu_close(rcu);
}

static void fork_while_the_worker_stands(int place)
{
    if (under_sanitizer())
        skip(); /* they do not let a child of a process with threads start its own */
    open_domain(place);
    call_some(0, FIRST);
    await_flag(&stopped, 1);
    call_some(FIRST, SECOND); /* find the list detached, or are in another CPU's */
    assert_int_equal(in_child(finish_in_child, NULL), 0);
    pawl_store_release(&go, 1);
    pawl_rcu_barrier_in(rcu);
    assert_true(each_ran_once(FIRST + SECOND));
    pawl_rcu_close(rcu);
}

static void a_child_forked_while_a_list_is_detached_and_full_runs_all_of_it_once(void **state)
{
    (void)state;
    fork_while_the_worker_stands(AFTER_DETACH);
}

static void a_child_forked_while_a_list_is_detached_and_emptied_runs_all_of_it_once(void **state)
{
    (void)state;
    fork_while_the_worker_stands(BEFORE_ATTACH);
}

enum { CALLED_THEN = 3 };

static PAWL_ATOMIC(int) called_so_far;

static void stop_in_the_third(struct pawl_retired *retired)
{
    count(retired);
    if (pawl_fetch_add_relaxed(&called_so_far, 1) + 1 < CALLED_THEN)
        return;
    pawl_store_release(&stopped, 1);
    await_flag(&go, 1);
}

/* From a thread that ends: what it kept of its count is in the domain's then. */
static void *call_the_first(void *unused)
{
    for (int i = 0; i < FIRST; i++)
        pawl_rcu_call_in(rcu, &objects[i], stop_in_the_third);
    return unused;
}

static void count_in_child(void)
{
    if (pawl_rcu_backlog(rcu) != FIRST - CALLED_THEN)
        _exit(1);
    pawl_store_release(&go, 1);
    pawl_rcu_barrier_in(rcu);
    _exit(pawl_rcu_backlog(rcu) == 0 ? 0 : 2);
}

static void a_child_forked_in_the_middle_of_a_batch_counts_what_is_left_of_it(void **state)
{
    pthread_t thread;

    (void)state;
    if (under_sanitizer())
        skip(); /* as above */
    open_domain(NOWHERE);
    pawl_store_relaxed(&called_so_far, 0);
    assert_int_equal(pthread_create(&thread, NULL, call_the_first, NULL), 0);
    pthread_join(thread, NULL);
    await_flag(&stopped, 1);
    assert_int_equal(in_child(count_in_child, NULL), 0);
    pawl_store_release(&go, 1);
    pawl_rcu_barrier_in(rcu);
    assert_true(each_ran_once(FIRST));
    pawl_rcu_close(rcu);
}

static void calls_that_find_their_list_detached_are_not_lost(void **state)
{
    (void)state;
    open_domain(BEFORE_ATTACH);
    call_some(0, FIRST);
    await_flag(&stopped, 1);
    call_some(FIRST, SECOND);
    pawl_store_release(&go, 1);
    pawl_rcu_barrier_in(rcu);
    assert_true(each_ran_once(FIRST + SECOND));
    pawl_rcu_close(rcu);
}

static void a_fence_that_the_kernel_refuses_delays_callbacks_and_loses_none(void **state)
{
    (void)state;
    open_domain(NOWHERE);
    pawl_store_relaxed(&refusals, 5);
    call_some(0, FIRST);
    pawl_rcu_barrier_in(rcu);
    assert_int_equal(pawl_load_relaxed(&refusals), 0);
    assert_true(each_ran_once(FIRST));
    pawl_rcu_close(rcu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_find_their_list_detached_are_not_lost),
        cmocka_unit_test(a_fence_that_the_kernel_refuses_delays_callbacks_and_loses_none),
        cmocka_unit_test(a_child_forked_while_a_list_is_detached_and_full_runs_all_of_it_once),
        cmocka_unit_test(a_child_forked_while_a_list_is_detached_and_emptied_runs_all_of_it_once),
        cmocka_unit_test(a_child_forked_in_the_middle_of_a_batch_counts_what_is_left_of_it),
    };

    return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
