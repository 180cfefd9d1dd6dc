/* SPDX-License-Identifier: MIT */
/* User events, signals, what the runtime tells of itself. On both engines. */
#include "io.h"
#include "test_io.h"

#include <pawl/event.h>
#include <pawl/signal.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static PAWL_ATOMIC(uint64_t) stops;

static void start_counting(void)
{
    pawl_store_relaxed(&stops, UINT64_C(0)); /* relaxed: before the threads of the test */
}

/* ---- user events ---- */

struct bell {
    struct pawl_event event;
    PAWL_ATOMIC(uint64_t) count, calls;
    int status; /* of its start */
    bool stop;  /* in raised() */
};

static void rung(struct pawl_event *event, uint64_t count)
{
    struct bell *bell = pawl_event_of(event, struct bell, event);

    assert_true(count > 0);
    io_add(&bell->calls, 1);
    if (bell->stop)
        pawl_event_stop(event);
    io_add(&bell->count, count);
}

static void silenced(struct pawl_event *event)
{
    (void)event;
    io_add(&stops, 1);
}

static void hang(void *arg)
{
    struct bell *bell = arg;

    bell->event.raised = rung;
    bell->event.stopped = silenced;
    bell->status = pawl_event_start(&bell->event);
}

static void take_down(void *arg)
{
    pawl_event_stop(&((struct bell *)arg)->event);
    pawl_event_stop(&((struct bell *)arg)->event); /* nothing */
}

enum { RINGERS = 3, RINGS = 5000, ALL_RINGS = RINGERS * RINGS };

static void *ring(void *arg)
{
    for (int i = 0; i < RINGS; i++)
        assert_int_equal(pawl_event_raise(arg), 0);
    return NULL;
}

static void raises_coalesce_and_none_is_forgotten(void **state)
{
    struct bell bell = {.stop = false};
    pthread_t threads[RINGERS];
    struct pawl_rt *rt;

    (void)state;
    start_counting();
    io_open(&rt, 2);
    assert_int_equal(pawl_event_start(&bell.event), -EPERM);
    io_on(rt, 1, hang, &bell);
    assert_int_equal(bell.status, 0);
    io_on(rt, 1, hang, &bell);
    assert_int_equal(bell.status, -EBUSY);
    for (int i = 0; i < RINGERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ring, &bell.event), 0);
    for (int i = 0; i < RINGERS; i++)
        pthread_join(threads[i], NULL);
    io_reach(&bell.count, ALL_RINGS);
    assert_int_equal(io_get(&bell.count), ALL_RINGS);
    assert_true(io_get(&bell.calls) <= ALL_RINGS);
    io_on(rt, 1, take_down, &bell);
    io_reach(&stops, 1);
    assert_int_equal(pawl_event_raise(&bell.event), -EALREADY);
    io_on(rt, 0, hang, &bell); /* it is idle: on another worker this time */
    assert_int_equal(bell.status, 0);
    assert_int_equal(pawl_event_raise(&bell.event), 0);
    io_reach(&bell.count, ALL_RINGS + 1);
    io_close(rt); /* stops it */
    assert_int_equal(io_get(&stops), 2);
}

static void *ring_until_it_is_over(void *arg)
{
    while (pawl_event_raise(arg) == 0)
        ;
    return NULL;
}

static void an_event_may_be_stopped_while_it_is_raised(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    start_counting();
    io_open(&rt, 2);
    for (uint64_t i = 0; i < 50; i++) {
        struct bell bell = {.stop = i % 2 == 0};
        pthread_t threads[2];
        uint64_t count;

        io_on(rt, i % 2, hang, &bell);
        for (int t = 0; t < 2; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, ring_until_it_is_over, &bell.event), 0);
        if (!bell.stop)
            io_on(rt, i % 2, take_down, &bell);
        io_reach(&stops, i + 1);
        count = io_get(&bell.count);
        for (int t = 0; t < 2; t++)
            pthread_join(threads[t], NULL);
        assert_int_equal(io_get(&bell.count), count); /* nothing comes after stopped() */
        if (bell.stop)
            assert_int_equal(io_get(&bell.calls), 1);
    }
    assert_int_equal(io_get(&stops), 50);
    io_close(rt);
}

/* ---- signals ---- */

struct ear {
    struct pawl_signal signal;
    PAWL_ATOMIC(uint64_t) count, calls;
    int number, status;
};

static void heard(struct pawl_signal *signal, uint64_t count)
{
    struct ear *ear = pawl_signal_of(signal, struct ear, signal);

    io_add(&ear->calls, 1);
    io_add(&ear->count, count);
}

static void deaf(struct pawl_signal *signal)
{
    (void)signal;
    io_add(&stops, 1);
}

static void listen_for(void *arg)
{
    struct ear *ear = arg;

    ear->signal.caught = heard;
    ear->signal.stopped = deaf;
    ear->status = pawl_signal_start(&ear->signal, ear->number);
}

