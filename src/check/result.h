/* SPDX-License-Identifier: MIT */
#ifndef PAWL_CHECK_RESULT_H
#define PAWL_CHECK_RESULT_H

#include "run.h"

void result_begin(const char *program);
/* Count an execution; false when exploring must stop. */
bool result_add(enum run_end end);
/* Print the result; the exit status. */
int result_end(bool everything);
struct result_counts {
    uint64_t complete, blocked, moot, duplicates;
};

/* For processes that explore a part: begin again at nothing, hand over, add up. */
void result_restart(void);
/* Counts, outcomes and hashes, as bytes for another process; and added up there. False when they cannot be. */
bool result_write(FILE *to);
bool result_merge(FILE *from);
uint64_t result_executions(void);
/* From now on executions are counted here, by several processes. */
void result_share(uint64_t *executions);
bool result_has_bug(void);
/* The failing execution, to standard error, and its replay file. */
void result_print_bug(void);
/* Like result_end(), when the process that found a bug has printed it. */
int result_end_merged(bool everything, bool bug);
/* Once a second, from a signal handler: the progress line. */
void result_tick(void);
const char *report_title(enum bug_kind kind);
const char *report_order(int order);

#endif
