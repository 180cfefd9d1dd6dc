/* SPDX-License-Identifier: MIT */
/* Read-copy-update: readers that cost what unsynchronised code costs.
 *
 * Purpose    Data that is read all the time and changed now and then: tables, configuration, routes. A writer
 *            publishes a new version and frees the old one when no reader can have it any more. Take it
 *            unless memory must stay bounded while a reader sleeps (<pawl/hazard.h>), or callbacks must not
 *            run in a thread of the library (<pawl/epoch.h>). docs/reclaim.md compares them.
 * Model      A section is what lies between pawl_rcu_read_lock() and the matching unlock; sections nest. A
 *            grace period is a span of time in which every section that was open at its begin has ended. What
 *            was unlinked before a grace period may be freed after it.
 *
 *              reader    [-----section----]        [----section----]
 *              writer    unlink | . . . grace period . . . | free
 *
 * Register   Nobody has to. The first section of a thread does it, its exit undoes it; see <pawl/reader.h>.
 * Progress   read_lock, read_unlock, quiescent, assign, dereference: wait-free. synchronize, barrier:
 *            blocking, until the readers that are inside have left; a reader that is stopped inside stops
 *            them.
 *            start_poll: wait-free; poll: non-blocking. try_call: never waits. call: waits when the backlog
 *            is full, see there.
 * Ordering   P: pawl_rcu_assign releases, pawl_rcu_dereference acquires: the reader of a pointer sees what
 *            was stored in the object before it was published.
 *            G: of a grace period and a section, either all that the section read comes before what follows
 *            the grace period, or all that preceded the grace period is visible in the section.
 *            (R, H, C: in <pawl/reader.h> and src/core/reclaim/grace.c.)
 * Signals    read_lock, read_unlock and dereference may be called from signal handlers, also as the first
 *            call of a thread, also in one that interrupts them. Nothing else may.
 * fork       The child goes on: its own sections stay open, those of the parent's other threads are over,
 *            callbacks that had been queued run in the child too (on its copies), from a worker of its own.
 *            One that the parent's worker was running, or just moving between lists, does not.
 * Errors     An unlock without a lock, synchronize and barrier inside a section of the same domain, and
 *            barrier in a callback abort with one line: they could only hang.
 * Memory     128 bytes a thread; each domain of its own the same again, reserved as 8 MiB of addresses.
 * Cost       lock: 3 loads, 1 store; unlock: 2 loads, 1 store; no atomic read-modify-write, no fence.
 *            Nested: 2 loads, 1 store.
 *            A grace period: one membarrier for all callers that wait for it, one line read for each thread.
 *            call: one restartable push to a list of the CPU.
 *            Without membarrier (<pawl/fence.h>): each lock has a full fence, and is out of line.
 * Source     P. McKenney and J. Slingwine, "Read-Copy Update", 1998; M. Desnoyers et al., "User-level
 *            implementations of read-copy update", 2012. Ours: numbers in place of phases, so that one scan
 *            is enough; threads in a table without a lock; grace periods that any caller carries on.
 */
#ifndef PAWL_RCU_H
#define PAWL_RCU_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/fence.h>
#include <pawl/reader.h>
#include <stdbool.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* A domain: sections and grace periods that know nothing of other domains. The functions whose names end in
 * _in take one; the others use the default domain, which all share and which is the fastest. Take one of
 * your own in a library whose sections must not be delayed, nor its memory be held, by what the program
 * does. */
struct pawl_rcu {
    struct pawl_grace grace;
};

extern PAWL_API struct pawl_rcu pawl_rcu_default;

/* Returns NULL with errno ENOMEM. */
PAWL_API struct pawl_rcu *pawl_rcu_open(void) PAWL_MUST_USE;

/* Runs what was queued, and what that queues, then frees the domain. Nobody is inside, and nobody uses it any more. Not from
 * callbacks. NULL is allowed. */
PAWL_API void pawl_rcu_close(struct pawl_rcu *rcu);

/* ---- readers ---- */

PAWL_API PAWL_INLINE void pawl_rcu_read_lock(void)
{
    pawl_grace_enter_(&pawl_rcu_default.grace, &pawl_reader_self_->word);
}

/* The same, if the thread is outside and was inside before; else false: take the above. For the library's own
 * fast paths. */
PAWL_API PAWL_INLINE bool pawl_rcu_read_try_lock_(void)
{
    return pawl_grace_try_enter_(&pawl_rcu_default.grace, &pawl_reader_self_->word);
}

PAWL_API PAWL_INLINE void pawl_rcu_read_unlock(void)
{
    pawl_grace_leave_(&pawl_rcu_default.grace, &pawl_reader_self_->word);
}

PAWL_API PAWL_INLINE void pawl_rcu_read_lock_in(struct pawl_rcu *rcu)
{
    pawl_grace_enter_(&rcu->grace, pawl_grace_word_(&rcu->grace));
}

PAWL_API PAWL_INLINE void pawl_rcu_read_unlock_in(struct pawl_rcu *rcu)
{
    pawl_grace_leave_(&rcu->grace, pawl_grace_word_(&rcu->grace));
}

/* Whether the calling thread is inside a section (or online). For assertions. */
PAWL_API bool pawl_rcu_read_held(void);
PAWL_API bool pawl_rcu_read_held_in(const struct pawl_rcu *rcu);

/* The pointer in *p, an atomic one. Inside a section; valid until its end.
 * acquire P: pairs with the release in pawl_rcu_assign. (Dependency order would do, but no compiler keeps
 * it; on x86-64 an acquire is a plain load, on aarch64 `ldapr` or `ldar`.) */
