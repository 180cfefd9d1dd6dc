/* SPDX-License-Identifier: MIT */
/* The runtime: workers, one for each processor that the process may use, which run tasks and serve events.
 *
 * Purpose    The loop of a program, on all its processors. Tasks (<pawl/task.h>) and what waits on their behalf: timers,
 *            descriptors, streams. libpawl-rt, `pkg-config --libs pawl-rt`.
 * Model      pawl_rt_open() starts the workers, pawl_rt_close() cancels what is left, waits for it, and joins them. In
 *            between they run what is ready, steal from each other when they have nothing, and sleep when nobody has
 *            anything: an idle runtime makes no system calls and has no tick. Several runtimes may be open.
 *            Each worker has an engine: epoll, or io_uring where the kernel permits it. Descriptors and
 *            timers belong to one worker, tasks to all.
 * Closing    1. New operations and spawns from outside fail with -EPIPE. 2. Operations are cancelled: each completes
 *            with -ECANCELED. 3. All tasks are cancelled; each is run until it returns PAWL_TASK_DONE. 4. The workers
 *            end and are joined, by the thread that closes, never by a worker.
 *            A task that ignores its cancellation keeps the close waiting.
 * Progress   open, close: blocking. stop: wait-free.
 * Signals    stop may be called from signal handlers. Workers have the signal mask of the thread that opened.
 * fork       In the child a runtime of the parent runs nothing. Spawns answer -ECHILD, wakes do nothing;
 *            pawl_rt_close() gives memory and descriptors back, but not those of streams and listeners. A child forked
 *            by a task must exec or _exit: the process is ended (abort) if it returns to the worker. A runtime opened in
 *            the child is an ordinary one.
 * Placement  The CPUs that the opening thread may run on (affinity, cpuset), but no more workers than the cgroup's quota
 *            of CPU time has CPUs. Workers steal from the nearest first: same core, same cache, same node, others. By
 *            hwloc, once a process; where it finds nothing, or the library was built without it, all are as near.
 * Memory     About 14 KiB a worker, its stack, and what the engine needs; nothing for each task.
 */
#ifndef PAWL_RT_H
#define PAWL_RT_H

#include <pawl/config.h>
#include <pawl/task.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

enum pawl_rt_flags {
    PAWL_RT_CALLER = 1, /* worker 0 has no thread: it is the caller of pawl_rt_run() */
    PAWL_RT_PIN = 2,    /* each worker stays on its CPU (not worker 0, if it is the caller) */
    /* io_uring: a thread of the kernel for each worker takes submissions without system calls, and polls for them until
     * there were none for 10 ms. It wants a CPU beside each worker's. epoll: nothing */
    PAWL_RT_SQPOLL = 4,
};

#define PAWL_RT_WORKERS_MAX 1024u

/* Zeroed memory is a good one. */
struct pawl_rt_config {
    uint32_t workers;   /* how many; 0: see Placement */
    uint32_t flags;     /* enum pawl_rt_flags */
    const char *engine; /* "epoll", "uring" or "auto"; NULL: PAWL_RT_ENGINE of the environment, else auto */
    const char *name;   /* of the threads: "name/0", ...; NULL: "pawl" */
    size_t stack_bytes; /* of a fiber, 4 KiB to 1 GiB; 0: 64 KiB */
    /* <pawl/block.h>: the most threads that make calls which block, and the most calls that wait; 0: 64, 1024 */
    uint32_t block_threads, block_queue;
    int dump_signal; /* pawl_rt_dump() to standard error each time this signal comes; 0: none */
};

/* Starts a runtime. config may be NULL. Returns 0; -EINVAL (flags, number of workers, name of the engine, dump_signal: see <pawl/signal.h>); -ENOMEM,
 * -EAGAIN (threads), -EMFILE; -ENOSYS, -EPERM (that engine is not to be had). */
PAWL_API int pawl_rt_open(struct pawl_rt **rt, const struct pawl_rt_config *config) PAWL_MUST_USE
    __attribute__((nonnull(1)));

