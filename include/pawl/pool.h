/* SPDX-License-Identifier: MIT */
/* A pool of objects of one size, allocated once: a cache on each CPU over a common depot.
 *
 * Purpose    Objects that are taken and given back all the time by many threads, in a number that is known:
 *            buffers, requests, connections. Never calls the allocator after it was opened, never takes a
 *            page fault, and the number is a limit: who finds none may wait for one. For sizes that vary:
 *            malloc. For nodes that are not preallocated: <pawl/stack_percpu.h>.
 * Model      A set of free objects. get takes one, put gives it back. NULL from get: at no time of the call
 *            an object was free that stayed free until its end. (One that is put while get looks around may
 *            be missed.)
 *
 *              CPU 0 [ o o o o . . ]   CPU 1 [ o o . . . . ]         by restartable sequences
 *                     |  half of it  ^        ^   a batch
 *                     v  when full   |        |   when empty
 *              depot  [ooo] -> [ooo] -> [ooo]                        a struct pawl_stack of batches
 *
 *            When the depot is empty too, get empties the caches of other CPUs, one after the other.
 * Progress   get and put: lock-free as long as the CPU's cache or the depot serve them. A get that has found
 *            nothing waits for threads that are moving batches at that moment (microseconds, unless one is
 *            stopped there), so it is blocking. get_wait: blocking until an object is put or the deadline
 *            passes.
 * Ordering   P: put releases, the get that returns the object acquires.
 *            V: an object on its way between a cache and the depot is counted as moving.
 * Memory     count x stride bytes, mapped and touched when the pool is opened; 32 bytes an object beside them
 *            for the depot, so that objects are not touched while they are free; a page a CPU, two if its cache
 *            has more than 128.
 * Cost       get and put on the CPU: 0 RMW, 0 fences, no shared line written. For each half cache that moves:
 *            3 RMW. Emptying another CPU's cache: a system call.
 * Signals    put may be called from signal handlers, get from those that interrupt neither a get nor a put:
 *            it could wait for what it has interrupted.
 * fork       The child has a copy (shared with the parent page by page until written). Batches that other
 *            threads of the parent were moving are lost in the child: pawl_pool_after_fork() there.
 * Source     J. Bonwick, J. Adams, "Magazines and vmem", 2001, for cache and depot; tcmalloc's per-CPU caches
 *            for the sequences.
 * Checked    tests/queue/pool/check_pool.c, check.sh.
 */
#ifndef PAWL_POOL_H
#define PAWL_POOL_H

#include <pawl/config.h>
#include <pawl/handover.h>
#include <pawl/percpu.h>
#include <pawl/stack.h>

PAWL_BEGIN_DECLS

enum pawl_pool_flags {
    PAWL_POOL_HUGE = 1, /* huge pages: reserved ones if there are enough, else transparent ones. A wish */
    PAWL_POOL_LAZY = 2, /* pages are touched when objects are first used, not when the pool is opened */
};

/* Where the memory stands; or the number of a NUMA node. */
#define PAWL_POOL_ANY_NODE 0
#define PAWL_POOL_NODE(node) ((node) + 1)
#define PAWL_POOL_ALL_NODES (-1) /* page by page in turn */

/* What to open; zero is the default of all but the first two. */
struct pawl_pool_options {
    size_t object_bytes; /* at least 1 */
    size_t count;        /* objects, 1 to 2^31 */
    size_t alignment;    /* a power of two up to 4096; 0: 16 */
    size_t cache;        /* objects that a CPU may keep, 2 to 256; 0: count / (2 x CPUs), at most 128 */
    int flags;
    int node; /* a wish: kernels without NUMA have one node */
};

/* Of the depot: what stands beside an object. */
struct pawl_pool_record;

