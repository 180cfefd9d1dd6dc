/* SPDX-License-Identifier: MIT */
/* Data that belongs to CPUs: one slice of memory a CPU, changed by restartable sequences.
 *
 * Purpose    State that every thread touches often and nobody reads at once: counters, free lists,
 *            object caches, id pools, event buffers. Cheaper than atomics, because no other CPU writes
 *            the slice, and smaller than thread-local data, because there are fewer CPUs than threads.
 *            Not for data that must be exact at every instant, nor for threads that must find again
 *            what they left: a thread may be on another CPU at its next operation.
 * Model      A region has slots; a slot holds a slice of `bytes` bytes, all zero at first. Each
 *            operation picks the slot of the CPU that it runs on, works on the slice at a byte offset
 *            (`offsetof` in the caller's struct) and takes effect at one store, its commit. Before the
 *            commit it can be restarted by preemption, migration or a signal; after it, it is done.
 *            Two operations on one slot never interleave.
 *
 *              region  | rseq | index | ...        slot   0      1     ...  limit-1   limit ... slots-1
 *                      +------------------+---------------+------+----------------+------------------+
 *                      |      header      | none none     | CPU 0  CPU 1  ...     |  locked slots    |
 *                      +------------------+---------------+---|------|------------+-----|------------+
 *                                                             v      v                  v
 *                                                          [slice][slice]            [slice]
 *
 *            A word of the table is the address of a slice, or odd: a slot that nobody used yet, a slice
 *            that somebody took away (pawl_percpu_detach), or no slot at all (a thread without rseq).
 *            One test of bit 0 sends all three to the out-of-line path.
 * Locked     Threads without restartable sequences (see <pawl/rseq.h>), and every thread of an
 *            instrumented build, use the locked slots instead: the same operations in plain C under a
 *            lock per slot that is only ever tried, never waited for while another slot is free.
 *            The two kinds of slots are never mixed, so both kinds of threads can use one region.
 * Index      By CPU number, or by mm_cid where the kernel offers it: dense numbers, so that a
 *            program with 4 running threads on 192 CPUs fills 4 slices. Slices are reserved for all,
 *            but an untouched one costs no memory.
 * Progress   On a sequence: lock-free; a restart means that another thread ran. A thread stopped
 *            inside one stops nobody. Locked form: blocking, but waits only while at least 16 other
 *            threads are inside operations (in a signal handler that interrupts an operation: 8).
 * Signals    Every operation may be called from signal handlers, also of a thread that it
 *            interrupts in the same operation. Open and close may not. A handler must return: to leave a
 *            locked form by siglongjmp or by asynchronous cancellation takes its slot out of service.
 * fork       The child has a copy of the region and may use it at once, also when fork() was called in a
 *            handler. What other threads of the parent had detached stays detached, a pawl_percpu_lock that
 *            they held stays held. (_Fork() runs no handlers: locked slots in use then stay in use.)
 * Ordering   A later operation on the same slot sees all that the committed one stored. Towards other
 *            CPUs: operations that publish data (those marked "release") commit with release order;
 *            the others promise nothing but the words themselves. pawl_percpu_detach and
 *            pawl_percpu_fence order everything committed before them before the caller's next reads.
 * Cost       No atomic read-modify-write, no fence, no line shared with other CPUs for writing: 10 to
 *            about 35 instructions. (tests/percpu/test_disassembly counts them.)
 * Source     Linux rseq(2); the table of slices after tcmalloc's and librseq's per-CPU pools; the
 *            detached slice after tcmalloc's stopped CPUs (membarrier).
 */
#ifndef PAWL_PERCPU_H
#define PAWL_PERCPU_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/rseq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* What numbers the slots. */
enum pawl_percpu_index {
    PAWL_PERCPU_BY_ANY, /* mm_cid where the kernel has it, else the CPU number */
    PAWL_PERCPU_BY_CPU, /* the CPU number: for data that is read by CPU, or bound to its node */
    PAWL_PERCPU_BY_CID, /* mm_cid: memory in proportion to the threads that run */
};