static void cover(void *arg)
{
    pawl_signal_stop(&((struct ear *)arg)->signal);
    pawl_signal_stop(&((struct ear *)arg)->signal); /* nothing */
}

static PAWL_ATOMIC(uint64_t) own_handler_ran;

static void own_handler(int number)
{
    (void)number;
    io_add(&own_handler_ran, 1);
}

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    assert_int_equal(sigaction(number, &action, NULL), 0);
}

/* A child of fork() has none of the listeners, and this handler. */
static void child_has_handler(int number, void (*handler)(int))
{
    struct sigaction now;
    int status = 1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(sigaction(number, NULL, &now) == 0 && now.sa_handler == handler ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_signal_is_told_to_all_who_listen_and_the_old_handler_rests(void **state)
{
    struct ear ears[3] = {{.number = SIGUSR1}, {.number = SIGUSR1}, {.number = SIGUSR1}};
    struct pawl_rt *first, *second;
    uint64_t ran = io_get(&own_handler_ran);
    struct sigaction now;

    (void)state;
    start_counting();
    set_handler(SIGUSR1, own_handler);
    io_open(&first, 2);
    assert_int_equal(pawl_rt_open(&second, &(struct pawl_rt_config){.workers = 1, .engine = io_engine}), 0);
    assert_int_equal(pawl_signal_start(&ears[0].signal, SIGUSR1), -EPERM);
    io_on(first, 0, listen_for, &ears[0]);
    io_on(first, 1, listen_for, &ears[1]);
    io_on(second, 0, listen_for, &ears[2]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ears[i].status, 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    for (int i = 0; i < 3; i++)
        io_reach(&ears[i].count, 1);
    child_has_handler(SIGUSR1, own_handler);
    io_on(first, 1, listen_for, &ears[1]);
    assert_int_equal(ears[1].status, -EBUSY);
    io_on(first, 1, cover, &ears[1]); /* from the middle of the list */
    io_reach(&stops, 1);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    io_reach(&ears[0].count, 2);
    io_reach(&ears[2].count, 2);
    assert_int_equal(pawl_rt_close(second), 0); /* ends the third */
    assert_int_equal(io_get(&stops), 2);
    io_on(first, 0, cover, &ears[0]);
    io_reach(&stops, 3);
    assert_int_equal(io_get(&ears[1].count), 1);
    assert_int_equal(io_get(&own_handler_ran), ran);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    io_reach(&own_handler_ran, ran + 1);
    /* one that the program installs meanwhile stays */
    io_on(first, 0, listen_for, &ears[0]);
    set_handler(SIGUSR1, SIG_IGN);
    child_has_handler(SIGUSR1, SIG_IGN);
    io_on(first, 0, cover, &ears[0]);
    io_reach(&stops, 4);
    assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
    set_handler(SIGUSR1, SIG_DFL);
    io_close(first);
}

static void storms_of_signals_coalesce_as_in_the_kernel(void **state)
{
    const struct pawl_rt_config none = {.engine = io_engine, .dump_signal = SIGSEGV};
    const int never[] = {0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGABRT, 32};
    struct ear ordinary = {.number = SIGUSR2}, queued = {.number = SIGRTMIN + 3}, bad = {.number = 0};
    struct pawl_rt *rt;
    uint64_t before;

    (void)state;
    start_counting();
    assert_int_equal(pawl_rt_open(&rt, &none), -EINVAL);
    io_open(&rt, 2);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        bad.number = never[i];
        io_on(rt, 0, listen_for, &bad);
        assert_int_equal(bad.status, -EINVAL);
    }
    io_on(rt, 0, listen_for, &ordinary);
    io_on(rt, 1, listen_for, &queued);
    assert_int_equal(ordinary.status | queued.status, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(kill(getpid(), SIGUSR2), 0);
        assert_int_equal(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}), 0);
    }
    io_reach(&queued.count, 1000); /* those of real time are queued: none is lost */
    io_reach(&ordinary.count, 1);
    before = io_get(&ordinary.count);
    assert_int_equal(kill(getpid(), SIGUSR2), 0); /* after the storm one more is one more */
    io_reach(&ordinary.count, before + 1);
    assert_true(io_get(&ordinary.count) <= 1001);
    assert_int_equal(io_get(&queued.count), 1000);
    io_close(rt);
    assert_int_equal(io_get(&stops), 2);
}

/* Listeners come and go while the signal comes: nothing is lost but to those who have gone. */
static void listeners_come_and_go_in_a_storm(void **state)
{
    struct ear stays = {.number = SIGUSR1}, goes = {.number = SIGUSR1};
    struct pawl_rt *rt;
    uint64_t heard_by;

    (void)state;
    start_counting();
    io_open(&rt, 2);
    io_on(rt, 0, listen_for, &stays);
    for (uint64_t i = 0; i < 100; i++) {
        io_on(rt, 1, listen_for, &goes);
        assert_int_equal(goes.status, 0);
        heard_by = io_get(&stays.count);
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        io_on(rt, 1, cover, &goes);
        io_reach(&stops, i + 1);
        io_reach(&stays.count, heard_by + 1);
    }
    io_close(rt);
}

