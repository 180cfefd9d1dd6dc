/* SPDX-License-Identifier: MIT */
/* Polls that the kernel refuses for want of memory: who waits hears what he waits for all the same. Cancellations that find
 * nothing, as what they are for is just to be tried again: it ends all the same. On io_uring. */
#include "dgram_box.h"
#include "test_io.h"

#include <pawl/child.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { REFUSALS = 3 };

static const struct pawl_stream_config echo = {IO_ECHO};

/* After so many refusals it is heard. */
static void refuse(void)
{
    if (!io_can_refuse())
        skip();
    io_refuse_polls(REFUSALS);
}

struct waiting {
    struct pawl_child child;
    struct pawl_watch watch;
    struct pawl_op op;
    pid_t pid;
    int fd;
    PAWL_ATOMIC(uint64_t) completed;
    int64_t result;
};

static void completed(struct pawl_op *op, int64_t result)
{
    struct waiting *waiting = pawl_op_of(op, struct waiting, op);

    waiting->result = result;
    io_add(&waiting->completed, 1);
}

static void wait_for_child(void *arg)
{
    struct waiting *waiting = arg;

    pawl_op_init(&waiting->op, completed);
    assert_int_equal(pawl_child_wait(&waiting->child, &waiting->op, waiting->pid), 0);
}

static void watch_once(void *arg)
{
    struct waiting *waiting = arg;

    pawl_op_init(&waiting->op, completed);
    assert_int_equal(pawl_watch_once(&waiting->watch, &waiting->op, waiting->fd, POLLIN), 0);
}

static void cancel(void *arg)
{
    assert_int_equal(pawl_op_cancel(&((struct waiting *)arg)->op), 0);
}

