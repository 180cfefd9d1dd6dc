/* SPDX-License-Identifier: MIT */
/* What is not modelled says so: functions that end or replace the process, make others, wait for the outside, or
 * take the checker's own signals. Before main() those that a constructor may call do what they do. */
#include "visible.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static void refuse(const char *name, uint64_t pc)
{
    bug(BUG_UNMODELLED, pc, "T%d: %s() is not modelled by the checker", run.current, name);
}

#define UNMODELLED(name)                                     \
    EXPORT void __wrap_##name(void);                         \
    EXPORT void __wrap_##name(void)                          \
    {                                                        \
        refuse(#name, CALLER);                               \
        fatal("%s() is not modelled by the checker", #name); \
    }

/* Processes. */
UNMODELLED(fork)
UNMODELLED(vfork)
UNMODELLED(clone)
UNMODELLED(daemon)
UNMODELLED(execl)
UNMODELLED(execle)
UNMODELLED(execlp)
UNMODELLED(execv)
UNMODELLED(execve)
UNMODELLED(execvp)
UNMODELLED(execvpe)
UNMODELLED(fexecve)
UNMODELLED(posix_spawn)
UNMODELLED(posix_spawnp)
UNMODELLED(system)
UNMODELLED(popen)
UNMODELLED(wait)
UNMODELLED(waitpid)
UNMODELLED(waitid)
UNMODELLED(wait3)
UNMODELLED(wait4)
/* Ends of the program that run something else first. */
UNMODELLED(quick_exit)
UNMODELLED(at_quick_exit)
UNMODELLED(err)
UNMODELLED(errx)
UNMODELLED(error)
/* Threads. */
UNMODELLED(pthread_cancel)
UNMODELLED(pthread_kill)
UNMODELLED(pthread_sigqueue)
UNMODELLED(pthread_timedjoin_np)
UNMODELLED(pthread_tryjoin_np)
UNMODELLED(pthread_clockjoin_np)
UNMODELLED(pthread_mutex_consistent)
UNMODELLED(sem_open)
/* Contexts: a thread's stack is the checker's. */
UNMODELLED(makecontext)
UNMODELLED(swapcontext)
UNMODELLED(setcontext)
/* Waiting for the outside. */
UNMODELLED(sigwait)
UNMODELLED(sigwaitinfo)
UNMODELLED(sigtimedwait)
UNMODELLED(sigsuspend)
UNMODELLED(pause)
UNMODELLED(poll)
UNMODELLED(ppoll)
UNMODELLED(select)
UNMODELLED(pselect)
UNMODELLED(epoll_wait)
UNMODELLED(accept)
UNMODELLED(accept4)
UNMODELLED(connect)
UNMODELLED(recv)
UNMODELLED(recvfrom)
UNMODELLED(recvmsg)
UNMODELLED(getchar)
UNMODELLED(scanf)
UNMODELLED(__isoc99_scanf)
/* What reads or writes memory unseen, or keeps a place of its own between calls. */
UNMODELLED(strtok)
UNMODELLED(strcoll)
UNMODELLED(strxfrm)
UNMODELLED(sscanf)
UNMODELLED(vsscanf)
UNMODELLED(__isoc99_sscanf)
UNMODELLED(__isoc99_vsscanf)
UNMODELLED(__isoc23_sscanf)
UNMODELLED(__isoc23_vsscanf)
UNMODELLED(fgets)
UNMODELLED(fread)
UNMODELLED(wmemcpy)
UNMODELLED(wmemset)
UNMODELLED(wcslen)
UNMODELLED(wcscmp)
UNMODELLED(wcscpy)
/* Signals. */
UNMODELLED(raise)
UNMODELLED(killpg)
UNMODELLED(sigqueue)
UNMODELLED(timer_create)
UNMODELLED(sigaltstack)

#define UNMODELLED_INSIDE(type, name, parameters, arguments) \
    EXPORT type __wrap_##name parameters;                    \
    EXPORT type __wrap_##name parameters                     \
    {                                                        \
        if (in_test())                                       \
            refuse(#name, CALLER);                           \
        return name arguments;                               \
    }
UNMODELLED_INSIDE(int, kill, (pid_t pid, int number), (pid, number))
UNMODELLED_INSIDE(sighandler_t, signal, (int number, sighandler_t handler), (number, handler))
UNMODELLED_INSIDE(int, sigaction, (int number, const struct sigaction *new, struct sigaction *old),
                  (number, new, old))
UNMODELLED_INSIDE(unsigned, alarm, (unsigned seconds), (seconds))
UNMODELLED_INSIDE(int, setitimer,
                  (__itimer_which_t which, const struct itimerval *new, struct itimerval *old),
                  (which, new, old))
UNMODELLED_INSIDE(int, atexit, (void (*function)(void)), (function))

/* No signals come. */
EXPORT int __wrap_sigprocmask(int how, const sigset_t *new, sigset_t *old);
EXPORT int __wrap_sigprocmask(int how, const sigset_t *new, sigset_t *old)
{
    if (!in_test())
        return sigprocmask(how, new, old);
    if (old)
        sigemptyset(old);
    return 0;
}

EXPORT int __wrap_pthread_sigmask(int how, const sigset_t *new, sigset_t *old);
EXPORT int __wrap_pthread_sigmask(int how, const sigset_t *new, sigset_t *old)
{
    return __wrap_sigprocmask(how, new, old);
}
