/* SPDX-License-Identifier: MIT */
/* Calls that block: what the pool promises. */
#include "../../sync/sync_test.h"

#include <pawl/block.h>
#include <pawl/fiber.h>
#include <pawl/park.h>

#include <errno.h>

#define MS UINT64_C(1000000)

enum { THREADS = 3, QUEUE = 5 };

static struct pawl_rt *rt;

static int open_runtime(void **state)
{
    struct pawl_rt_config config = {.workers = 2, .block_threads = THREADS, .block_queue = QUEUE};

    (void)state;
    return pawl_rt_open(&rt, &config);
}

static int close_runtime(void **state)
{
    (void)state;
    return pawl_rt_close(rt);
}

/* A job that other threads look at. */
struct call {
    struct pawl_job job;
    struct pawl_parker completed, go_on;
    PAWL_ATOMIC(int) running, completions;
    int64_t result;
    pthread_t ran_by, done_by;
};

static void call_done(struct pawl_job *job, int64_t result)
{
    struct call *call = pawl_job_of(job, struct call, job);

    call->result = result;
    call->done_by = pthread_self();
    pawl_fetch_add_relaxed(&call->completions, 1);
    pawl_unpark(&call->completed);
}

static void init(struct call *call)
{
    memset((void *)call, 0, sizeof *call);
    pawl_job_init(&call->job, call_done);
}

static int64_t forty_two(void *argument)
{
    struct call *call = argument;
    sigset_t blocked;

    call->ran_by = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGTERM), 1);
    return 42;
}

/* Occupies a thread until it is told. */
static int64_t hold(void *argument)
{
    struct call *call = argument;

    pawl_store_release(&call->running, 1);
    return pawl_park(&call->go_on, PAWL_FOREVER);
}

static void completed(struct call *call, int64_t result)
{
    assert_int_equal(pawl_park(&call->completed, PAWL_FOREVER), 0);
    assert_int_equal(pawl_load_relaxed(&call->completions), 1);
    assert_int_equal(call->result, result);
}

static void occupy(struct call *calls, int n)
{
    for (int i = 0; i < n; i++) {
        init(&calls[i]);
        assert_int_equal(pawl_block(rt, &calls[i].job, hold, &calls[i]), 0);
        while (pawl_load_acquire(&calls[i].running) == 0)
            sched_yield();
    }
}

static void let_go(struct call *calls, int n)
{
    for (int i = 0; i < n; i++) {
        pawl_unpark(&calls[i].go_on);
        completed(&calls[i], 0);
    }
}

static void a_job_completes_once_with_its_result(void **state)
{
    (void)state;
    for (int i = rounds(500); i > 0; i--) {
        struct call call;

        init(&call);
        assert_int_equal(pawl_block_cancel(&call.job), -EALREADY);
        assert_int_equal(pawl_block(rt, &call.job, forty_two, &call), 0);
        completed(&call, 42);
        assert_false(pthread_equal(call.ran_by, pthread_self()));
        assert_int_equal(pawl_block_cancel(&call.job), -EALREADY);
    }
}

static void threads_and_queue_are_bounded(void **state)
{
    struct call holders[THREADS], waiting[QUEUE], refused;

    (void)state;
    occupy(holders, THREADS);
    for (int i = 0; i < QUEUE; i++) {
        init(&waiting[i]);
        assert_int_equal(pawl_block(rt, &waiting[i].job, forty_two, &waiting[i]), 0);
        assert_int_equal(pawl_block(rt, &waiting[i].job, forty_two, &waiting[i]), -EBUSY);
    }
    init(&refused);
    assert_int_equal(pawl_block(rt, &refused.job, forty_two, &refused), -EAGAIN);
    let_go(holders, THREADS);
    for (int i = 0; i < QUEUE; i++)
        completed(&waiting[i], 42);
    assert_int_equal(pawl_load_relaxed(&refused.completions), 0);
}

