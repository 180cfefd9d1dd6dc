/* SPDX-License-Identifier: MIT */
/* Streams that are served: bytes, pressure, time. Every test on both engines. */
#include "io.h"
#include "test_io.h"

#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <pawl/clock.h>
#include <pawl/park.h>
#include <pawl/task.h>
#include <poll.h>
#include <time.h>

static const struct pawl_stream_config echo = {IO_ECHO};

/* ---- bytes ---- */

enum { ECHO_PEERS = 6, ECHO_PIECE = 20000 };

struct echo_peer {
    int fd;
    uint64_t seed, random, sent, received, total;
};

static void send_some(struct echo_peer *peer)
{
    char bytes[ECHO_PIECE];
    size_t most = (io_random(&peer->random) & 3) == 0 ? ECHO_PIECE : 100,
           count = 1 + io_random(&peer->random) % most;
    ssize_t n;

    if (count > peer->total - peer->sent)
        count = peer->total - peer->sent;
    io_fill(bytes, count, peer->seed, peer->sent);
    n = send(peer->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        assert_int_equal(errno, EAGAIN);
    else
        peer->sent += (uint64_t)n;
    if (peer->sent == peer->total)
        assert_int_equal(shutdown(peer->fd, SHUT_WR), 0);
}

static void receive_some(struct echo_peer *peer)
{
    char bytes[ECHO_PIECE], expected[ECHO_PIECE];
    ssize_t n = recv(peer->fd, bytes, 1 + io_random(&peer->random) % ECHO_PIECE, MSG_DONTWAIT);

    if (n < 0) {
        assert_int_equal(errno, EAGAIN);
        return;
    }
    assert_true(n > 0);
    io_fill(expected, (size_t)n, peer->seed, peer->received);
    assert_memory_equal(bytes, expected, (size_t)n);
    peer->received += (uint64_t)n;
}

/* Peers that send and receive pieces of random sizes at the same time; then half-close, and hear all to the end. */
static void echo_with(struct pawl_rt *rt, enum io_kind kind, const struct pawl_stream_config *config)
{
    struct echo_peer peers[ECHO_PEERS];
    struct pollfd polls[ECHO_PEERS];
    struct io_server server;
    unsigned left = ECHO_PEERS;

    io_listen(&server, rt, kind, config);
    for (unsigned i = 0; i < ECHO_PEERS; i++) {
        peers[i] = (struct echo_peer){.fd = io_connect(&server),
                                      .seed = io_seed() + i,
                                      .random = io_seed() * 7 + i};
        peers[i].total = (io_long() ? 64 << 20 : 200000) + io_random(&peers[i].random) % 100000;
    }
    while (left > 0) {
        for (unsigned i = 0; i < ECHO_PEERS; i++) {
            polls[i].fd = peers[i].received == peers[i].total ? -1 : peers[i].fd;
            polls[i].events = (short)(POLLIN | (peers[i].sent < peers[i].total ? POLLOUT : 0));
        }
        assert_true(poll(polls, ECHO_PEERS, 60000) > 0);
        left = 0;
        for (unsigned i = 0; i < ECHO_PEERS; i++) {
            if (polls[i].fd >= 0 && (polls[i].revents & POLLOUT) != 0)
                send_some(&peers[i]);
            if (polls[i].fd >= 0 && (polls[i].revents & (POLLIN | POLLHUP)) != 0)
                receive_some(&peers[i]);
            left += peers[i].received < peers[i].total;
        }
    }
    for (unsigned i = 0; i < ECHO_PEERS; i++) {
        io_read_end(peers[i].fd);
        close(peers[i].fd);
    }
    io_streams(rt, 0);
    io_unlisten(&server);
}

static void what_is_sent_comes_back_whole_and_in_order(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 2);
    for (int kind = IO_TCP; kind <= IO_UNIX; kind++) {
        echo_with(rt, (enum io_kind)kind, &echo);
        assert_int_equal(io_get(&io_counts.closed), (uint64_t)(kind + 1) * ECHO_PEERS);
    }
    assert_int_equal(io_get(&io_counts.clean), 3 * ECHO_PEERS);
    io_close(rt);
}

static void so_it_does_with_marks_of_a_few_bytes(void **state)
{
    static const struct pawl_stream_config narrow = {IO_ECHO, .high = 1000, .low = 10};
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    echo_with(rt, IO_TCP, &narrow);
    assert_true(io_get(&io_counts.drained) > 0);
    io_close(rt);
}