/* ---- what the runtime is at ---- */

static void counters_and_a_dump_on_a_signal_tell_of_connections(void **state)
{
    static const struct pawl_stream_config echo = {IO_ECHO};
    const struct pawl_rt_config config = {.workers = 2, .engine = io_engine, .dump_signal = SIGUSR2};
    int saved = dup(STDERR_FILENO), pipes[2], fd;
    struct pawl_rt_counts total;
    struct io_server server;
    char text[32768], byte;
    size_t length = 0;
    struct pawl_rt *rt;

    (void)state;
    memset(&io_counts, 0, sizeof io_counts);
    assert_int_equal(pawl_rt_open(&rt, &config), 0);
    io_listen(&server, rt, IO_TCP, &echo);
    fd = io_connect(&server);
    io_write(fd, "abc", 3);
    io_read(fd, text, 3);
    assert_int_equal(io_sum(rt, IO_STREAMS), 1); /* by a message: what the peer has read is counted now */
    assert_int_equal(pawl_rt_stats(rt, PAWL_RT_TOTAL, &total), 0);
    assert_int_equal(total.connections, 1);
    assert_int_equal(total.streams, 1);
    assert_int_equal(total.received, 3);
    assert_int_equal(total.sent, 3);
    assert_int_equal(total.starved, 0);
    assert_true(total.syscalls >= 3);
    assert_int_equal(total.submissions != 0, strcmp(io_engine, "uring") == 0);
    assert_true(pawl_rt_prometheus(rt, text, sizeof text) < sizeof text);
    assert_non_null(
        strstr(text, "# TYPE pawl_rt_streams gauge\npawl_rt_streams{runtime=\"pawl\",worker=\"0\"} "));
    assert_non_null(strstr(text, "# TYPE pawl_rt_sent_total counter\n"));

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    do {
        ssize_t n = read(pipes[0], text + length, sizeof text - 1 - length);

        assert_true(n > 0);
        length += (size_t)n;
        text[length] = '\0';
    } while (strstr(text, "worker 1") == NULL || strstr(strstr(text, "worker 1"), "other sources\n") == NULL);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    assert_non_null(strstr(text, "    connection, descriptor "));
    assert_non_null(strstr(text, ": reads; 0 bytes queued, idle "));
    assert_non_null(strstr(text, "listeners, watches and other sources"));
    io_write(fd, "x", 1); /* it goes on */
    io_read(fd, &byte, 1);
    close(pipes[0]);
    close(pipes[1]);
    close(saved);
    close(fd);
    io_unlisten(&server);
    assert_int_equal(pawl_rt_close(rt), 0);
}

static PAWL_ATOMIC(uint64_t) stuck;

static void be_stuck(struct pawl_message *message, struct pawl_worker *worker)
{
    (void)message;
    (void)worker;
    io_add(&stuck, 1);
    while (io_get(&stuck) == 1)
        usleep(1000);
}

static void a_dump_passes_over_a_worker_that_does_not_answer(void **state)
{
    struct pawl_message message = {.run = be_stuck};
    int pipes[2];
    char text[32768];
    struct pawl_rt *rt;
    ssize_t n;

    (void)state;
    if (strcmp(io_engine, "epoll") != 0)
        skip(); /* it takes a second, and has nothing to do with the engine */
    io_open(&rt, 2);
    pawl_store_relaxed(&stuck, UINT64_C(0)); /* relaxed: before the message */
    pawl_worker_send_(&rt->worker[0], &message);
    io_reach(&stuck, 1);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    for (int i = 0; i < 20; i++) { /* on a busy machine the other one may not answer in time either */
        assert_int_equal(pawl_rt_dump(rt, pipes[1]), 0);
        n = read(pipes[0], text, sizeof text - 1);
        assert_true(n > 0);
        text[n] = '\0';
        if (strstr(text, "other sources") != NULL)
            break;
    }
    io_add(&stuck, 1);
    assert_non_null(strstr(text, "does not answer"));
    assert_non_null(strstr(text, "other sources")); /* of the other worker */
    close(pipes[0]);
    close(pipes[1]);
    io_close(rt);
}

const struct CMUnitTest source_tests[] = {
    cmocka_unit_test(raises_coalesce_and_none_is_forgotten),
    cmocka_unit_test(an_event_may_be_stopped_while_it_is_raised),
    cmocka_unit_test(a_signal_is_told_to_all_who_listen_and_the_old_handler_rests),
    cmocka_unit_test(storms_of_signals_coalesce_as_in_the_kernel),
    cmocka_unit_test(listeners_come_and_go_in_a_storm),
    cmocka_unit_test(counters_and_a_dump_on_a_signal_tell_of_connections),
    cmocka_unit_test(a_dump_passes_over_a_worker_that_does_not_answer),
};
const size_t source_test_count = sizeof source_tests / sizeof source_tests[0];