static void what_no_thread_has_taken_can_be_cancelled(void **state)
{
    struct call holders[THREADS], waiting[QUEUE];

    (void)state;
    occupy(holders, THREADS);
    for (int i = 0; i < QUEUE; i++) {
        init(&waiting[i]);
        assert_int_equal(pawl_block(rt, &waiting[i].job, forty_two, &waiting[i]), 0);
    }
    assert_int_equal(pawl_block_cancel(&holders[0].job), -EBUSY);
    for (int i = 0; i < QUEUE; i += 2) {
        assert_int_equal(pawl_block_cancel(&waiting[i].job), 0);
        completed(&waiting[i], -ECANCELED);
        assert_int_equal(pawl_block_cancel(&waiting[i].job), -EALREADY);
    }
    let_go(holders, THREADS);
    for (int i = 1; i < QUEUE; i += 2)
        completed(&waiting[i], 42);
}

struct on_worker {
    struct call call;
    pthread_t worker;
};

static void block_from_a_worker(void *argument)
{
    struct on_worker *both = argument;

    both->worker = pthread_self();
    assert_int_equal(pawl_block(rt, &both->call.job, forty_two, &both->call), 0);
}

static void a_workers_job_completes_on_that_worker(void **state)
{
    (void)state;
    for (int i = rounds(100); i > 0; i--) {
        struct on_worker both;

        init(&both.call);
        assert_int_equal(pawl_go(rt, block_from_a_worker, &both), 0);
        completed(&both.call, 42);
        assert_true(pthread_equal(both.worker, both.call.done_by));
        assert_false(pthread_equal(both.worker, both.call.ran_by));
    }
}

static int64_t twice(void *argument)
{
    return 2 * *(int *)argument;
}

static PAWL_ATOMIC(int) refusals;

static void await_jobs(void *argument)
{
    int n = (int)(intptr_t)argument;

    for (int i = 0; i < n; i++) {
        int64_t result = 0;
        int status;

        while ((status = pawl_block_await(twice, &i, &result)) == -EAGAIN) { /* 20 fibers, QUEUE places */
            pawl_fetch_add_relaxed(&refusals, 1);
            assert_int_equal(pawl_sleep(MS), 0);
        }
        assert_int_equal(status, 0);
        assert_int_equal(result, 2 * i);
    }
}

