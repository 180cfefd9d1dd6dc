/* SPDX-License-Identifier: MIT */
/* The known names nearest to a mistyped one. */
#ifndef PAWL_TOOL_SUGGEST_H
#define PAWL_TOOL_SUGGEST_H

#include <stddef.h>

enum { SUGGEST_MAX = 3, SUGGEST_NAME_MAX = 64 };

struct suggestions {
    const char *typed;
    size_t count;                   /* best first; equally good ones in the order considered */
    const char *names[SUGGEST_MAX]; /* point to what suggest_consider() was given */
    unsigned distances[SUGGEST_MAX];
};

void suggest_start(struct suggestions *near, const char *typed);

/* Keep `name` if it is near enough to what was typed, and nearer than what it displaces. */
void suggest_consider(struct suggestions *near, const char *name);

/* Edits (insert, delete, replace, swap two neighbours) that turn `from` into `to`; a name of
 * SUGGEST_NAME_MAX characters or more is infinitely far from everything (UINT_MAX). */
unsigned suggest_distance(const char *from, const char *to);

#endif
