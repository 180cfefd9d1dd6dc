/* SPDX-License-Identifier: MIT */
/* Interrupting restartable sequences at every instruction, deterministically.
 *
 * Purpose    To prove, not to sample, that a function with a restartable sequence in it may be preempted at
 *            any instruction. You give the function, a way to bring back the state before it, what another
 *            thread does meanwhile, and a check; this finds every instruction on the function's path, stops
 *            there, lets the other thread act, restarts the sequence as the kernel would, and checks.
 * Model      The thread is stopped in a SIGTRAP handler by a trap patched over the instruction. Two kernels:
 *              emulated  The sequences use `interrupt_area` in place of the kernel's struct rseq (see
 *                        interrupt_adopt). The handler does what the kernel does at a preemption: if the
 *                        next instruction lies in the section that the area's descriptor describes, it goes
 *                        on at the abort handler; the descriptor is forgotten in any case. So migration is a
 *                        store to the area, and all of it works where no kernel offers rseq (qemu-user).
 *              real      The sequences use the kernel's area, and the kernel has done all that before the
 *                        handler runs, because a signal is a preemption. The handler only looks.
 * Threads    One thread at a time, and no other may run the code under test. The SIGTRAP handler is in use
 *            between interrupt_begin and interrupt_end.
 * Limits     A path of at most INTERRUPT_PATH_MAX instructions, the same at every run from the same state.
 *            On x86-64 the path must not hold string instructions with a repeat prefix (a step of one is an
 *            iteration) or int3.
 */
#ifndef PAWL_TESTS_INTERRUPT_H
#define PAWL_TESTS_INTERRUPT_H

#include "sections.h"

#include <pawl/percpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Ample: the first use of a slot looks for its CPU's node, one node after the other, so its path is the
 * longer, the higher the node that the test happens to run on. What a path does not fill is never touched. */
#define INTERRUPT_PATH_MAX 65536
#define INTERRUPT_EVENTS_MAX 2

/* The code under test and all that is needed to run it again and again. */
struct interrupt_subject {
    const char *name; /* for messages */
    void *arg;        /* handed to the functions below */

    /* The state before the operation. Runs before every run. */
    void (*reset)(void *arg);

    /* What is interrupted: not inlined; its path depends on nothing but the state. */
    void (*operation)(void *arg);

    /* What another thread does while this one is stopped, from beginning to end. Called in the handler;
     * `nth`: 0 at the first stop of a run, 1 at the second. It may use the same operations. NULL: nothing. */
    void (*interfere)(void *arg, unsigned int nth);

    /* After each run with `stops` stops: is all as it should be? */
    bool (*check)(void *arg, unsigned int stops);

    /* After a failure: says on stderr what was found and what was expected. May be NULL. */
    void (*explain)(void *arg);
};

/* What the other thread does to the stopped one. */
enum interrupt_how {
    INTERRUPT_PREEMPT, /* it runs on this CPU, or fences it: a sequence restarts */
    INTERRUPT_BESIDE,  /* it runs on another CPU: nothing restarts. For remote operations that need no
                          fence, and as the control: with anything else, failures must show */
};

/* Every instruction that the operation ran, in order. Half a megabyte: not for the stack. */
struct interrupt_path {
    size_t count;
    uintptr_t at[INTERRUPT_PATH_MAX];
};

/* One stop of a run. */
struct interrupt_stop {
    uintptr_t at;            /* before this instruction */
    unsigned int occurrence; /* 1: when it is reached first (since the stop before), 2: ... */
    enum interrupt_how how;  /* emulated kernel only; a signal always preempts */
    bool reached;            /* result */
    unsigned int aborts;     /* result: how often the sequence was restarted there */
};

/* What a sweep has done. Sums up over sweeps. */
struct interrupt_counts {
    unsigned long points;   /* instructions at which the operation was stopped */
    unsigned long runs;     /* combinations tried */
    unsigned long aborts;   /* sequences restarted */
    unsigned long failures; /* checks that said no, or stops where the kernel did the wrong thing */
};

