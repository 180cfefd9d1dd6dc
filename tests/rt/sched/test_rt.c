/* SPDX-License-Identifier: MIT */
/* The life of a runtime, and what it says of itself. */
#include "place.h"
#include "pool.h"
#include "sched_test.h"
#include "worker.h"

#include <pawl/block.h>
#include <pawl/fiber.h>
#include <pawl/rcu.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>

struct counted {
    struct pawl_task task;
    PAWL_ATOMIC(int) runs;
    struct pawl_rt *rt;
};

static struct counted *of(struct pawl_task *task)
{
    return pawl_task_of(task, struct counted, task);
}

static enum pawl_task_next once(struct pawl_task *task)
{
    pawl_fetch_add_release(&of(task)->runs, 1);
    return PAWL_TASK_DONE;
}

static enum pawl_task_next wait_for_the_end(struct pawl_task *task)
{
    pawl_fetch_add_release(&of(task)->runs, 1);
    return pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static void spawn(struct pawl_rt *rt, struct counted *it, enum pawl_task_next (*run)(struct pawl_task *))
{
    *it = (struct counted){.rt = rt};
    pawl_task_init(&it->task, run, 0);
    assert_int_equal(pawl_task_spawn(rt, &it->task), 0);
}

/* ---- configuration ---- */

static void a_bad_configuration_is_refused(void **state)
{
    const struct pawl_rt_config bad[] = {
        {.flags = 64},
        {.workers = PAWL_RT_WORKERS_MAX + 1},
        {.engine = "kqueue"},
    };
    struct pawl_rt *rt = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(pawl_rt_open(&rt, &bad[i]), -EINVAL);
    assert_null(rt);
    assert_int_equal(pawl_rt_close(NULL), 0);
}

static void without_a_configuration_there_is_a_worker_for_each_cpu(void **state)
{
    uint32_t quota = pawl_place_quota_(""), cpus = pawl_cpu_allowed();
    struct pawl_rt *rt;

    (void)state;
    assert_int_equal(pawl_rt_open(&rt, NULL), 0);
    assert_int_equal(pawl_rt_workers(rt), cpus < quota ? cpus : quota);
    assert_true(strcmp(pawl_rt_engine(rt), "epoll") == 0 || strcmp(pawl_rt_engine(rt), "uring") == 0);
    assert_int_equal(pawl_rt_close(rt), 0);
}

static void the_engine_is_the_one_that_was_asked_for(void **state)
{
    struct pawl_rt_config config = {.workers = 1, .engine = "epoll"};
    struct pawl_rt *rt;

    (void)state;
    assert_int_equal(pawl_rt_open(&rt, &config), 0);
    assert_string_equal(pawl_rt_engine(rt), "epoll");
    assert_int_equal(pawl_rt_close(rt), 0);
}

/* Its stderr is the pipe. */
static void open_where_the_engine_is(const char *wish, int pipe)
{
    struct pawl_rt *rt = NULL;

    must(setenv("PAWL_RT_ENGINE", wish, 1) == 0 && dup2(pipe, STDERR_FILENO) >= 0, "setenv, dup2");
    must(pawl_rt_open(&rt, NULL) == 0, "a word that is not known is left out");
    must(pawl_rt_close(rt) == 0, "close");
}

static void open_with_an_unknown_engine(void *argument)
{
    open_where_the_engine_is("kqueue", *(int *)argument);
}

static void open_with_an_empty_engine(void *argument)
{
    open_where_the_engine_is("", *(int *)argument);
}

static void an_engine_in_the_environment_that_is_not_known_is_said_and_left_out(void **state)
{
    char text[256] = "";
    int pipes[2];

    (void)state;
    if (PAWL_INSTRUMENTED) /* ThreadSanitizer starts no threads in children of threads */
        skip();
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(status_of_child(open_with_an_empty_engine, &pipes[1]), 0);
    assert_int_equal(read(pipes[0], text, sizeof text - 1),
                     -1); /* nothing: that is as if it were not there */
    assert_int_equal(status_of_child(open_with_an_unknown_engine, &pipes[1]), 0);
    assert_true(read(pipes[0], text, sizeof text - 1) > 0);
    assert_string_equal(text, "pawl: PAWL_RT_ENGINE: this word is not known and is left out: kqueue\n");
    close(pipes[0]);
    close(pipes[1]);
}

static void several_runtimes_stand_beside_each_other(void **state)
{
    struct pawl_rt *rt[3];
    struct counted it[3];

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        rt[i] = open_rt(1 + i, i == 1 ? PAWL_RT_PIN : 0);
    for (int i = 0; i < 3; i++)
        spawn(rt[i], &it[i], once);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pawl_task_join(&it[i].task), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pawl_rt_close(rt[i]), 0);
}

