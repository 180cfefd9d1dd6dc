/* SPDX-License-Identifier: MIT */
/* Stopping a thread at an instruction of its own program: the few lines that differ between machines.
 *
 * A trap instruction is patched over the instruction; SIGTRAP arrives before it has run. One thread only:
 * the program's text is changed under its feet, in its own copy of the pages. */
#ifndef PAWL_TESTS_INTERRUPT_TRAP_H
#define PAWL_TESTS_INTERRUPT_TRAP_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* Patches a trap over the instruction at `ip`, which must be the first byte of one. Ends the program with
 * a message when the text cannot be made writable. */
void trap_plant(uintptr_t ip);

/* In the handler: takes every trap out again, ends single-stepping, and returns where the thread goes on:
 * the instruction it stopped at, or where the kernel has sent it instead. */
uintptr_t trap_arrive(ucontext_t *context);

/* Without a signal: takes every trap out again. */
void trap_clear(void);

/* In the handler, after trap_arrive: one instruction, then SIGTRAP. */
void trap_step(ucontext_t *context);

void trap_resume_at(ucontext_t *context, uintptr_t ip);

/* At the first instruction of a function: where it will return to. */
uintptr_t trap_return_address(const ucontext_t *context);

/* Bytes of the branch at `ip`, or 0: it is no branch, so the next instruction on a path is the next in
 * memory. */
unsigned int trap_branch_length(uintptr_t ip);

/* What stands before every abort handler; the kernel compares it. */
extern const uint32_t trap_rseq_signature;

/* Shared by the machines. */
void trap_make_writable(uintptr_t ip);

#endif