/* A region. Made by pawl_percpu_open; its fields are read-only, for the sequences and the curious. */
struct pawl_percpu {
    ptrdiff_t rseq_at;                 /* a thread's struct rseq, from its thread pointer */
    ptrdiff_t index_at;                /* the slot number in it: cpu_id or mm_cid */
    size_t bytes;                      /* of a slice, as asked for */
    size_t stride;                     /* from slice to slice: bytes rounded up to pages */
    PAWL_ATOMIC(uint32_t) used;        /* no slot of a CPU from here on was ever used; U */
    PAWL_ATOMIC(uint32_t) used_locked; /* the same for the locked slots, as a slot number; U */
    uint32_t limit;                    /* slots below: one a CPU (or cid); from here on: locked slots */
    uint32_t slots;                    /* all of them */
    uintptr_t none[2];                 /* slots -2 and -1: where an unregistered thread's cpu_id leads */
    PAWL_FLEXIBLE PAWL_ATOMIC(uintptr_t) slice[];
};

/* What a word of the table means when it is odd. */
#define PAWL_SLICE_UNUSED ((uintptr_t)1)  /* nobody has used the slot yet */
#define PAWL_SLICE_AWAY ((uintptr_t)3)    /* detached */
#define PAWL_SLICE_LEAVING ((uintptr_t)7) /* being detached */
#define PAWL_SLICE_MISSING ((uintptr_t)5) /* not a slot */

/* Opens a region with slices of `bytes` bytes, zeroed.
 * Returns it, or NULL with errno: EINVAL (zero bytes, more than 1 TiB in all, an unknown index),
 * ENOTSUP (BY_CID, but the kernel has no mm_cid), ENOMEM. Any thread; not from signal handlers. */
PAWL_API struct pawl_percpu *pawl_percpu_open(size_t bytes, enum pawl_percpu_index by) PAWL_MUST_USE;

/* Frees the region and the slices it came with. Nobody may use it any more. NULL is allowed. */
PAWL_API void pawl_percpu_close(struct pawl_percpu *pc);

/* The slice of a slot for a reader on any CPU, or NULL: nobody used the slot yet, or its slice is
 * detached. Reads race with the owner's stores by design: use relaxed atomic loads of whole words.
 * Any thread, signal handlers too; wait-free. */
PAWL_API PAWL_INLINE void *pawl_percpu_slice(struct pawl_percpu *pc, uint32_t slot)
{
    /* acquire: pairs with the release in pawl_percpu_attach and in the first use of the slot,
     * publishes what the slice holds */
    uintptr_t word = slot < pc->slots ? pawl_load_acquire(&pc->slice[slot]) : PAWL_SLICE_MISSING;

    return (word & 1) != 0 ? NULL : (void *)word;
}

/* The slice of the first slot from *slot on that is in use and not detached, and its number in *slot; NULL
 * when there is none. Any thread, signal handlers too; wait-free. */
PAWL_API PAWL_INLINE void *pawl_percpu_next(struct pawl_percpu *pc, uint32_t *slot)
{
    /* acquire U: pairs with the release where a slot is used first. A slot whose use happened before this
     * call is below the mark that is read here. */
    uint32_t used = pawl_load_acquire(&pc->used);
    uint32_t end = pawl_load_acquire(&pc->used_locked);

    for (uint32_t s = *slot;; s++) {
        void *slice;

        if (s >= used && s < pc->limit)
            s = pc->limit;
        if (s >= end)
            return NULL;
        slice = pawl_percpu_slice(pc, s);
        if (slice != NULL) {
            *slot = s;
            return slice;
        }
    }
}

/* Every slice that is in use: `slot` is a uint32_t, `item` a pointer variable.
 *     pawl_percpu_each (pc, slot, item)
 *         sum += pawl_load_relaxed(&item->hits);
 */
#define pawl_percpu_each(pc, slot, item) \
    for ((slot) = 0; ((item) = (__typeof__(item))pawl_percpu_next((pc), &(slot))) != NULL; (slot)++)

/* ---- The remote side ---- */