/* ---- run, stop, close ---- */

static pthread_t ran_on;

static enum pawl_task_next stop_it(struct pawl_task *task)
{
    ran_on = pthread_self();
    pawl_rt_stop(of(task)->rt);
    return PAWL_TASK_DONE;
}

static void the_caller_is_a_worker_until_it_is_stopped(void **state)
{
    struct pawl_rt *rt = open_rt(1, PAWL_RT_CALLER); /* no other worker */
    struct counted it;

    (void)state;
    for (int i = 0; i < 2; i++) {
        spawn(rt, &it, stop_it);
        assert_null(pawl_rt_here());
        assert_int_equal(pawl_rt_run(rt), 0);
        assert_null(pawl_rt_here());
        assert_int_equal(pawl_task_join(&it.task), 0);
        assert_true(pthread_equal(ran_on, pthread_self()) != 0);
    }
    pawl_rt_stop(rt); /* before it runs */
    assert_int_equal(pawl_rt_run(rt), 0);
    spawn(rt, &it, wait_for_the_end);       /* not run by anybody yet */
    assert_int_equal(pawl_rt_close(rt), 0); /* by this thread, as worker 0 */
    assert_int_equal(pawl_load_relaxed(&it.runs), 1);
}

static void without_the_caller_run_sleeps_until_the_stop(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    spawn(rt, &it, stop_it);
    assert_int_equal(pawl_rt_run(rt), 0);
    assert_int_equal(pawl_task_join(&it.task), 0);
    assert_false(pthread_equal(ran_on, pthread_self()) != 0);
    assert_int_equal(pawl_rt_close(rt), 0);
}

static struct pawl_rt *stopped_by_signal;

static void on_signal(int number)
{
    (void)number;
    pawl_rt_stop(stopped_by_signal);
}

static void a_signal_handler_stops_it(void **state)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    struct itimerval soon = {.it_value = {.tv_usec = 3000}};

    (void)state;
    sigaction(SIGALRM, &action, &before);
    for (uint32_t flags = 0; flags <= PAWL_RT_CALLER; flags += PAWL_RT_CALLER) {
        struct pawl_rt *rt = open_rt(2, flags);

        stopped_by_signal = rt;
        setitimer(ITIMER_REAL, &soon, NULL);
        assert_int_equal(pawl_rt_run(rt), 0);
        assert_int_equal(pawl_rt_close(rt), 0);
    }
    sigaction(SIGALRM, &before, NULL);
    expect_end_within(280); /* the same timer */
}

static PAWL_ATOMIC(int) answered;

static enum pawl_task_next close_it(struct pawl_task *task)
{
    must(pawl_rt_close(of(task)->rt) == -EDEADLK, "a worker cannot close its runtime");
    must(pawl_rt_run(of(task)->rt) == -EDEADLK, "nor run it");
    return PAWL_TASK_DONE;
}

static void *close_elsewhere(void *rt)
{
    must(pawl_rt_close(rt) == -EPERM && pawl_rt_run(rt) == -EPERM, "by the thread that opened it");
    return NULL;
}

static void only_the_right_thread_closes(void **state)
{
    struct pawl_rt *rt = open_rt(2, PAWL_RT_CALLER);
    struct counted it;

    (void)state;
    spawn(rt, &it, close_it);
    join(start(close_elsewhere, rt));
    assert_int_equal(pawl_task_join(&it.task), 0); /* worker 1 runs it */
    assert_int_equal(pawl_rt_close(rt), 0);
}