/* A pipeline of small requests: answers in order, and far fewer system calls than requests. */
static void a_pipeline_is_answered_with_few_calls(void **state)
{
    enum { REQUESTS = 1000, BYTES = 16 };
    char out[REQUESTS * BYTES], in[REQUESTS * BYTES];
    struct pawl_rt *rt;
    struct io_server server;
    int fd;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_TCP, &echo);
    fd = io_connect(&server);
    io_fill(out, sizeof out, io_seed(), 0);
    io_write(fd, out, sizeof out);
    io_read(fd, in, sizeof in);
    assert_memory_equal(in, out, sizeof in);
    assert_true(io_sum(rt, IO_WRITES) < REQUESTS / 4);
    close(fd);
    io_reach(&io_counts.closed, 1);
    io_unlisten(&server);
    io_close(rt);
}

/* ---- slices that are kept ---- */

enum { KEPT = 400 };

static struct {
    struct pawl_slice slices[KEPT * 4];
    PAWL_ATOMIC(uint64_t) n;
} kept;

static void keep(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    io_received_count(stream, slice);
    pawl_slice_hold(slice);
    kept.slices[pawl_load_relaxed(&kept.n)] = *slice; /* relaxed: one worker writes */
    io_add(&kept.n, 1);
    (void)pawl_stream_write(stream, "k", 1);
}

static void what_was_kept_stays_as_it_was(void **state)
{
    static const struct pawl_stream_config keeping = {.opened = io_opened,
                                                      .received = keep,
                                                      .ended = io_ended_close,
                                                      .closed = io_closed};
    char bytes[3000], answer;
    uint64_t position = 0, random = io_seed();
    struct pawl_rt *rt;
    struct io_server server;
    int fd;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_TCP, &keeping);
    fd = io_connect(&server);
    pawl_store_relaxed(&kept.n, 0); /* relaxed: before there is a stream */
    for (unsigned i = 0; i < KEPT; i++) {
        size_t count = 1 + io_random(&random) % sizeof bytes;

        io_fill(bytes, count, 1, position);
        io_write(fd, bytes, count);
        io_read(fd, &answer, 1);
        position += count;
        io_reach(&io_counts.bytes, position);
    }
    close(fd);
    io_reach(&io_counts.closed, 1);
    position = 0;
    for (unsigned i = 0; i < io_get(&kept.n); i++) { /* by another thread, with the stream gone */
        io_fill(bytes, kept.slices[i].count, 1, position);
        assert_memory_equal(kept.slices[i].bytes, bytes, kept.slices[i].count);
        position += kept.slices[i].count;
        pawl_slice_release(&kept.slices[i]);
    }
    assert_int_equal(position, io_get(&io_counts.bytes));
    io_unlisten(&server);
    io_close(rt);
}

/* ---- pressure ---- */

static void a_peer_that_does_not_read_costs_no_memory(void **state)
{
    static const struct pawl_stream_config config = {IO_ECHO, .high = 128 << 10, .low = 32 << 10};
    static char bytes[65536], expected[65536];
    uint64_t sent = 0, received = 0;
    struct pawl_rt *rt;
    struct io_server server;
    int fd, quiet = 0;

    (void)state;
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX) {
        io_open(&rt, 1);
        io_listen(&server, rt, (enum io_kind)kind, &config);
        fd = io_connect(&server);
        /* until nothing more is taken for a while */
        for (sent = received = 0, quiet = 0; quiet < 8;) {
            ssize_t n;
            struct pollfd writable = {.fd = fd, .events = POLLOUT};

            io_fill(bytes, sizeof bytes, 2, sent);
            n = send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0) {
                sent += (uint64_t)n;
                quiet = 0;
            } else {
                quiet += poll(&writable, 1, 10) == 0;
            }
        }
        /* the mark, and what one turn reads above it; the rest is the kernel's */
        assert_in_range(io_get(&io_counts.bytes), 1, sent);
        assert_in_range(io_sum(rt, IO_UNSENT), 1, (128 << 10) + (256 << 10));
        while (received < sent) {
            size_t part = sent - received > sizeof bytes ? sizeof bytes : sent - received;

            io_read(fd, bytes, part);
            io_fill(expected, part, 2, received);
            assert_memory_equal(bytes, expected, part);
            received += part;
        }
        assert_true(io_get(&io_counts.drained) > 0);
        close(fd);
        io_reach(&io_counts.closed, 1);
        io_unlisten(&server);
        io_close(rt);
    }
}

