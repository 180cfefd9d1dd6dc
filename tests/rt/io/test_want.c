/* SPDX-License-Identifier: MIT */
/* Want of descriptors and memory, many connections, busy ones, idle ones. On both engines. */
#include "io.h"
#include "test_io.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static const struct pawl_stream_config echo = {IO_ECHO};

/* ---- want ---- */

enum { CROWD = 30 };

static void no_descriptors_slow_accepting_down_and_it_recovers(void **state)
{
    struct pawl_rt *rt;
    struct io_server server;
    struct rlimit limit, less;
    int fds[CROWD], lowest;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int kind = IO_TCP; kind <= IO_TCP_SHARED; kind++) {
        io_open(&rt, 2);
        for (int i = 0; i < CROWD; i++)
            fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        lowest = dup(0);
        close(lowest);
        /* Two for the listener, three for connections. Before it listens: io_uring keeps to the limit that there was when
         * an accept was submitted. */
        less = (struct rlimit){.rlim_cur = (rlim_t)lowest + 5, .rlim_max = limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
        io_listen(&server, rt, (enum io_kind)kind, &echo);
        for (int i = 0; i < CROWD; i++) {
            assert_int_equal(connect(fds[i], (const struct sockaddr *)&server.address, server.address_bytes),
                             0);
            io_write(fds[i], "x", 1);
        }
        io_reach(&io_counts.bytes, 3);
        while (io_sum(rt, IO_STARVATIONS) == 0) /* it has been tried in vain, or will be */
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        for (int i = 0; i < CROWD;
             i++) /* each that goes lets another one in, though descriptors stay scarce */
            shutdown(fds[i], SHUT_WR);
        for (int i = 0; i < CROWD; i++) {
            char byte;

            io_read(fds[i], &byte, 1);
            io_read_end(fds[i]);
        }
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        for (int i = 0; i < CROWD; i++)
            close(fds[i]);
        io_reach(&io_counts.closed, CROWD);
        assert_int_equal(io_get(&io_counts.clean), CROWD);
        io_unlisten(&server);
        io_close(rt);
    }
}

/* Each descriptor that a runtime of two workers needs, from the last to the first. */
static void a_runtime_without_descriptors_is_not_opened_and_leaves_nothing(void **state)
{
    const struct pawl_rt_config config = {.workers = 2, .engine = io_engine};
    struct rlimit limit, less;
    struct pawl_rt *rt;
    int lowest, before, status = -EMFILE, n = 0;

    (void)state;
    io_open(&rt, 2); /* what is found out once a process is known then */
    io_close(rt);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    lowest = dup(0);
    close(lowest);
    before = io_descriptors();
    for (; status != 0; n++) {
        int64_t allocations = io_live_allocations();

        less = (struct rlimit){.rlim_cur = (rlim_t)(lowest + n), .rlim_max = limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
        status = pawl_rt_open(&rt, &config);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (status == 0)
            break;
        assert_int_equal(status, -EMFILE);
        assert_int_equal(io_descriptors(), before);
        assert_int_equal(io_live_allocations(), allocations);
    }
    assert_true(n >= 4); /* an eventfd a worker, and the engine's own */
    assert_string_equal(pawl_rt_engine(rt), io_engine);
    assert_string_equal(pawl_rt_engine_reason(rt), "asked for");
    assert_int_equal(pawl_rt_close(rt), 0);
}

/* Whatever cannot be allocated: a connection may be lost for it, and is closed then; the next ones work. */
static void no_memory_costs_connections_at_most(void **state)
{
    static char bytes[50000];
    struct pawl_rt *rt;
    struct io_server server;
    uint64_t random = io_seed(), failed = io_failed(), served = 0;

    (void)state;
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX) {
        io_open(&rt, 2);
        io_listen(&server, rt, (enum io_kind)kind, &echo);
        for (int round = 0; round < (io_long() ? 5000 : 50); round++) {
            int fd;
            size_t count = 1 + io_random(&random) % sizeof bytes, heard = 0;
            ssize_t n = 1;

            io_fail_every(1 + (uint32_t)(io_random(&random) % 4));
            fd = io_connect(&server);
            n = send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
            shutdown(fd, SHUT_WR);
            if (round % 3 == 0) /* it recovers while this one waits */
                io_fail_every(0);
            for (ssize_t more = 1; n > 0 && heard < (size_t)n && more > 0;
                 heard += more > 0 ? (size_t)more : 0) {
                more = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
                if (more < 0 && errno == EAGAIN) {
                    struct timespec a_little = {.tv_nsec = 200000};

                    nanosleep(&a_little, NULL);
                    io_fail_every(io_random(&random) % 4 == 0 ? 0 : 2);
                    more = 1;
                    heard--;
                }
            }
            served += n > 0 && heard == (size_t)n;
            close(fd);
        }
        io_fail_every(0);
        io_streams(rt, 0);
        assert_int_equal(io_get(&io_counts.closed), io_get(&io_counts.opened));
        io_unlisten(&server);
        io_close(rt);
    }
    assert_true(io_failed() > failed);
    assert_true(served > 0);
}

