/* SPDX-License-Identifier: MIT */
/* Calls that write without SIGPIPE, where they have no flag for that: the signal is for this thread, and taken back. */
#ifndef PAWL_RT_QUIET_H
#define PAWL_RT_QUIET_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct pawl_quiet {
    sigset_t broken, pending, before;
};

static inline void pawl_quiet_begin_(struct pawl_quiet *quiet)
{
    sigemptyset(&quiet->broken);
    sigaddset(&quiet->broken, SIGPIPE);
    sigpending(&quiet->pending);
    pthread_sigmask(SIG_BLOCK, &quiet->broken, &quiet->before);
}

/* `written` of `asked`: what the call has returned. One that has written a part may have raised the signal over the rest,
 * and does not say so. errno stays as it is. */
static inline void pawl_quiet_end_(const struct pawl_quiet *quiet, ssize_t written, size_t asked)
{
    const struct timespec at_once = {0};
    int error = errno;
    bool broken = written < 0 ? error == EPIPE : (size_t)written < asked;

    if (broken && sigismember(&quiet->pending, SIGPIPE) == 0)
        (void)sigtimedwait(&quiet->broken, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
    errno = error;
}

#endif
