/* SPDX-License-Identifier: MIT */
/* Files, pipes, signals, children, changes of folders, events of other threads: what one costs in CPU time.
 *
 *     bench-sources [--slices N] [--ms N] [--only SUBJECT]
 *
 * Each contender is a process, pinned to one CPU with all its threads, that does one operation after another (sources_peers.h).
 * Slices are interleaved in an order that rotates. Its CPU time is the kernel's count of all its threads, in nanoseconds;
 * that of children is not in it. */
#include "../echo/echo_run.h"
#include "scene.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 101, BATCH = 64 };

static const struct subject {
    const char *name, *about;
    enum source_kind kind;
    size_t bytes;
    unsigned depth;
    uint64_t batch; /* operations between two looks at the clock */
} subjects[] = {
    {"read-4k", "4 KiB of a cached file, one read at a time", SOURCE_READ, 4096, 1, BATCH},
    {"read-4k-16", "the same, 16 at a time", SOURCE_READ, 4096, 16, BATCH},
    {"read-64k", "64 KiB of a cached file, one read at a time", SOURCE_READ, 65536, 1, BATCH},
    {"pipe", "64 bytes through a pipe", SOURCE_PIPE, 0, 1, BATCH},
    {"signal", "a signal to this process", SOURCE_SIGNAL, 0, 1, BATCH},
    {"child", "/bin/true is started, and ends", SOURCE_CHILD, 0, 1, 4},
    {"change", "a change of a file in a folder", SOURCE_CHANGE, 0, 1, BATCH},
    {"event", "another thread wakes the loop, and is woken by it", SOURCE_EVENT, 0, 1, BATCH},
};

struct answer {
    uint64_t operations, cpu;
};

static struct contender {
    const struct source_peer *peer;
    pid_t pid; /* 0: does not run */
    int orders, answers;
    double us[MAX_ROUNDS], ratio[MAX_ROUNDS];
} contenders[] = {
    {.peer = &source_bare},       {.peer = &source_pawl_epoll},
    {.peer = &source_pawl_uring}, {.peer = &source_pawl_pool},
#if BENCH_HAVE_LIBEVENT
    {.peer = &source_libevent},
#endif
#if BENCH_HAVE_LIBUV
    {.peer = &source_libuv},
#endif
};
enum { CONTENDERS = sizeof contenders / sizeof contenders[0] };

static struct echo_slices slices = {.number = 7, .ms = 100};

/* ---- in the contender's process ---- */

static uint64_t cpu_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct answer slice(const struct source_peer *peer, struct source_scene *scene, uint64_t batch,
                           uint32_t ms)
{
    struct answer answer = {.cpu = cpu_time()};
    uint64_t end = echo_now() + ms * UINT64_C(1000000);

    do {
        int status = peer->run(scene, batch);

        if (status != 0)
            source_failed(peer->name, status);
        answer.operations += batch;
    } while (echo_now() < end);
    answer.cpu = cpu_time() - answer.cpu;
    return answer;
}

static void serve(const struct source_peer *peer, const struct subject *subject, int orders, int answers)
{
    static struct source_scene scene;
    struct answer answer = {0};
    uint32_t ms;
    int status;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    echo_pin(0);
    scene.kind = subject->kind;
    scene.bytes = subject->bytes;
    scene.depth = subject->depth;
    scene_open(&scene);
    status = peer->open(&scene);
    if (status != 0) {
        fprintf(stderr, "bench-sources: %s: %s\n", peer->name, strerror(-status));
    } else if (write(answers, &answer, sizeof answer) == sizeof answer) { /* it is open */
        while (read(orders, &ms, sizeof ms) == sizeof ms) {
            answer = slice(peer, &scene, subject->batch, ms);
            if (write(answers, &answer, sizeof answer) != sizeof answer)
                break;
        }
    }
    scene_close(&scene);
    _exit(status != 0);
}

/* ---- in this one ---- */

static bool hear(const struct contender *c, struct answer *answer)
{
    return read(c->answers, answer, sizeof *answer) == sizeof *answer;
}

static void begin(struct contender *c, const struct subject *subject)
{
    int orders[2], answers[2];
    struct answer opened;

    if (pipe(orders) != 0 || pipe(answers) != 0)
        echo_die("pipe");
    fflush(stdout);
    c->pid = fork();
    if (c->pid < 0)
        echo_die("fork");
    if (c->pid == 0) {
        for (unsigned i = 0; i < CONTENDERS; i++) /* they end when their last order has been given */
            if (contenders[i].pid != 0)
                close(contenders[i].orders);
        close(orders[1]);
        close(answers[0]);
        serve(c->peer, subject, orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    c->orders = orders[1];
    c->answers = answers[0];
    if (!hear(c, &opened)) {
        waitpid(c->pid, NULL, 0);
        c->pid = 0;
    }
}

static void end(struct contender *c)
{
    if (c->pid == 0)
        return;
    close(c->orders);
    close(c->answers);
    waitpid(c->pid, NULL, 0);
    c->pid = 0;
}

static double measure(const struct contender *c, uint32_t ms)
{
    struct answer answer;

    if (write(c->orders, &ms, sizeof ms) != sizeof ms || !hear(c, &answer)) {
        fprintf(stderr, "bench-sources: %s has ended\n", c->peer->name);
        exit(1);
    }
    return (double)answer.cpu / (double)answer.operations / 1000;
}

static void show(const struct subject *subject)
{
    printf("\n%s: %s; CPU time of the process\n  %-22s %11s %8s %8s\n", subject->name, subject->about, "",
           "us/op", "least", "ratio");
    for (unsigned i = 0; i < CONTENDERS; i++) {
        struct contender *c = &contenders[i];
        double middle;

        if (c->pid == 0)
            continue;
        middle = echo_median(c->us, slices.number); /* sorted: the first is the least */
        printf("  %-22s %11.3f %8.3f %8.3f\n", c->peer->name, middle, c->us[0],
               echo_median(c->ratio, slices.number));
    }
    fflush(stdout);
}

static void compare_all(const struct subject *subject)
{
    for (unsigned i = 0; i < CONTENDERS; i++)
        if ((contenders[i].peer->kinds >> subject->kind & 1) != 0)
            begin(&contenders[i], subject);
    for (unsigned i = 0; i < CONTENDERS; i++)
        if (contenders[i].pid != 0)
            (void)measure(&contenders[i], 20); /* warms up */
    for (unsigned round = 0; round < slices.number; round++) {
        for (unsigned k = 0; k < CONTENDERS; k++) {
            struct contender *c = &contenders[(k + round) % CONTENDERS];

            if (c->pid != 0)
                c->us[round] = measure(c, slices.ms);
        }
        for (unsigned i = 0; i < CONTENDERS; i++)
            contenders[i].ratio[round] = contenders[i].us[round] / contenders[0].us[round];
    }
    show(subject);
    for (unsigned i = 0; i < CONTENDERS; i++)
        end(&contenders[i]);
}

int main(int argc, char **argv)
{
    (void)argc;
    echo_read_slices(argv + 1, &slices, MAX_ROUNDS);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        if (slices.only == NULL || strstr(subjects[i].name, slices.only) != NULL)
            compare_all(&subjects[i]);
    return 0;
}