/* Every operation on the slot that is running now has either committed, and is visible to the caller,
 * or starts again and sees the caller's earlier stores. A system call, microseconds.
 * Returns 0, or what pawl_rseq_fence returns. Not from signal handlers. */
PAWL_API int pawl_percpu_fence(struct pawl_percpu *pc, uint32_t slot);

/* Takes the slice of a slot away from its CPU: when it returns, no operation works on the slice, and none
 * will. Until it is attached again, operations on the slot return -EBUSY (or NULL). Not ended by it: a
 * holder of the slot's lock (revoke that first), and readers that got the slice from pawl_percpu_slice.
 * Returns the slice, or NULL with errno: EINVAL (no such slot), EBUSY (detached already), or what
 * pawl_percpu_fence returns; then the slice stays with its CPU. Costs one fence.
 * Any thread; not from signal handlers. */
PAWL_API void *pawl_percpu_detach(struct pawl_percpu *pc, uint32_t slot) PAWL_MUST_USE;

/* Gives a detached slot a slice: the one that was detached, or another block of at least pc->bytes bytes,
 * aligned to 16, which stays the caller's to free once it has been detached again and no reader has it.
 * Release: what the caller stored in the slice is visible to the slot's next operation.
 * Returns 0; -EINVAL (no such slot, bad alignment, NULL); -EBUSY (the slot is not detached). */
PAWL_API int pawl_percpu_attach(struct pawl_percpu *pc, uint32_t slot, void *slice);

/* ---- Words ----
 * `at` is the byte offset of a long in the slice, 8-byte aligned. All return 0, or -EBUSY when
 * the slice is detached; nothing was changed then. */

/* *value = the word. */
PAWL_API PAWL_INLINE int pawl_percpu_load(struct pawl_percpu *pc, size_t at, long *value);

/* word += n, wrapping. */
PAWL_API PAWL_INLINE int pawl_percpu_add(struct pawl_percpu *pc, size_t at, long n);

/* *old = word; word += n, wrapping. */
PAWL_API PAWL_INLINE int pawl_percpu_fetch_add(struct pawl_percpu *pc, size_t at, long n, long *old);

/* *(long *)((char *)pointer_at + displacement) += n, where the word at `at` is a pointer that is read
 * inside the sequence. -EAGAIN when it is NULL. */
PAWL_API PAWL_INLINE int pawl_percpu_add_via(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement,
                                             long n);

/* word = max(word, n). */
PAWL_API PAWL_INLINE int pawl_percpu_max(struct pawl_percpu *pc, size_t at, long n);

/* word = min(word + n, limit), also where word + n would overflow: refill of a token bucket. n >= 0. */
PAWL_API PAWL_INLINE int pawl_percpu_add_limit(struct pawl_percpu *pc, size_t at, long n, long limit);

/* If word >= n: word -= n. Else -EAGAIN: spending from a token bucket. n >= 0. */
PAWL_API PAWL_INLINE int pawl_percpu_spend(struct pawl_percpu *pc, size_t at, long n);

/* If word == expect: word = desired (release). Else -EAGAIN. */
PAWL_API PAWL_INLINE int pawl_percpu_cas(struct pawl_percpu *pc, size_t at, long expect, long desired);

/* If word != unwanted: word = desired (release). Else -EAGAIN. */
PAWL_API PAWL_INLINE int pawl_percpu_store_unless(struct pawl_percpu *pc, size_t at, long unwanted,
                                                  long desired);

/* If word == expect and the word at `guard_at` == guard: word = desired (release). Else -EAGAIN. */
PAWL_API PAWL_INLINE int pawl_percpu_cas_if(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                            size_t guard_at, long guard);

/* If word == expect: the word at `first_at` = first, then word = desired (release). Else -EAGAIN.
 * The first store may be seen without the second: it must mean nothing until the word says so. */
PAWL_API PAWL_INLINE int pawl_percpu_cas_after(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                               size_t first_at, long first);

/* If word == expect: copy `len` bytes from `source` to `copy_at`, then word = desired (release). Else
 * -EAGAIN. The copy may be seen, whole or in part, without the store: as above. Any length up to a few
 * KiB: a longer copy is restarted too often to end. */
