/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <errno.h>
#include <hwloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

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

/* What is known of the CPU that a worker stands on. */
struct site {
    int cpu;
    hwloc_obj_t pu;   /* NULL: the topology does not know it */
    hwloc_obj_t core; /* NULL likewise */
    unsigned order;   /* along the machine */
    unsigned sibling; /* which thread of its core */
    int node;         /* its number; -1: unknown */
};

static void look_at(struct site *site, hwloc_topology_t topology, int cpu, unsigned order)
{
    *site = (struct site){.cpu = cpu, .order = order, .node = -1};
    if (topology == NULL)
        return;
    site->pu = hwloc_get_pu_obj_by_os_index(topology, (unsigned)cpu);
    if (site->pu == NULL)
        return;
    site->order = site->pu->logical_index;
    site->core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, site->pu);
    if (site->core != NULL)
        for (hwloc_obj_t child = site->pu; (child = child->prev_sibling) != NULL;)
            site->sibling++;
    site->node = site->pu->nodeset != NULL ? hwloc_bitmap_first(site->pu->nodeset) : -1;
}

static int by_order(const void *a, const void *b)
{
    const struct site *one = a, *other = b;

    if (one->sibling != other->sibling)
        return one->sibling < other->sibling ? -1 : 1;
    return one->order < other->order ? -1 : one->order > other->order;
}

static enum pawl_distance distance(hwloc_topology_t topology, const struct site *a, const struct site *b)
{
    hwloc_obj_t above;

    if (a->cpu == b->cpu)
        return PAWL_SAME_CORE_;
    if (a->pu == NULL || b->pu == NULL)
        return PAWL_SAME_NODE_;
    if (a->core != NULL && a->core == b->core)
        return PAWL_SAME_CORE_;
    above = hwloc_get_common_ancestor_obj(topology, a->pu, b->pu);
    if (above->type == HWLOC_OBJ_L1CACHE || above->type == HWLOC_OBJ_L2CACHE)
        return PAWL_SAME_CACHE_;
    if (above->type >= HWLOC_OBJ_L3CACHE && above->type <= HWLOC_OBJ_L5CACHE)
        return PAWL_SAME_LAST_CACHE_;
    return a->node == b->node ? PAWL_SAME_NODE_ : PAWL_REMOTE_;
}

static void fill_nodes(struct pawl_place *place, const struct site *sites)
{
    place->nodes = 0;
    for (uint32_t i = 0; i < place->workers; i++) {
        uint32_t before = 0;

        while (before < i && sites[before].node != sites[i].node)
            before++;
        place->node[i] = before < i ? place->node[before] : place->nodes++;
    }
}

static void fill_victims(struct pawl_place *place, hwloc_topology_t topology, const struct site *sites,
                         uint32_t self)
{
    uint32_t *victims = place->victims + (size_t)self * (place->workers - 1);
    uint32_t n = 0;

    for (int circle = 0; circle < PAWL_DISTANCES_; circle++) {
        for (uint32_t i = 1; i < place->workers; i++) {
            uint32_t other = (self + i) % place->workers;

            if ((int)distance(topology, &sites[self], &sites[other]) == circle)
                victims[n++] = other;
        }
        place->rings[self * PAWL_DISTANCES_ + (uint32_t)circle] = n;
    }
}

int pawl_place_init_(struct pawl_place *place, uint32_t workers, const struct pawl_cpuset *cpus,
                     struct hwloc_topology *topology)
{
    uint32_t count = pawl_cpuset_count(cpus), n = 0;
    struct site *sites;

    if (workers == 0)
        workers = count;
    *place = (struct pawl_place){.workers = workers};
    place->cpu = calloc(workers, sizeof *place->cpu);
    place->node = calloc(workers, sizeof *place->node);
    place->victims = calloc((size_t)workers * workers, sizeof *place->victims);
    place->rings = calloc((size_t)workers * PAWL_DISTANCES_, sizeof *place->rings);
    sites = calloc(count > workers ? count : workers, sizeof *sites);
    if (place->cpu == NULL || place->node == NULL || place->victims == NULL || place->rings == NULL ||
        sites == NULL) {
        free(sites);
        pawl_place_destroy_(place);
        return -ENOMEM;
    }
    for (int cpu = pawl_cpuset_next(cpus, -1); cpu >= 0; cpu = pawl_cpuset_next(cpus, cpu), n++)
        look_at(&sites[n], topology, cpu, n);
    qsort(sites, count, sizeof *sites, by_order);
    for (uint32_t i = count; i < workers; i++)
        sites[i] = sites[i - count];
    for (uint32_t i = 0; i < workers; i++)
        place->cpu[i] = sites[i].cpu;
    fill_nodes(place, sites);
    for (uint32_t i = 0; i < workers; i++)
        fill_victims(place, topology, sites, i);
    free(sites);
    return 0;
}

void pawl_place_destroy_(struct pawl_place *place)
{
    free(place->cpu);
    free(place->node);
    free(place->victims);
    free(place->rings);
}
