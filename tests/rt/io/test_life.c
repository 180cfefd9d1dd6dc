/* SPDX-License-Identifier: MIT */
/* Runtimes that begin and end with everything under way: connections in each state, timers, fibers that are in the middle of
 * something, reads of files, calls that block, events. They are closed at any moment, by the program or by SIGTERM; it always
 * ends, and nothing is left. */
#include "io.h"
#include "test_io.h"

#include <pawl/block.h>
#include <pawl/event.h>
#include <pawl/fiber_io.h>
#include <pawl/file.h>
#include <pawl/signal.h>
#include <pawl/task.h>

#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>

enum { FOLK = 8, FILE_BYTES = 40000, MOST_BYTES = 60000, OWN_STREAMS = 6 };

static struct {
    struct pawl_rt *rt;
    struct io_server server;
    int file;
    uint64_t seed;
    /* of all runtimes of the test */
    PAWL_ATOMIC(uint64_t) begun, ended, talks, reads, jobs, ticks, raised;
} life;

/* In workers and in children of fork, where cmocka's assertions have nowhere to go. */
static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s (errno %d, PAWL_TEST_SEED=%llu)\n", what, errno,
            (unsigned long long)io_seed());
    abort();
}

/* ---- what is under way ---- */

static const struct pawl_stream_config echo = {IO_ECHO, .high = 20000, .low = 5000, .idle_ms = 30000};

/* A stream that talks to the server by itself until the runtime ends. */
static void own_opened(struct pawl_stream *stream)
{
    io_opened(stream);
    (void)pawl_stream_write(stream, "ping", 4);
}

static void own_received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)pawl_stream_send(stream, slice);
    io_add(&life.talks, 1);
}

static const struct pawl_stream_config own = {.opened = own_opened,
                                              .received = own_received,
                                              .closed = io_closed,
                                              .connect_ms = 30000};

static bool is_an_end(int64_t status)
{
    return status == -ECANCELED || status == -EPIPE || status == -ECONNRESET || status == -ECONNREFUSED ||
           status == -EAGAIN ||
           status == -EADDRNOTAVAIL; /* the last: all ports wait for their former peers */
}

static void talk(uint64_t *random)
{
    size_t count = 1 + io_random(random) % MOST_BYTES;
    const struct sockaddr *to = (const struct sockaddr *)&life.server.address;
    struct pawl_conn conn;
    char *bytes, *heard;
    int64_t n = pawl_conn_connect(&conn, to, life.server.address_bytes);

    if (n < 0) {
        must(is_an_end(n), "a connection stands, or is told why not");
        return;
    }
    bytes = malloc(2 * count);
    must(bytes != NULL, "memory");
    heard = bytes + count;
    io_fill(bytes, count, life.seed, 0);
    n = pawl_write(&conn, bytes, count);
    must(n == (int64_t)count || is_an_end(n), "what is written is taken");
    if (io_random(random) % 4 != 0 && n > 0) { /* else it goes with an answer under way */
        n = pawl_read_all(&conn, heard, count);
        must(n < 0 ? is_an_end(n) : memcmp(heard, bytes, (size_t)n) == 0, "the answer is what was said");
    }
    (void)pawl_conn_close_until(&conn, io_random(random) % 2 == 0 ? 0 : PAWL_FOREVER);
    free(bytes);
    io_add(&life.talks, 1);
}

static void read_file(uint64_t *random)
{
    int64_t from = (int64_t)(io_random(random) % FILE_BYTES), n;
    char bytes[2000], expected[2000];

    n = pawl_pread(life.file, bytes, sizeof bytes, from, PAWL_FOREVER);
    must(n >= 0 || is_an_end(n), "a file is read");
    if (n > 0) {
        io_fill(expected, (size_t)n, 3, (uint64_t)from);
        must(memcmp(bytes, expected, (size_t)n) == 0, "a file has its bytes");
        io_add(&life.reads, 1);
    }
}

static int64_t wait_a_little(void *arg)
{
    usleep((useconds_t)(uintptr_t)arg);
    return 1;
}

static void block(uint64_t *random)
{
    int64_t result = 0;
    int status = pawl_block_await(wait_a_little, (void *)(uintptr_t)(io_random(random) % 300), &result);

    must(status == 0 ? result == 1 : is_an_end(status), "a call returns, or is told why not");
    if (status == 0)
        io_add(&life.jobs, 1);
}

static void be_born_and_die(void *arg)
{
    (void)arg;
    pawl_yield();
    io_add(&life.ended, 1);
}

/* ---- those who do it ---- */

struct household {
    struct pawl_timer timer;
    struct pawl_event event;
    uint64_t random;
};

