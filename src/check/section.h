/* SPDX-License-Identifier: MIT */
/* Transactions of the program: what a thread does from pawl_check_atomic_begin() to _end() at one point between the
 * steps of all others.
 *
 * In the graph a transaction is a fence (its beginning), one read of every location it touches, and, when it commits,
 * one write of each of them, which follows its read in coherence order as that of a read-modify-write does. What it
 * stored is known only to itself until then, so that an abort has nothing to take back.
 *
 * Its events are contiguous: while it is open no other thread runs. Nobody sees a part of it either: who reads
 * from it has seen it all (the clocks that it hands out count its end).
 *
 * That what it saw was there at one moment is asked of complete executions only: one that breaks this is not counted,
 * and what goes wrong in it is no bug. It must be explored all the same, because revisits lead from it to
 * executions that are whole.
 */
#ifndef PAWL_CHECK_SECTION_H
#define PAWL_CHECK_SECTION_H

#include "run.h"

/* The program has transactions. */
extern bool section_used;
/* The running thread is inside. */
bool section_open(void);
/* The value that the running thread sees at this address; the first access reads it. */
u128 section_read(uintptr_t addr, int size, int name, uint64_t pc);
void section_write(uintptr_t addr, int size, int name, u128 value, uint64_t pc);
/* A plain access of the running thread: to be undone, and watched for races when the transaction commits. */
void section_plain(uintptr_t addr, size_t size, bool write, uint64_t pc);
/* Takes back the plain stores of a thread that goes no further. */
void section_undo(int tid);
void section_reset(void);
/* Some transaction saw what was never there at one moment: in this execution; in the part of it that event `a`, and
 * event `b` unless it is NO_EVENT, need. What goes wrong there is no bug. */
bool section_broken(void);
bool section_broken_at(int a, int b);

/* The writes that a committing thread has left, the one it stands before first. */
const struct op *section_commits(int tid, int *n);
/* Let the thread continue with the write of this address. */
void section_prefer(int tid, uintptr_t addr);

#endif
