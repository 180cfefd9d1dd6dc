/* SPDX-License-Identifier: MIT */
/* Linearizability: does a concurrent history have a sequential explanation?
 *
 * Purpose    Record what each operation of a data structure was asked and what it answered, and check the
 *            record against a sequential specification, a C function. In model-checked runs (docs/check.md)
 *            at the end of every execution; in real runs on a record of a few hundred operations.
 * Model      M. Herlihy, J. Wing, 1990: each operation seems to happen at one moment between its call and
 *            its return. Real runs: an operation that returned before another was called, by one atomic
 *            counter, comes before it. Under the checker: one that returned *happens before* the other's
 *            call; the order in which the checker happens to run threads means nothing.
 *            An operation that has not returned may have happened or not.
 * Progress   Recording is wait-free. The check is sequential: call it when the threads are joined.
 * Memory     72 bytes an operation, of the caller. The check allocates, and frees.
 * Cost       Two fetch_adds an operation in real runs, which order what they surround: a history recorded
 *            so may hide reorderings that the checker would show. None under the checker.
 *            The check is exponential in the worst case: in the number of overlapping operations, not in the
 *            length of the history.
 * Source     J. Wing, C. Gong, 1993; G. Lowe, "Testing for linearizability", 2017 (memoisation of the set of
 *            operations done and the state reached).
 */
#ifndef PAWL_LIN_H
#define PAWL_LIN_H

#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

#define PAWL_LIN_THREADS 16 /* under the checker, which supports as many */

struct pawl_lin_operation {
    int kind;   /* the specification's own numbering */
    int thread; /* under the checker: who called; else 0 */
    intptr_t argument, result;
    uint64_t called, returned;        /* moments; returned: 0 while it runs */
    uint16_t clock[PAWL_LIN_THREADS]; /* under the checker: what happened before the call */
};

/* A history, in memory of the caller. Under the checker that must be memory which starts each execution
 * afresh:
 * a static variable, or a block from malloc(). */
struct pawl_lin {
    struct pawl_lin_operation *operation;
    size_t capacity, used;
    uint64_t now;
};

/* The sequential specification. State is `state_bytes` bytes, all of which count when two states are
 * compared:
 * clear what is not used. */
struct pawl_lin_spec {
    size_t state_bytes;
    /* The state that a history starts with. */
    void (*init)(void *state);
    /* Do the operation on the state; false when, done now, it would have had another result. An operation
     * that has not returned (returned == 0) accepts every result. */
    bool (*apply)(void *state, const struct pawl_lin_operation *operation);
};

/* Any thread may record after this; one thread calls it, before. */
PAWL_API void pawl_lin_init(struct pawl_lin *history, struct pawl_lin_operation *operations, size_t capacity)
    PAWL_NONNULL;

/* Before the operation: its number, for pawl_lin_return(). Aborts when the history is full. Any thread. */
PAWL_API size_t pawl_lin_call(struct pawl_lin *history, int kind, intptr_t argument) PAWL_NONNULL;

/* After the operation, by the same thread. */
PAWL_API void pawl_lin_return(struct pawl_lin *history, size_t operation, intptr_t result) PAWL_NONNULL;

/* 0: linearizable; then, unless `order` is NULL, order[0..] are the operations in one order that explains
 * the history, and *ordered (unless NULL) their number: operations that did not return may be left out.
 * 1: not linearizable. -ENOMEM: out of memory before it was decided. -EINVAL: no specification. */
PAWL_API int pawl_lin_check(const struct pawl_lin *history, const struct pawl_lin_spec *spec, size_t *order,
                            size_t *ordered) PAWL_MUST_USE;

PAWL_END_DECLS
#endif
