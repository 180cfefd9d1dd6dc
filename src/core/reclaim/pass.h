/* SPDX-License-Identifier: MIT */
/* Inside the reclamation rooms: what a membarrier is for, without one.
 *
 * A scan needs to know of each other thread that what it stored before some moment is visible, and that what it loads
 * afterwards is not older than that moment. A membarrier makes all threads see to that at once, by interrupting them. A
 * thread that retires comes by of its own accord, and it is enough that it passes: it reads the number of the latest
 * mark and stores it in its record.
 *
 * Let U be what a thread did before its mark m, S and L a reader's store and the load that follows it.
 *   - S before the pass that shows m or later: N publishes S to who finds that m is passed.
 *   - L after it: M has published U to that pass, and so to L.
 * So once all others have passed m, the scan sees S, or L sees U: as after a heavy fence. A thread that begins after the
 * mark passes at its first use. One that does neither leaves it to a heavy fence, which serves all marks before it. */
#ifndef PAWL_CORE_RECLAIM_PASS_H
#define PAWL_CORE_RECLAIM_PASS_H

#include "reader.h"

/* A mark: what the caller did so far is before it. Returns its number. */
uint64_t pawl_pass_mark(struct pawl_reader *self);

/* By a thread that has just taken its number, or rested, before its next section or slot. */
void pawl_pass_begin(struct pawl_reader *self);

/* The calling thread passes all marks so far. */
void pawl_pass(struct pawl_reader *self);

/* Whether all threads have passed the mark, or were fenced since, or rest in the caller's domain (which may be NULL). The
 * cursor is 0 at first, and the caller's to keep: who was found to have passed is not asked again. */
struct pawl_rest;
bool pawl_pass_done(uint64_t mark, uint32_t *cursor, const struct pawl_rest *rest);

/* Whether this thread has passed the mark, or was fenced since. */
bool pawl_pass_has(uint32_t number, uint64_t mark);

/* Whether the thread has passed none of many marks that the calling thread has. */
bool pawl_pass_is_late(uint32_t number, const struct pawl_reader *self);

/* A heavy fence, for all marks so far. The calling thread holds up nobody meanwhile. */
void pawl_pass_fence(struct pawl_reader *self);

#endif
