/* SPDX-License-Identifier: MIT */
/* Storms. Everything is counted: each task completes once for each spawn, each wake is answered by a run that begins
 * after it, no task is on two workers at once. What is lost makes the test wait for ever, which an alarm ends. */
#include "sched_test.h"

#include <fcntl.h>

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static uint64_t seed;

/* ---- spawns ---- */

struct leaf {
    struct pawl_task task;
    PAWL_ATOMIC(int) * completed;
    unsigned depth;
};

static void leaf_done(struct pawl_task *task)
{
    pawl_fetch_add_release(pawl_task_of(task, struct leaf, task)->completed, 1);
    free(pawl_task_of(task, struct leaf, task));
}

static enum pawl_task_next leaf_run(struct pawl_task *task);

static void grow(struct pawl_rt *rt, PAWL_ATOMIC(int) * completed, unsigned depth, int flags)
{
    struct leaf *leaf = malloc(sizeof *leaf);

    must(leaf != NULL, "memory");
    *leaf = (struct leaf){.completed = completed, .depth = depth};
    pawl_task_init(&leaf->task, leaf_run, flags);
    pawl_task_on_done(&leaf->task, leaf_done);
    must(pawl_task_spawn(rt, &leaf->task) == 0, "spawn");
}

static enum pawl_task_next leaf_run(struct pawl_task *task)
{
    struct leaf *leaf = pawl_task_of(task, struct leaf, task);

    if (leaf->depth > 0)
        for (int i = 0; i < 2; i++)
            grow(pawl_rt_here(), leaf->completed, leaf->depth - 1, i != 0 ? PAWL_TASK_URGENT : 0);
    return PAWL_TASK_DONE;
}

static struct spawner {
    struct pawl_rt *rt;
    PAWL_ATOMIC(int) completed;
    int trees;
    unsigned depth;
} spawner;

static void *spawn_trees(void *argument)
{
    struct spawner *self = argument;

    for (int i = 0; i < self->trees; i++)
        grow(self->rt, &self->completed, self->depth, 0);
    return NULL;
}

static void every_spawned_task_completes_once(void **state)
{
    enum { THREADS = 3, DEPTH = 9 };
    struct pawl_rt_counts stats;
    pthread_t threads[THREADS];
    int all;

    (void)state;
    spawner = (struct spawner){.rt = open_rt(3, 0), .trees = rounds(20), .depth = DEPTH};
    all = THREADS * spawner.trees * ((1 << (DEPTH + 1)) - 1);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(spawn_trees, &spawner);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    assert_true(reaches(&spawner.completed, all));
    stats = counts_after(spawner.rt, (uint64_t)all);
    assert_int_equal(stats.tasks, all);
    assert_int_equal(stats.spawned, all);
    assert_int_equal(stats.finished, all);
    assert_int_equal(pawl_rt_close(spawner.rt), 0);
    assert_int_equal(pawl_load_relaxed(&spawner.completed), all);
}

/* ---- wakes ---- */

enum { SLEEPERS = 16, WAKERS = 3 };

struct sleeper {
    struct pawl_task task;
    PAWL_ATOMIC(int) asked PAWL_LINE_PAIR_ALIGNED; /* counted before each wake */
    PAWL_ATOMIC(int) seen;                         /* by the latest run */
    PAWL_ATOMIC(int) inside;
    struct sleeper *next;
    int plain; /* written by every run: two at once are a race */
};

static struct sleeper sleepers[SLEEPERS];

static enum pawl_task_next look(struct pawl_task *task)
{
    struct sleeper *self = pawl_task_of(task, struct sleeper, task);
    int end = pawl_task_cancelled(task);

    must(pawl_fetch_add_relaxed(&self->inside, 1) == 0, "a task is never on two workers");
    self->plain++;
    pawl_store_release(&self->seen, pawl_load_acquire(&self->asked));
    if (self->plain % 8 == 0 && end == 0) { /* wakes by tasks, too */
        pawl_fetch_add_release(&self->next->asked, 1);
        pawl_task_wake(&self->next->task);
    }
    must(pawl_fetch_sub_relaxed(&self->inside, 1) == 1, "a task is never on two workers");
    if (end != 0)
        return PAWL_TASK_DONE;
    return self->plain % 5 == 0 ? PAWL_TASK_AGAIN : PAWL_TASK_WAIT;
}

