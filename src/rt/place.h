/* SPDX-License-Identifier: MIT */
/* Where workers stand: how many there are, on which CPUs, and who is near whom. */
#ifndef PAWL_RT_PLACE_H
#define PAWL_RT_PLACE_H

#include <pawl/cpu.h>
#include <stdint.h>

struct hwloc_topology;

/* Circles around a CPU, the narrowest first. */
enum pawl_distance {
    PAWL_SAME_CORE_,  /* or the same CPU */
    PAWL_SAME_CACHE_, /* below the last level */
    PAWL_SAME_LAST_CACHE_,
    PAWL_SAME_NODE_,
    PAWL_REMOTE_,
    PAWL_DISTANCES_,
};

/* What is known of the CPU that a worker stands on. A core and a cache go by the lowest number of their CPUs. */
struct pawl_site {
    int cpu;
    int core;         /* -1: unknown, here and below */
    int near;         /* the widest cache below the third level */
    int last;         /* the widest from there on */
    int node;         /* its number */
    unsigned sibling; /* which thread of its core */
};

struct pawl_place {
    uint32_t workers;
    uint32_t nodes;    /* that hold any of them, at least 1 */
    int *cpu;          /* of each worker */
    uint32_t *node;    /* of each worker, below `nodes` */
    uint32_t *victims; /* workers - 1 of each: the others, the nearest first */
    uint32_t *rings;   /* PAWL_DISTANCES_ of each: how many of the victims are as near as that, or nearer */
};

/* For `workers` workers (0: as many as there are CPUs in the set) on the CPUs of the set, which is not empty: first one on
 * each core, then the second threads of the cores; more workers than CPUs begin again. topology NULL: all are as
 * near. Returns 0 or -ENOMEM. */
int pawl_place_init_(struct pawl_place *place, uint32_t workers, const struct pawl_cpuset *cpus,
                     struct hwloc_topology *topology);
void pawl_place_destroy_(struct pawl_place *place);

/* The machine, found out once; NULL: it cannot be, or the library was built without hwloc. */
struct hwloc_topology *pawl_place_machine_(void);

/* Fills in what is known of a site, whose CPU is told. */
void pawl_place_look_(struct pawl_site *site, struct hwloc_topology *topology);

/* How many CPUs' time the cgroups of this process have, rounded up, or UINT32_MAX: as much as there is. `root` stands
 * before /proc and /sys; "" is this machine's. */
uint32_t pawl_place_quota_(const char *root);

#endif
