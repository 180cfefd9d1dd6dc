/* SPDX-License-Identifier: MIT */
/* Were all instructions of a section on some path? No decoder is needed: an instruction that does not branch
 * is as long as the distance to the one that ran next. */
#include "interrupt.h"
#include "trap.h"

#include <errno.h>

static unsigned int length_at(const struct interrupt_path *path, size_t k)
{
    unsigned int branch = trap_branch_length(path->at[k]);

    if (branch != 0)
        return branch;
    return k + 1 < path->count ? (unsigned int)(path->at[k + 1] - path->at[k]) : 0;
}

static size_t find(const struct interrupt_coverage *coverage, uintptr_t ip)
{
    size_t i = 0;

    while (i < coverage->count && coverage->seen[i].at != ip)
        i++;
    return i;
}

int interrupt_cover(struct interrupt_coverage *coverage, const struct interrupt_path *path)
{
    for (size_t k = 0; k < path->count; k++) {
        size_t i;

        if (section_of(path->at[k]) == NULL)
            continue;
        i = find(coverage, path->at[k]);
        if (i == sizeof coverage->seen / sizeof coverage->seen[0])
            return -E2BIG;
        coverage->seen[i].at = path->at[k];
        coverage->seen[i].length = length_at(path, k);
        if (i == coverage->count)
            coverage->count++;
    }
    return 0;
}

size_t interrupt_covered(const struct interrupt_coverage *coverage, const struct section *section)
{
    uintptr_t ip = section->start;
    size_t instructions = 0;

    while (section_holds(section, ip)) {
        size_t i = find(coverage, ip);

        if (i == coverage->count || coverage->seen[i].length == 0)
            return 0;
        ip += coverage->seen[i].length;
        instructions++;
    }
    return ip == section->start + section->length ? instructions : 0;
}
