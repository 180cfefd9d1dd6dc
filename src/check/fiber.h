/* SPDX-License-Identifier: MIT */
/* Threads of the program under test, as fibers of one OS thread.
 *
 * Each fiber has a stack of its own and borrows the thread pointer of a real thread that is parked for
 * good: so thread-local variables, errno, and whatever libc keeps per thread are right, and the address of
 * a thread-local variable differs from thread to thread. Stacks and thread areas lie at fixed addresses:
 * an execution can be run again in another process.
 */
#ifndef PAWL_CHECK_FIBER_H
#define PAWL_CHECK_FIBER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fiber {
    void *sp; /* saved stack pointer while switched out */
    uintptr_t thread_pointer;
    char *stack, *stack_end; /* below `stack` lies a page nobody may touch */
    char *lowest;            /* how far down the stack was used */
    pthread_t handle;        /* of the parked thread: what the program sees as pthread_t */
};

/* Make `n` fibers' stacks and parked threads. Called once. */
void fiber_setup(int n);
struct fiber *fiber_of(int tid);
/* Let fiber `tid` start in entry() at its next switch. */
void fiber_prepare(int tid, void (*entry)(void));
/* Note how far down the running fiber's stack is used: that much is cleared before its next start, so that
 * what an execution finds in memory it never wrote does not depend on the executions before it. */
void fiber_note_depth(int tid);
/* Engine to fiber, and back. */
void fiber_enter(int tid);
void fiber_leave(int tid);
/* The fiber on whose stack, or among whose thread-local variables, this address is; -1 when none. */
int fiber_at(uintptr_t address);
/* On the stack of some fiber. */
bool fiber_on_stack(uintptr_t address);
/* The fiber whose guard page holds this address; -1 when none. */
int fiber_overflowed(uintptr_t address);
/* Continue on the engine's side as though the running fiber had left: for signal handlers, which put this
 * function's address where the interrupted code would resume. */
void fiber_abandon(void);
/* The executable's thread-local variables of a fiber; how many bytes. */
size_t fiber_tls(int tid, const char **start);
/* Give every fiber the thread-local variables that the executable starts with. */
void fiber_reset_tls(void);

#endif
