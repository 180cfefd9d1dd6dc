/* SPDX-License-Identifier: MIT */
/* Transactions as the model checker has them. Included by transaction.h only, in instrumented builds.
 *
 * Under the checker a transaction happens at one point between all that the other threads do, or is given up: by the
 * processor, for either kind of reason, or by transaction_abort. The processor may give up anywhere; what came
 * before is undone, so that it may as well have given up at once. Under ThreadSanitizer there is no checker, and no
 * transaction.
 *
 * In contrast to the processor's, transaction_abort returns: callers go on as if transaction_begin had returned what it
 * returns.
 *
 * Nested transactions are flat, as the processor's: the outermost end commits, and an abort undoes all and goes back to
 * the outermost begin. The processor's giving up inside is that of the outermost one, so an inner begin always
 * succeeds. An abort that is called for inside (transaction_abort_outer) cannot go back here: the execution ends, and is
 * found in another one, in which the outermost begin returned what the abort brings: closures whose transactions nest
 * ask for those by -DTRANSACTIONS_NEST=N, up to N of them a thread. */
#ifndef PAWL_CORE_SYNC_TRANSACTION_CHECKED_H
#define PAWL_CORE_SYNC_TRANSACTION_CHECKED_H

#include <pawl/check.h>
#include <stdbool.h>

#ifndef TRANSACTIONS_NEST
#define TRANSACTIONS_NEST 0
#endif

static __thread unsigned transaction_depth;
static __thread unsigned transaction_outer_aborts; /* what the outermost begin has returned for inner ones */

static inline bool transaction_supported(void)
{
    return pawl_check_active();
}

static inline unsigned transaction_begin(void)
{
    unsigned ways = transaction_outer_aborts != TRANSACTIONS_NEST ? 4 : 3;

    switch (transaction_depth != 0 ? 0 : pawl_check_choose(ways)) {
    case 1:
        return TRANSACTION_CONFLICT | TRANSACTION_RETRY;
    case 2:
        return TRANSACTION_CAPACITY;
    case 3:
        transaction_outer_aborts++;
        return TRANSACTION_EXPLICIT;
    default:
        pawl_check_atomic_begin();
        transaction_depth++;
        return TRANSACTION_STARTED;
    }
}

static inline unsigned transaction_abort(void)
{
    pawl_check_atomic_abort();
    transaction_depth = 0;
    return TRANSACTION_EXPLICIT;
}

static inline void transaction_abort_outer(void)
{
    pawl_check_assume(false);
}

static inline void transaction_end(void)
{
    transaction_depth--;
    pawl_check_atomic_end();
}

static inline bool transaction_inside(void)
{
    return transaction_depth != 0;
}

#endif
