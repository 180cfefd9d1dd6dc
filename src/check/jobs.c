/* SPDX-License-Identifier: MIT */
/* Graphs on the queue are independent of each other: worker processes explore them, and who has none left gets one
 * from who has.
 *
 * The first process explores alone until there is enough to share out. A worker that has nothing to do counts itself
 * as hungry, and reads from a pipe; one that has more than one graph queued, and finds somebody hungry, takes him
 * from the count and writes its oldest graph, which stands for the largest part of what is left. When all are hungry
 * nothing is left and nothing is under way: the last one writes an empty message, which everybody who reads it
 * writes again for the next. What a worker counted comes back in a file of its own; the first bug ends
 * the others.
 */
#include "explore.h"
#include "options.h"
#include "parallel.h"
#include "result.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHARE = 16, JOBS_MAX = 256 }; /* graphs queued per worker before sharing */

/* In memory that all processes have. */
static struct shared {
    pthread_mutex_t reading, writing; /* a message at a time */
    int hungry;
    bool stop, bug;
    uint64_t executions;
} * shared;
static int message[2]; /* the pipe: how many bytes, and a graph */

static void make_shared(void)
{
    pthread_mutexattr_t between_processes;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(message))
        fatal("cannot make what processes share: %s", strerror(errno));
    pthread_mutexattr_init(&between_processes);
    pthread_mutexattr_setpshared(&between_processes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->reading, &between_processes);
    pthread_mutex_init(&shared->writing, &between_processes);
    pthread_mutexattr_destroy(&between_processes);
}

static void send_all(const void *from, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(message[1], (const char *)from + done, bytes - done);
        if (n < 0 && errno != EINTR)
            fatal("cannot write to another worker: %s", strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
}

static void receive_all(void *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = read(message[0], (char *)to + done, bytes - done);
        if (n == 0 || (n < 0 && errno != EINTR))
            fatal("cannot read from another worker: %s", n ? strerror(errno) : "it has ended");
        done += n > 0 ? (size_t)n : 0;
    }
}

static void send_message(const void *graph, size_t bytes)
{
    pthread_mutex_lock(&shared->writing);
    send_all(&bytes, sizeof bytes);
    send_all(graph, bytes);
    pthread_mutex_unlock(&shared->writing);
}

/* Between two executions of a worker. */
static void feed_the_hungry(void)
{
    int hungry = __atomic_load_n(&shared->hungry, __ATOMIC_RELAXED);
    if (hungry == 0 || explore_pending() < 2)
        return;
    if (!__atomic_compare_exchange_n(&shared->hungry, &hungry, hungry - 1, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return; /* next time */
    size_t bytes;
    void *graph = explore_give(&bytes);
    send_message(graph, bytes);
    free(graph);
}

/* False when nobody has anything left. */
static bool get_work(void)
{
    size_t bytes;
    if (__atomic_add_fetch(&shared->hungry, 1, __ATOMIC_RELAXED) == options.jobs)
        send_message(NULL, 0);
    pthread_mutex_lock(&shared->reading);
    receive_all(&bytes, sizeof bytes);
    void *graph = bytes ? malloc(bytes) : NULL;
    if (bytes && !graph)
        fatal("out of memory for an execution to explore");
    receive_all(graph, bytes);
    pthread_mutex_unlock(&shared->reading);
    if (bytes)
        explore_receive(graph);
    else
        send_message(NULL, 0);
    return bytes > 0;
}

/* The exit status says how it went. */
static void work(explore_fn *explore, int number, FILE *report)
{
    bool everything = true;
    explore_keep_share(number, options.jobs);
    explore_between = feed_the_hungry;
    result_restart();
    while (everything && !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED) &&
           (explore_pending() > 0 || get_work()))
        everything = explore(INT32_MAX);
    if (!everything) {
        __atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
        send_message(NULL, 0);
    }
    if (result_has_bug() && __atomic_exchange_n(&shared->bug, true, __ATOMIC_RELAXED))
        for (;;)
            pause(); /* another one reports its own, and is waited for */
    if (result_has_bug())
        result_print_bug();
    if (!result_write(report))
        fatal("cannot write the result of a worker: %s", strerror(errno));
    fflush(NULL);
    _exit(result_has_bug() ? STATUS_BUG : everything ? STATUS_PASS : STATUS_PARTIAL);
}

static void end_workers(const pid_t worker[])
{
    for (int i = 0; i < options.jobs; i++)
        if (worker[i] > 0)
            kill(worker[i], SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
}

/* Waits for one worker; the status it ended with. */
static int wait_for(pid_t worker[])
{
    int status;
    pid_t ended;
    do
        ended = wait(&status);
    while (ended < 0 && errno == EINTR);
    for (int i = 0; i < options.jobs; i++)
        worker[i] = worker[i] == ended ? 0 : worker[i];
    return ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_FATAL;
}

int jobs_explore(explore_fn *explore)
{
    static pid_t worker[JOBS_MAX];
    static FILE *report[JOBS_MAX];
    bool everything = explore(options.jobs * SHARE), bug = false;
    if (!everything || explore_pending() == 0)
        return result_end(everything);
    make_shared();
    shared->executions = result_executions();
    result_share(&shared->executions);
    fflush(NULL);
    for (int i = 0; i < options.jobs; i++) {
        report[i] = tmpfile();
        worker[i] = report[i] ? fork() : -1;
        if (worker[i] < 0)
            fatal("cannot start a worker process: %s", strerror(errno));
        if (worker[i] == 0)
            work(explore, i, report[i]);
    }
    for (int left = options.jobs; left > 0 && !bug; left--) {
        int status = wait_for(worker);
        if (status == STATUS_USAGE || status > STATUS_PARTIAL) {
            end_workers(worker);
            fatal("a worker process ended without a result");
        }
        bug = status == STATUS_BUG;
        everything &= status == STATUS_PASS;
    }
    if (bug)
        end_workers(worker);
    for (int i = 0; i < options.jobs && !bug; i++) {
        rewind(report[i]);
        if (!result_merge(report[i]))
            fatal("cannot read the result of a worker process");
    }
    return result_end_merged(everything, bug);
}
