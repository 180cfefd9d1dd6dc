/* SPDX-License-Identifier: MIT */
/* System calls: futexes, and a small machine to run on.
 *
 * A futex is the set of threads that sleep on it; a sleeper looks at the value while it enters the set.
 * The machine has four processors; thread n runs on processor n modulo four. Its kernel has neither rseq nor
 * membarrier nor NUMA: libraries take the forms that do without.
 */
#include "object.h"
#include "symmetry.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROCESSORS = 4 };

static long fails(int error)
{
    errno = error;
    return -1;
}

/* The caller looks at the value with what it saw before in hand: no loop is recognised by this load.
 * The set of sleepers is changed by acquire-release operations only: a waker that comes after this one
 * entered it wakes it; of a waker that came before, the look at the value sees the store. As in the kernel, which has a
 * lock for it, nobody wakes between the two: who finds another value was never asleep, and takes no one's waking. */
static long futex_wait(const uint32_t *word, void *sleepers, uint32_t expected, bool may_expire, uint64_t pc)
{
    spin_check((uintptr_t)sleepers, expected, 0, pc);
    if (!waiters_add_if(sleepers, word, expected, NAME_FUTEX_WAIT, pc))
        return fails(EAGAIN);
    if (may_expire && visible_choice(2, false, pc) == 1) {
        waiters_expire(sleepers, NAME_FUTEX_WAIT, pc);
        return fails(ETIMEDOUT);
    }
    waiters_sleep(sleepers, NAME_FUTEX_WAIT, may_expire, pc);
    return 0;
}

/* The kernel does not find who sleeps on a private futex by a shared one of the same address, or the other way round: they are
 * two sets, with a name each. */
static void *sleepers_of(uint32_t *word, int operation)
{
    return (char *)word + (operation & FUTEX_PRIVATE_FLAG ? 0 : 1);
}

static long futex(va_list arguments, uint64_t pc)
{
    uint32_t *word = va_arg(arguments, uint32_t *);
    int operation = va_arg(arguments, int);
    uint32_t value = va_arg(arguments, uint32_t);
    const struct timespec *timeout = va_arg(arguments, const struct timespec *);
    int command = operation & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    if (command == FUTEX_WAIT_BITSET || command == FUTEX_WAKE_BITSET) {
        (void)va_arg(arguments, uint32_t *);
        uint32_t bits = va_arg(arguments, uint32_t);
        if (bits != FUTEX_BITSET_MATCH_ANY)
            bug(BUG_UNMODELLED, pc, "T%d: a futex with bits %#x is not modelled: FUTEX_BITSET_MATCH_ANY is",
                run.current, bits);
    }
    switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        return futex_wait(word, sleepers_of(word, operation), value, timeout != NULL, pc);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
        return waiters_wake(sleepers_of(word, operation), NAME_FUTEX_WAKE,
                            value > MAX_THREADS ? MAX_THREADS : (int)value, pc);
    default:
        bug(BUG_UNMODELLED, pc, "T%d: futex operation %d is not modelled: wait and wake are", run.current,
            operation);
        return fails(ENOSYS);
    }
}

static unsigned processor(void)
{
    symmetry_told_apart(run.current, "it asks which processor it is on");
    return (unsigned)run.current % PROCESSORS;
}

EXPORT int __wrap_sched_getcpu(void);
EXPORT int __wrap_sched_getcpu(void)
{
    return in_test() ? (int)processor() : 0;
}

EXPORT int __wrap_getcpu(unsigned *cpu, unsigned *node);
EXPORT int __wrap_getcpu(unsigned *cpu, unsigned *node)
{
    if (cpu)
        *cpu = in_test() ? processor() : 0;
    if (node)
        *node = 0;
    return 0;
}

static long getaffinity(va_list arguments)
{
    (void)va_arg(arguments, int); /* any thread */
    size_t bytes = va_arg(arguments, size_t);
    unsigned long *mask = va_arg(arguments, unsigned long *);
    if (bytes < sizeof *mask)
        return fails(EINVAL);
    *mask = (1ul << PROCESSORS) - 1;
    return sizeof *mask;
}

static long getcpu_call(va_list arguments)
{
    unsigned *cpu = va_arg(arguments, unsigned *), *node = va_arg(arguments, unsigned *);
    return __wrap_getcpu(cpu, node);
}

static long modelled(long number, va_list arguments, uint64_t pc)
{
    switch (number) {
    case SYS_futex:
        return futex(arguments, pc);
    case SYS_gettid:
        symmetry_told_apart(run.current, "it calls gettid()");
        return run.current + 1;
    case SYS_getcpu:
        return getcpu_call(arguments);
    case SYS_sched_getaffinity:
        return getaffinity(arguments);
    case SYS_sched_setaffinity:
        return fails(EPERM);
    case SYS_membarrier:
        return va_arg(arguments, int) == MEMBARRIER_CMD_QUERY ? 0 : fails(ENOSYS);
    case SYS_rseq:
    case SYS_mbind:
        return fails(ENOSYS);
    case SYS_rt_sigprocmask:
        return 0; /* no signals come */
    default:
        bug(BUG_UNMODELLED, pc, "T%d: system call %ld is not modelled", run.current, number);
        return fails(ENOSYS);
    }
}

long pawl_check_syscall(long number, ...);
long pawl_check_syscall(long number, ...)
{
    va_list arguments;
    va_start(arguments, number);
    long result;
    if (in_test()) {
        result = modelled(number, arguments, CALLER);
    } else {
        /* Before main(): as it comes. Every system call has at most six arguments. */
        long a[6];
        for (int i = 0; i < 6; i++)
            a[i] = va_arg(arguments, long);
        result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    va_end(arguments);
    return result;
}
