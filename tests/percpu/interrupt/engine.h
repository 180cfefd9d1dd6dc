/* SPDX-License-Identifier: MIT */
/* Between the SIGTRAP handler and the sweeps. */
#ifndef PAWL_TESTS_INTERRUPT_ENGINE_H
#define PAWL_TESTS_INTERRUPT_ENGINE_H

#include "interrupt.h"

/* One run with the real kernel: `times` signals at stop->at, from a trap instruction, or one from the
 * breakpoint `fd` where that is not negative. Returns 0 or -ENOENT; see engine_wrong for the rest. */
int engine_run_real(const struct interrupt_subject *subject, struct interrupt_stop *stop, unsigned int times,
                    int fd);

/* What the kernel, real or emulated, found amiss at a stop of the last run, or NULL. */
const char *engine_wrong(void);

#endif
