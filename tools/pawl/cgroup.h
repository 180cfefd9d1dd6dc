/* SPDX-License-Identifier: MIT */
/* What control groups grant this process of the CPUs. */
#ifndef PAWL_TOOL_CGROUP_H
#define PAWL_TOOL_CGROUP_H

#include <hwloc.h>
#include <limits.h>
#include <stdbool.h>

struct cgroup_cpu {
    int version;           /* of the hierarchy the quota was looked for in: 1, 2; 0: no control groups */
    bool limited;          /* a quota is set on our group or one above it */
    double quota;          /* CPUs' worth of time per unit of time; the smallest on the way up */
    char group[PATH_MAX];  /* the directory that sets it, as seen in this mount namespace */
    hwloc_bitmap_t cpuset; /* CPUs our group may use; NULL: no cpuset controller */
};

/* Read /proc/self/cgroup and the mounted hierarchies below `root` (in the command: ""). */
void cgroup_cpu_read(struct cgroup_cpu *cpu, const char *root);
void cgroup_cpu_free(struct cgroup_cpu *cpu);

#endif