PAWL_API PAWL_INLINE int pawl_percpu_cas_after_copy(struct pawl_percpu *pc, size_t at, long expect,
                                                    long desired, size_t copy_at, const void *source,
                                                    size_t len);

/* words[0..count) = the words at `at`, all of one moment of the slot. -EINVAL when count is 0 or > 8. */
PAWL_API PAWL_INLINE int pawl_percpu_snapshot(struct pawl_percpu *pc, size_t at, long *words, size_t count);
#define PAWL_PERCPU_SNAPSHOT_MAX 8

/* ---- Intrusive list, last in first out ----
 * Nodes must stay mapped while any thread may pop (type-stable memory: a pool, or reclamation): a
 * sequence reads `next` of a node that another thread may have popped just before; it discards
 * the value, but it does read. */

struct pawl_percpu_node {
    struct pawl_percpu_node *next;
};

struct pawl_percpu_list {
    struct pawl_percpu_node *head;
};

/* Push the node (release). Returns 0 or -EBUSY. */
PAWL_API PAWL_INLINE int pawl_percpu_push(struct pawl_percpu *pc, size_t at, struct pawl_percpu_node *node);

/* Push a chain that the caller linked from `first` to `last` (release). Returns 0 or -EBUSY. */
PAWL_API PAWL_INLINE int pawl_percpu_push_chain(struct pawl_percpu *pc, size_t at,
                                                struct pawl_percpu_node *first,
                                                struct pawl_percpu_node *last);

/* Returns the node pushed last, or NULL: empty, or detached. */
PAWL_API PAWL_INLINE struct pawl_percpu_node *pawl_percpu_pop(struct pawl_percpu *pc, size_t at);

/* Returns the whole list, or NULL. */
PAWL_API PAWL_INLINE struct pawl_percpu_node *pawl_percpu_pop_all(struct pawl_percpu *pc, size_t at);

/* ---- Bounded stack of pointers ---- */

struct pawl_percpu_stack {
    size_t count;
    size_t capacity; /* set once a slice, before use: until then every push finds it full */
    PAWL_FLEXIBLE void *item[];
};

/* Returns 0 (release), -EAGAIN when full, -EBUSY. */
PAWL_API PAWL_INLINE int pawl_percpu_stack_push(struct pawl_percpu *pc, size_t at, void *item);

/* *item = the pointer pushed last. Returns 0, -EAGAIN when empty, -EBUSY. */
PAWL_API PAWL_INLINE int pawl_percpu_stack_pop(struct pawl_percpu *pc, size_t at, void **item);

/* Pushes items[0..count), as many as there is room for, in one sequence (release). Returns how many,
 * 0 to count, or -EBUSY. Hundreds at most: a long copy is restarted too often to end. */
PAWL_API PAWL_INLINE long pawl_percpu_stack_push_many(struct pawl_percpu *pc, size_t at, void *const *items,
                                                      size_t count);

/* Pops up to `count`: items[0] is the oldest of them. Returns how many, or -EBUSY. */
PAWL_API PAWL_INLINE long pawl_percpu_stack_pop_many(struct pawl_percpu *pc, size_t at, void **items,
                                                     size_t count);

/* ---- Bump allocation ----
 * The word is the address of the next free byte in a chunk of 2^shift bytes, aligned to its size; 0: no
 * chunk. One word says all, so a new chunk is put in by pawl_percpu_cas. */

/* Returns `bytes` bytes from the chunk, or NULL: no chunk, the request does not end before the end of
 * the chunk (one that would end exactly there does not fit), or detached. Keeps the alignment that all
 * sizes have in common. */
PAWL_API PAWL_INLINE void *pawl_percpu_bump(struct pawl_percpu *pc, size_t at, size_t bytes,
                                            unsigned int shift);

/* ---- Ring of words: written here, read by one consumer on any CPU ----
 * A record is reserved, copied and committed in one sequence, so a reader never meets one that is
 * reserved but not written, and a writer that is killed leaves none.
 *
 *      +------+------+----- - ---+------+----- - ---+----------------------------+
 *      | tail | cap. |           | head |           | data[0] ... data[cap.-1]   |
 *      +------+------+----- - ---+------+----- - ---+----------------------------+
 *      ^ writers' pair of lines  ^ reader's pair    ^ 2^k words
 */
