/* SPDX-License-Identifier: MIT */
/* Tasks: functions that the workers of a runtime run, again and again, until they have nothing more to do.
 *
 * Purpose    Whatever a program has to do and cannot wait for: a request, a stage of a pipeline, an actor. A task is a
 *            structure inside one of yours and a function; what it must remember between two runs stands in yours.
 *            Straight-line code that blocks where it likes is for <pawl/fiber.h>, which stands on this.
 * Model      pawl_task_spawn() makes a task run; its function says how it goes on:
 *
 *                        spawn            its turn comes          PAWL_TASK_DONE
 *              (idle) ----------> owed a run ----------> running ----------------> done: may be spawned again, or freed
 *                                   ^   ^                 |    |
 *                                   |   `- PAWL_TASK_AGAIN-    | PAWL_TASK_WAIT
 *                                   |                          v
 *                                   `------ a wake ------- waiting
 *
 *            A task never runs on two workers at once. A wake owes it one run that begins after the wake: one while it
 *            runs makes it run exactly once more, however many they are; one while it is owed a run already adds
 *            none; one after completion does nothing. So a task that is woken looks at everything it waits
 *            for. It may run on any worker of its runtime.
 * Cancel     Cooperative: the task is woken, and pawl_task_cancelled() says why. It cleans up and returns
 *            PAWL_TASK_DONE. A task completes exactly once for each spawn, cancelled or not. pawl_rt_close() cancels
 *            all tasks of the runtime.
 * Fairness   Work that a task makes ready runs next on its worker, newest first, while it is warm in the cache; of
 *            every 64 runs one is given to the oldest. PAWL_TASK_AGAIN goes behind all others. Urgent tasks go before
 *            the others of their worker. After some 50 us of tasks a worker looks at its timers, messages and
 *            descriptors. A task that computes for longer should ask pawl_task_should_yield().
 * Progress   spawn, wake, cancel: lock-free (a system call if a worker sleeps that is to run it). The task runs when a
 *            worker has time: a task that blocks a worker keeps what that worker made ready last waiting.
 * Ordering   W: wake, spawn and cancel release, the run they lead to acquires: also the wakes that found the task owed
 *               a run already.
 *            R: each run of a task happens before the next.
 *            F: completion releases; join, pawl_task_done() and the waiters' functions acquire.
 * Signals    wake, cancel and spawn may be called from signal handlers, on workers too, and keep errno.
 * fork       docs/runtime.md: in the child no task runs.
 * Memory     64 bytes, the caller's; nothing is allocated to spawn, wake, cancel or join. The structure must stay until
 *            the task is done *and* whoever may wake or cancel it has stopped: the runtime cannot know your wakers.
 *            Aligned to 64, as malloc does not, it is one line: what a spawn from another thread moves between caches.
 * Cost       docs/runtime.md. A run: two atomic operations on the task's own line. A wake: one, and the hand-over.
 * Source     The state machine is that of the futures of tokio (T. Lerche), in three bits; LIFO slot likewise. Stealing:
 *            <pawl/deque.h>.
 * Checked    tests/rt/sched/check_task.c, check_sleep.c.
 */
#ifndef PAWL_TASK_H
#define PAWL_TASK_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/timer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_rt;
struct pawl_task;

/* What a task's function returns. */
enum pawl_task_next {
    PAWL_TASK_DONE,  /* completed */
    PAWL_TASK_WAIT,  /* run me after the next wake, which may have come already */
    PAWL_TASK_AGAIN, /* run me after the others */
};

enum pawl_task_flags {
    PAWL_TASK_URGENT = 1, /* before the tasks without it */
};

/* Somebody who is told of a completion. In the caller's memory until `wake` is called. */
struct pawl_task_waiter {
    struct pawl_task_waiter *next;
    void (*wake)(struct pawl_task_waiter *waiter);
    struct pawl_task *task; /* for pawl_task_await(): who waits */
    bool linked;            /* likewise: among the waiters of a task */
};

/* In the caller's structure; pawl_task_of() leads back. No field is to be touched but by the functions. */
struct pawl_task {
    PAWL_ATOMIC(uint32_t) state; /* W, R: src/rt/task_state.h */
    uint16_t flags;
    uint16_t home; /* the worker that knows it as one that has waited, its number + 1; 0: none */
    PAWL_ATOMIC(struct pawl_task_waiter *) waiters; /* F */
    struct pawl_task *next;                         /* in a queue of tasks */
    enum pawl_task_next (*run)(struct pawl_task *task);
    void (*done)(struct pawl_task *task);
    struct pawl_rt *rt;
    /* Who has ever waited is known to a worker, which cancels it when the runtime closes. */
    struct pawl_task *live_next, **live_link;
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_task) == 64, "as the header says");

