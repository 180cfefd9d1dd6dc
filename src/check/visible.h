/* SPDX-License-Identifier: MIT */
/* Atomic operations of the program, whoever asks for them: the compiler's calls, pthread objects, futexes. */
#ifndef PAWL_CHECK_VISIBLE_H
#define PAWL_CHECK_VISIBLE_H

#include "arch.h"
#include "run.h"

/* What a call leaves as it was, as the program had it when it called. */
struct registers {
    uint64_t saved[SAVED_REGISTERS], sp;
};
extern struct registers pawl_check_registers;

/* Stops the thread for good when it stands where it stood before with nothing changed in between. */
void spin_check(uintptr_t addr, u128 operand, u128 expected, uint64_t pc);
u128 visible_load(uintptr_t addr, int size, int order, uint64_t pc);
/* `count` alternatives, each explored: the one of this execution. Part of a read-modify-write: `rmw`. */
unsigned visible_choice(unsigned count, bool rmw, uint64_t pc);
void visible_fence(int order, uint64_t pc);
/* On the running thread's stack, which loads are compared by. */
bool on_own_stack(uintptr_t addr);
bool on_stack_of(int tid, uintptr_t addr);
/* Plain access: races, use after free, uninitialised. */
void plain_access(const void *p, size_t size, bool write, bool scalar, uint64_t pc);
/* How much of a string that ends at the latest behind `n` bytes is read by who reads it. */
size_t bytes_read(const char *s, size_t n);

/* Where the program called from. It is also told how far its stack goes, before anything else is done. */
#define CALLER (frames_at(CALLERS_STACK), CALLED_FROM)
#define CALLERS_STACK ((uintptr_t)__builtin_dwarf_cfa())
#define CALLED_FROM ((uint64_t)(uintptr_t)__builtin_return_address(0))
#define EXPORT __attribute__((visibility("default")))

#endif
