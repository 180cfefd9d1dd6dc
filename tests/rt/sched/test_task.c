/* SPDX-License-Identifier: MIT */
/* What a task is promised. */
#include "sched_test.h"

struct counted {
    struct pawl_task task;
    PAWL_ATOMIC(int) runs;
    int last; /* the run in which it is done */
    int number;
    struct pawl_task *other;
    struct pawl_task_waiter waiter;
};

static struct counted *of(struct pawl_task *task)
{
    return pawl_task_of(task, struct counted, task);
}

static enum pawl_task_next count(struct pawl_task *task)
{
    struct counted *self = of(task);
    int run = pawl_fetch_add_release(&self->runs, 1) + 1;

    return run >= self->last || pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static void init(struct counted *self, enum pawl_task_next (*run)(struct pawl_task *), int last)
{
    *self = (struct counted){.last = last};
    pawl_task_init(&self->task, run, 0);
}

static void a_spawned_task_runs_once(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    init(&it, count, 1);
    assert_true(pawl_task_done(&it.task));
    for (int life = 1; life <= 3; life++) { /* it may be spawned again */
        assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
        assert_int_equal(pawl_task_join(&it.task), 0);
        assert_true(pawl_task_done(&it.task));
        assert_int_equal(pawl_load_relaxed(&it.runs), life);
    }
    assert_int_equal(pawl_rt_close(rt), 0);
}

static void a_task_that_waits_runs_again_for_a_wake(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    init(&it, count, 3);
    assert_int_equal(pawl_task_cancel(&it.task), -EALREADY); /* idle */
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    assert_true(reaches(&it.runs, 1));
    assert_false(pawl_task_done(&it.task));
    assert_int_equal(pawl_task_spawn(rt, &it.task), -EBUSY);
    pawl_task_wake(&it.task);
    assert_true(reaches(&it.runs, 2));
    pawl_task_wake(&it.task);
    assert_int_equal(pawl_task_join(&it.task), 0);
    pawl_task_wake(&it.task); /* completed: nothing happens */
    assert_int_equal(pawl_task_cancel(&it.task), -EALREADY);
    assert_int_equal(pawl_rt_close(rt), 0);
    assert_int_equal(pawl_load_relaxed(&it.runs), 3);
}

/* In its first run it wakes itself three times. */
static enum pawl_task_next wake_myself(struct pawl_task *task)
{
    struct counted *self = of(task);

