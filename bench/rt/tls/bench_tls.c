/* SPDX-License-Identifier: MIT */
/* TLS servers beside each other: what a handshake, a message there and back, and a mebibyte cost the server's process in CPU
 * time.
 *
 *     bench-tls [--slices N] [--ms N] [--connections N] [--version 12|13] [--only NAME] [--scene NAME]
 *
 * As bench-echo: each contender is a process, pinned to one CPU, this one is the client of all on another, slices are
 * interleaved in an order that rotates, CPU time is the kernel's, ratios are taken within a round, and the median of the rounds
 * is shown. All have the same certificate (P-256), made for the run. The first contender is the base. */
#include "../../../tests/tls/certificates.h"
#include "../echo/echo_run.h"
#include "tls_client.h"
#include "tls_peers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 101, BULK_CONNECTIONS = 4, WARM_MS = 30 };

static struct contender {
    const char *name;
    echo_server *serve; /* NULL: built without it, or not to be had here */
    struct echo_process process;
    struct tls_clients clients;
    double us[MAX_ROUNDS], ratio[MAX_ROUNDS];
} contenders[] = {
    {.name = "bare, on descriptors", .serve = tls_bare},
    {.name = "bare, memory BIOs", .serve = tls_bare_memory},
    {.name = "bare, in the kernel", .serve = tls_bare_kernel},
    {.name = "pawl epoll", .serve = tls_pawl_epoll},
    {.name = "pawl io_uring", .serve = tls_pawl_uring},
#if BENCH_HAVE_LIBEVENT
    {.name = "libevent bufferevent", .serve = tls_libevent},
#else
    {.name = "libevent bufferevent"},
#endif
};
enum { CONTENDERS = sizeof contenders / sizeof contenders[0] };

static struct {
    unsigned slices, ms, connections, version;
    const char *only, *scene;
} options = {.slices = 7, .ms = 150, .connections = 50, .version = 13};

/* ---- what is measured ---- */

static uint64_t full_handshakes(struct contender *c, unsigned ms)
{
    return tls_client_greet(&c->clients, false, ms);
}

static uint64_t resumed_handshakes(struct contender *c, unsigned ms)
{
    return tls_client_greet(&c->clients, true, ms);
}

static uint64_t echo_1k(struct contender *c, unsigned ms)
{
    return tls_client_talk(&c->clients, 0, 1024, 1024, ms);
}

static uint64_t echo_16k(struct contender *c, unsigned ms)
{
    return tls_client_talk(&c->clients, 0, TLS_RECORD, TLS_RECORD, ms);
}

static uint64_t bulk(struct contender *c, unsigned ms)
{
    return tls_client_talk(&c->clients, 1, 1, TLS_BULK, ms);
}

static const struct scene {
    const char *name;
    uint64_t (*slice)(struct contender *c, unsigned ms); /* returns how many operations */
    unsigned connections;                                /* 0: as the options say; 1: makes its own */
} scenes[] = {
    {"handshake", full_handshakes, 1},
    {"resumed handshake", resumed_handshakes, 1},
    {"echo 1 KiB", echo_1k, 0},
    {"echo 16 KiB", echo_16k, 0},
    {"stream, a MiB of it", bulk, BULK_CONNECTIONS},
};

/* ---- figures ---- */

static double measure(struct contender *c, const struct scene *scene, unsigned ms)
{
    const uint64_t before = echo_cpu(&c->process), operations = scene->slice(c, ms);
    const struct timespec a_moment = {.tv_nsec = 1000000};

    nanosleep(&a_moment, NULL); /* it has gone to sleep, and its time is booked */
    return (double)(echo_cpu(&c->process) - before) / (double)operations / 1000;
}

