/* SPDX-License-Identifier: MIT */
/* Bounded queue of many producers and one consumer, by value: a lane for each producer.
 *
 * Purpose    The most elements a second from many threads to one, where the order between different producers does not
 *            matter: telemetry, work for a single writer. A thread gets its lane at its first push, and leaves it behind
 *            when it ends. One order of all elements: <pawl/mpsc_ring.h>. Processes: that one too.
 * Model      A sequence for each producer (<pawl/spsc.h>); pop takes the oldest of some lane. Two elements of one thread
 *            come in order; of two threads in any order, even if one push was seen by the other thread before it
 *            pushed. -EAGAIN of pop: all lanes were empty at one moment. Full: the caller's own lane.
 *            The consumer stays with a lane for up to 256 elements, then looks into the next one: nobody starves.
 *            Closed: by any thread, for good. Pushes fail with -EPIPE; pops drain, then fail with -EPIPE. A push that
 *            ran while the queue was closed succeeded if and only if its element is delivered.
 * Progress   push, but for a thread's first into a queue: wait-free. The first: takes a lock and allocates.
 *            pop: wait-free in steps of one lane (until it knows that it is the end: takes the lock). A stopped
 *            producer stops nobody, one stopped in its first push stops others' first ones. _wait: blocking.
 * Ordering   As <pawl/spsc.h>: a push releases, the pop that returns its element acquires.
 *            L: a lane is published by release to the consumer and to the later owners of the same number.
 * Threads    A lane belongs to the number of a thread (<pawl/reader.h>), which its exit gives to a later thread; that
 *            one goes on where the first ended. A push by a destructor of thread-specific data may come after that:
 *            into another lane, so that these two are not in order.
 * Signals    Not from handlers: they would interrupt a push of the same lane.
 * fork       The child has a copy with all lanes and what was inside. Where another thread of the parent was inside its
 *            first push, or a close, the child's first pushes, its close and its end wait for ever; where one was inside
 *            another push, the first element of the thread that gets its lane there may be lost.
 * Memory     A lane has pawl_spsc_bytes() and 128 bytes; 8 KiB of directory a queue. Private, on the heap. Lanes are given
 *            back with the queue: as many as threads pushed at the same time.
 * Cost       push, pop: no atomic read-modify-write, no fence; 1/7 line an element of 8 bytes. pop looks at one line of
 *            each lane that is empty.
 * Source     Own; the idea of sub-queues for producers is C. Desrochers' (moodycamel::ConcurrentQueue).
 * Checked    tests/queue/mpsc/check_mpsc_lanes.c
 */
#ifndef PAWL_MPSC_LANES_H
#define PAWL_MPSC_LANES_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <pawl/mutex.h>
#include <pawl/reader.h>
#include <pawl/spsc.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

#define PAWL_MPSC_LANES_SHELF_ 64u /* numbers of threads in one shelf of the directory */
#define PAWL_MPSC_LANES_SHELVES_ (PAWL_READER_MAX / PAWL_MPSC_LANES_SHELF_)

/* A lane, before its queue. */
struct pawl_mpsc_lane_ {
    PAWL_ATOMIC(struct pawl_mpsc_lane_ *) next; /* L: made before this one */
    struct pawl_spsc q;                         /* begins a pair of lines of its own */
} PAWL_LINE_PAIR_ALIGNED;

/* Lanes of threads whose numbers stand together. */
struct pawl_mpsc_shelf_ {
    PAWL_ATOMIC(struct pawl_mpsc_lane_ *) lane[PAWL_MPSC_LANES_SHELF_]; /* L */
};

struct pawl_mpsc_lanes {
    /* pair 0: written when somebody sleeps, at a first push, and at the end */
    struct pawl_handover handover;               /* of the consumer; who waits for room does at its lane */
    PAWL_ATOMIC(struct pawl_mpsc_lane_ *) first; /* L: all lanes, the latest first */
    size_t capacity;                             /* of a lane */
    size_t element_bytes;
    struct pawl_mutex lock; /* of making lanes, and of the end */
    /* pair 1: the consumer's */
    struct pawl_mpsc_lane_ *current PAWL_LINE_PAIR_ALIGNED; /* where it pops; NULL: begin with the first */
    uint32_t burst;                                         /* elements that it may still take there */
    /* the directory; the one shelf more is of threads without a number, and stays empty */
    PAWL_ATOMIC(struct pawl_mpsc_shelf_ *)
    shelf[PAWL_MPSC_LANES_SHELVES_ + 1] PAWL_LINE_PAIR_ALIGNED; /* L */
} PAWL_LINE_PAIR_ALIGNED;

/* A queue on the heap, whose lanes hold at least `capacity` elements of `element_bytes` each. NULL and errno: EINVAL,
 * EOVERFLOW (as pawl_spsc_bytes), ENOMEM. */
PAWL_API struct pawl_mpsc_lanes *pawl_mpsc_lanes_open(size_t capacity, size_t element_bytes) PAWL_MUST_USE;

/* Gives it back, with what is still inside; nobody uses it any more. NULL is nothing. */
PAWL_API void pawl_mpsc_lanes_free(struct pawl_mpsc_lanes *q);

/* Elements in all lanes: exact while nobody moves. Any thread. */
PAWL_API size_t pawl_mpsc_lanes_size(const struct pawl_mpsc_lanes *q) PAWL_NONNULL;

/* Lanes that were made. Any thread. */
PAWL_API size_t pawl_mpsc_lanes_count(const struct pawl_mpsc_lanes *q) PAWL_NONNULL;

