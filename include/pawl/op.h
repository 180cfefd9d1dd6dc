/* SPDX-License-Identifier: MIT */
/* Operations: what is begun now and completes later, exactly once.
 *
 * Purpose    The form of everything in libpawl-rt that takes its time and ends with a result: connecting, reading so
 *            many bytes, waiting until all is written, waiting for a descriptor. What happens again and again (the
 *            bytes of a stream, the connections of a listener) has continuations of its own in <pawl/stream.h>.
 * Model      A `struct pawl_op` lies in the caller's memory and is idle until a function of the runtime begins it. If
 *            that function returns a negative errno, it is still idle and nothing will come. Else it is pending, and
 *            completes once: `done` is called with the result, or a negative errno:
 *              -ECANCELED   pawl_op_cancel(), or the stream or the runtime was closed
 *              -ETIMEDOUT   pawl_op_deadline() has passed
 *              others       what the kernel said
 *            When done() is called the operation is idle again: it may be begun anew in it, or freed.
 *            done() never runs inside the function that begins the operation, nor inside pawl_op_cancel(): the
 *            caller need not be ready for its own answer.
 * Threads    An operation belongs to the worker that began it: it is cancelled there, and done() runs there. Other
 *            threads send a message to the worker. Waking a task is how a result leaves the worker: see
 *            pawl_op_wakes().
 * Progress   No function here waits.
 * Memory     112 bytes, in the caller's structures; nothing is allocated.
 * Cost       No system call of its own, no atomic instruction.
 */
#ifndef PAWL_OP_H
#define PAWL_OP_H

#include <pawl/config.h>
#include <pawl/timer.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

PAWL_BEGIN_DECLS

struct pawl_task;
struct pawl_engine;

enum pawl_op_state {
    PAWL_OP_IDLE,    /* not begun, or completed */
    PAWL_OP_PENDING, /* under way */
    PAWL_OP_ENDING,  /* its result is known, done() is about to be called */
};

struct pawl_op {
    /* The caller's. NULL: the result is looked at by who waits (pawl_op_wakes, pawl_await). */
    void (*done)(struct pawl_op *op, int64_t result);
    struct pawl_task *task; /* woken when it has completed; NULL: none */
    int64_t result;         /* when it has completed */
    /* the runtime's */
    uint32_t state; /* of enum pawl_op_state */
    uint32_t flags;
    struct pawl_engine *engine;           /* of the worker that it belongs to */
    void (*withdraw)(struct pawl_op *op); /* takes it out of what it waits for */
    void *target;                         /* what it waits for */
    struct pawl_op *next;                 /* in the target's list, or among those that end */
    struct pawl_timer deadline;
};

/* An idle operation. */
PAWL_API PAWL_INLINE void pawl_op_init(struct pawl_op *op, void (*done)(struct pawl_op *op, int64_t result))
{
    memset(op, 0, sizeof *op);
    op->done = done;
}

/* The object that a `struct pawl_op *` is the `member` of. */
#define pawl_op_of(op, type, member) ((type *)(void *)((char *)(op)-offsetof(type, member)))

/* An idle operation will wake this task when it completes, after done(). NULL: none. */
PAWL_API PAWL_INLINE void pawl_op_wakes(struct pawl_op *op, struct pawl_task *task)
{
    op->task = task;
}

/* Not idle. By the worker that it belongs to. */
PAWL_API PAWL_INLINE bool pawl_op_pending(const struct pawl_op *op)
{
    return op->state != PAWL_OP_IDLE;
}

/* Asks a pending operation to complete with -ECANCELED, in a later turn. If its result is known already it completes
 * with that: 0 is returned, and done() will come in both cases; -EALREADY: it is idle, done() will not come (any
 * more). By the worker that it belongs to. */
PAWL_API int pawl_op_cancel(struct pawl_op *op) PAWL_NONNULL;

/* A pending operation completes with -ETIMEDOUT if it has not completed `ns` nanoseconds from now. Replaces an earlier
 * deadline. Returns 0, or -EALREADY: it is idle, or ending. By the worker that it belongs to. */
PAWL_API int pawl_op_deadline(struct pawl_op *op, uint64_t ns) PAWL_NONNULL;

/* ---- for who makes operations, as <pawl/resolve.h> does ---- */

/* Begins an idle operation on this worker. `withdraw` is called if it is cancelled or its deadline has passed, and makes sure
 * that the maker does not complete it any more. Returns 0; -EBUSY, -EPERM (not on a worker), -EPIPE (the runtime
 * closes). When the runtime closes it is for the maker to complete it. */
PAWL_API int pawl_op_begin(struct pawl_op *op, void *target, void (*withdraw)(struct pawl_op *op))
    PAWL_NONNULL;

/* A pending operation completes with this result: in a later turn; or now, which only functions may do that the runtime
 * calls. On its worker. */
PAWL_API void pawl_op_end(struct pawl_op *op, int64_t result) PAWL_NONNULL;
PAWL_API void pawl_op_complete(struct pawl_op *op, int64_t result) PAWL_NONNULL;

PAWL_END_DECLS
#endif
