/* SPDX-License-Identifier: MIT */
/* What a runtime is at, on a signal: see pawl_rt_dump() and dump_signal of struct pawl_rt_config. */
#ifndef PAWL_RT_DUMP_H
#define PAWL_RT_DUMP_H

#include <pawl/block.h>
#include <pawl/signal.h>
#include <stdbool.h>
#include <stddef.h>

struct pawl_worker;

/* Of worker 0. The text is written by a thread of the pool: it waits for the workers, and for standard error. */
struct pawl_dumper {
    struct pawl_signal signal;
    struct pawl_job job;
    bool again; /* the signal came while the job was under way */
};

/* By worker 0 before it runs. Returns 0, or as pawl_signal_start(). */
int pawl_dump_on_signal_(struct pawl_worker *worker, int number);

/* stats.c: the name of the i-th counter of a worker, and its value; NULL: there are not so many. */
const char *pawl_counter_(const struct pawl_worker *worker, size_t i, uint64_t *count);

#endif
