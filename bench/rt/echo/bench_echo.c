/* SPDX-License-Identifier: MIT */
/* Echo servers beside each other: what a request costs the server's process in CPU time.
 *
 *     bench-echo [--slices N] [--ms N] [--connections N] [--depth N] [--unix | --tcp] [--only NAME] [--memory N]
 *
 * Every contender is a process of its own, pinned to one CPU, and lives through the whole run; this process, on
 * another CPU, is the client of all of them: so many connections to each, each of which sends `depth` requests of 64
 * bytes, waits for all the answers, and begins again. Slices of the contenders are strictly interleaved, in an order that
 * rotates. The CPU time is that of /proc/PID/task/TID/schedstat, so that others on the machine disturb little; ratios are
 * taken within a round, and the median of the rounds is shown. The first contender is the base.
 * --memory: so many idle connections to each instead, and what the resident set of the server grows by for one. */
#include "echo_run.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 64, MAX_DEPTH = 64, MAX_ROUNDS = 101 };

struct contender {
    const char *name;
    echo_server *serve; /* NULL: built without it */
    struct echo_process process;
    int epoll, *fds;
    unsigned *heard; /* of the present burst, in bytes */
    double us[MAX_ROUNDS], ratio[MAX_ROUNDS];
};

static struct contender contenders[] = {
    {.name = "bare epoll loop", .serve = echo_bare},
    {.name = "pawl epoll", .serve = echo_pawl_epoll},
    {.name = "pawl io_uring", .serve = echo_pawl_uring},
    {.name = "pawl epoll, fibers", .serve = echo_pawl_fibers},
#if BENCH_HAVE_LIBEVENT
    {.name = "libevent", .serve = echo_libevent},
    {.name = "libevent bufferevent", .serve = echo_libevent_buffer},
#else
    {.name = "libevent"},
#endif
#if BENCH_HAVE_LIBUV
    {.name = "libuv", .serve = echo_libuv},
#else
    {.name = "libuv"},
#endif
#if BENCH_HAVE_LIBEV
    {.name = "libev", .serve = echo_libev},
#else
    {.name = "libev"},
#endif
};
enum { CONTENDERS = sizeof contenders / sizeof contenders[0] };

static struct {
    unsigned slices, ms, connections, depth, memory;
    bool unix_sockets, both_kinds;
    const char *only;
} options = {.slices = 7, .ms = 120, .both_kinds = true};

/* ---- servers ---- */

static void place_of(struct contender *c, bool unix_sockets, unsigned number)
{
    memset(&c->process.address, 0, sizeof c->process.address);
    if (unix_sockets) {
        struct sockaddr_un *name = (struct sockaddr_un *)&c->process.address;
        int n;

        name->sun_family = AF_UNIX;
        n = snprintf(name->sun_path + 1, sizeof name->sun_path - 1, "pawl-echo-%d-%u", (int)getpid(), number);
        c->process.address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    } else {
        echo_free_port(&c->process);
    }
}

static double resident_of(const struct contender *c)
{
    char path[64];
    long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)c->process.pid);
    file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%*s %ld", &pages) != 1)
        echo_die(c->name);
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* ---- the client ---- */

static int connect_one(const struct contender *c)
{
    int fd = socket(c->process.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        echo_die("socket");
    while (connect(fd, (const struct sockaddr *)&c->process.address, c->process.address_bytes) != 0)
        if (errno != EAGAIN && errno != EINTR)
            echo_die("connect");
    echo_no_delay(fd);
    return fd;
}

static void connect_all(struct contender *c, unsigned n)
{
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->fds = calloc(n, sizeof *c->fds);
    c->heard = calloc(n, sizeof *c->heard);
    if (c->epoll < 0 || c->fds == NULL || c->heard == NULL)
        echo_die("memory");
    for (unsigned i = 0; i < n; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

        c->fds[i] = connect_one(c);
        if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->fds[i], &event) != 0)
            echo_die("epoll_ctl");
    }
}

static void disconnect_all(struct contender *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        close(c->fds[i]);
    close(c->epoll);
    free(c->fds);
    free(c->heard);
}

