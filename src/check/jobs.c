/* SPDX-License-Identifier: MIT */
/* Graphs on the queue are independent of each other: each worker process explores a share of them.
 *
 * The first process explores alone until there is enough to share. A worker reports its counts
 * through a pipe; the first bug ends the others.
 */
#include "explore.h"
#include "options.h"
#include "parallel.h"
#include "result.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHARE = 16, JOBS_MAX = 256 }; /* graphs queued per worker before sharing */

struct worker_report {
    struct result_counts counts;
    bool everything, bug;
};

static void work(explore_fn *explore, int number, int pipe_end)
{
    struct worker_report report = {.everything = true};
    explore_keep_share(number, options.jobs);
    result_restart();
    report.everything = explore(INT32_MAX);
    report.counts = result_counts();
    report.bug = result_has_bug();
    if (report.bug)
        result_print_bug();
    if (write(pipe_end, &report, sizeof report) != (ssize_t)sizeof report)
        _exit(STATUS_FATAL);
    fflush(NULL);
    _exit(0);
}

static bool read_report(int from, struct worker_report *report)
{
    ssize_t n;
    do
        n = read(from, report, sizeof *report);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *report;
}

int jobs_explore(explore_fn *explore)
{
    static pid_t worker[JOBS_MAX];
    int ends[2], left = options.jobs;
    bool everything = explore(options.jobs * SHARE);
    if (!everything || explore_pending() == 0)
        return result_end(everything);
    if (pipe(ends))
        fatal("cannot make a pipe: %s", strerror(errno));
    fflush(NULL);
    for (int i = 0; i < options.jobs; i++) {
        worker[i] = fork();
        if (worker[i] < 0)
            fatal("cannot start a worker process: %s", strerror(errno));
        if (worker[i] == 0)
            work(explore, i, ends[1]);
    }
    close(ends[1]);
    bool bug = false;
    struct worker_report report;
    while (left > 0 && !bug && read_report(ends[0], &report)) {
        left--;
        result_merge(&report.counts);
        everything &= report.everything;
        bug = report.bug;
    }
    for (int i = 0; i < options.jobs; i++) {
        if (bug)
            kill(worker[i], SIGKILL);
        waitpid(worker[i], NULL, 0);
    }
    if (left > 0 && !bug)
        fatal("a worker process ended without a result");
    return result_end_merged(everything, bug);
}