static void wake_one(uint64_t *random)
{
    struct sleeper *it = &sleepers[next_random(random) % SLEEPERS];

    pawl_fetch_add_release(&it->asked, 1);
    pawl_task_wake(&it->task);
}

static PAWL_ATOMIC(uint64_t) signal_random;

static void wake_by_signal(int number)
{
    uint64_t random = pawl_fetch_add_relaxed(&signal_random, UINT64_C(7777777));

    (void)number;
    wake_one(&random);
}

static void *wake_them(void *argument)
{
    uint64_t random = seed + (uintptr_t)argument;

    for (int i = rounds(30000); i > 0; i--) {
        wake_one(&random);
        if (next_random(&random) % 64 == 0)
            sched_yield();
        if (next_random(&random) % 256 == 0)
            usleep(1 + (unsigned)(next_random(&random) % 100)); /* let the workers fall asleep */
        if (next_random(&random) % 128 == 0)
            raise(SIGUSR1);
    }
    return NULL;
}

static void every_wake_is_answered(uint32_t workers)
{
    struct sigaction action = {.sa_handler = wake_by_signal}, before;
    struct pawl_rt *rt = open_rt(workers, 0);
    pthread_t threads[WAKERS];

    sigaction(SIGUSR1, &action, &before);
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper){.next = &sleepers[(i + 1) % SLEEPERS]};
        pawl_task_init(&sleepers[i].task, look, 0);
    }
    for (int i = 0; i < SLEEPERS; i++)
        assert_int_equal(pawl_task_spawn(rt, &sleepers[i].task), 0);
    for (uintptr_t i = 0; i < WAKERS; i++)
        threads[i] = start(wake_them, (void *)i);
    for (int n = rounds(300); n > 0;
         n--) { /* signals to the process hit workers in the middle of what they do */
        kill(getpid(), SIGUSR1);
        usleep(50);
    }
    for (int i = 0; i < WAKERS; i++)
        join(threads[i]);
    for (int i = 0; i < SLEEPERS; i++) /* the tasks still wake each other a little */
        for (int asked;
             pawl_load_acquire(&sleepers[i].seen) < (asked = pawl_load_acquire(&sleepers[i].asked));)
            assert_true(reaches(&sleepers[i].seen, asked));
    assert_int_equal(pawl_rt_close(rt), 0);
    for (int i = 0; i < SLEEPERS; i++) {
        assert_true(pawl_task_done(&sleepers[i].task));
        assert_int_equal(pawl_load_relaxed(&sleepers[i].seen), pawl_load_relaxed(&sleepers[i].asked));
    }
    sigaction(SIGUSR1, &before, NULL);
}

static void every_wake_is_answered_by_a_later_run(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 4; workers += workers)
        every_wake_is_answered(workers);
}

/* ---- cancels ---- */

struct victim {
    struct pawl_task task;
    PAWL_ATOMIC(int) lives; /* spawns that completed */
};

static struct contest {
    struct pawl_rt *rt;
    struct victim victims[8];
    PAWL_ATOMIC(int) over;
} contest;

static enum pawl_task_next die_if_told(struct pawl_task *task)
{
    if (pawl_task_cancelled(task) == 0)
        return PAWL_TASK_WAIT;
    pawl_fetch_add_relaxed(&pawl_task_of(task, struct victim, task)->lives, 1);
    return PAWL_TASK_DONE;
}

static void *cancel_them(void *argument)
{
    uint64_t random = seed * 3 + (uintptr_t)argument;

    while (pawl_load_relaxed(&contest.over) == 0) {
        struct pawl_task *task = &contest.victims[next_random(&random) % 8].task;

        if (next_random(&random) % 2 == 0)
            pawl_task_wake(task);
        else
            (void)pawl_task_cancel(task);
    }
    return NULL;
}

