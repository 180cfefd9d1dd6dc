/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <assert.h>
#include <string.h>

struct tally tallies[TALLIES_MAX];
unsigned int tally_count;

struct tally *tally_of(const struct scenario *scenario)
{
    for (unsigned int i = 0; i < tally_count; i++)
        if (strcmp(tallies[i].sequence, scenario->sequence) == 0)
            return &tallies[i];
    assert(tally_count < TALLIES_MAX);
    tallies[tally_count].sequence = scenario->sequence;
    return &tallies[tally_count++];
}

struct interrupt_counts tally_sum(size_t offset_of_counts)
{
    struct interrupt_counts sum = {0};

    for (unsigned int i = 0; i < tally_count; i++) {
        const struct interrupt_counts *counts =
            (const struct interrupt_counts *)(const void *)((const char *)&tallies[i] + offset_of_counts);

        sum.points += counts->points;
        sum.runs += counts->runs;
        sum.aborts += counts->aborts;
        sum.failures += counts->failures;
    }
    return sum;
}