static void tick(struct pawl_timer *timer)
{
    struct household *self = pawl_timer_of(timer, struct household, timer);

    io_add(&life.ticks, 1);
    (void)pawl_event_raise(&self->event);
}

static void raised(struct pawl_event *event, uint64_t count)
{
    (void)event;
    io_add(&life.raised, count);
}

static void event_stopped(struct pawl_event *event)
{
    struct household *self = pawl_event_of(event, struct household, event);

    (void)pawl_timer_cancel(&self->timer);
    free(self); /* the fiber has not looked at it since it set the timer */
    io_add(&life.ended, 1);
}

static void own_streams(void)
{
    const struct sockaddr *to = (const struct sockaddr *)&life.server.address;
    struct pawl_stream *stream;

    for (int i = 0; i < OWN_STREAMS; i++) {
        int status = pawl_stream_connect(&stream, &own, to, life.server.address_bytes);

        must(status == 0 || is_an_end(status), "a stream connects, or says why not");
    }
}

static void act(uint64_t *random)
{
    switch (io_random(random) % 6) {
    case 0:
    case 1:
        talk(random);
        break;
    case 2:
        read_file(random);
        break;
    case 3:
        block(random);
        break;
    case 4:
        io_add(&life.begun, 1);
        if (pawl_go(pawl_rt_here(), be_born_and_die, NULL) != 0)
            io_add(&life.ended, 1);
        break;
    default:
        (void)pawl_sleep(io_random(random) % 1500000);
        break;
    }
}

static void keep_house(void *arg)
{
    struct household *self = calloc(1, sizeof *self);
    uint64_t random = life.seed + (uintptr_t)arg;
    int status;

    must(self != NULL, "memory");
    pawl_timer_init(&self->timer, tick);
    self->event.raised = raised;
    self->event.stopped = event_stopped;
    status = pawl_event_start(&self->event);
    if (status != 0) {
        must(status == -EPIPE, "an event starts while the runtime is open");
        free(self);
        io_add(&life.ended, 1);
        return;
    }
    pawl_timer_every(&self->timer, pawl_deadline(500000), 1000000);
    own_streams();
    while (pawl_fiber_cancelled() == 0)
        act(&random);
}

static void begin(struct pawl_rt *rt, enum io_kind kind)
{
    life.rt = rt;
    io_listen(&life.server, rt, kind, &echo);
    for (uintptr_t i = 0; i < FOLK; i++) {
        io_add(&life.begun, 1);
        must(pawl_go(rt, keep_house, (void *)(i * 7919)) == 0, "a fiber begins");
    }
}

static void all_have_ended(void)
{
    must(io_get(&life.begun) == io_get(&life.ended), "what has begun has ended");
}

static void prepare(void)
{
    memset((void *)&life, 0, sizeof life);
    life.file = io_temporary(FILE_BYTES, 3);
    life.seed = io_seed();
}

static int cycles(int n, int many)
{
    return io_long() ? many : PAWL_INSTRUMENTED ? n / 4 : n;
}

/* ---- closed by the program ---- */

static void a_runtime_closed_at_any_moment_under_load_ends_and_leaves_nothing(void **state)
{
    uint64_t random = io_seed();

    (void)state;
    prepare();
    for (int n = cycles(40, 1000); n > 0; n--) {
        uint64_t talks = io_get(&life.talks), reads = io_get(&life.reads);
        struct pawl_rt *rt;

        life.seed = io_random(&random);
        io_open(&rt, 1 + (uint32_t)n % 3);
        begin(rt, n % 2 == 0 ? IO_TCP : IO_UNIX);
        if (n % 4 == 0) { /* in the middle; else perhaps before anything has begun */
            io_reach(&life.talks, talks + 20);
            io_reach(&life.reads, reads + 1);
        } else {
            usleep((useconds_t)(io_random(&random) % 3000));
        }
        if (n % 3 == 0)
            io_unlisten(&life.server);
        io_close(rt);
        all_have_ended();
    }
    assert_true(io_get(&life.ticks) > 0 && io_get(&life.raised) > 0 && io_get(&life.jobs) > 0);
    close(life.file);
}

/* ---- closed by a signal ---- */

static sem_t told;

static void on_term(int number)
{
    (void)number;
    (void)sem_post(&told);
}

static void caught(struct pawl_signal *signal, uint64_t count)
{
    (void)signal;
    (void)count;
    (void)sem_post(&told);
}

static struct pawl_signal term;

static void listen_for_term(void *arg)
{
    int status;

    (void)arg;
    term.caught = caught;
    status = pawl_signal_start(&term, SIGTERM);

    must(status == 0 || status == -EPIPE, "a signal is listened for");
}

