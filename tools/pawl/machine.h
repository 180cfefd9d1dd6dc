/* SPDX-License-Identifier: MIT */
/* The machine that `pawl topo` describes: its shape through hwloc, and, if it is the one we run on,
 * what its kernel says. */
#ifndef PAWL_TOOL_MACHINE_H
#define PAWL_TOOL_MACHINE_H

#include "kernel.h"

#include <hwloc.h>

enum machine_source {
    MACHINE_HERE,
    MACHINE_XML,         /* a file written by hwloc's lstopo */
    MACHINE_SYNTHETIC,   /* a description such as "pack:2 core:8 pu:2" */
    MACHINE_ENVIRONMENT, /* hwloc's own variables (HWLOC_XMLFILE, ...) put another machine in place of ours */
};

struct machine {
    enum machine_source source;
    const char *described_by; /* the file or the description; NULL for the other sources */
    hwloc_topology_t topology;
    struct hwloc_distances_s *distances; /* between NUMA nodes, by latency; NULL: not known, or one node */
    bool has_kernel;                     /* exactly when the machine is the one we run on */
    struct kernel_facts kernel;
};

struct command;

/* Load the machine; reports what is wrong in the name of `command`. Returns an exit status. */
int machine_open(struct machine *machine, enum machine_source source, const char *described_by,
                 const struct command *command);
void machine_close(struct machine *machine);

unsigned machine_count(const struct machine *machine, hwloc_obj_type_t type);

/* The most hardware threads that any core has; 1 on a machine that does not tell its cores. */
unsigned machine_threads_per_core(const struct machine *machine);

/* Objects of `type` whose CPUs lie within `set`. */
unsigned machine_count_inside(const struct machine *machine, hwloc_const_bitmap_t set, hwloc_obj_type_t type);

/* The processor's name as `object`, or the whole machine if it is NULL, tells it; NULL: not told. */
const char *machine_model(const struct machine *machine, hwloc_obj_t object);

void topo_print_text(const struct machine *machine, bool all);

/* Returns an exit status. */
int topo_print_json(const struct machine *machine, const struct command *command);

#endif