/* Ends it as described above; the runtime is gone afterwards. It waits for the sections of <pawl/rcu.h> that are open, and all
 * workers serve meanwhile, the caller too if it is one: it must not be called in a section. (A caller that is one, and
 * online, waits first; then no section may wait for what worker 0 does.) Returns 0; -EDEADLK: called by one of its workers, or
 * in a call of <pawl/block.h> that it waits for; -EPERM: with PAWL_RT_CALLER by another thread than the one that opened it. NULL is
 * nothing. */
PAWL_API int pawl_rt_close(struct pawl_rt *rt);

/* With PAWL_RT_CALLER, by the thread that opened: is worker 0 until pawl_rt_stop(). May be called again; between calls
 * nobody serves what belongs to worker 0. Without: sleeps until pawl_rt_stop(), any thread that is no worker.
 * Returns 0 at once if it was stopped before, and takes the stop back; -EDEADLK: by one of its workers; -EPERM as above; -ECHILD. */
PAWL_API int pawl_rt_run(struct pawl_rt *rt) PAWL_NONNULL;

/* Ends the present pawl_rt_run(), or the next one. The other workers go on. Any thread; signal handlers. */
PAWL_API void pawl_rt_stop(struct pawl_rt *rt) PAWL_NONNULL;

/* The runtime whose worker the calling thread is; NULL: none. */
PAWL_API struct pawl_rt *pawl_rt_here(void);

PAWL_API uint32_t pawl_rt_workers(const struct pawl_rt *rt) PAWL_NONNULL;

/* "epoll" or "uring". */
PAWL_API const char *pawl_rt_engine(const struct pawl_rt *rt) PAWL_NONNULL;

/* Why this one, for people: "io_uring is forbidden here". */
PAWL_API const char *pawl_rt_engine_reason(const struct pawl_rt *rt) PAWL_NONNULL;

/* ---- what it does ---- */

/* So far, since it was opened. */
struct pawl_rt_counts {
    uint64_t tasks;    /* runs of tasks */
    uint64_t spawned;  /* tasks, by this worker; in the total: by other threads too */
    uint64_t finished; /* completions */
    uint64_t messages; /* from other threads and workers */
    uint64_t injected; /* tasks taken from the shared queues */
    uint64_t steals;   /* that found something */
    uint64_t stolen;   /* tasks that they brought */
    uint64_t searches; /* how often it went through the others */
    uint64_t parks;    /* how often it slept */
    uint64_t wakes;    /* of these, how often another thread ended it */
    uint64_t turns;    /* of the loop */
    uint64_t polls;    /* calls of the engine */
    uint64_t events;   /* that these brought */
    uint64_t timers;   /* that fired */
    /* of the engine and its streams */
    uint64_t syscalls;    /* to wait, receive, send and accept */
    uint64_t submissions; /* entries for io_uring; 0 with epoll */
    uint64_t connections; /* streams that were begun */
    uint64_t streams;     /* of these, how many there are now: the one figure that falls */
    uint64_t received;    /* bytes */
    uint64_t sent;        /* bytes */
    uint64_t starved;     /* times a listener had to wait for descriptors or memory */
};

#define PAWL_RT_TOTAL UINT32_MAX

/* Of one worker, or PAWL_RT_TOTAL. The counters move meanwhile; each is exact when its worker is idle. Returns 0 or
 * -EINVAL. Any thread. */
PAWL_API int pawl_rt_stats(const struct pawl_rt *rt, uint32_t worker, struct pawl_rt_counts *stats)
    PAWL_NONNULL;

/* Writes what it does at present to a descriptor, as text: workers, queues, tasks that wait, connections and what they
 * wait for. Each worker tells of its connections itself, between two tasks; one that has not in a second is passed
 * over, and that is told. Any thread that may block. Returns 0, what write(2) said, or -ECHILD: in a child of fork(). */
PAWL_API int pawl_rt_dump(struct pawl_rt *rt, int fd) PAWL_NONNULL;

/* The counters as Prometheus reads them. As snprintf: the length of the whole text; never writes more than `size` with
 * the final zero. Any thread. */
PAWL_API size_t pawl_rt_prometheus(const struct pawl_rt *rt, char *text, size_t size)
    __attribute__((nonnull(1)));

PAWL_END_DECLS
#endif
