/* SPDX-License-Identifier: MIT */
/* The system call, the one place that makes it, and deadlines. */
#include <pawl/park.h>

#include "fail.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_A_SECOND UINT64_C(1000000000)

uint64_t pawl_deadline(uint64_t ns)
{
    struct timespec now;
    uint64_t deadline;

    /* Not pawl_clock_ns: the kernel will compare with its own clock, and a thread that waits has time. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    deadline = (uint64_t)now.tv_sec * NS_A_SECOND + (uint64_t)now.tv_nsec;
    return ns > PAWL_FOREVER - deadline ? PAWL_FOREVER : deadline + ns;
}

static int operation(int command, int flags)
{
    return (flags & PAWL_SHARED) != 0 ? command : command | FUTEX_PRIVATE_FLAG;
}

/* Deadlines are absolute because FUTEX_WAIT_BITSET takes them so: a signal does not lengthen them. */
int pawl_futex_wait(PAWL_ATOMIC(uint32_t) * word, uint32_t expected, uint64_t deadline, int flags)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / NS_A_SECOND),
                             .tv_nsec = (long)(deadline % NS_A_SECOND)};
    int before = errno;
    int error = 0;

    if (syscall(SYS_futex, word, operation(FUTEX_WAIT_BITSET, flags), expected,
                deadline == PAWL_FOREVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY) != 0)
        error = errno;
    errno = before;
    switch (error) {
    case 0:
    case EAGAIN: /* the word had changed */
    case EINTR:  /* a signal handler ran */
        return 0;
    case ETIMEDOUT:
        return -ETIMEDOUT;
    default:
        pawl_sync_fail("pawl_futex_wait",
                       "futex(2) refused: the word is not mapped, not aligned to 4 bytes, or "
                       "the system call is forbidden (seccomp)");
    }
}

int pawl_futex_wake(const PAWL_ATOMIC(uint32_t) * word, uint32_t count, int flags)
{
    int before = errno;
    /* the kernel's count is signed */
    long woken = syscall(SYS_futex, word, operation(FUTEX_WAKE, flags),
                         count < INT32_MAX ? count : (uint32_t)INT32_MAX, NULL, NULL, 0);

    /* EFAULT is no mistake: the waiter may have unmapped the word when it saw it change. */
    errno = before;
    return woken > 0 ? (int)woken : 0;
}