/* Lives again and again, cancelled by others at any moment: in a queue, in a run, when done. */
static void a_cancelled_task_completes_once(void **state)
{
    pthread_t threads[2];
    int spawned[8] = {0};

    (void)state;
    contest = (struct contest){.rt = open_rt(2, 0)};
    for (int i = 0; i < 8; i++)
        pawl_task_init(&contest.victims[i].task, die_if_told, i % 2);
    for (uintptr_t i = 0; i < 2; i++)
        threads[i] = start(cancel_them, (void *)i);
    for (int n = rounds(3000); n > 0; n--) {
        int i = n % 8;

        assert_int_equal(pawl_task_spawn(contest.rt, &contest.victims[i].task), 0);
        spawned[i]++;
        if (n % 3 == 0) /* a cancel that came before the spawn is no longer about this life */
            assert_true(pawl_task_cancel(&contest.victims[i].task) == 0 ||
                        pawl_task_done(&contest.victims[i].task));
        assert_int_equal(pawl_task_join(&contest.victims[i].task), 0);
        assert_int_equal(pawl_load_relaxed(&contest.victims[i].lives), spawned[i]);
    }
    pawl_store_relaxed(&contest.over, 1);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    assert_int_equal(pawl_rt_close(contest.rt), 0);
}

static void a_deadline_and_a_cancel_complete_a_task_once(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    uint64_t random = seed;

    (void)state;
    for (int n = rounds(300); n > 0; n--) {
        struct pawl_task_deadline deadline;
        struct victim it = {.lives = 0};

        pawl_task_init(&it.task, die_if_told, 0);
        pawl_task_deadline_init(&deadline, &it.task);
        assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
        assert_int_equal(pawl_task_deadline_start(&deadline, pawl_deadline(next_random(&random) % 2000000)),
                         0);
        if (n % 2 == 0) {
            usleep((unsigned)(next_random(&random) % 2000));
            (void)pawl_task_cancel(&it.task);
        }
        assert_int_equal(pawl_task_join(&it.task), 0);
        assert_int_equal(pawl_task_deadline_stop(&deadline, NULL), 0);
        assert_int_equal(pawl_load_relaxed(&it.lives), 1);
    }
    assert_int_equal(pawl_rt_close(rt), 0);
}

/* ---- ends ---- */

struct busy {
    struct pawl_task task;
    struct busy *others;
    uint64_t random;
    PAWL_ATOMIC(int) * ended;
};

enum { BUSY = 12 };

/* Wakes others, yields, waits, until it is told to end. */
static enum pawl_task_next be_busy(struct pawl_task *task)
{
    struct busy *self = pawl_task_of(task, struct busy, task);

    if (pawl_task_cancelled(task) != 0) {
        pawl_fetch_add_relaxed(self->ended, 1);
        return PAWL_TASK_DONE;
    }
    pawl_task_wake(&self->others[next_random(&self->random) % BUSY].task);
    return next_random(&self->random) % 2 == 0 ? PAWL_TASK_WAIT : PAWL_TASK_AGAIN;
}

static void make_busy(struct pawl_rt *rt, struct busy *busy, PAWL_ATOMIC(int) * ended)
{
    for (int i = 0; i < BUSY; i++) {
        busy[i] = (struct busy){.others = busy, .random = seed + (uint64_t)i, .ended = ended};
        pawl_task_init(&busy[i].task, be_busy, i % 3 == 0 ? PAWL_TASK_URGENT : 0);
    }
    for (int i = 0; i < BUSY; i++)
        must(pawl_task_spawn(rt, &busy[i].task) == 0, "spawn");
}

static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

/* A thousand times in the long form. */
static void it_opens_and_closes_under_load_any_number_of_times(void **state)
{
    uint64_t random = seed;
    int descriptors = open_descriptors();

    (void)state;
    for (int n = rounds(60); n > 0; n--) {
        uint32_t flags = n % 3 == 0 ? PAWL_RT_CALLER : 0;
        struct pawl_rt *rt = open_rt(1 + (uint32_t)n % 4, flags);
        PAWL_ATOMIC(int) ended = 0;
        struct busy busy[BUSY];

        make_busy(rt, busy, &ended);
        if (next_random(&random) % 4 != 0)
            usleep((unsigned)(next_random(&random) % 1000));
        if (flags != 0 && n % 2 == 0) {
            pawl_rt_stop(rt);
            assert_int_equal(pawl_rt_run(rt), 0);
        }
        assert_int_equal(pawl_rt_close(rt), 0);
        assert_int_equal(pawl_load_relaxed(&ended), BUSY);
    }
    assert_int_equal(open_descriptors(), descriptors);
}

