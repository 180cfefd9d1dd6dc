/* SPDX-License-Identifier: MIT */
/* Stops one thread of this process where it is, as a debugger does: SIGSTOP would stop them all. By a child that traces
 * it; where that is forbidden (ptrace_scope, seccomp), stopper_start() says so. */
#ifndef RECLAIM_STOPPER_H
#define RECLAIM_STOPPER_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

struct stopper {
    pid_t child;
    int orders[2];  /* a thread to stop; its negative: to let go */
    int answers[2]; /* 0 or an errno */
};

static inline int stopper_obey(pid_t order)
{
    pid_t tid = order > 0 ? order : -order;
    int status;

    if (order < 0)
        return ptrace(PTRACE_DETACH, tid, NULL, NULL) == 0 ? 0 : errno;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0)
        return errno;
    return waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status) ? 0 : ESRCH;
}

static inline void stopper_serve(struct stopper *stopper)
{
    pid_t order;

    close(stopper->orders[1]); /* the parent's death ends the loop */
    while (read(stopper->orders[0], &order, sizeof order) == (ssize_t)sizeof order) {
        int answer = stopper_obey(order);

        if (write(stopper->answers[1], &answer, sizeof answer) != (ssize_t)sizeof answer)
            break;
    }
    _exit(0);
}

/* While the process has one thread. */
static inline void stopper_start(struct stopper *stopper)
{
    if (pipe(stopper->orders) != 0 || pipe(stopper->answers) != 0)
        abort();
    stopper->child = fork();
    if (stopper->child == 0)
        stopper_serve(stopper);
    if (stopper->child < 0)
        abort();
    prctl(PR_SET_PTRACER, (unsigned long)stopper->child, 0, 0, 0); /* EINVAL: no such restriction here */
}

static inline int stopper_order(struct stopper *stopper, pid_t order)
{
    int answer;

    if (write(stopper->orders[1], &order, sizeof order) != (ssize_t)sizeof order ||
        read(stopper->answers[0], &answer, sizeof answer) != (ssize_t)sizeof answer)
        abort();
    return answer;
}

/* Returns 0 when the thread stands still, ESRCH when it has ended, EPERM when it may not be traced. */
static inline int stopper_stop(struct stopper *stopper, pid_t tid)
{
    return stopper_order(stopper, tid);
}

/* Lets it go on. */
static inline void stopper_go(struct stopper *stopper, pid_t tid)
{
    if (stopper_order(stopper, -tid) != 0)
        abort();
}

static inline void stopper_end(struct stopper *stopper)
{
    int status;

    close(stopper->orders[0]);
    close(stopper->orders[1]);
    close(stopper->answers[0]);
    close(stopper->answers[1]);
    if (waitpid(stopper->child, &status, 0) != stopper->child || status != 0)
        abort();
}

#endif
