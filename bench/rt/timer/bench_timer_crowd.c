/* SPDX-License-Identifier: MIT */
/* A crowd of timers, a life long: what each costs of CPU time and of memory.
 *
 *     bench-timer-crowd [--timers N] [--spread MS] [--only NAME]
 *
 * All are started, a second to an hour ahead; as many times any one of them is cancelled and started again; half of them are cancelled,
 * in another order than that of memory; the other half is started again for the next MS milliseconds, and runs when
 * these are over. A process for each contender, one after the other: memory is what its resident set grows by, with the
 * structures that the program holds. A million by default; ten million (--timers 10000000 --spread 20000) take two minutes
 * and up to 2 GB. */
#include "../echo/echo_run.h"
#include "timer_peers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct contender {
    const char *name;
    int (*crowd)(uint32_t n, uint32_t spread_ms, struct bench_crowd *crowd);
} contenders[] = {
    {"pawl_timer", bench_pawl_crowd},
#if BENCH_HAVE_LIBUV
    {"libuv", bench_libuv_crowd},
#endif
#if BENCH_HAVE_LIBEVENT
    {"libevent", bench_libevent_crowd},
#endif
#if BENCH_HAVE_LIBEV
    {"libev", bench_libev_crowd},
#endif
};

static unsigned timers = 1000000, spread_ms = 2000;
static const char *only;

/* In a process of its own, which ends with it. */
static void run(const struct contender *c)
{
    struct bench_crowd crowd;
    int results[2], status;
    pid_t child;

    if (pipe(results) != 0)
        echo_die("pipe");
    fflush(stdout);
    child = fork();
    if (child < 0)
        echo_die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        echo_pin(0);
        status = c->crowd(timers, spread_ms, &crowd);
        if (status != 0)
            fprintf(stderr, "bench-timer-crowd: %s: %s\n", c->name, strerror(-status));
        else if (write(results[1], &crowd, sizeof crowd) != sizeof crowd)
            status = -1;
        _exit(status != 0);
    }
    close(results[1]);
    if (read(results[0], &crowd, sizeof crowd) == sizeof crowd)
        printf("  %-12s %10.1f %10.1f %10.1f %10.1f %10.0f\n", c->name, crowd.start, crowd.put_off,
               crowd.cancel, crowd.fire, crowd.bytes);
    close(results[0]);
    waitpid(child, NULL, 0);
    fflush(stdout);
}

static void read_options(char **argv)
{
    for (; argv[0] != NULL && argv[1] != NULL; argv += 2)
        if (strcmp(argv[0], "--timers") == 0)
            timers = echo_number(argv[1], argv[0], 2, 100000000);
        else if (strcmp(argv[0], "--spread") == 0)
            spread_ms = echo_number(argv[1], argv[0], 1, 600000);
        else if (strcmp(argv[0], "--only") == 0)
            only = argv[1];
        else
            break;
    if (argv[0] != NULL) {
        fprintf(stderr, "usage: bench-timer-crowd [--timers N] [--spread MS] [--only NAME]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    read_options(argv + 1);
    printf("%u timers: ns of CPU time each, and bytes\n  %-12s %10s %10s %10s %10s %10s\n", timers, "",
           "start", "put off", "cancel", "fire", "bytes");
    for (size_t i = 0; i < sizeof contenders / sizeof contenders[0]; i++)
        if (only == NULL || strstr(contenders[i].name, only) != NULL)
            run(&contenders[i]);
    return 0;
}
