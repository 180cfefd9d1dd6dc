/* SPDX-License-Identifier: MIT */
/* Fibers: functions with a stack of their own, which wait where they stand.
 *
 * Purpose    Straight-line code over the runtime: read, compute, sleep, write, in loops and in functions that call
 *            functions. Thousands of them cost little. What is a few lines long and waits for one thing at a time is
 *            cheaper as a task or an operation with a function; what blocks in the kernel belongs into
 *            <pawl/block.h>.
 * Model      pawl_go() makes a fiber, which begins on some worker of the runtime and stays there: between two of its
 *            waits it runs like a callback, never at once with another fiber or callback of that worker. A wait lets
 *            the worker do other things and returns when it is over. Before its first run a fiber may be stolen by
 *            an idle worker; from then on its timers, streams and operations are those of its worker.
 * Cancel     A fiber that is cancelled gets -ECANCELED from the wait it is in, and from each later one at once; what it
 *            waited for was withdrawn. It cleans up and returns. pawl_rt_close() cancels all fibers and waits for them.
 * Progress   go, cancel, detach: no wait (a mapping by the kernel for every 32nd stack that is not in the cache).
 *            await, sleep, yield, join: suspend the fiber.
 * Ordering   G: pawl_go happens before the fiber's function, that before the return of a join. C: what was done before
 *            a cancel is visible after the wait that it ended.
 * Stack      64 KiB unless the runtime's configuration says otherwise, of which the pages that are touched take memory.
 *            Below it 16 KiB that nobody may touch: an overflow is a SIGSEGV there. (A function with larger arrays needs
 *            -fstack-clash-protection.) Stacks are cached by worker and are reused with what is in them.
 *            The tops of 32 stacks in a row are in different cache sets.
 * Thread     errno, rounding mode and the masks of floating-point exceptions belong to the fiber. Thread-local variables
 *            are the worker's: another fiber may change them during a wait. No lock of a thread (pthread_mutex,
 *            pawl_mutex) may be held over a wait: who else wants it on that worker would block it.
 *            C++ exceptions must not leave the fiber's function.
 * Memory     A stack, at whose top the fiber itself stands. docs/fiber.md: bytes and what fork(2) leaves.
 * Debugging  A backtrace in a debugger ends at the fiber's function. AddressSanitizer, ThreadSanitizer and valgrind know
 *            of the switches. Shadow stacks (CET) are not supported: a library with fibers is not marked for them.
 * Cost       docs/fiber.md.
 * Checked    tests/rt/fiber; tests/rt/fiber/check_fiber.c: cancel and unpark against the end of a wait and of the fiber.
 */
#ifndef PAWL_FIBER_H
#define PAWL_FIBER_H

#include <pawl/config.h>
#include <pawl/op.h>
#include <pawl/rt.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* One that is joined or detached. */
struct pawl_fiber;

/* Runs fn(arg) in a fiber of the runtime. Returns 0; -ENOMEM; -EPIPE: the runtime closes (not to its own workers);
 * -ECHILD: in a child of fork(). Any thread. */
PAWL_API int pawl_go(struct pawl_rt *rt, void (*fn)(void *arg), void *arg) __attribute__((nonnull(1, 2)));

/* The same, for who wants to join or cancel it: *fiber is valid until pawl_fiber_join() or pawl_fiber_detach(), one of
 * which must be called before the runtime is closed. */
PAWL_API int pawl_fiber_open(struct pawl_fiber **fiber, struct pawl_rt *rt, void (*fn)(void *arg), void *arg)
    __attribute__((nonnull(1, 2, 3)));

/* Waits until the fiber's function has returned, then frees it. Returns 0; -EDEADLK, and nothing has happened: by a worker
 * outside of fibers, which must not block, or by the fiber itself. Cancelled, a fiber waits on. Any thread. */
PAWL_API int pawl_fiber_join(struct pawl_fiber *fiber) PAWL_NONNULL PAWL_MUST_USE;

/* It is freed when its function has returned. Any thread. */
PAWL_API void pawl_fiber_detach(struct pawl_fiber *fiber) PAWL_NONNULL;

/* Ends its waits. Returns 0, or -EALREADY: its function has returned. Any thread, signal handlers too. */
PAWL_API int pawl_fiber_cancel(struct pawl_fiber *fiber) PAWL_NONNULL;

/* The fiber that runs here; NULL outside of fibers. */
PAWL_API struct pawl_fiber *pawl_fiber_self(void);

/* ---- by a fiber; elsewhere they abort ---- */

/* 0 or -ECANCELED. */
PAWL_API int pawl_fiber_cancelled(void);

/* Waits until an operation of this worker has completed and returns its result; at once if it is idle. Its done() is
 * called before. A fiber that is cancelled cancels it; the result is then -ECANCELED, or whatever it completed with
 * before. */
PAWL_API int64_t pawl_await(struct pawl_op *op) PAWL_NONNULL;

/* Waits until `ns` nanoseconds have passed, or until the deadline. Returns 0 or -ECANCELED. */
PAWL_API int pawl_sleep(uint64_t ns);
PAWL_API int pawl_sleep_until(uint64_t deadline);

/* Lets others run. Also when it is cancelled. */
PAWL_API void pawl_yield(void);

/* Takes the fiber's token, waiting for it until the deadline, as pawl_park() does for threads. Returns 0 with the token;
 * -ETIMEDOUT; -ECANCELED. For events, locks and queues among fibers. */
PAWL_API int pawl_fiber_park(uint64_t deadline);

/* ---- for a fiber ---- */

/* Puts the fiber's token there and ends its pawl_fiber_park(). Any thread, signal handlers too. The fiber must not be gone:
 * it is one to be joined, or it waits for this. */
PAWL_API void pawl_fiber_unpark(struct pawl_fiber *fiber) PAWL_NONNULL;

PAWL_END_DECLS
#endif