static enum pawl_task_next spawn_at_the_end(struct pawl_task *task)
{
    static struct counted child;

    if (pawl_task_cancelled(task) == 0)
        return PAWL_TASK_WAIT;
    child = (struct counted){.rt = of(task)->rt};
    pawl_task_init(&child.task, once, 0);
    must(pawl_task_spawn(of(task)->rt, &child.task) == 0, "a task may spawn what it needs to end");
    pawl_fetch_add_release(&answered, 1);
    return PAWL_TASK_DONE;
}

static void closing_waits_for_what_tasks_do_at_their_end(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    pawl_store_relaxed(&answered, 0);
    spawn(rt, &it, spawn_at_the_end);
    assert_int_equal(pawl_rt_close(rt), 0);
    assert_int_equal(pawl_load_relaxed(&answered), 1);
}

/* A section of RCU that ends when a task has run, which nobody but the thread that closes can run. */
static void *read_until_it_has_run(void *argument)
{
    struct counted *it = argument;

    pawl_rcu_read_lock();
    pawl_fetch_add_release(&answered, 1);
    must(reaches(&it->runs, 1), "who closes serves, though a section is open");
    pawl_rcu_read_unlock();
    return NULL;
}

static void who_closes_as_worker_0_serves_those_whom_the_close_waits_for(void **state)
{
    struct pawl_rt *rt = open_rt(1, PAWL_RT_CALLER);
    struct counted it;
    pthread_t reader;

    (void)state;
    pawl_store_relaxed(&answered, 0);
    spawn(rt, &it, wait_for_the_end);
    reader = start(read_until_it_has_run, &it);
    assert_true(reaches(&answered, 1));
    assert_int_equal(pawl_rt_close(rt), 0);
    join(reader);
    assert_int_equal(pawl_load_relaxed(&it.runs), 1);

    rt = open_rt(1,
                 PAWL_RT_CALLER); /* online: it waits as pawl_rcu_synchronize() does, and is online again */
    spawn(rt, &it, wait_for_the_end);
    pawl_rcu_online();
    assert_int_equal(pawl_rt_close(rt), 0);
    pawl_rcu_offline();
    assert_int_equal(pawl_load_relaxed(&it.runs), 1);
}

/* ---- idle ---- */

static uint64_t switches(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)usage.ru_nvcsw;
}

static void an_idle_runtime_does_nothing(void **state)
{
    struct pawl_rt *rt = open_rt(4, 0);
    struct pawl_rt_counts before, after;
    struct counted it;
    uint64_t slept = 0;

    (void)state;
    spawn(rt, &it, once);
    assert_int_equal(pawl_task_join(&it.task), 0);
    /* On a busy machine a worker may take its time to fall asleep; one with a tick never has such a window. */
    for (int window = 0; window < 50; window++) {
        assert_int_equal(pawl_rt_stats(rt, PAWL_RT_TOTAL, &before), 0);
        slept = switches();
        sleep_ms(200);
        assert_int_equal(pawl_rt_stats(rt, PAWL_RT_TOTAL, &after), 0);
        if (memcmp(&before, &after, sizeof before) == 0)
            break;
    }
    assert_memory_equal(&before, &after, sizeof before); /* no turn, no sleep, no look at the engine */
    if (!PAWL_INSTRUMENTED)                              /* ThreadSanitizer has a thread that wakes up */
        assert_in_range(switches() - slept, 0, 10);      /* this thread has some */
    assert_int_equal(pawl_rt_close(rt), 0);
}

/* ---- who searches ---- */

struct heard {
    struct pawl_message search, message;
    PAWL_ATOMIC(int) times, while_searching;
};

/* As a worker is that was about to sleep, was sent to search, and finds a message in its inbox. */
static void be_sent(struct pawl_message *message, struct pawl_worker *worker)
{
    struct heard *heard = (struct heard *)(void *)((char *)message - offsetof(struct heard, search));

    if (!worker->searching)
        worker->searching = pawl_idle_search_(&worker->rt->idle, UINT64_MAX);
    must(worker->searching, "it searches");
    pawl_worker_send_(worker, &heard->message);
}

