/* SPDX-License-Identifier: MIT */
/* The counts of each sequence, over all its paths and all that was done to it. */
#ifndef PAWL_TESTS_INTERRUPT_TALLY_H
#define PAWL_TESTS_INTERRUPT_TALLY_H

#include "world.h"

struct tally {
    const char *sequence;
    unsigned int paths;
    size_t instructions; /* in its section */
    /* Interleavings: stopped once, stopped twice, stopped without a restart.
     * Real kernel: by a patched instruction, by a breakpoint, by an operation in the handler. */
    struct interrupt_counts once;
    struct interrupt_counts more;
    struct interrupt_counts control;
};

#define TALLIES_MAX 32
extern struct tally tallies[TALLIES_MAX];
extern unsigned int tally_count;

/* The tally of a scenario's sequence; made at the first call. */
struct tally *tally_of(const struct scenario *scenario);

struct interrupt_counts tally_sum(size_t offset_of_counts);

#endif