struct pawl_pool {
    /* read-only */
    struct pawl_percpu *region PAWL_LINE_PAIR_ALIGNED; /* a struct pawl_percpu_stack a CPU */
    char *objects;
    struct pawl_pool_record *records; /* one an object */
    size_t stride;                    /* from object to object */
    uint64_t reciprocal;              /* 2^64 / stride, rounded up */
    size_t count;
    size_t cache;
    size_t mapped;
    size_t page_bytes; /* that the kernel was asked for: huge pages or not */
    /* read, as long as nobody waits */
    struct pawl_handover waiting PAWL_LINE_PAIR_ALIGNED;
    /* once a batch. V: low half: threads that are moving one; high half: how many have */
    PAWL_ATOMIC(uint64_t) moves PAWL_LINE_PAIR_ALIGNED;
    struct pawl_stack depot;
};

/* Returns NULL with errno: EINVAL (a bad option), EOVERFLOW (too many bytes), ENOMEM. Not from signal
 * handlers. */
PAWL_API struct pawl_pool *pawl_pool_open(const struct pawl_pool_options *options) PAWL_MUST_USE PAWL_NONNULL;

/* Nobody uses the pool any more. Calls leaked(object, argument) for each object that was not put back, unless
 * `leaked` is NULL, then unmaps them all. Returns how many there were. Aborts when an object was put twice,
 * or none of this pool's was. NULL is allowed. */
PAWL_API size_t pawl_pool_close(struct pawl_pool *pool, void (*leaked)(void *object, void *argument),
                                void *argument);

/* Where a CPU's stack stands in its slice: its items fill the end of a page. A processor may take a load for one of what
 * was just stored at the same place of another page, and waits for it; objects begin pages, and are used again from the
 * beginning of the pool. At the front of the page a get and a put took 20 ns instead of 5 in 9 of 24 runs, here in 4 of
 * 54. */
enum { PAWL_POOL_STACK_ = 3056 };

/* Out of line: the cache of this CPU is empty, full, or away. */
PAWL_API void *pawl_pool_get_elsewhere_(struct pawl_pool *pool);
PAWL_API void pawl_pool_put_elsewhere_(struct pawl_pool *pool, void *object);

/* An object, with what its last user left in it (zeroes at first), or NULL with errno EAGAIN: none is
 * free. */
PAWL_API PAWL_INLINE void *pawl_pool_get(struct pawl_pool *pool)
{
    void *object;

    if (PAWL_LIKELY(pawl_percpu_stack_pop(pool->region, PAWL_POOL_STACK_, &object) == 0))
        return object;
    return pawl_pool_get_elsewhere_(pool);
}

/* The same, waiting until one is free. NULL with errno ETIMEDOUT. Not from signal handlers. */
PAWL_API void *pawl_pool_get_wait(struct pawl_pool *pool, uint64_t deadline) PAWL_NONNULL;

/* Gives back an object that get returned. Any thread, any CPU. */
PAWL_API PAWL_INLINE void pawl_pool_put(struct pawl_pool *pool, void *object)
{
    /* release P inside: pairs with that a sequence on this CPU comes later, and with the detaching of a
     * mover */
    if (PAWL_UNLIKELY(pawl_percpu_stack_push(pool->region, PAWL_POOL_STACK_, object) != 0))
        pawl_pool_put_elsewhere_(pool, object);
    /* pawl_handover_pushed() for what is never shared, without its question: F, and a look at the sleepers. relaxed: a
     * stale "nobody" is what F excludes where it matters */
    pawl_fence_light();
    if (PAWL_UNLIKELY((pawl_load_relaxed(&pool->waiting.items.state) & PAWL_EVENTCOUNT_WAITERS_) != 0))
        pawl_eventcount_wake_(&pool->waiting.items, 1);
}

/* How many are free, about; exact where nobody gets, puts or moves. Reads a line for each CPU and object in
 * the depot: for statistics and tests, while nobody moves. */
PAWL_API size_t pawl_pool_free_count(struct pawl_pool *pool) PAWL_NONNULL;

/* In a child of a process with several threads, before the pool is used there: batches that were on their way
 * are objects that leaked. */
PAWL_API void pawl_pool_after_fork(struct pawl_pool *pool) PAWL_NONNULL;

PAWL_END_DECLS
#endif
