/* SPDX-License-Identifier: MIT */
/* What the calls of fibers that read and write share. In fiber_io.c. */
#ifndef PAWL_RT_FIBER_WAIT_H
#define PAWL_RT_FIBER_WAIT_H

#include "engine.h"

#include <stdint.h>

struct pawl_op;

/* The engine of the fiber's worker. Aborts outside of fibers, and if `owner`, of what is used, is another (NULL: none). */
struct pawl_engine *pawl_fiber_engine_(const struct pawl_engine *owner, const char *function);

/* Nothing: continuations look whether somebody waits. */
void pawl_fiber_withdraw_(struct pawl_op *op);

/* Waits for the operation, which a continuation completes. */
int64_t pawl_fiber_wait_until_(struct pawl_op *op, uint64_t deadline);

#endif