static void hear(struct pawl_message *message, struct pawl_worker *worker)
{
    struct heard *heard = (struct heard *)(void *)((char *)message - offsetof(struct heard, message));

    if (worker->searching)
        pawl_fetch_add_relaxed(&heard->while_searching, 1); /* relaxed: the addition below publishes it */
    pawl_fetch_add_release(&heard->times, 1);
}

/* Nobody else is sent to search while somebody does: functions of the program, which may take long, are run by workers that do not
 * count as searchers. */
static void a_worker_that_runs_functions_does_not_count_as_a_searcher(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct heard heard = {.search.run = be_sent, .message.run = hear};

    (void)state;
    for (int n = 1; n <= 20; n++) {
        pawl_worker_send_(&rt->worker[n % 2], &heard.search);
        assert_true(reaches(&heard.times, n));
    }
    assert_int_equal(pawl_rt_close(rt), 0);
    assert_int_equal(pawl_load_relaxed(&heard.while_searching), 0);
}

enum { TURN_OF_THE_SHARED_QUEUE = 256 }; /* among the picks of a worker */

struct oldest {
    struct pawl_message search;
    struct pawl_task task;
    PAWL_ATOMIC(int) times, while_searching, searches, spawned;
};

/* As a worker is that has found nothing on its first look, when the turn of the oldest comes; a task is spawned just now. */
static void search_at_the_turn_of_the_oldest(struct pawl_message *message, struct pawl_worker *worker)
{
    struct oldest *it = (struct oldest *)(void *)((char *)message - offsetof(struct oldest, search));
    int before = pawl_load_relaxed(&it->searches);

    worker->searching = pawl_idle_search_(&worker->rt->idle, UINT64_MAX);
    must(worker->searching, "it searches");
    worker->picks = TURN_OF_THE_SHARED_QUEUE - 1;
    pawl_store_release(&it->searches, before + 1);
    must(reaches(&it->spawned, before + 1), "the task is in the shared queue");
}

static enum pawl_task_next look_who_searches(struct pawl_task *task)
{
    struct oldest *it = pawl_task_of(task, struct oldest, task);

    if (pawl_worker_here_()->searching)
        pawl_fetch_add_relaxed(&it->while_searching, 1); /* relaxed: the addition below publishes it */
    pawl_fetch_add_release(&it->times, 1);
    return PAWL_TASK_DONE;
}

static void nor_does_one_that_runs_the_oldest_task(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct oldest it = {.search.run = search_at_the_turn_of_the_oldest};

    (void)state;
    for (int n = 1; n <= 20; n++) {
        pawl_worker_send_(&rt->worker[n % 2], &it.search);
        assert_true(reaches(&it.searches, n));
        pawl_task_init(&it.task, look_who_searches, 0);
        assert_int_equal(pawl_task_spawn(rt, &it.task), 0);
        pawl_store_release(&it.spawned, n);
        assert_true(reaches(&it.times, n));
        assert_int_equal(pawl_task_join(&it.task), 0);
    }
    assert_int_equal(pawl_rt_close(rt), 0);
    assert_int_equal(pawl_load_relaxed(&it.while_searching), 0);
}

/* ---- fork ---- */

static int child_status;

static void nothing(void *argument)
{
    (void)argument;
}

static enum pawl_task_next fork_and_return(struct pawl_task *task)
{
    pid_t child = fork();

    (void)task;
    must(child >= 0, "fork");
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka has a handler */
        close(STDERR_FILENO);     /* what it says is no news */
        return PAWL_TASK_DONE;    /* to the worker */
    }
    must(waitpid(child, &child_status, 0) == child, "waitpid");
    return PAWL_TASK_DONE;
}

static int64_t no_call(void *argument)
{
    (void)argument;
    return 0;
}

static PAWL_ATOMIC(int) the_call_may_end;

static int64_t long_call(void *argument)
{
    (void)argument;
    return reaches(&the_call_may_end, 1) ? 0 : -ETIMEDOUT;
}