static void print_all(const struct scene *scene)
{
    printf("\n%s, TLS 1.%u: CPU time of the server\n", scene->name, options.version % 10);
    printf("  %-22s %10s %10s %8s %10s\n", "", "us", "least", "ratio", "a CPU-s");
    for (unsigned i = 0; i < CONTENDERS; i++) {
        struct contender *c = &contenders[i];
        double middle;

        if (c->process.pid == 0) {
            printf("  %-22s %10s\n", c->name, "-");
            continue;
        }
        middle = echo_median(c->us, options.slices); /* sorted: the first is the least */
        printf("  %-22s %10.2f %10.2f %8.3f %10.0f\n", c->name, middle, c->us[0],
               echo_median(c->ratio, options.slices), 1e6 / middle);
    }
    fflush(stdout);
}

static void compare_all(const struct scene *scene)
{
    const unsigned connections = scene->connections != 0 ? scene->connections : options.connections;

    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].process.pid > 0) {
            if (connections > 1)
                tls_client_connect(&contenders[i].clients, connections);
            (void)measure(&contenders[i], scene, WARM_MS);
        }
    for (unsigned round = 0; round < options.slices; round++) {
        for (unsigned k = 0; k < CONTENDERS; k++) {
            struct contender *c = &contenders[(k + round) % CONTENDERS];

            if (c->process.pid > 0)
                c->us[round] = measure(c, scene, options.ms);
        }
        for (unsigned i = 0; i < CONTENDERS; i++)
            contenders[i].ratio[round] = contenders[i].us[round] / contenders[0].us[round];
    }
    print_all(scene);
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].process.pid > 0 && connections > 1)
            tls_client_disconnect(&contenders[i].clients);
}

/* ---- the run ---- */

static void begin(struct contender *c, bool base)
{
    if (c->serve == NULL || (!base && options.only != NULL && strstr(c->name, options.only) == NULL) ||
        (c->serve == tls_bare_kernel && !tls_kernel_can()))
        return;
    echo_free_port(&c->process);
    c->clients.address = (const struct sockaddr *)&c->process.address;
    c->clients.address_bytes = c->process.address_bytes;
    if (!echo_start(&c->process, c->name, c->serve))
        c->process.pid = 0;
}

static void read_options(char **argv)
{
    for (char **arg = argv + 1; *arg != NULL; arg++) {
        const char *option = *arg++;

        if (strcmp(option, "--slices") == 0)
            options.slices = echo_number(*arg, option, 1, MAX_ROUNDS);
        else if (strcmp(option, "--ms") == 0)
            options.ms = echo_number(*arg, option, 1, 60000);
        else if (strcmp(option, "--connections") == 0)
            options.connections = echo_number(*arg, option, 2, 1000);
        else if (strcmp(option, "--version") == 0)
            options.version = echo_number(*arg, option, 12, 13);
        else if (strcmp(option, "--only") == 0 && *arg != NULL)
            options.only = *arg;
        else if (strcmp(option, "--scene") == 0 && *arg != NULL)
            options.scene = *arg;
        else {
            fprintf(stderr,
                    "usage: bench-tls [--slices N] [--ms N] [--connections N] [--version 12|13] [--only NAME]"
                    " [--scene NAME]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    read_options(argv);
    signal(SIGPIPE, SIG_IGN); // NOLINT(bugprone-signal-handler): OpenSSL writes without MSG_NOSIGNAL
    certificates_make();
    tls_chain_file = main_server.chain;
    tls_key_file = main_server.key;
    for (unsigned i = 0; i < CONTENDERS; i++)
        begin(&contenders[i], i == 0);
    certificates_remove(); /* all have read it */
    tls_client_begin(options.version);
    echo_pin(1);
    for (unsigned i = 0; i < sizeof scenes / sizeof scenes[0]; i++)
        if (options.scene == NULL || strstr(scenes[i].name, options.scene) != NULL)
            compare_all(&scenes[i]);
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].process.pid > 0) {
            kill(contenders[i].process.pid, SIGKILL);
            waitpid(contenders[i].process.pid, NULL, 0);
        }
    return 0;
}