static struct pawl_stream *poor;

static void opened_poor(struct pawl_stream *stream)
{
    poor = stream;
    io_opened(stream);
}

static void send_much_without_memory(void *arg)
{
    static const char much[4 << 20];
    const struct pawl_slice slice = {.bytes = much, .count = sizeof much};

    (void)arg;
    assert_int_equal(pawl_stream_send(poor, &slice), 0);
    io_fail_every(1); /* the rest, when the socket is full, has no memory to wait in */
}

static void look_at_timers(void *arg)
{
    *(uint64_t *)arg = pawl_wheel_next_(&pawl_worker_here_()->wheel);
}

static void a_stream_that_ends_for_want_of_memory_leaves_no_timer(void **state)
{
    static const struct pawl_stream_config config = {.opened = opened_poor,
                                                     .received = io_received_count,
                                                     .closed = io_closed,
                                                     .write_ms = 50};
    struct io_server server;
    struct pawl_rt *rt;
    uint64_t next = 0;
    int fd;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_UNIX, &config);
    fd = io_connect(&server);
    io_reach(&io_counts.opened, 1);
    io_on(rt, 0, send_much_without_memory, NULL);
    io_reach(&io_counts.closed, 1); /* epoll needs none, and its time is over */
    io_fail_every(0);
    io_on(rt, 0, look_at_timers, &next);
    assert_int_equal(next, UINT64_MAX);
    close(fd);
    io_unlisten(&server);
    io_close(rt);
}

/* ---- many ---- */

static void many_connections_come_and_go(void **state)
{
    int n = io_long() ? 20000 : 300;
    int *fds = malloc((size_t)n * sizeof *fds);
    struct rlimit limit;
    struct pawl_rt *rt;
    struct io_server server;
    uint64_t random = io_seed();

    (void)state;
    assert_non_null(fds);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < (rlim_t)2 * (rlim_t)n + 100) {
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if ((int)(limit.rlim_cur / 2) - 100 < n)
            n = (int)(limit.rlim_cur / 2) - 100;
    }
    io_open(&rt, 2);
    io_listen(&server, rt, IO_UNIX, &echo);
    for (int i = 0; i < n; i++) {
        fds[i] = io_connect(&server);
        io_write(fds[i], "abc", 3);
    }
    io_reach(&io_counts.bytes, (uint64_t)n * 3);
    io_streams(rt, (uint64_t)n);
    for (int round = 0; round < 2 * n; round++) {
        int i = (int)(io_random(&random) % (uint64_t)n);
        char bytes[3];

        if (fds[i] >= 0) {
            io_read(fds[i], bytes, 3);
            assert_memory_equal(bytes, "abc", 3);
        }
        if (round % 3 == 0 && fds[i] >= 0) {
            close(fds[i]);
            fds[i] = -1;
            continue;
        }
        if (fds[i] < 0)
            fds[i] = io_connect(&server);
        io_write(fds[i], "abc", 3);
    }
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    io_streams(rt, 0);
    io_unlisten(&server);
    io_close(rt);
    free(fds);
}