/* The object that a `struct pawl_task *` is the `member` of. */
#define pawl_task_of(task, type, member) ((type *)(void *)((char *)(task)-offsetof(type, member)))

/* An idle task. `run` is called on a worker, never twice at once. */
PAWL_API void pawl_task_init(struct pawl_task *task, enum pawl_task_next (*run)(struct pawl_task *task),
                             int flags) PAWL_NONNULL;

/* Calls done(task) on the worker when the task has completed, last of all: it may free it, or spawn it again. Such a
 * task has no other waiters. Before the task is spawned. */
PAWL_API void pawl_task_on_done(struct pawl_task *task, void (*done)(struct pawl_task *task)) PAWL_NONNULL;

/* Makes an idle or completed task run on the runtime. Returns 0; -EBUSY: it is neither; -EPIPE: the runtime closes (its
 * own tasks may still spawn others); -ECHILD: in a child of fork(). Any thread, one at a time for a task; signal
 * handlers. */
PAWL_API int pawl_task_spawn(struct pawl_rt *rt, struct pawl_task *task) PAWL_NONNULL;

/* Owes the task a run; nothing if it is idle or done. Any thread; signal handlers. */
PAWL_API void pawl_task_wake(struct pawl_task *task) PAWL_NONNULL;

/* Asks the task to end. Returns 0, or -EALREADY: it is idle or done. Any thread; signal handlers. */
PAWL_API int pawl_task_cancel(struct pawl_task *task) PAWL_NONNULL;

/* 0; -ECANCELED: somebody wants it to end, or the runtime closes; -ETIMEDOUT: its deadline passed before that. By the
 * task. */
PAWL_API int pawl_task_cancelled(const struct pawl_task *task) PAWL_NONNULL;

/* Whether it has completed (or was never spawned). Any thread. */
PAWL_API bool pawl_task_done(const struct pawl_task *task) PAWL_NONNULL;

/* Waits until the task has completed. Returns 0; -EDEADLK on a worker, which must not block: see pawl_task_await();
 * -EINVAL: the task has a function for that, see pawl_task_on_done(). Any other thread. */
PAWL_API int pawl_task_join(struct pawl_task *task) PAWL_NONNULL;

/* Has waiter->wake(waiter) called once when the task has completed, on the worker that completed it. Returns 0;
 * -EALREADY: it has, nothing will be called; -EINVAL as above. Any thread. */
PAWL_API int pawl_task_notify(struct pawl_task *task, struct pawl_task_waiter *waiter) PAWL_NONNULL;

/* A task's join: 0 when `task` has completed, else -EAGAIN, and `self` is woken when it has: return PAWL_TASK_WAIT and
 * ask again. `waiter` is zeroed before the first call, and stays until the answer is 0: a task that is cancelled
 * meanwhile must not go before that. By `self`. -EINVAL as above. */
PAWL_API int pawl_task_await(struct pawl_task *task, struct pawl_task_waiter *waiter, struct pawl_task *self)
    PAWL_NONNULL;

/* ---- deadlines ---- */

/* In the caller's structure, apart from the task: not every task has one. */
struct pawl_task_deadline {
    struct pawl_alarm alarm;
    struct pawl_task *task;
    PAWL_ATOMIC(struct pawl_task_waiter *) waiters; /* F, as a task's */
    struct pawl_task_waiter waiter;
};

/* An idle deadline for a task. */
PAWL_API void pawl_task_deadline_init(struct pawl_task_deadline *deadline, struct pawl_task *task)
    PAWL_NONNULL;

/* When `at` (CLOCK_MONOTONIC, ns) has passed, the task is cancelled, and pawl_task_cancelled() says -ETIMEDOUT. From now
 * on the deadline and the task must stay until pawl_task_deadline_stop() has said 0. Returns 0; -EBUSY: it is not
 * idle; -EPIPE: the runtime closes. The task has been spawned. Any thread. */
PAWL_API int pawl_task_deadline_start(struct pawl_task_deadline *deadline, uint64_t at) PAWL_NONNULL;

/* Ends it, whether it has passed or not. By a task, `self`: 0: it is idle; -EAGAIN: soon, `self` is woken then: return
 * PAWL_TASK_WAIT and ask again. By a thread that is no worker, self is NULL: waits, returns 0. -EDEADLK: NULL on a
 * worker. */
PAWL_API int pawl_task_deadline_stop(struct pawl_task_deadline *deadline, struct pawl_task *self)
    PAWL_MUST_USE __attribute__((nonnull(1)));

/* The task that runs here; NULL outside of tasks. */
PAWL_API struct pawl_task *pawl_task_self(void);

/* Whether the worker would like to look at other things: return PAWL_TASK_AGAIN when you can. False outside of
 * workers. Costs a look at the clock. */
PAWL_API bool pawl_task_should_yield(void);

PAWL_END_DECLS
#endif