#define pawl_rcu_dereference(p) pawl_load_acquire(p)

/* Publishes: *p = value. Writers exclude each other by means of their own.
 * release P: publishes the object to pawl_rcu_dereference. */
#define pawl_rcu_assign(p, value) pawl_store_release((p), (value))

/* ---- quiescent states: sections that cost nothing ----
 *
 * For loops that handle one event after the other, in the default domain. An online thread is inside one
 * long section; each turn says once that it holds no pointer from before:
 *
 *     pawl_rcu_online();
 *     for (;;) {
 *         pawl_rcu_quiescent();          two loads, and a store when a grace period has begun
 *         event = take();                online threads must not sleep: pawl_rcu_offline() around it
 *         handle(event);                 dereference without read_lock
 *     }
 *     pawl_rcu_offline();
 *
 * read_lock and read_unlock in what it calls are nested sections and stay correct. synchronize, barrier and
 * call take an online thread offline while they wait: to call them is to be quiescent. Threads go offline at
 * their exit. */
PAWL_API void pawl_rcu_online(void);
PAWL_API void pawl_rcu_offline(void);
PAWL_API PAWL_COLD void pawl_rcu_quiescent_slow_(void);

PAWL_API PAWL_INLINE void pawl_rcu_quiescent(void)
{
    /* relaxed, both: equal means that no grace period waits for this thread, or none that has said so yet */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&pawl_reader_self_->word) !=
                      pawl_load_relaxed(&pawl_rcu_default.grace.entry)))
        pawl_rcu_quiescent_slow_();
}

/* ---- writers: waiting ---- */

/* Waits for a grace period. Callers that wait at the same time share one. Not inside a section of the
 * domain. */
PAWL_API void pawl_rcu_synchronize(void);
PAWL_API void pawl_rcu_synchronize_in(struct pawl_rcu *rcu);

/* ---- writers: looking now and then ---- */

/* A ticket for the first grace period that begins after all that the caller has done. Starts nothing. Cost:
 * a full fence. May be called inside a section. */
PAWL_API uint64_t pawl_rcu_start_poll(void) PAWL_MUST_USE;
PAWL_API uint64_t pawl_rcu_start_poll_in(struct pawl_rcu *rcu) PAWL_MUST_USE;

/* Whether the ticket's grace period is over. Carries it on as far as that goes without waiting (a
 * membarrier, the first time). Inside a section it may be called, but cannot become true. */
PAWL_API bool pawl_rcu_poll(uint64_t ticket) PAWL_MUST_USE;
PAWL_API bool pawl_rcu_poll_in(struct pawl_rcu *rcu, uint64_t ticket) PAWL_MUST_USE;

/* ---- writers: callbacks ---- */

/* Has `reclaim` called with `retired` after a grace period, by the domain's worker: one thread, started at
 * the first call, asleep while there is nothing to do. Order among callbacks: none. May be called inside a
 * section, and in callbacks. When more than the backlog (pawl_rcu_set_backlog) is queued, the call waits
 * until it is not, except inside a section or a callback, where waiting could not end. So hold no lock that
 * a callback takes, or use try_call. If no worker can be started (EAGAIN of pthread_create), the queue is worked off by
 * callers of this function who find it full, and by pawl_rcu_barrier. */
PAWL_API void pawl_rcu_call(struct pawl_retired *retired, void (*reclaim)(struct pawl_retired *))
    PAWL_NONNULL;
PAWL_API void pawl_rcu_call_in(struct pawl_rcu *rcu, struct pawl_retired *retired,
                               void (*reclaim)(struct pawl_retired *)) PAWL_NONNULL;

/* The same, but -EAGAIN when the backlog is full; else 0. Never waits. */
PAWL_API int pawl_rcu_try_call_in(struct pawl_rcu *rcu, struct pawl_retired *retired,
                                  void (*reclaim)(struct pawl_retired *)) PAWL_NONNULL PAWL_MUST_USE;

/* Waits until all callbacks have returned whose calls happened before. Before a library whose code they are
 * is unloaded, and before what they use is destroyed. Not inside a section, not in a callback. */
PAWL_API void pawl_rcu_barrier(void);
PAWL_API void pawl_rcu_barrier_in(struct pawl_rcu *rcu);

/* How many callbacks may be queued before calls wait: 1 to 2^31, 16384 at first. Threads count in batches of
 * 64, so it is exceeded by up to 64 a thread. Returns 0 or -EINVAL. */
PAWL_API int pawl_rcu_set_backlog(struct pawl_rcu *rcu, uint32_t calls);

/* How many are queued, exact when no call is running, but for up to 63 a thread. */
PAWL_API uint64_t pawl_rcu_backlog(const struct pawl_rcu *rcu);

/* ---- stalls ---- */

struct pawl_rcu_stall {
    const struct pawl_rcu *rcu; /* the domain */
    int32_t tid;                /* the kernel's id of the thread that is inside */
    uint32_t depth;             /* how deep */
    uint64_t waited_ns;         /* for it, until now */
};

/* Has `report` called when a writer has waited `after_ns` for one reader, and again whenever that has
 * doubled; by the waiting thread, for all domains. It must not wait for a grace period of that domain, which waits for
 * it: no synchronize, no barrier, and try_call in place of call. NULL: nobody is told, as at first.
 * Returns 0 or -EINVAL (after_ns 0 with a report). Any thread; not from signal handlers. */
PAWL_API int pawl_rcu_set_stall(uint64_t after_ns,
                                void (*report)(const struct pawl_rcu_stall *stall, void *argument),
                                void *argument);

PAWL_END_DECLS
#endif
