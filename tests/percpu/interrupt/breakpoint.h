/* SPDX-License-Identifier: MIT */
/* One breakpoint register of the processor, by way of perf events. */
#ifndef PAWL_TESTS_INTERRUPT_BREAKPOINT_H
#define PAWL_TESTS_INTERRUPT_BREAKPOINT_H

#include <stdint.h>

/* SIGTRAP for this thread when it is about to run the instruction at `ip` for the occurrence-th time.
 * Returns a descriptor, switched off, or a negative errno. */
int breakpoint_open(uintptr_t ip, unsigned int occurrence);

void breakpoint_on(int fd);
void breakpoint_off(int fd);

#endif
