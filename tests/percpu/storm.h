/* SPDX-License-Identifier: MIT */
/* A storm: many threads run one action over and over, are interrupted by timer signals whose handler runs
 * the same action, and are moved from CPU to CPU all the time, while one remote thread works on their
 * slots. Whoever acts is an actor: each thread is one, and so is each thread's signal handler. */
#ifndef PAWL_TESTS_STORM_H
#define PAWL_TESTS_STORM_H

#include "percpu_test.h"

#define STORM_THREADS 16
#define STORM_ACTORS (2 * STORM_THREADS)
#define STORM_HELD 24

struct actor {
    uint32_t id;
    uint32_t holds;        /* how many of held[] */
    uint64_t random;       /* state of its random numbers */
    unsigned long actions; /* how many it has done */
    long tally[4];         /* what they did, for the check at the end */
    long held[STORM_HELD]; /* what it took and has not given back */
} PAWL_LINE_PAIR_ALIGNED;

struct storm {
    const char *name;
    void (*act)(struct actor *actor);    /* one action; short: a signal handler runs it too */
    void (*remote)(struct actor *actor); /* one action of the remote thread, or NULL */
    struct actor actor[STORM_ACTORS];
    struct actor remote_actor;
};

/* How long each of `cases` may take: a share of PAWL_TEST_SECONDS (3, or 60 in the long form). */
double storm_seconds(unsigned int cases);

/* Runs the storm. Returns NULL, or the first thing that went wrong. Aborts with the name of the storm when it
 * does not end. */
const char *storm_run(struct storm *storm, double seconds, uint64_t seed);

/* From any actor, also in a signal handler: `what` went wrong unless `truth`. Ends the storm. */
void storm_require(bool truth, const char *what);

/* Runs the storm and asserts that nothing went wrong. */
void storm_assert(struct storm *storm, double seconds, uint64_t seed);

/* The sum of one tally over all actors. */
long storm_tally(const struct storm *storm, int which);

/* The sum of the words at `at` over all slices. */
long storm_sum(struct pawl_percpu *pc, size_t at);

/* An object that was nobody's is somebody's now; `what` went wrong if it was somebody's. And given back. */
void storm_claim(PAWL_ATOMIC(long) * held, const char *what);
void storm_disclaim(PAWL_ATOMIC(long) * held);

#endif