    must(pawl_task_self() == task, "the task that runs is the one that runs");
    must(pawl_rt_here() != NULL, "a task runs on a worker");
    if (pawl_fetch_add_release(&self->runs, 1) == 0)
        for (int i = 0; i < 3; i++)
            pawl_task_wake(task);
    return pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static void wakes_during_a_run_run_it_exactly_once_more(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    init(&it, wake_myself, 0);
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    assert_true(reaches(&it.runs, 2));
    sleep_ms(20);
    assert_int_equal(pawl_load_relaxed(&it.runs), 2);
    assert_int_equal(pawl_rt_close(rt), 0); /* cancels it: one run more */
    assert_int_equal(pawl_load_relaxed(&it.runs), 3);
    assert_true(pawl_task_done(&it.task));
}

/* ---- order: on one worker, which a first task keeps until everything has been spawned ---- */

static PAWL_ATOMIC(int) gate_reached, gate_open;
static int order[16], ordered;

static enum pawl_task_next gate(struct pawl_task *task)
{
    (void)task;
    pawl_store_relaxed(&gate_reached, 1);
    while (pawl_load_acquire(&gate_open) == 0) /* acquire: all has been spawned */
        usleep(100);
    return PAWL_TASK_DONE;
}

static enum pawl_task_next note(struct pawl_task *task)
{
    order[ordered++] = of(task)->number;
    return ordered <= of(task)->last ? PAWL_TASK_AGAIN : PAWL_TASK_DONE;
}

/* Lets those go first that came from outside while it ran. */
static enum pawl_task_next patient_gate(struct pawl_task *task)
{
    if (pawl_load_relaxed(&gate_reached) != 0) {
        order[ordered++] = -1;
        return PAWL_TASK_DONE;
    }
    (void)gate(task);
    return PAWL_TASK_AGAIN;
}

static void run_in_order(struct counted *tasks, int n, enum pawl_task_next (*begin)(struct pawl_task *))
{
    struct pawl_rt *rt = open_rt(1, 0);
    struct counted first;

    pawl_store_relaxed(&gate_reached, 0);
    pawl_store_relaxed(&gate_open, 0);
    ordered = 0;
    init(&first, begin, 1);
    assert_int_equal(pawl_task_spawn(rt, &first.task), 0);
    /* A worker that is late would take the gate and what came meanwhile as one batch. */
    assert_true(reaches(&gate_reached, 1));
    for (int i = 0; i < n; i++)
        assert_int_equal(pawl_task_spawn(rt, &tasks[i].task), 0);
    pawl_store_release(&gate_open, 1); /* release: pairs with the gate's acquire */
    for (int i = 0; i < n; i++)
        assert_int_equal(pawl_task_join(&tasks[i].task), 0);
    assert_int_equal(pawl_task_join(&first.task), 0);
    assert_int_equal(pawl_rt_close(rt), 0);
}

static void tasks_from_outside_run_oldest_first(void **state)
{
    struct counted tasks[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        init(&tasks[i], note, 0);
        tasks[i].number = i;
    }
    run_in_order(tasks, 8, gate);
    for (int i = 0; i < 8; i++)
        assert_int_equal(order[i], i);
}

static void an_urgent_task_runs_before_the_others(void **state)
{
    struct counted tasks[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        init(&tasks[i], note, 0);
        pawl_task_init(&tasks[i].task, note, i == 5 ? PAWL_TASK_URGENT : 0);
        tasks[i].number = i;
    }
    run_in_order(tasks, 8, gate);
    assert_int_equal(order[0], 5);
}

static void again_lets_the_others_go_first(void **state)
{
    struct counted tasks[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        init(&tasks[i], note, 4); /* as long as not all have run: AGAIN */
        tasks[i].number = i;
    }
    run_in_order(tasks, 4, gate);
    for (int i = 0; i < 8; i++)
        assert_int_equal(order[i], i % 4);
}

static void again_lets_those_from_outside_go_first(void **state)
{
    struct counted tasks[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        init(&tasks[i], note, 0);
        tasks[i].number = i;
    }
    run_in_order(tasks, 8, patient_gate);
    for (int i = 0; i < 8; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(order[8], -1);
}

/* ---- ends ---- */

static enum pawl_task_next wait_for_the_end(struct pawl_task *task)
{
    pawl_fetch_add_release(&of(task)->runs, 1);
    of(task)->number = pawl_task_cancelled(task);
    return of(task)->number != 0 ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static void a_cancelled_task_learns_of_it(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    init(&it, wait_for_the_end, 0);
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    assert_true(reaches(&it.runs, 1));
    assert_int_equal(pawl_task_cancel(&it.task), 0);
    assert_int_equal(pawl_task_join(&it.task), 0);
    assert_int_equal(it.number, -ECANCELED);
    assert_int_equal(pawl_rt_close(rt), 0);
}

static void a_deadline_ends_a_task_unless_it_is_faster(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct pawl_task_deadline deadline;
    struct counted it;

    (void)state;
    init(&it, wait_for_the_end, 0);
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    pawl_task_deadline_init(&deadline, &it.task);
    assert_int_equal(pawl_task_deadline_start(&deadline, pawl_deadline(5 * MILLISECOND)), 0);
    assert_int_equal(pawl_task_join(&it.task), 0);
    assert_int_equal(it.number, -ETIMEDOUT);
    assert_int_equal(pawl_task_deadline_stop(&deadline, NULL), 0);

    init(&it, wait_for_the_end, 0);
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    pawl_task_deadline_init(&deadline, &it.task);
    assert_int_equal(pawl_task_deadline_start(&deadline, pawl_deadline(UINT64_C(3600000) * MILLISECOND)), 0);
    assert_int_equal(pawl_task_cancel(&it.task), 0);
    assert_int_equal(pawl_task_join(&it.task), 0);
    assert_int_equal(it.number, -ECANCELED);
    assert_int_equal(pawl_task_deadline_stop(&deadline, NULL), 0);
    assert_int_equal(pawl_rt_close(rt), 0);
}

static void close_cancels_every_task_that_waits(void **state)
{
    enum { TASKS = 100 };
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted *tasks = calloc(TASKS, sizeof *tasks);

    (void)state;
    for (int i = 0; i < TASKS; i++) {
        init(&tasks[i], wait_for_the_end, 0);
        assert_int_equal(pawl_task_spawn(rt, &tasks[i].task), 0);
    }
    assert_int_equal(pawl_rt_close(rt), 0); /* some have waited by now, others have not even begun */
    for (int i = 0; i < TASKS; i++) {
        assert_true(pawl_task_done(&tasks[i].task));
        assert_int_equal(tasks[i].number, -ECANCELED);
    }
    free(tasks);
}

static enum pawl_task_next await_another(struct pawl_task *task)
{
    struct counted *self = of(task);

    must(pawl_task_join(self->other) == -EDEADLK, "a worker must not block");
    self->number++;
    switch (pawl_task_await(self->other, &self->waiter, task)) {
    case 0:
        pawl_fetch_add_release(&self->runs, 1);
        return PAWL_TASK_DONE;
    case -EAGAIN:
        return PAWL_TASK_WAIT;
    default:
        abort();
    }
}

static void a_task_awaits_another(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it, waits[3];

    (void)state;
    init(&it, count, 2);
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    assert_true(reaches(&it.runs, 1));
    for (int i = 0; i < 3; i++) { /* several, and one that is woken for nothing */
        init(&waits[i], await_another, 0);
        waits[i].other = &it.task;
        assert_int_equal(pawl_task_spawn(rt, &waits[i].task), 0);
    }
    pawl_task_wake(&waits[0].task);
    sleep_ms(5);
    for (int i = 0; i < 3; i++)
        assert_false(pawl_task_done(&waits[i].task));
    pawl_task_wake(&it.task);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pawl_task_join(&waits[i].task), 0);
        assert_int_equal(pawl_load_relaxed(&waits[i].runs), 1);
    }
    assert_int_equal(pawl_rt_close(rt), 0);
}

static PAWL_ATOMIC(int) freed;

static void free_it(struct pawl_task *task)
{
    free(of(task));
    pawl_fetch_add_release(&freed, 1);
}

static void a_task_may_be_freed_when_it_is_done(void **state)
{
    enum { TASKS = 1000 };
    struct pawl_rt *rt = open_rt(2, 0);
    struct pawl_task_waiter waiter = {0};

    (void)state;
    pawl_store_relaxed(&freed, 0);
    for (int i = 0; i < TASKS; i++) {
        struct counted *it = malloc(sizeof *it);

        init(it, i % 2 != 0 ? count : wait_for_the_end, 1); /* the others end when the runtime closes */
        pawl_task_on_done(&it->task, free_it);
        assert_int_equal(pawl_task_join(&it->task), -EINVAL);
        assert_int_equal(pawl_task_notify(&it->task, &waiter), -EINVAL);
        assert_int_equal(pawl_task_spawn(rt, &it->task), 0);
    }
    assert_int_equal(pawl_rt_close(rt), 0);
    assert_int_equal(pawl_load_relaxed(&freed), TASKS);
}

/* ---- fairness ---- */

static enum pawl_task_next for_ever(struct pawl_task *task)
{
    pawl_fetch_add_relaxed(&of(task)->runs, 1);
    return pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE : PAWL_TASK_AGAIN;
}

/* Two that wake each other without end: each is always the newest. */
static enum pawl_task_next wake_the_other(struct pawl_task *task)
{
    pawl_task_wake(of(task)->other);
    return pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static enum pawl_task_next compute(struct pawl_task *task)
{
    pawl_fetch_add_release(&of(task)->runs, 1);
    while (pawl_task_cancelled(task) == 0)
        if (pawl_task_should_yield())
            return PAWL_TASK_AGAIN;
    return PAWL_TASK_DONE;
}

static void nobody_starves_behind_tasks_that_never_wait(void **state)
{
    struct pawl_rt *rt = open_rt(1, 0);
    struct counted greedy[5], it;
    struct pawl_task_deadline deadline;

    (void)state;
    for (int i = 0; i < 5; i++)
        init(&greedy[i], i < 2 ? for_ever : i < 4 ? wake_the_other : compute, 0);
    greedy[2].other = &greedy[3].task;
    greedy[3].other = &greedy[2].task;
    for (int i = 0; i < 5; i++)
        assert_int_equal(pawl_task_spawn(rt, &greedy[i].task), 0);
    init(&it, wait_for_the_end, 0);
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    pawl_task_deadline_init(&deadline, &it.task);
    assert_int_equal(pawl_task_deadline_start(&deadline, pawl_deadline(MILLISECOND)), 0);
    assert_int_equal(pawl_task_join(&it.task), 0); /* its runs, the alarm's message, and the timer */
    assert_int_equal(pawl_task_deadline_stop(&deadline, NULL), 0);
    assert_int_equal(it.number, -ETIMEDOUT);
    assert_true(reaches(&greedy[0].runs, 10));
    assert_true(reaches(&greedy[1].runs, 10));
    assert_true(reaches(&greedy[4].runs, 10));
    assert_int_equal(pawl_rt_close(rt), 0);
}

/* ---- many ---- */

enum { CHILDREN = 3000 };

static PAWL_ATOMIC(int) ran;
static struct counted *children;

static enum pawl_task_next one_of_many(struct pawl_task *task)
{
    (void)task;
    pawl_fetch_add_release(&ran, 1);
    return PAWL_TASK_DONE;
}

static enum pawl_task_next spawn_many(struct pawl_task *task)
{
    (void)task;
    for (int i = 0; i < CHILDREN; i++) { /* more than a worker's deques hold */
        init(&children[i], one_of_many, 0);
        pawl_task_init(&children[i].task, one_of_many, i % 3 == 0 ? PAWL_TASK_URGENT : 0);
        must(pawl_task_spawn(pawl_rt_here(), &children[i].task) == 0, "a task may spawn");
    }
    return PAWL_TASK_DONE;
}

static void a_task_may_spawn_more_than_its_worker_holds(void **state)
{
    struct counted parent;
    struct pawl_rt_counts stats;

    (void)state;
    children = calloc(CHILDREN, sizeof *children);
    for (uint32_t workers = 1; workers <= 3; workers++) {
        struct pawl_rt *rt = open_rt(workers, 0);

        pawl_store_relaxed(&ran, 0);
        init(&parent, spawn_many, 0);
        assert_int_equal(pawl_task_spawn(rt, &parent.task), 0);
        assert_true(reaches(&ran, CHILDREN));
        assert_int_equal(pawl_task_join(&parent.task), 0);
        for (int i = 0; i < CHILDREN; i++)
            assert_int_equal(pawl_task_join(&children[i].task), 0);
        stats = counts_after(rt, CHILDREN + 1);
        assert_int_equal(stats.tasks, CHILDREN + 1);
        assert_int_equal(stats.spawned, CHILDREN + 1);
        assert_int_equal(pawl_rt_close(rt), 0);
    }
    free(children);
}

/* ---- signals ---- */

static struct counted *woken_by_signal;

static void on_signal(int number)
{
    (void)number;
    pawl_task_wake(&woken_by_signal->task);
}

static enum pawl_task_next interrupt_myself(struct pawl_task *task)
{
    must(pthread_kill(pthread_self(), SIGUSR1) == 0, "pthread_kill");
    pawl_fetch_add_release(&of(task)->runs, 1);
    return PAWL_TASK_DONE;
}

static void a_signal_handler_wakes_a_task(void **state)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it, interrupted;