/* One peer that never stops sending does not keep another from being served by the same worker. */
static void a_busy_peer_does_not_starve_the_others(void **state)
{
    static const struct pawl_stream_config config = {.opened = io_opened,
                                                     .received = io_received_echo,
                                                     .closed = io_closed,
                                                     .flags = PAWL_STREAM_READ_ON};
    static char bytes[1 << 20];
    struct pawl_rt *rt;
    struct io_server server;
    int busy, quiet;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_UNIX, &config);
    busy = io_connect(&server);
    quiet = io_connect(&server);
    for (int i = 0; i < 20; i++) {
        char byte;

        while (send(busy, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            ;
        io_write(quiet, "q", 1);
        io_read(quiet, &byte, 1);
    }
    close(busy);
    close(quiet);
    io_reach(&io_counts.closed, 2);
    io_unlisten(&server);
    io_close(rt);
}

/* Idle connections, a listener and timeouts far away: no turn, no wake-up. */
static void nobody_wakes_up_while_nothing_happens(void **state)
{
    static const struct pawl_stream_config config = {IO_ECHO, .idle_ms = 3600000, .read_ms = 3600000};
    const struct timespec while_idle = {.tv_nsec = 150000000};
    struct pawl_rt *rt;
    struct io_server server;
    int fds[10];
    uint64_t waits[2];

    (void)state;
    io_open(&rt, 2);
    io_listen(&server, rt, IO_TCP, &config);
    for (int i = 0; i < 10; i++) {
        char byte;

        fds[i] = io_connect(&server);
        io_write(fds[i], "x", 1);
        io_read(fds[i], &byte, 1);
    }
    /* On a busy machine a worker may take its time to fall asleep; one with a tick never has such a window. */
    for (int window = 0; window < 50; window++) {
        waits[0] = io_waits(rt);
        nanosleep(&while_idle, NULL);
        waits[1] = io_waits(rt);
        if (waits[0] == waits[1])
            break;
    }
    assert_int_equal(waits[0], waits[1]);
    for (int i = 0; i < 10; i++)
        close(fds[i]);
    io_reach(&io_counts.closed, 10);
    io_unlisten(&server);
    io_close(rt);
}

/* ---- a thread of the kernel ---- */

/* All that is submitted takes another way then: receives, accepts, sends that wait, cancellations. */
static void a_thread_that_polls_for_submissions_changes_nothing(void **state)
{
    static char bytes[1 << 20], back[1 << 20];
    const struct pawl_rt_config config = {.workers = 1, .engine = io_engine, .flags = PAWL_RT_SQPOLL};
    struct pawl_rt *rt;
    struct io_server server;
    uint64_t seed = io_seed();
    int fds[CROWD];

    (void)state;
    memset(&io_counts, 0, sizeof io_counts);
    assert_int_equal(pawl_rt_open(&rt, &config), 0);
    io_listen(&server, rt, IO_UNIX, &echo);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = io_connect(&server);
        io_fill(bytes, 1000, seed, (uint64_t)i);
        io_write(fds[i], bytes, 1000);
        if (i % 3 == 0)
            io_reset(fds[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        if (i % 3 == 0)
            continue;
        io_fill(bytes, 1000, seed, (uint64_t)i);
        io_read(fds[i], back, 1000);
        assert_memory_equal(bytes, back, 1000);
    }
    io_fill(bytes, sizeof bytes, seed, 0);
    for (size_t sent = 0, heard = 0;
         heard < sizeof bytes;) { /* more than sockets hold: sends wait, reading stops */
        ssize_t n = sent < sizeof bytes ? send(fds[1], bytes + sent, sizeof bytes - sent, MSG_DONTWAIT) : 0;

        if (n > 0) {
            sent += (size_t)n;
            continue;
        }
        n = recv(fds[1], back + heard, sizeof back - heard, 0);
        assert_true(n > 0);
        heard += (size_t)n;
    }
    assert_memory_equal(bytes, back, sizeof bytes);
    for (int i = 0; i < CROWD; i++)
        if (i % 3 != 0)
            close(fds[i]);
    io_reach(&io_counts.closed, CROWD);
    io_unlisten(&server);
    assert_int_equal(pawl_rt_close(rt), 0);
}

/* ---- a kernel that says no ---- */

/* As in a container, or an old kernel: io_uring_setup(2) answers so from now on, in this process. */
static int forbid_io_uring(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : -errno;
}

/* `error`: of io_uring_setup(2). Built without liburing it is not called, and there is none. */
static int engines_without_io_uring(int error)
{
    struct pawl_rt_config config = {.workers = 2, .engine = "auto"};
    const char *reason = TESTS_URING && error != ENOSYS
                             ? "io_uring is forbidden here"
                             : "no io_uring as new as is needed, or built without liburing";
    struct pawl_rt *rt;

    if (forbid_io_uring(error) != 0)
        return 77; /* nor may we forbid */
    if (pawl_rt_open(&rt, &config) != 0 || strcmp(pawl_rt_engine(rt), "epoll") != 0)
        return 1;
    if (strcmp(pawl_rt_engine_reason(rt), reason) != 0 || pawl_rt_close(rt) != 0)
        return 3;
    config.engine = "uring";
    return pawl_rt_open(&rt, &config) == (TESTS_URING ? -error : -ENOSYS) ? 0 : 2;
}

static void where_io_uring_is_forbidden_there_is_epoll(void **state)
{
    const int errors[] = {EPERM, EACCES, ENOSYS};

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int status;
        pid_t child;

        fflush(NULL);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(engines_without_io_uring(errors[i]));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
    }
}

const struct CMUnitTest want_tests[] = {
    cmocka_unit_test(where_io_uring_is_forbidden_there_is_epoll),
    cmocka_unit_test(a_thread_that_polls_for_submissions_changes_nothing),
    cmocka_unit_test(a_runtime_without_descriptors_is_not_opened_and_leaves_nothing),
    cmocka_unit_test(no_descriptors_slow_accepting_down_and_it_recovers),
    cmocka_unit_test(no_memory_costs_connections_at_most),
    cmocka_unit_test(a_stream_that_ends_for_want_of_memory_leaves_no_timer),
    cmocka_unit_test(many_connections_come_and_go),
    cmocka_unit_test(a_busy_peer_does_not_starve_the_others),
    cmocka_unit_test(nobody_wakes_up_while_nothing_happens),
};
const size_t want_test_count = sizeof want_tests / sizeof want_tests[0];
