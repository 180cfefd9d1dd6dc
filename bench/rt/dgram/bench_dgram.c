/* SPDX-License-Identifier: MIT */
/* Datagram echo servers beside each other: what a datagram, there and back, costs the server's process in CPU time.
 *
 *     bench-dgram [--slices N] [--ms N] [--only NAME]
 *
 * As bench-echo: each contender is a process, pinned to one CPU, this one is the client of all, slices are interleaved in an
 * order that rotates, CPU time is the kernel's. The client sends `depth` datagrams of 64 bytes with one call, hears all the
 * answers, and begins again. */
#include "../echo/echo_run.h"
#include "dgram_peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 64, MAX_DEPTH = 32, MAX_ROUNDS = 101 };

static struct contender {
    const char *name;
    echo_server *serve; /* NULL: built without it */
    struct echo_process process;
    int fd;
    double us[MAX_ROUNDS], ratio[MAX_ROUNDS];
} contenders[] = {
    {.name = "bare recvmmsg loop", .serve = dgram_bare},
    {.name = "pawl epoll", .serve = dgram_pawl_epoll},
    {.name = "pawl io_uring", .serve = dgram_pawl_uring},
#if BENCH_HAVE_LIBEVENT
    {.name = "libevent, own calls", .serve = dgram_libevent},
#endif
#if BENCH_HAVE_LIBUV
    {.name = "libuv", .serve = dgram_libuv},
#endif
};
enum { CONTENDERS = sizeof contenders / sizeof contenders[0] };

static struct echo_slices slices = {.number = 7, .ms = 100};

static void begin(struct contender *c)
{
    struct sockaddr_in *name = (struct sockaddr_in *)&c->process.address;
    const struct timeval patience = {.tv_sec = 10};
    socklen_t bytes = sizeof *name;
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* finds a free port */

    name->sin_family = AF_INET;
    name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (probe < 0 || bind(probe, (const struct sockaddr *)name, bytes) != 0 ||
        getsockname(probe, (struct sockaddr *)name, &bytes) != 0)
        echo_die("a port");
    close(probe);
    c->process.address_bytes = bytes;
    if (!echo_start(&c->process, c->name, c->serve)) {
        c->process.pid = 0;
        return;
    }
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)name, bytes) != 0 ||
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        echo_die("connect");
}

/* `depth` there and back. */
static void burst(const struct contender *c, unsigned depth)
{
    static char bytes[MAX_DEPTH][REQUEST];
    struct iovec vectors[MAX_DEPTH];
    struct mmsghdr messages[MAX_DEPTH];
    unsigned heard = 0;

    for (unsigned i = 0; i < depth; i++) {
        vectors[i] = (struct iovec){bytes[i], REQUEST};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
    if (sendmmsg(c->fd, messages, depth, 0) != (int)depth)
        echo_die("sendmmsg");
    while (heard < depth) {
        int n = recvmmsg(c->fd, messages, depth - heard, MSG_WAITFORONE, NULL);

        if (n <= 0)
            echo_die("recvmmsg"); /* one was lost, too */
        heard += (unsigned)n;
    }
}

static double measure(struct contender *c, unsigned depth, unsigned ms)
{
    uint64_t before = echo_cpu(&c->process), end = echo_now() + (uint64_t)ms * 1000000u, n = 0;
    const struct timespec a_moment = {.tv_nsec = 1000000};

    do {
        burst(c, depth);
        n += depth;
    } while (echo_now() < end);
    nanosleep(&a_moment, NULL); /* it has gone to sleep, and its time is booked */
    return (double)(echo_cpu(&c->process) - before) / (double)n / 1000;
}

static void compare_all(unsigned depth)
{
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].process.pid > 0)
            (void)measure(&contenders[i], depth, 20); /* warms up */
    for (unsigned round = 0; round < slices.number; round++) {
        for (unsigned k = 0; k < CONTENDERS; k++) {
            struct contender *c = &contenders[(k + round) % CONTENDERS];

            if (c->process.pid > 0)
                c->us[round] = measure(c, depth, slices.ms);
        }
        for (unsigned i = 0; i < CONTENDERS; i++)
            contenders[i].ratio[round] = contenders[i].us[round] / contenders[0].us[round];
    }
    printf("\n%u at a time: CPU time of the server\n  %-22s %11s %8s %8s\n", depth, "", "us/datagram",
           "least", "ratio");
    for (unsigned i = 0; i < CONTENDERS; i++) {
        struct contender *c = &contenders[i];
        double middle;

        if (c->process.pid <= 0)
            continue;
        middle = echo_median(c->us, slices.number); /* sorted: the first is the least */
        printf("  %-22s %11.3f %8.3f %8.3f\n", c->name, middle, c->us[0],
               echo_median(c->ratio, slices.number));
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const unsigned depths[] = {1, 8, 32};

    (void)argc;
    echo_read_slices(argv + 1, &slices, MAX_ROUNDS);
    echo_pin(1);
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (i == 0 || slices.only == NULL || strstr(contenders[i].name, slices.only) != NULL)
            begin(&contenders[i]);
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        compare_all(depths[i]);
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].process.pid > 0) {
            kill(contenders[i].process.pid, SIGKILL);
            waitpid(contenders[i].process.pid, NULL, 0);
        }
    return 0;
}