/* ---- time ---- */

static void hold_back(struct pawl_stream *stream)
{
    static char much[1 << 20];

    io_opened(stream);
    for (int i = 0; i < 16; i++)
        assert_int_equal(pawl_stream_write(stream, much, sizeof much), 0);
}

static void timeouts_end_what_does_not_move(void **state)
{
    static const struct pawl_stream_config configs[] = {
        {IO_ECHO, .idle_ms = 60},
        {IO_ECHO, .read_ms = 60},
        {.opened = hold_back, .received = io_received_count, .closed = io_closed, .write_ms = 60},
    };
    struct pawl_rt *rt;
    struct io_server server;

    (void)state;
    for (unsigned i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        bool queued = configs[i].write_ms != 0, late = false;
        char byte;
        int fd;

        io_open(&rt, 1);
        io_listen(&server, rt, IO_TCP, &configs[i]);
        fd = io_connect(&server);
        for (int n = 0; n < 5 && !queued && !late; n++) /* it lives while something moves */
            late = send(fd, "x", 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1;
        io_reach(&io_counts.timed_out, 1);
        io_peer_closed(fd, queued || late); /* late: what nobody has read is answered by RST */
        io_unlisten(&server);
        io_close(rt);
    }
}

/* However long the worker slept before the bytes came: time is counted from when they came. */
static void no_timeout_comes_early(void **state)
{
    static const struct pawl_stream_config config = {IO_ECHO, .idle_ms = 120};
    const struct timespec most_of_it = {.tv_nsec = 80000000};
    struct pawl_rt *rt;
    struct io_server server;
    uint64_t since;
    char byte;
    int fd;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_TCP, &config);
    fd = io_connect(&server);
    nanosleep(&most_of_it, NULL);
    since = pawl_deadline(0);
    if (send(fd, "x", 1, MSG_NOSIGNAL) == 1 &&
        recv(fd, &byte, 1, 0) == 1) /* else this thread came too late */
        while (recv(fd, &byte, 1, 0) > 0)
            ;
    io_reach(&io_counts.timed_out, 1);
    assert_true(io_get(&io_counts.bytes) == 0 || pawl_deadline(0) - since >= 120000000u);
    close(fd);
    io_unlisten(&server);
    io_close(rt);
}

static PAWL_ATOMIC(int) waiting_peer;      /* P: a release by the test, an acquire by the worker */
static PAWL_ATOMIC(uint64_t) sent_in_time; /* before the time of who is to hear of it had been over */

/* Keeps the worker for longer than anybody may be idle, while another connection's peer sends. */
static void received_for_long(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    const struct timespec long_time = {.tv_nsec = 200000000};

    if (io_get(&io_counts.timed_out) == 0) {
        io_add(&sent_in_time, 1);
        io_write(pawl_load_acquire(&waiting_peer), "x", 1); /* acquire P */
        nanosleep(&long_time, NULL);
    }
    io_received_echo(stream, slice);
}

/* What came while the worker was busy counts. */
static void a_worker_that_is_late_times_nobody_out_who_has_sent(void **state)
{
    static const struct pawl_stream_config configs[] = {
        {IO_ECHO, .idle_ms = 100},
        {IO_ECHO, .read_ms = 100},
    };
    struct pawl_rt *rt;

    (void)state;
    for (unsigned i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        struct pawl_stream_config busy = {IO_ECHO}; /* without limits of its own */
        struct io_server server, busy_server;
        char byte = 0;
        int fd, peer;

        busy.received = received_for_long;
        pawl_store_relaxed(&sent_in_time, UINT64_C(0)); /* relaxed: before the threads of the test */
        io_open(&rt, 1);
        io_listen(&server, rt, IO_TCP, &configs[i]);
        io_listen(&busy_server, rt, IO_TCP, &busy);
        fd = io_connect(&busy_server);
        peer = io_connect(&server);
        pawl_store_release(&waiting_peer, peer); /* release P */
        io_reach(&io_counts.opened, 2);
        io_write(fd, "l", 1);
        io_read(fd, &byte, 1);
        if (io_get(&sent_in_time) != 0) { /* else this thread came too late */
            io_read(peer, &byte, 1);
            assert_int_equal(byte, 'x');
        }
        io_reach(&io_counts.timed_out, 1); /* and later, when nothing more comes */
        close(fd);
        io_peer_closed(peer, true);
        io_unlisten(&server);
        io_unlisten(&busy_server);
        io_close(rt);
    }
}

