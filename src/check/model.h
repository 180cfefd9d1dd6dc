/* SPDX-License-Identifier: MIT */
#ifndef PAWL_CHECK_MODEL_H
#define PAWL_CHECK_MODEL_H

#include "graph.h"

/* `whole_sections`: each transaction as one event. */
bool multi_copy_atomic_consistent(const struct graph *g, bool tso, bool whole_sections);
bool psc_consistent(const struct graph *g, bool whole_sections);

/* Light and heavy fences: `n` of them, a set of heavy ones, and leads[x], the fences y for which what comes after x
 * leads to what comes before y. */
enum { ASYMMETRIC_MAX = 64 };
bool asymmetric_consistent(int n, uint64_t heavy, const uint64_t leads[]);

#endif