static void fibers_wait_for_jobs(void **state)
{
    struct pawl_fiber *fibers[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(pawl_fiber_open(&fibers[i], rt, await_jobs, (void *)(intptr_t)rounds(100)), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(pawl_fiber_join(fibers[i]), 0);
}

static void await_a_cancelled_job(void *argument)
{
    int64_t result = 0;
    int number = 1;

    *(int *)argument = pawl_block_await(twice, &number, &result);
    assert_int_equal(result, 0);
}

static void a_cancelled_fiber_takes_its_job_back(void **state)
{
    struct call holders[THREADS];
    struct pawl_fiber *fiber;
    int status = 1;

    (void)state;
    occupy(holders, THREADS);
    assert_int_equal(pawl_fiber_open(&fiber, rt, await_a_cancelled_job, &status), 0);
    sleep_ms(2);
    assert_int_equal(pawl_fiber_cancel(fiber), 0);
    assert_int_equal(pawl_fiber_join(fiber), 0);
    assert_int_equal(status, -ECANCELED);
    let_go(holders, THREADS);
}

/* Those that run come to their end, the others do not begin: the threads are not let go before every waiting job was cancelled. */
struct closing {
    struct call holders[THREADS], waiting[QUEUE];
};

static void *let_go_when_cancelled(void *argument)
{
    struct closing *closing = argument;

    for (int i = 0; i < QUEUE; i++)
        completed(&closing->waiting[i], -ECANCELED);
    let_go(closing->holders, THREADS);
    return NULL;
}

static void closing_cancels_what_waits_and_waits_for_what_runs(void **state)
{
    struct closing closing;
    struct pawl_rt *others = rt;

    (void)state;
    for (int round = 0; round < 10; round++) {
        pthread_t thread;

        assert_int_equal(open_runtime(NULL), 0);
        occupy(closing.holders, THREADS);
        for (int i = 0; i < QUEUE; i++) {
            init(&closing.waiting[i]);
            assert_int_equal(pawl_block(rt, &closing.waiting[i].job, forty_two, &closing.waiting[i]), 0);
        }
        thread = start(let_go_when_cancelled, &closing);
        assert_int_equal(pawl_rt_close(rt), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pawl_load_acquire(&closing.holders[i].completions), 1);
        join(thread);
    }
    rt = others;
}

/* A job outlives its runtime: it can be cancelled whatever becomes of that one. */
static void *cancel_until_idle(void *argument)
{
    struct call *call = argument;
    int status;

    while ((status = pawl_block_cancel(&call->job)) == -EBUSY)
        ;
    assert_int_equal(status, -EALREADY);
    return NULL;
}

static void a_job_can_be_cancelled_whatever_becomes_of_its_runtime(void **state)
{
    struct pawl_rt *others = rt;

    (void)state;
    for (int round = rounds(20); round > 0; round--) {
        struct call call;
        pthread_t thread;

        assert_int_equal(open_runtime(NULL), 0);
        occupy(&call, 1);
        thread = start(cancel_until_idle, &call);
        pawl_unpark(&call.go_on);
        assert_int_equal(pawl_rt_close(rt), 0);
        assert_int_equal(pawl_block_cancel(&call.job), -EALREADY);
        join(thread);
        completed(&call, 0);
    }
    rt = others;
}

static int64_t close_it(void *argument)
{
    (void)argument;
    return pawl_rt_close(rt);
}

static void close_and_tell(struct pawl_job *job, int64_t result)
{
    call_done(job, result + pawl_rt_close(rt));
}

static void neither_a_job_nor_its_end_closes_the_runtime(void **state)
{
    struct pawl_rt *others = rt;
    struct call call;

    (void)state;
    assert_int_equal(open_runtime(NULL), 0);
    init(&call);
    call.job.done = close_and_tell;
    assert_int_equal(pawl_block(rt, &call.job, close_it, NULL), 0);
    completed(&call, -EDEADLK * 2); /* both */
    assert_int_equal(pawl_rt_close(rt), 0);
    rt = others;
}

/* Jobs and cancels from several threads. */
static PAWL_ATOMIC(int) outstanding;

static void *queue_and_cancel(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;

    for (int i = rounds(1000); i > 0; i--) {
        struct call call;
        int status, cancelled = 1;

        random = random * 6364136223846793005u + 1442695040888963407u;
        init(&call);
        status = pawl_block(rt, &call.job, forty_two, &call);
        if (status == -EAGAIN) {
            sched_yield();
            continue;
        }
        assert_int_equal(status, 0);
        if (random >> 62 == 0)
            cancelled = pawl_block_cancel(&call.job);
        assert_int_equal(pawl_park(&call.completed, PAWL_FOREVER), 0);
        assert_int_equal(call.result, cancelled == 0 ? -ECANCELED : 42);
        pawl_fetch_add_relaxed(&outstanding, 1);
    }
    return NULL;
}

static void jobs_and_cancels_from_many_threads(void **state)
{
    pthread_t threads[6];
    uint64_t seed = monotonic_ns();

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 6; i++)
        threads[i] = start(queue_and_cancel, (void *)(uintptr_t)(seed + i));
    for (int i = 0; i < 6; i++)
        join(threads[i]);
    assert_true(pawl_load_relaxed(&outstanding) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_completes_once_with_its_result),
        cmocka_unit_test(threads_and_queue_are_bounded),
        cmocka_unit_test(what_no_thread_has_taken_can_be_cancelled),
        cmocka_unit_test(a_workers_job_completes_on_that_worker),
        cmocka_unit_test(fibers_wait_for_jobs),
        cmocka_unit_test(a_cancelled_fiber_takes_its_job_back),
        cmocka_unit_test(closing_cancels_what_waits_and_waits_for_what_runs),
        cmocka_unit_test(a_job_can_be_cancelled_whatever_becomes_of_its_runtime),
        cmocka_unit_test(neither_a_job_nor_its_end_closes_the_runtime),
        cmocka_unit_test(jobs_and_cancels_from_many_threads),
    };

    expect_end_within(rounds(100) > 100 ? 1200 : 280);
    return cmocka_run_group_tests_name("block", tests, open_runtime, close_runtime);
}
