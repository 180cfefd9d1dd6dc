/* SPDX-License-Identifier: MIT */
#ifndef PAWL_CHECK_MODEL_H
#define PAWL_CHECK_MODEL_H

#include "graph.h"

bool multi_copy_atomic_consistent(const struct graph *g, bool tso);
bool psc_consistent(const struct graph *g);

#endif