/* ---- Set-up ---- */

/* Installs the handler. Returns 0 or a negative errno. */
int interrupt_begin(void);
void interrupt_end(void);

/* Stands in for the kernel's struct rseq of the one thread under test, same layout. The other thread has
 * its own in effect: what it leaves in rseq_cs does not reach the stopped one. */
struct interrupt_area {
    uint32_t cpu_id_start;
    int32_t cpu_id; /* the slot that sequences work on: assign to it to migrate */
    uint64_t rseq_cs;
    uint32_t flags;
    uint32_t node_id;
    int32_t mm_cid;
    uint32_t reserved;
} __attribute__((aligned(32)));
extern struct interrupt_area interrupt_area;

/* Points a region's sequences of the calling thread at interrupt_area, and back to the kernel's area.
 * Other threads must not use the region in between. */
void interrupt_adopt(struct pawl_percpu *pc);
void interrupt_release(struct pawl_percpu *pc);

/* ---- Single runs, with the emulated kernel ---- */

/* Runs the operation with the given stops (0 to INTERRUPT_EVENTS_MAX) and, where `path` is not NULL, writes
 * down every instruction from the last stop on (from the entry when there are none) to the return.
 * Returns 0; -ENOENT: a stop was not reached; -E2BIG: the path is too long. */
int interrupt_run(const struct interrupt_subject *subject, struct interrupt_stop *stops, unsigned int count,
                  struct interrupt_path *path);

/* The stop at the k-th instruction of a path. */
struct interrupt_stop interrupt_stop_at(const struct interrupt_path *path, size_t k, enum interrupt_how how);

/* ---- Sweeps ---- */

/* Stops the operation once, at each instruction of its path, one run each. Prints the first failures when
 * `loud`. Returns 0, or a negative errno when a run was impossible. */
int interrupt_sweep(const struct interrupt_subject *subject, enum interrupt_how how, bool loud,
                    struct interrupt_counts *counts);

/* Stops it twice: at each instruction inside a section, where it is preempted, and then in either way at each
 * instruction of the path that it takes from there. */
int interrupt_sweep_twice(const struct interrupt_subject *subject, enum interrupt_how second, bool loud,
                          struct interrupt_counts *counts);

/* The same as interrupt_sweep with the real kernel, by signals from a trap instruction patched over each
 * instruction. A stop counts as a failure too where the kernel aborts outside a section, or does not inside, or
 * aborts to another place than the section's handler. Each instruction is interrupted `times` times in one run
 * (1 or 2). The region must not be adopted now; `path` is from a run while it was. */
int interrupt_sweep_signals(const struct interrupt_subject *subject, const struct interrupt_path *path,
                            unsigned int times, struct interrupt_counts *counts);

/* The same by the processor's breakpoints (perf_event_open with sigtrap), which leave the text alone and
 * reach every turn of a loop. */
int interrupt_sweep_breakpoints(const struct interrupt_subject *subject, const struct interrupt_path *path,
                                struct interrupt_counts *counts);

/* 0, or why this process may not use such breakpoints (a negative errno). */
int interrupt_breakpoints_work(void);

/* ---- Coverage ---- */

/* The instructions of the sections that paths went through, and how long each is. */
struct interrupt_coverage {
    size_t count;
    struct {
        uintptr_t at;
        unsigned int length; /* 0: not known yet */
    } seen[1024];
};

/* Adds the instructions of a path that lie in sections. Returns 0 or -E2BIG. */
int interrupt_cover(struct interrupt_coverage *coverage, const struct interrupt_path *path);

/* Instructions of the section that were seen, when they are all there are; else 0: some were never
 * reached. */
size_t interrupt_covered(const struct interrupt_coverage *coverage, const struct section *section);

#endif