static void burst(const struct contender *c, unsigned i, unsigned depth)
{
    static const char requests[REQUEST * MAX_DEPTH];
    size_t bytes = (size_t)REQUEST * depth;

    if (send(c->fds[i], requests, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
        echo_die("send");
}

/* Some time of requests and answers. Returns how many requests. */
static uint64_t slice(struct contender *c, unsigned connections, unsigned depth, unsigned ms)
{
    static char answers[REQUEST * MAX_DEPTH];
    uint64_t end = echo_now() + (uint64_t)ms * 1000000u, bursts = 0;
    unsigned under_way = connections;

    for (unsigned i = 0; i < connections; i++)
        burst(c, i, depth);
    while (under_way > 0) {
        struct epoll_event events[256];
        int n = epoll_wait(c->epoll, events, 256, -1);
        bool more = echo_now() < end;

        for (int k = 0; k < n; k++) {
            unsigned i = events[k].data.u32;
            ssize_t got = recv(c->fds[i], answers, sizeof answers, 0);

            if (got <= 0)
                echo_die("recv");
            c->heard[i] += (unsigned)got;
            if (c->heard[i] < REQUEST * depth)
                continue;
            c->heard[i] = 0;
            bursts++;
            if (more)
                burst(c, i, depth);
            else
                under_way--;
        }
    }
    return bursts * depth;
}

static double measure(struct contender *c, unsigned connections, unsigned depth, unsigned ms)
{
    uint64_t before = echo_cpu(&c->process), requests = slice(c, connections, depth, ms);
    const struct timespec a_moment = {.tv_nsec = 1000000};

    nanosleep(&a_moment, NULL); /* it has gone to sleep, and its time is booked */
    return (double)(echo_cpu(&c->process) - before) / (double)requests / 1000;
}

/* ---- figures ---- */

static bool takes_part(const struct contender *c)
{
    return c->serve != NULL && c->process.pid > 0;
}

static void compare_all(unsigned connections, unsigned depth, bool unix_sockets)
{
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (takes_part(&contenders[i])) {
            connect_all(&contenders[i], connections);
            slice(&contenders[i], connections, depth, 20); /* warms up */
        }
    for (unsigned round = 0; round < options.slices; round++) {
        for (unsigned k = 0; k < CONTENDERS; k++) {
            struct contender *c = &contenders[(k + round) % CONTENDERS];

            if (takes_part(c))
                c->us[round] = measure(c, connections, depth, options.ms);
        }
        for (unsigned i = 0; i < CONTENDERS; i++)
            contenders[i].ratio[round] = contenders[i].us[round] / contenders[0].us[round];
    }
    printf("\n%s, %u connections, %u at a time: CPU time of the server\n", unix_sockets ? "UNIX" : "TCP",
           connections, depth);
    printf("  %-22s %10s %8s %8s\n", "", "us/request", "least", "ratio");
    for (unsigned i = 0; i < CONTENDERS; i++) {
        struct contender *c = &contenders[i];
        double middle;

        if (!takes_part(c)) {
            printf("  %-22s %10s\n", c->name, "-");
            continue;
        }
        middle = echo_median(c->us, options.slices); /* sorted: the first is the least */
        printf("  %-22s %10.3f %8.3f %8.3f\n", c->name, middle, c->us[0],
               echo_median(c->ratio, options.slices));
        disconnect_all(c, connections);
    }
    fflush(stdout);
}

static void measure_memory(unsigned connections)
{
    printf("\n%u idle connections: resident memory of the server, bytes a connection\n", connections);
    for (unsigned i = 0; i < CONTENDERS; i++) {
        struct contender *c = &contenders[i];
        double before;

        if (!takes_part(c))
            continue;
        connect_all(c, 10); /* what there is once, is there */
        slice(c, 10, 1, 20);
        disconnect_all(c, 10);
        before = resident_of(c);
        connect_all(c, connections);
        slice(c, connections, 1, 20); /* each has said something once */
        usleep(50000);
        printf("  %-22s %8.0f\n", c->name, (resident_of(c) - before) / connections);
        disconnect_all(c, connections);
    }
}

static void read_options(char **argv)
{
    for (char **arg = argv + 1; *arg != NULL; arg++) {
        const char *option = *arg;

        if (strcmp(option, "--unix") == 0 || strcmp(option, "--tcp") == 0) {
            options.both_kinds = false;
            options.unix_sockets = option[2] == 'u';
            continue;
        }
        arg++;
        if (strcmp(option, "--slices") == 0)
            options.slices = echo_number(*arg, option, 1, MAX_ROUNDS);
        else if (strcmp(option, "--ms") == 0)
            options.ms = echo_number(*arg, option, 1, 60000);
        else if (strcmp(option, "--connections") == 0)
            options.connections = echo_number(*arg, option, 1, 100000);
        else if (strcmp(option, "--depth") == 0)
            options.depth = echo_number(*arg, option, 1, MAX_DEPTH);
        else if (strcmp(option, "--memory") == 0)
            options.memory = echo_number(*arg, option, 1, 100000);
        else if (strcmp(option, "--only") == 0 && *arg != NULL)
            options.only = *arg;
        else {
            fprintf(stderr,
                    "usage: bench-echo [--slices N] [--ms N] [--connections N] [--depth N] [--unix | --tcp]"
                    " [--only NAME] [--memory N]\n");
            exit(2);
        }
    }
}

/* 50 and 1000 connections, one and sixteen at a time, unless the options say which. */
static void run_grid(bool unix_sockets)
{
    static const unsigned connections[] = {50, 1000}, depths[] = {1, 16};

    for (unsigned i = 0; i < (options.connections != 0 ? 1 : 2); i++)
        for (unsigned k = 0; k < (options.depth != 0 ? 1 : 2); k++)
            compare_all(options.connections != 0 ? options.connections : connections[i],
                        options.depth != 0 ? options.depth : depths[k], unix_sockets);
}

static void run_kind(bool unix_sockets)
{
    for (unsigned i = 0; i < CONTENDERS; i++) {
        struct contender *c = &contenders[i];

        c->process.pid = 0;
        if (c->serve == NULL || (i != 0 && options.only != NULL && strstr(c->name, options.only) == NULL))
            continue;
        place_of(c, unix_sockets, i);
        if (!echo_start(&c->process, c->name, c->serve))
            c->process.pid = 0;
    }
    if (options.memory != 0)
        measure_memory(options.memory);
    else
        run_grid(unix_sockets);
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].process.pid > 0) {
            kill(contenders[i].process.pid, SIGKILL);
            waitpid(contenders[i].process.pid, NULL, 0);
        }
}

int main(int argc, char **argv)
{
    struct rlimit limit;

    (void)argc;
    read_options(argv);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    echo_pin(1);
    for (int kind = 0; kind < 2; kind++)
        if (options.both_kinds || options.unix_sockets == (kind == 1))
            run_kind(kind == 1);
    return 0;
}