/* In the parent: this call has been made, that one is being made. */
static struct pawl_job job_of_the_parent, long_job_of_the_parent;

static void use_in_the_child(void *argument)
{
    struct pawl_rt *rt = argument;
    struct counted it = {.rt = rt};
    struct pawl_rt *own;

    pawl_task_init(&it.task, once, 0);
    must(pawl_task_spawn(rt, &it.task) == -ECHILD, "the parent's runtime runs nothing here");
    must(pawl_rt_run(rt) == -ECHILD, "nor can it be run");
    must(pawl_go(rt, nothing, NULL) == -ECHILD, "no fiber begins");
    must(pawl_rt_dump(rt, STDERR_FILENO) == -ECHILD,
         "whoever had its locks is gone, and nobody waits for them");
    must(pawl_block(rt, &job_of_the_parent, no_call, NULL) == -ECHILD, "no thread makes a call");
    must(pawl_block_cancel(&job_of_the_parent) == -EALREADY, "there is nothing to cancel");
    must(pawl_block_cancel(&long_job_of_the_parent) == -ECHILD,
         "nor waits anybody for the lock of the calls");
    pawl_rt_stop(rt);
    must(pawl_rt_close(rt) == 0, "its memory can be given back");
    must(pawl_rt_open(&own, NULL) == 0, "a new one can be opened");
    must(pawl_task_spawn(own, &it.task) == 0, "and works");
    must(pawl_task_join(&it.task) == 0, "to the end");
    must(pawl_rt_close(own) == 0, "and closes");
}

static PAWL_ATOMIC(int) calls_made;

static void call_made(struct pawl_job *job, int64_t result)
{
    (void)job;
    (void)result;
    pawl_fetch_add_release(&calls_made, 1);
}

static struct pawl_pool *pool_with_a_call_made(struct pawl_rt *rt)
{
    pawl_job_init(&job_of_the_parent, call_made);
    assert_int_equal(pawl_block(rt, &job_of_the_parent, no_call, NULL), 0);
    assert_true(reaches(&calls_made, 1));
    pawl_job_init(&long_job_of_the_parent, call_made);
    assert_int_equal(pawl_block(rt, &long_job_of_the_parent, long_call, NULL), 0);
    return pawl_load_acquire(&rt->pool);
}

static void a_child_of_fork_has_no_use_for_it_but_to_free_it(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    spawn(rt, &it, wait_for_the_end);
    assert_true(reaches(&it.runs, 1));
    if (!PAWL_INSTRUMENTED) { /* ThreadSanitizer starts no threads in children of threads */
        struct pawl_pool *pool = pool_with_a_call_made(rt);

        pawl_mutex_lock(&rt->worker[0].live_lock); /* in the child nobody will give them back */
        pawl_mutex_lock(&pool->lock);
        assert_int_equal(status_of_child(use_in_the_child, rt), 0);
        pawl_mutex_unlock(&pool->lock);
        pawl_mutex_unlock(&rt->worker[0].live_lock);
        pawl_store_release(&the_call_may_end, 1);
        assert_true(reaches(&calls_made, 2));
        assert_int_equal(long_job_of_the_parent.result, 0);
    }
    assert_int_equal(pawl_rt_close(rt), 0); /* the parent's is as before */
    assert_int_equal(pawl_load_relaxed(&it.runs), 2);
}

static void a_child_that_returns_to_the_worker_is_ended(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct counted it;

    (void)state;
    spawn(rt, &it, fork_and_return);
    assert_int_equal(pawl_task_join(&it.task), 0);
    assert_true(WIFSIGNALED(child_status) && WTERMSIG(child_status) == SIGABRT);
    assert_int_equal(pawl_rt_close(rt), 0);
}

/* ---- what it says ---- */

