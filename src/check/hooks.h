/* SPDX-License-Identifier: MIT */
#ifndef PAWL_CHECK_HOOKS_H
#define PAWL_CHECK_HOOKS_H

#include "run.h"

void hooks_reset(void);
/* The processor whose sequences this word stands for; -1 when none. */
int hooks_cpu(uintptr_t addr);
/* The running thread does what orders its non-temporal stores, or ends. */
void hooks_order_streamed(void);

#endif