/* Ends it: no push that begins after the return succeeds. Wakes who waits. Any thread: 0, or -EALREADY. */
PAWL_API int pawl_mpsc_lanes_close(struct pawl_mpsc_lanes *q) PAWL_NONNULL;

/* ---- producers ---- */

PAWL_API PAWL_COLD int pawl_mpsc_lanes_join_(struct pawl_mpsc_lanes *q, struct pawl_mpsc_lane_ **lane);

/* The calling thread's lane; 0, -ENOMEM, -EPIPE. */
PAWL_API PAWL_INLINE int pawl_mpsc_lanes_own_(struct pawl_mpsc_lanes *q, struct pawl_mpsc_lane_ **lane)
{
    uint32_t number = pawl_reader_self_->number;
    /* acquire L, both: pair with the releases in pawl_mpsc_lanes_join_; the lane may have been made by an earlier owner
     * of the number */
    struct pawl_mpsc_shelf_ *shelf = pawl_load_acquire(&q->shelf[number / PAWL_MPSC_LANES_SHELF_]);

    if (PAWL_UNLIKELY(pawl_handover_closed(&q->handover)))
        return -EPIPE;
    if (PAWL_LIKELY(shelf != (struct pawl_mpsc_shelf_ *)0)) {
        *lane = pawl_load_acquire(&shelf->lane[number % PAWL_MPSC_LANES_SHELF_]);
        if (PAWL_LIKELY(*lane != (struct pawl_mpsc_lane_ *)0))
            return 0;
    }
    return pawl_mpsc_lanes_join_(q, lane);
}

/* After n elements were shown in the lane from `from` on: pawl_spsc_pushed_ with the sleeper of all lanes. */
PAWL_API PAWL_INLINE ptrdiff_t pawl_mpsc_lanes_pushed_(struct pawl_mpsc_lanes *q, struct pawl_spsc *lane,
                                                       uint64_t from, size_t pushed)
{
    pawl_handover_pushed(&q->handover, pushed);
    /* relaxed S: as in pawl_spsc_pushed_ */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&lane->ending) != PAWL_SPSC_OPEN_))
        return pawl_spsc_settle_(lane, from, pushed);
    return (ptrdiff_t)pushed;
}

/* Appends a copy to the caller's lane. Returns 0, -EAGAIN (the lane is full), -EPIPE (closed), -ENOMEM (no lane for this
 * thread). */
PAWL_API PAWL_INLINE int pawl_mpsc_lanes_push(struct pawl_mpsc_lanes *q, const void *element)
{
    struct pawl_mpsc_lane_ *lane;
    int status = pawl_mpsc_lanes_own_(q, &lane);
    uint64_t at;
    bool words;

    if (PAWL_UNLIKELY(status != 0))
        return status;
    at = pawl_load_relaxed(&lane->q.tail); /* relaxed: the producer's own */
    words = pawl_spsc_of_words_(&lane->q);
    if (PAWL_UNLIKELY(!pawl_spsc_has_room_(&lane->q, at)))
        return -EAGAIN;
    pawl_spsc_copy_(&lane->q, words, pawl_spsc_element_(&lane->q, words, at), element);
    pawl_spsc_show_(&lane->q, words, at, 1);
    return PAWL_LIKELY(pawl_mpsc_lanes_pushed_(q, &lane->q, at, 1) > 0) ? 0 : -EPIPE;
}

/* Appends up to n. Returns how many (0: full), -EPIPE, -ENOMEM. */
PAWL_API ptrdiff_t pawl_mpsc_lanes_push_n(struct pawl_mpsc_lanes *q, const void *elements, size_t n)
    PAWL_NONNULL;

/* Waits for room in the caller's lane until the deadline: 0, -EPIPE, -ENOMEM, -ETIMEDOUT. */
PAWL_API int pawl_mpsc_lanes_push_wait(struct pawl_mpsc_lanes *q, const void *element, uint64_t deadline)
    PAWL_NONNULL;

/* ---- the consumer ---- */

PAWL_API int pawl_mpsc_lanes_turn_(struct pawl_mpsc_lanes *q);

/* Takes the oldest element of some lane. Returns 0, -EAGAIN (empty), -EPIPE (closed, and nothing will come). */
PAWL_API PAWL_INLINE int pawl_mpsc_lanes_pop(struct pawl_mpsc_lanes *q, void *element)
{
    struct pawl_spsc *lane;
    uint64_t at;
    bool words;

    if (PAWL_UNLIKELY(q->burst == 0 || pawl_spsc_there_(&q->current->q, pawl_spsc_of_words_(&q->current->q),
                                                        pawl_load_relaxed(&q->current->q.head)) == 0)) {
        int status = pawl_mpsc_lanes_turn_(q);

        if (status != 0)
            return status;
    }
    q->burst--;
    lane = &q->current->q;
    at = pawl_load_relaxed(&lane->head); /* relaxed: the consumer's own */
    words = pawl_spsc_of_words_(lane);
    pawl_spsc_copy_(lane, words, element, pawl_spsc_element_(lane, words, at));
    pawl_spsc_taken_(lane, words, at, 1);
    return 0;
}

/* Takes up to n, of one lane or several. Returns how many (0: empty), or -EPIPE. */
PAWL_API ptrdiff_t pawl_mpsc_lanes_pop_n(struct pawl_mpsc_lanes *q, void *elements, size_t n) PAWL_NONNULL;

/* Waits for an element until the deadline: 0, -EPIPE, -ETIMEDOUT. */
PAWL_API int pawl_mpsc_lanes_pop_wait(struct pawl_mpsc_lanes *q, void *element, uint64_t deadline)
    PAWL_NONNULL;

PAWL_END_DECLS
#endif