    (void)state;
    init(&it, count, 3);
    woken_by_signal = &it;
    sigaction(SIGUSR1, &action, &before);
    assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
    assert_true(reaches(&it.runs, 1));
    raise(SIGUSR1); /* on a thread that is no worker */
    assert_true(reaches(&it.runs, 2));
    init(&interrupted, interrupt_myself, 0);
    assert_int_equal(pawl_task_spawn(rt, &interrupted.task), 0); /* on a worker */
    assert_int_equal(pawl_task_join(&it.task), 0);
    assert_int_equal(pawl_task_join(&interrupted.task), 0);
    sigaction(SIGUSR1, &before, NULL);
    assert_int_equal(pawl_rt_close(rt), 0);
}

int test_tasks(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spawned_task_runs_once),
        cmocka_unit_test(a_task_that_waits_runs_again_for_a_wake),
        cmocka_unit_test(wakes_during_a_run_run_it_exactly_once_more),
        cmocka_unit_test(tasks_from_outside_run_oldest_first),
        cmocka_unit_test(an_urgent_task_runs_before_the_others),
        cmocka_unit_test(again_lets_the_others_go_first),
        cmocka_unit_test(again_lets_those_from_outside_go_first),
        cmocka_unit_test(a_cancelled_task_learns_of_it),
        cmocka_unit_test(a_deadline_ends_a_task_unless_it_is_faster),
        cmocka_unit_test(close_cancels_every_task_that_waits),
        cmocka_unit_test(a_task_awaits_another),
        cmocka_unit_test(a_task_may_be_freed_when_it_is_done),
        cmocka_unit_test(nobody_starves_behind_tasks_that_never_wait),
        cmocka_unit_test(a_task_may_spawn_more_than_its_worker_holds),
        cmocka_unit_test(a_signal_handler_wakes_a_task),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
