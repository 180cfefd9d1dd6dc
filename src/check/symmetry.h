/* SPDX-License-Identifier: MIT */
/* Threads that cannot be told from each other: of the executions that differ only in which of them does what, one is
 * explored.
 *
 * Threads are symmetric when one thread creates them one directly after the other, with the same function and the
 * same argument. Two of them are compared at the first event in which they differ: by how early in coherence order
 * is what they read, or by which of two writes comes first. An execution is sorted when no thread comes
 * before one that was created earlier. Every execution has exactly one sorted permutation, and parts of a sorted one
 * are sorted: so it is one more condition of consistency. What the exploration adds first, and what it takes for
 * added by itself, is then the last write in coherence order that leaves the graph sorted: when the
 * later thread is already further, that is what the later one has.
 *
 * That they cannot be told apart is what --symmetry declares; where an execution shows that they can be, it is an
 * error.
 * Source: M. Kokologiannakis, I. Marmanis, V. Vafeiadis, "SPORE: Combining Symmetry and Partial Order Reduction", 2024
 * has the idea of such an order. The rest here is tested against brute force (tests/check/differential.py).
 */
#ifndef PAWL_CHECK_SYMMETRY_H
#define PAWL_CHECK_SYMMETRY_H

#include "run.h"

bool symmetry_sorted(const struct graph *g);

/* How far event `e` may have gone, given those events of a later thread for which here[] is true: the position in
 * coherence order that it must not pass (the event's own value, for a choice); false when there is no such limit. */
bool symmetry_limit(const struct graph *g, int e, const bool here[], int *limit);

/* The running thread learns which one it is, through `what`. */
void symmetry_told_apart(int tid, const char *what);
void symmetry_reset(void);
/* After an execution: does it show that threads are not symmetric? */
void symmetry_check(void);

#endif