/* The dump, when it says that the task waits: its run may not have returned yet. */
static void dump_of_a_task_that_waits(struct pawl_rt *rt, char *text, size_t size)
{
    uint64_t deadline = pawl_deadline(UINT64_C(30000000000));
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    do {
        ssize_t got;

        assert_int_equal(pawl_rt_dump(rt, pipes[1]), 0);
        got = read(pipes[0], text, size - 1);
        assert_true(got > 0);
        text[got] = '\0';
    } while (strstr(text, ": waits") == NULL && pawl_deadline(0) < deadline);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(pawl_rt_dump(rt, pipes[1]), -EBADF);
}

static void counters_and_dumps_say_what_there_is(void **state)
{
    struct pawl_rt *rt = open_rt(2, 0);
    struct pawl_rt_counts total, one;
    static const char alive[] = "pawl_rt_alive{runtime=\"pawl\"} 1\n";
    struct counted waits, runs;
    char text[16384], small[64] = "";
    uint64_t tasks = 0;
    size_t length = 0, whole = 1, cut = 2;

    (void)state;
    spawn(rt, &waits, wait_for_the_end);
    spawn(rt, &runs, once);
    assert_true(reaches(&waits.runs, 1));
    assert_int_equal(pawl_task_join(&runs.task), 0);
    total = counts_after(rt, 1);
    assert_int_equal(pawl_rt_stats(rt, 2, &one), -EINVAL);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pawl_rt_stats(rt, i, &one), 0);
        tasks += one.tasks;
    }
    assert_int_equal(tasks, 2);
    assert_int_equal(total.tasks, 2);
    assert_int_equal(total.spawned, 2);
    assert_int_equal(total.finished, 1);

    dump_of_a_task_that_waits(rt, text, sizeof text);
    assert_non_null(strstr(text, "2 workers, 1 tasks"));
    assert_non_null(strstr(text, ": waits"));

    /* What the dump asked of the workers ends a moment after it was answered, and they count until they sleep. */
    for (int i = 0; i < 10000 && (strstr(text, alive) == NULL || length != whole || length != cut); i++) {
        sleep_ms(1);
        length = pawl_rt_prometheus(rt, NULL, 0);
        whole = pawl_rt_prometheus(rt, text, sizeof text);
        cut = pawl_rt_prometheus(rt, small, sizeof small);
    }
    assert_in_range(length, 1000, sizeof text - 1);
    assert_int_equal(whole, length);
    assert_int_equal(cut, length);
    assert_int_equal(strlen(text), length);
    assert_non_null(strstr(text, "pawl_rt_spawned_total{runtime=\"pawl\",worker=\"1\"}"));
    assert_non_null(strstr(text, alive));
    assert_int_equal(strlen(small), sizeof small - 1);
    assert_memory_equal(small, text, sizeof small - 1);
    assert_int_equal(pawl_rt_close(rt), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_configuration_is_refused),
        cmocka_unit_test(without_a_configuration_there_is_a_worker_for_each_cpu),
        cmocka_unit_test(the_engine_is_the_one_that_was_asked_for),
        cmocka_unit_test(an_engine_in_the_environment_that_is_not_known_is_said_and_left_out),
        cmocka_unit_test(several_runtimes_stand_beside_each_other),
        cmocka_unit_test(the_caller_is_a_worker_until_it_is_stopped),
        cmocka_unit_test(without_the_caller_run_sleeps_until_the_stop),
        cmocka_unit_test(a_signal_handler_stops_it),
        cmocka_unit_test(only_the_right_thread_closes),
        cmocka_unit_test(closing_waits_for_what_tasks_do_at_their_end),
        cmocka_unit_test(who_closes_as_worker_0_serves_those_whom_the_close_waits_for),
        cmocka_unit_test(an_idle_runtime_does_nothing),
        cmocka_unit_test(a_worker_that_runs_functions_does_not_count_as_a_searcher),
        cmocka_unit_test(nor_does_one_that_runs_the_oldest_task),
        cmocka_unit_test(a_child_of_fork_has_no_use_for_it_but_to_free_it),
        cmocka_unit_test(a_child_that_returns_to_the_worker_is_ended),
        cmocka_unit_test(counters_and_dumps_say_what_there_is),
    };
    int failed;

    expect_end_within(280);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return test_tasks() + test_places() + failed;
}
