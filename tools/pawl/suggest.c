/* SPDX-License-Identifier: MIT */
#include "suggest.h"

#include <limits.h>
#include <string.h>

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein with swaps of neighbours, the commonest slip of a typist.
 * Three rows suffice, because a swap looks back two rows and no further. */
unsigned suggest_distance(const char *from, const char *to)
{
    size_t rows = strlen(from);
    size_t columns = strlen(to);
    unsigned table[3][SUGGEST_NAME_MAX];

    if (rows >= SUGGEST_NAME_MAX || columns >= SUGGEST_NAME_MAX)
        return UINT_MAX;
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = (unsigned)j;
    for (size_t i = 1; i <= rows; i++) {
        unsigned *row = table[i % 3];
        const unsigned *above = table[(i - 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= columns; j++) {
            unsigned replaced = above[j - 1] + (from[i - 1] != to[j - 1]);

            row[j] = smaller(replaced, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                row[j] = smaller(row[j], table[(i - 2) % 3][j - 2] + 1);
        }
    }
    return table[rows % 3][columns];
}

/* A part of a name (`list` for `percpu-list`) is as good as one slip, whatever their lengths; else
 * a third of the letters may be wrong. */
static unsigned badness(const char *typed, const char *name)
{
    size_t length = strlen(typed);
    unsigned distance;

    if (length == 0)
        return UINT_MAX;
    distance = suggest_distance(typed, name);
    if (length >= 3 && strstr(name, typed))
        return smaller(distance, 1);
    return distance <= smaller((unsigned)length, SUGGEST_NAME_MAX) / 3 + 1 && distance < length ? distance
                                                                                                : UINT_MAX;
}

void suggest_start(struct suggestions *near, const char *typed)
{
    *near = (struct suggestions){.typed = typed};
}

void suggest_consider(struct suggestions *near, const char *name)
{
    unsigned distance = badness(near->typed, name);
    size_t place = near->count;

    if (distance == UINT_MAX)
        return;
    while (place > 0 && near->distances[place - 1] > distance)
        place--;
    if (place == SUGGEST_MAX)
        return;
    if (near->count < SUGGEST_MAX)
        near->count++;
    for (size_t i = near->count - 1; i > place; i--) {
        near->names[i] = near->names[i - 1];
        near->distances[i] = near->distances[i - 1];
    }
    near->names[place] = name;
    near->distances[place] = distance;
}