/* Keeps the worker for long; its peer sends at the end of that. Then it goes on until it has had its turn, in which the byte is
 * received without a wait. */
struct long_task {
    struct pawl_task task;
    int peer, runs;
    bool too_late; /* its peer's time was over before it ran */
    uint64_t sent_at;
};

static enum pawl_task_next run_long(struct pawl_task *task)
{
    struct long_task *long_task = pawl_task_of(task, struct long_task, task);
    const struct timespec long_time = {.tv_nsec = 500000000};

    if (long_task->runs++ == 0) {
        long_task->too_late = io_get(&io_counts.timed_out) != 0;
        if (long_task->too_late)
            return PAWL_TASK_DONE;
        nanosleep(&long_time, NULL);
        long_task->sent_at = pawl_deadline(0);
        io_write(long_task->peer, "x", 1);
    }
    return long_task->runs < 40 ? PAWL_TASK_AGAIN : PAWL_TASK_DONE;
}

/* What is received behind a long task was not received before it. */
static void time_counts_from_when_it_was_received(void **state)
{
    static const struct pawl_stream_config config = {IO_ECHO, .idle_ms = 300};
    struct long_task busy = {.runs = 0};
    struct io_server server;
    struct pawl_rt *rt;
    char byte = 0;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_TCP, &config);
    busy.peer = io_connect(&server);
    io_reach(&io_counts.opened, 1);
    pawl_task_init(&busy.task, run_long, 0);
    assert_int_equal(pawl_task_spawn(rt, &busy.task), 0);
    pawl_task_join(&busy.task);
    if (!busy.too_late) {
        io_read(busy.peer, &byte, 1);
        assert_int_equal(byte, 'x');
    }
    io_peer_closed(busy.peer, true);
    assert_true(busy.too_late || pawl_deadline(0) - busy.sent_at >= 290000000u);
    io_unlisten(&server);
    io_close(rt);
}

/* Each send leaves an entry in the socket's queue of errors, which nobody reads. */
static void opened_with_stamps(struct pawl_stream *stream)
{
    const int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY |
                      SOF_TIMESTAMPING_OPT_ID;

    assert_int_equal(setsockopt(pawl_stream_fd(stream), SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags),
                     0);
    io_opened(stream);
}

static void what_waits_in_the_queue_of_errors_was_not_received(void **state)
{
    struct pawl_stream_config config = {IO_ECHO, .idle_ms = 50};
    struct io_server server;
    struct pawl_rt *rt;
    char byte = 0;
    int fd;

    (void)state;
    config.opened = opened_with_stamps;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_TCP, &config);
    fd = io_connect(&server);
    if (send(fd, "x", 1, MSG_NOSIGNAL) == 1) /* else this thread came too late */
        (void)recv(fd, &byte, 1, 0);
    io_reach(&io_counts.timed_out, 1);
    close(fd);
    io_unlisten(&server);
    io_close(rt);
}

/* ---- closing the runtime ---- */

