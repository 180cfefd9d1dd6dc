/* SPDX-License-Identifier: MIT */
/* Inside the reclamation rooms: grace periods, the writers' half. */
#ifndef PAWL_CORE_RECLAIM_GRACE_H
#define PAWL_CORE_RECLAIM_GRACE_H

#include "reader.h"
#include "rest.h"

#include <pawl/park.h>
#include <pawl/reader.h>
#include <stdbool.h>
#include <stdint.h>

/* Grace periods are numbered from 1. One at a time runs; whoever has the lead carries it on, and any thread
 * can take the lead over between two steps. No thread is needed that does nothing else.
 *
 *      starting   the latest that has begun        a caller's target is starting + 1, read after a full
 * fence:
 *      completed  the latest that has ended        the first that begins after all the caller did before
 */
struct pawl_grace_period {
    PAWL_ATOMIC(uint64_t) starting;
    PAWL_ATOMIC(uint64_t) completed;
    PAWL_ATOMIC(uint32_t) lead; /* 1: some thread carries it on */
    /* the leader's: */
    bool open;                      /* `starting` has begun and not ended */
    bool by_marks;                  /* constant: marks that threads pass take the place of the heavy fence */
    uint64_t mark;                  /* of `starting` */
    struct pawl_rest rest;          /* where there are marks: its words follow those of the readers */
    uint32_t cursor;                /* readers below this number do not block it any more */
    uint32_t held_up;               /* steps that ended at some reader */
    PAWL_ATOMIC(uint32_t) unpassed; /* the last scan ended at a thread that had not passed the mark: a hint */
    struct pawl_eventcount changed; /* completed, or the lead is free */
    struct pawl_eventcount left;    /* a reader with W has left its section */
    struct reader_room room;        /* of a domain with words of its own */
    struct pawl_grace *grace;
} PAWL_LINE_PAIR_ALIGNED;

/* Whether a comes before b. */
static inline bool before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

static inline PAWL_ATOMIC(uint64_t) * grace_word(const struct pawl_grace *grace, uint32_t number)
{
    return (PAWL_ATOMIC(uint64_t) *)(void *)(grace->words + number * PAWL_READER_STRIDE);
}

/* Reserves words for all threads, and `front` bytes in front of them, a multiple of PAWL_CACHELINE_PAIR. All 0. Returns
 * where the words begin, or NULL: there is no memory. */
char *pawl_grace_reserve(size_t front);
/* Both as they were there. */
void pawl_grace_release(char *words, size_t front);

/* Makes both halves of a domain whose words are there. Its room has that `leave`, or if NULL one that clears the word. */
void pawl_grace_init(struct pawl_grace *grace, struct pawl_grace_period *period,
                     void (*leave)(struct reader_room *room, uint32_t number));
/* First: threads that end from here on do not touch the domain. */
void pawl_grace_detach(struct pawl_grace *grace);

/* How deep the calling thread is inside sections of this domain. */
uint64_t pawl_grace_depth(const struct pawl_grace *grace);

/* The first grace period that begins after everything the caller (and what happened before it) has done. A
 * full fence. */
uint64_t pawl_grace_target(struct pawl_grace *grace);

/* The same where grace periods begin with marks: what the caller has done is before a mark of its own. */
uint64_t pawl_grace_target_marked(struct pawl_grace *grace);

/* Whether it has ended. acquire C: pairs with the release in end(). */
bool pawl_grace_over(const struct pawl_grace *grace, uint64_t target);

/* Carries grace periods on towards `target` without waiting for anybody; whether it is over. */
bool pawl_grace_step(struct pawl_grace *grace, uint64_t target);

/* Waits until it is over. The caller is inside no section. */
void pawl_grace_wait(struct pawl_grace *grace, uint64_t target);

/* In a forked child: whoever had the lead is gone. */
void pawl_grace_forked(struct pawl_grace *grace);

/* Called by a thread that has waited long for one reader: `waited` ns so far. Set by pawl_rcu_set_stall. */
void pawl_grace_stalled(const struct pawl_grace *grace, uint32_t number, uint64_t waited, uint64_t *next);

#endif