/* Threads that spawn until the runtime refuses, and a task that keeps it from ending before they have heard so. */
static struct refused {
    struct pawl_task keeper;
    struct pawl_rt *rt;
    PAWL_ATOMIC(uint64_t) accepted, ran;
    PAWL_ATOMIC(int) over;
} refused;

enum { SPAWNERS = 2, TASKS_OF_A_SPAWNER = 32 };

static enum pawl_task_next keep_open(struct pawl_task *task)
{
    (void)task; /* cancelled or not */
    return pawl_load_acquire(&refused.over) == SPAWNERS ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static enum pawl_task_next run_once(struct pawl_task *task)
{
    (void)task;
    pawl_fetch_add_relaxed(&refused.ran, 1);
    return PAWL_TASK_DONE;
}

static void *spawn_until_refused(void *tasks)
{
    struct pawl_task *task = tasks;
    uint64_t accepted = 0;
    int status = 0;

    for (int i = 0; i < TASKS_OF_A_SPAWNER; i++)
        pawl_task_init(&task[i], run_once, i % 3 == 0 ? PAWL_TASK_URGENT : 0);
    for (uint64_t i = 0; status != -EPIPE; i++) {
        status = pawl_task_spawn(refused.rt, &task[i % TASKS_OF_A_SPAWNER]);
        must(status == 0 || status == -EBUSY || status == -EPIPE, "spawn");
        accepted += status == 0;
    }
    pawl_fetch_add_relaxed(&refused.accepted, accepted);
    pawl_fetch_add_release(&refused.over, 1);
    pawl_task_wake(&refused.keeper); /* from here on it may end */
    return NULL;
}

static void what_is_spawned_while_it_closes_runs_or_is_refused(void **state)
{
    uint64_t random = seed;

    (void)state;
    for (int n = rounds(15); n > 0; n--) {
        struct pawl_task tasks[SPAWNERS][TASKS_OF_A_SPAWNER];
        pthread_t threads[SPAWNERS];

        refused = (struct refused){.rt = open_rt(1 + (uint32_t)n % 2, n % 3 == 0 ? PAWL_RT_CALLER : 0)};
        pawl_task_init(&refused.keeper, keep_open, 0);
        must(pawl_task_spawn(refused.rt, &refused.keeper) == 0, "spawn");
        for (int i = 0; i < SPAWNERS; i++)
            threads[i] = start(spawn_until_refused, tasks[i]);
        usleep((unsigned)(next_random(&random) % 1000));
        assert_int_equal(pawl_rt_close(refused.rt), 0);
        for (int i = 0; i < SPAWNERS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(pawl_load_relaxed(&refused.ran), pawl_load_relaxed(&refused.accepted));
    }
}

/* Handlers that spawn on workers that are just up again, until the runtime has gone: what they are told is true. */
enum { TASKS_OF_HANDLERS = 64 };

static struct by_handler {
    struct pawl_task task[TASKS_OF_HANDLERS];
    PAWL_ATOMIC(uint32_t) next, accepted;
    PAWL_ATOMIC(bool) on;
} by_handler;

static void spawn_by_signal(int number)
{
    uint32_t i = pawl_fetch_add_relaxed(&by_handler.next, 1);

    (void)number;
    if (i < TASKS_OF_HANDLERS && pawl_task_spawn(pawl_rt_here(), &by_handler.task[i]) == 0)
        pawl_fetch_add_relaxed(&by_handler.accepted, 1);
}

/* In front of what the engines tell when a wait is over, by the linker (--wrap). */
void __real_pawl_worker_woke_(struct pawl_worker *worker);
void __wrap_pawl_worker_woke_(struct pawl_worker *worker);

void __wrap_pawl_worker_woke_(struct pawl_worker *worker)
{
    __real_pawl_worker_woke_(worker);
    if (pawl_load_acquire(&by_handler.on))
        raise(SIGUSR1);
}

static void what_a_handler_spawns_while_it_closes_runs_or_is_refused(void **state)
{
    struct sigaction action = {.sa_handler = spawn_by_signal}, before;
    uint32_t began = 0;

    (void)state;
    sigaction(SIGUSR1, &action, &before);
    for (int n = rounds(100); n > 0; n--) {
        struct pawl_rt *rt;

        by_handler = (struct by_handler){.next = 0};
        refused = (struct refused){.rt = NULL};
        for (int i = 0; i < TASKS_OF_HANDLERS; i++)
            pawl_task_init(&by_handler.task[i], run_once, 0);
        rt = open_rt(2, 0);
        pawl_store_release(&by_handler.on, true);
        assert_int_equal(pawl_rt_close(rt), 0);
        began += pawl_load_relaxed(&by_handler.next);
        assert_int_equal(pawl_load_relaxed(&refused.ran), pawl_load_relaxed(&by_handler.accepted));
    }
    pawl_store_release(&by_handler.on, false);
    assert_true(began > 0);
    sigaction(SIGUSR1, &before, NULL);
}

static struct pawl_rt *stopped;

static void on_term(int number)
{
    (void)number;
    pawl_rt_stop(stopped);
}

/* A program as they are: a handler that stops, a loop, the end. */
static void program(void *argument)
{
    struct sigaction action = {.sa_handler = on_term};
    PAWL_ATOMIC(int) ended = 0;
    struct busy busy[BUSY];
    int ready = *(int *)argument;
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    must(pthread_sigmask(SIG_BLOCK, &term, NULL) == 0, "block"); /* until there is something to stop */
    stopped = open_rt(2, PAWL_RT_CALLER);
    sigaction(SIGTERM, &action, NULL);
    make_busy(stopped, busy, &ended);
    must(write(ready, "", 1) == 1, "write");
    must(pthread_sigmask(SIG_UNBLOCK, &term, NULL) == 0, "unblock");
    must(pawl_rt_run(stopped) == 0, "run");
    must(pthread_sigmask(SIG_BLOCK, &term, NULL) == 0, "block"); /* the runtime ends now */
    must(pawl_rt_close(stopped) == 0, "close");
    must(pawl_load_relaxed(&ended) == BUSY, "all tasks have ended");
}

static void a_sigterm_at_any_moment_ends_it(void **state)
{
    uint64_t random = seed;

    (void)state;
    for (int n = rounds(20); n > 0; n--) {
        int pipes[2];
        pid_t child;
        char byte;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(60);
            program(&pipes[1]);
            _exit(0);
        }
        if (n % 2 == 0) /* else it may come before it has begun to run */
            assert_int_equal(read(pipes[0], &byte, 1), 1);
        else
            usleep(20000);
        usleep((unsigned)(next_random(&random) % 3000));
        kill(child, SIGTERM);
        if (n % 2 != 0) { /* killed before it had a handler, or ended as it should */
            int status = status_of(child);

            assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                        (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
        } else {
            assert_int_equal(status_of(child), 0);
        }
        close(pipes[0]);
        close(pipes[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sigterm_at_any_moment_ends_it), /* first: it forks */
        cmocka_unit_test(every_spawned_task_completes_once),
        cmocka_unit_test(every_wake_is_answered_by_a_later_run),
        cmocka_unit_test(a_cancelled_task_completes_once),
        cmocka_unit_test(a_deadline_and_a_cancel_complete_a_task_once),
        cmocka_unit_test(it_opens_and_closes_under_load_any_number_of_times),
        cmocka_unit_test(what_is_spawned_while_it_closes_runs_or_is_refused),
        cmocka_unit_test(what_a_handler_spawns_while_it_closes_runs_or_is_refused),
    };
    const char *wish = getenv("PAWL_TEST_SEED");

    seed = wish != NULL ? strtoull(wish, NULL, 0) : monotonic_ns();
    printf("# PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    expect_end_within(rounds(1) > 1 ? 1800 : 280);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
