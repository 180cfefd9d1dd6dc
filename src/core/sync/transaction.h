/* SPDX-License-Identifier: MIT */
/* A transaction of the processor, or of the model checker, or none. */
#ifndef PAWL_CORE_SYNC_TRANSACTION_H
#define PAWL_CORE_SYNC_TRANSACTION_H

#include <pawl/config.h>
#include <stdbool.h>
#include <stdint.h>

/* What transaction_begin returns: Intel's bits. */
#define TRANSACTION_STARTED UINT32_MAX
#define TRANSACTION_EXPLICIT 1u /* transaction_abort */
#define TRANSACTION_RETRY 2u    /* it may succeed if tried again */
#define TRANSACTION_CONFLICT 4u
#define TRANSACTION_CAPACITY 8u

#if PAWL_INSTRUMENTED
#include "transaction_checked.h"
#elif defined(__x86_64__)
#include "transaction_x86_64.h"
#else

/* Arm has specified transactions (TME), but no processor is known that has them. */
static inline bool transaction_supported(void)
{
    return false;
}

static inline unsigned transaction_begin(void)
{
    return 0;
}

static inline unsigned transaction_abort(void)
{
    return 0;
}

static inline void transaction_abort_outer(void)
{
}

static inline void transaction_end(void)
{
}

static inline bool transaction_inside(void)
{
    return false;
}

#endif
#endif
