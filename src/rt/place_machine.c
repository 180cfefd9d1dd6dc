/* SPDX-License-Identifier: MIT */
/* Who shares a core, a cache or a node with whom, as hwloc knows it. */
#include "place.h"

#include <hwloc.h>
#include <pthread.h>
#include <stddef.h>

static pthread_once_t machine_once = PTHREAD_ONCE_INIT;
static hwloc_topology_t machine;

static void find_machine(void)
{
    hwloc_topology_t topology;

    if (hwloc_topology_init(&topology) != 0)
        return;
    /* The whole machine, whatever cpuset the first caller has: later ones may have another. */
    if (hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) != 0 ||
        hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        return;
    }
    machine = topology;
}

struct hwloc_topology *pawl_place_machine_(void)
{
    pthread_once(&machine_once, find_machine);
    return machine;
}

static int lowest_cpu_of(hwloc_obj_t object)
{
    return object->cpuset != NULL ? hwloc_bitmap_first(object->cpuset) : -1;
}

void pawl_place_look_(struct pawl_site *site, struct hwloc_topology *topology)
{
    hwloc_obj_t pu = topology != NULL ? hwloc_get_pu_obj_by_os_index(topology, (unsigned)site->cpu) : NULL;

    if (pu == NULL)
        return;
    site->node = pu->nodeset != NULL ? hwloc_bitmap_first(pu->nodeset) : -1;
    /* From the CPU outwards: of two caches of a kind the wider one stays. */
    for (hwloc_obj_t above = pu->parent; above != NULL; above = above->parent)
        if (above->type == HWLOC_OBJ_CORE)
            site->core = lowest_cpu_of(above);
        else if (above->type == HWLOC_OBJ_L1CACHE || above->type == HWLOC_OBJ_L2CACHE)
            site->near = lowest_cpu_of(above);
        else if (above->type >= HWLOC_OBJ_L3CACHE && above->type <= HWLOC_OBJ_L5CACHE)
            site->last = lowest_cpu_of(above);
    if (site->core >= 0)
        for (hwloc_obj_t thread = pu; (thread = thread->prev_sibling) != NULL;)
            site->sibling++;
}