/* Until the worker has heard of so many refusals. */
static void reach_refusals(uint64_t n)
{
    while (io_refused() < n)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void a_child_is_heard_of_though_polls_are_refused(void **state)
{
    uint64_t before = io_refused();
    struct waiting waiting = {.fd = -1};
    struct pawl_rt *rt;

    (void)state;
    refuse();
    waiting.pid = fork();
    if (waiting.pid == 0) {
        pause();
        _exit(1);
    }
    io_open(&rt, 1);
    io_on(rt, 0, wait_for_child, &waiting);
    reach_refusals(before + REFUSALS); /* before it ends: it is a refusal that the wait hears of first */
    assert_int_equal(kill(waiting.pid, SIGTERM), 0);
    io_reach(&waiting.completed, 1);
    assert_true(WIFSIGNALED((int)waiting.result) && WTERMSIG((int)waiting.result) == SIGTERM);
    io_close(rt);
}

static void an_operation_is_not_completed_by_a_refusal(void **state)
{
    uint64_t before = io_refused();
    struct waiting waiting = {.pid = -1};
    struct pawl_rt *rt;
    int ends[2];
    char byte;

    (void)state;
    refuse();
    io_open(&rt, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    waiting.fd = ends[0];
    io_on(rt, 0, watch_once, &waiting);
    reach_refusals(before + REFUSALS);
    assert_int_equal(io_get(&waiting.completed), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    io_reach(&waiting.completed, 1);
    assert_int_equal(waiting.result, POLLIN);
    assert_int_equal(read(ends[0], &byte, 1), 1);

    io_refuse_polls(INT64_MAX); /* cancelled while it waits for another try */
    io_on(rt, 0, watch_once, &waiting);
    reach_refusals(before + REFUSALS + 2);
    io_on(rt, 0, cancel, &waiting);
    io_reach(&waiting.completed, 2);
    assert_int_equal(waiting.result, -ECANCELED);

    io_on(rt, 0, watch_once, &waiting); /* and by the end of the runtime */
    reach_refusals(before + REFUSALS + 4);
    close(ends[0]);
    close(ends[1]);
    io_close(rt);
    io_refuse_polls(0);
    assert_int_equal(io_get(&waiting.completed), 3);
    assert_int_equal(waiting.result, -ECANCELED);
}

static struct pawl_stream *stream;
static int to_adopt;

static void adopt(void *arg)
{
    static const struct pawl_stream_config count = {.opened = io_opened,
                                                    .received = io_received_count,
                                                    .ended = io_ended_close,
                                                    .closed = io_closed};

    (void)arg;
    assert_int_equal(pawl_stream_adopt(&stream, &count, to_adopt), 0);
}

static void a_pipe_is_read_though_polls_are_refused(void **state)
{
    uint64_t before = io_refused();
    struct pawl_rt *rt;
    int ends[2];

    (void)state;
    refuse();
    io_open(&rt, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    to_adopt = ends[0];
    io_on(rt, 0, adopt, NULL);
    reach_refusals(before + REFUSALS);
    assert_int_equal(write(ends[1], "x", 1), 1);
    io_reach(&io_counts.bytes, 1);
    close(ends[1]);
    io_reach(&io_counts.clean, 1);
    io_close(rt);
}

static void greet(struct pawl_stream *peer)
{
    io_opened(peer);
    assert_int_equal(pawl_stream_write(peer, "hello", 5), 0);
    assert_int_equal(pawl_stream_shutdown(peer), 0);
}

static int reason;

static void client_closed(struct pawl_stream *peer, int why)
{
    reason = why;
    io_closed(peer, why);
}

static void connect_to(void *arg)
{
    static const struct pawl_stream_config client = {.opened = greet,
                                                     .received = io_received_count,
                                                     .ended = io_ended_close,
                                                     .closed = client_closed};
    const struct io_server *server = arg;

    assert_int_equal(pawl_stream_connect(&stream, &client, (const struct sockaddr *)&server->address,
                                         server->address_bytes),
                     0);
}

static void a_connection_is_made_though_polls_are_refused(void **state)
{
    uint64_t before = io_refused();
    struct io_server server;
    struct pawl_rt *rt;

    (void)state;
    refuse();
    io_open(&rt, 1);
    io_listen(&server, rt, IO_TCP, &echo);
    io_on(rt, 0, connect_to, &server);
    io_reach(&io_counts.bytes, 10); /* there and back */
    io_reach(&io_counts.clean, 2);
    assert_int_equal(io_refused(), before + REFUSALS);

    io_refuse_polls(INT64_MAX); /* ended while it waits for another try */
    io_on(rt, 0, connect_to, &server);
    reach_refusals(before + REFUSALS + 2);
    io_unlisten(&server);
    io_close(rt);
    io_refuse_polls(0);
    assert_int_equal(reason, -ECANCELED);
}

/* ---- cancellations that find nothing ---- */

static uint64_t miss(void)
{
    if (strcmp(io_engine, "uring") != 0)
        skip();
    io_miss_cancels(REFUSALS);
    return io_missed();
}

static void a_connection_and_its_listener_end_though_they_are_missed(void **state)
{
    uint64_t before = miss();
    struct io_server server;
    struct pawl_rt *rt;
    char byte = 'x';
    int fd;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_TCP, &echo);
    fd = io_connect(&server);
    io_write(fd, &byte, 1);
    io_read(fd, &byte, 1);
    io_unlisten(&server);
    assert_int_equal(io_missed(), before + REFUSALS);
    io_miss_cancels(REFUSALS);
    assert_int_equal(pawl_rt_close(rt), 0); /* ends the connection */
    assert_int_equal(io_missed(), before + 2 * REFUSALS);
    close(fd);
}

static void pause_box(void *arg)
{
    (void)arg;
    pawl_dgram_pause(box.dgram);
}

static void resume_box(void *arg)
{
    (void)arg;
    pawl_dgram_resume(box.dgram);
}

static void a_datagram_socket_pauses_and_ends_though_it_is_missed(void **state)
{
    static const struct pawl_dgram_config config = {.received = box_note, .closed = box_closed};
    uint64_t before = miss();
    struct pawl_rt *rt;
    int fd;

    (void)state;
    io_open(&rt, 1);
    box_open(rt, AF_INET, &config);
    fd = box_connected_peer(AF_INET);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    io_reach(&box.received, 1);
    for (int i = 0; i < 2 * REFUSALS; i++)
        io_on(rt, 0, pause_box, NULL); /* turns */
    assert_int_equal(send(fd, "x", 1, 0), 1);
    for (int i = 0; i < 2 * REFUSALS; i++)
        io_on(rt, 0, pause_box, NULL);
    assert_int_equal(io_get(&box.received), 1);
    assert_int_equal(io_missed(), before + REFUSALS);
    io_on(rt, 0, resume_box, NULL);
    io_reach(&box.received, 2);
    io_miss_cancels(REFUSALS);
    box_close(rt);
    assert_int_equal(io_missed(), before + 2 * REFUSALS);
    close(fd);
    io_close(rt);
}

/* ---- the engine's own ---- */

static PAWL_ATOMIC(uint64_t) heard;

static void note(void *arg)
{
    (void)arg;
    io_add(&heard, 1);
}

/* Messages are heard of all the same, and the worker does not spin: it tries again after a while, 10 ms here. */
static void a_worker_whose_wake_ups_are_refused_hears_late_and_does_not_spin(void **state)
{
    uint64_t since = pawl_deadline(0), made, refusals, periods;
    struct pawl_rt_counts before, after;
    struct pawl_rt *rt;

    (void)state;
    if (!io_can_refuse())
        skip();
    pawl_store_relaxed(&heard, UINT64_C(0)); /* relaxed: before the threads of the test */
    io_refuse_wakes(INT64_MAX);
    made = io_refused_wakes();
    io_open(&rt, 1);
    io_on(rt, 0, note, NULL);
    assert_int_equal(pawl_rt_stats(rt, 0, &before), 0);
    while (io_refused_wakes() < made + 5)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    io_on(rt, 0, note, NULL);
    assert_int_equal(io_get(&heard), 2);
    assert_int_equal(pawl_rt_stats(rt, 0, &after), 0);
    refusals = io_refused_wakes() - made;
    periods = (pawl_deadline(0) - since) / 10000000 + 2; /* however long it took */
    assert_in_range(refusals, 5, periods);
    assert_in_range(after.turns - before.turns, 4, 8 * periods);

    io_refuse_wakes(0); /* and then it sleeps as long as nothing happens, and hears at once */
    do {
        made = io_waits(rt);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    } while (io_waits(rt) != made);
    io_on(rt, 0, note, NULL);
    assert_int_equal(io_get(&heard), 3);
    io_close(rt);
}

const struct CMUnitTest refused_tests[] = {
    cmocka_unit_test(a_worker_whose_wake_ups_are_refused_hears_late_and_does_not_spin),
    cmocka_unit_test(a_child_is_heard_of_though_polls_are_refused),
    cmocka_unit_test(an_operation_is_not_completed_by_a_refusal),
    cmocka_unit_test(a_pipe_is_read_though_polls_are_refused),
    cmocka_unit_test(a_connection_is_made_though_polls_are_refused),
    cmocka_unit_test(a_connection_and_its_listener_end_though_they_are_missed),
    cmocka_unit_test(a_datagram_socket_pauses_and_ends_though_it_is_missed),
};
const size_t refused_test_count = sizeof refused_tests / sizeof refused_tests[0];
