/* SPDX-License-Identifier: MIT */
/* Pieces of JSON that several commands print. Each returns a new reference, or NULL when memory is
 * out: jansson passes such a NULL on, so that only the whole need be checked. */
#ifndef PAWL_TOOL_JSON_H
#define PAWL_TOOL_JSON_H

#include "kernel.h"

#include <hwloc.h>
#include <jansson.h>

struct command;

/* The members of a set as an array of numbers; null for a set that is not known. */
json_t *json_set(hwloc_const_bitmap_t set);

/* A text, or null where there is none ("" counts as none). */
json_t *json_text(const char *text);

/* The names of the bits that are set, unknown ones as "bit-N". */
json_t *json_flags(const struct flag_name *names, uint64_t flags);

json_t *json_rseq(const struct pawl_rseq_info *rseq);

/* Write `root` to stdout and release it. Returns an exit status. */
int json_print(json_t *root, const struct command *command);

#endif