static void the_runtime_closes_with_everything_open(void **state)
{
    enum { PEERS = 20 };
    static char much[100000];
    struct pawl_rt *rt;
    struct io_server server[3];
    int fds[PEERS];

    (void)state;
    for (int round = 0; round < 3; round++) {
        io_open(&rt, 2);
        for (int kind = IO_TCP; kind <= IO_UNIX; kind++)
            io_listen(&server[kind], rt, (enum io_kind)kind, &echo);
        for (int i = 0; i < PEERS; i++) {
            fds[i] = io_connect(&server[i % 3]);
            if (i % 4 != 0)
                io_write(fds[i], much, (size_t)(i % 4) * 100);
            if (i % 4 == 3)
                (void)send(fds[i], much, sizeof much, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        if (round > 0)
            io_reach(&io_counts.opened, PEERS);
        assert_int_equal(pawl_rt_close(rt), 0);
        assert_int_equal(io_get(&io_counts.closed), io_get(&io_counts.opened));
        if (round > 0)
            assert_int_equal(io_get(&io_counts.cancelled), PEERS);
        for (int i = 0; i < PEERS; i++)
            io_peer_closed(fds[i], true);
        io_open(&rt, 1); /* nothing of it is left */
        io_close(rt);
    }
}

/* ---- what comes next ---- */

enum { AHEAD_PEERS = 8, AHEAD_ROUNDS = 20 };

/* By the worker; the test looks when it has received all. */
static struct {
    int fds[AHEAD_PEERS];
    uint64_t told[2], wrong;
} ahead_seen;

/* Of a stream: what it was told of and has not received. */
struct foretold {
    const char *bytes;
    size_t count;
    unsigned steps;
};

static void told_ahead(struct pawl_stream *stream, const char *bytes, size_t count, unsigned step)
{
    struct foretold *foretold = pawl_stream_context(stream);
    const bool again = foretold->bytes == bytes && foretold->count == count && foretold->steps == 1;

    ahead_seen.wrong += step > 1 || (step == 0 ? foretold->bytes != NULL : !again) ||
                        memcmp(bytes, "bytes", 5) != 0;
    *foretold = (struct foretold){bytes, count, step + 1};
    ahead_seen.told[step & 1]++;
}

static void received_ahead(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct foretold *foretold = pawl_stream_context(stream);

    ahead_seen.wrong += foretold->bytes != NULL &&
                        (foretold->bytes != slice->bytes || foretold->count != slice->count);
    *foretold = (struct foretold){NULL, 0, 0};
    io_received_count(stream, slice);
}

/* On the worker: so all of it is there in its next turn. */
static void write_to_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < AHEAD_PEERS; i++)
        io_write(ahead_seen.fds[i], "bytes", 5);
}

static void what_is_told_ahead_is_what_is_received(void **state)
{
    static const struct pawl_stream_config config = {.opened = io_opened,
                                                     .received = received_ahead,
                                                     .closed = io_closed,
                                                     .ahead = told_ahead,
                                                     .context_bytes = sizeof(struct foretold)};
    const bool knows = strcmp(io_engine, "uring") == 0;
    struct pawl_rt *rt;
    struct io_server server;

    (void)state;
    io_open(&rt, 1);
    memset(&ahead_seen, 0, sizeof ahead_seen);
    io_listen(&server, rt, IO_TCP, &config);
    for (unsigned i = 0; i < AHEAD_PEERS; i++)
        ahead_seen.fds[i] = io_connect(&server);
    io_reach(&io_counts.opened, AHEAD_PEERS);
    for (unsigned round = 1; round <= AHEAD_ROUNDS; round++) {
        io_on(rt, 0, write_to_all, NULL);
        io_reach(&io_counts.bytes, (uint64_t)round * AHEAD_PEERS * 5);
    }
    assert_int_equal(ahead_seen.wrong, 0);
    assert_int_equal(ahead_seen.told[0] > 0, knows);
    assert_int_equal(ahead_seen.told[1] > 0, knows);
    assert_true(ahead_seen.told[1] <= ahead_seen.told[0]);
    for (unsigned i = 0; i < AHEAD_PEERS; i++)
        close(ahead_seen.fds[i]);
    io_streams(rt, 0);
    io_unlisten(&server);
    io_close(rt);
}

const struct CMUnitTest stream_tests[] = {
    cmocka_unit_test(what_is_sent_comes_back_whole_and_in_order),
    cmocka_unit_test(so_it_does_with_marks_of_a_few_bytes),
    cmocka_unit_test(a_pipeline_is_answered_with_few_calls),
    cmocka_unit_test(what_was_kept_stays_as_it_was),
    cmocka_unit_test(a_peer_that_does_not_read_costs_no_memory),
    cmocka_unit_test(timeouts_end_what_does_not_move),
    cmocka_unit_test(no_timeout_comes_early),
    cmocka_unit_test(a_worker_that_is_late_times_nobody_out_who_has_sent),
    cmocka_unit_test(time_counts_from_when_it_was_received),
    cmocka_unit_test(what_waits_in_the_queue_of_errors_was_not_received),
    cmocka_unit_test(the_runtime_closes_with_everything_open),
    cmocka_unit_test(what_is_told_ahead_is_what_is_received),
};
const size_t stream_test_count = sizeof stream_tests / sizeof stream_tests[0];