struct pawl_percpu_ring {
    PAWL_ATOMIC(size_t) tail; /* words ever written; W */
    size_t capacity;          /* words, a power of two; set before use: until then every put finds it full */
    char pad0[PAWL_CACHELINE_PAIR - 2 * sizeof(size_t)];
    PAWL_ATOMIC(size_t) head; /* words ever read; R */
    char pad1[PAWL_CACHELINE_PAIR - sizeof(size_t)];
    PAWL_FLEXIBLE long data[];
};

/* Bytes of a ring of `words` words (a power of two). */
#define PAWL_PERCPU_RING_BYTES(words) (sizeof(struct pawl_percpu_ring) + (words) * sizeof(long))

/* Appends words[0..count) (release W, pairs with the acquire in pawl_percpu_ring_get).
 * Returns 0, -EAGAIN when there is no room, -EBUSY. Records up to a few hundred words. */
PAWL_API PAWL_INLINE int pawl_percpu_ring_put(struct pawl_percpu *pc, size_t at, const long *words,
                                              size_t count);

/* The consumer: moves up to `count` words out of the ring of one slice, in the order written. One
 * consumer a ring at a time. Returns how many. Wait-free. */
PAWL_API size_t pawl_percpu_ring_get(struct pawl_percpu_ring *ring, long *words, size_t count);

/* ---- Bit map: ids without a shared counter ----
 * `words` words at `at`; a clear bit is free. An id says its slot: id / (64 * words). */

/* Returns the id of a bit that was free and is taken now, or -EAGAIN (none), -EBUSY, -EINVAL (words 0). */
PAWL_API PAWL_INLINE long pawl_percpu_bit_alloc(struct pawl_percpu *pc, size_t at, size_t words);

/* Gives an id back on the CPU that it came from (release). An id of a locked slot: from any thread.
 * Returns 0; -EXDEV: running on another CPU, or (a locked slot) another operation has the slot at this
 * moment; nothing done (keep it until there, or go there, or detach
 * the slice; a thread without rseq can only detach); -EINVAL: not an id, or not taken; -EBUSY. */
PAWL_API PAWL_INLINE int pawl_percpu_bit_free(struct pawl_percpu *pc, size_t at, size_t words, long id);

/* ---- Lock of a slot: for sections that no single commit can express ----
 * Taken by the CPU's threads without an atomic instruction; other CPUs revoke it with a fence. A thread
 * keeps it when it is preempted or migrates, so others on that CPU fail to take it meanwhile. */
struct pawl_percpu_lock {
    PAWL_ATOMIC(long) held;    /* H */
    PAWL_ATOMIC(long) revoked; /* V */
};

/* Returns the lock that it took (acquire H; the caller's data stands beside it in the same slice), or NULL:
 * held, revoked, or detached. Never waits. */
PAWL_API PAWL_INLINE struct pawl_percpu_lock *pawl_percpu_trylock(struct pawl_percpu *pc, size_t at);

/* Releases (H). On any CPU, by the thread that took it. Wait-free. */
PAWL_API void pawl_percpu_unlock(struct pawl_percpu_lock *lock);

/* From any CPU: keeps the slot's threads from taking the lock, waits until its holder unlocks, and
 * returns the lock, now the caller's, with *lock; or NULL with errno: EINVAL, EBUSY (revoked by somebody
 * else already, or the slice is detached), or the error of the fence. Blocking; not from signal handlers.
 * pawl_percpu_restore ends it (release V). */
PAWL_API struct pawl_percpu_lock *pawl_percpu_revoke(struct pawl_percpu *pc, uint32_t slot, size_t at)
    PAWL_MUST_USE;
PAWL_API void pawl_percpu_restore(struct pawl_percpu_lock *lock);

PAWL_END_DECLS

#include <pawl/percpu_inline.h>

#endif
