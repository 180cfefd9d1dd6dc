/* SPDX-License-Identifier: MIT */
/* Transactions as the model checker has them. Included by transaction.h only, in instrumented builds.
 *
 * Under the checker a transaction happens at one point between all that the other threads do, or is given up: by the
 * processor, for either kind of reason, or by transaction_abort. The processor may give up anywhere; what came
 * before is undone, so that it may as well have given up at once. Under ThreadSanitizer there is no checker, and no
 * transaction.
 *
 * In contrast to the processor's, transaction_abort returns: callers go on as if transaction_begin had returned what it
 * returns. */
#ifndef PAWL_CORE_SYNC_TRANSACTION_CHECKED_H
#define PAWL_CORE_SYNC_TRANSACTION_CHECKED_H

#include <pawl/check.h>
#include <stdbool.h>

static __thread unsigned transaction_depth;

static inline bool transaction_supported(void)
{
    return pawl_check_active();
}

static inline unsigned transaction_begin(void)
{
    switch (pawl_check_choose(3)) {
    case 1:
        return TRANSACTION_CONFLICT | TRANSACTION_RETRY;
    case 2:
        return TRANSACTION_CAPACITY;
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