/* A program: a handler before there is a runtime, the runtime's own afterwards, and work. It leaves no descriptor and
 * no memory. */
static void serve_until_told(bool by_runtime)
{
    const struct sigaction action = {.sa_handler = on_term};
    const struct pawl_rt_config config = {.workers = 2, .engine = io_engine};
    int descriptors = io_descriptors();
    int64_t allocations = io_live_allocations();
    struct pawl_rt *rt;

    must(sigaction(SIGTERM, &action, NULL) == 0, "sigaction");
    must(pawl_rt_open(&rt, &config) == 0, "it opens");
    if (by_runtime)
        must(pawl_go(rt, listen_for_term, NULL) == 0, "a fiber begins");
    begin(rt, by_runtime ? IO_TCP : IO_UNIX);
    while (sem_wait(&told) != 0)
        must(errno == EINTR, "sem_wait");
    must(pawl_rt_close(rt) == 0, "it closes");
    must(io_descriptors() == descriptors, "no descriptor is left");
    must(io_live_allocations() == allocations, "no memory is left");
    all_have_ended();
}

/* The same with the thread of the program as a worker, which a handler stops. */
static void run_until_stopped_handler(int number)
{
    (void)number;
    pawl_rt_stop(life.rt);
}

static void run_until_stopped(void)
{
    const struct sigaction action = {.sa_handler = run_until_stopped_handler};
    const struct pawl_rt_config config = {.workers = 2, .engine = io_engine, .flags = PAWL_RT_CALLER};
    int descriptors = io_descriptors();
    int64_t allocations = io_live_allocations();
    struct pawl_rt *rt;
    sigset_t term_set;

    must(pawl_rt_open(&rt, &config) == 0, "it opens");
    life.rt = rt;
    must(sigaction(SIGTERM, &action, NULL) == 0, "sigaction");
    must(sigemptyset(&term_set) == 0 && sigaddset(&term_set, SIGTERM) == 0, "a set");
    must(pthread_sigmask(SIG_UNBLOCK, &term_set, NULL) == 0, "unblock"); /* from here on it may be stopped */
    begin(rt, IO_TCP);
    must(pawl_rt_run(rt) == 0, "it runs");
    must(signal(SIGTERM, SIG_IGN) != SIG_ERR, "ignore"); /* the handler's runtime goes */
    must(pawl_rt_close(rt) == 0, "it closes");
    must(io_descriptors() == descriptors, "no descriptor is left");
    must(io_live_allocations() == allocations, "no memory is left");
    all_have_ended();
}

static void child_program(int n, int ready)
{
    sigset_t term_set;

    alarm(120); /* a close that hangs ends by a signal */
    must(sem_init(&told, 0, 0) == 0, "sem_init");
    must(sigemptyset(&term_set) == 0 && sigaddset(&term_set, SIGTERM) == 0, "a set");
    if (n % 3 != 0) {
        must(signal(SIGTERM, on_term) != SIG_ERR, "a handler"); /* then it may come at any moment */
        must(write(ready, "", 1) == 1, "write");
        serve_until_told(n % 3 == 1);
    } else {
        must(pthread_sigmask(SIG_BLOCK, &term_set, NULL) == 0, "block");
        must(write(ready, "", 1) == 1, "write");
        run_until_stopped();
    }
    _exit(0);
}

static void a_program_told_to_end_at_any_moment_ends_and_leaves_nothing(void **state)
{
    uint64_t random = io_seed();

    (void)state;
    prepare();
    for (int n = cycles(24, 1000); n > 0; n--) {
        int pipes[2], status;
        pid_t child;
        char byte;

        life.seed = io_random(&random);
        assert_int_equal(pipe(pipes), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            child_program(n, pipes[1]);
        assert_int_equal(read(pipes[0], &byte, 1), 1);
        usleep((useconds_t)(io_random(&random) % 8000));
        assert_int_equal(kill(child, SIGTERM), 0);
        if (n % 2 == 0) { /* once more, as people do, while it ends */
            usleep((useconds_t)(io_random(&random) % 2000));
            (void)kill(child, SIGTERM);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0)
            fail_msg("child %d ended with status 0x%x", n, (unsigned)status);
        close(pipes[0]);
        close(pipes[1]);
    }
    close(life.file);
}

const struct CMUnitTest life_tests[] = {
    cmocka_unit_test(a_program_told_to_end_at_any_moment_ends_and_leaves_nothing), /* first: it forks */
    cmocka_unit_test(a_runtime_closed_at_any_moment_under_load_ends_and_leaves_nothing),
};
const size_t life_test_count = sizeof life_tests / sizeof life_tests[0];
